"""Layers that make one tensor of several (Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot), and
their functions.

May import core. Multiply, Maximum and Minimum read the masks that tensors carry, as in Keras: there a masked entry does
not count.
"""

import functools
import operator

import torch

from torchkeras.core.arguments import as_number
from torchkeras.core.conversion import as_tensor_or_symbolic
from torchkeras.core.dtype_policy import dtype_policy
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor, Shape, any_symbolic, is_shape
from torchkeras.core.layer import Layer
from torchkeras.core.masks import mask_of
from torchkeras.core.registry import published
from torchkeras.core.scopes import state
from torchkeras.ops.nn_statistics import unit_length


def _same_rank(inputs):
    """Inputs of lower rank get axes of size 1 after the batch, so that they broadcast."""
    rank = max(x.dim() for x in inputs)
    return [x if x.dim() == rank else x[(slice(None), *[None] * (rank - x.dim()))] for x in inputs]


def _broadcast(one, other, owner):
    """The shape that two shapes without batch broadcast to."""
    if len(one) < len(other):
        one, other = other, one
    head = one[: len(one) - len(other)]
    tail = []
    for a, b in zip(one[len(head) :], other, strict=True):
        if a is None or b is None:
            tail.append(None)
        elif a != b and 1 not in (a, b):
            raise ValueError(
                f"Layer {owner!r} cannot combine inputs of shapes {tuple(one)} and {tuple(other)} (without batch)."
            )
        else:
            tail.append(b if a == 1 else a)
    return (*head, *tail)


class _Merge(Layer, fields_from=[]):
    """What merging layers share: a list of inputs, masks of all of them, broadcasting of everything but the batch.

    Users' classes override `_merge_function(inputs)` under Keras's name; its inputs have one rank.
    """

    _least, _most = 1, None  # how many inputs
    _takes_several = True

    def _configure(self):
        self.supports_masking = True

    def build(self, input_shape):
        self._check_shapes(input_shape)
        self.compute_output_shape(input_shape)

    def _check_shapes(self, shapes):
        self._check_count([] if shapes is None else shapes, shapes is None or not is_shape(shapes))

    def _check_count(self, inputs, is_list):
        count = len(inputs) if is_list else None
        if count is None or count < self._least or (self._most is not None and count > self._most):
            wanted = f"exactly {self._least}" if self._most else f"at least {self._least}"
            found = f"{count} of them" if is_list else f"{inputs!r}, which is no list"
            raise ValueError(
                f"A {type(self).__name__} layer is called on a list of {wanted} inputs; {self.name!r} got {found}."
            )

    def call(self, inputs):
        self._check_count(inputs, isinstance(inputs, (list, tuple)))
        return self._merge_function(_same_rank(inputs))

    def compute_output_shape(self, input_shape):
        batches = {shape[0] for shape in input_shape if shape} - {None}
        if len(batches) > 1:
            raise ValueError(
                f"Layer {self.name!r} cannot merge different batch sizes: input shapes {list(map(tuple, input_shape))}."
            )
        rest = functools.reduce(lambda a, b: _broadcast(a, b, self.name), [tuple(shape[1:]) for shape in input_shape])
        return Shape((*batches, *rest) if batches else (None, *rest))

    def compute_output_spec(self, inputs):
        self._check_count(inputs, isinstance(inputs, (list, tuple)))
        return KerasTensor(Shape(self.compute_output_shape([x.shape for x in inputs])), dtype=self.compute_dtype)

    def compute_mask(self, inputs, mask=None):
        """True where any input is; None as soon as one input has no mask."""
        if not self._has_masks(inputs, mask) or any(each is None for each in mask):
            return None
        return functools.reduce(torch.logical_or, map(as_tensor_or_symbolic, mask))

    def _has_masks(self, inputs, mask):
        if mask is None:
            return False
        if not isinstance(mask, (list, tuple)) or not isinstance(inputs, (list, tuple)) or len(mask) != len(inputs):
            raise ValueError(f"Layer {self.name!r} wants one mask for each input in a list, got {mask!r}.")
        return any(each is not None for each in mask)


def _combine(function, inputs):
    """`function` from left to right, where a masked entry does not count if the other side has a value."""
    output, seen = None, None
    for x in inputs:
        mask = mask_of(x)
        mask = None if mask is None else mask.unsqueeze(-1)
        if output is None:
            output, seen = x, mask
            continue
        if mask is not None:
            x = torch.where(mask, x, output)
        if seen is not None:
            output = torch.where(seen, output, x)
        seen = torch.logical_or(seen, mask) if mask is not None and seen is not None else None
        output = function(output, x)
    return output


@published("layer", "keras.layers")
class Add(_Merge):
    """The sum of the inputs.

    Called on a list of tensors of one shape, or of shapes that broadcast.

    Example:
        >>> Add()([torch.ones(1, 2), torch.ones(1, 2)])
        tensor([[2., 2.]])
    """

    def _merge_function(self, inputs):
        return functools.reduce(operator.add, inputs)


@published("layer", "keras.layers")
class Subtract(_Merge):
    """The first input minus the second; called on a list of exactly two tensors.

    Example:
        >>> Subtract()([torch.ones(1, 2), torch.ones(1, 2)])
        tensor([[0., 0.]])
    """

    _least = _most = 2

    def _merge_function(self, inputs):
        first, second = inputs
        if first.dtype is torch.bool:  # which torch does not subtract
            first = first.to(second.dtype)
        elif second.dtype is torch.bool:
            second = second.to(first.dtype)
        return first - second


@published("layer", "keras.layers")
class Multiply(_Merge):
    """The product of the inputs; masked entries count as 1.

    Example:
        >>> Multiply()([torch.full((1, 2), 3.0), torch.full((1, 2), 2.0)])
        tensor([[6., 6.]])
    """

    def _merge_function(self, inputs):
        masks = [mask_of(x) for x in inputs]
        masks = [None if mask is None else mask.unsqueeze(-1) for mask in masks]
        if all(mask is None for mask in masks):
            return functools.reduce(operator.mul, inputs)
        pairs = zip(inputs, masks, strict=True)
        output = functools.reduce(operator.mul, [x if mask is None else torch.where(mask, x, 1) for x, mask in pairs])
        if any(mask is None for mask in masks):
            return output
        return torch.where(functools.reduce(torch.logical_or, masks), output, 0)


@published("layer", "keras.layers")
class Average(_Merge):
    """The mean of the inputs.

    Example:
        >>> Average()([torch.full((1, 2), 3.0), torch.full((1, 2), 2.0)])
        tensor([[2.5000, 2.5000]])
    """

    def _merge_function(self, inputs):
        return functools.reduce(operator.add, inputs) / len(inputs)


@published("layer", "keras.layers")
class Maximum(_Merge):
    """The largest of the inputs, entry by entry.

    Example:
        >>> Maximum()([torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 2.0]])])
        tensor([[3., 5.]])
    """

    def _merge_function(self, inputs):
        return _combine(torch.maximum, inputs)


@published("layer", "keras.layers")
class Minimum(_Merge):
    """The smallest of the inputs, entry by entry.

    Example:
        >>> Minimum()([torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 2.0]])])
        tensor([[1., 2.]])
    """

    def _merge_function(self, inputs):
        return _combine(torch.minimum, inputs)


@published("layer", "keras.layers")
class Concatenate(_Merge):
    """The inputs side by side along one axis.

    Args:
        axis: the axis along which sizes may differ and add up.

    Example:
        >>> Concatenate()([torch.zeros(2, 3), torch.zeros(2, 4)]).shape
        torch.Size([2, 7])

    In torch: `torch.cat(inputs, dim=axis)`.
    """

    axis = field(-1)

    def build(self, input_shape):
        self._check_shapes(input_shape)
        shapes = [shape for shape in input_shape if shape is not None]
        ranks = {len(shape) for shape in shapes}
        fits = len(ranks) == 1
        if fits:
            (rank,) = ranks
            if not -rank <= self.axis < rank:
                raise ValueError(f"Layer {self.name!r}: axis={self.axis} is not among the {rank} axes of its inputs.")
            rest = [[size for axis, size in enumerate(shape) if axis != self.axis % rank] for shape in shapes]
            fits = all(len(set(sizes) - {None}) <= 1 for sizes in zip(*rest, strict=True))
        if not fits:
            raise ValueError(
                f"Layer {self.name!r} concatenates along axis {self.axis}: all other axes must agree, got the shapes "
                f"{[tuple(shape) for shape in shapes]}."
            )

    def call(self, inputs):
        self._check_count(inputs, isinstance(inputs, (list, tuple)))
        return self._merge_function(inputs)

    def _merge_function(self, inputs):
        return torch.cat(tuple(inputs), self.axis)

    def compute_output_shape(self, input_shape):
        self._check_count(input_shape, not is_shape(input_shape))
        sizes = [shape[self.axis] for shape in input_shape]
        output = list(input_shape[0])
        output[self.axis] = None if None in sizes else sum(sizes)
        return Shape(output)

    def compute_mask(self, inputs, mask=None):
        """The masks side by side; an input without one counts as all True."""
        if not self._has_masks(inputs, mask):
            return None
        full = []
        for x, each in zip(map(as_tensor_or_symbolic, inputs), map(as_tensor_or_symbolic, mask), strict=True):
            if each is None:
                full.append(torch.ones_like(x, dtype=torch.bool))
            else:
                full.append(each.unsqueeze(-1).expand(x.shape) if each.dim() < x.dim() else each)
        return torch.cat(full, self.axis).any(-1)


def _dot_axes(value):
    number = as_number(value)
    if number is not None and number in range(-64, 65):  # as many axes as a tensor may have
        return int(number)
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"`axes` must be an integer or two of them, got {value!r}.")
    if len(value) != 2 or not all(isinstance(axis, int) for axis in value):
        raise ValueError(f"`axes` must hold two integers, got {value!r}.")
    return value


@published("layer", "keras.layers")
class Dot(_Merge):
    """Products of two inputs summed over one axis of each, sample by sample.

    Args:
        axes: the axis to sum over, one integer or one for each input; not the batch.
        normalize: whether the inputs are scaled to length 1 along that axis first (cosine similarity).

    Example:
        >>> Dot(axes=1)([torch.ones(2, 3), torch.ones(2, 3)])
        tensor([[3.],
                [3.]])

    In torch: `torch.einsum("bi,bi->b", x, y)` for vectors, `"bik,bjk->bij"` for `axes=2` of matrices.
    """

    _least = _most = 2
    axes = field(convert=_dot_axes, save=lambda axes: list(axes) if isinstance(axes, list) else axes)
    normalize = field(False)

    def build(self, input_shape):
        self._check_shapes(input_shape)
        one, other = input_shape
        first, second = self._positive_axes(len(one), len(other))
        if one[first] != other[second] and None not in (one[first], other[second]):
            raise ValueError(
                f"Layer {self.name!r} sums over axis {first} of {tuple(one)} and axis {second} of {tuple(other)}: "
                "their sizes must be equal."
            )

    def _positive_axes(self, *ranks):
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        axes = [axis + rank if axis < 0 else axis for axis, rank in zip(axes, ranks, strict=True)]
        if any(rank < 2 for rank in ranks) or any(not 0 < axis < rank for axis, rank in zip(axes, ranks, strict=True)):
            raise ValueError(
                f"Layer {self.name!r}: axes={self.axes} must be axes after the batch of inputs of rank 2 or more."
            )
        return axes

    def call(self, inputs):
        self._check_count(inputs, isinstance(inputs, (list, tuple)))
        return self._merge_function(inputs)

    def _merge_function(self, inputs):
        x, y = inputs
        first, second = self._positive_axes(x.dim(), y.dim())
        if self.normalize:
            x, y = unit_length(x, (first,)), unit_length(y, (second,))
        x, y = x.movedim(first, -1), y.movedim(second, 1)
        shape = (x.shape[0], *x.shape[1:-1], *y.shape[2:])
        x = x.flatten(1, -2) if x.dim() > 2 else x.unsqueeze(1)
        y = y.flatten(2) if y.dim() > 2 else y.unsqueeze(2)
        if x.dtype is not y.dtype:
            kind = torch.promote_types(x.dtype, y.dtype)
            x, y = x.to(kind), y.to(kind)
        product = torch.matmul(x, y)
        return product.reshape(shape if len(shape) > 1 else (*shape, 1))

    def compute_output_shape(self, input_shape):
        one, other = list(input_shape[0]), list(input_shape[1])
        first, second = self._positive_axes(len(one), len(other))
        del one[first], other[second], other[0]
        return Shape((*one, *other) if len(one) + len(other) > 1 else (*one, 1))

    def compute_mask(self, inputs, mask=None):
        return None


# -- functions --------------------------------------------------------------------------------------------------------

_kept = {}  # layers that serve tensors, by class, its own arguments and the dtype policy


def _apply(cls, inputs, kwargs, **own):
    """`cls(**own, **kwargs)(inputs)`. Data alone needs no layer of its own, which `torch.compile` could not make."""
    if kwargs or state.remat or any_symbolic((inputs,), None):
        return cls(**own, **kwargs)(inputs)
    values = tuple(tuple(value) if isinstance(value, list) else value for value in own.values())
    key = cls, values, dtype_policy().name
    if key not in _kept:
        _kept[key] = cls(**own, name=cls.__name__.lower())
    return _kept[key](inputs)


def add(inputs, **kwargs):
    """The sum of a list of tensors: `Add(**kwargs)(inputs)`."""
    return _apply(Add, inputs, kwargs)


def subtract(inputs, **kwargs):
    """The first of two tensors minus the second: `Subtract(**kwargs)(inputs)`."""
    return _apply(Subtract, inputs, kwargs)


def multiply(inputs, **kwargs):
    """The product of a list of tensors: `Multiply(**kwargs)(inputs)`."""
    return _apply(Multiply, inputs, kwargs)


def average(inputs, **kwargs):
    """The mean of a list of tensors: `Average(**kwargs)(inputs)`."""
    return _apply(Average, inputs, kwargs)


def maximum(inputs, **kwargs):
    """The largest entries of a list of tensors: `Maximum(**kwargs)(inputs)`."""
    return _apply(Maximum, inputs, kwargs)


def minimum(inputs, **kwargs):
    """The smallest entries of a list of tensors: `Minimum(**kwargs)(inputs)`."""
    return _apply(Minimum, inputs, kwargs)


def concatenate(inputs, axis=-1, **kwargs):
    """A list of tensors side by side: `Concatenate(axis, **kwargs)(inputs)`."""
    return _apply(Concatenate, inputs, kwargs, axis=axis)


def dot(inputs, axes=-1, normalize=False, **kwargs):
    """Products of two tensors summed over an axis: `Dot(axes, normalize, **kwargs)(inputs)`."""
    return _apply(Dot, inputs, kwargs, axes=axes, normalize=normalize)
