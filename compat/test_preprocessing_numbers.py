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
