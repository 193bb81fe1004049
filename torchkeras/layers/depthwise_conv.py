"""Depthwise convolutions: DepthwiseConv1D, DepthwiseConv2D.

May import core and the families below layers. Separable convolutions derive from the family's class.
"""

import torch

from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers._convolution import Convolution, Padding


class DepthwiseFamily(Convolution):
    """Each channel is convolved with `depth_multiplier` windows of its own.

    The kernel shows Keras's shape `(*window, channels, depth_multiplier)`; in memory it lies as `(channels,
    depth_multiplier, *window)`, which is torch's weight of a convolution with as many groups as channels.
    """

    _arguments = ("kernel_size", "strides", "padding", "depth_multiplier", "data_format", "dilation_rate")
    _kernels = ("depthwise",)
    _steps_with_gaps = True

    def _configure(self):
        super()._configure()
        self._pad = Padding(self.padding, self._window, self._steps, self._gaps)
        self._kernel_function = torch.conv2d

    def _make_depthwise(self, name, channels):
        rank = self._rank
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        return _slots.weight(self, name, shape, slot="depthwise", memory_order=(rank, rank + 1, *range(rank)))

    def _depthwise(self, x, kernel, bias):
        """The convolution of each channel.

        The weight has one input channel, so that its numbers lie alike in both memory formats and its strides alone say
        which is meant: channels_last, which makes the kernel several times faster (see _convolution.py).
        """
        x, padding = self._pad(x)
        rank = self._rank
        channels = x.shape[1]
        kernel = kernel.permute(rank, rank + 1, *range(rank)).reshape(-1, *self._window, 1).permute(0, 3, 1, 2)
        return self._kernel_function(x, kernel, bias, self._steps, padding, self._gaps, channels)


class _DepthwiseConv(DepthwiseFamily):
    def _make_weights(self, channels):
        self.kernel = self._make_depthwise("kernel", channels)

    def _channels_out(self, channels):
        return None if channels is None else channels * self.depth_multiplier

    def _convolve(self, x):
        return self._depthwise(x, self.kernel, self.bias)


@published("layer", "keras.layers")
class DepthwiseConv1D(_DepthwiseConv, rank=1):
    """Convolution of each channel of a sequence with windows of its own; channels do not mix.

    Args:
        kernel_size: size of the window, one integer.
        strides: steps of the window.
        padding: `"valid"` (none) or `"same"` (output size = input size / strides, the odd zero at the end).
        depth_multiplier: number of windows for each channel; the output has `channels * depth_multiplier` channels.
        data_format: `"channels_last"` `(batch, steps, channels)` or `"channels_first"` `(batch, channels, steps)`.
        dilation_rate: distance between neighbours within the window.
        activation: name, function or None.
        use_bias: whether a bias is added.
        depthwise_initializer, depthwise_regularizer, depthwise_constraint: of the weight `kernel`
            `(*kernel_size, channels, depth_multiplier)`.
        bias_initializer, bias_regularizer, bias_constraint: of the weight `bias` `(channels * depth_multiplier,)`.

    Example:
        >>> DepthwiseConv1D(3, depth_multiplier=2)(torch.zeros(2, 9, 3)).shape
        torch.Size([2, 7, 6])

    Raises `ValueError` where the input is smaller than the window. In torch: `nn.Conv1d(channels, channels *
    depth_multiplier, kernel_size, groups=channels)`, whose weight is `kernel.permute(1, 2, 0).reshape(-1, 1,
    kernel_size)` (the same memory here).
    """


@published("layer", "keras.layers")
class DepthwiseConv2D(_DepthwiseConv, rank=2):
    """Convolution of each channel of an image with windows of its own; channels do not mix.

    Args:
        kernel_size: size of the window, one integer or 2.
        strides: steps of the window.
        padding: `"valid"` (none) or `"same"` (output size = input size / strides, the odd zero at the end).
        depth_multiplier: number of windows for each channel; the output has `channels * depth_multiplier` channels.
        data_format: `"channels_last"` `(batch, rows, cols, channels)` or
            `"channels_first"` `(batch, channels, rows, cols)`.
        dilation_rate: distance between neighbours within the window.
        activation: name, function or None.
        use_bias: whether a bias is added.
        depthwise_initializer, depthwise_regularizer, depthwise_constraint: of the weight `kernel`
            `(*kernel_size, channels, depth_multiplier)`.
        bias_initializer, bias_regularizer, bias_constraint: of the weight `bias` `(channels * depth_multiplier,)`.

    Example:
        >>> DepthwiseConv2D(3, depth_multiplier=2)(torch.zeros(2, 9, 9, 3)).shape
        torch.Size([2, 7, 7, 6])

    Raises `ValueError` where the input is smaller than the window. In torch: `nn.Conv2d(channels, channels *
    depth_multiplier, kernel_size, groups=channels)`, whose weight is `kernel.permute(2, 3, 0, 1).reshape(-1, 1,
    *kernel_size)` (the same memory here).
    """
