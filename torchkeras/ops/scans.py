"""Scans of associative functions, and functions with gradients of their own.

May import core and the makers. Knows no layer.
"""

import functools
import inspect

import torch

from torchkeras.core import shape_probe, tree
from torchkeras.core.conversion import as_tensor
from torchkeras.core.keras_tensor import KerasTensor, Shape, any_symbolic
from torchkeras.core.symbolic import FunctionOperation, operation
from torchkeras.ops._makers import canonical_axis

__all__ = ["associative_scan", "custom_gradient"]

# -- associative scan -------------------------------------------------------------------------------------------------


def _scan_spec(f, elems, axis):
    leaves = tree.flatten(elems)
    size = _common_size(leaves, axis)
    place = canonical_axis(axis, len(leaves[0].shape))

    def with_size(x, size):
        at = canonical_axis(axis, len(x.shape))
        return KerasTensor(Shape((*x.shape[:at], size, *x.shape[at + 1 :])), x.dtype)

    one = tree.map_structure(lambda x: with_size(x, 1), elems)
    result = shape_probe.infer(f, (one, one), {})
    return tree.map_structure(lambda x: with_size(x, leaves[0].shape[place] if size is None else size), result)


def _common_size(leaves, axis):
    sizes = {leaf.shape[canonical_axis(axis, len(leaf.shape))] for leaf in leaves}
    if len(sizes) != 1:
        shapes = [tuple(leaf.shape) for leaf in leaves]
        raise ValueError(f"associative_scan: `elems` must have one size along axis {axis}, got shapes {shapes}.")
    return sizes.pop()


@operation("AssociativeScan", "core", ("f", "elems"), output_spec=_scan_spec)
def associative_scan(f, elems, reverse=False, axis=0):
    """All prefixes of `elems` combined by an associative function, in a number of steps that grows with the logarithm.

    Args:
        f: `f(a, b)` of two structures like `elems`, any number of entries along `axis` at once, giving the same.
        elems: tensor or structure of tensors of one size along `axis`.
        reverse: combine from the end.

    Returns:
        `elems`-like: entry i holds `f(f(elems[0], elems[1]), ... elems[i])`.

    Raises `TypeError` where `f` cannot be called and `ValueError` where sizes differ.

    Example:
        >>> associative_scan(torch.add, torch.arange(5))
        tensor([ 0,  1,  3,  6, 10])
    """
    if not callable(f):
        raise TypeError(f"associative_scan needs a function of two structures, got {f!r}.")
    leaves = [as_tensor(leaf) for leaf in tree.flatten(elems)]
    _common_size(leaves, axis)

    def combine(first, second):
        result = f(tree.pack_sequence_as(elems, first), tree.pack_sequence_as(elems, second))
        return [as_tensor(x) for x in tree.flatten(result)]

    if reverse:
        leaves = [leaf.flip(axis) for leaf in leaves]
    leaves = _Along(axis, combine).scan(leaves)
    if reverse:
        leaves = [leaf.flip(axis) for leaf in leaves]
    return tree.pack_sequence_as(elems, leaves)


class _Along:
    """Blelloch's recursion: combine neighbours, scan the half as long list, fill in what lies between."""

    def __init__(self, axis, combine):
        self.axis, self.combine = axis, combine

    def part(self, leaves, start, stop=None, step=1):
        def cut(leaf):
            at = canonical_axis(self.axis, leaf.dim())
            return leaf[(slice(None),) * at + (slice(start, stop, step),)]

        return [cut(leaf) for leaf in leaves]

    def scan(self, leaves):
        size = leaves[0].shape[self.axis]
        if size < 2:
            return leaves
        odd = self.scan(self.combine(self.part(leaves, 0, size - 1, 2), self.part(leaves, 1, None, 2)))
        first = self.part(leaves, 0, 1)
        if size == 2:
            return self.joined(first, odd)
        even = self.combine(odd if size % 2 else self.part(odd, 0, -1), self.part(leaves, 2, None, 2))
        return self.interleaved(self.joined(first, even), odd, size)

    def joined(self, first, second):
        return [torch.cat(pair, self.axis) for pair in zip(first, second, strict=True)]

    def interleaved(self, even, odd, size):
        """`even[0], odd[0], even[1], ...`, `size` entries."""
        result = []
        for a, b in zip(even, odd, strict=True):
            at = canonical_axis(self.axis, a.dim())
            pairs = torch.stack([self.part([a], 0, b.shape[at])[0], b], at + 1).flatten(at, at + 1)
            result.append(torch.cat([pairs, self.part([a], size // 2)[0]], at) if size % 2 else pairs)
        return result


# -- gradients of one's own -------------------------------------------------------------------------------------------


def custom_gradient(f):
    """A function whose gradient is given beside its value.

    Args:
        f: `f(*args)` returns `(value, gradient)`, where `gradient(*args, upstream=...)` returns the gradient of each
            argument (None where there is none), given that of the value. A `gradient(upstream)` without the keyword
            works as well. Several values come with several gradients: `upstream` is then a tuple.

    torch: `torch.autograd.Function`.

    Example:
        >>> @custom_gradient
        ... def clipped(x):
        ...     return x, lambda x, upstream: upstream.clamp(-1.0, 1.0)
    """

    @functools.wraps(f)
    def wrapped(*args, **kwargs):
        if any_symbolic(args, kwargs):
            return FunctionOperation(wrapped).symbolic_call(*args, **kwargs)
        return _OwnGradient.apply(functools.partial(f, **kwargs) if kwargs else f, *args)

    return wrapped


class _OwnGradient(torch.autograd.Function):
    """Runs the function without a graph; keeps its gradient function for the way back."""

    @staticmethod
    def forward(ctx, f, *args):
        result = f(*args)
        if not isinstance(result, (tuple, list)) or len(result) != 2 or not callable(result[1]):
            raise TypeError(f"A custom_gradient function must return (value, gradient function), got {result!r}.")
        value, ctx.gradient = result
        ctx.is_tensor = tuple(isinstance(arg, torch.Tensor) for arg in args)
        ctx.others = tuple(None if isinstance(arg, torch.Tensor) else arg for arg in args)
        ctx.save_for_backward(*(arg for arg in args if isinstance(arg, torch.Tensor)))
        return tuple(value) if isinstance(value, list) else value

    @staticmethod
    def backward(ctx, *upstream):
        tensors = iter(ctx.saved_tensors)
        args = [next(tensors) if tensor else other for tensor, other in zip(ctx.is_tensor, ctx.others, strict=True)]
        upstream = upstream[0] if len(upstream) == 1 else upstream
        if _takes_upstream(ctx.gradient):
            gradients = ctx.gradient(*args, upstream=upstream)
        else:
            gradients = ctx.gradient(upstream)
        gradients = tuple(gradients) if isinstance(gradients, (tuple, list)) else (gradients,)
        if len(gradients) != len(args):
            raise ValueError(
                f"The gradient function gave {len(gradients)} gradients for {len(args)} arguments: return one "
                "for each, None where there is none."
            )
        return None, *(gradient if tensor else None for gradient, tensor in zip(gradients, ctx.is_tensor, strict=True))


def _takes_upstream(gradient):
    """Whether a gradient function wants the arguments and `upstream=`, as Keras has it, or `upstream` alone."""
    parameters = inspect.signature(gradient).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return True
    return len(parameters) > 1 and any(parameter.name == "upstream" for parameter in parameters)
