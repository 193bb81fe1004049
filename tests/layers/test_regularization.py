"""Dropout and noise: when they act, their statistics, seeds."""

import copy

import pytest
import torch

from torchkeras.layers import (
    ActivityRegularization,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
)

ONES = torch.ones(200, 100)


def test_acts_in_training_only():
    layer = Dropout(0.5)
    assert layer(ONES) is ONES
    assert layer(ONES, training=False) is ONES
    assert not torch.equal(layer(ONES, training=True), ONES)
    layer.train()
    assert not torch.equal(layer(ONES), ONES)
    assert layer(ONES, training=False) is ONES


@pytest.mark.parametrize("seed", [None, 3])
def test_drops_the_rate_and_scales_the_rest(seed):
    dropped = Dropout(0.25, seed=seed)(ONES, training=True)
    assert dropped.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_rate_one_gives_zeros():
    assert Dropout(1.0)(ONES, training=True).sum() == 0


def test_seeded_masks_repeat_and_change_from_call_to_call():
    first, second = Dropout(0.5, seed=3), Dropout(0.5, seed=3)
    a, b = first(ONES, training=True), first(ONES, training=True)
    assert not torch.equal(a, b)
    assert torch.equal(a, second(ONES, training=True))
    assert torch.equal(copy.deepcopy(second)(ONES, training=True), b)


def test_torch_seed_repeats_unseeded_masks():
    layer = Dropout(0.5)
    torch.manual_seed(1)
    first = layer(ONES, training=True)
    torch.manual_seed(1)
    assert torch.equal(layer(ONES, training=True), first)


def test_seed_state_is_a_variable_and_no_weight():
    layer = Dropout(0.5)
    assert [v.name for v in layer.variables] == ["seed_generator_state"]
    assert layer.weights == []
    assert Dropout(0).variables == []


def test_noise_shape_shares_decisions():
    outputs = Dropout(0.5, noise_shape=(None, 1, None), seed=1)(torch.ones(4, 5, 3), training=True)
    assert torch.equal(outputs, outputs[:, :1].expand(4, 5, 3))


def test_a_subclass_may_say_the_shape_of_the_mask():
    """As EfficientNet's FixedDropout did in Keras 2."""

    class Rows(Dropout):
        def _get_noise_shape(self, inputs):
            return (inputs.shape[0], 1)

    dropped = Rows(0.5)(ONES, training=True)
    assert dropped.unique().tolist() == [0.0, 2.0] and torch.equal(dropped, dropped[:, :1].expand_as(dropped))


def test_spatial_dropout_drops_whole_maps():
    last = SpatialDropout1D(0.5, seed=1)(torch.ones(4, 5, 30), training=True)
    assert torch.equal(last, last[:, :1].expand_as(last))
    first = SpatialDropout2D(0.5, "channels_first", 1)(torch.ones(4, 30, 5, 6), training=True)
    assert torch.equal(first, first[:, :, :1, :1].expand_as(first))
    assert 0 < (first[:, :, 0, 0] == 0).float().mean() < 1
    assert isinstance(SpatialDropout1D(0.5), Dropout)


def test_subclass_of_a_spatial_dropout_keeps_its_arguments():
    class Mine(SpatialDropout2D):
        pass

    layer = Mine(0.5, "channels_first", 7, "mine")
    assert (layer.data_format, layer.seed, layer.name) == ("channels_first", 7, "mine")
    assert set(layer.get_config()) == {"rate", "seed", "name", "dtype", "data_format"}


@pytest.mark.parametrize(
    ("layer", "mean", "stddev"),
    [(GaussianNoise(0.3, seed=1), 1.0, 0.3), (GaussianDropout(0.2, seed=1), 1.0, 0.5)],
)
def test_noise_has_its_mean_and_deviation(layer, mean, stddev):
    noisy = layer(ONES, training=True)
    assert noisy.mean().item() == pytest.approx(mean, abs=0.02)
    assert noisy.std().item() == pytest.approx(stddev, abs=0.02)
    assert layer(ONES) is ONES


def test_alpha_dropout_keeps_mean_and_variance():
    x = torch.randn(400, 300, generator=torch.Generator().manual_seed(2))
    outputs = AlphaDropout(0.3, seed=1)(x, training=True)
    assert outputs.mean().item() == pytest.approx(0.0, abs=0.02)
    assert outputs.var().item() == pytest.approx(1.0, abs=0.03)


def test_activity_regularization_adds_a_loss_per_sample():
    layer = ActivityRegularization(l1=0.1, l2=0.01)
    layer(torch.full((4, 5), 2.0))
    assert [loss.item() for loss in layer.losses] == [pytest.approx(0.1 * 10 + 0.01 * 20)]
    assert layer.get_config()["l1"] == 0.1
    assert "activity_regularizer" not in layer.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dropout(1.5), "rate"),
        (lambda: Dropout(-0.1), "rate"),
        (lambda: Dropout("half"), "rate"),
        (lambda: Dropout(0.5, noise_shape="1"), "noise_shape"),
        (lambda: Dropout(0.5, noise_shape=(0, 2)), "noise_shape"),
        (lambda: Dropout(0.5, seed=1.5), "seed"),
        (lambda: GaussianNoise(2), "stddev"),
        (lambda: GaussianDropout(1.0)(ONES, training=True), "rate=1"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (Dropout, "rate"),
        (SpatialDropout1D, "rate"),
        (AlphaDropout, "rate"),
        (GaussianDropout, "rate"),
        (GaussianNoise, "stddev"),
    ],
)
def test_a_strength_that_is_changed_later_counts(cls, name):
    layer, x = cls(0.0, seed=3), torch.ones(4, 5, 6)
    assert layer(x, training=True) is x
    setattr(layer, name, 0.5)
    first = layer(x, training=True)
    assert not torch.equal(first, x) and torch.equal(first, cls(0.5, seed=3)(x, training=True))
    seeds = layer.seed_generator
    setattr(layer, name, 0.0)
    assert layer(x, training=True) is x and layer.get_config()[name] == 0.0
    setattr(layer, name, 0.5)
    assert layer.seed_generator is seeds and not torch.equal(layer(x, training=True), first)  # draws go on
    with pytest.raises(ValueError, match=name):
        setattr(layer, name, 1.5)


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.bool])
def test_noise_makes_whole_numbers_floats(dtype):
    x = torch.ones(4, 50, dtype=dtype)
    for layer in (GaussianNoise(0.1), GaussianDropout(0.1)):
        noisy = layer(x, training=True)
        assert noisy.dtype is torch.float32 and noisy.std() > 0.01
        assert layer(x) is x
