"""Windows over spatial axes: classes of a rank, sizes and the two data formats, for convolution and pooling.

May import core. Knows no layer. torch's kernels want channels first; a channels_last tensor is handed over as a
permuted view, which is exactly torch's `channels_last` memory format, so nothing is copied.
"""

from torchkeras.core.keras_tensor import Shape
from torchkeras.core.windows import output_length
from torchkeras.layers._following import FollowsFields


class Ranked(FollowsFields):
    """A family of layers with one class per number of spatial axes: `class Conv2D(_Conv, rank=2)`.

    The family says in `_fields_of(rank)` which fields such a class has; they come before what it declares itself.
    """

    _rank = None

    def __init_subclass__(cls, rank=None, **options):
        if rank is not None:
            cls._rank = rank
            options["fields_from"] = [cls._fields_of(rank)]
        super().__init_subclass__(**options)

    @classmethod
    def _fields_of(cls, rank):
        """Fields by name, in order."""
        return {}


class Format:
    """How a layer with `rank` spatial axes goes from its data format to torch's order of axes and back.

    `to_torch` and `to_keras` are axis orders for `permute`, or None where the data is in torch's order already.
    """

    def __init__(self, rank, data_format):
        self.rank, self.channels_last = rank, data_format == "channels_last"
        spatial = range(1, rank + 1)
        self.to_torch = (0, rank + 1, *spatial) if self.channels_last else None
        self.to_keras = (0, *range(2, rank + 2), 1) if self.channels_last else None
        self.spatial = tuple(spatial) if self.channels_last else tuple(range(2, rank + 2))
        self.channels = -1 if self.channels_last else 1

    def split(self, shape):
        """`(batch, spatial sizes, channels)` of a shape."""
        return shape[0], tuple(shape[axis] for axis in self.spatial), shape[self.channels]

    def join(self, batch, sizes, channels):
        """The shape of these parts."""
        return Shape((batch, *sizes, channels) if self.channels_last else (batch, channels, *sizes))


def output_sizes(owner, sizes, windows, strides, padding, dilations):
    """Output sizes of all spatial axes. Raises `ValueError` where the input is smaller than a window."""
    found = tuple(
        output_length(*axis, padding, dilation)
        for *axis, dilation in zip(sizes, windows, strides, dilations, strict=True)
    )
    if any(size is not None and size <= 0 for size in found):
        raise ValueError(
            f"Layer {owner!r}: the input's spatial size {tuple(sizes)} is smaller than its window {tuple(windows)} "
            f"(dilation {tuple(dilations)}). Use padding='same', a smaller window, or larger inputs."
        )
    return found
