"""`keras.config`: process-wide settings.

May import core. The values live in core/scopes.
"""

from torchkeras.core.dtype_policy import dtype_policy, set_dtype_policy
from torchkeras.core.dtypes import FLOATS
from torchkeras.core.scopes import settings

__all__ = [
    "backend",
    "dtype_policy",
    "epsilon",
    "floatx",
    "image_data_format",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]


def backend():
    """The name of the engine: always "torch"."""
    return "torch"


def floatx():
    """The default float type, "float32" at first."""
    return settings.floatx


def set_floatx(value):
    """Sets the default float type: "float16", "bfloat16", "float32" or "float64"."""
    if value not in FLOATS or value.startswith("float8"):
        raise ValueError(f"Unknown floatx: {value!r}. Use 'float16', 'bfloat16', 'float32' or 'float64'.")
    settings.floatx = value


def epsilon():
    """The small number that keeps divisions and logarithms finite, 1e-7 at first."""
    return settings.epsilon


def set_epsilon(value):
    """Sets `epsilon()`."""
    settings.epsilon = float(value)


def image_data_format():
    """"channels_last" or "channels_first"."""
    return settings.image_data_format


def set_image_data_format(data_format):
    """Sets where layers expect the channels of images by default."""
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}.")
    settings.image_data_format = data_format
