"""How operations are made: promotion of operands, and makers for families of simple functions.

May import core. Private to ops; the layers above use the functions, not the makers.

Every operation works on tensors, arrays, numbers and Variables, is recorded on KerasTensors, and traces under
torch.compile. A plain tensor of the right dtype passes straight to torch.
"""

import operator
import sys

import numpy as np
import torch

from torchkeras.core import scopes
from torchkeras.core.conversion import NUMBERS, as_tensor
from torchkeras.core.dtypes import INTS, NAMES, dtype_of, result_type, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.symbolic import operation
from torchkeras.errors import AxisError


def promoted(*values, ints=None, numbers=False):
    """The operands as tensors of one dtype by Keras's promotion.

    Args:
        ints: "floatx" where the result is a float for integers too, "wide" where it is float64 for int64; "int32"
            where bools count as integers.
        numbers: leave Python numbers as they are where torch gives the same dtype for them.
    """
    device = next((value.device for value in values if isinstance(value, torch.Tensor)), None)
    values = [weak(value) for value in values]
    values = [v if isinstance(v, (torch.Tensor, *NUMBERS)) else as_tensor(v, device=device) for v in values]
    dtype = torch_dtype(joint_type(values, ints))
    if numbers and not dtype.is_complex and any(isinstance(value, torch.Tensor) for value in values):
        plain = bool if dtype == torch.bool else lambda value: value + 0  # True beside numbers is one
        return [value.to(dtype) if isinstance(value, torch.Tensor) else plain(value) for value in values]
    return [as_tensor(value, dtype, device) for value in values]


def joint_type(values, ints=None):
    """The dtype name that operands (tensors, KerasTensors, arrays, numbers) give; `ints` as for `promoted`."""
    names = tuple(dtype_of(weak(value)) for value in values)
    key = (names, ints, scopes.settings.floatx)
    name = _joint_types.get(key)
    if name is None:
        name = result_type(*names)
        if ints == "wide" and name == "int64":
            name = "float64"
        elif ints in ("floatx", "wide"):
            name = result_type(*names, float)
        _joint_types[key] = name = "int32" if ints == "int32" and name == "bool" else name
    return name


_joint_types = {}  # a dict, not functools.cache, which torch.compile warns of


def weak(value):
    """numpy's float64 and int64 scalars (what `np.mean` and the like give) count as Python numbers; the rest stays."""
    return value.item() if isinstance(value, (np.float64, np.int64, np.complex128)) else value


def as_float(x, ints="floatx"):
    """`x` as a tensor; integers and bools become `floatx()`, with `ints="wide"` int64 becomes float64."""
    x = as_tensor(x)
    if x.is_floating_point() or x.is_complex():
        return x
    return x.to(torch_dtype(joint_type((x,), ints)))


def broadcast_shape(*shapes):
    """The static shape that shapes broadcast to, None where unknown. Raises `ValueError` where they do not fit."""
    rank = max(map(len, shapes))
    result = []
    for axis in range(-rank, 0):
        sizes = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        known = sizes - {None}
        if len(known) > 1:
            raise ValueError(f"Shapes {', '.join(str(tuple(shape)) for shape in shapes)} cannot be broadcast together.")
        result.append(known.pop() if known else None if sizes else 1)
    return Shape(result)


def shape_of(value):
    """The static shape of a tensor, KerasTensor, array or number."""
    shape = getattr(value, "shape", None)
    return np.shape(value) if shape is None else tuple(shape)


def publish(compute, keras_class, doc, module, tensors, output_spec=None, name=None, depth=2):
    """Gives a function made by a maker its name, text and home, and makes it an operation."""
    compute.__name__ = compute.__qualname__ = name or scopes.snake_case(keras_class)
    compute.__doc__, compute.__module__ = doc, sys._getframe(depth).f_globals["__name__"]
    return operation(keras_class, module, tensors, output_spec)(compute)


def unary(keras_class, function, doc, ints=None, module="numpy", name=None, dtype=None, depth=2):
    """An operation on each number.

    Args:
        keras_class: Keras's class name; the function's name is its snake case unless `name` is given.
        function: a torch function of one tensor.
        ints: "floatx" or "wide" where integers become floats first, as for `promoted`.
        dtype: dtype of the result where it is not the input's.
    """

    def compute(x):
        if type(x) is not torch.Tensor:
            x = as_tensor(x)
        if ints is not None and not x.is_floating_point():
            x = as_float(x, ints)
        return function(x)

    def output_spec(x):
        result = dtype or (joint_type((x,), ints) if ints is not None else x.dtype)
        return KerasTensor(x.shape, result)

    return publish(compute, keras_class, doc, module, ("x",), output_spec, name, depth)


def binary(keras_class, function, doc, ints=None, dtype=None, numbers=False, module="numpy", names=("x1", "x2")):
    """An operation on two broadcast operands.

    Args:
        function: a torch function (or operator) of two tensors.
        ints: as for `promoted`.
        dtype: dtype of the result where it is not the promoted one.
        numbers: whether `function` takes a Python number beside a tensor.
        names: Keras's names of the operands.
    """

    def compute(x1, x2):
        kind1, kind2 = type(x1), type(x2)
        if kind1 is torch.Tensor:  # short ways for what needs no promotion
            if kind2 is torch.Tensor:
                if x1.dtype == x2.dtype and (ints is None or x1.is_floating_point()):
                    return function(x1, x2)
            elif numbers and (kind2 is float or kind2 is int) and x1.is_floating_point():
                return function(x1, x2)
        elif kind2 is torch.Tensor and numbers and (kind1 is float or kind1 is int) and x2.is_floating_point():
            return function(x1, x2)
        return function(*promoted(x1, x2, ints=ints, numbers=numbers))

    def output_spec(x1, x2):
        return KerasTensor(broadcast_shape(shape_of(x1), shape_of(x2)), dtype or joint_type((x1, x2), ints))

    if names != ("x1", "x2"):
        positional = compute

        def compute(x, y):
            return positional(x, y)

    return publish(compute, keras_class, doc, module, names, output_spec)


def axes_of(axis, rank):
    """`axis` as a tuple of non-negative axes; None stands for all."""
    if type(axis) is int and -rank <= axis < rank:
        return (axis % rank,)
    if axis is None:
        return tuple(range(rank))
    several = isinstance(axis, (tuple, list)) or isinstance(axis, (np.ndarray, torch.Tensor)) and axis.ndim
    axes = tuple(canonical_axis(one, rank) for one in (axis if several else (axis,)))
    if len(set(axes)) < len(axes):
        raise AxisError(f"axis={axis} names an axis twice.")
    return axes


def canonical_axis(axis, rank):
    """A non-negative axis. Raises `AxisError` (a `ValueError` and `IndexError`) where the tensor has no such axis."""
    if type(axis) is not int:
        try:
            axis = operator.index(axis)
        except TypeError:
            raise AxisError(f"axis={axis!r} is no axis: give one integer, got {type(axis).__name__}.") from None
    if not -rank <= axis < rank:
        raise AxisError(f"axis={axis} is out of bounds for a tensor with {rank} axes.")
    return axis % rank


def static_spec(shape, dtype):
    """A KerasTensor for output rules."""
    return KerasTensor(Shape(shape), dtype)


def same(x, *others):
    """The output rule of what changes neither shape nor dtype of its first tensor."""
    return KerasTensor(x.shape, x.dtype)


def reduced_shape(shape, axis, keepdims):
    """The static shape after a reduction."""
    axes = axes_of(axis, len(shape))
    if keepdims:
        return Shape(1 if i in axes else size for i, size in enumerate(shape))
    return Shape(size for i, size in enumerate(shape) if i not in axes)


def mean_type(dtype):
    """The dtype name of a mean: floats stay, the rest becomes one."""
    return result_type(dtype, float) if dtype in INTS or dtype == "bool" else dtype


def reduction(keras_class, function, doc, dtype=None, result=None, module="numpy"):
    """A reduction over axes: `(x, axis=None, keepdims=False)`.

    Args:
        function: called with a tensor, a tuple of axes (never empty) and keepdims.
        dtype: function from the input's dtype name to the one that is computed in, for floats the same; by default the
            same for all.
        result: dtype of the result where it is another one.
    """

    def compute(x, axis=None, keepdims=False):
        if type(x) is not torch.Tensor:
            x = as_tensor(x)
        axes = axes_of(axis, x.ndim)
        if dtype is not None and not x.dtype.is_floating_point:
            x = x.to(torch_dtype(dtype(NAMES[x.dtype])))
        return function(x, axes, bool(keepdims)) if axes else function(x.unsqueeze(0), (0,), False)

    def output_spec(x, axis, keepdims):
        return KerasTensor(reduced_shape(x.shape, axis, keepdims), result or (dtype(x.dtype) if dtype else x.dtype))

    return publish(compute, keras_class, doc, module, ("x",), output_spec)
