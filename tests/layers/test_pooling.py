"""Pooling: padding that does not count, sizes, memory order."""

import pytest
import torch

from torchkeras.layers import (
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    MaxPooling1D,
    MaxPooling2D,
)


def test_average_with_same_padding_counts_real_entries_only():
    """TensorFlow's and JAX's numbers; Keras on torch repeats the edge instead (6.667 for 6.5)."""
    x = torch.arange(16.0).reshape(1, 4, 4, 1)
    assert AveragePooling2D(3, 2, "same")(x).flatten().tolist() == [5.0, 6.5, 11.0, 12.5]
    stride_one = AveragePooling2D(2, 1, "same")(x)[0, :, :, 0]
    assert stride_one[0].tolist() == [2.5, 3.5, 4.5, 5.0]
    assert stride_one[3].tolist() == [12.5, 13.5, 14.5, 15.0]


def test_average_pooling_has_keras_2s_default_size():
    assert AveragePooling2D().pool_size == (2, 2)


def test_negative_entries_win_over_padding():
    x = torch.full((1, 5, 1), -2.0)
    assert MaxPooling1D(2, 2, "same")(x).flatten().tolist() == [-2.0] * 3
    assert MaxPooling1D(2, 1, "same")(x).flatten().tolist() == [-2.0] * 5
    assert MaxPooling1D(4, 3, "same")(x).flatten().tolist() == [-2.0] * 2


def test_outputs_keep_the_layout():
    assert MaxPooling2D()(torch.randn(2, 8, 8, 3)).is_contiguous()
    assert GlobalAveragePooling2D()(torch.randn(2, 8, 8, 3)).is_contiguous()


def test_name_has_a_place_among_the_positional_arguments():
    layer = MaxPooling2D(3, 2, "same", "channels_first", "shrink")
    assert layer.name == "shrink"
    assert (layer.pool_size, layer.strides, layer.padding) == ((3, 3), (2, 2), "same")


def test_masked_average():
    x = torch.tensor([[[1.0], [3.0], [100.0]]])
    layer = GlobalAveragePooling1D()
    assert layer(x, mask=torch.tensor([[True, True, False]])).tolist() == [[2.0]]
    x._keras_mask = torch.tensor([[False, True, False]])
    outputs = layer(x)
    assert outputs.tolist() == [[3.0]]
    assert not hasattr(outputs, "_keras_mask")


def test_integers_average_to_floats():
    assert GlobalAveragePooling1D()(torch.tensor([[[1], [2]]])).tolist() == [[1.5]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"pool_size": 0}, "pool_size"), ({"strides": 0}, "strides"), ({"padding": "full"}, "padding")],
)
def test_refuses_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MaxPooling2D(**arguments)


def test_refuses_inputs():
    with pytest.raises(ValueError, match="ndim=4"):
        MaxPooling2D()(torch.zeros(2, 4, 4))
    with pytest.raises(ValueError, match="smaller than its window"):
        MaxPooling2D(5).compute_output_shape((None, 4, 4, 1))
