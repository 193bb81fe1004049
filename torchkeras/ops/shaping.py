"""Shapes, order of axes, joining, splitting, picking: part of `keras.ops.numpy`.

May import core and the makers. numpy's function of the same name gives the same numbers.
"""

import builtins
import itertools

import numpy as np
import torch

from torchkeras.core.arguments import as_number
from torchkeras.core.conversion import NUMBERS, as_tensor
from torchkeras.core.dtypes import NAMES
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import axes_of, broadcast_shape, canonical_axis, joint_type, promoted, same, shape_of

__all__ = [
    "append", "array_split", "broadcast_to", "concatenate", "copy", "diag", "diagonal", "dstack", "expand_dims",
    "flip", "get_item", "hstack", "meshgrid", "moveaxis", "ndim", "nonzero", "pad", "ravel", "repeat", "reshape",
    "roll", "rot90", "size", "split", "squeeze", "stack", "swapaxes", "take", "take_along_axis", "tile", "trace",
    "transpose", "tril", "triu", "vstack", "where",
]  # fmt: skip


def _sizes(shape):
    """A shape as a tuple of integers; one-element tensors count as integers, None as -1."""
    if isinstance(shape, int) or not hasattr(shape, "__iter__"):
        shape = (shape,)
    return tuple(-1 if size is None else size if isinstance(size, (int, torch.SymInt)) else int(size) for size in shape)


def _reshape_spec(x, newshape):
    sizes = [
        None if size in (-1, None) else int(size) for size in ([newshape] if isinstance(newshape, int) else newshape)
    ]
    if sizes.count(None) == 1 and None not in x.shape:
        known = np.prod([size for size in sizes if size is not None], dtype=int)
        total = np.prod(x.shape, dtype=int)
        if known and total % known == 0:
            sizes[sizes.index(None)] = int(total // known)
    if None not in sizes and None not in x.shape and np.prod(sizes, dtype=int) != np.prod(x.shape, dtype=int):
        raise ValueError(f"A tensor of shape {tuple(x.shape)} cannot be reshaped to {tuple(sizes)}.")
    return KerasTensor(Shape(sizes), x.dtype)


@operation("Reshape", "numpy", output_spec=_reshape_spec)
def reshape(x, newshape):
    """The same numbers in another shape; one size may be -1 (or None)."""
    if type(x) is not torch.Tensor:
        x = as_tensor(x)
    if type(newshape) is not tuple or None in newshape:
        newshape = _sizes(newshape)
    if newshape.count(-1) > 1:
        raise ValueError(f"Only one size may be -1, got {newshape}.")
    return torch.reshape(x, newshape)


@operation("Transpose", "numpy")
def transpose(x, axes=None):
    """The axes in another order; reversed by default."""
    x = as_tensor(x)
    if axes is not None and len(axes) != x.dim():
        raise ValueError(f"`axes` must name all {x.dim()} axes of the tensor, got {axes}.")
    return x.permute(tuple(axes) if axes is not None else tuple(reversed(range(x.dim()))))


@operation("ExpandDims", "numpy")
def expand_dims(x, axis):
    """New axes of size one at the places `axis` (one or several, counted in the result)."""
    x = as_tensor(x)
    if isinstance(axis, int):
        return x.unsqueeze(canonical_axis(axis, x.dim() + 1))
    axes = sorted(canonical_axis(one, x.dim() + len(axis)) for one in axis)
    for one in axes:
        x = x.unsqueeze(one)
    return x


@operation("Squeeze", "numpy")
def squeeze(x, axis=None):
    """Removes axes of size one. Raises `ValueError` where a named axis has another size."""
    x = as_tensor(x)
    if axis is None:
        return torch.squeeze(x)
    axes = axes_of(axis, x.dim())
    for one in axes:
        if x.shape[one] != 1:
            raise ValueError(f"Cannot squeeze axis={one} of a tensor of shape {tuple(x.shape)}: its size is not 1.")
    return torch.squeeze(x, axes)


@operation("Ravel", "numpy")
def ravel(x):
    """One axis with all numbers."""
    return as_tensor(x).reshape(-1)


@operation("Swapaxes", "numpy")
def swapaxes(x, axis1, axis2):
    """Two axes exchanged."""
    return torch.swapaxes(as_tensor(x), axis1, axis2)


@operation("Moveaxis", "numpy")
def moveaxis(x, source, destination):
    """Axes moved to other places, the rest in order."""
    return torch.moveaxis(as_tensor(x), source, destination)


def _flip_spec(x, axis):
    axes_of(axis, len(x.shape))
    return KerasTensor(x.shape, x.dtype)


@operation("Flip", "numpy", output_spec=_flip_spec)
def flip(x, axis=None):
    """The order reversed along `axis`; along all axes without one."""
    x = as_tensor(x)
    return torch.flip(x, axes_of(axis, x.dim()))


@operation("Roll", "numpy", output_spec=same)
def roll(x, shift, axis=None):
    """Shifts along `axis`; what leaves at one end enters at the other."""
    return torch.roll(as_tensor(x), shift, axis)


@operation("Rot90", "numpy", ("array",))
def rot90(array, k=1, axes=(0, 1)):
    """Turned by `k` times 90 degrees in the plane of two axes."""
    array = as_tensor(array)
    if array.dim() < 2 or len({canonical_axis(axis, array.dim()) for axis in axes}) != 2:
        raise ValueError(f"rot90 turns a plane of two different axes, got axes={axes} and {array.dim()} axes in all.")
    return torch.rot90(array, k, tuple(axes))


@operation("BroadcastTo", "numpy", output_spec=lambda x, shape: KerasTensor(_sizes_or_none(shape), x.dtype))
def broadcast_to(x, shape):
    """`x` repeated to a shape, as a view."""
    return torch.broadcast_to(as_tensor(x), _sizes(shape))


def _sizes_or_none(shape):
    return Shape(None if size in (-1, None) else int(size) for size in shape)


@operation("Tile", "numpy")
def tile(x, repeats):
    """`x` repeated as a block, `repeats` times along each axis."""
    return torch.tile(as_tensor(x), _sizes(repeats))


@operation("Repeat", "numpy")
def repeat(x, repeats, axis=None):
    """Each entry repeated in place; `repeats` is one number or one for each entry of `axis`."""
    x = as_tensor(x)
    if isinstance(repeats, (list, tuple)) and len(repeats) == 1:
        repeats = repeats[0]
    if not isinstance(repeats, int):
        repeats = as_tensor(repeats, "int64", x.device)
    return torch.repeat_interleave(x, repeats, dim=None if axis is None else canonical_axis(axis, x.dim()))


# -- joining and splitting --------------------------------------------------------------------------------------------


def _concatenate_spec(xs, axis):
    shapes = [shape_of(x) for x in xs]
    rank = len(shapes[0])
    axis = canonical_axis(axis, rank)
    result = []
    for i in range(rank):
        sizes = [shape[i] for shape in shapes]
        if i == axis:
            result.append(None if None in sizes else builtins.sum(sizes))
            continue
        known = {size for size in sizes if size is not None}
        if len(known) > 1:
            raise ValueError(f"Cannot concatenate shapes {shapes} along axis {axis}: axis {i} differs.")
        result.append(known.pop() if known else None)
    return KerasTensor(Shape(result), joint_type(xs))


@operation("Concatenate", "numpy", ("xs",), output_spec=_concatenate_spec)
def concatenate(xs, axis=0):
    """Tensors joined along an axis that they have; dtypes are promoted. Without an axis they are flattened first."""
    if type(xs) is not list:
        xs = list(xs)
    if not xs:
        raise ValueError("concatenate needs at least one tensor, got none.")
    dtype = getattr(xs[0], "dtype", None)
    for x in xs:
        if type(x) is not torch.Tensor or x.dtype is not dtype:
            xs = promoted(*xs)
            break
    return torch.cat([x.reshape(-1) for x in xs]) if axis is None else torch.cat(xs, axis)


@operation("Stack", "numpy")
def stack(x, axis=0):
    """Tensors of one shape joined along a new axis."""
    tensors = promoted(*x)
    if any(one.shape != tensors[0].shape for one in tensors[1:]):
        raise ValueError(f"stack needs tensors of one shape, got {[tuple(one.shape) for one in tensors]}.")
    return torch.stack(tensors, axis)


@operation("Hstack", "numpy", ("xs",))
def hstack(xs):
    """Tensors joined along the second axis (the first of one-dimensional ones)."""
    return torch.hstack(promoted(*xs))


@operation("Vstack", "numpy", ("xs",))
def vstack(xs):
    """Tensors joined along the first axis, one-dimensional ones as rows."""
    return torch.vstack(promoted(*xs))


@operation("Dstack", "numpy", ("xs",))
def dstack(xs):
    """Tensors joined along the third axis."""
    return torch.dstack(promoted(*xs))


@operation("Append", "numpy", ("x1", "x2"))
def append(x1, x2, axis=None):
    """`x2` after `x1` along `axis`; both flat without one."""
    x1, x2 = promoted(x1, x2)
    return torch.cat([x1.reshape(-1), x2.reshape(-1)]) if axis is None else torch.cat([x1, x2], axis)


def _sections(value):
    """A number of parts, or the places of the cuts, as Python integers."""
    number = as_number(value) if not isinstance(value, (list, tuple)) else None
    return tuple(map(int, value)) if number is None else number


def _split_spec(x, indices_or_sections, axis):
    axis = canonical_axis(axis, len(x.shape))
    size, before, after = x.shape[axis], x.shape[:axis], x.shape[axis + 1 :]
    indices_or_sections = _sections(indices_or_sections)
    if isinstance(indices_or_sections, int):
        if size is not None and size % indices_or_sections:
            raise ValueError(f"Axis {axis} of size {size} cannot be split into {indices_or_sections} equal parts.")
        sizes = [None if size is None else size // indices_or_sections] * indices_or_sections
    else:
        cuts = [0, *indices_or_sections]
        if size is None:  # it may end before a cut
            sizes = [None] * len(cuts)
        else:
            sizes = [len(range(size)[a:b]) for a, b in itertools.pairwise((*cuts, None))]
    return [KerasTensor((*before, one, *after), x.dtype) for one in sizes]


@operation("Split", "numpy", output_spec=_split_spec)
def split(x, indices_or_sections, axis=0):
    """A list of parts: that many equal ones, or cut at the given indices. Raises `ValueError` for unequal parts."""
    x, indices_or_sections = as_tensor(x), _sections(indices_or_sections)
    if isinstance(indices_or_sections, int):
        size = x.shape[axis]
        if size % indices_or_sections:
            raise ValueError(f"Axis {axis} of size {size} cannot be split into {indices_or_sections} equal parts.")
        return list(torch.split(x, [size // indices_or_sections] * indices_or_sections, axis))
    return list(torch.tensor_split(x, indices_or_sections, axis))


@operation("ArraySplit", "numpy")
def array_split(x, indices_or_sections, axis=0):
    """As `split`, but the parts may be unequal by one."""
    return list(torch.tensor_split(as_tensor(x), _sections(indices_or_sections), axis))


@operation("Pad", "numpy", ("x", "constant_values"))
def _pad(x, constant_values=None, pad_width=0, mode="constant"):
    x = as_tensor(x)
    widths = _pad_widths(pad_width, x.dim())
    if mode == "constant":
        value = 0 if constant_values is None else constant_values
        flat = [size for pair in reversed(widths) for size in pair]
        return torch.nn.functional.pad(x, flat, value=value)
    if constant_values is not None:
        raise ValueError(f"`constant_values` goes with mode='constant' only, got mode={mode!r}.")
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = x.index_select(axis, _repeated(mode, x.shape[axis], before, after, x.device))
    return x


def _repeated(mode, size, before, after, device):
    """Which entry of an axis stands at each place of the padded one."""
    if size == 0:
        raise ValueError(f"An axis without entries cannot be padded with mode={mode!r}: there is nothing to repeat.")
    places = torch.arange(-before, size + after, device=device)
    if mode == "edge":
        return places.clamp(0, size - 1)
    if mode == "wrap":
        return places % size
    if mode == "symmetric":
        places = places % (2 * size)
        return torch.minimum(places, 2 * size - 1 - places)
    if mode == "reflect":
        period = max(2 * size - 2, 1)
        places = places % period
        return torch.minimum(places, period - places) if size > 1 else places
    raise ValueError(f"`mode` must be 'constant', 'reflect', 'symmetric', 'edge' or 'wrap', got {mode!r}.")


def pad(x, pad_width, mode="constant", constant_values=None):
    """Adds numbers before and after along each axis.

    Args:
        pad_width: `((before, after), …)` for each axis, `(before, after)` for all, or one number for all.
        mode: "constant", "reflect", "symmetric", "edge" or "wrap", as numpy has them.
        constant_values: the number for mode "constant", by default 0.
    """
    if constant_values is None:
        return _pad(x, pad_width=pad_width, mode=mode)
    return _pad(x, constant_values, pad_width=pad_width, mode=mode)


def _pad_widths(pad_width, rank):
    if isinstance(pad_width, int):
        return [(pad_width, pad_width)] * rank
    widths = [pair if hasattr(pair, "__iter__") else (pair,) for pair in pad_width]
    if builtins.all(len(pair) == 1 for pair in widths) and len(widths) == 2:
        widths = [(widths[0][0], widths[1][0])]
    widths = [(int(pair[0]), int(pair[-1])) for pair in widths]
    if len(widths) == 1:
        widths = widths * rank
    if len(widths) != rank:
        raise ValueError(f"pad_width={pad_width} has {len(widths)} pairs for a tensor with {rank} axes.")
    return widths


# -- picking ----------------------------------------------------------------------------------------------------------


@operation("Where", "numpy", ("condition", "x1", "x2"))
def _where(condition, x1, x2):
    condition = as_tensor(condition)
    return torch.where(condition.bool(), *_beside(condition, x1, x2))


def _where_spec(condition, x1, x2):
    shape = broadcast_shape(shape_of(condition), shape_of(x1), shape_of(x2))
    return KerasTensor(shape, joint_type((x1, x2)))


_where.output_spec = _where_spec


def _beside(condition, x1, x2):
    """The two values promoted, on the device of the condition where neither is a tensor."""
    if not isinstance(x1, torch.Tensor) and not isinstance(x2, torch.Tensor):
        values = [x if isinstance(x, NUMBERS) else as_tensor(x, device=condition.device) for x in (x1, x2)]
        dtype = joint_type(values)
        return [as_tensor(x, dtype, condition.device) for x in values]
    return promoted(x1, x2)


def where(condition, x1=None, x2=None):
    """`x1` where the condition holds, `x2` elsewhere; alone, the indices of true entries as one tensor for each axis.

    Raises `ValueError` where only one of `x1` and `x2` is given.
    """
    if (x1 is None) != (x2 is None):
        raise ValueError("where() needs both `x1` and `x2`, or neither.")
    return nonzero(condition) if x1 is None else _where(condition, x1, x2)


def _nonzero_spec(x):
    return tuple(KerasTensor((None,), "int32") for _ in x.shape)


@operation("Nonzero", "numpy", output_spec=_nonzero_spec)
def nonzero(x):
    """The indices of numbers that are not zero: a tuple with one int32 tensor for each axis."""
    return tuple(index.to(torch.int32) for index in torch.nonzero(as_tensor(x), as_tuple=True))


def _take_spec(x, indices, axis):
    at = shape_of(indices)
    if axis is None:
        return KerasTensor(at, x.dtype)
    axis = canonical_axis(axis, len(x.shape))
    return KerasTensor((*x.shape[:axis], *at, *x.shape[axis + 1 :]), x.dtype)


@operation("Take", "numpy", ("x", "indices"), output_spec=_take_spec)
def take(x, indices, axis=None):
    """Entries at `indices` along `axis`; of the flat tensor without one. Negative indices count from the end."""
    x = as_tensor(x)
    indices = as_tensor(indices, device=x.device).long()
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = canonical_axis(axis, x.dim())
    if axis == 0 and x.dim() == 2 and x.is_floating_point():  # an embedding look-up: torch's own kernel
        return torch.nn.functional.embedding(_from_end(indices, x.shape[0]), x)
    picked = x.index_select(axis, _from_end(indices, x.shape[axis]).reshape(-1))
    return picked.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _from_end(indices, size):
    return torch.where(indices < 0, indices + size, indices)


@operation("TakeAlongAxis", "numpy", ("x", "indices"))
def take_along_axis(x, indices, axis=None):
    """Picks by an index tensor of the same rank: `out[i, j] = x[indices[i, j], j]` for `axis=0`."""
    x = as_tensor(x)
    indices = as_tensor(indices, device=x.device).long()
    if axis is None:
        return torch.take_along_dim(x.reshape(-1), _from_end(indices, x.numel()).reshape(-1))
    return torch.take_along_dim(x, _from_end(indices, x.shape[axis]), axis)


@operation("GetItem", "numpy", ("x", "key"))
def get_item(x, key):
    """`x[key]`."""
    return as_tensor(x)[key]


@operation("Tril", "numpy", output_spec=same)
def tril(x, k=0):
    """The lower triangle, zeros above the `k`-th diagonal."""
    return torch.tril(as_tensor(x), k)


@operation("Triu", "numpy", output_spec=same)
def triu(x, k=0):
    """The upper triangle, zeros below the `k`-th diagonal."""
    return torch.triu(as_tensor(x), k)


@operation("Diag", "numpy")
def diag(x, k=0):
    """A vector as the `k`-th diagonal of a matrix, or that diagonal of a matrix."""
    return torch.diag(as_tensor(x), k)


@operation("Diagonal", "numpy")
def diagonal(x, offset=0, axis1=0, axis2=1):
    """The diagonal over two axes, as a new last axis."""
    x = as_tensor(x)
    if x.dim() < 2:
        raise ValueError(f"diagonal needs at least 2 axes, got shape {tuple(x.shape)}.")
    return torch.diagonal(x, offset, axis1, axis2)


@operation("Trace", "numpy")
def trace(x, offset=0, axis1=0, axis2=1):
    """The sum of the diagonal over two axes."""
    x = as_tensor(x)
    small = NAMES[x.dtype] in ("bool", "uint8", "int8", "int16")
    return torch.sum(torch.diagonal(x, offset, axis1, axis2), -1, dtype=torch.int32 if small else x.dtype)


@operation("Copy", "numpy", output_spec=same)
def copy(x):
    """The same numbers in memory of their own."""
    return as_tensor(x).clone()


@operation("Meshgrid", "numpy", ("x",))
def meshgrid(*x, indexing="xy"):
    """Coordinate tensors of a grid from one-dimensional ones."""
    return list(torch.meshgrid(*(as_tensor(one).reshape(-1) for one in x), indexing=indexing))


def size(x):
    """How many numbers `x` has; None for a symbolic tensor with unknown sizes."""
    shape = shape_of(x)
    return None if None in shape else int(np.prod(shape, dtype=int))


def ndim(x):
    """How many axes `x` has."""
    return len(shape_of(x))
