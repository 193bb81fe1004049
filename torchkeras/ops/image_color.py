"""Colour spaces of `keras.ops.image`.

May import core and the makers. All functions take one image or a batch, in either data format.
"""

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import NAMES, dtype_of, is_float_dtype
from torchkeras.core.symbolic import operation
from torchkeras.ops._images import image_shape, spatial_axes, spec

__all__ = ["hsv_to_rgb", "rgb_to_grayscale", "rgb_to_hsv"]

_LUMA = (0.2989, 0.587, 0.114)  # ITU-R BT.601


def _check_channels(shape, axis, allowed):
    if shape[axis] is not None and shape[axis] not in allowed:
        raise ValueError(
            f"`images` must have {' or '.join(map(str, allowed))} channels, got {shape[axis]} in shape {shape}; check "
            "`data_format`."
        )


def _grayscale_spec(images, data_format):
    shape, axis = list(image_shape(images)), spatial_axes(data_format)[-1]
    _check_channels(tuple(shape), axis, (1, 3))
    shape[axis] = 1
    return spec(images, shape)


@operation("RGBToGrayscale", "image", ("images",), _grayscale_spec)
def rgb_to_grayscale(images, data_format=None):
    """Brightness of each pixel: `0.2989 r + 0.587 g + 0.114 b`, cut to whole numbers for integer images.

    Args:
        images: `(height, width, 3)` or `(batch, height, width, 3)`, or channels first. Grey images come back as they
            are.

    Returns the same shape with one channel, same dtype. Raises `ValueError` for another rank or channel count.

    Example:
        >>> rgb_to_grayscale(torch.ones(4, 4, 3)).shape
        torch.Size([4, 4, 1])
    """
    images = as_tensor(images)
    axis = spatial_axes(data_format)[-1]
    _check_channels(image_shape(images), axis, (1, 3))
    if images.shape[axis] == 1:
        return images.clone()
    red, green, blue = images.unbind(axis)
    gray = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    return gray.to(images.dtype).unsqueeze(axis)


def _three_floats(images, data_format):
    """The channel axis of a float image with three channels. Raises `ValueError` for anything else."""
    shape, axis = image_shape(images), spatial_axes(data_format)[-1]
    dtype = NAMES[images.dtype] if isinstance(images, torch.Tensor) else dtype_of(images)
    if not is_float_dtype(dtype):
        raise ValueError(f"`images` must be floats, got {dtype}; scale integers first: `images / 255`.")
    _check_channels(shape, axis, (3,))
    return axis


def _color_spec(images, data_format):
    _three_floats(images, data_format)
    return spec(images, images.shape)


@operation("RGBToHSV", "image", ("images",), _color_spec)
def rgb_to_hsv(images, data_format=None):
    """Hue, saturation and value of float RGB images, all between 0 and 1 if the images are.

    Args:
        images: floats, `(height, width, 3)` or with a batch axis, or channels first.

    Raises `ValueError` for integers, another rank or another number of channels.

    Example:
        >>> rgb_to_hsv(torch.tensor([[[0.0, 1.0, 0.0]]]))
        tensor([[[0.3333, 1.0000, 1.0000]]])
    """
    images = as_tensor(images)
    axis = _three_floats(images, data_format)
    images = torch.where(images.abs() < torch.finfo(images.dtype).eps, 0.0, images)
    red, green, blue = images.unbind(axis)
    value = torch.maximum(torch.maximum(red, green), blue)
    spread = value - torch.minimum(torch.minimum(red, green), blue)
    # Divisors are replaced before dividing: a division by zero would make the gradient NaN even where it is masked.
    saturation = torch.where(value > 0, spread / torch.where(value > 0, value, 1.0), 0.0)
    sixth = 1.0 / (6.0 * torch.where(spread > 0, spread, 1.0))
    hue = torch.where(value == green, sixth * (blue - red) + 2.0 / 6.0, sixth * (red - green) + 4.0 / 6.0)
    hue = torch.where(value == red, sixth * (green - blue), hue)
    hue = torch.where(spread > 0, hue, 0.0) + (hue < 0).to(hue.dtype)
    return torch.stack([hue, saturation, value], axis)


@operation("HSVToRGB", "image", ("images",), _color_spec)
def hsv_to_rgb(images, data_format=None):
    """RGB of float images given as hue, saturation and value; the inverse of `rgb_to_hsv`.

    Raises `ValueError` for integers, another rank or another number of channels.

    Example:
        >>> hsv_to_rgb(torch.tensor([[[0.0, 1.0, 0.5]]]))
        tensor([[[0.5000, 0.0000, 0.0000]]])
    """
    images = as_tensor(images)
    axis = _three_floats(images, data_format)
    hue, saturation, value = images.unbind(axis)
    sextant = torch.remainder(hue, 1.0) * 6.0
    shares = (
        torch.clamp(torch.abs(sextant - 3.0) - 1.0, 0.0, 1.0),
        torch.clamp(2.0 - torch.abs(sextant - 2.0), 0.0, 1.0),
        torch.clamp(2.0 - torch.abs(sextant - 4.0), 0.0, 1.0),
    )
    return torch.stack([value * ((1.0 - saturation) + saturation * share) for share in shares], axis)
