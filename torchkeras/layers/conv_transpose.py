"""Transposed convolutions: Conv1DTranspose, Conv2DTranspose, Conv3DTranspose.

May import core and the families below layers. What Keras cuts off at both ends follows from the arguments alone and is
worked out once (core/windows.py).
"""

import torch

from torchkeras import activations
from torchkeras.core.registry import published
from torchkeras.core.transforms import beyond_kernels
from torchkeras.core.windows import transposed_crops, transposed_length, transposed_plan
from torchkeras.layers import _slots
from torchkeras.layers._convolution import Convolution, torch_kernel

_TRANSPOSED = {2: torch.conv_transpose2d, 3: torch.conv_transpose3d}
_MEMORY = {4: torch.channels_last, 5: torch.channels_last_3d}


class _ConvTranspose(Convolution):
    """Transposed convolution over `_rank` spatial axes: every entry spreads a window over the outputs.

    The kernel shows Keras's shape `(*window, filters, inputs)`; in memory it lies as `(inputs, *window, filters)`,
    which is torch's weight in channels_last format.
    """

    _arguments = ("filters", "kernel_size", "strides", "padding", "output_padding", "data_format", "dilation_rate")

    def _configure(self):
        super()._configure()
        extras = self.output_padding or (None,) * self._rank
        if any(extra is not None and extra >= step for extra, step in zip(extras, self.strides, strict=True)):
            raise ValueError(
                f"`output_padding` must be smaller than `strides` on every axis, got output_padding={extras}, "
                f"strides={self.strides}."
            )
        row = (None,) if self._rank == 1 else ()
        self._reaches = tuple((size - 1) * gap + 1 for size, gap in zip(self._window, self._gaps, strict=True))
        axes = zip(self._reaches, self._steps, row + extras, strict=True)
        self._crops = tuple(transposed_crops(reach, step, self.padding, extra) for reach, step, extra in axes)
        self._symmetric, self._behind, rest = transposed_plan(self._crops, self._steps, self._gaps)
        # What torch's kernel does not do is at most to cut off one entry behind an axis.
        cut = any(map(any, rest))
        self._kept = (..., *(slice(0, behind or None) for _, behind in rest)) if cut else None
        self._makes_views = cut
        self._kernel_function = _TRANSPOSED[len(self._window)]

    def _make_weights(self, channels):
        rank = self._rank
        shape = (*self.kernel_size, self.filters, channels)
        self.kernel = _slots.weight(self, "kernel", shape, memory_order=(rank + 1, *range(rank), rank))

    def _convolve(self, x):
        kernel = torch_kernel(self.kernel, self._rank)
        x = self._kernel_function(x, kernel, self.bias, self._steps, self._symmetric, self._behind, 1, self._gaps)
        if self._kept is None:
            return x
        x = x[self._kept]
        # An activation makes a new tensor without the gaps that were cut; without one that takes a copy, for which
        # `vmap` has no rule.
        copied = self.activation is activations.linear and not beyond_kernels()
        return x.clone(memory_format=_MEMORY[x.dim()]) if copied else x

    def _obstacle(self):
        return None if self._kept is None else "torch's kernel cuts off no more behind an axis than before it"

    def compute_output_shape(self, input_shape):
        batch, sizes, _ = self._format.split(input_shape)
        rank = self._rank
        axes = zip(sizes, self.strides, self._reaches[-rank:], self._crops[-rank:], strict=True)
        found = [transposed_length(*axis) for axis in axes]
        if any(size is not None and size <= 0 for size in found):
            raise ValueError(
                f"Layer {self.name!r}: nothing remains of inputs of spatial size {tuple(sizes)} (padding='same', "
                f"output_padding={self.output_padding}). Use padding='valid', another output_padding, or larger inputs."
            )
        return self._format.join(batch, found, self.filters)


@published("layer", "keras.layers", aliases=("Convolution1DTranspose",))
class Conv1DTranspose(_ConvTranspose, rank=1):
    """Transposed convolution over sequences: the gradient of `Conv1D` as a layer, which makes sequences longer.

    Args:
        filters: size of the channels axis of the output.
        kernel_size: size of the window, one integer.
        strides: distance between the windows in the output.
        padding: `"valid"` keeps every window whole: `(n - 1) * strides + kernel_size` steps, at least
            `n * strides`; `"same"` keeps `n * strides`.
        output_padding: how many steps the output is longer than the shortest possible; less than `strides`. None as
            described under `padding`.
        data_format: `"channels_last"` `(batch, steps, channels)` or `"channels_first"` `(batch, channels, steps)`.
        dilation_rate: distance between neighbours within the window; excludes strides.
        activation: name, function or None.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint:
            of the weights `kernel` `(*kernel_size, filters, channels)` and `bias` `(filters,)`.

    Example:
        >>> Conv1DTranspose(8, 3, strides=2, padding="same")(torch.zeros(2, 9, 3)).shape
        torch.Size([2, 18, 8])

    Raises `ValueError` where `output_padding` is no smaller than `strides`. In torch: `nn.ConvTranspose1d`, whose
    weight is `kernel.permute(2, 1, 0)` (the same memory here); its `padding` and `output_padding` are those that give
    Keras's offsets.
    """


@published("layer", "keras.layers", aliases=("Convolution2DTranspose",))
class Conv2DTranspose(_ConvTranspose, rank=2):
    """Transposed convolution over images: the gradient of `Conv2D` as a layer, which makes images larger.

    Args:
        filters: size of the channels axis of the output.
        kernel_size: size of the window, one integer or 2.
        strides: distance between the windows in the output.
        padding: `"valid"` keeps every window whole: `(n - 1) * strides + kernel_size` rows, at least `n * strides`;
            `"same"` keeps `n * strides`.
        output_padding: how much larger than the smallest possible the output is, one integer or 2; less than
            `strides`. None as described under `padding`.
        data_format: `"channels_last"` `(batch, rows, cols, channels)` or
            `"channels_first"` `(batch, channels, rows, cols)`.
        dilation_rate: distance between neighbours within the window; excludes strides.
        activation: name, function or None.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint:
            of the weights `kernel` `(*kernel_size, filters, channels)` and `bias` `(filters,)`.

    Example:
        >>> Conv2DTranspose(8, 3, strides=2, padding="same")(torch.zeros(2, 9, 9, 3)).shape
        torch.Size([2, 18, 18, 8])

    Raises `ValueError` where `output_padding` is no smaller than `strides`. In torch: `nn.ConvTranspose2d`, whose
    weight is `kernel.permute(3, 2, 0, 1)` (the same memory here); its `padding` and `output_padding` are those that
    give Keras's offsets.
    """


@published("layer", "keras.layers", aliases=("Convolution3DTranspose",))
class Conv3DTranspose(_ConvTranspose, rank=3):
    """Transposed convolution over volumes: the gradient of `Conv3D` as a layer, which makes volumes larger.

    Args:
        filters: size of the channels axis of the output.
        kernel_size: size of the window, one integer or 3.
        strides: distance between the windows in the output.
        padding: `"valid"` keeps every window whole: `(n - 1) * strides + kernel_size` rows, at least `n * strides`;
            `"same"` keeps `n * strides`.
        data_format: `"channels_last"` `(batch, depth, rows, cols, channels)` or
            `"channels_first"` `(batch, channels, depth, rows, cols)`.
        output_padding: how much larger than the smallest possible the output is, one integer or 3; less than
            `strides`. None as described under `padding`.
        dilation_rate: distance between neighbours within the window; excludes strides.
        activation: name, function or None.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint:
            of the weights `kernel` `(*kernel_size, filters, channels)` and `bias` `(filters,)`.

    Example:
        >>> Conv3DTranspose(8, 3, strides=2, padding="same")(torch.zeros(2, 4, 4, 4, 3)).shape
        torch.Size([2, 8, 8, 8, 8])

    Raises `ValueError` where `output_padding` is no smaller than `strides`. In torch: `nn.ConvTranspose3d`, whose
    weight is `kernel.permute(4, 3, 0, 1, 2)` (the same memory here); its `padding` and `output_padding` are those
    that give Keras's offsets.
    """

    # Keras's order differs here.
    _arguments = ("filters", "kernel_size", "strides", "padding", "data_format", "output_padding", "dilation_rate")
