"""Convolutions: memory order, odd paddings, and what they refuse."""

import numpy as np
import pytest
import torch

from torchkeras.layers import Conv1D, Conv2D


def test_kernel_is_torchs_weight_in_channels_last_memory():
    layer = Conv2D(8, 3)
    layer.build((None, 9, 9, 4))
    weight = layer.kernel.permute(3, 2, 0, 1)
    assert weight.shape == (8, 4, 3, 3)
    assert weight.is_contiguous(memory_format=torch.channels_last)
    layer(torch.randn(2, 9, 9, 4)).sum().backward()
    assert layer.kernel.grad.stride() == layer.kernel.stride()


def test_output_stays_channels_last_without_a_copy():
    outputs = Conv2D(8, 3)(torch.randn(2, 9, 9, 4))
    assert outputs.is_contiguous()


def test_same_padding_with_strides_puts_the_odd_zero_at_the_end():
    """Input 0..5, window of 2 ones, stride 2 ("same" needs no zero); window of 3, stride 2: one zero, after the end."""
    layer = Conv1D(1, 3, strides=2, padding="same", kernel_initializer="ones")
    x = torch.arange(6.0).reshape(1, 6, 1)
    assert layer(x).flatten().tolist() == [0 + 1 + 2, 2 + 3 + 4, 4 + 5]
    even = Conv1D(1, 2, padding="same", kernel_initializer="ones")
    assert even(x).flatten().tolist() == [1, 3, 5, 7, 9, 5]


def test_causal_outputs_do_not_see_the_future():
    layer = Conv1D(2, 3, padding="causal", dilation_rate=2)
    x = torch.randn(1, 10, 3)
    before = layer(x)
    changed = x.clone()
    changed[:, 6:] += 1
    after = layer(changed)
    torch.testing.assert_close(after[:, :6], before[:, :6])
    assert not torch.allclose(after[:, 6:], before[:, 6:])


def test_integers_are_cast_to_the_kernel():
    layer = Conv2D(2, 1, kernel_initializer="ones")
    assert layer(np.ones((1, 2, 2, 3), "uint8")).flatten().tolist() == [3.0] * 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0, "kernel_size": 3}, "filters"),
        ({"filters": 3, "kernel_size": 3, "groups": 2}, "divisible"),
        ({"filters": 3, "kernel_size": 0}, "kernel_size"),
        ({"filters": 3, "kernel_size": (3, 3, 3)}, "kernel_size"),
        ({"filters": 3, "kernel_size": 3, "strides": 2, "dilation_rate": 2}, "exclude each other"),
        ({"filters": 3, "kernel_size": 3, "padding": "causal"}, "padding"),
        ({"filters": 3, "kernel_size": 3, "data_format": "nhwc"}, "data_format"),
        ({"filters": 3, "kernel_size": 3, "activation": "rleu"}, "rleu"),
    ],
)
def test_refuses_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Conv2D(**arguments)


def test_refuses_inputs():
    layer = Conv2D(4, 3)
    with pytest.raises(ValueError, match="min_ndim=4"):
        layer(torch.zeros(2, 9, 9))
    with pytest.raises(ValueError, match="channels"):
        layer.build((None, 9, 9, None))
    with pytest.raises(ValueError, match="smaller than its window"):
        layer(torch.zeros(1, 2, 9, 3))
    with pytest.raises(ValueError, match="groups"):
        Conv2D(4, 3, groups=2)(torch.zeros(1, 9, 9, 3))
    assert layer(torch.zeros(1, 9, 9, 3)).shape == (1, 7, 7, 4)
    with pytest.raises(ValueError, match="axis -1"):
        layer(torch.zeros(1, 9, 9, 2))
