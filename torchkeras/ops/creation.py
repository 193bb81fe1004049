"""Tensors from nothing: part of `keras.ops.numpy`.

May import core and the makers. New tensors are on the default device, or on that of the tensor that they are like.
"""

import torch

from torchkeras.core import scopes
from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import dtype_of, result_type, standardize_dtype, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import canonical_axis, joint_type

__all__ = [
    "arange", "array", "empty", "empty_like", "eye", "full", "full_like", "identity", "linspace", "logspace", "ones",
    "ones_like", "tri", "zeros", "zeros_like",
]  # fmt: skip


def _place(dtype):
    return {"dtype": torch_dtype(dtype), "device": scopes.default_device()}


def _shape(shape):
    return (shape,) if isinstance(shape, int) else tuple(shape)


def zeros(shape, dtype=None):
    """Zeros; `floatx()` without a dtype."""
    return torch.zeros(_shape(shape), **_place(dtype))


def ones(shape, dtype=None):
    """Ones; `floatx()` without a dtype."""
    return torch.ones(_shape(shape), **_place(dtype))


def empty(shape, dtype=None):
    """Memory with whatever numbers it holds."""
    return torch.empty(_shape(shape), **_place(dtype))


def full(shape, fill_value, dtype=None):
    """One number (or an array that broadcasts) everywhere; `floatx()` without a dtype."""
    value = as_tensor(fill_value, standardize_dtype(dtype))
    return torch.broadcast_to(value, _shape(shape)).clone()


def _like_spec(x, dtype):
    return KerasTensor(x.shape, dtype or x.dtype)


@operation("ZerosLike", "numpy", output_spec=_like_spec)
def zeros_like(x, dtype=None):
    """Zeros in the shape (and dtype) of `x`."""
    return torch.zeros_like(as_tensor(x), dtype=None if dtype is None else torch_dtype(dtype))


@operation("OnesLike", "numpy", output_spec=_like_spec)
def ones_like(x, dtype=None):
    """Ones in the shape (and dtype) of `x`."""
    return torch.ones_like(as_tensor(x), dtype=None if dtype is None else torch_dtype(dtype))


@operation("EmptyLike", "numpy", output_spec=_like_spec)
def empty_like(x, dtype=None):
    """Memory in the shape (and dtype) of `x`."""
    return torch.empty_like(as_tensor(x), dtype=None if dtype is None else torch_dtype(dtype))


@operation("FullLike", "numpy", ("x", "fill_value"), lambda x, fill_value, dtype: _like_spec(x, dtype))
def full_like(x, fill_value, dtype=None):
    """One number in the shape (and dtype) of `x`."""
    x = as_tensor(x)
    value = as_tensor(fill_value, x.dtype if dtype is None else dtype, x.device)
    return torch.broadcast_to(value, x.shape).clone()


def arange(start, stop=None, step=None, dtype=None):
    """Numbers from `start` (0 if only one is given) up to but without `stop`; int32 for integers."""
    if stop is None:
        start, stop = 0, start
    bounds = start, stop, 1 if step is None else step
    dtype = joint_type(bounds) if dtype is None else standardize_dtype(dtype)
    values = [value.item() if hasattr(value, "item") else value for value in bounds]
    return torch.arange(*values, **_place(dtype))


def _spacing_type(dtype, start, stop):
    return standardize_dtype(dtype) if dtype is not None else result_type(dtype_of(start), dtype_of(stop), float)


@operation("Linspace", "numpy", ("start", "stop"))
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """`num` numbers evenly spaced from `start` to `stop` (which is the last one unless `endpoint` is false).

    Tensors as bounds give a new axis. With `retstep` the distance is returned too.
    """
    dtype = _spacing_type(dtype, start, stop)
    exact = result_type(dtype, float)
    device = next((value.device for value in (start, stop) if isinstance(value, torch.Tensor)), None)
    start, stop = as_tensor(start, exact, device), as_tensor(stop, exact, device)
    start, stop = torch.broadcast_tensors(start, stop)
    pieces = num - 1 if endpoint else num
    step = (stop - start) / pieces if pieces > 0 else torch.full_like(start, float("nan"))
    index = torch.arange(num, dtype=start.dtype, device=start.device).reshape(-1, *[1] * start.dim())
    result = start + index * step if pieces > 0 else (start.unsqueeze(0) + 0 * index)
    if endpoint and num > 1:
        result = torch.cat([result[:-1], stop.unsqueeze(0)])
    if axis != 0:
        result = torch.moveaxis(result, 0, canonical_axis(axis, result.dim()))
    if not is_float(dtype):
        result = torch.floor(result)
    result = result.to(torch_dtype(dtype))
    return (result, step) if retstep else result


def is_float(dtype):
    """Whether a dtype name is one of fractions."""
    return "float" in dtype or "complex" in dtype


def logspace(start, stop, num=50, endpoint=True, base=10, dtype=None, axis=0):
    """`base` to the power of evenly spaced exponents."""
    dtype = _spacing_type(dtype, start, stop)
    exponents = linspace(start, stop, num, endpoint, dtype=result_type(dtype, float), axis=axis)
    return torch.pow(base, exponents).to(torch_dtype(dtype))


def eye(N, M=None, k=0, dtype=None):
    """Ones on the `k`-th diagonal of an `N` by `M` matrix (square without `M`)."""
    place = _place(dtype)
    M = N if M is None else M
    if not k:
        return torch.eye(int(N), int(M), **place)
    rows = torch.arange(int(N), device=place["device"]).unsqueeze(1)
    return (torch.arange(int(M), device=place["device"]) - rows == k).to(place["dtype"])


def identity(n, dtype=None):
    """The identity matrix."""
    return eye(n, dtype=dtype)


def tri(N, M=None, k=0, dtype=None):
    """Ones on and below the `k`-th diagonal."""
    return torch.tril(ones((N, N if M is None else M), dtype), k)


@operation("Array", "numpy", output_spec=_like_spec)
def array(x, dtype=None):
    """A tensor of anything that has numbers."""
    return as_tensor(x, dtype)
