"""Cropping1D to Cropping3D: what lies at the edges of sequences, images and volumes is left out.

May import core.
"""

from torchkeras.core.arguments import pairs_of, tuple_of
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers._spatial import Format, Ranked


class _Cropping(Ranked, Layer):
    """A view of the inputs without `(before, after)` entries of each spatial axis."""

    data_format = "channels_last"

    @classmethod
    def _fields_of(cls, rank):
        if rank == 1:
            return {"cropping": field((1, 1), convert=tuple_of("cropping", 2, allow_zero=True))}
        default = (((0, 0),) * 2, ((1, 1),) * 3)[rank - 2]
        return {
            "cropping": field(default, convert=pairs_of("cropping", rank)),
            "data_format": _slots.data_format(),
        }

    def _configure(self):
        self.input_spec = InputSpec(ndim=self._rank + 2)
        self._format = Format(self._rank, self.data_format)
        pairs = (self.cropping,) if self._rank == 1 else self.cropping
        self._cuts = tuple(zip(self._format.spatial, pairs, strict=True))
        slices = [slice(None)] * (self._rank + 2)
        for axis, (before, after) in self._cuts:
            slices[axis] = slice(before, -after if after else None)
        self._slices = tuple(slices)

    def call(self, inputs):
        self._check(inputs.shape)
        return inputs[self._slices]

    def _check(self, shape):
        for axis, (before, after) in self._cuts:
            size = shape[axis]
            if size is not None and size <= before + after:
                raise ValueError(
                    f"Layer {self.name!r}: cropping={self.cropping} leaves nothing of axis {axis} of the input shape "
                    f"{tuple(shape)}. Crop less, or give larger inputs."
                )

    def compute_output_shape(self, input_shape):
        self._check(input_shape)
        shape = list(input_shape)
        for axis, pair in self._cuts:
            shape[axis] = None if shape[axis] is None else shape[axis] - sum(pair)
        return tuple(shape)


@published("layer", "keras.layers")
class Cropping1D(_Cropping, rank=1):
    """Leaves out steps at the beginning and the end of `(batch, steps, features)`.

    Args:
        cropping: steps to leave out: `n` at both ends, or `(first, last)`.

    Example:
        >>> Cropping1D((1, 2))(torch.zeros(2, 8, 3)).shape
        torch.Size([2, 5, 3])

    Raises `ValueError` where nothing would be left. In torch: `x[:, first:-last]`, which copies nothing.
    """


@published("layer", "keras.layers")
class Cropping2D(_Cropping, rank=2):
    """Leaves out rows and columns at the edges of images.

    Args:
        cropping: `n` at all edges, `(rows, cols)` at both ends, or `((top, bottom), (left, right))`.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> Cropping2D(((1, 2), (0, 1)))(torch.zeros(2, 8, 8, 3)).shape
        torch.Size([2, 5, 7, 3])

    Raises `ValueError` where nothing would be left. In torch: `x[:, top:-bottom, left:-right]`, which copies nothing.
    """


@published("layer", "keras.layers")
class Cropping3D(_Cropping, rank=3):
    """Leaves out planes at the edges of volumes.

    Args:
        cropping: `n` at all faces, one number for both ends of each of the 3 axes, or 3 pairs `(before, after)`.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> Cropping3D()(torch.zeros(2, 8, 8, 8, 3)).shape
        torch.Size([2, 6, 6, 6, 3])

    Raises `ValueError` where nothing would be left. In torch: a slice of each axis, which copies nothing.
    """
