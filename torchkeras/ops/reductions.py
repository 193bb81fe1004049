"""Reductions, cumulative sums, order and counting: part of `keras.ops.numpy`.

May import core and the makers. Sums of small integers are int32, means of integers `floatx()`; half precision is
summed in float32.
"""

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import NAMES, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import (
    as_float,
    axes_of,
    canonical_axis,
    joint_type,
    mean_type,
    promoted,
    reduced_shape,
    reduction,
    shape_of,
)

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "argsort", "average", "count_nonzero", "cumprod", "cumsum",
    "diff", "max", "mean", "median", "min", "nanmean", "nansum", "prod", "ptp", "quantile", "sort", "std", "sum",
    "var",
]  # fmt: skip

_SMALL = frozenset(("bool", "uint8", "uint16", "int8", "int16"))


def _sum_type(dtype):
    return "int32" if dtype in _SMALL else dtype


def _flattened(x, axes, keepdims):
    """`x` with the given axes merged into a last one, and the shape that the reduced result has."""
    shape = reduced_shape(x.shape, axes, keepdims)
    rest = [axis for axis in range(x.dim()) if axis not in axes]
    moved = x.permute(*rest, *axes)
    return moved.reshape(*moved.shape[: len(rest)], -1), shape


def _together(function):
    """For torch functions whose result depends on all axes at once: they are merged into one."""

    def reduce(x, axes, keepdims):
        flat, shape = _flattened(x, axes, keepdims)
        return function(flat).reshape(tuple(shape))

    return reduce


def _in_float32(function):
    """Half precision is computed in float32 and rounded at the end."""

    def reduce(x, axes, keepdims):
        if x.dtype in (torch.float16, torch.bfloat16):
            return function(x.float(), axes, keepdims).to(x.dtype)
        return function(x, axes, keepdims)

    return reduce


def _sum(x, axes, keepdims):
    return torch.sum(x, axes, keepdims) if x.dtype.is_floating_point else torch.sum(x, axes, keepdims, dtype=x.dtype)


sum = reduction("Sum", _sum, "The sum.", dtype=_sum_type)
mean = reduction("Mean", _in_float32(torch.mean), "The mean.", dtype=mean_type)
all = reduction("All", lambda x, axes, keep: torch.all(x.bool(), axes, keep), "True where all are.", result="bool")
any = reduction("Any", lambda x, axes, keep: torch.any(x.bool(), axes, keep), "True where one is.", result="bool")
amax = reduction("Amax", torch.amax, "The largest number.")
amin = reduction("Amin", torch.amin, "The smallest number.")
ptp = reduction("Ptp", lambda x, axes, keep: torch.amax(x, axes, keep) - torch.amin(x, axes, keep), "Range of values.")
median = reduction(
    "Median",
    _in_float32(_together(lambda x: torch.quantile(x, 0.5, dim=-1))),
    "The middle number; the mean of the two middle ones of an even count.",
    dtype=mean_type,
)
var = reduction(
    "Var", _in_float32(lambda x, axes, keep: torch.var(x, axes, correction=0, keepdim=keep)), "Variance.", mean_type
)
std = reduction(
    "Std", _in_float32(lambda x, axes, keep: torch.std(x, axes, correction=0, keepdim=keep)), "Deviation.", mean_type
)
nansum = reduction(
    "Nansum", lambda x, axes, keep: torch.nansum(x, axes, keep, dtype=x.dtype), "The sum without NaNs.", _sum_type
)
nanmean = reduction("Nanmean", _in_float32(torch.nanmean), "The mean without NaNs.", mean_type)


def _prod_spec(x, axis, keepdims, dtype):
    return KerasTensor(reduced_shape(x.shape, axis, keepdims), dtype or _sum_type(x.dtype))


@operation("Prod", "numpy", output_spec=_prod_spec)
def prod(x, axis=None, keepdims=False, dtype=None):
    """The product, computed in `dtype`."""
    x = as_tensor(x)
    result = torch_dtype(dtype or _sum_type(NAMES[x.dtype]))
    x = x.to(torch.float32 if result in (torch.float16, torch.bfloat16) else result)
    for one in sorted(axes_of(axis, x.dim()), reverse=True):
        x = torch.prod(x, one, bool(keepdims), dtype=x.dtype)
    return x.to(result)


def _bounded_spec(x, axis, keepdims):
    return KerasTensor(reduced_shape(x.shape, axis, keepdims), x.dtype)


def _bounded(reduce, combine, x, axis, keepdims, initial):
    x = as_tensor(x)
    axes = axes_of(axis, x.dim())
    if initial is not None:
        initial = as_tensor(initial, x.dtype, x.device)
        if x.numel() == 0:
            return initial.expand(reduced_shape(x.shape, axis, keepdims)).clone()
    elif 0 in [x.shape[one] for one in axes]:
        raise ValueError(f"No number is the largest or smallest of none: shape {tuple(x.shape)}, axis={axis}.")
    result = reduce(x, axes, bool(keepdims)) if axes else x.clone()
    return result if initial is None else combine(result, initial)


@operation("Max", "numpy", output_spec=_bounded_spec)
def max(x, axis=None, keepdims=False, initial=None):
    """The largest number, at least `initial`."""
    return _bounded(torch.amax, torch.maximum, x, axis, keepdims, initial)


@operation("Min", "numpy", output_spec=_bounded_spec)
def min(x, axis=None, keepdims=False, initial=None):
    """The smallest number, at most `initial`."""
    return _bounded(torch.amin, torch.minimum, x, axis, keepdims, initial)


@operation("CountNonzero", "numpy")
def count_nonzero(x, axis=None):
    """How many numbers are not zero, as int32."""
    x = as_tensor(x)
    axes = axes_of(axis, x.dim())
    return torch.sum(x != 0, axes, dtype=torch.int32) if axes else (x != 0).to(torch.int32)


@operation("Average", "numpy", ("x", "weights"))
def _average(x, weights=None, axis=None):
    x = as_float(x)
    if weights is None:
        return mean(x, axis)
    x, weights = promoted(x, as_float(weights))
    axes = axes_of(axis, x.dim())
    if weights.shape != x.shape:
        if weights.dim() != 1 or len(axes) != 1 or weights.shape[0] != x.shape[axes[0]]:
            raise ValueError(
                f"`weights` must have the shape of `x` or be a vector along one axis, got "
                f"shapes {tuple(weights.shape)} and {tuple(x.shape)}, axis={axis}."
            )
        weights = weights.reshape([-1 if one == axes[0] else 1 for one in range(x.dim())]).expand(x.shape)
    return torch.sum(x * weights, axes) / torch.sum(weights, axes) if axes else x


def average(x, axis=None, weights=None):
    """The mean, weighted by `weights` of the same shape (or of one dimension, along `axis`)."""
    return _average(x, axis=axis) if weights is None else _average(x, weights, axis=axis)


# -- positions --------------------------------------------------------------------------------------------------------


def _position_spec(x, axis, keepdims):
    return KerasTensor(reduced_shape(x.shape, axis, keepdims), "int32")


def _position(function, x, axis, keepdims):
    x = as_tensor(x)
    x = x.to(torch.uint8) if x.dtype == torch.bool else x
    if x.dim() == 0:
        return torch.zeros_like(x, dtype=torch.int32)
    if axis is None:
        result = function(x.reshape(-1), 0, False)
        return (result.reshape([1] * x.dim()) if keepdims else result).to(torch.int32)
    return function(x, canonical_axis(axis, x.dim()), keepdims).to(torch.int32)


@operation("Argmax", "numpy", output_spec=_position_spec)
def argmax(x, axis=None, keepdims=False):
    """The index of the largest number, the first of equal ones, as int32; in the flat order without an axis."""
    return _position(torch.argmax, x, axis, keepdims)


@operation("Argmin", "numpy", output_spec=_position_spec)
def argmin(x, axis=None, keepdims=False):
    """The index of the smallest number, the first of equal ones, as int32."""
    return _position(torch.argmin, x, axis, keepdims)


def _sort_spec(x, axis):
    if axis is not None:
        canonical_axis(axis, len(x.shape) or 1)
    return KerasTensor(x.shape if axis is not None else (x.shape.num_elements(),), x.dtype)


@operation("Sort", "numpy", output_spec=_sort_spec)
def sort(x, axis=-1):
    """Ascending order along `axis`; of the flat tensor if it is None."""
    x = as_tensor(x).reshape(-1) if axis is None else as_tensor(x)
    axis = 0 if axis is None else canonical_axis(axis, x.dim() or 1)
    return torch.sort(x, axis).values


@operation("Argsort", "numpy")
def argsort(x, axis=-1):
    """The indices that sort `x`, equal numbers in their old order, as int32."""
    x = as_tensor(x)
    x = x.to(torch.uint8) if x.dtype == torch.bool else x
    if axis is None:
        x, axis = x.reshape(-1), 0
    return torch.argsort(x, dim=canonical_axis(axis, x.dim() or 1), stable=True).to(torch.int32)


# -- running sums and differences -------------------------------------------------------------------------------------


def _running(function, x, axis, dtype):
    x = as_tensor(x)
    dtype = torch_dtype(dtype) if dtype is not None else x.dtype
    dtype = torch.int32 if dtype == torch.bool else dtype
    x = x.to(dtype)
    if axis is None:
        return function(x.reshape(-1), 0, dtype=dtype)
    return function(x, canonical_axis(axis, x.dim() or 1), dtype=dtype)


@operation("Cumsum", "numpy")
def cumsum(x, axis=None, dtype=None):
    """Running sums along `axis`; of the flat tensor if it is None."""
    return _running(torch.cumsum, x, axis, dtype)


@operation("Cumprod", "numpy")
def cumprod(x, axis=None, dtype=None):
    """Running products along `axis`; of the flat tensor if it is None."""
    return _running(torch.cumprod, x, axis, dtype)


@operation("Diff", "numpy", ("a",))
def diff(a, n=1, axis=-1):
    """Differences of neighbours along `axis`, taken `n` times."""
    a = as_tensor(a)
    return torch.diff(a, n=n, dim=canonical_axis(axis, a.dim()))


def _quantile_spec(x, q, axis, keepdims):
    shape = (*shape_of(q), *reduced_shape(x.shape, axis, keepdims))
    return KerasTensor(shape, joint_type((x,), ints="floatx"))


def _quantiles(function, x, q, axis, method, keepdims):
    x = as_float(x)
    flat, shape = _flattened(x, axes_of(axis, x.dim()), keepdims)
    exact = flat.float() if x.dtype in (torch.float16, torch.bfloat16) else flat
    q = as_tensor(q, exact.dtype, x.device)
    result = function(exact, q.reshape(-1), dim=-1, interpolation=method)
    return result.reshape((*q.shape, *shape)).to(x.dtype)


@operation("Quantile", "numpy", ("x", "q"), output_spec=_quantile_spec)
def quantile(x, q, axis=None, method="linear", keepdims=False):
    """The `q`-quantiles; several `q` come as a new first axis. `method` says what to do between two numbers."""
    return _quantiles(torch.quantile, x, q, axis, method, keepdims)
