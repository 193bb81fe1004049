"""Dtype names, their torch types, and Keras's promotion rules. The only place where two dtypes are combined.

May import torch, numpy, core/scopes and core/array_likes. Knows neither layers nor policies.

The promotion lattice is the one of JAX's documentation ("Type promotion semantics"), which Keras 3 follows: Python
numbers are weak, an integer meeting a float takes the float's width.
"""

import numpy as np
import torch

from torchkeras.core.array_likes import plain_array
from torchkeras.core.scopes import settings

TORCH = {
    "bool": torch.bool,
    "uint8": torch.uint8,
    "uint16": torch.uint16,
    "uint32": torch.uint32,
    "uint64": torch.uint64,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
}
NAMES = {value: key for key, value in TORCH.items()}
FLOATS = frozenset(name for name in TORCH if "float" in name)
INTS = frozenset(name for name in TORCH if "int" in name)
KNOWN = frozenset(TORCH) | {"string"}

# Each type and the types one step above it. "int" and "float" are Python's weak numbers.
_STEPS = {
    "bool": ("int",),
    "int": ("uint8", "int8"),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("float",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("float",),
    "float": ("bfloat16", "float16", "float8_e4m3fn", "float8_e5m2", "complex"),
    "float8_e4m3fn": (),
    "float8_e5m2": (),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64", "complex64"),
    "float64": ("complex128",),
    "complex": ("complex64",),
    "complex64": ("complex128",),
    "complex128": (),
}


def _reach(name):
    return frozenset({name}).union(*(_reach(step) for step in _STEPS[name]))


_ABOVE = {name: _reach(name) for name in _STEPS}  # each type with all types above it


def _join(names):
    common = frozenset.intersection(*(_ABOVE[name] for name in names))
    least = [name for name in common if common <= _ABOVE[name]]
    if not least:
        raise ValueError(f"No dtype holds all of {sorted(names)}: cast one of them first.")
    return least[0]


def standardize_dtype(dtype):
    """The Keras name of a dtype given as name, torch, numpy or Python type.

    `None` gives `floatx()`. Raises `ValueError` for anything that is no dtype.

    >>> standardize_dtype(torch.float16), standardize_dtype(int), standardize_dtype(None)
    ('float16', 'int32', 'float32')
    """
    if dtype is None:
        return settings.floatx
    name = NAMES.get(dtype) if isinstance(dtype, torch.dtype) else _PYTHON.get(dtype) if _hashable(dtype) else None
    if name is None and isinstance(dtype, str):
        name = "bool" if dtype == "bool_" else dtype
    if name is None:
        name = getattr(dtype, "name", None)  # numpy dtypes, tf.DType look-alikes
        if not isinstance(name, str) and isinstance(dtype, type) and issubclass(dtype, np.generic):
            name = np.dtype(dtype).name
        if isinstance(name, str) and name.startswith("str"):
            name = "string"
    if name not in KNOWN:
        raise ValueError(f"Invalid dtype: {dtype!r}. Expected one of {sorted(KNOWN)}.")
    return name


def _hashable(value):
    return getattr(type(value), "__hash__", None) is not None


_PYTHON = {bool: "bool", int: "int32", "int": "int32", float: "float32", str: "string", complex: "complex64"}


def torch_dtype(dtype):
    """The torch type of anything that `standardize_dtype` takes."""
    if type(dtype) is torch.dtype:
        return dtype
    name = standardize_dtype(dtype)
    if name not in TORCH:
        raise ValueError(f"dtype {name!r} has no torch tensor type.")
    return TORCH[name]


_PLAIN_KINDS = ("b", "i", "c")  # kinds of numpy dtypes that become tensors of their own type, in any order of bytes


def dtype_of(value):
    """Keras dtype name of a tensor, array, list, KerasTensor or Python number (weak `int`/`float`/`complex` for the
    numbers, int64 for integers beyond int32)."""
    if isinstance(value, torch.Tensor):
        return NAMES[value.dtype]
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float, complex)) and not isinstance(value, np.generic):
        if isinstance(value, int):
            return "int" if -(2**31) <= value < 2**31 else "int64"
        return "float" if isinstance(value, float) else "complex"
    if isinstance(value, (list, tuple)):
        return result_type(*map(dtype_of, value))
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, (str, torch.dtype)) or getattr(dtype, "kind", None) in _PLAIN_KINDS:
        return standardize_dtype(dtype)
    return standardize_dtype(plain_array(value).dtype)  # of what becomes of it


def result_type(*dtypes):
    """The dtype that a Keras operation gives for operands of these dtypes; `int` and `float` stand for Python numbers.

    >>> result_type("int32", "float16"), result_type("float32", float), result_type(int)
    ('float16', 'float32', 'int32')
    """
    if not dtypes:
        return settings.floatx
    names = frozenset(_weak(dtype) for dtype in dtypes)
    if any(name.startswith("float8") for name in names):
        raise ValueError(f"There is no implicit conversion from float8 types; got {sorted(names)}. Cast explicitly.")
    name = _join(names)
    return {"int": "int32", "float": settings.floatx, "complex": "complex64"}.get(name, name)


def _weak(dtype):
    if dtype is None:
        return settings.floatx
    if dtype is int or (type(dtype) is str and dtype == "int"):
        return "int"
    if dtype is float or (type(dtype) is str and dtype == "float"):
        return "float"
    if dtype is complex or (type(dtype) is str and dtype == "complex"):
        return "complex"
    return standardize_dtype(dtype)


def is_float_dtype(dtype):
    """Whether a dtype is a real floating point type."""
    return standardize_dtype(dtype) in FLOATS


def is_int_dtype(dtype):
    """Whether a dtype is an integer type (bool is not)."""
    return standardize_dtype(dtype) in INTS
