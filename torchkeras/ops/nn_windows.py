"""Convolution and pooling of `keras.ops.nn`.

May import core and the makers. Kernels have Keras's layout `(*window, in, out)`; data is channels_last unless the
settings or the call say otherwise. A channels_last tensor is handed to torch as a permuted view, whose memory torch's
kernels like best.
"""

import torch
from torch.nn import functional as F

from torchkeras.core.arguments import as_number
from torchkeras.core.conversion import as_tensor
from torchkeras.core.symbolic import operation
from torchkeras.core.windows import pad_widths, same_padding, standardize_data_format
from torchkeras.ops._makers import promoted

__all__ = [
    "adaptive_average_pool", "adaptive_max_pool", "average_pool", "conv", "depthwise_conv", "max_pool",
    "separable_conv",
]  # fmt: skip

_FORMAT = {"data_format": standardize_data_format}

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_ADAPTIVE_AVERAGE = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
_ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


def window(value, rank, name):
    """A tuple of `rank` integers from one or several. Raises `ValueError` for another length or other values."""
    if type(value) is not tuple:  # numbers of numpy and torch, and arrays of them, count too
        single = as_number(value)
        value = tuple(value) if single is None and hasattr(value, "__iter__") else (single,)
    sizes = tuple(as_number(size) for size in (value * rank if len(value) == 1 else value))
    if len(sizes) != rank or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError(f"`{name}` must be a positive integer or {rank} of them, got {value!r}.")
    return sizes


def _rank(x):
    rank = x.dim() - 2
    if rank not in (1, 2, 3):
        raise ValueError(f"Expected a batch of 1, 2 or 3 spatial axes with channels, got shape {tuple(x.shape)}.")
    return rank


def _channels_first(x):
    return x.movedim(-1, 1)


def _channels_last(x):
    return x.movedim(1, -1)


def same_paddings(sizes, window, strides, dilation):
    """`same_padding` of each axis."""
    return [same_padding(*axis) for axis in zip(sizes, window, strides, dilation, strict=True)]


def _padded(x, pairs, value):
    """`x` padded where the pairs are uneven, and what is left for torch's own padding."""
    if all(before == after for before, after in pairs):
        return x, [before for before, _ in pairs]
    return F.pad(x, pad_widths(pairs), value=value), 0


def _check_padding(padding):
    if padding not in ("valid", "same"):
        raise ValueError(f"`padding` must be 'valid' or 'same', got {padding!r}.")


# -- convolution ------------------------------------------------------------------------------------------------------


def _convolve(x, kernel, strides, padding, dilation, groups):
    """Both in torch's layout; `x` channels first."""
    rank = _rank(x)
    strides, dilation = window(strides, rank, "strides"), window(dilation, rank, "dilation_rate")
    pads = 0
    if padding == "same":
        x, pads = _padded(x, same_paddings(x.shape[2:], kernel.shape[2:], strides, dilation), 0)
    return _CONV[rank](x, kernel, None, strides, pads, dilation, groups)


@operation("Conv", "nn", ("inputs", "kernel"), settle=_FORMAT)
def conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """Convolution over one, two or three axes.

    Args:
        inputs: `(batch, *sizes, channels)`, or channels first.
        kernel: `(*window, channels / groups, filters)`; fewer input channels than the data has mean groups.
        padding: "valid" or "same".

    torch: `F.conv2d(inputs.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1))`.
    """
    data_format = standardize_data_format(data_format)
    _check_padding(padding)
    x, kernel = promoted(inputs, kernel)
    x = _channels_first(x) if data_format == "channels_last" else x
    kernel = kernel.permute(kernel.dim() - 1, kernel.dim() - 2, *range(kernel.dim() - 2))
    if x.shape[1] % kernel.shape[1]:
        raise ValueError(
            f"The input has {x.shape[1]} channels, which the kernel's {kernel.shape[1]} input channels do not divide."
        )
    result = _convolve(x, kernel, strides, padding, dilation_rate, x.shape[1] // kernel.shape[1])
    return _channels_last(result) if data_format == "channels_last" else result


@operation("DepthwiseConv", "nn", ("inputs", "kernel"), settle=_FORMAT)
def depthwise_conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """Each channel convolved with filters of its own; kernel `(*window, channels, filters per channel)`."""
    data_format = standardize_data_format(data_format)
    _check_padding(padding)
    x, kernel = promoted(inputs, kernel)
    x = _channels_first(x) if data_format == "channels_last" else x
    channels, multiplier = kernel.shape[-2:]
    flat = kernel.reshape(*kernel.shape[:-2], 1, channels * multiplier)
    flat = flat.permute(flat.dim() - 1, flat.dim() - 2, *range(flat.dim() - 2))
    result = _convolve(x, flat, strides, padding, dilation_rate, channels)
    return _channels_last(result) if data_format == "channels_last" else result


@operation("SeparableConv", "nn", ("inputs", "depthwise_kernel", "pointwise_kernel"), settle=_FORMAT)
def separable_conv(
    inputs, depthwise_kernel, pointwise_kernel, strides=1, padding="valid", data_format=None, dilation_rate=1
):
    """A depthwise convolution followed by one with windows of size one."""
    data_format = standardize_data_format(data_format)
    x = depthwise_conv.compute(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv.compute(x, pointwise_kernel, 1, "valid", data_format, 1)


# -- pooling ----------------------------------------------------------------------------------------------------------


@operation("MaxPool", "nn", ("inputs",), settle=_FORMAT)
def max_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    """The largest number of each window; `strides` are the window's size by default."""
    data_format = standardize_data_format(data_format)
    _check_padding(padding)
    x = as_tensor(inputs)
    rank = _rank(x)
    size = window(pool_size, rank, "pool_size")
    strides = size if strides is None else window(strides, rank, "strides")
    x = _channels_first(x) if data_format == "channels_last" else x
    pads = 0
    if padding == "same":
        lowest = -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
        x, pads = _padded(x, same_paddings(x.shape[2:], size, strides, (1,) * rank), lowest)
    result = _MAX_POOL[rank](x, size, strides, pads)
    return _channels_last(result) if data_format == "channels_last" else result


@operation("AveragePool", "nn", ("inputs",), settle=_FORMAT)
def average_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    """The mean of each window; with "same" padding only numbers of the input count."""
    data_format = standardize_data_format(data_format)
    _check_padding(padding)
    x = as_tensor(inputs)
    rank = _rank(x)
    size = window(pool_size, rank, "pool_size")
    strides = size if strides is None else window(strides, rank, "strides")
    x = _channels_first(x) if data_format == "channels_last" else x
    result = _averages(x, size, strides, padding, _AVERAGE_POOL[rank])
    return _channels_last(result) if data_format == "channels_last" else result


def _averages(x, size, strides, padding, pool):
    if padding == "valid":
        return pool(x, size, strides)
    pairs = same_paddings(x.shape[2:], size, strides, (1,) * len(size))
    padded, pads = _padded(x, pairs, 0)
    if padded is x:
        if x.is_cuda:
            x = x.contiguous()  # over channels_last memory the gradient of torch's padded averages is wrong there
        return pool(x, size, strides, pads, count_include_pad=False)
    # Only numbers of the input count, as on TensorFlow and JAX (Keras on torch averages over repeated edges).
    present = F.pad(torch.ones_like(x[:1, :1]), pad_widths(pairs))
    return pool(padded, size, strides) / pool(present, size, strides)


def _adaptive(table, inputs, output_size, data_format):
    x = as_tensor(inputs)
    rank = _rank(x)
    x = _channels_first(x) if data_format == "channels_last" else x
    result = table[rank](x, window(output_size, rank, "output_size"))
    return _channels_last(result) if data_format == "channels_last" else result


@operation("AdaptiveAveragePool", "nn", ("inputs",), settle=_FORMAT)
def adaptive_average_pool(inputs, output_size, data_format=None):
    """Means over windows chosen so that `output_size` of them cover each axis."""
    data_format = standardize_data_format(data_format)
    return _adaptive(_ADAPTIVE_AVERAGE, inputs, output_size, data_format)


@operation("AdaptiveMaxPool", "nn", ("inputs",), settle=_FORMAT)
def adaptive_max_pool(inputs, output_size, data_format=None):
    """Largest numbers over windows chosen so that `output_size` of them cover each axis."""
    data_format = standardize_data_format(data_format)
    return _adaptive(_ADAPTIVE_MAX, inputs, output_size, data_format)
