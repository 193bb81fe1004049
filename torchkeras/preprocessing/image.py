"""`keras.preprocessing.image`: images in files and as arrays, and their size.

May import core, ops and utils.
"""

import numpy as np

from torchkeras.core.conversion import as_tensor, to_numpy
from torchkeras.core.fields import refuse_unknown
from torchkeras.ops import image as image_ops
from torchkeras.utils import array_to_img, img_to_array, load_img, save_img

__all__ = ["array_to_img", "img_to_array", "load_img", "save_img", "smart_resize"]


def smart_resize(x, size, interpolation="bilinear", data_format="channels_last", **kwargs):
    """Images in another size, without distortion: what goes beyond the wanted form is cut off on both sides.

    Args:
        x: `(height, width, channels)`, or a batch of them.
        size: `(height, width)`.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        data_format: where the channels stand.
        kwargs: `backend_module` of older versions, ignored.

    Returns an array for an array, a tensor for a tensor.

    Raises `ValueError` for a size that is no pair, and images with other than 3 or 4 axes.

    Example:
        >>> smart_resize(np.zeros((20, 40, 3)), (8, 8)).shape
        (8, 8, 3)
    """
    refuse_unknown(
        "smart_resize()", [name for name in kwargs if name != "backend_module"], ("interpolation", "data_format")
    )
    if len(size) != 2:
        raise ValueError(f"`size` must be a pair (height, width), got {size!r}.")
    images = as_tensor(x)
    if images.dim() not in (3, 4):
        raise ValueError(f"`x` must be an image with 3 axes or a batch with 4, got shape {tuple(images.shape)}.")
    resized = image_ops.resize(images, tuple(size), interpolation, crop_to_aspect_ratio=True, data_format=data_format)
    return to_numpy(resized) if isinstance(x, np.ndarray) else resized
