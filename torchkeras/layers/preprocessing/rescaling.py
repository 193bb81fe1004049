"""Rescaling: values times a scale plus an offset.

May import core and the families below layers.
"""

import torch

from torchkeras.core.arguments import as_number
from torchkeras.core.conversion import as_tensor
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.errors import InvalidArgumentError, UnsupportedInputError
from torchkeras.layers import _slots


def _numbers(name, **options):
    """A slot for a number, or an array or list of them."""

    def convert(value):
        try:
            as_tensor(value, what=f"`{name}`")
        except UnsupportedInputError:
            raise InvalidArgumentError(
                f"`{name}` must be a number, or several that fit the inputs, got {value!r}."
            ) from None
        return value

    return _slots.nested((), name, convert=convert, **options)


@published("layer", "keras.layers")
class Rescaling(Layer):
    """`inputs * scale + offset`, in training too.

    Args:
        scale: a number, or one for each channel (the last axis of the inputs; with a global data format of
            `"channels_first"` the third from the end), or an array that fits the inputs.
        offset: the same.

    Inputs of any shape, integers too. Outputs have the layer's compute dtype.

    Raises `ValueError` where `scale` or `offset` hold no numbers.

    Example:
        >>> Rescaling(1 / 127.5, offset=-1)(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([-1.,  1.])

    In torch: `inputs.float() * scale + offset`.
    """

    _takes_numbers = True
    scale = _numbers("scale")
    offset = _numbers("offset", default=0.0)

    def _configure(self):
        self.supports_masking = True
        if not self._is_of_numbers():
            for name in ("scale", "offset"):
                values = as_tensor(getattr(self, name), self.compute_dtype)
                before = self._buffers.get(f"_{name}", values)
                self.register_buffer(f"_{name}", values.to(before.device), persistent=False)

    def _is_of_numbers(self):
        """Whether both are single numbers, which one pass of a float kernel takes."""
        floats = self.dtype_policy.torch_compute.is_floating_point
        return floats and as_number(self.scale) is not None and as_number(self.offset) is not None

    def call(self, inputs):
        dtype = self.dtype_policy.torch_compute
        x = self._in_floats(inputs, dtype)
        if self._is_of_numbers():  # rounded after each step as in Keras: 255 at the end of a range stays within it
            scaled = x * self.scale if inputs.dtype is dtype else x.mul_(self.scale)
            return scaled.add_(self.offset) if self.offset else scaled
        scale, offset = (self._beside(values.to(dtype), x) for values in (self._scale, self._offset))
        scaled = x * scale
        fits = dtype is not torch.bool and torch.broadcast_shapes(scaled.shape, offset.shape) == scaled.shape
        return scaled.add_(offset) if fits else scaled + offset

    def _beside(self, values, x):
        """Values shaped for arithmetic with `x`. Numbers of channels stand in whole rows of pixels: a loop over three
        numbers would be several times slower."""
        if not 0 < values.dim() < 3 or x.dim() < 3:
            return values
        if settings.image_data_format == "channels_first":
            return values.reshape(*values.shape, *(1,) * (3 - values.dim()))
        return values.expand(x.shape[-2], -1).contiguous() if values.dim() == 1 else values

    def compute_output_shape(self, input_shape):
        return input_shape
