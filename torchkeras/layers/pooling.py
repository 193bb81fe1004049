"""Pooling in 1D to 3D: MaxPooling and AveragePooling over windows, GlobalMaxPooling and GlobalAveragePooling over all
positions.

May import core. Two mechanisms, `_WindowPooling` and `_GlobalPooling`; the classes below say only what and over how
many axes.
"""

import torch
import torch.nn.functional as F

from torchkeras.core.arguments import one_of
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.windows import same_padding
from torchkeras.layers import _slots
from torchkeras.layers._spatial import Format, Ranked, output_sizes


def _average(pool):
    """Average pooling that counts only real entries, as TensorFlow has it."""
    return lambda x, window, strides, padding, ceil: pool(x, window, strides, padding, ceil, False)


def _maximum(pool):
    return lambda x, window, strides, padding, ceil: pool(x, window, strides, padding, 1, ceil)


_POOLS = {
    "max": {1: _maximum(F.max_pool1d), 2: _maximum(F.max_pool2d), 3: _maximum(F.max_pool3d)},
    "average": {1: _average(F.avg_pool1d), 2: _average(F.avg_pool2d), 3: _average(F.avg_pool3d)},
}


class _WindowPooling(Ranked, Layer):
    """The largest or mean entry of each window, channel by channel."""

    _kind = None
    pool_mode = property(lambda self: self._kind, doc="`max` or `average`.")

    @classmethod
    def _fields_of(cls, rank):
        return {  # Keras 2's default of 2 stays for averages too
            "pool_size": _slots.sizes("pool_size", rank, 2 if rank == 1 else (2,) * rank),
            "strides": _slots.sizes("strides", rank, None, optional=True),
            "padding": field("valid", convert=one_of("padding", "valid", "same")),
            "data_format": _slots.data_format(),
            "name": _slots.base(),
        }

    def _configure(self):
        rank = self._rank
        self.input_spec = InputSpec(ndim=rank + 2)
        self.built = True
        if self.strides is None:
            self.strides = self.pool_size
        self._format = Format(rank, self.data_format)
        self._to_torch, self._to_keras = self._format.to_torch, self._format.to_keras
        self._ones = (1,) * rank

    def call(self, inputs):
        if self._to_torch is not None:
            inputs = inputs.permute(self._to_torch)
        pool = _POOLS[self._kind][self._rank]
        if self.padding == "valid":
            outputs = pool(inputs, self.pool_size, self.strides, 0, False)
        else:
            outputs = self._pool_same(pool, inputs)
        return outputs if self._to_keras is None else outputs.permute(self._to_keras)

    def _pool_same(self, pool, inputs):
        """TensorFlow's "same" without padding a copy.

        torch pads both sides alike. Where one more entry is due on the right, windows that overhang the end are kept
        (`ceil_mode`), or, with stride 1, one window too many at the start is cut off.
        """
        padding, cut = [], []
        for axis, (size, window, stride) in enumerate(
            zip(inputs.shape[2:], self.pool_size, self.strides, strict=True), 2
        ):
            left, right = same_padding(size, window, stride)
            if left != right and stride == 1:
                left = right
                cut.append(axis)
            padding.append(left)
        outputs = pool(inputs, self.pool_size, self.strides, tuple(padding), True)
        for axis in cut:
            outputs = outputs.narrow(axis, 1, outputs.shape[axis] - 1)
        return outputs

    def compute_output_shape(self, input_shape):
        batch, sizes, channels = self._format.split(input_shape)
        sizes = output_sizes(self.name, sizes, self.pool_size, self.strides, self.padding, self._ones)
        return self._format.join(batch, sizes, channels)


class _GlobalPooling(Ranked, Layer):
    """The largest or mean entry of each channel over all positions."""

    _kind = None

    data_format = _slots.data_format()
    keepdims = field(False)

    def _configure(self):
        self.input_spec = InputSpec(ndim=self._rank + 2)
        self.built = True
        self._format = Format(self._rank, self.data_format)
        self._axes = self._format.spatial

    def call(self, inputs):
        if self._kind == "max":
            return inputs.amax(self._axes, self.keepdims)
        if not inputs.is_floating_point():
            inputs = self._in_floats(inputs)
        return inputs.mean(self._axes, self.keepdims)

    def compute_output_shape(self, input_shape):
        batch, _, channels = self._format.split(input_shape)
        if self.keepdims:
            return self._format.join(batch, (1,) * self._rank, channels)
        return (batch, channels)


@published("layer", "keras.layers", aliases=("MaxPool1D",))
class MaxPooling1D(_WindowPooling, rank=1):
    """Largest entry of each window over sequences, channel by channel.

    Args:
        pool_size: size of the window, one integer.
        strides: steps of the window; by default its size.
        padding: `"valid"` (only whole windows) or `"same"` (output size = input size / strides).
        data_format: `"channels_last"` `(batch, steps, channels)` or `"channels_first"` `(batch, channels, steps)`.
        name: layer name.

    Example:
        >>> MaxPooling1D()(torch.zeros(2, 8, 3)).shape
        torch.Size([2, 4, 3])

    In torch: `nn.MaxPool1d(pool_size, strides)`, for channels first.
    """

    _kind = "max"


@published("layer", "keras.layers", aliases=("MaxPool2D",))
class MaxPooling2D(_WindowPooling, rank=2):
    """Largest entry of each window over images, channel by channel.

    Args:
        pool_size: size of the window, one integer or 2.
        strides: steps of the window; by default its size.
        padding: `"valid"` (only whole windows) or `"same"` (output size = input size / strides).
        data_format: `"channels_last"` `(batch, rows, cols, channels)` or
            `"channels_first"` `(batch, channels, rows, cols)`.
        name: layer name.

    Example:
        >>> MaxPooling2D()(torch.zeros(2, 8, 8, 3)).shape
        torch.Size([2, 4, 4, 3])

    In torch: `nn.MaxPool2d(pool_size, strides)`, for channels first.
    """

    _kind = "max"


@published("layer", "keras.layers", aliases=("MaxPool3D",))
class MaxPooling3D(_WindowPooling, rank=3):
    """Largest entry of each window over volumes, channel by channel.

    Args:
        pool_size: size of the window, one integer or 3.
        strides: steps of the window; by default its size.
        padding: `"valid"` (only whole windows) or `"same"` (output size = input size / strides).
        data_format: `"channels_last"` `(batch, depth, rows, cols, channels)` or
            `"channels_first"` `(batch, channels, depth, rows, cols)`.
        name: layer name.

    Example:
        >>> MaxPooling3D()(torch.zeros(2, 8, 8, 8, 3)).shape
        torch.Size([2, 4, 4, 4, 3])

    In torch: `nn.MaxPool3d(pool_size, strides)`, for channels first.
    """

    _kind = "max"


@published("layer", "keras.layers", aliases=("AvgPool1D",))
class AveragePooling1D(_WindowPooling, rank=1):
    """Mean of each window over sequences, channel by channel.

    Args:
        pool_size: size of the window, one integer.
        strides: steps of the window; by default its size.
        padding: `"valid"` (only whole windows) or `"same"` (output size = input size / strides; padding does not
            count).
        data_format: `"channels_last"` `(batch, steps, channels)` or `"channels_first"` `(batch, channels, steps)`.
        name: layer name.

    Example:
        >>> AveragePooling1D()(torch.zeros(2, 8, 3)).shape
        torch.Size([2, 4, 3])

    In torch: `nn.AvgPool1d(pool_size, strides)`, for channels first.
    """

    _kind = "average"


@published("layer", "keras.layers", aliases=("AvgPool2D",))
class AveragePooling2D(_WindowPooling, rank=2):
    """Mean of each window over images, channel by channel.

    Args:
        pool_size: size of the window, one integer or 2.
        strides: steps of the window; by default its size.
        padding: `"valid"` (only whole windows) or `"same"` (output size = input size / strides; padding does not
            count).
        data_format: `"channels_last"` `(batch, rows, cols, channels)` or
            `"channels_first"` `(batch, channels, rows, cols)`.
        name: layer name.

    Example:
        >>> AveragePooling2D()(torch.zeros(2, 8, 8, 3)).shape
        torch.Size([2, 4, 4, 3])

    In torch: `nn.AvgPool2d(pool_size, strides)`, for channels first.
    """

    _kind = "average"


@published("layer", "keras.layers", aliases=("AvgPool3D",))
class AveragePooling3D(_WindowPooling, rank=3):
    """Mean of each window over volumes, channel by channel.

    Args:
        pool_size: size of the window, one integer or 3.
        strides: steps of the window; by default its size.
        padding: `"valid"` (only whole windows) or `"same"` (output size = input size / strides; padding does not
            count).
        data_format: `"channels_last"` `(batch, depth, rows, cols, channels)` or
            `"channels_first"` `(batch, channels, depth, rows, cols)`.
        name: layer name.

    Example:
        >>> AveragePooling3D()(torch.zeros(2, 8, 8, 8, 3)).shape
        torch.Size([2, 4, 4, 4, 3])

    In torch: `nn.AvgPool3d(pool_size, strides)`, for channels first.
    """

    _kind = "average"


@published("layer", "keras.layers", aliases=("GlobalMaxPool1D",))
class GlobalMaxPooling1D(_GlobalPooling, rank=1):
    """Largest entry over all positions of sequences: `(batch, steps, channels)` -> `(batch, channels)`.

    Args:
        data_format: `"channels_last"` or `"channels_first"` `(batch, channels, steps)`.
        keepdims: whether the reduced axes stay, with size 1.

    Example:
        >>> GlobalMaxPooling1D()(torch.zeros(2, 8, 3)).shape
        torch.Size([2, 3])

    In torch: `x.amax(dim=(...))`.
    """

    _kind = "max"


@published("layer", "keras.layers", aliases=("GlobalMaxPool2D",))
class GlobalMaxPooling2D(_GlobalPooling, rank=2):
    """Largest entry over all positions of images: `(batch, rows, cols, channels)` -> `(batch, channels)`.

    Args:
        data_format: `"channels_last"` or `"channels_first"` `(batch, channels, rows, cols)`.
        keepdims: whether the reduced axes stay, with size 1.

    Example:
        >>> GlobalMaxPooling2D()(torch.zeros(2, 8, 8, 3)).shape
        torch.Size([2, 3])

    In torch: `x.amax(dim=(...))`.
    """

    _kind = "max"


@published("layer", "keras.layers", aliases=("GlobalMaxPool3D",))
class GlobalMaxPooling3D(_GlobalPooling, rank=3):
    """Largest entry over all positions of volumes: `(batch, depth, rows, cols, channels)` -> `(batch, channels)`.

    Args:
        data_format: `"channels_last"` or `"channels_first"` `(batch, channels, depth, rows, cols)`.
        keepdims: whether the reduced axes stay, with size 1.

    Example:
        >>> GlobalMaxPooling3D()(torch.zeros(2, 8, 8, 8, 3)).shape
        torch.Size([2, 3])

    In torch: `x.amax(dim=(...))`.
    """

    _kind = "max"


@published("layer", "keras.layers", aliases=("GlobalAvgPool1D",))
class GlobalAveragePooling1D(_GlobalPooling, rank=1):
    """Mean over all steps of sequences: `(batch, steps, channels)` -> `(batch, channels)`.

    Args:
        data_format: `"channels_last"` or `"channels_first"` `(batch, channels, steps)`.
        keepdims: whether the steps axis stays, with size 1.

    Call arguments: `inputs`; `mask` `(batch, steps)`: only steps with True count. The output has no mask.

    Example:
        >>> GlobalAveragePooling1D()(torch.zeros(2, 8, 3)).shape
        torch.Size([2, 3])

    In torch: `x.mean(dim=1)`.
    """

    _kind = "average"

    def _configure(self):
        super()._configure()
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return super().call(inputs)
        mask = mask.to(torch.bool).unsqueeze(self._format.channels)
        total = inputs.where(mask, 0).sum(self._axes, self.keepdims)
        return total / mask.to(total.dtype).sum(self._axes, self.keepdims)

    def compute_mask(self, inputs, mask=None):
        return None


@published("layer", "keras.layers", aliases=("GlobalAvgPool2D",))
class GlobalAveragePooling2D(_GlobalPooling, rank=2):
    """Mean over all positions of images: `(batch, rows, cols, channels)` -> `(batch, channels)`.

    Args:
        data_format: `"channels_last"` or `"channels_first"` `(batch, channels, rows, cols)`.
        keepdims: whether the reduced axes stay, with size 1.

    Example:
        >>> GlobalAveragePooling2D()(torch.zeros(2, 8, 8, 3)).shape
        torch.Size([2, 3])

    In torch: `x.mean(dim=(...))`.
    """

    _kind = "average"


@published("layer", "keras.layers", aliases=("GlobalAvgPool3D",))
class GlobalAveragePooling3D(_GlobalPooling, rank=3):
    """Mean over all positions of volumes: `(batch, depth, rows, cols, channels)` -> `(batch, channels)`.

    Args:
        data_format: `"channels_last"` or `"channels_first"` `(batch, channels, depth, rows, cols)`.
        keepdims: whether the reduced axes stay, with size 1.

    Example:
        >>> GlobalAveragePooling3D()(torch.zeros(2, 8, 8, 8, 3)).shape
        torch.Size([2, 3])

    In torch: `x.mean(dim=(...))`.
    """

    _kind = "average"
