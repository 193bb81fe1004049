"""Separable convolutions: SeparableConv1D, SeparableConv2D.

May import core and the families below layers.
"""

import torch

from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers._convolution import torch_kernel
from torchkeras.layers.depthwise_conv import DepthwiseFamily


class _SeparableConv(DepthwiseFamily):
    """A depthwise convolution, then one with windows of size one, which mixes the channels."""

    _arguments = (
        "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier",
    )  # fmt: skip
    _kernels = ("depthwise", "pointwise")

    def _make_weights(self, channels):
        self.depthwise_kernel = self._make_depthwise("depthwise_kernel", channels)
        rank = self._rank
        shape = (*(1,) * rank, channels * self.depth_multiplier, self.filters)
        order = (rank + 1, *range(rank), rank)
        self.pointwise_kernel = _slots.weight(self, "pointwise_kernel", shape, slot="pointwise", memory_order=order)

    def _convolve(self, x):
        x = self._depthwise(x, self.depthwise_kernel, None)
        return torch.conv2d(x, torch_kernel(self.pointwise_kernel, self._rank), self.bias)


@published("layer", "keras.layers", aliases=("SeparableConvolution1D",))
class SeparableConv1D(_SeparableConv, rank=1):
    """Convolution in two steps, with far fewer weights: each channel of a sequence by itself, then across channels.

    Args:
        filters: size of the channels axis of the output.
        kernel_size: size of the window, one integer.
        strides: steps of the window.
        padding: `"valid"` (none) or `"same"` (output size = input size / strides, the odd zero at the end).
        data_format: `"channels_last"` `(batch, steps, channels)` or `"channels_first"` `(batch, channels, steps)`.
        dilation_rate: distance between neighbours within the window.
        depth_multiplier: number of windows for each channel.
        activation: name, function or None; after the second step only.
        use_bias: whether a bias is added, after the second step.
        depthwise_initializer, depthwise_regularizer, depthwise_constraint: of the weight `depthwise_kernel`
            `(*kernel_size, channels, depth_multiplier)`.
        pointwise_initializer, pointwise_regularizer, pointwise_constraint: of the weight `pointwise_kernel`
            `(1, channels * depth_multiplier, filters)`.
        bias_initializer, bias_regularizer, bias_constraint: of the weight `bias` `(filters,)`.

    Example:
        >>> SeparableConv1D(8, 3)(torch.zeros(2, 9, 3)).shape
        torch.Size([2, 7, 8])

    Raises `ValueError` where the input is smaller than the window. In torch: two `nn.Conv1d`, the first with
    `groups=channels` and without bias, the second with a window of 1.
    """


@published("layer", "keras.layers", aliases=("SeparableConvolution2D",))
class SeparableConv2D(_SeparableConv, rank=2):
    """Convolution in two steps, with far fewer weights: each channel of an image by itself, then across channels.

    Args:
        filters: size of the channels axis of the output.
        kernel_size: size of the window, one integer or 2.
        strides: steps of the window.
        padding: `"valid"` (none) or `"same"` (output size = input size / strides, the odd zero at the end).
        data_format: `"channels_last"` `(batch, rows, cols, channels)` or
            `"channels_first"` `(batch, channels, rows, cols)`.
        dilation_rate: distance between neighbours within the window.
        depth_multiplier: number of windows for each channel.
        activation: name, function or None; after the second step only.
        use_bias: whether a bias is added, after the second step.
        depthwise_initializer, depthwise_regularizer, depthwise_constraint: of the weight `depthwise_kernel`
            `(*kernel_size, channels, depth_multiplier)`.
        pointwise_initializer, pointwise_regularizer, pointwise_constraint: of the weight `pointwise_kernel`
            `(1, 1, channels * depth_multiplier, filters)`.
        bias_initializer, bias_regularizer, bias_constraint: of the weight `bias` `(filters,)`.

    Example:
        >>> SeparableConv2D(8, 3)(torch.zeros(2, 9, 9, 3)).shape
        torch.Size([2, 7, 7, 8])

    Raises `ValueError` where the input is smaller than the window. In torch: two `nn.Conv2d`, the first with
    `groups=channels` and without bias, the second with a window of 1.
    """
