"""`keras.backend`, the part that Keras 3 keeps: global settings and dtype questions.

May import core and config. The mathematics of Keras 2's `K.*` belongs to the keras2 room.
"""

from torchkeras.config import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from torchkeras.core.dtypes import is_float_dtype, is_int_dtype, result_type, standardize_dtype
from torchkeras.core.keras_tensor import is_keras_tensor
from torchkeras.core.scopes import clear_session, name_counters

__all__ = [
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]


def backend():
    """The name of the engine: always "torch"."""
    return "torch"


def get_uid(prefix=""):
    """The next number for names that begin with `prefix`, counting from 1.

    >>> get_uid("block"), get_uid("block")
    (1, 2)
    """
    key = ("uid", prefix)
    name_counters[key] += 1
    return name_counters[key]
