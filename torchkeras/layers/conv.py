"""Convolutions: Conv1D, Conv2D, Conv3D.

May import core and the families below layers. The classes below differ in their rank and their paddings only.
"""

from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers._convolution import CONVOLUTIONS, Convolution, Padding, torch_kernel
from torchkeras.layers._low_rank import LowRank


class _Conv(LowRank, Convolution, low_rank="kernel"):
    """Convolution over `_rank` spatial axes.

    The kernel shows Keras's shape `(*window, inputs / groups, filters)`; in memory it lies as `(filters, *window,
    inputs)`, which is torch's weight in channels_last format.
    """

    lora_rank = _slots.lora(shown=False)
    lora_alpha = _slots.lora(shown=False)

    _arguments = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups")

    def _configure(self):
        super()._configure()
        if self.filters % self.groups:
            raise ValueError(
                f"`filters` must be divisible by `groups`, got filters={self.filters}, groups={self.groups}."
            )
        self._pad = Padding(self.padding, self._window, self._steps, self._gaps)
        self._kernel_function = CONVOLUTIONS[len(self._window)]
        self._own_operation = type(self).convolution_op is not _Conv.convolution_op

    def _make_weights(self, channels):
        if channels % self.groups:
            raise ValueError(
                f"Layer {self.name!r}: the input's channels must be divisible by `groups`, got {channels} channels and "
                f"groups={self.groups}."
            )
        rank = self._rank
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = _slots.weight(self, "kernel", shape, memory_order=(rank + 1, *range(rank), rank))

    def call(self, inputs):
        if not self._own_operation:
            return super().call(inputs)
        outputs = self.convolution_op(inputs, self.kernel)
        if self.use_bias:
            ones = () if self._format.channels_last else (1,) * self._rank
            outputs = outputs + self.bias.reshape(-1, *ones)
        return self.activation(outputs)

    def convolution_op(self, inputs, kernel):
        """The convolution of `inputs` with `kernel`, both in Keras's order, without bias and activation.

        A subclass may override it, for instance to standardize the kernel; `call` then goes by it.

        Example:
            >>> class Centred(Conv1D):
            ...     def convolution_op(self, inputs, kernel):
            ...         return super().convolution_op(inputs, kernel - kernel.mean())
            >>> bool(Centred(4, 3)(torch.ones(1, 5, 2)).sum().abs() < 1e-5)
            True
        """
        return self._in_kerass_order(self._slide(self._in_torchs_order(inputs), kernel, None))

    def _convolve(self, x):
        return self._slide(x, self.kernel, self.bias)

    def _slide(self, x, kernel, bias):
        x, padding = self._pad(x)
        kernel = torch_kernel(kernel, self._rank)
        return self._kernel_function(x, kernel, bias, self._steps, padding, self._gaps, self.groups)


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
