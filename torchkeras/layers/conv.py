"""Convolutions: Conv1D, Conv2D, Conv3D.

May import core and the families below layers. One mechanism serves all ranks: the classes below differ in their rank
and their paddings only.
"""

import torch
import torch.nn.functional as F

from torchkeras.core.arguments import one_of, positive_int
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.windows import pad_widths, same_padding
from torchkeras.layers import _slots
from torchkeras.layers._spatial import Format, Ranked, output_sizes

_CONVOLUTIONS = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}


def _one_row(x, kernel, bias, strides, padding, dilation, groups):
    """Convolution of channels_last sequences as images with one row: torch's conv1d would copy the data first."""
    padding = (0, *padding) if padding else 0
    x, kernel = x.unsqueeze(2), kernel.unsqueeze(2)
    return torch.conv2d(x, kernel, bias, (1, *strides), padding, (1, *dilation), groups).squeeze(2)


class _Conv(Ranked, Layer):
    """Convolution over `_rank` spatial axes.

    The kernel shows Keras's shape `(*window, inputs / groups, filters)`; in memory it lies as `(filters, *window,
    inputs)`, which is torch's weight in channels_last format.
    """

    _paddings = ("valid", "same")

    @classmethod
    def _fields_of(cls, rank):
        ones = 1 if rank == 1 else (1,) * rank
        return {
            "filters": field(convert=positive_int("filters")),
            "kernel_size": _slots.sizes("kernel_size", rank),
            "strides": _slots.sizes("strides", rank, ones),
            "padding": field("valid", convert=one_of("padding", *cls._paddings)),
            "data_format": _slots.data_format(),
            "dilation_rate": _slots.sizes("dilation_rate", rank, ones),
            "groups": field(1, convert=positive_int("groups")),
            "activation": _slots.activation(),
            "use_bias": field(True),
            "kernel_initializer": _slots.initializer("glorot_uniform"),
            "bias_initializer": _slots.initializer("zeros"),
            "kernel_regularizer": _slots.regularizer(),
            "bias_regularizer": _slots.regularizer(),
            "activity_regularizer": _slots.activity_regularizer(always=True),
            "kernel_constraint": _slots.constraint(),
            "bias_constraint": _slots.constraint(),
        }

    def _configure(self):
        rank = self._rank
        if self.filters % self.groups:
            raise ValueError(
                f"`filters` must be divisible by `groups`, got filters={self.filters}, groups={self.groups}."
            )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"`strides` > 1 and `dilation_rate` > 1 exclude each other, got strides={self.strides}, "
                f"dilation_rate={self.dilation_rate}."
            )
        self.input_spec = InputSpec(min_ndim=rank + 2)
        self._format = Format(rank, self.data_format)
        self._to_torch, self._to_keras = self._format.to_torch, self._format.to_keras
        self._kernel_order = (rank + 1, rank, *range(rank))
        self._convolve = _one_row if rank == 1 and self._to_torch else _CONVOLUTIONS[rank]
        self._padding, self._explicit, self._by_size = _padding_plan(self)

    def build(self, input_shape):
        channels = input_shape[self._format.channels]
        if channels is None:
            raise ValueError(
                f"Layer {self.name!r} needs to know the number of channels (axis {self._format.channels}) of its "
                f"input, got shape {tuple(input_shape)}. Give the Input a full shape, or set data_format."
            )
        if channels % self.groups:
            raise ValueError(
                f"The input's channels must be divisible by `groups`: got {channels} channels (shape "
                f"{tuple(input_shape)}) and groups={self.groups}."
            )
        self.compute_output_shape(input_shape)  # refuses inputs smaller than the window
        rank = self._rank
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = _slots.weight(self, "kernel", shape, memory_order=(rank + 1, *range(rank), rank))
        self.bias = _slots.weight(self, "bias", (self.filters,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=rank + 2, axes={self._format.channels: channels})

    def call(self, inputs):
        kernel = self.kernel
        if not inputs.is_floating_point():
            inputs = inputs.to(kernel.dtype)
        if self._to_torch is not None:
            inputs = inputs.permute(self._to_torch)
        padding = self._padding
        if self._by_size:
            inputs, padding = self._pad_by_size(inputs)
        elif self._explicit is not None:
            inputs = F.pad(inputs, self._explicit)
        outputs = self._convolve(
            inputs,
            kernel.permute(self._kernel_order),
            self.bias,
            self.strides,
            padding,
            self.dilation_rate,
            self.groups,
        )
        if self._to_keras is not None:
            outputs = outputs.permute(self._to_keras)
        return self.activation(outputs)

    def _pad_by_size(self, inputs):
        """With strides, "same" depends on the size: symmetric padding is left to the kernel, the rest is added."""
        pairs = [same_padding(*axis) for axis in zip(inputs.shape[2:], self.kernel_size, self.strides, strict=True)]
        if all(left == right for left, right in pairs):
            return inputs, tuple(left for left, _ in pairs)
        return F.pad(inputs, pad_widths(pairs)), 0

    def compute_output_shape(self, input_shape):
        batch, sizes, _ = self._format.split(input_shape)
        sizes = output_sizes(self.name, sizes, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return self._format.join(batch, sizes, self.filters)


def _padding_plan(layer):
    """`(padding for torch's kernel, padding to add before it or None, whether it depends on the input's size)`."""
    if layer.padding == "valid":
        return 0, None, False
    if layer.padding == "causal":
        return 0, (layer.dilation_rate[0] * (layer.kernel_size[0] - 1), 0), False
    if max(layer.strides) > 1:
        return 0, None, True
    pairs = [
        same_padding(window, window, 1, dilation) for window, dilation in zip(layer.kernel_size, layer.dilation_rate)
    ]
    if all(left == right for left, right in pairs):
        return tuple(left for left, _ in pairs), None, False
    return 0, pad_widths(pairs), False


@published("layer", "keras.layers", aliases=("Convolution1D",))
class Conv1D(_Conv, rank=1):
    """Convolution over sequences: a window of weights slides along and each position gives `filters` numbers.

    Args:
        filters: size of the channels axis of the output.
        kernel_size: size of the window, one integer.
        strides: steps of the window.
        padding: `"valid"` (none), `"same"` (output size = input size / strides, the odd zero at the end)
            or `"causal"` (all padding before the start: no output sees its future).
        data_format: `"channels_last"` `(batch, steps, channels)` or `"channels_first"` `(batch, channels, steps)`.
        dilation_rate: distance between neighbours within the window; excludes strides.
        groups: the channels fall into this many groups, each with its own filters.
        activation: name, function or None.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint:
            of the weights `kernel` `(*kernel_size, channels / groups, filters)` and `bias` `(filters,)`.

    Example:
        >>> Conv1D(8, 3, padding="same")(torch.zeros(2, 9, 3)).shape
        torch.Size([2, 9, 8])

    Raises `ValueError` where the input is smaller than the window. In torch: `nn.Conv1d`, whose weight is
    `kernel.permute(2, 1, 0)` (the same memory here).
    """

    _paddings = ("valid", "same", "causal")


@published("layer", "keras.layers", aliases=("Convolution2D",))
class Conv2D(_Conv, rank=2):
    """Convolution over images: a window of weights slides along and each position gives `filters` numbers.

    Args:
        filters: size of the channels axis of the output.
        kernel_size: size of the window, one integer or 2.
        strides: steps of the window.
        padding: `"valid"` (none), `"same"` (output size = input size / strides, the odd zero at the end).
        data_format: `"channels_last"` `(batch, rows, cols, channels)` or
            `"channels_first"` `(batch, channels, rows, cols)`.
        dilation_rate: distance between neighbours within the window; excludes strides.
        groups: the channels fall into this many groups, each with its own filters.
        activation: name, function or None.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint:
            of the weights `kernel` `(*kernel_size, channels / groups, filters)` and `bias` `(filters,)`.

    Example:
        >>> Conv2D(8, 3, padding="same")(torch.zeros(2, 9, 9, 3)).shape
        torch.Size([2, 9, 9, 8])

    Raises `ValueError` where the input is smaller than the window. In torch: `nn.Conv2d`, whose weight is
    `kernel.permute(3, 2, 0, 1)` (the same memory here).
    """


@published("layer", "keras.layers", aliases=("Convolution3D",))
class Conv3D(_Conv, rank=3):
    """Convolution over volumes: a window of weights slides along and each position gives `filters` numbers.

    Args:
        filters: size of the channels axis of the output.
        kernel_size: size of the window, one integer or 3.
        strides: steps of the window.
        padding: `"valid"` (none), `"same"` (output size = input size / strides, the odd zero at the end).
        data_format: `"channels_last"` `(batch, depth, rows, cols, channels)` or
            `"channels_first"` `(batch, channels, depth, rows, cols)`.
        dilation_rate: distance between neighbours within the window; excludes strides.
        groups: the channels fall into this many groups, each with its own filters.
        activation: name, function or None.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint:
            of the weights `kernel` `(*kernel_size, channels / groups, filters)` and `bias` `(filters,)`.

    Example:
        >>> Conv3D(8, 3, padding="same")(torch.zeros(2, 9, 9, 9, 3)).shape
        torch.Size([2, 9, 9, 9, 8])

    Raises `ValueError` where the input is smaller than the window. In torch: `nn.Conv3d`, whose weight is
    `kernel.permute(4, 3, 0, 1, 2)` (the same memory here).
    """
