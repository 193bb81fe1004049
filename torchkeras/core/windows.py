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


def same_padding(size, window, stride, dilation=1):
    """`(before, after)` of TensorFlow's "same" on one axis: as little as gives `ceil(size / stride)` windows, an odd
    entry behind."""
    reach = (window - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def pad_widths(pairs):
    """`(before, after)` of each axis in the order of `torch.nn.functional.pad`: last axis first."""
    return [width for pair in reversed(pairs) for width in pair]
