"""What the sweep makes of the tables of cases: each call again with other dtypes, shapes, layouts, axes and operands.

May import torch, numpy and the tables. Knows neither library: a variant is a label and a function that makes arguments.
"""

import inspect

import numpy as np
import torch

from compat import op_cases, op_cases_image, op_cases_math, op_cases_numpy

CASES = [
    *op_cases.CASES,
    *op_cases_numpy.CASES,
    *op_cases_math.CASES,
    *op_cases_image.SPATIAL_CASES,
    *op_cases_image.IMAGE_CASES,
]
DTYPES = ("bool", "int8", "int32", "int64", "uint8", "float16", "bfloat16", "float32", "float64")
_CASES_PER_OP = 3


class Variant:
    """One call to compare: what was changed, and its arguments with tensors in place of arrays.

    Attributes:
        op: the operation's name.
        symbolic: whether the call is compared on KerasTensors too.
        gradient: whether gradients of float inputs are compared.
        operands: what the tensors are given as: "tensors", "arrays", "lists" or "variables".
    """

    def __init__(self, case, label, args, kwargs, symbolic=False, operands="tensors"):
        self.op, self.case, self.label, self.args, self.kwargs = case.name, case, label, args, kwargs
        self.symbolic, self.gradient, self.operands = symbolic and case.symbolic, case.gradient, operands

    def __repr__(self):
        return f"{self.case!r} {self.label}"


def _by_op():
    """`{name: cases}`: for each operation the first cases that differ in the kinds of their arguments."""
    found = {}
    for case in CASES:
        kept = found.setdefault(case.name, {})
        key = (tuple(type(value) for value in case.args), tuple(sorted(case.kwargs)))
        if len(kept) < _CASES_PER_OP:
            kept.setdefault(key, case)
    return {name: list(kept.values()) for name, kept in found.items()}


BY_OP = _by_op()
IMAGE_OPS = frozenset(case.name for case in op_cases_image.IMAGE_CASES)


def variants(case, function, first):
    """All variants of a case. `function` has Keras's signature; `first` is true for the first case of an operation."""
    yield Variant(case, "as it is", *_mapped(case, torch.tensor), symbolic=True)
    yield from _dtypes(case)
    yield Variant(case, "not contiguous", *_mapped(case, strided))
    yield from _batches(case)
    if first:
        for operands in ("arrays", "lists", "variables"):
            yield Variant(case, f"of {operands}", *_mapped(case, torch.tensor), operands=operands)
        yield from _ranks(case)
        yield from _axes(case, function)


def _mapped(case, change):
    """Arguments with `change(array)` for each array; `change` may take the array's number too."""
    number = iter(range(100))

    def walk(value):
        if isinstance(value, np.ndarray):
            next(number)
            return change(value)
        if isinstance(value, (list, tuple)):
            return type(value)(map(walk, value))
        return value

    return [walk(value) for value in case.args], {key: walk(value) for key, value in case.kwargs.items()}


def converted(array, dtype):
    """An array as a tensor of another dtype with numbers that it can hold."""
    x = torch.tensor(array)
    if dtype == "bool":
        return x != 0 if not x.is_floating_point() else x > 0
    if not dtype.startswith(("float", "bfloat")) and x.is_floating_point():
        x = torch.round(x * 3)
    if dtype == "uint8" and x.dtype != torch.bool:
        x = x.abs()
    return x.to(getattr(torch, dtype))


def _dtypes(case):
    """All float arrays (else all integer arrays) in each dtype; then only the first of several."""
    kinds = [array.dtype.kind for array in arrays(case)]
    kind = next((k for k in "fiub" if k in kinds), None)
    if kind is None:
        return
    for dtype in DTYPES:
        change = lambda a, d=dtype: converted(a, d) if a.dtype.kind == kind else torch.tensor(a)
        yield Variant(case, dtype, *_mapped(case, change), symbolic=True)
    if kinds.count(kind) > 1:
        for dtype in DTYPES:
            seen = []

            def change(a, d=dtype, seen=seen):
                if a.dtype.kind != kind or seen:
                    return torch.tensor(a)
                seen.append(a)
                return converted(a, d)

            yield Variant(case, f"{dtype} beside others", *_mapped(case, change), symbolic=True)


def arrays(case):
    """The arrays of a case in order."""
    found = []
    _mapped(case, found.append)
    return found


def strided(array):
    """The same numbers in memory that is not contiguous."""
    x = torch.tensor(array)
    if x.ndim == 0:
        return x
    holder = torch.zeros(*x.shape[:-1], 2 * x.shape[-1], dtype=x.dtype).transpose(0, -1).contiguous().transpose(0, -1)
    view = holder[..., ::2]
    view.copy_(x)
    return view


def _batches(case):
    """The first axis, where it is a batch, with one entry and with none."""
    found = arrays(case)
    if not case.symbolic or not found or not found[0].ndim:
        return
    batch = found[0].shape[0]
    for size in (0, 1):
        change = lambda a, n=size: torch.tensor(a[:n] if a.shape[:1] == (batch,) else a)
        yield Variant(case, f"batch of {size}", *_mapped(case, change))


def _ranks(case):
    """The same numbers as scalars, vectors and with more axes, where all arrays have one shape."""
    found = arrays(case)
    if not found or len({a.shape for a in found}) > 1 or not found[0].size or case.kwargs:
        return
    for label, change in (
        ("rank 0", lambda a: torch.tensor(a.reshape(-1)[0])),
        ("rank 1", lambda a: torch.tensor(a.reshape(-1)[:4])),
        ("an axis more", lambda a: torch.tensor(np.stack([a, a[::-1]]))),
        ("no rows", lambda a: torch.tensor(a.reshape(-1)[:0])),
        ("last axis empty", lambda a: torch.tensor(a[..., :0])),
    ):
        yield Variant(case, label, *_mapped(case, change), symbolic=label != "rank 0")


def _axes(case, function):
    parameters = inspect.signature(function).parameters
    options = [name for name in ("keepdims",) if name in parameters and name not in case.kwargs]
    if "axis" not in parameters:
        return
    position = list(parameters).index("axis")
    if position < len(case.args):
        return
    found = arrays(case)
    rank = found[0].ndim if found else 0
    for axis in dict.fromkeys((None, 0, -1, rank - 2, -rank, (0, -1), (0,), ())):
        for keepdims in (False, True) if options else (None,):
            args, kwargs = _mapped(case, torch.tensor)
            kwargs["axis"] = axis
            label = f"axis={axis}"
            if keepdims:
                kwargs["keepdims"] = keepdims
                label += " keepdims"
            yield Variant(case, label, args, kwargs, symbolic=True)
