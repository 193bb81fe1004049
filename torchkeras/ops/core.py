"""Conversion, control flow, slices and scatters: the functions of `keras.ops` that no numpy room holds.

May import core and the makers.
"""

import builtins

import numpy as np
import torch

from torchkeras.core import tree
from torchkeras.core.dtypes import dtype_of, standardize_dtype, torch_dtype
from torchkeras.core.symbolic import KerasTensor, is_keras_tensor, operation
from torchkeras.ops._makers import as_tensor

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


def _convert_spec(x, dtype=None, sparse=None, ragged=None):
    return KerasTensor(x.shape, dtype or x.dtype)


@operation("ConvertToTensor", "core", output_spec=_convert_spec)
def _convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    return as_tensor(x, dtype)


def convert_to_numpy(x):
    """A numpy array on the host; gradients are dropped. bfloat16 comes as float32."""
    if isinstance(x, (list, tuple)):
        return np.array([convert_to_numpy(item) for item in x])
    if not isinstance(x, torch.Tensor):
        return np.array(x)
    x = x.detach().cpu()
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()


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
        return x.to(target)
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


@operation("StopGradient", "core", tensors=("variable",), output_spec=lambda variable: _same(variable))
def stop_gradient(variable):
    """The same numbers, through which no gradient flows. torch: `x.detach()`."""
    return as_tensor(variable).detach()


def _same(x):
    return KerasTensor(x.shape, x.dtype)


# -- control flow -----------------------------------------------------------------------------------------------------


def cond(pred, true_fn, false_fn):
    """`true_fn()` or `false_fn()`, whichever `pred` (a bool or a tensor with one) chooses."""
    return true_fn() if pred else false_fn()


def switch(index, branches, *operands):
    """`branches[index](*operands)`; the index is clamped to the list."""
    index = int(index)
    return branches[builtins.max(0, builtins.min(index, len(branches) - 1))](*operands)


def while_loop(cond, body, loop_vars, maximum_iterations=None):
    """Repeats `loop_vars = body(*loop_vars)` while `cond(*loop_vars)` holds, at most `maximum_iterations` times."""
    single = not isinstance(loop_vars, (tuple, list))
    variables = (loop_vars,) if single else tuple(loop_vars)
    variables = tuple(tree.map_structure(as_tensor, variable) for variable in variables)
    count = 0
    while (maximum_iterations is None or count < maximum_iterations) and cond(*variables):
        result = body(*variables)
        variables = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        count += 1
    if single:
        return variables[0]
    return list(variables) if isinstance(loop_vars, list) else variables


def fori_loop(lower, upper, body_fun, init_val):
    """`for i in range(lower, upper): value = body_fun(i, value)`."""
    value = init_val
    for i in range(int(lower), int(upper)):
        value = body_fun(i, value)
    return value


def scan(f, init, xs=None, length=None, reverse=False, unroll=1):
    """Runs `carry, y = f(carry, x)` over the first axis of `xs`; gives the last carry and all `y` stacked.

    Raises `TypeError` where `f` cannot be called and `ValueError` without `xs` and `length`.
    """
    if not callable(f):
        raise TypeError(f"scan needs a function (carry, x) -> (carry, y), got {f!r}.")
    if xs is None and length is None:
        raise ValueError("scan needs `xs` to run over, or a `length`.")
    xs = tree.map_structure(as_tensor, xs) if xs is not None else None
    carry = tree.map_structure(as_tensor, init)
    empty = tree.map_structure(torch.zeros_like, carry)
    steps = range(int(length) if length is not None else tree.flatten(xs)[0].shape[0])
    outputs = []
    for i in reversed(steps) if reverse else steps:
        carry, y = f(carry, None if xs is None else tree.map_structure(lambda x, i=i: x[i], xs))
        outputs.append(empty if y is None else y)
    if reverse:
        outputs.reverse()
    return carry, tree.map_structure(lambda *ys: torch.stack(ys), *outputs)


def map(f, xs):
    """`f` applied to each entry of the first axis, results stacked."""
    return scan(lambda carry, x: (carry, f(x)), (), xs)[1]


def vectorized_map(function, elements):
    """As `map`, all entries at once. torch: `torch.vmap(function)(elements)`."""
    return torch.vmap(function)(elements)


# -- slices and scatters ----------------------------------------------------------------------------------------------


def _slice_spec(inputs, start_indices, shape):
    sizes = [None if size == -1 else size for size in shape]
    return KerasTensor(sizes, inputs.dtype)


@operation("Slice", "core", ("inputs", "start_indices"), output_spec=_slice_spec)
def slice(inputs, start_indices, shape):
    """The block of the given shape that starts at `start_indices`; a size of -1 reaches to the end."""
    inputs = as_tensor(inputs)
    starts = [int(start) for start in start_indices]
    return inputs[tuple(builtins.slice(a, None if n == -1 else a + int(n)) for a, n in zip(starts, shape, strict=True))]


@operation("SliceUpdate", "core", ("inputs", "start_indices", "updates"))
def slice_update(inputs, start_indices, updates):
    """A copy of `inputs` with the block that starts at `start_indices` replaced by `updates`."""
    inputs = as_tensor(inputs)
    updates = as_tensor(updates, inputs.dtype, inputs.device)
    block = tuple(builtins.slice(int(a), int(a) + n) for a, n in zip(start_indices, updates.shape, strict=True))
    result = inputs.clone()
    result[block] = updates
    return result


@operation("Scatter", "core", ("indices", "values"))
def scatter(indices, values, shape):
    """Zeros of the given shape with `values` added at `indices` (last axis: one index for each leading axis)."""
    values = as_tensor(values)
    indices = as_tensor(indices, "int64", values.device)
    result = torch.zeros(tuple(shape), dtype=values.dtype, device=values.device)
    depth = indices.shape[-1]
    flat = indices.reshape(-1, depth)
    return result.index_put(tuple(flat.T), values.reshape(-1, *shape[depth:]), accumulate=True)


_REDUCTIONS = {"max": torch.maximum, "min": torch.minimum, "mul": torch.mul}


@operation("ScatterUpdate", "core", ("inputs", "indices", "updates"))
def scatter_update(inputs, indices, updates, reduction=None):
    """A copy of `inputs` with `updates` written at `indices` (rows of index tuples).

    Args:
        reduction: None to replace, or "add", "max", "min", "mul" to combine with what is there.
    """
    inputs = as_tensor(inputs)
    updates = as_tensor(updates, inputs.dtype, inputs.device)
    index = tuple(as_tensor(indices, "int64", inputs.device).T)
    if reduction in (None, "add"):
        return inputs.index_put(index, updates, accumulate=reduction == "add")
    if reduction not in _REDUCTIONS:
        raise ValueError(f"scatter_update: reduction must be None, 'add', 'max', 'min' or 'mul', got {reduction!r}.")
    result, combine = inputs, _REDUCTIONS[reduction]
    for row in range(index[0].shape[0]):  # in order, since an index may come twice
        place = tuple(part[row : row + 1] for part in index)
        result = result.index_put(place, combine(result[place], updates[row : row + 1]))
    return result


def _unstack_spec(x, num=None, axis=0):
    num = x.shape[axis] if num is None else num
    if num is None:
        raise ValueError(f"unstack: the size of axis {axis} is unknown, so `num` must say how many parts there are.")
    axis %= len(x.shape)
    return [KerasTensor((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype) for _ in range(num)]


@operation("Unstack", "core", output_spec=_unstack_spec)
def unstack(x, num=None, axis=0):
    """A list of the slices along `axis`."""
    return list(torch.unbind(as_tensor(x), axis))
