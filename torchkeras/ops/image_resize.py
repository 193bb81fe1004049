"""Resizing of `keras.ops.image`: `resize` and `scale_and_translate`.

May import core and the makers. torch's kernels serve where their numbers are Keras's; the rest are weights on
neighbours along one axis after the other.
"""

import math

import torch
from torch.nn import functional as F

from torchkeras.core.conversion import as_tensor
from torchkeras.core.symbolic import operation
from torchkeras.core.windows import standardize_data_format
from torchkeras.ops._images import (
    choice,
    from_planes,
    image_shape,
    rounded_to,
    spatial_axes,
    spec,
    to_planes,
)
from torchkeras.ops._makers import promoted

__all__ = ["resize", "scale_and_translate"]

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")
_OVERSHOOTING = ("bicubic", "lanczos3", "lanczos5")  # results may leave the range of the input
_CUBIC_STEPS = 1024  # TensorFlow looks cubic weights up in a table of that many steps per pixel

# -- kernels: weight of a neighbour at a distance, in pixels ----------------------------------------------------------


def _triangle(distance):
    return torch.maximum(distance.new_zeros(()), 1 - distance)


def _keys_cubic(distance):
    """Keys' cubic with a = -0.5, the one of TensorFlow, JAX and PIL."""
    near = ((1.5 * distance - 2.5) * distance) * distance + 1.0
    far = ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0
    return torch.where(distance >= 2.0, 0.0, torch.where(distance >= 1.0, far, near))


def _lanczos(radius):
    def kernel(distance):
        numerator = radius * torch.sin(math.pi * distance) * torch.sin(math.pi * distance / radius)
        divisor = torch.where(distance != 0, math.pi**2 * distance**2, 1)
        return torch.where(distance > radius, 0.0, torch.where(distance > 1e-3, numerator / divisor, 1))

    return kernel


_KERNELS = {"linear": _triangle, "cubic": _keys_cubic, "lanczos3": _lanczos(3.0), "lanczos5": _lanczos(5.0)}
_METHODS = {
    "linear": "linear",
    "bilinear": "linear",
    "trilinear": "linear",
    "cubic": "cubic",
    "bicubic": "cubic",
    "tricubic": "cubic",
    "lanczos3": "lanczos3",
    "lanczos5": "lanczos5",
}


def _weights(size, target, scale, translation, kernel, antialias):
    """What each of `size` entries gives to each of `target` ones: `(size, target)`, columns of sum 1 (or 0: outside).

    `scale` and `translation` are scalar tensors; output position p shows input position (p - translation) / scale.
    """
    step = 1.0 / scale
    width = torch.maximum(step, step.new_ones(())) if antialias else 1.0
    positions = torch.arange(target, dtype=scale.dtype, device=scale.device) + 0.5
    positions = positions * step - translation * step - 0.5
    entries = torch.arange(size, dtype=scale.dtype, device=scale.device)
    weights = kernel(torch.abs(positions - entries[:, None]) / width)
    total = weights.sum(0, keepdim=True)
    enough = torch.abs(total) > 1000.0 * torch.finfo(torch.float32).eps
    weights = torch.where(enough, weights / torch.where(total != 0, total, 1), 0)
    return torch.where((positions >= -0.5) & (positions <= size - 0.5), weights, 0)


# -- resize -----------------------------------------------------------------------------------------------------------


def _check_resize(images, size, interpolation, crop, pad, fill_mode, data_format):
    choice(interpolation, INTERPOLATIONS, "interpolation")
    if fill_mode != "constant":
        raise ValueError(f"`fill_mode` must be 'constant', got {fill_mode!r}.")
    if len(size) != 2 or size[0] <= 0 or size[1] <= 0:
        raise ValueError(f"`size` must be (height, width), both positive; got {size!r}.")
    if crop and pad:
        raise ValueError("Choose one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio`, not both.")
    return image_shape(images), spatial_axes(data_format)


def _resize_spec(images, size, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio, fill_mode, data_format):
    shape, (rows, columns, _) = _check_resize(
        images, size, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio, fill_mode, data_format
    )
    shape = list(shape)
    shape[rows], shape[columns] = size
    return spec(images, shape)


@operation("Resize", "image", ("images",), _resize_spec)
def resize(
    images,
    size,
    interpolation="bilinear",
    antialias=False,
    crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False,
    fill_mode="constant",
    fill_value=0.0,
    data_format=None,
):
    """Images of another height and width.

    Args:
        images: one image or a batch, `(batch, height, width, channels)` or channels first, any dtype but complex.
        size: `(height, width)` of the result.
        interpolation: "nearest", "bilinear", "bicubic" (Keys, a = -0.5), "lanczos3", "lanczos5" or "area".
        antialias: widen the kernel when shrinking, so that no pixel is skipped.
        crop_to_aspect_ratio: cut the middle part that has the target's proportions first.
        pad_to_aspect_ratio: put `fill_value` around instead.

    Returns images of the same dtype; integers are rounded. Raises `ValueError` for unknown options or another rank.

    Differs from Keras on torch: "bicubic" without `antialias` gives TensorFlow's numbers, and "lanczos3", "lanczos5"
    and "area" work.

    Example:
        >>> resize(torch.zeros(2, 8, 8, 3), (4, 6)).shape
        torch.Size([2, 4, 6, 3])

    torch: `F.interpolate(images.permute(0, 3, 1, 2), size, mode="bilinear", antialias=antialias)`.
    """
    images = as_tensor(images)
    size = tuple(size)
    _check_resize(images, size, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio, fill_mode, data_format)
    data_format = standardize_data_format(data_format)
    dtype = images.dtype
    planes = to_planes(images, data_format)
    as_they_are = interpolation == "nearest" and dtype == torch.uint8 and not pad_to_aspect_ratio
    if dtype not in (torch.float32, torch.float64) and not as_they_are:  # nearest only moves numbers: all digits stay
        wide = interpolation == "nearest" and dtype in (torch.int32, torch.int64)
        planes = planes.to(torch.float64 if wide else torch.float32)
    if crop_to_aspect_ratio:
        planes = _crop(planes, *size)
    elif pad_to_aspect_ratio:
        planes = _surround(planes, *size, fill_value)
    planes = _interpolate(planes, size, interpolation, antialias)
    if interpolation in _OVERSHOOTING and dtype in (torch.uint8, torch.int8, torch.int16):
        limits = torch.iinfo(dtype)
        planes = planes.clamp(limits.min, limits.max)
    return rounded_to(from_planes(planes, data_format, images.dim()), dtype)


def _crop(planes, height, width):
    rows, columns = planes.shape[-2:]
    kept_rows = max(min(rows, columns * height // width), 1)
    kept_columns = max(min(columns, rows * width // height), 1)
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    return planes[..., top : top + kept_rows, left : left + kept_columns]


def _surround(planes, height, width, value):
    rows, columns = planes.shape[-2:]
    above = (max(rows, columns * height // width) - rows) // 2
    left = (max(columns, rows * width // height) - columns) // 2
    return F.pad(planes, (left, left, above, above), value=value)


def _interpolate(planes, size, interpolation, antialias):
    if interpolation == "nearest":
        return F.interpolate(planes, size, mode="nearest-exact")
    if interpolation == "bilinear" or (interpolation == "bicubic" and antialias):
        return F.interpolate(planes, size, mode=interpolation, align_corners=False, antialias=antialias)
    if interpolation == "bicubic":
        return _cubic(_cubic(planes, size[0], 2), size[1], 3)
    rows, columns = (
        _resizing_weights(length, target, interpolation, antialias, planes)
        for length, target in zip(planes.shape[-2:], size, strict=True)
    )
    return rows.mT @ planes @ columns


def _resizing_weights(length, target, interpolation, antialias, like):
    if interpolation == "area":
        return _overlaps(length, target, like)
    scale = torch.full((), target / length, dtype=torch.float32, device=like.device)
    kernel = _KERNELS[interpolation]
    return _weights(length, target, scale, torch.zeros_like(scale), kernel, antialias).to(like.dtype)


def _overlaps(length, target, like):
    """Weights by how much of each output pixel an input pixel covers."""
    width = length / target
    starts = torch.arange(target, dtype=like.dtype, device=like.device) * width
    pixels = torch.arange(length, dtype=like.dtype, device=like.device)[:, None]
    shared = torch.minimum(starts + width, pixels + 1) - torch.maximum(starts, pixels)
    return shared.clamp(min=0) / width


def _cubic(planes, target, axis):
    """Cubic interpolation along one axis as TensorFlow has it: weights in steps, none beyond the edge.

    torch's own bicubic kernel has a = -0.75 and repeats edge pixels.
    """
    size, device = planes.shape[axis], planes.device
    positions = (torch.arange(target, dtype=torch.float32, device=device) + 0.5) * (size / target) - 0.5
    lower = torch.floor(positions)
    beyond = torch.round((positions - lower) * _CUBIC_STEPS) / _CUBIC_STEPS
    neighbours = torch.arange(-1, 3, device=device)[:, None]
    indices = lower.long() + neighbours
    weights = _keys_cubic(torch.abs(beyond - neighbours))
    weights = torch.where((indices >= 0) & (indices < size), weights, 0.0)
    weights = (weights / weights.sum(0)).to(planes.dtype)
    indices = indices.clamp(0, size - 1)
    across = (-1, 1) if axis == 2 else (-1,)
    return sum(planes.index_select(axis, indices[k]) * weights[k].reshape(across) for k in range(4))


# -- scale and translate ----------------------------------------------------------------------------------------------


def _scale_spec(images, output_shape, scale, translation, method):
    choice(method, _METHODS, "method")
    return spec(images, tuple(output_shape))


@operation("ScaleAndTranslate", "image", ("images", "output_shape", "scale", "translation"), _scale_spec)
def scale_and_translate(images, output_shape, scale, translation, spatial_dims, method, antialias=True):
    """Images stretched and shifted along some axes, by numbers that may carry gradients.

    Args:
        images: any shape and dtype; integers are rounded and kept within the range of the input.
        output_shape: the whole shape of the result; it may differ from the input's in `spatial_dims` only.
        scale: `(len(spatial_dims),)`, above one enlarges.
        translation: `(len(spatial_dims),)`, in pixels of the result.
        spatial_dims: the axes to work on.
        method: "linear", "cubic" (or their "bi", "tri" spellings), "lanczos3" or "lanczos5".
        antialias: widen the kernel when shrinking.

    Pixels from outside the input are zero. Raises `ValueError` for an unknown method or too few scales.

    Example:
        >>> scale_and_translate(torch.ones(4, 4), (8, 4), torch.tensor([2.0]), torch.zeros(1), (0,), "linear").shape
        torch.Size([8, 4])
    """
    kernel = _KERNELS[_METHODS[choice(method, _METHODS, "method")]]
    images = as_tensor(images)
    scale, translation = promoted(scale, translation, ints="floatx")
    if scale.dim() != 1 or translation.dim() != 1 or min(len(scale), len(translation)) < len(spatial_dims):
        raise ValueError(
            f"`scale` and `translation` must hold a number for each of the {len(spatial_dims)} spatial_dims, got "
            f"shapes {tuple(scale.shape)} and {tuple(translation.shape)}."
        )
    if not len(spatial_dims):
        return images
    result = images if images.is_floating_point() else images.to(torch.float32)
    for position, axis in enumerate(spatial_dims):
        axis %= images.dim()
        size, target = images.shape[axis], output_shape[axis]
        weights = _weights(size, target, scale[position], translation[position], kernel, antialias).to(result.dtype)
        result = torch.tensordot(result, weights.to(result.device), dims=((axis,), (0,))).movedim(-1, axis)
    if images.is_floating_point():
        return result
    return torch.clamp(torch.round(result), images.min(), images.max()).to(images.dtype)
