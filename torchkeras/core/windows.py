"""Windows over spatial axes in numbers: the place of the channels, padding, how many windows fit.

May import core/scopes. Knows no tensor; the layers and operations of convolution, pooling and images share it.
"""

from torchkeras.core.scopes import settings


def standardize_data_format(data_format):
    """Keras's word for the place of the channels axis; None gives the global setting.

    Raises `ValueError` for anything but "channels_last" and "channels_first", in any case.
    """
    if data_format is None:
        return settings.image_data_format
    lowered = str(data_format).lower()
    if lowered not in ("channels_last", "channels_first"):
        raise ValueError(f"`data_format` must be 'channels_last', 'channels_first' or None, got {data_format!r}.")
    return lowered


def output_length(size, window, stride, padding, dilation=1):
    """How many windows fit along one axis; None for an unknown size."""
    if size is None:
        return None
    if padding == "valid":
        return (size - (window - 1) * dilation - 1) // stride + 1
    return -(-size // stride)  # "same" and "causal"


def same_padding(size, window, stride, dilation=1, at_least=max):
    """`(before, after)` of TensorFlow's "same" on one axis: as little as gives `ceil(size / stride)` windows, an odd
    entry behind. `at_least` is the maximum of two sizes, `torch.sym_max` for symbolic ones."""
    reach = (window - 1) * dilation + 1
    total = at_least((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def transposed_crops(reach, stride, padding, output_padding):
    """What Keras cuts off the full result of a transposed convolution at both ends of an axis; negative numbers are
    zeros to add.

    The full result of `n` entries has `(n - 1) * stride + reach`, where `reach` is the window with its gaps; None for
    an unknown one.
    """
    if reach is None:
        return None
    if padding == "valid":
        extra = max(reach, stride) - reach if output_padding is None else output_padding
        return 0, -extra
    if output_padding is None:
        kept = stride + reach - 2
    else:
        kept = reach + reach % 2 - 2 + output_padding
    left = min(kept // 2 + kept % 2, reach - 1)
    return reach - 1 - left, reach - 1 - (kept - left)


def transposed_length(size, stride, reach, crops):
    """The length of an axis after a transposed convolution; None for an unknown one."""
    return None if None in (size, crops) else (size - 1) * stride + reach - sum(crops)


def transposed_plan(crops, strides, gaps):
    """`(padding, output padding, rest)` of each axis: the first two for torch's kernel, the rest to pad afterwards.

    torch crops both ends alike and then adds behind, by less than a step: what it can do saves a copy.
    """
    paddings, extras, rest = [], [], []
    for (left, right), stride, gap in zip(crops, strides, gaps, strict=True):
        fits = left >= 0 and 0 <= left - right < max(stride, gap)
        paddings.append(left if fits else max(0, min(left, right)))
        extras.append(left - right if fits else 0)
        rest.append((0, 0) if fits else (paddings[-1] - left, paddings[-1] - right))
    return tuple(paddings), tuple(extras), rest


def pad_widths(pairs):
    """`(before, after)` of each axis in the order of `torch.nn.functional.pad`: last axis first."""
    return [width for pair in reversed(pairs) for width in pair]
