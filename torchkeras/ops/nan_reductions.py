"""Reductions and running sums that leave NaNs out, and percentiles: part of `keras.ops.numpy`.

May import core, the makers and the rooms of ordinary reductions. Where everything along an axis is NaN, so is the
result; a position is -1 there.
"""

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import result_type, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import axes_of, mean_type, reduced_shape, reduction, shape_of
from torchkeras.ops.reductions import (
    _flattened,
    _in_float32,
    _position_spec,
    _quantile_spec,
    _quantiles,
    _sum_type,
    argmax,
    argmin,
    quantile,
)

__all__ = [
    "nanargmax", "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmedian", "nanmin", "nanpercentile", "nanprod",
    "nanquantile", "nanstd", "nanvar", "percentile",
]  # fmt: skip


def _bounded(function, worst):
    """A maximum or minimum: NaNs count as the worst number."""

    def reduce(x, axes, keepdims):
        if not x.is_floating_point():
            return function(x, axes, keepdims)
        missing = torch.isnan(x)
        result = function(x.masked_fill(missing, worst), axes, keepdims)
        return result.masked_fill(missing.all(axes, keepdims), float("nan"))

    return reduce


def _product(x, axes, keepdims):
    if x.is_floating_point():
        x = x.masked_fill(torch.isnan(x), 1)
    for axis in sorted(axes, reverse=True):
        x = torch.prod(x, axis, keepdims, dtype=x.dtype)
    return x


def _variance(x, axes, keepdims):
    missing = torch.isnan(x)
    counts = (~missing).sum(axes, keepdim=True)
    mean = torch.nansum(x, axes, keepdim=True) / counts
    squares = (x - mean).masked_fill(missing, 0).square()
    return squares.sum(axes, keepdim=keepdims) / counts.reshape(tuple(reduced_shape(x.shape, axes, keepdims)))


def _middle(x, axes, keepdims):
    flat, shape = _flattened(x, axes, keepdims)
    return torch.nanquantile(flat, 0.5, dim=-1).reshape(tuple(shape))


nanmax = reduction("Nanmax", _bounded(torch.amax, float("-inf")), "The largest number that is not NaN.")
nanmin = reduction("Nanmin", _bounded(torch.amin, float("inf")), "The smallest number that is not NaN.")
nanprod = reduction("Nanprod", _in_float32(_product), "The product without NaNs.", _sum_type)
nanvar = reduction("Nanvar", _in_float32(_variance), "The variance without NaNs.", mean_type)
nanstd = reduction(
    "Nanstd",
    _in_float32(lambda x, axes, keep: torch.sqrt(_variance(x, axes, keep))),
    "The deviation without NaNs.",
    mean_type,
)
nanmedian = reduction("Nanmedian", _in_float32(_middle), "The middle number, NaNs left out.", mean_type)


def _position(find, x, axis, keepdims, worst):
    x = as_tensor(x)
    if not x.is_floating_point():
        return find(x, axis, keepdims)
    missing = torch.isnan(x)
    nothing = missing.all(axes_of(axis, x.dim()), keepdims) if x.dim() else missing
    return find(x.masked_fill(missing, worst), axis, keepdims).masked_fill(nothing, -1)


@operation("Nanargmax", "numpy", output_spec=_position_spec)
def nanargmax(x, axis=None, keepdims=False):
    """The index of the largest number that is not NaN, as int32; -1 where all are NaN."""
    return _position(argmax, x, axis, keepdims, float("-inf"))


@operation("Nanargmin", "numpy", output_spec=_position_spec)
def nanargmin(x, axis=None, keepdims=False):
    """The index of the smallest number that is not NaN, as int32; -1 where all are NaN."""
    return _position(argmin, x, axis, keepdims, float("inf"))


def _running_spec(x, axis, dtype):
    shape = (x.shape.num_elements(),) if axis is None else x.shape
    return KerasTensor(shape, dtype or ("int32" if x.dtype == "bool" else x.dtype))


def _running(function, x, axis, dtype, neutral):
    x = as_tensor(x)
    if x.is_floating_point():
        x = x.masked_fill(torch.isnan(x), neutral)
    result = torch_dtype(dtype) if dtype is not None else x.dtype
    result = torch.int32 if result == torch.bool else result
    x = x.to(result)
    return function(x.reshape(-1), 0, dtype=result) if axis is None else function(x, axis, dtype=result)


@operation("Nancumsum", "numpy", output_spec=_running_spec)
def nancumsum(x, axis=None, dtype=None):
    """Running sums in which NaN counts as 0; of the flat tensor without an axis. Infinities stay, as in numpy."""
    return _running(torch.cumsum, x, axis, dtype, 0)


@operation("Nancumprod", "numpy", output_spec=_running_spec)
def nancumprod(x, axis=None, dtype=None):
    """Running products in which NaN counts as 1; of the flat tensor without an axis. Infinities stay, as in numpy."""
    return _running(torch.cumprod, x, axis, dtype, 1)


@operation("Nanquantile", "numpy", ("x", "q"), output_spec=_quantile_spec)
def nanquantile(x, q, axis=None, method="linear", keepdims=False):
    """The `q`-quantiles of what is not NaN; several `q` come as a new first axis."""
    return _quantiles(torch.nanquantile, x, q, axis, method, keepdims)


def _hundredth(q, device):
    """Percent as fractions, divided in `floatx()` as Keras does."""
    return as_tensor(q, result_type(float), device) / 100


def _percentile_spec(x, q, axis, keepdims):
    shape = (*shape_of(q), *reduced_shape(x.shape, axis, keepdims))
    return KerasTensor(shape, result_type(x.dtype, float))


@operation("Percentile", "numpy", ("x", "q"), output_spec=_percentile_spec)
def percentile(x, q, axis=None, method="linear", keepdims=False):
    """As `quantile`, with `q` from 0 to 100."""
    x = as_tensor(x)
    return quantile(x, _hundredth(q, x.device), axis, method, keepdims)


@operation("Nanpercentile", "numpy", ("x", "q"), output_spec=_percentile_spec)
def nanpercentile(x, q, axis=None, method="linear", keepdims=False):
    """As `nanquantile`, with `q` from 0 to 100."""
    x = as_tensor(x)
    return nanquantile(x, _hundredth(q, x.device), axis, method, keepdims)
