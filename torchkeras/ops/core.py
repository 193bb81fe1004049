"""Conversion, slices and scatters: the functions of `keras.ops` that no numpy room holds.

May import core and the makers.
"""

import builtins

import numpy as np
import torch

from torchkeras.core import unfilled
from torchkeras.core.conversion import as_tensor, is_array_like, to_numpy
from torchkeras.core.dtypes import dtype_of, standardize_dtype, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor, Shape, is_keras_tensor
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import canonical_axis, joint_type, same, shape_of

__all__ = [
    "cast", "convert_to_numpy", "convert_to_tensor", "dtype", "is_tensor", "saturate_cast", "scatter",
    "scatter_update", "shape", "slice", "slice_update", "stop_gradient", "unstack",
]  # fmt: skip

# -- conversion -------------------------------------------------------------------------------------------------------


def convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    """A tensor of an array, number, list or tensor.

    Python integers become int32 and floats `floatx()`; arrays keep their dtype. Tensors come back as they are, on their
    device. Raises `ValueError` for sparse or ragged, and for what holds no numbers.

    torch: `torch.as_tensor(x)`.
    """
    if sparse or ragged:
        raise ValueError("convert_to_tensor: sparse and ragged tensors are not supported on torch.")
    return _convert_to_tensor(x, dtype, sparse, ragged)


def _convert_spec(x, dtype):
    return KerasTensor(x.shape, dtype or x.dtype)


@operation("ConvertToTensor", "core", output_spec=_convert_spec)
def _convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    return as_tensor(x, dtype)


def convert_to_numpy(x):
    """A numpy array on the host; gradients are dropped. bfloat16 comes in the type of ml_dtypes."""
    if isinstance(x, (list, tuple)):
        return np.array([convert_to_numpy(item) for item in x])
    if isinstance(x, torch.Tensor):
        return to_numpy(x)
    return np.array(x) if hasattr(type(x), "__array__") or not is_array_like(x) else to_numpy(as_tensor(x))


def is_tensor(x):
    """Whether `x` is a torch tensor (Variables are)."""
    return isinstance(x, torch.Tensor)


def _cast_spec(x, dtype):
    return KerasTensor(x.shape, dtype)


@operation("Cast", "core", output_spec=_cast_spec)
def _cast(x, dtype):
    return as_tensor(x, dtype)


def cast(x, dtype):
    """`x` in another dtype."""
    return _cast(x, standardize_dtype(dtype)) if is_keras_tensor(x) else as_tensor(x, dtype)


@operation("SaturateCast", "core", output_spec=_cast_spec)
def saturate_cast(x, dtype):
    """As `cast`, but numbers outside the range of `dtype` become its smallest or largest one."""
    x, target = as_tensor(x), torch_dtype(dtype)
    if target == torch.bool:
        return x > 0 if x.dtype != torch.bool else x  # what is negative becomes 0 first
    limits = torch.finfo(target) if target.is_floating_point else torch.iinfo(target)
    if x.dtype == torch.bool:
        return x.to(target)
    own = torch.finfo(x.dtype) if x.is_floating_point() else torch.iinfo(x.dtype)
    low, high = builtins.max(limits.min, own.min), builtins.min(limits.max, own.max)
    if x.is_floating_point() and not target.is_floating_point:
        # The largest integer may have no equal among the floats: what lies above it is set afterwards.
        inside = x.clamp(low, high)
        result = inside.to(target)
        result = torch.where(x >= float(limits.max), torch.full_like(result, limits.max), result)
        return torch.where(x <= float(limits.min), torch.full_like(result, limits.min), result)
    return x.clamp(low, high).to(target)


def shape(x):
    """The shape as a tuple; None for unknown sizes of symbolic tensors."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def dtype(x):
    """Keras's name of the dtype."""
    name = dtype_of(x)
    return {"int": "int32", "float": standardize_dtype(None)}.get(name, name)


@operation("StopGradient", "core", tensors=("variable",), output_spec=same)
def stop_gradient(variable):
    """The same numbers, through which no gradient flows. torch: `x.detach()`."""
    return as_tensor(variable).detach()


# -- slices and scatters ----------------------------------------------------------------------------------------------


def _check_block(inputs, start_indices, shape):
    rank = len(shape_of(inputs))
    if len(shape) != rank or (hasattr(start_indices, "__len__") and len(start_indices) != rank):
        raise ValueError(
            f"A block needs a start and a size for each of the {rank} axes, got start_indices={start_indices} and "
            f"shape={tuple(shape)}."
        )


def _slice_spec(inputs, start_indices, shape):
    if is_keras_tensor(start_indices):
        start_indices = [start_indices] * len(shape)
    _check_block(inputs, start_indices, shape)
    sizes = []
    for size, start, whole in zip(shape, start_indices, inputs.shape, strict=True):
        if size != -1:
            sizes.append(size)
        else:
            sizes.append(None if whole is None or is_keras_tensor(start) else whole - int(start))
    return KerasTensor(sizes, inputs.dtype)


def _known(start_indices):
    """The starts as integers, or None where tensors hold them: reading those would wait for the device."""
    if isinstance(start_indices, torch.Tensor) or any(isinstance(start, torch.Tensor) for start in start_indices):
        return None
    return [int(start) for start in start_indices]


@operation("Slice", "core", ("inputs", "start_indices"), output_spec=_slice_spec)
def slice(inputs, start_indices, shape):
    """The block of the given shape that starts at `start_indices`; a size of -1 reaches to the end."""
    inputs = as_tensor(inputs)
    sizes = [int(size) for size in shape]
    _check_block(inputs, start_indices, sizes)
    starts = _known(start_indices)
    if starts is None and -1 in sizes:  # the size of the result depends on the numbers
        starts = [int(start) for start in start_indices]
    if starts is not None:
        return inputs[tuple(builtins.slice(a, None if n == -1 else a + n) for a, n in zip(starts, sizes, strict=True))]
    for axis, size in enumerate(sizes):
        inputs = inputs.index_select(axis, _places(start_indices[axis], size, inputs.device))
    return inputs


def _places(start, size, device):
    return torch.arange(size, device=device) + start


@operation(
    "SliceUpdate",
    "core",
    ("inputs", "start_indices", "updates"),
    output_spec=lambda inputs, start_indices, updates: KerasTensor(Shape(shape_of(inputs)), joint_type((inputs,))),
)
def slice_update(inputs, start_indices, updates):
    """A copy of `inputs` with the block that starts at `start_indices` replaced by `updates`."""
    inputs = as_tensor(inputs)
    updates = as_tensor(updates, inputs.dtype, inputs.device)
    _check_block(inputs, start_indices, updates.shape)
    starts = _known(start_indices)
    if starts is None:
        rank = inputs.dim()
        places = [_places(start_indices[axis], updates.shape[axis], inputs.device) for axis in range(rank)]
        index = [place.reshape(-1, *(1 for _ in range(rank - axis - 1))) for axis, place in enumerate(places)]
        return inputs.index_put(tuple(index), updates)
    result = inputs.clone()
    result[tuple(builtins.slice(a, a + n) for a, n in zip(starts, updates.shape, strict=True))] = updates
    return result


def _scatter_spec(indices, values, shape):
    return KerasTensor(Shape(shape), joint_type((values,)))


@operation("Scatter", "core", ("indices", "values"), output_spec=_scatter_spec)
def scatter(indices, values, shape):
    """Zeros of the given shape with `values` added at `indices` (last axis: one index for each leading axis)."""
    values = as_tensor(values)
    indices = as_tensor(indices, "int64", values.device)
    result = torch.zeros(tuple(shape), dtype=values.dtype, device=values.device)
    depth = indices.shape[-1]
    flat = indices.reshape(-1, depth)
    return result.index_put(tuple(flat.T), values.reshape(-1, *shape[depth:]), accumulate=True)


_REDUCTIONS = {"max": "amax", "min": "amin", "mul": "prod"}


@operation(
    "ScatterUpdate",
    "core",
    ("inputs", "indices", "updates"),
    output_spec=lambda inputs, indices, updates: _scatter_spec(indices, inputs, shape_of(inputs)),
)
def _scatter_update(inputs, indices, updates, reduction=None):
    inputs = as_tensor(inputs)
    updates = as_tensor(updates, inputs.dtype, inputs.device)
    indices = as_tensor(indices, "int64", inputs.device)
    depth = indices.shape[-1]
    lead, rest = inputs.shape[:depth], inputs.shape[depth:]
    if updates.dim() == indices.dim() - 1 + len(rest):
        updates = updates.reshape(-1, *rest)
    index = indices.reshape(-1, depth).T
    if reduction in (None, "add"):
        return inputs.index_put(tuple(index), updates, accumulate=reduction == "add")
    rows = torch.zeros_like(index[0])  # the number of the entry that each index tuple names
    for part, size in zip(index, lead, strict=True):
        rows = rows * size + torch.where(part < 0, part + size, part)
    shape = (rows.shape[0], *rest)
    rows = rows.reshape(-1, *(1 for _ in rest)).expand(shape)
    flat = inputs.reshape(-1, *rest)
    return flat.scatter_reduce(0, rows, updates.expand(shape), _REDUCTIONS[reduction]).reshape(inputs.shape)


def scatter_update(inputs, indices, updates, reduction=None):
    """A copy of `inputs` with `updates` written at `indices` (rows of index tuples).

    Args:
        inputs: `(d1, ..., dn)`.
        indices: `(rows, k)`, each row an entry of the first `k` axes.
        updates: `(rows, ...)` with the other axes of `inputs`.
        reduction: None to replace, or "add", "max", "min", "mul" to combine with what is there.
    """
    if reduction is not None:
        reduction = reduction.lower()
        if reduction not in ("add", *_REDUCTIONS):
            raise ValueError(f"`reduction` must be None, 'add', 'max', 'min' or 'mul', got {reduction!r}.")
    return _scatter_update(inputs, indices, updates, reduction=reduction)


def _unstack_spec(x, num, axis):
    axis = canonical_axis(axis, len(x.shape))
    num = x.shape[axis] if num is None else num
    if num is None:
        raise ValueError(f"unstack: the size of axis {axis} is unknown, so `num` must say how many parts there are.")
    if num != (x.shape[axis] or num):
        raise ValueError(f"unstack: num={num}, but axis {axis} of a tensor of shape {tuple(x.shape)} has another size.")
    unfilled.afford(1000 * num, "parts of unstack")  # KerasTensors are large
    return [KerasTensor((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype) for _ in range(num)]


@operation("Unstack", "core", output_spec=_unstack_spec)
def unstack(x, num=None, axis=0):
    """A list of the slices along `axis`. Raises `ValueError` where there are not `num` of them."""
    x = as_tensor(x)
    axis = canonical_axis(axis, x.dim())
    if num is not None and num != x.shape[axis]:
        raise ValueError(f"unstack: num={num}, but axis {axis} of a tensor of shape {tuple(x.shape)} has another size.")
    return list(torch.unbind(x, axis))
