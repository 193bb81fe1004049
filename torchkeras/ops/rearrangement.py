"""`keras.ops.rearrange`: reshapes and transposes written as a pattern of named axes.

May import core and the makers. Knows no layer.
"""

import re

from torchkeras.core.conversion import as_tensor
from torchkeras.core.keras_tensor import any_symbolic
from torchkeras.core.symbolic import FunctionOperation, operation
from torchkeras.ops._makers import static_spec

__all__ = ["rearrange"]

_TOKEN = re.compile(r"\(|\)|\.\.\.|\w+")


def rearrange(tensor, pattern, **axes_lengths):
    """Reorders, splits and joins axes as a pattern says (the notation of einops).

    Args:
        tensor: any tensor.
        pattern: names of the axes before and after `->`; names in parentheses share one axis, `...` stands for any
            number of axes.
        axes_lengths: sizes of names in parentheses on the left; one for each axis can be left out.

    Raises `ValueError` for a pattern that cannot be read or does not fit the shape.

    Example:
        >>> rearrange(torch.ones(2, 6, 4), "b (h w) c -> b c h w", h=3).shape
        torch.Size([2, 4, 3, 2])
    """
    if any_symbolic((tensor,), None):
        return FunctionOperation(_rearrange).symbolic_call(tensor, pattern, **axes_lengths)
    return _rearrange.compute(tensor, pattern, **axes_lengths)


def _rearrange_spec(tensor, pattern, **axes_lengths):
    return static_spec(_plan(pattern, tuple(tensor.shape), axes_lengths)[2], tensor.dtype)


@operation("Rearrange", "einops", ("tensor", "pattern"), output_spec=_rearrange_spec)
def _rearrange(tensor, pattern, **axes_lengths):
    tensor = as_tensor(tensor)
    split, order, result = _plan(pattern, tuple(tensor.shape), axes_lengths)
    return tensor.reshape(split).permute(order).reshape(result)


def _plan(pattern, shape, lengths):
    """`(split shape, order, result shape)`; sizes may be None where `shape` has None."""
    left, right = _sides(pattern)
    rank = len(shape) - len(left) + 1
    left, right = (_with_ellipsis(side, rank) if ["..."] in left else side for side in (left, right))
    if len(left) != len(shape):
        raise ValueError(f"rearrange: {pattern!r} names {len(left)} axes, the tensor has shape {shape}.")
    names, target = ([name for group in side for name in group] for side in (left, right))
    if len(set(names)) != len(names) or sorted(names) != sorted(target):
        raise ValueError(f"rearrange: both sides of {pattern!r} must hold the same names, each once.")
    unknown = sorted(set(lengths) - set(names))
    if unknown:
        raise ValueError(f"rearrange: lengths are given for {unknown}, which {pattern!r} does not name.")
    sizes = {}
    for group, size in zip(left, shape, strict=True):
        sizes.update(_sizes_of(group, size, lengths, pattern))
    result = [_product([sizes[name] for name in group]) for group in right]
    return [sizes[name] for name in names], [names.index(name) for name in target], result


def _sides(pattern):
    parts = pattern.split("->")
    if len(parts) != 2:
        raise ValueError(f"rearrange: expected a pattern such as 'b h w -> b (h w)', got {pattern!r}.")
    return tuple(_groups(part, pattern) for part in parts)


def _groups(side, pattern):
    """The names of each axis: `"b (h w)"` -> `[["b"], ["h", "w"]]`."""
    groups, inner = [], None
    for token in _TOKEN.findall(side):
        if token == "(" and inner is None:
            inner = []
        elif token == ")" and inner is not None:
            groups.append(inner)
            inner = None
        elif token in "()" or (token == "..." and inner is not None):
            raise ValueError(f"rearrange: parentheses of {pattern!r} do not pair, or hold more than names.")
        elif inner is not None:
            inner.append(token)
        else:
            groups.append([token])
    if inner is not None or _TOKEN.sub("", side).strip():
        raise ValueError(f"rearrange: cannot read {side.strip()!r} in {pattern!r}: use names, parentheses and '...'.")
    return groups


def _with_ellipsis(side, rank):
    result = []
    for group in side:
        result.extend([[f"...{i}"] for i in range(rank)] if group == ["..."] else [group])
    return result


def _sizes_of(group, size, lengths, pattern):
    """The size of each name that shares an axis of `size`."""
    sizes = {name: lengths.get(name) for name in group}
    missing = [name for name in group if name not in lengths]
    if len(missing) > 1:
        raise ValueError(f"rearrange: give the lengths of all but one of {group} in {pattern!r}, as keyword arguments.")
    given = _product([lengths[name] for name in group if name in lengths])
    if size is not None and (size % given if missing else size != given):
        raise ValueError(f"rearrange: an axis of size {size} cannot be split into {sizes} ({pattern!r}).")
    if missing:
        sizes[missing[0]] = None if size is None else size // given
    return sizes


def _product(sizes):
    total = 1
    for size in sizes:
        if size is None:
            return None
        total *= size
    return total
