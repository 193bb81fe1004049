"""Preprocessing of numbers beside Keras, as far as no table of calls can say it: data formats, single numbers, bad
values, and what differs on purpose."""

import keras
import numpy as np
import pytest

import torchkeras
from torchkeras import layers

MODULES = (keras.layers, layers)
deviation = pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)


def both(function):
    """The results of one function of a `layers` module as arrays, Keras's first."""
    return [keras.ops.convert_to_numpy(function(module)) for module in MODULES]


def agree(function, tolerance=1e-6):
    theirs, ours = both(function)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    np.testing.assert_allclose(ours, theirs, tolerance, tolerance)


@pytest.fixture
def channels_first():
    for config in (keras.config, torchkeras.config):
        config.set_image_data_format("channels_first")
    yield
    for config in (keras.config, torchkeras.config):
        config.set_image_data_format("channels_last")


# -- CategoryEncoding -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("x", [2, [1, 0, 2], [[1], [2]], (0, 1), np.int64(1), True, [[0.9, 2.1]]], ids=str)
def test_numbers_and_lists_are_encoded(mode, x):
    agree(lambda m: m.CategoryEncoding(3, output_mode=mode)(x))


@pytest.mark.parametrize("weights", [[[0.5, 2.0]], np.array([[1, 3]]), np.ones((1, 2), "float64")], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
def test_weights_in_any_box(weights, dtype):
    agree(lambda m: m.CategoryEncoding(3, output_mode="count", dtype=dtype)([[0, 2]], count_weights=weights))


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_numbers_beyond_the_last_are_refused(mode):
    for module in MODULES:
        with pytest.raises(RuntimeError):
            module.CategoryEncoding(3, output_mode=mode)(np.array([[0, 3]]))


@pytest.mark.parametrize(
    "options",
    [{}, {"num_tokens": 0}, {"num_tokens": -1}, {"num_tokens": 3, "output_mode": "int"}]
    + [{"num_tokens": 3, "output_mode": mode} for mode in (None, "COUNT", "tf_idf")],
    ids=str,
)
def test_bad_arguments_of_category_encoding(options):
    for module in MODULES:
        with pytest.raises(ValueError):
            module.CategoryEncoding(**options)


def test_sparse_results_are_refused_at_the_call():
    for module in MODULES:
        layer = module.CategoryEncoding(3, sparse=True)
        assert "sparse" not in layer.get_config()
        with pytest.raises(ValueError, match="sparse"):
            layer(np.array([[0, 1]]))


@deviation
def test_mixed_precision_promises_other_vectors_than_it_gives():
    theirs, ours = (m.CategoryEncoding(3, dtype="mixed_float16")(i((2,))).dtype for m, i in _with_inputs())
    assert ours == theirs


@deviation
def test_axes_that_count_are_not_those_that_are_promised():
    theirs, ours = (m.CategoryEncoding(4, output_mode="count").compute_output_shape((5, 2, 3)) for m in MODULES)
    assert tuple(ours) == tuple(theirs)


def _with_inputs():
    return [(module, lambda shape, m=module: m.Input(shape, dtype="int32")) for module in MODULES]


def test_axes_that_count_in_samples_of_several_axes():
    agree(lambda m: m.CategoryEncoding(4, output_mode="count")(np.arange(12).reshape(2, 2, 3) % 4))


# -- Rescaling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [3, 2.5, [1, 2, 3], [[1.0, 2.0]], True, np.float64(0.1)], ids=str)
def test_numbers_and_lists_are_rescaled(x):
    agree(lambda m: m.Rescaling(0.5, 1)(x))


def test_a_scale_for_each_channel_first(channels_first):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype("float32")
    agree(lambda m: m.Rescaling([1, 2, 3], 0.5)(x))
    agree(lambda m: m.Rescaling([[1.0], [2.0], [3.0]])(x))
    agree(lambda m: m.Rescaling(0.5, 1)(x))


@deviation
def test_an_offset_for_each_channel_first_goes_to_columns(channels_first):
    agree(lambda m: m.Rescaling([1, 2, 3], [1, 2, 3])(np.ones((2, 3, 4, 3), "float32")))


def test_rescaling_refuses_what_are_no_numbers():
    for module in MODULES:
        for scale in ("2", None, {}):
            with pytest.raises(ValueError):
                module.Rescaling(scale)(np.ones((2, 3)))


# -- Discretization ---------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(3)
STREAMS = {
    "one batch": [RNG.normal(size=(50, 30))],
    "few numbers": [np.array([1.0, 2.0, 3.0])],
    "one number": [np.array([4.0])],
    "batches": [RNG.normal(size=(7, 5)) for _ in range(30)],
    "batches of different sizes": [RNG.exponential(size=size) for size in (1, 1000, 3, 250, 0, 17)],
    "whole numbers": [np.arange(1000), np.arange(7)],
    "bools": [np.arange(100) % 3 == 0],
    "equal numbers": [np.ones(1000), np.ones(2)],
    "infinities": [np.array([1.0, np.inf, 3.0, -np.inf, 6.0, 7.0])],
    "float16": [RNG.normal(size=300).astype("float16")],
}


def adapted(module, batches, **options):
    """Keras's `adapt` asks for TensorFlow on torch; what it does is this."""
    layer = module.Discretization(**options)
    for batch in batches:
        layer.update_state(batch)
    layer.finalize_state()
    return layer


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(
    "num_bins, epsilon", [(2, 0.01), (4, 0.01), (4, 0.1), (7, 0.003), (99, 0.01), (3, 0.5), (1, 0.2)]
)
def test_bins_of_a_stream(stream, num_bins, epsilon):
    theirs, ours = (adapted(m, STREAMS[stream], num_bins=num_bins, epsilon=epsilon) for m in MODULES)
    assert ours.bin_boundaries == theirs.bin_boundaries
    np.testing.assert_array_equal(ours.summary, theirs.summary)
    whole = layers.Discretization(num_bins=num_bins, epsilon=epsilon)
    whole.adapt(iter(STREAMS[stream]))
    assert whole.bin_boundaries == ours.bin_boundaries
    assert whole.get_config() == {**theirs.get_config(), "name": whole.name}


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_nan_counts_as_the_largest(share):
    data = np.where(np.arange(1000) < share * 1000, np.nan, np.arange(1000.0))
    theirs = adapted(keras.layers, [data], num_bins=4)
    with pytest.warns(UserWarning, match="NaN"):
        ours = adapted(layers, [data], num_bins=4)
    np.testing.assert_array_equal(ours.bin_boundaries, theirs.bin_boundaries)
    x = np.array([np.nan, 0.0, 998.0])
    np.testing.assert_array_equal(ours(x).numpy(), keras.ops.convert_to_numpy(theirs(x)))


def test_adapting_twice_and_by_hand():
    def steps(module):
        layer = module.Discretization(num_bins=3)
        found = [layer.bin_boundaries]
        for begin in (0, 100, 0):
            layer.reset_state()
            for batch in np.arange(begin, begin + 90.0).reshape(9, 10):
                layer.update_state(batch)
            found.append(layer.bin_boundaries)
            layer.finalize_state()
            found.append(layer.bin_boundaries)
        layer.update_state(np.full(90, 500.0))
        layer.finalize_state()
        return [*found, layer.bin_boundaries]

    theirs, ours = (steps(module) for module in MODULES)
    assert ours == theirs


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("shape", [(None,), (None, 1), (None, 3), (None, None), (None, 3, 1), (None, 2, 3)])
def test_symbolic_bins_are_those_of_data(mode, shape):
    """Before and after adapting the last axis has a place for each bin (keras-team/keras#22403)."""
    x = RNG.normal(size=[size or 5 for size in shape]).astype("float32")
    for module in MODULES:
        layer = module.Discretization(num_bins=4, output_mode=mode)
        promised = tuple(layer(module.Input(batch_shape=shape)).shape)
        layer.update_state(np.arange(100.0))
        layer.finalize_state()
        assert tuple(layer(module.Input(batch_shape=shape)).shape) == promised
        found = tuple(layer(x).shape)
        assert all(a in (None, b) for a, b in zip(promised, found, strict=True))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_bins": 3, "bin_boundaries": [1.0]},
        {"num_bins": -1},
        {"num_bins": 3, "output_mode": "x"},
        {"num_bins": 3, "output_mode": None},
        {"num_bins": 3, "sparse": True},
        {"num_bins": 3, "output_mode": "one_hot", "sparse": True},
    ],
    ids=str,
)
def test_bad_arguments_of_discretization(options):
    for module in MODULES:
        with pytest.raises(ValueError):
            module.Discretization(**options)


def test_bins_before_adapt_and_adapting_given_bins():
    for module in MODULES:
        with pytest.raises(ValueError):
            module.Discretization(num_bins=3)(np.ones((2, 2)))
        for method in ("adapt", "update_state"):
            with pytest.raises(ValueError):
                getattr(module.Discretization([1.0]), method)(np.ones(3))
        given = module.Discretization([1.0])
        given.reset_state()
        given.finalize_state()
        assert given.bin_boundaries == [1.0] and given.summary is None


@deviation
def test_no_data_give_no_bins():
    def refused(module):
        layer = module.Discretization(num_bins=3)
        try:
            layer.update_state(np.zeros(0))
            layer.finalize_state()
        except ValueError:
            return True
        return False

    theirs, ours = (refused(module) for module in MODULES)
    assert ours == theirs


@deviation
def test_arrays_are_no_boundaries():
    def taken(module):
        try:
            module.Discretization(np.array([1.0, 2.0]))
        except ValueError:
            return False
        return True

    theirs, ours = (taken(module) for module in MODULES)
    assert ours == theirs
