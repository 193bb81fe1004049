"""UpSampling1D to UpSampling3D: sequences, images and volumes made larger by whole factors.

May import core and ops. Repeating goes through torch's nearest-neighbour kernels, whose backward sums over the copies
several times faster than that of a repeat; `nearest-exact` is the one that hits the right entry for every factor.
"""

import torch.nn.functional as F

from torchkeras.core.arguments import one_of
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers._spatial import Format, Ranked
from torchkeras.ops.image_resize import resize

_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")


def _factor(value):
    """One integer above zero; Keras takes no other form for sequences."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"`size` must be an integer, got {value!r}.")
    if value <= 0:
        raise InvalidArgumentError(f"`size` must be positive, got {value}.")
    return value


class _UpSampling(Ranked, Layer):
    """Every spatial axis longer by a factor of its own; repeated entries unless a class says otherwise."""

    data_format = "channels_last"

    @classmethod
    def _fields_of(cls, rank):
        if rank == 1:
            return {"size": field(2, convert=_factor)}
        return {"size": _slots.sizes("size", rank, (2,) * rank), "data_format": _slots.data_format()}

    def _configure(self):
        self.input_spec = InputSpec(ndim=self._rank + 2)
        self._format = Format(self._rank, self.data_format)
        self._to_torch, self._to_keras = self._format.to_torch, self._format.to_keras
        self._factors = (self.size,) if self._rank == 1 else self.size
        self._scale = tuple(float(factor) for factor in self._factors)

    def call(self, inputs):
        if not inputs.is_floating_point():
            return self._repeat(inputs)
        if self._to_torch is not None:
            inputs = inputs.permute(self._to_torch)
        outputs = F.interpolate(inputs, scale_factor=self._scale, mode="nearest-exact")
        return outputs if self._to_keras is None else outputs.permute(self._to_keras)

    def _repeat(self, inputs):
        """The way for integers, which the kernels do not take."""
        for axis, factor in zip(self._format.spatial, self._factors, strict=True):
            inputs = inputs.repeat_interleave(factor, axis)
        return inputs

    def compute_output_shape(self, input_shape):
        batch, sizes, channels = self._format.split(input_shape)
        sizes = (None if size is None else size * factor for size, factor in zip(sizes, self._factors, strict=True))
        return self._format.join(batch, tuple(sizes), channels)


@published("layer", "keras.layers")
class UpSampling1D(_UpSampling, rank=1):
    """Every step of `(batch, steps, features)` `size` times.

    Args:
        size: an integer above zero.

    Example:
        >>> UpSampling1D(2)(torch.tensor([[[1.0], [2.0]]])).flatten()
        tensor([1., 1., 2., 2.])

    In torch: `x.repeat_interleave(size, 1)`.
    """

    def call(self, inputs):
        if not inputs.is_floating_point():
            return self._repeat(inputs)
        images = inputs.unsqueeze(1).permute(0, 3, 1, 2)  # the kernel for images knows channels_last memory
        outputs = F.interpolate(images, scale_factor=(1.0, *self._scale), mode="nearest-exact")
        return outputs.permute(0, 2, 3, 1).squeeze(1)


@published("layer", "keras.layers")
class UpSampling2D(_UpSampling, rank=2):
    """Images with rows and columns repeated or interpolated.

    Args:
        size: factors for rows and columns, one integer or 2.
        data_format: `"channels_last"` or `"channels_first"`.
        interpolation: `"nearest"` (repeats), `"bilinear"`, `"bicubic"`, `"lanczos3"`, `"lanczos5"` or `"area"`, as
            `keras.ops.image.resize` has them: pixels are squares, positions their centres.

    Example:
        >>> UpSampling2D((2, 3))(torch.zeros(2, 4, 4, 3)).shape
        torch.Size([2, 8, 12, 3])

    In torch: `nn.Upsample(scale_factor=size, mode="nearest")`, for channels first; `mode="bilinear"` as it is.
    """

    interpolation = field("nearest", convert=one_of("interpolation", *_INTERPOLATIONS))

    def call(self, inputs):
        if self.interpolation == "nearest":
            return super().call(inputs)
        rows, cols = (inputs.shape[axis] * factor for axis, factor in zip(self._format.spatial, self.size, strict=True))
        return resize.compute(inputs, (rows, cols), self.interpolation, data_format=self.data_format)


@published("layer", "keras.layers")
class UpSampling3D(_UpSampling, rank=3):
    """Volumes with every entry repeated along each axis.

    Args:
        size: factors, one integer or 3.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> UpSampling3D()(torch.zeros(2, 4, 4, 4, 3)).shape
        torch.Size([2, 8, 8, 8, 3])

    In torch: `nn.Upsample(scale_factor=size, mode="nearest")`, for channels first.
    """
