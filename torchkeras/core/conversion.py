"""Values to tensors and back: the one door for arrays. Whatever takes an array calls `as_tensor`.

May import core. Knows no operation. Rules of dtypes are in core/dtypes; what is no tensor, number or list becomes a
plain numpy array in core/array_likes.
"""

import ml_dtypes
import numpy as np
import torch

from torchkeras.core import scopes
from torchkeras.core.array_likes import as_ndarray, holds_array, plain_array, ragged
from torchkeras.core.dtypes import NAMES, result_type, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.errors import UnsupportedInputError

NUMBERS = (bool, int, float, complex)
_SYMBOLIC_NUMBERS = (torch.SymInt, torch.SymFloat, torch.SymBool)  # sizes while torch.export looks on
_WEAK_SCALARS = {np.float64: float, np.int64: int, np.complex128: complex}  # what np.mean and the like give

# Types of ml_dtypes, their torch types, and the integers of their width through which both see the same memory.
_EXTENSIONS = {
    np.dtype(ml_dtypes.bfloat16): (torch.bfloat16, np.int16, torch.int16),
    np.dtype(ml_dtypes.float8_e4m3fn): (torch.float8_e4m3fn, np.uint8, torch.uint8),
    np.dtype(ml_dtypes.float8_e5m2): (torch.float8_e5m2, np.uint8, torch.uint8),
}
_NUMPY_EXTENSIONS = {kind: (dtype, bits) for dtype, (kind, _, bits) in _EXTENSIONS.items()}


def as_tensor(value, dtype=None, device=None, what="the value"):
    """A tensor of anything that has numbers; tensors come back as they are (cast if `dtype` is given).

    Python integers become int32 (int64 beyond its range) and floats `floatx()`; arrays keep their dtype, but for those
    that torch has no arithmetic for (uint16 becomes int32, uint32 and uint64 int64). Arrays share their memory with the
    tensor where torch can use it; read-only ones are copied. Lists may hold numbers, arrays and tensors.

    Args:
        value: a tensor, number, (nested) list, array, data frame, or an object with `__array__`, `__dlpack__` or
            `__torch_function__`.
        dtype: dtype of the result; by default what the value says.
        device: where arrays and numbers go, by default the default device; tensors stay where they are.
        what: what an error calls the value, such as "`x`".

    Raises `UnsupportedInputError` (a `ValueError`) for strings, times, records, objects and symbolic tensors.

    >>> as_tensor([1, 2.5]), as_tensor(3).dtype
    (tensor([1.0000, 2.5000]), torch.int32)
    """
    if isinstance(value, torch.Tensor):
        return value if dtype is None else value.to(torch_dtype(dtype))
    device = device or scopes.default_device()
    if isinstance(value, NUMBERS):
        return torch.as_tensor(value, dtype=torch_dtype(dtype or number_type(value, what)), device=device)
    if isinstance(value, (list, tuple)):
        return _from_list(value, dtype, device, what)
    if isinstance(value, _SYMBOLIC_NUMBERS):
        return torch.as_tensor(value, dtype=None if dtype is None else torch_dtype(dtype), device=device)
    if isinstance(value, (np.ndarray, np.generic)):
        if torch.compiler.is_compiling():  # to Dynamo these are tensors already, without numpy's attributes
            return torch.as_tensor(value, dtype=None if dtype is None else torch_dtype(dtype), device=device)
        return _from_array(plain_array(value, what), dtype, device)
    return _from_foreign(value, dtype, device, what)


def number_type(value, what="the value"):
    """The dtype name of a Python number alone: "bool", "int32" or "int64", `floatx()`, "complex64"."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return "int32"
        if -(2**63) <= value < 2**63:
            return "int64"
        raise UnsupportedInputError(f"{value} ({what}) is beyond int64: give it as a float.")
    return scopes.settings.floatx if isinstance(value, float) else "complex64"


def is_number(value):
    """Whether a value is a Python number, whose dtype is weak."""
    return isinstance(value, NUMBERS) and not isinstance(value, np.generic)


def as_tensor_or_strings(value, device=None, what="the value"):
    """As `as_tensor` for an array or an object that is one; an array of strings comes as numpy's."""
    if hasattr(type(value), "__array__") and not isinstance(value, (torch.Tensor, KerasTensor)):
        value = plain_array(value, what, strings=True)
        if value.dtype.kind in "US":
            return value
    return as_tensor(value, None, device, what)


# -- arrays -----------------------------------------------------------------------------------------------------------


def as_tensor_or_symbolic(value):
    """As `as_tensor`; symbolic tensors and None stay what they are."""
    return value if value is None or isinstance(value, (torch.Tensor, KerasTensor)) else as_tensor(value)


def is_array_like(value):
    """Whether a value is one array of numbers that is no list: a tensor, or an object of a protocol for arrays."""
    if isinstance(value, torch.Tensor):
        return True
    if isinstance(value, (KerasTensor, str, bytes)):  # numpy's strings say that they are arrays
        return False
    return holds_array(value) or hasattr(type(value), "__torch_function__")


def _from_array(array, dtype, device):
    """The tensor of a plain numpy array, over the same memory where torch may write to it and can walk through it."""
    if not (array.flags.writeable and _walkable(array)):
        array = array.copy()
    own = _EXTENSIONS.get(array.dtype)
    if own is not None:
        tensor = torch.as_tensor(array.view(own[1])).view(own[0])
        return tensor.to(device=device, dtype=None if dtype is None else torch_dtype(dtype))
    return torch.as_tensor(array, dtype=None if dtype is None else torch_dtype(dtype), device=device)


def _walkable(array):
    """Whether torch has such strides: none negative, all whole elements."""
    if array.flags.c_contiguous and array.flags.aligned:
        return True
    return array.flags.aligned and all(step >= 0 and step % array.itemsize == 0 for step in array.strides)


def view_of(array):
    """A tensor over the memory of a plain numpy array, read-only memory too (a memory map), or None where torch cannot
    walk through it. For those who only read from it: writing to the tensor writes to the array, or fails.
    """
    if not _walkable(array):
        return None
    own = _EXTENSIONS.get(array.dtype)
    bits = array if own is None else array.view(own[1])
    tensor = torch.from_numpy(bits if bits.flags.writeable else np.asarray(_Writable(bits)))
    return tensor if own is None else tensor.view(own[0])


class _Writable:
    """Shows an array's memory as writable, which spares torch's warning of memory that is not."""

    def __init__(self, array):
        self.array = array  # keeps the memory
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def _from_foreign(value, dtype, device, what):
    """Symbolic tensors are refused; arrays of other libraries come by the protocol that they have."""
    kind = type(value)
    if isinstance(value, KerasTensor):
        raise UnsupportedInputError(
            f"{what[:1].upper() + what[1:]}, {value!r}, is symbolic and has no numbers: use an operation of keras.ops "
            "or a layer on it."
        )
    if hasattr(kind, "__array__") and not _elsewhere(value):
        return _from_array(plain_array(value, what), dtype, device)
    if hasattr(kind, "__dlpack__"):
        return as_tensor(torch.from_dlpack(value), dtype)
    if hasattr(kind, "__torch_function__"):
        tensor = torch.clone(value)  # whatever the object does for torch's functions, it does here
        if isinstance(tensor, torch.Tensor):
            return as_tensor(tensor, dtype)
    return _from_array(plain_array(value, what), dtype, device)


def _elsewhere(value):
    """Whether an array lies on a device that numpy cannot read."""
    device = getattr(value, "__dlpack_device__", None)
    return device is not None and hasattr(type(value), "__dlpack__") and _on_accelerator(device)


def _on_accelerator(device):
    try:
        return device()[0] not in (1, 3, 11)  # DLPack's numbers of memory that the host sees
    except (BufferError, TypeError, ValueError, NotImplementedError):  # arrays that DLPack cannot describe
        return False


# -- lists ------------------------------------------------------------------------------------------------------------


def _from_list(value, dtype, device, what):
    """Python numbers and numpy scalars give an array; anything else is converted item by item and stacked."""
    kinds = {type(item) for item in _leaves(value)}
    if not kinds <= _SCALARS:
        return _stacked(value, dtype, device, what)
    if torch.compiler.is_compiling():
        names = [_WEAK_SCALARS.get(kind, kind) for kind in kinds]
        return torch.tensor(value, dtype=torch_dtype(dtype or result_type(*names)), device=device)
    array = as_ndarray(value, what)
    if array.dtype == object and dtype is not None and torch_dtype(dtype).is_floating_point:
        array = array.astype(np.float64)  # integers beyond int64
    if dtype is None:
        dtype = result_type(*(_WEAK_SCALARS.get(kind, kind) for kind in kinds))
        if dtype == "int32" and array.dtype != np.int32 and array.size and not _fits_int32(array):
            dtype = "int64"
        dtype = None if dtype in _WITHOUT_ARITHMETIC else dtype
    return _from_array(plain_array(array, what), dtype, device)


_SCALARS = frozenset(NUMBERS) | frozenset(
    np.dtype(name).type
    for name in (*"bBhHiIqQ?efdFD", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)
)


_WITHOUT_ARITHMETIC = ("uint16", "uint32", "uint64")  # plain_array has widened them


def _fits_int32(array):
    return array.min() >= -(2**31) and array.max() < 2**31


def _stacked(value, dtype, device, what):
    tensors = [item for item in _leaves(value) if isinstance(item, torch.Tensor)]
    if tensors:
        device = tensors[0].device
    parts = [as_tensor(item, dtype, device, f"an item of {what}") for item in value]
    if len({part.shape for part in parts}) > 1:
        raise UnsupportedInputError(ragged(what, sorted({tuple(part.shape) for part in parts})))
    if dtype is None and not tensors:
        dtype = result_type(*(type(v) if type(v) in NUMBERS else NAMES[p.dtype] for v, p in zip(value, parts)))
        parts = [as_tensor(part, dtype) for part in parts]
    return torch.stack(parts)


def _leaves(value):
    for item in value:
        if isinstance(item, (list, tuple)):
            yield from _leaves(item)
        else:
            yield item


def is_number_list(value):
    """Whether a value is a list of numbers, nested or not: one array, as opposed to a structure of arrays."""
    if not isinstance(value, (list, tuple)):
        return False
    empty = True
    for item in _leaves(value):
        if not isinstance(item, (*NUMBERS, np.generic)):
            return False
        empty = False
    return not empty


# -- back to numpy ----------------------------------------------------------------------------------------------------


def to_numpy(tensor):
    """The values of a tensor as a numpy array on the host, gradients or not; bfloat16 and float8 as ml_dtypes has them.

    On the CPU the array may share the tensor's memory.
    """
    tensor = tensor.detach().cpu()
    extension = _NUMPY_EXTENSIONS.get(tensor.dtype)
    if extension is None:
        return tensor.resolve_conj().resolve_neg().numpy()
    dtype, bits = extension
    return tensor.view(bits).numpy().view(dtype)


def as_array(value, what="the value"):
    """A plain numpy array of whatever `as_tensor` takes, in a dtype that torch has."""
    if isinstance(value, torch.Tensor):
        return to_numpy(value)
    if is_array_like(value) and not hasattr(type(value), "__array__"):
        return to_numpy(as_tensor(value, what=what))
    return plain_array(value, what)
