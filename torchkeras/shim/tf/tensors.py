"""TensorFlow's dtypes and its functions that make tensors.

Lives here: the dtype table, `constant`, `convert_to_tensor`, `cast`. May import: torch, numpy.
Must not know: Keras. dtypes are torch's own, which torchkeras accepts wherever it takes a dtype.
"""

from __future__ import annotations

import numpy as np
import torch

DTYPES = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "half": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
    "double": torch.float64,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "uint16": torch.uint16,
    "uint32": torch.uint32,
    "uint64": torch.uint64,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
    "bool": torch.bool,
}

# Python numbers become TensorFlow's 32-bit defaults; arrays and tensors keep what they have.
_PYTHON_NUMBERS = {torch.float64: torch.float32, torch.int64: torch.int32, torch.complex128: torch.complex64}


def torch_dtype(dtype) -> torch.dtype:
    """The torch dtype that `dtype` (a torch dtype, a name such as "float32", a NumPy type) stands for.

    Raises:
        TypeError: it stands for none.
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name not in DTYPES:
        raise TypeError(f"Unknown dtype {dtype!r}; expected a torch dtype or one of {', '.join(sorted(DTYPES))}.")
    return DTYPES[name]


def convert_to_tensor(value, dtype=None, name=None) -> torch.Tensor:
    """`value` as a torch tensor.

    Args:
        value: a tensor, array, number or nested list of numbers.
        dtype: the result's dtype. By default that of an array or tensor; Python numbers become float32 and int32,
            as in TensorFlow (torch would say float32 and int64).
        name: accepted and ignored.

    Example:
        >>> tf.convert_to_tensor([1, 2]).dtype
        torch.int32
    """
    if isinstance(value, torch.Tensor):
        return value if dtype is None else value.to(torch_dtype(dtype))
    if isinstance(value, (np.ndarray, np.generic)):
        # A copy: writing to the array must not change the tensor.
        return torch.tensor(value, dtype=None if dtype is None else torch_dtype(dtype))
    tensor = _from_nested(value)
    return tensor.to(_PYTHON_NUMBERS.get(tensor.dtype, tensor.dtype) if dtype is None else torch_dtype(dtype))


def _from_nested(value) -> torch.Tensor:
    if isinstance(value, (list, tuple)) and any(isinstance(item, torch.Tensor) for item in value):
        return torch.stack([convert_to_tensor(item) for item in value])
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"Cannot make a tensor of {value!r}: expected numbers, got {array.dtype}.")
    return torch.tensor(array)


def constant(value, dtype=None, shape=None, name="Const") -> torch.Tensor:
    """`value` as a torch tensor; with `shape`, reshaped to it, one number filling it.

    Example:
        >>> tf.constant(0, shape=(2, 2))
        tensor([[0, 0],
                [0, 0]], dtype=torch.int32)
    """
    tensor = convert_to_tensor(value, dtype)
    if shape is None:
        return tensor
    shape = tuple(shape)
    return tensor.expand(shape).clone() if tensor.numel() == 1 else tensor.reshape(shape)


def cast(x, dtype, name=None) -> torch.Tensor:
    """`x` with another dtype; the same as `x.to(dtype)` for a tensor."""
    return convert_to_tensor(x).to(torch_dtype(dtype))
