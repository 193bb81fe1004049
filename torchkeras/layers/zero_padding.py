"""ZeroPadding1D to ZeroPadding3D: zeros around sequences, images and volumes.

May import core.
"""

import torch.nn.functional as F

from torchkeras.core.arguments import pairs_of, tuple_of
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.windows import pad_widths
from torchkeras.layers import _slots
from torchkeras.layers._spatial import Format, Ranked


class _ZeroPadding(Ranked, Layer):
    """`(before, after)` zeros along each spatial axis."""

    @classmethod
    def _fields_of(cls, rank):
        one = rank == 1
        convert = tuple_of("padding", 2, allow_zero=True) if one else pairs_of("padding", rank)
        default = 1 if one else ((1, 1), ((1, 1),) * 3)[rank - 2]
        return {"padding": field(default, convert=convert), "data_format": _slots.data_format()}

    def _configure(self):
        self.input_spec = InputSpec(ndim=self._rank + 2)
        self._format = Format(self._rank, self.data_format)
        self._pairs = (self.padding,) if self._rank == 1 else self.padding
        channels = [(0, 0)] if self._format.channels_last else []
        self._widths = tuple(pad_widths([*self._pairs, *channels]))

    def call(self, inputs):
        return F.pad(inputs, self._widths)

    def compute_output_shape(self, input_shape):
        batch, sizes, channels = self._format.split(input_shape)
        sizes = (None if size is None else size + sum(pair) for size, pair in zip(sizes, self._pairs, strict=True))
        return self._format.join(batch, tuple(sizes), channels)


@published("layer", "keras.layers")
class ZeroPadding1D(_ZeroPadding, rank=1):
    """Steps of zeros before and after sequences.

    Args:
        padding: `n` at both ends, or `(before, after)`.
        data_format: `"channels_last"` `(batch, steps, channels)` or `"channels_first"` `(batch, channels, steps)`.

    Example:
        >>> ZeroPadding1D((2, 0))(torch.zeros(2, 8, 3)).shape
        torch.Size([2, 10, 3])

    In torch: `nn.ZeroPad1d(padding)`, for channels first.
    """


@published("layer", "keras.layers")
class ZeroPadding2D(_ZeroPadding, rank=2):
    """Rows and columns of zeros around images.

    Args:
        padding: `n` at all edges, `(rows, cols)` at both ends, or `((top, bottom), (left, right))`.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> ZeroPadding2D(((1, 2), (0, 1)))(torch.zeros(2, 8, 8, 3)).shape
        torch.Size([2, 11, 9, 3])

    In torch: `nn.ZeroPad2d((left, right, top, bottom))`, for channels first.
    """


@published("layer", "keras.layers")
class ZeroPadding3D(_ZeroPadding, rank=3):
    """Planes of zeros around volumes.

    Args:
        padding: `n` at all faces, one number for both ends of each of the 3 axes, or 3 pairs `(before, after)`.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> ZeroPadding3D()(torch.zeros(2, 8, 8, 8, 3)).shape
        torch.Size([2, 10, 10, 10, 3])

    In torch: `nn.ZeroPad3d(...)`, for channels first.
    """
