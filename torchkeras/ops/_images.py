"""What the image operations share: checks of rank and options, the two data formats, dtypes to compute in.

May import core. Private to ops.
"""

import torch

from torchkeras.core.dtypes import dtype_of
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.scopes import settings
from torchkeras.core.windows import standardize_data_format
from torchkeras.ops._makers import shape_of


def image_shape(images, name="images"):
    """The shape of an image or a batch of images. Raises `ValueError` for another rank."""
    shape = tuple(shape_of(images))
    if len(shape) not in (3, 4):
        raise ValueError(
            f"`{name}` must have 3 axes (one image) or 4 (a batch of images), got shape {shape}; add or drop axes with "
            "keras.ops.expand_dims or keras.ops.squeeze."
        )
    return shape


def spatial_axes(data_format):
    """The axes of height and width, and of the channels, counted from the end."""
    return (-3, -2, -1) if standardize_data_format(data_format) == "channels_last" else (-2, -1, -3)


def choice(value, allowed, name):
    """`value`, if it is among those allowed; else a `ValueError` that lists them."""
    if value not in allowed:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, sorted(allowed)))}; got {value!r}.")
    return value


def same_shape_spec(images, *others):
    """Output rule of operations whose result looks like their first argument, an image or a batch of them."""
    image_shape(images)
    return spec(images, shape_of(images))


def spec(like, shape):
    """A KerasTensor of that shape with the dtype of `like`, which may be an array or a tensor as well."""
    return KerasTensor(Shape(shape), dtype_of(like))


def to_planes(images, data_format):
    """A batch with channels first, `(batch, channels, height, width)`; a view."""
    images = images if images.dim() == 4 else images.unsqueeze(0)
    return images.permute(0, 3, 1, 2) if data_format == "channels_last" else images


def from_planes(planes, data_format, rank):
    """The way back from `to_planes` for images that had `rank` axes."""
    images = planes.permute(0, 2, 3, 1) if data_format == "channels_last" else planes
    return images if rank == 4 else images.squeeze(0)


def working_dtype(dtype):
    """The dtype to compute in: floats their own, integers and bools `floatx()`."""
    return dtype if dtype.is_floating_point else getattr(torch, settings.floatx)


def rounded_to(x, dtype):
    """`x` in `dtype`; to the nearest number where that is an integer type."""
    if x.dtype == dtype:
        return x
    if not dtype.is_floating_point and dtype != torch.bool and x.is_floating_point():
        x = torch.round(x)
    return x.to(dtype)
