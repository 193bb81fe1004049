"""Images in files and as arrays, by Pillow: `load_img`, `save_img`, `img_to_array`, `array_to_img`.

May import core and errors. Pillow is the extra `image`, loaded when one of these is called.
"""

import contextlib
import io
import os
import struct
import warnings
from pathlib import Path

import numpy as np

from torchkeras.core.conversion import to_numpy
from torchkeras.core.fields import with_rules
from torchkeras.core.scopes import settings
from torchkeras.core.windows import standardize_data_format
from torchkeras.errors import ResourceLimitError

MODES = {"grayscale": ("L", "I;16", "I"), "rgb": ("RGB",), "rgba": ("RGBA",)}  # the first is what others become
_AT_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error)
_METHODS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def pillow():
    """The module PIL.Image. Raises `ModuleNotFoundError` that says what to install."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise ModuleNotFoundError("Images need Pillow: pip install pillow, or torchkeras-shim[image].") from None
    return Image


def check_interpolation(value):
    """Raises `ValueError` for a name that is no way of interpolation."""
    if value not in _METHODS:
        raise ValueError(f"`interpolation` must be one of {', '.join(map(repr, _METHODS))}, got {value!r}.")


@contextlib.contextmanager
def named_in_errors(path):
    """What cannot be read inside says which file it was. An OSError keeps its type, what else Pillow raises at damage
    becomes one; `ResourceLimitError` is for sizes that no photo has."""
    try:
        yield
    except _AT_DAMAGE as error:
        kind = type(error) if isinstance(error, OSError) else OSError
        raise kind(f"{path} could not be read as an image: {error}") from error
    except pillow().DecompressionBombError as error:
        raise ResourceLimitError(f"{path} is too large to be an image of a data set: {error}") from error


def array_to_img(x, data_format=None, scale=True, dtype=None):
    """A Pillow image of an array.

    Args:
        x: `(height, width, channels)`, or `(channels, height, width)`, with 1, 3 or 4 channels.
        data_format: which of them; None for the global setting.
        scale: spread the values over 0 to 255; else they are taken as they are.
        dtype: in which to compute; `floatx()` by default.

    Raises `ValueError` for other shapes.

    Example:
        >>> array_to_img(np.zeros((4, 6, 3))).size
        (6, 4)
    """
    image, layout = pillow(), standardize_data_format(data_format)
    x = np.asarray(to_numpy(x) if hasattr(x, "detach") else x, dtype=dtype or settings.floatx)
    if x.ndim != 3:
        raise ValueError(f"An image has 3 axes, height, width and channels; got shape {x.shape}.")
    if layout == "channels_first":
        x = x.transpose(1, 2, 0)
    if scale:
        x = x - x.min()
        x = x / x.max() * 255 if x.max() else x
    channels = x.shape[2]
    if channels == 1:
        return image.fromarray(x[:, :, 0].astype("int32" if x.max() > 255 else "uint8"))
    if channels not in (3, 4):
        raise ValueError(f"An image has 1, 3 or 4 channels, got {channels} (shape {x.shape}, {layout}).")
    return image.fromarray(_bytes(x))


def _bytes(x):
    """Numbers as bytes: what stands before the point, modulo 256."""
    return x.astype("int64").astype("uint8")


def img_to_array(img, data_format=None, dtype=None):
    """An array `(height, width, channels)`, or with channels first, of a Pillow image.

    Args:
        img: the image, or an array with two or three axes.
        data_format: where channels go; None for the global setting.
        dtype: `floatx()` by default.

    Example:
        >>> img_to_array(array_to_img(np.zeros((4, 6, 1)))).shape
        (4, 6, 1)
    """
    layout = standardize_data_format(data_format)
    x = np.asarray(img, dtype=dtype or settings.floatx)
    if x.ndim not in (2, 3):
        raise ValueError(f"An image has 2 or 3 axes, got shape {x.shape}.")
    if x.ndim == 3:
        return x.transpose(2, 0, 1) if layout == "channels_first" else x
    return x[None] if layout == "channels_first" else x[..., None]


def save_img(path, x, data_format=None, file_format=None, scale=True, **kwargs):
    """Writes an array into an image file.

    Args:
        path: path, whose ending says the format, or an open file.
        x, data_format, scale: as of `array_to_img`.
        file_format: the format where there is no such ending.
        kwargs: for Pillow's `save`.

    Example:
        >>> save_img("black.png", np.zeros((4, 6, 3)))
    """
    image = array_to_img(x, data_format=data_format, scale=scale)
    name = file_format or (Path(path).suffix.lstrip(".") if isinstance(path, (str, os.PathLike)) else "")
    if image.mode == "RGBA" and name.lower() in ("jpg", "jpeg"):
        warnings.warn("JPEG has no transparency: the image is written as RGB.", stacklevel=2)
        image = image.convert("RGB")
    image.save(path, format=file_format, **kwargs)


@with_rules
def load_img(path, color_mode="rgb", target_size=None, interpolation="nearest", keep_aspect_ratio=False):
    """A Pillow image from a file.

    Args:
        path: path, or `io.BytesIO` with the file's content.
        color_mode: "grayscale", "rgb" or "rgba".
        target_size: `(height, width)` to resize to.
        interpolation: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".
        keep_aspect_ratio: cut the middle out first, in the form of the wanted size.

    Raises `ValueError` for unknown modes, `TypeError` for a path of another kind, and Pillow's and the system's errors
    for files that cannot be read.

    Example:
        >>> save_img("black.png", np.zeros((4, 6, 3)))
        >>> load_img("black.png", target_size=(8, 8)).size
        (8, 8)
    """
    image = pillow()
    if isinstance(path, io.BytesIO):
        img = image.open(path)
    elif isinstance(path, (str, bytes, os.PathLike)):
        with open(path, "rb") as file:
            img = image.open(io.BytesIO(file.read()))
    else:
        raise TypeError(f"`path` must be a path or io.BytesIO, got {type(path).__name__}.")
    if color_mode not in MODES:
        raise ValueError(f"`color_mode` must be one of {', '.join(map(repr, MODES))}, got {color_mode!r}.")
    if img.mode not in MODES[color_mode]:
        img = img.convert(MODES[color_mode][0])
    if target_size is None or img.size == (target_size[1], target_size[0]):
        return img
    check_interpolation(interpolation)
    method, size = getattr(image.Resampling, interpolation.upper()), (target_size[1], target_size[0])
    return img.resize(size, method, box=_middle(img.size, size) if keep_aspect_ratio else None)


def _middle(size, wanted):
    """The largest part in the middle of an image that has the wanted form: left, top, right, bottom."""
    width = min(size[0], size[1] * wanted[0] // wanted[1])
    height = min(size[1], size[0] * wanted[1] // wanted[0])
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height
