"""Values to tensors and back: Python numbers, lists and arrays in, numpy arrays out. The only place where that is done.

May import core. Knows no operation. Rules of dtypes are in core/dtypes.
"""

import numpy as np
import torch

from torchkeras.core import scopes
from torchkeras.core.dtypes import result_type, torch_dtype
from torchkeras.core.symbolic import KerasTensor
from torchkeras.errors import UnsupportedInputError

NUMBERS = (bool, int, float, complex)


def as_tensor(value, dtype=None, device=None):
    """A tensor of anything that has numbers; tensors come back as they are (cast if `dtype` is given).

    Python integers become int32 (int64 beyond its range) and floats `floatx()`; arrays keep their dtype. Arrays go to
    `device`, by default to the default device; tensors stay where they are.

    Raises `UnsupportedInputError` (a `ValueError`) for strings, object arrays and symbolic tensors.

    >>> as_tensor([1, 2.5]), as_tensor(3).dtype
    (tensor([1.0000, 2.5000]), torch.int32)
    """
    if isinstance(value, torch.Tensor):
        return value if dtype is None else value.to(torch_dtype(dtype))
    device = device or scopes.default_device()
    if is_number(value):
        return torch.as_tensor(value, dtype=torch_dtype(dtype or _number_type(value)), device=device)
    if isinstance(value, KerasTensor):
        raise UnsupportedInputError(f"{value!r} is symbolic and has no value: use an operation of keras.ops on it.")
    if isinstance(value, (list, tuple)):
        tensors = [item for item in _leaves(value) if isinstance(item, torch.Tensor)]
        if tensors:
            device = tensors[0].device
            return torch.stack([as_tensor(item, dtype, device) for item in value])
        if dtype is None:
            dtype = result_type(*(getattr(item, "dtype", type(item)) for item in _leaves(value)))
    return _from_array(value, dtype, device)


def _from_array(value, dtype, device):
    array = np.asarray(value)
    if array.dtype == object or array.dtype.kind in "SUmM":
        raise UnsupportedInputError(
            f"Cannot make a tensor of a {type(value).__name__} with dtype {array.dtype}: give numbers in a "
            "rectangular array."
        )
    if array.dtype == np.uint32:
        array = array.astype(np.int64)  # torch has no arithmetic for uint32
    elif array.dtype.name == "bfloat16":
        array, dtype = array.astype(np.float32), dtype or "bfloat16"
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.as_tensor(array, dtype=None if dtype is None else torch_dtype(dtype), device=device)


def _number_type(value):
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int32" if -(2**31) <= value < 2**31 else "int64"
    return None if isinstance(value, float) else "complex64"


def _leaves(value):
    for item in value:
        if isinstance(item, (list, tuple)):
            yield from _leaves(item)
        else:
            yield item


def is_number(value):
    """Whether a value is a Python number, whose dtype is weak."""
    return isinstance(value, NUMBERS) and not isinstance(value, np.generic)


def to_numpy(tensor):
    """The values of a tensor as a numpy array on the host, gradients or not; bfloat16, which numpy lacks, as float32.

    On the CPU the array may share the tensor's memory.
    """
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
