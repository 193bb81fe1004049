"""Neighbourhoods of `keras.ops.image`: cropping, padding, patches, blurring, edges, structural similarity.

May import core and the makers. All functions work in either data format.
"""

import torch
from torch.nn import functional as F

from torchkeras.core.arguments import as_number
from torchkeras.core.conversion import as_tensor
from torchkeras.core.symbolic import operation
from torchkeras.core.windows import pad_widths, standardize_data_format
from torchkeras.ops._images import (
    from_planes,
    image_shape,
    rounded_to,
    same_shape_spec,
    spatial_axes,
    spec,
    to_planes,
    working_dtype,
)
from torchkeras.ops._makers import as_float, shape_of
from torchkeras.ops.nn_windows import same_paddings, window

__all__ = ["crop_images", "extract_patches", "extract_patches_3d", "gaussian_blur", "pad_images", "sobel_edges", "ssim"]

# -- cropping and padding ---------------------------------------------------------------------------------------------


def _two_of_three(before, after, target, names):
    given = dict(zip(names, (before, after, target), strict=True))
    if list(given.values()).count(None) != 1:
        raise ValueError(f"Give exactly two of {', '.join(f'`{name}`' for name in names)}; got {given}.")
    for name, value in given.items():
        if value is not None and value < 0:
            raise ValueError(f"`{name}` must not be negative, got {value}.")


def _margins(size, before, after, target, sign, names):
    """`(before, after, result size)` along one axis; `sign` is 1 for padding and -1 for cropping.

    Raises `ValueError` unless two of the three are given and all come out non-negative. None where nothing is known.
    """
    _two_of_three(before, after, target, names)
    if size is None:
        return before, after, target
    if target is None:
        target = size + sign * (before + after)
    elif before is None:
        before = sign * (target - size) - after
    else:
        after = sign * (target - size) - before
    if min(before, after, target) < 0:
        raise ValueError(
            f"A size of {size} does not allow {names[0]}={before}, {names[1]}={after}, {names[2]}={target}: none may "
            "be negative."
        )
    return before, after, target


def _both_margins(images, vertical, horizontal, sign, data_format):
    word = "padding" if sign > 0 else "cropping"
    shape, axes = image_shape(images), spatial_axes(data_format)
    rows = _margins(shape[axes[0]], *vertical, sign, (f"top_{word}", f"bottom_{word}", "target_height"))
    columns = _margins(shape[axes[1]], *horizontal, sign, (f"left_{word}", f"right_{word}", "target_width"))
    return rows, columns


def _margins_spec(images, rows, columns, data_format):
    shape, axes = list(shape_of(images)), spatial_axes(data_format)
    shape[axes[0]], shape[axes[1]] = rows[2], columns[2]
    return spec(images, shape)


def _crop_spec(
    images, top_cropping, left_cropping, bottom_cropping, right_cropping, target_height, target_width, data_format
):
    vertical = (top_cropping, bottom_cropping, target_height)
    horizontal = (left_cropping, right_cropping, target_width)
    return _margins_spec(images, *_both_margins(images, vertical, horizontal, -1, data_format), data_format)


@operation("CropImages", "image", ("images",), _crop_spec)
def crop_images(
    images,
    top_cropping=None,
    left_cropping=None,
    bottom_cropping=None,
    right_cropping=None,
    target_height=None,
    target_width=None,
    data_format=None,
):
    """A rectangle cut out of images: two of top, bottom and target height; two of left, right and target width.

    Args:
        images: one image or a batch, any dtype.

    Returns a view of the images. Raises `ValueError` where another number of arguments is given, or where the images
    are too small.

    Example:
        >>> crop_images(torch.zeros(2, 6, 7, 3), 1, 2, target_height=4, target_width=3).shape
        torch.Size([2, 4, 3, 3])
    """
    images = as_tensor(images)
    vertical = (top_cropping, bottom_cropping, target_height)
    horizontal = (left_cropping, right_cropping, target_width)
    rows, columns = _both_margins(images, vertical, horizontal, -1, data_format)
    axes = spatial_axes(data_format)
    return images.narrow(axes[0], rows[0], rows[2]).narrow(axes[1], columns[0], columns[2])


def _pad_spec(
    images, top_padding, left_padding, bottom_padding, right_padding, target_height, target_width, data_format
):
    vertical = (top_padding, bottom_padding, target_height)
    horizontal = (left_padding, right_padding, target_width)
    return _margins_spec(images, *_both_margins(images, vertical, horizontal, 1, data_format), data_format)


@operation("PadImages", "image", ("images",), _pad_spec)
def pad_images(
    images,
    top_padding=None,
    left_padding=None,
    bottom_padding=None,
    right_padding=None,
    target_height=None,
    target_width=None,
    data_format=None,
):
    """Images with zeros around: two of top, bottom and target height; two of left, right and target width.

    Args:
        images: one image or a batch, any dtype.

    Raises `ValueError` where another number of arguments is given, or where the images are too large.

    Example:
        >>> pad_images(torch.ones(2, 6, 7, 3), 1, 2, target_height=8, target_width=10).shape
        torch.Size([2, 8, 10, 3])
    """
    images = as_tensor(images)
    vertical = (top_padding, bottom_padding, target_height)
    horizontal = (left_padding, right_padding, target_width)
    rows, columns = _both_margins(images, vertical, horizontal, 1, data_format)
    pads = [*columns[:2], *rows[:2]]
    return F.pad(images, [0, 0, *pads] if standardize_data_format(data_format) == "channels_last" else pads)


# -- patches ----------------------------------------------------------------------------------------------------------


def _patch_axes(rank, sizes, data_format):
    """The spatial axes of images that may or may not be batched."""
    if rank not in (len(sizes) + 1, len(sizes) + 2):
        raise ValueError(
            f"Patches of size {tuple(sizes)} need images with {len(sizes) + 1} axes, or {len(sizes) + 2} in a batch; "
            f"got {rank} axes."
        )
    first = rank - len(sizes) - (1 if data_format == "channels_last" else 0)
    return range(first, first + len(sizes))


def _patch_options(shape, size, strides, dilation_rate, padding, data_format):
    if padding not in ("valid", "same", None):
        raise ValueError(f"`padding` must be 'valid' or 'same', got {padding!r}.")
    axes = _patch_axes(len(shape), size, data_format)
    sizes = window(size, len(axes), "size")
    steps = window(size if strides is None else strides, len(axes), "strides")
    gaps = window(dilation_rate, len(axes), "dilation_rate")
    counts = []
    for axis, length, step, gap in zip(axes, sizes, steps, gaps, strict=True):
        room = shape[axis]
        if room is not None:
            room = -(-room // step) if padding == "same" else (room - (length - 1) * gap - 1) // step + 1
            if room <= 0:
                raise ValueError(f"Patches of size {sizes} (dilation {gaps}) do not fit into images of shape {shape}.")
        counts.append(room)
    return axes, sizes, steps, gaps, counts


def _patches_spec(images, size, strides, dilation_rate, padding, data_format):
    data_format = standardize_data_format(data_format)
    shape = list(shape_of(images))
    axes, sizes, _, _, counts = _patch_options(shape, size, strides, dilation_rate, padding, data_format)
    channels = len(shape) - 1 if data_format == "channels_last" else axes[0] - 1
    for axis, count in zip(axes, counts, strict=True):
        shape[axis] = count
    if shape[channels] is not None:
        shape[channels] *= torch.Size(sizes).numel()
    return spec(images, shape)


@operation("ExtractPatches", "image", ("images",), _patches_spec)
def _extract_patches(images, size, strides=None, dilation_rate=1, padding="valid", data_format=None):
    x = as_tensor(images)
    data_format = standardize_data_format(data_format)
    axes, sizes, steps, gaps, _ = _patch_options(x.shape, size, strides, dilation_rate, padding, data_format)
    if padding == "same":
        pairs = same_paddings([x.shape[axis] for axis in axes], sizes, steps, gaps)
        pads = pad_widths(pairs)
        x = F.pad(x, [0, 0, *pads] if data_format == "channels_last" else pads)
    # Views of the windows, axes last: any dtype, one copy at the end. A convolution with ones would round and multiply.
    for axis, length, step, gap in zip(axes, sizes, steps, gaps, strict=True):
        x = x.unfold(axis, (length - 1) * gap + 1, step)[..., ::gap]
    rank = len(axes)
    if data_format == "channels_last":
        return x.movedim(-rank - 1, -1).flatten(-rank - 1)
    channels = axes[0] - 1
    return x.movedim(tuple(range(-rank, 0)), tuple(range(channels, channels + rank))).flatten(channels, channels + rank)


def extract_patches(images, size, strides=None, dilation_rate=1, padding="valid", data_format=None):
    """Windows of images, each one flattened into the channels.

    Args:
        images: one image or a batch of any dtype; volumes where `size` has three numbers.
        size: height and width of the windows (one number for both), or depth, height and width.
        strides: distance between windows, by default their size.
        dilation_rate: distance between the pixels of a window.
        padding: "valid", or "same" with zeros.

    Returns `(batch, rows, columns, height * width * channels)`, or channels first; the order within a patch is (row,
    column, channel) in both. Raises `TypeError` for a `size` of another type, `ValueError` where windows do not fit.

    Example:
        >>> extract_patches(torch.zeros(2, 20, 20, 3), (5, 5)).shape
        torch.Size([2, 4, 4, 75])
    """
    if not isinstance(size, (int, tuple, list)):
        raise TypeError(f"`size` must be an integer or a tuple, got {size!r} of type {type(size).__name__}.")
    if not isinstance(size, int) and len(size) not in (2, 3):
        raise ValueError(f"`size` must hold two numbers (three for volumes), got {size!r}.")
    size = (size, size) if isinstance(size, int) else size
    return _windows(images, size, strides, dilation_rate, padding, data_format)


def extract_patches_3d(volumes, size, strides=None, dilation_rate=1, padding="valid", data_format=None):
    """Windows of volumes; as `extract_patches`, with one number or three for `size`.

    Args:
        volumes: `(batch, depth, height, width, channels)`, with or without batch, or channels first.

    Example:
        >>> extract_patches_3d(torch.zeros(1, 4, 4, 4, 2), 2).shape
        torch.Size([1, 2, 2, 2, 16])
    """
    size = (size, size, size) if isinstance(size, int) else size
    return _windows(volumes, size, strides, dilation_rate, padding, data_format)


def _windows(images, size, strides, dilation_rate, padding, data_format):
    data_format = standardize_data_format(data_format)
    return _extract_patches(images, size, size if strides is None else strides, dilation_rate, padding, data_format)


# -- filters ----------------------------------------------------------------------------------------------------------


def _gaussian(size, sigma, dtype, device):
    """A window of weights of sum 1."""
    offsets = torch.arange(size, dtype=dtype, device=device) - (size - 1) / 2
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    return weights / weights.sum()


def _separable(planes, rows, columns):
    """Each channel of `(batch, channels, height, width)` filtered down the rows and along the columns."""
    groups = planes.shape[1]
    planes = F.conv2d(planes, rows.reshape(1, 1, -1, 1).expand(groups, 1, -1, 1), groups=groups)
    return F.conv2d(planes, columns.reshape(1, 1, 1, -1).expand(groups, 1, 1, -1), groups=groups)


def blur(planes, kernel_size, sigma):
    """Gaussian blur of `(batch, channels, height, width)` floats with zeros around; `sigma` as (columns, rows)."""
    dtype, device = planes.dtype, planes.device
    pairs = same_paddings(planes.shape[2:], kernel_size, (1, 1), (1, 1))
    planes = F.pad(planes, pad_widths(pairs))
    rows = _gaussian(kernel_size[0], sigma[1], dtype, device)
    return _separable(planes, rows, _gaussian(kernel_size[1], sigma[0], dtype, device))


def _two(value, name):
    numbers = tuple(map(as_number, value)) if hasattr(value, "__iter__") else ()
    if len(numbers) != 2 or None in numbers:
        raise ValueError(f"`{name}` must be a tuple of two numbers, got {value!r}.")
    return numbers


@operation("GaussianBlur", "image", ("images",), same_shape_spec)
def gaussian_blur(images, kernel_size=(3, 3), sigma=(1.0, 1.0), data_format=None):
    """Images smoothed with a bell-shaped window; beyond the edge are zeros.

    Args:
        images: one image or a batch; integers are rounded.
        kernel_size: height and width of the window.
        sigma: standard deviations in pixels, first along the columns, then along the rows, as Keras computes it.

    Returns images of the same shape and dtype. Raises `ValueError` for another rank and for single numbers.

    Differs from Keras on torch: `data_format=None` means the global setting and not channels first, and windows that
    are even or not square keep the shape of the images (as on TensorFlow) and the shape of the bell.

    Example:
        >>> gaussian_blur(torch.ones(2, 8, 8, 3), (3, 3), (1.0, 1.0)).shape
        torch.Size([2, 8, 8, 3])
    """
    images = as_tensor(images)
    image_shape(images)
    kernel_size = window(_two(kernel_size, "kernel_size"), 2, "kernel_size")
    data_format = standardize_data_format(data_format)
    planes = to_planes(images, data_format).to(working_dtype(images.dtype))
    blurred = from_planes(blur(planes, kernel_size, _two(sigma, "sigma")), data_format, images.dim())
    return rounded_to(blurred, images.dtype)


def _sobel_shape(images):
    shape = tuple(shape_of(images))
    if len(shape) != 4:
        raise ValueError(f"`images` must be a batch with 4 axes, got shape {shape}.")
    return shape


def _sobel_spec(images):
    return spec(images, (*_sobel_shape(images), 2))


@operation("SobelEdges", "image", ("images",), _sobel_spec)
def sobel_edges(images, data_format=None):
    """How brightness rises downwards and to the right: Sobel's two filters, with zeros beyond the edge.

    Args:
        images: a batch of images, any numeric dtype.

    Returns the images' shape with a last axis (downwards, rightwards). Raises `ValueError` for another rank.

    Example:
        >>> sobel_edges(torch.zeros(2, 8, 8, 3)).shape
        torch.Size([2, 8, 8, 3, 2])
    """
    images = as_tensor(images)
    _sobel_shape(images)
    data_format = standardize_data_format(data_format)
    # Integers are exact in float64; via int64 they then wrap around as unsigned arithmetic does.
    dtype = images.dtype if images.is_floating_point() else torch.float64
    planes = to_planes(images, data_format).to(dtype)
    down = torch.tensor([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], dtype=dtype, device=images.device)
    filters = torch.stack([down, down.mT]).unsqueeze(1).repeat(planes.shape[1], 1, 1, 1)
    edges = F.conv2d(planes, filters, padding=1, groups=planes.shape[1]).unflatten(1, (-1, 2))
    edges = edges.permute(0, 3, 4, 1, 2) if data_format == "channels_last" else edges.movedim(2, -1)
    return edges if images.is_floating_point() else edges.to(torch.int64).to(images.dtype)


# -- similarity -------------------------------------------------------------------------------------------------------


def _ssim_spec(image1, image2):
    shape = image_shape(image1, "image1")
    image_shape(image2, "image2")
    return spec(image1, shape[:1] if len(shape) == 4 else ())


@operation("SSIM", "image", ("image1", "image2"), _ssim_spec)
def ssim(image1, image2, max_val=1.0, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03, data_format=None):
    """Structural similarity of two images: 1 where they are equal (Wang et al. 2004).

    Args:
        image1, image2: images or batches of one shape.
        max_val: largest possible number of the images, such as 1.0 or 255.
        filter_size: width of the Gaussian window; images must not be smaller.
        filter_sigma: its standard deviation.
        k1, k2: constants that steady the quotient.

    Returns one number per image, in the dtype of `image1`. Raises `ValueError` for shapes that differ or are too small.

    Example:
        >>> ssim(torch.ones(2, 16, 16, 3), torch.ones(2, 16, 16, 3))
        tensor([1., 1.])
    """
    first, second = as_tensor(image1), as_tensor(image2)
    image_shape(first, "image1")
    image_shape(second, "image2")
    if first.shape != second.shape:
        raise ValueError(f"Both images must have one shape, got {tuple(first.shape)} and {tuple(second.shape)}.")
    dtype = first.dtype
    first = as_float(first)
    second = second.to(first.dtype)
    data_format = standardize_data_format(data_format)
    x, y = to_planes(first, data_format), to_planes(second, data_format)
    if min(x.shape[2:]) < filter_size:
        raise ValueError(f"Images of {tuple(x.shape[2:])} pixels are smaller than filter_size={filter_size}.")
    bell = _gaussian(filter_size, filter_sigma, x.dtype, x.device)
    means = _separable(torch.cat([x, y, x * x, y * y, x * y], 1), bell, bell)
    mean_x, mean_y, square_x, square_y, product = means.chunk(5, 1)
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    luminance = (2.0 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
    variance = (square_x - mean_x * mean_x) + (square_y - mean_y * mean_y)
    structure = (2.0 * (product - mean_x * mean_y) + c2) / (variance + c2)
    similarity = (luminance * structure).mean((1, 2, 3))
    return (similarity if first.dim() == 4 else similarity.squeeze(0)).to(dtype)
