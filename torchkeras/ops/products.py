"""Products of matrices and tensors: part of `keras.ops.numpy`.

May import core and the makers.
"""

import torch

from torchkeras.core.conversion import NUMBERS, as_tensor
from torchkeras.core.dtypes import dtype_of, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.symbolic import operation
from torchkeras.errors import ShapeInferenceError
from torchkeras.ops._makers import as_float, broadcast_shape, canonical_axis, joint_type, promoted, shape_of
from torchkeras.ops.math import check_square, logdet_spec

__all__ = ["cross", "dot", "einsum", "inner", "matmul", "outer", "slogdet", "tensordot", "vdot"]


def _product(function, *operands, wide=False):
    """`function` on promoted operands, for which torch has kernels: int8 and bool go by int32.

    With `wide` products of int8 alone stay int32, as matrix products and einsum have it.
    """
    operands = [x if isinstance(x, (torch.Tensor, *NUMBERS)) else as_tensor(x) for x in operands]
    dtype = torch_dtype(_product_type(*operands) if wide else joint_type(operands))
    tensors = promoted(*operands)
    if tensors[0].dtype in (torch.int8, torch.bool):
        tensors = [x.int() for x in tensors]
    return function(*tensors).to(dtype)


def _product_type(*operands):
    types = {dtype_of(x) for x in operands}
    return "int32" if types == {"int8"} else joint_type(operands)


def _matmul_spec(x1, x2):
    a, b = tuple(shape_of(x1)), tuple(shape_of(x2))
    if not a or not b:
        raise ValueError(f"matmul needs at least one axis on each side, got shapes {a} and {b}.")
    left, right = a[-1], b[-2] if len(b) > 1 else b[0]
    if left is not None and right is not None and left != right:
        raise ValueError(f"matmul: shapes {a} and {b} do not fit, {left} against {right}.")
    rows, columns = a[-2:-1] if len(a) > 1 else (), b[-1:] if len(b) > 1 else ()
    return KerasTensor(Shape((*broadcast_shape(a[:-2], b[:-2]), *rows, *columns)), _product_type(x1, x2))


@operation("Matmul", "numpy", ("x1", "x2"), output_spec=_matmul_spec)
def matmul(x1, x2):
    """The matrix product over the last two axes, as `@`."""
    if type(x1) is torch.Tensor and type(x2) is torch.Tensor and x1.dtype == x2.dtype and x1.is_floating_point():
        return torch.matmul(x1, x2)
    return _product(torch.matmul, x1, x2, wide=True)


@operation("Dot", "numpy", ("x1", "x2"))
def dot(x1, x2):
    """The sum product over the last axis of `x1` and the last but one of `x2`; a plain product with a scalar."""
    return _product(_dot, x1, x2)


def _dot(a, b):
    if a.dim() == 0 or b.dim() == 0:
        return a * b
    return torch.tensordot(a, b, dims=([-1], [0] if b.dim() == 1 else [-2]))


@operation("Tensordot", "numpy", ("x1", "x2"))
def tensordot(x1, x2, axes=2):
    """The sum product over pairs of axes: the last and first `axes`, or lists of them."""
    if not isinstance(axes, int):
        axes = [[one] if isinstance(one, int) else list(one) for one in axes]
    return _product(lambda a, b: torch.tensordot(a, b, dims=axes), x1, x2)


@operation("Vdot", "numpy", ("x1", "x2"))
def vdot(x1, x2):
    """The sum product of two tensors taken flat; the first one conjugated."""
    return _product(lambda a, b: torch.sum(a.reshape(-1).conj() * b.reshape(-1), dtype=a.dtype), x1, x2)


@operation("Inner", "numpy", ("x1", "x2"))
def inner(x1, x2):
    """The sum product over the last axis of both."""
    return _product(torch.inner, x1, x2)


@operation("Outer", "numpy", ("x1", "x2"))
def outer(x1, x2):
    """All products of a number of `x1` with one of `x2`, both taken flat."""
    a, b = promoted(x1, x2)
    return torch.outer(a.reshape(-1), b.reshape(-1))


def _cross_spec(x1, x2, axisa=-1, axisb=-1, axisc=-1, axis=None):
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = list(shape_of(x1)), list(shape_of(x2))
    lengths = a.pop(canonical_axis(axisa, len(a))), b.pop(canonical_axis(axisb, len(b)))
    if not {2, 3, None}.issuperset(lengths):
        raise ValueError(f"cross takes vectors of 2 or 3 numbers, got lengths {lengths[0]} and {lengths[1]}.")
    if None in lengths and 3 not in lengths:  # of two numbers on both sides there is no axis in the result
        raise ShapeInferenceError("cross must know whether vectors have 2 or 3 numbers: that axis is unknown (None).")
    shape = list(broadcast_shape(a, b))
    if lengths != (2, 2):
        shape.insert(canonical_axis(axisc, len(shape) + 1), 3)
    return KerasTensor(Shape(shape), joint_type((x1, x2)))


@operation("Cross", "numpy", ("x1", "x2"), output_spec=_cross_spec)
def cross(x1, x2, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The cross product of vectors of three (or two) numbers along an axis."""
    a, b = promoted(x1, x2)
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (torch.moveaxis(x, canonical_axis(at, x.dim()), -1) for x, at in ((a, axisa), (b, axisb)))
    flat = a.shape[-1] == b.shape[-1] == 2
    a, b = (torch.nn.functional.pad(x, (0, 1)) if x.shape[-1] == 2 else x for x in (a, b))
    result = torch.cross(*torch.broadcast_tensors(a, b), dim=-1)
    return result[..., 2] if flat else torch.moveaxis(result, -1, canonical_axis(axisc, result.dim()))


def _einsum_spec(*operands, subscripts):
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {subscripts!r} has {len(terms)} terms, but {len(operands)} operands came.")
    sizes, dots = {}, ()
    for term, operand in zip(terms, operands, strict=True):
        shape = tuple(shape_of(operand))
        if "..." in term:
            before = term.index("...")
            after = len(shape) - (len(term) - before - 3)
            dots, shape = broadcast_shape(dots, shape[before:after]), (*shape[:before], *shape[after:])
        names = term.replace("...", "")
        if len(names) != len(shape):
            raise ValueError(
                f"einsum: the term {term!r} of {subscripts!r} does not fit shape {tuple(shape_of(operand))}."
            )
        for name, size in zip(names, shape, strict=True):
            sizes[name] = broadcast_shape((sizes.get(name, 1),), (size,))[0]
    if not arrow:
        output = ("..." if "..." in inputs else "") + "".join(sorted(c for c in sizes if inputs.count(c) == 1))
    left, _, right = output.partition("...")
    dots = dots if "..." in output else ()
    result = (*(sizes[name] for name in left), *dots, *(sizes[name] for name in right))
    return KerasTensor(Shape(result), _product_type(*operands))


@operation("Einsum", "numpy", ("operands",), output_spec=_einsum_spec)
def _einsum(*operands, subscripts):
    return _product(lambda *tensors: torch.einsum(subscripts, *tensors), *operands, wide=True)


def einsum(subscripts, *operands, **kwargs):
    """Sums of products in Einstein's notation.

    Example:
        >>> einsum("bij,jk->bik", torch.ones(2, 3, 4), torch.ones(4, 5)).shape
        torch.Size([2, 3, 5])
    """
    if kwargs:
        raise TypeError(f"einsum got unknown arguments {sorted(kwargs)}.")
    return _einsum(*(as_tensor(x) if isinstance(x, (list, tuple)) else x for x in operands), subscripts=subscripts)


def _slogdet_spec(x):
    return logdet_spec(x), logdet_spec(x)


@operation("Slogdet", "numpy", output_spec=_slogdet_spec)
def slogdet(x):
    """`(sign, log)`: the determinant's sign and the logarithm of its absolute value."""
    x = as_float(x)
    check_square(x.shape)
    return tuple(torch.linalg.slogdet(x))
