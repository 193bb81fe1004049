"""Layers that take strings: what comes in as one numpy array of `str`, whatever holds it.

May import core. torch has no strings: they stay numpy's (`U`, or objects where they came as such) until a layer gives
numbers for them. Bytes are text in UTF-8.
"""

import numpy as np
import torch

from torchkeras.core import tree
from torchkeras.core.array_likes import as_ndarray
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.errors import UnsupportedInputError


class TakesStrings:
    """Mixin before `Layer`: the first argument of `call` reaches it as an array of strings (see `as_strings`)."""

    _takes_strings = _takes_several = True  # lists hold strings: what is wrong is not that they are lists

    @property
    def input_dtype(self):
        """Of the Input that a Sequential makes in front."""
        return "int64" if getattr(self, "invert", False) else "string"

    def _convert(self, args, kwargs):
        name = self._call_info.names[0]
        if args:
            args = (self._as_strings(args[0], name), *args[1:])
        elif name in kwargs:
            kwargs = {**kwargs, name: self._as_strings(kwargs[name], name)}
        return args, kwargs

    def _as_strings(self, value, name):
        if isinstance(value, KerasTensor) or value is None:
            return value
        return as_strings(value, f"`{name}` of layer {self.name!r}")

    def _fit_as_they_are(self, args, kwargs):
        return False  # tensors are no strings


def as_strings(value, what="the value"):
    """A numpy array of `str` of a string, bytes, a list, a column of a data frame, or an array of any of numpy's kinds
    of strings. Arrays of `str` come back as they are, objects stay objects.

    Raises `UnsupportedInputError` for numbers, missing values and ragged lists.

    >>> as_strings([b"a", "bc"])
    array(['a', 'bc'], dtype='<U2')
    """
    if isinstance(value, torch.Tensor):
        raise UnsupportedInputError(
            f"{_capital(what)} must be strings, got a tensor of {str(value.dtype).removeprefix('torch.')}: give an "
            "array or a list of strings."
        )
    listed = isinstance(value, (list, tuple))
    if listed and any(isinstance(leaf, (np.ndarray, torch.Tensor)) for leaf in tree.flatten(value)):
        value = [as_strings(item, what) for item in value]
    array = as_ndarray(value, what)
    kind = array.dtype.kind
    if kind == "U":
        return array
    if kind == "S":
        return _decoded(array)
    if kind == "T":
        return np.array(array.tolist(), dtype=str)  # numpy casts such arrays only to sizes that one knows
    if kind == "O":
        return _of_objects(array, what)
    if not array.size:
        return array.astype(str)
    raise UnsupportedInputError(f"{_capital(what)} must be strings, got numbers of {array.dtype}.")


def _of_objects(array, what):
    kinds = set(map(type, array.flat))
    if all(issubclass(kind, str) for kind in kinds):
        return array
    if all(issubclass(kind, (str, bytes)) for kind in kinds):
        texts = [text.decode() if isinstance(text, bytes) else text for text in array.flat]
        return np.array(texts, dtype=object).reshape(array.shape)
    others = sorted(kind.__name__ for kind in kinds if not issubclass(kind, (str, bytes)))
    if any(issubclass(kind, (list, tuple, np.ndarray)) for kind in kinds):
        raise UnsupportedInputError(f"{_capital(what)} is ragged: all rows must have the same number of strings.")
    missing = " (missing values: fill them first, with '' say)" if {"NoneType", "float", "NAType"} & set(others) else ""
    raise UnsupportedInputError(f"{_capital(what)} must be strings, got {', '.join(others)} among them{missing}.")


def _decoded(array):
    try:
        return array.astype(str)  # ASCII
    except UnicodeDecodeError:
        return np.char.decode(array, "utf-8")


def _capital(what):
    return what[:1].upper() + what[1:]
