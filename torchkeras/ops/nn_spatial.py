"""Rearrangements of space in `keras.ops.nn`: transposed convolution, depth and space, fold and unfold; polar, psnr.

May import core and the makers. Kernels have Keras's layout, `(*window, out, in)` for the transposed convolution.
"""

import torch
from torch.nn import functional as F

from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import dtype_of
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.symbolic import operation
from torchkeras.core.windows import (
    pad_widths,
    standardize_data_format,
    transposed_crops,
    transposed_length,
    transposed_plan,
)
from torchkeras.ops._images import spec
from torchkeras.ops._makers import broadcast_shape, joint_type, promoted, shape_of
from torchkeras.ops.nn_windows import window

__all__ = ["conv_transpose", "depth_to_space", "fold", "polar", "psnr", "space_to_depth", "unfold"]

_FORMAT = {"data_format": standardize_data_format}

# -- transposed convolution -------------------------------------------------------------------------------------------

_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _transposed_options(inputs_shape, kernel_shape, strides, padding, output_padding, data_format, dilation_rate):
    rank = len(inputs_shape) - 2
    if rank not in _TRANSPOSED or len(kernel_shape) != rank + 2:
        raise ValueError(
            f"Expected a batch of 1, 2 or 3 spatial axes and a kernel (*window, out, in) of as many axes; got inputs "
            f"{tuple(inputs_shape)} and kernel {tuple(kernel_shape)}."
        )
    if padding not in ("valid", "same"):
        raise ValueError(f"`padding` must be 'valid' or 'same', got {padding!r}.")
    channels = inputs_shape[-1 if data_format == "channels_last" else 1]
    if None not in (channels, kernel_shape[-1]) and channels != kernel_shape[-1]:
        raise ValueError(
            f"The inputs have {channels} channels, the kernel takes {kernel_shape[-1]}; its layout is (*window, out, "
            "in)."
        )
    strides, gaps = window(strides, rank, "strides"), window(dilation_rate, rank, "dilation_rate")
    extras = (output_padding,) * rank if output_padding is None or isinstance(output_padding, int) else output_padding
    reaches = [None if size is None else (size - 1) * gap + 1 for size, gap in zip(kernel_shape, gaps, strict=False)]
    crops = [transposed_crops(*axis[:2], padding, axis[2]) for axis in zip(reaches, strides, extras, strict=True)]
    return strides, gaps, reaches, crops


def _conv_transpose_spec(inputs, kernel, strides, padding, output_padding, data_format, dilation_rate):
    shape, window_shape = shape_of(inputs), shape_of(kernel)
    strides, _, reaches, crops = _transposed_options(
        shape, window_shape, strides, padding, output_padding, data_format, dilation_rate
    )
    sizes = shape[1:-1] if data_format == "channels_last" else shape[2:]
    sizes = [transposed_length(*axis) for axis in zip(sizes, strides, reaches, crops, strict=True)]
    filters = window_shape[-2]
    shape = (shape[0], *sizes, filters) if data_format == "channels_last" else (shape[0], filters, *sizes)
    return KerasTensor(Shape(shape), joint_type((inputs, kernel)))


@operation("ConvTranspose", "nn", ("inputs", "kernel"), _conv_transpose_spec)
def _conv_transpose(inputs, kernel, strides, padding, output_padding, data_format, dilation_rate):
    x, kernel = promoted(inputs, kernel)
    strides, gaps, _, crops = _transposed_options(
        x.shape, kernel.shape, strides, padding, output_padding, data_format, dilation_rate
    )
    rank = len(strides)
    x = x.movedim(-1, 1) if data_format == "channels_last" else x
    kernel = kernel.permute(rank + 1, rank, *range(rank))
    pads, extras, rest = transposed_plan(crops, strides, gaps)
    result = _TRANSPOSED[rank](x, kernel, None, strides, pads, extras, 1, gaps)
    if any(map(any, rest)):
        result = F.pad(result, pad_widths(rest))
    return result.movedim(1, -1) if data_format == "channels_last" else result


def conv_transpose(inputs, kernel, strides=1, padding="valid", output_padding=None, data_format=None, dilation_rate=1):
    """The gradient of a convolution as an operation of its own: every entry spreads a window over the result.

    Args:
        inputs: `(batch, *sizes, channels)` with one to three sizes, or channels first.
        kernel: `(*window, filters, channels)`.
        strides: distance between the windows in the result.
        padding: "valid" keeps all of the result, "same" `size * stride` of it.
        output_padding: how much longer than the shortest possible the result is; None as described under `padding`.
        dilation_rate: distance between the numbers of a window.

    Raises `ValueError` for shapes that do not fit and unknown options.

    Example:
        >>> conv_transpose(torch.ones(1, 4, 4, 3), torch.ones(3, 3, 8, 3), strides=2, padding="same").shape
        torch.Size([1, 8, 8, 8])

    torch: `F.conv_transpose2d(inputs.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), stride=strides)`.
    """
    data_format = standardize_data_format(data_format)
    return _conv_transpose(inputs, kernel, strides, padding.lower(), output_padding, data_format, dilation_rate)


# -- depth and space --------------------------------------------------------------------------------------------------


def _four_axes(x, name):
    shape = tuple(shape_of(x))
    if len(shape) != 4:
        raise ValueError(f"`{name}` needs a batch of images with 4 axes, got shape {shape}.")
    return shape


def _split(size, parts, what):
    if size is not None and size % parts:
        raise ValueError(f"{what} {size} cannot be split into blocks: it must be a multiple of {parts}.")
    return None if size is None else size // parts


def _scaled(size, factor):
    return None if size is None else size * factor


def _block(block_size):
    if block_size < 2:
        raise ValueError(f"`block_size` must be at least 2, got {block_size}.")
    return int(block_size)


def _depth_to_space_shape(shape, block_size, data_format):
    batch, height, width, channels = shape if data_format == "channels_last" else (shape[0], *shape[2:], shape[1])
    channels = _split(channels, block_size**2, "The number of channels")
    height, width = _scaled(height, block_size), _scaled(width, block_size)
    return (batch, height, width, channels) if data_format == "channels_last" else (batch, channels, height, width)


def _depth_to_space_spec(x, block_size, data_format):
    return spec(x, _depth_to_space_shape(_four_axes(x, "depth_to_space"), block_size, data_format))


@operation("DepthToSpace", "nn", ("x",), _depth_to_space_spec, settle={"block_size": _block, **_FORMAT})
def depth_to_space(x, block_size, data_format="channels_last"):
    """Channels spread over blocks of pixels: sizes times `block_size`, channels divided by its square.

    Args:
        x: a batch of images, any dtype. The channels of one pixel are its block in the order (row, column, channel),
            or (channel, row, column) where channels are first.

    Raises `ValueError` for channels that cannot be divided so.

    Example:
        >>> depth_to_space(torch.zeros(1, 2, 2, 12), 2).shape
        torch.Size([1, 4, 4, 3])

    torch: `F.pixel_shuffle(x, block_size)` for channels first.
    """
    block_size, data_format = _block(block_size), standardize_data_format(data_format)
    x = as_tensor(x)
    batch, *sizes, channels = _depth_to_space_shape(_four_axes(x, "depth_to_space"), block_size, data_format)
    if data_format == "channels_first":
        # torch's kernels fail without numbers.
        return F.pixel_shuffle(x, block_size) if x.numel() else x.reshape(batch, *sizes, channels)
    # TensorFlow's order of channels, (row, column, channel), is not the one of pixel_shuffle.
    x = x.reshape(*x.shape[:3], block_size, block_size, channels)
    return x.transpose(2, 3).reshape(batch, *sizes, channels)


def _space_to_depth_shape(shape, block_size, data_format):
    batch, height, width, channels = shape if data_format == "channels_last" else (shape[0], *shape[2:], shape[1])
    height, width = _split(height, block_size, "The height"), _split(width, block_size, "The width")
    channels = _scaled(channels, block_size**2)
    return (batch, height, width, channels) if data_format == "channels_last" else (batch, channels, height, width)


def _space_to_depth_spec(x, block_size, data_format):
    return spec(x, _space_to_depth_shape(_four_axes(x, "space_to_depth"), block_size, data_format))


@operation("SpaceToDepth", "nn", ("x",), _space_to_depth_spec, settle={"block_size": _block, **_FORMAT})
def space_to_depth(x, block_size, data_format="channels_last"):
    """Blocks of pixels gathered into channels; the inverse of `depth_to_space`.

    Raises `ValueError` where height or width is no multiple of `block_size`.

    Example:
        >>> space_to_depth(torch.zeros(1, 4, 4, 3), 2).shape
        torch.Size([1, 2, 2, 12])

    torch: `F.pixel_unshuffle(x, block_size)` for channels first.
    """
    block_size, data_format = _block(block_size), standardize_data_format(data_format)
    x = as_tensor(x)
    shape = _space_to_depth_shape(_four_axes(x, "space_to_depth"), block_size, data_format)
    if data_format == "channels_first":
        return F.pixel_unshuffle(x, block_size) if x.numel() else x.reshape(shape)
    x = x.reshape(shape[0], shape[1], block_size, shape[2], block_size, x.shape[3])
    return x.transpose(2, 3).reshape(shape)


# -- fold and unfold --------------------------------------------------------------------------------------------------


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def _unfold_spec(x, kernel_size, dilation, padding, stride):
    batch, channels, *sizes = _unfold_shape(x)
    options = zip(sizes, _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride), strict=True)
    counts = [
        None if size is None else (size + 2 * pad - gap * (length - 1) - 1) // step + 1
        for size, length, gap, pad, step in options
    ]
    blocks = None if None in counts else counts[0] * counts[1]
    return spec(x, (batch, _scaled(channels, torch.Size(_pair(kernel_size)).numel()), blocks))


def _unfold_shape(x):
    shape = tuple(shape_of(x))
    if len(shape) != 4:
        raise ValueError(f"`x` must have the shape (batch, channels, height, width), got {shape}.")
    return shape


@operation("Unfold", "nn", ("x",), _unfold_spec)
def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    """All windows of images side by side.

    Args:
        x: `(batch, channels, height, width)` floats, whatever the data format setting.
        kernel_size, dilation, padding, stride: one number or one for each of height and width.

    Returns `(batch, channels * window, windows)`. Raises `ValueError` for another rank.

    Example:
        >>> unfold(torch.zeros(1, 3, 5, 5), 2).shape
        torch.Size([1, 12, 16])

    torch: `F.unfold`, the same.
    """
    x = as_tensor(x)
    _unfold_shape(x)
    return F.unfold(x, _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride))


def _fold_shape(x, kernel_size):
    shape = tuple(shape_of(x))
    if len(shape) != 3:
        raise ValueError(f"`x` must have the shape (batch, channels * window, windows), got {shape}.")
    parts = torch.Size(_pair(kernel_size)).numel()
    return shape[0], _split(shape[1], parts, "The second size")


def _fold_spec(x, output_size, kernel_size):
    return spec(x, (*_fold_shape(x, kernel_size), *_pair(output_size)))


@operation("Fold", "nn", ("x",), _fold_spec)
def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Windows put back into images, summed where they overlap.

    Args:
        x: `(batch, channels * window, windows)` floats.
        output_size: height and width of the images, or one number for both.

    Returns `(batch, channels, height, width)`. Raises `ValueError` for another rank or a second size that is no
    multiple of the window.

    Example:
        >>> fold(torch.ones(1, 4, 4), (3, 3), 2)[0, 0, 1]
        tensor([2., 4., 2.])

    torch: `F.fold`, the same.
    """
    x = as_tensor(x)
    _fold_shape(x, kernel_size)
    return F.fold(x, _pair(output_size), _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride))


# -- polar, psnr ------------------------------------------------------------------------------------------------------


def _polar_spec(abs_, angle):
    wide = joint_type((abs_, angle), "floatx") == "float64"
    return KerasTensor(broadcast_shape(shape_of(abs_), shape_of(angle)), "complex128" if wide else "complex64")


@operation("Polar", "nn", ("abs_", "angle"), _polar_spec)
def polar(abs_, angle):
    """Complex numbers of absolute values and angles in radians; complex64, or complex128 for float64.

    Example:
        >>> polar(torch.tensor(2.0), torch.tensor(0.0))
        tensor(2.+0.j)

    torch: `torch.polar(abs_, angle)`.
    """
    length, angle = promoted(abs_, angle, ints="floatx")
    if length.dtype != torch.float64:  # there are no complex numbers of two 16-bit floats that torch computes with
        length, angle = length.float(), angle.float()
    return torch.complex(length * torch.cos(angle), length * torch.sin(angle))


def _psnr_shapes(x1, x2):
    shapes = tuple(shape_of(x1)), tuple(shape_of(x2))
    known = len(shapes[0]) == len(shapes[1]) and all(a == b or None in (a, b) for a, b in zip(*shapes, strict=True))
    if not known:
        raise ValueError(f"Both signals must have one shape, got {shapes[0]} and {shapes[1]}.")


def _psnr_spec(x1, x2):
    _psnr_shapes(x1, x2)
    return KerasTensor(Shape(()), joint_type((x1, x2), "floatx"))


@operation("PSNR", "nn", ("x1", "x2"), _psnr_spec)
def psnr(x1, x2, max_val):
    """Peak signal-to-noise ratio in decibels: `20 log10(max_val) - 10 log10(mean squared difference)`.

    Args:
        x1, x2: signals of one shape.
        max_val: largest possible number of the signals.

    Returns a scalar over all numbers, infinite for equal signals. Raises `ValueError` for shapes that differ.

    Example:
        >>> psnr(torch.zeros(4), torch.ones(4), max_val=10.0)
        tensor(20.)
    """
    x1, x2 = promoted(x1, x2, ints="floatx")
    _psnr_shapes(x1, x2)
    peak = as_tensor(max_val, dtype=dtype_of(x1), device=x1.device)
    return 20 * torch.log10(peak) - 10 * torch.log10(torch.mean((x1 - x2) ** 2))
