"""Discretization by itself: where its data come from, states that merge, files of weights, torch's own tools."""

import copy
import pickle

import numpy as np
import pytest
import torch

from torchkeras import Sequential, layers, models

X = np.random.default_rng(0).normal(size=(120, 3)).astype("float32")


def bins_of(data, num_bins=4, **options):
    layer = layers.Discretization(num_bins=num_bins)
    layer.adapt(data, **options)
    return layer.bin_boundaries


@pytest.mark.parametrize(
    "data",
    [
        X.tolist(),
        torch.tensor(X),
        X.astype("float64"),
        [X],
        (X,),
        iter([X]),
        (x for x in [torch.tensor(X)]),
        torch.utils.data.DataLoader(torch.tensor(X), batch_size=120),
    ],
    ids=lambda data: type(data).__name__,
)
def test_one_batch_in_any_box(data):
    assert bins_of(data) == bins_of(X)


@pytest.mark.parametrize(
    "data",
    [
        list(X.reshape(6, 20, 3)),
        iter(torch.tensor(X).split(20)),
        torch.utils.data.DataLoader(torch.tensor(X), batch_size=20),
        torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(X)), batch_size=20),
    ],
    ids=lambda data: type(data).__name__,
)
def test_batches_in_any_box(data):
    assert bins_of(data) == bins_of(X, batch_size=20)
    np.testing.assert_allclose(bins_of(X, batch_size=20), bins_of(X), atol=0.1)


def test_only_so_many_batches():
    assert bins_of(iter(X.reshape(6, 20, 3)), steps=2) == bins_of(X[:40], batch_size=20)


def test_a_smaller_epsilon_finds_closer_quantiles():
    data, errors = np.random.default_rng(1).permutation(np.arange(50000.0)), []
    for epsilon in (0.05, 0.01, 0.002):
        layer = layers.Discretization(num_bins=5, epsilon=epsilon)
        layer.adapt(data, batch_size=777)
        errors.append(np.abs(np.subtract(layer.bin_boundaries, [10000, 20000, 30000, 40000])).max())
        assert layer.summary.shape[1] <= 1 / epsilon + 1
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1000


def test_states_of_several_layers_merge():
    parts = [layers.Discretization(num_bins=4) for _ in range(3)]
    for part, rows in zip(parts, X.reshape(3, 40, 3), strict=True):
        part.update_state(rows)
    weights = sum(part.summary[1].sum() for part in parts)
    parts[0].merge_state(parts[1:])
    np.testing.assert_allclose(parts[0].bin_boundaries, bins_of(X), atol=0.1)
    assert parts[0].summary[1].sum() == pytest.approx(weights, rel=0.02)
    with pytest.raises(ValueError, match="Discretization"):
        parts[0].merge_state([layers.Normalization()])


@pytest.mark.parametrize("data", [[], np.zeros((0, 3)), iter([])], ids=["list", "array", "iterator"])
def test_no_data(data):
    layer = layers.Discretization(num_bins=2)
    layer.adapt([1.0, 2.0])
    with pytest.raises(ValueError):
        layer.adapt(data)
    assert layer.bin_boundaries == [1.0]


@pytest.mark.parametrize("options", [{"num_bins": 0}, {"num_bins": 3, "epsilon": 0}, {"num_bins": 3, "epsilon": "x"}])
def test_nothing_to_adapt_by(options):
    with pytest.raises(ValueError, match="adapt"):
        layers.Discretization(**options).adapt([1.0, 2.0])


def test_what_is_no_data():
    for data in (np.array(["a"]), None, [["a"]]):
        with pytest.raises((ValueError, TypeError)):
            layers.Discretization(num_bins=3).adapt(data)


def test_copies_and_configs_keep_the_bins():
    layer = layers.Discretization(num_bins=4, name="bins")
    layer.adapt(X)
    for other in (
        copy.deepcopy(layer),
        pickle.loads(pickle.dumps(layer)),
        layers.Discretization.from_config(layer.get_config()),
        layers.deserialize(layers.serialize(layer)),
    ):
        assert other.bin_boundaries == layer.bin_boundaries and other.num_bins == 4
        assert torch.equal(other(X), layer(X))
        other.adapt(X + 1)
        assert other.bin_boundaries != layer.bin_boundaries


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
def test_files_keep_the_bins(tmp_path, suffix):
    def model(adapted):
        bins = layers.Discretization(num_bins=4, output_mode="one_hot")
        if adapted:
            bins.adapt(X)
        return Sequential([layers.Input((1,)), bins, layers.Dense(2)])

    first, path = model(True), tmp_path / f"m{suffix}"
    if suffix == ".weights.h5":
        first.save_weights(path)
        second = model(False)
        second.load_weights(path)
    else:
        first.save(path)
        second = models.load_model(path)
    assert second.layers[0].bin_boundaries == first.layers[0].bin_boundaries
    torch.testing.assert_close(second(X[:, :1]), first(X[:, :1]))


def test_a_state_dict_holds_the_bins():
    layer, other = layers.Discretization(num_bins=4), layers.Discretization(num_bins=4)
    layer.adapt(X)
    other.load_state_dict(layer.state_dict())
    assert other.bin_boundaries == layer.bin_boundaries
    other.merge_state([])
    assert other.bin_boundaries == layer.bin_boundaries


def test_boundaries_set_by_hand_are_in_force():
    layer = layers.Discretization(num_bins=2)
    layer.adapt(X)
    layer.bin_boundaries = [0.0, 5.0]
    assert layer([1.0, 6.0]).tolist() == [1, 2]
    store = {}
    layer.save_own_variables(store)
    assert store == {}


def test_whole_numbers_stay_exact():
    times = torch.tensor([1_700_000_000, 1_700_000_001])
    assert layers.Discretization([1_700_000_001])(times).tolist() == [0, 1]


def test_a_summary_of_another_form_is_refused():
    with pytest.raises(ValueError, match="summary"):
        layers.Discretization(num_bins=2).load_own_variables({"0": np.zeros(3)})


def test_old_name_of_both_arguments():
    assert layers.Discretization(bins=3).num_bins == 3
    assert layers.Discretization(bins=[1.0, 2.0]).bin_boundaries == [1.0, 2.0]
