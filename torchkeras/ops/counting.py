"""Counting, searching and set membership: part of `keras.ops.numpy`.

May import core and the makers. Positions are int32 where Keras on torch has them so.
"""

import operator

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import NAMES, result_type, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.symbolic import operation
from torchkeras.errors import UnsupportedInputError
from torchkeras.ops._makers import as_float, canonical_axis, promoted, shape_of

__all__ = ["argpartition", "bincount", "digitize", "histogram", "isin", "searchsorted", "unique", "unravel_index"]


def _bincount_spec(x, weights):
    dtype = "int32" if weights is None else result_type(x.dtype, NAMES[as_tensor(weights).dtype])
    return KerasTensor((*x.shape[:-1], None), dtype)


@operation("Bincount", "numpy", output_spec=_bincount_spec)
def bincount(x, weights=None, minlength=0, sparse=False):
    """How often each of the numbers 0, 1, 2… occurs in a vector of integers, or in each row of a matrix.

    Args:
        weights: tensor in the shape of `x`; its numbers are added up in place of ones (and get gradients).
        minlength: least length of the result, which is otherwise the largest number plus one.
        sparse: not to be had on torch; True raises `ValueError`.
    """
    if sparse:
        raise UnsupportedInputError("bincount(sparse=True) is not available on torch: use sparse=False.")
    x = as_tensor(x)
    if x.dim() not in (1, 2):
        raise ValueError(f"bincount needs a vector or a matrix of integers, got shape {tuple(x.shape)}.")
    if x.numel() and int(x.min()) < 0:
        raise ValueError("bincount counts numbers from 0 on; there are negative ones.")
    rows = x.long().unsqueeze(0) if x.dim() == 1 else x.long()
    length = max(int(rows.max()) + 1 if rows.numel() else 0, minlength)
    if weights is None:
        added, dtype = torch.ones_like(rows, dtype=torch.int32), torch.int32
    else:
        weights = as_tensor(weights, device=x.device)
        dtype = torch_dtype(result_type(NAMES[x.dtype], NAMES[weights.dtype]))
        added = weights.to(dtype).reshape(rows.shape)
    counts = torch.zeros((rows.shape[0], length), dtype=dtype, device=x.device).scatter_add(1, rows, added)
    return counts[0] if x.dim() == 1 else counts


def _digitize_spec(x, bins):
    if len(shape_of(bins)) != 1:
        raise ValueError(f"`bins` must have one axis, got shape {tuple(shape_of(bins))}.")
    return KerasTensor(x.shape, "int32")


@operation("Digitize", "numpy", ("x", "bins"), output_spec=_digitize_spec)
def digitize(x, bins):
    """For each number the index of its bin, as int32: `bins[i - 1] <= x < bins[i]`, `bins` ascending.

    >>> digitize(torch.tensor([0.2, 1.0, 3.5]), [1.0, 3.0])
    tensor([0, 1, 2], dtype=torch.int32)
    """
    x, bins = promoted(x, bins, ints="int32")
    if bins.dim() != 1:
        raise ValueError(f"`bins` must have one axis, got shape {tuple(bins.shape)}.")
    return torch.bucketize(x, bins, out_int32=True, right=True)


def _search_spec(sorted_sequence, values):
    shape = shape_of(sorted_sequence)
    if len(shape) != 1:
        raise ValueError(f"searchsorted needs a sequence with one axis, got shape {tuple(shape)}.")
    small = shape[0] is not None and shape[0] < 2**31
    return KerasTensor(shape_of(values), "int32" if small else "int64")


@operation("SearchSorted", "numpy", ("sorted_sequence", "values"), output_spec=_search_spec)
def searchsorted(sorted_sequence, values, side="left"):
    """Where to insert each value so that the ascending sequence stays in order: before ("left") or after equal ones.

    Raises `ValueError` for a sequence with several axes: put `vectorized_map` around it.
    """
    sequence, values = promoted(sorted_sequence, values)
    if sequence.dim() != 1:
        raise ValueError(f"searchsorted needs a sequence with one axis, got shape {tuple(sequence.shape)}.")
    return torch.searchsorted(sequence, values, side=side, out_int32=sequence.shape[0] < 2**31)


@operation(
    "IsIn",
    "numpy",
    ("x1", "x2"),
    output_spec=lambda x1, x2: KerasTensor(shape_of(x1), "bool"),
)
def isin(x1, x2, assume_unique=False, invert=False):
    """True for each number of `x1` that occurs in `x2` (that does not, with `invert`)."""
    x1, x2 = promoted(x1, x2, ints="int32")
    return torch.isin(x1, x2, assume_unique=assume_unique, invert=invert)


def _histogram_spec(x, bins):
    dtype = x.dtype if "float" in x.dtype else result_type(x.dtype, float)
    return KerasTensor((bins,), dtype), KerasTensor((bins + 1,), dtype)


@operation("Histogram", "numpy", output_spec=_histogram_spec)
def _histogram(x, bins=10, range=None):
    x = as_float(x)
    if x.dim() > 1:
        raise ValueError(f"histogram needs one axis, got shape {tuple(x.shape)}.")
    exact = (x.float() if x.dtype in (torch.float16, torch.bfloat16) else x).reshape(-1)
    if range is not None:
        low, high = (torch.tensor(float(end), dtype=exact.dtype, device=x.device) for end in range)
    elif exact.numel():
        low, high = torch.aminmax(exact)
    else:
        low, high = exact.new_zeros(()), exact.new_ones(())
    half = torch.where(low == high, 0.5, 0.0)  # a range of width zero gets width one
    edges = torch.linspace(0, 1, bins + 1, dtype=exact.dtype, device=x.device)
    edges = torch.lerp(low - half, high + half, edges).detach()
    index = torch.bucketize(exact.detach(), edges, right=True) - 1
    index = torch.where(exact == edges[-1], bins - 1, index)  # the last bin holds its upper edge too
    inside = (index >= 0) & (index < bins)
    counts = torch.zeros(bins, dtype=exact.dtype, device=x.device)
    counts = counts.scatter_add(0, index.clamp(0, max(bins - 1, 0)), inside.to(exact.dtype))
    return counts.to(x.dtype), edges.to(x.dtype)


def histogram(x, bins=10, range=None):
    """`(counts, edges)` of a vector over equal bins between its least and its largest number, or over `range`.

    Raises `TypeError` where `bins` is no integer, `ValueError` for a negative one or a wrong range.
    """
    if not isinstance(bins, int):
        raise TypeError(f"`bins` must be an integer, got {bins!r}.")
    if bins < 0:
        raise ValueError(f"`bins` must not be negative, got {bins}.")
    if range:
        if not isinstance(range, tuple) or len(range) < 2:
            raise ValueError(f"`range` must be a tuple (low, high), got {range!r}.")
        if range[1] < range[0]:
            raise ValueError(f"`range` must ascend, got {range!r}.")
    return _histogram(x, bins=bins, range=range or None)


def _partition_spec(x, axis):
    return KerasTensor((x.shape.num_elements(),) if axis is None else x.shape, "int32")


@operation("Argpartition", "numpy", output_spec=_partition_spec)
def argpartition(x, kth, axis=-1):
    """Indices that put the `kth` number in its sorted place, smaller ones before it and larger ones after, as int32.

    The parts are in order too: this is a stable sort. Flat without an axis.
    """
    try:
        kth = operator.index(kth)
    except TypeError:
        raise ValueError(f"`kth` must be an integer, got {kth!r}.") from None
    x = as_tensor(x)
    x = x.to(torch.uint8) if x.dtype == torch.bool else x
    if axis is None:
        x, axis = x.reshape(-1), 0
    size = x.shape[axis]
    if not -size <= kth < size:
        raise ValueError(f"kth={kth} is out of bounds for axis {axis} of size {size}.")
    return torch.argsort(x, dim=axis, stable=True).to(torch.int32)


def _unravel_spec(indices, shape):
    return [KerasTensor((None,) if None in shape else shape_of(indices), indices.dtype) for _ in shape]


@operation("UnravelIndex", "numpy", ("indices",), output_spec=_unravel_spec)
def unravel_index(indices, shape):
    """Flat indices as a tuple of indices, one tensor for each axis of `shape`; the dtype stays."""
    indices = as_tensor(indices)
    return tuple(index.to(indices.dtype) for index in torch.unravel_index(indices, tuple(shape)))


# -- different values -------------------------------------------------------------------------------------------------


def _unique_spec(x, return_index, return_inverse, return_counts, axis, size):
    shape, inverse = (size,), x.shape
    if axis is not None:
        axis = canonical_axis(axis, len(x.shape))
        shape, inverse = (*x.shape[:axis], size, *x.shape[axis + 1 :]), (x.shape[axis],)
    outputs = [KerasTensor(Shape(shape), x.dtype)]
    wanted = ((return_index, (size,)), (return_inverse, inverse), (return_counts, (size,)))
    outputs += [KerasTensor(Shape(one), "int32") for given, one in wanted if given]
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


@operation("Unique", "numpy", output_spec=_unique_spec)
def unique(
    x, sorted=True, return_index=False, return_inverse=False, return_counts=False, axis=None, size=None, fill_value=None
):
    """The different numbers of a tensor, ascending; along `axis`, its different slices.

    Args:
        return_index: also the first position of each.
        return_inverse: also, for every number, which of the different ones it is.
        return_counts: also how often each occurs.
        size: length of the result: what is over is cut off, what is missing is `fill_value` (0 by default).
    """
    x = as_tensor(x)
    dim = 0 if axis is None else canonical_axis(axis, x.dim())
    inverse_wanted = return_inverse or return_index
    found = torch.unique(x, sorted, inverse_wanted, return_counts, dim=None if axis is None else dim)
    found = list(found) if inverse_wanted or return_counts else [found]
    values, inverse, counts = found[0], found[1] if inverse_wanted else None, found[-1] if return_counts else None
    outputs = [_sized(values, dim, size, 0 if fill_value is None else fill_value)]
    if return_index:
        positions = torch.arange(inverse.numel(), dtype=inverse.dtype, device=x.device)
        first = inverse.new_empty(values.shape[dim])
        first = first.scatter_reduce(0, inverse.reshape(-1), positions, "amin", include_self=False)
        outputs.append(_sized(first, 0, size, 1))
    if return_inverse:
        outputs.append(inverse)
    if return_counts:
        outputs.append(_sized(counts, 0, size, 0))
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _sized(x, dim, size, fill):
    """Cut or filled to `size` along one axis."""
    if size is None or x.shape[dim] == size:
        return x
    if x.shape[dim] > size:
        return x.narrow(dim, 0, size)
    shape = list(x.shape)
    shape[dim] = size - x.shape[dim]
    return torch.cat([x, torch.full(shape, fill, dtype=x.dtype, device=x.device)], dim)
