"""TensorFlow's dtypes and its functions that make tensors.

Lives here: the dtype names, `constant`, `convert_to_tensor`, `cast`. May import: torch, numpy, core.
Must not know: layers, models. dtypes are torch's own, which torchkeras accepts wherever it takes a dtype.
"""

from __future__ import annotations

import numpy as np
import torch

from torchkeras.core.dtypes import TORCH, torch_dtype
from torchkeras.core.scopes import default_device

DTYPES = {**TORCH, "half": torch.float16, "double": torch.float64}

# Python numbers become TensorFlow's 32-bit defaults; arrays and tensors keep what they have.
_PYTHON_NUMBERS = {torch.float64: torch.float32, torch.int64: torch.int32, torch.complex128: torch.complex64}


def convert_to_tensor(value, dtype=None, name=None) -> torch.Tensor:
    """`value` as a torch tensor, on the device that models are made on.

    Args:
        value: a tensor, array, number or nested list of numbers.
        dtype: the result's dtype. By default that of an array or tensor; Python numbers become float32 and int32,
            as in TensorFlow (torch would say float32 and int64).
        name: accepted and ignored.

    Raises:
        TypeError: `value` holds something other than numbers.
        ValueError: `dtype` names no dtype.

    Example:
        >>> tf.convert_to_tensor([1, 2]).dtype
        torch.int32
    """
    if isinstance(value, torch.Tensor):
        return value if dtype is None else value.to(torch_dtype(dtype))
    if isinstance(value, (np.ndarray, np.generic)):
        # A copy: writing to the array must not change the tensor.
        return torch.tensor(value, dtype=None if dtype is None else torch_dtype(dtype), device=default_device())
    tensor = _from_nested(value)
    return tensor.to(_PYTHON_NUMBERS.get(tensor.dtype, tensor.dtype) if dtype is None else torch_dtype(dtype))


def _from_nested(value) -> torch.Tensor:
    if isinstance(value, (list, tuple)) and any(isinstance(item, torch.Tensor) for item in value):
        return torch.stack([convert_to_tensor(item) for item in value])
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"Cannot make a tensor of {value!r}: expected numbers, got {array.dtype}.")
    return torch.tensor(array, device=default_device())


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
