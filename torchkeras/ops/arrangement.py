"""Splits and flips by name, views, choices, comparisons of whole tensors, and `vectorize`: part of `keras.ops.numpy`.

May import core, the makers and `shaping`.
"""

import functools
import re

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import INTS, NAMES, standardize_dtype, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor, Shape, any_symbolic
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import broadcast_shape, joint_type, promoted, publish, shape_of
from torchkeras.ops.shaping import _split_spec, split

__all__ = [
    "allclose", "diagflat", "dsplit", "fliplr", "flipud", "hsplit", "kron", "ldexp", "select", "vectorize", "view",
    "vsplit",
]  # fmt: skip


def _splitter(keras_class, least, doc):
    """A split along the axis that numpy's function of that name has; `least` axes are needed."""

    def axis_of(x):
        rank = len(x.shape)
        if rank < least:
            raise ValueError(f"{keras_class.lower()} needs at least {least} axes, got shape {tuple(x.shape)}.")
        return {"Vsplit": 0, "Hsplit": min(rank - 1, 1), "Dsplit": 2}[keras_class]

    def compute(x, indices_or_sections):
        x = as_tensor(x)
        return split.compute(x, indices_or_sections, axis_of(x))

    def output_spec(x, indices_or_sections):
        return _split_spec(x, indices_or_sections, axis_of(x))

    return publish(compute, keras_class, doc, "numpy", ("x",), output_spec)


hsplit = _splitter("Hsplit", 1, "Parts along the second axis (the first of a vector), as `split`.")
vsplit = _splitter("Vsplit", 2, "Parts along the first axis, as `split`.")
dsplit = _splitter("Dsplit", 3, "Parts along the third axis, as `split`.")


def _flip_spec(name, least):
    def output_spec(x):
        if len(x.shape) < least:
            raise ValueError(f"{name} needs at least {least} axes, got shape {tuple(x.shape)}.")
        return KerasTensor(x.shape, x.dtype)

    return output_spec


@operation("Fliplr", "numpy", output_spec=_flip_spec("fliplr", 2))
def fliplr(x):
    """The second axis in reverse order."""
    x = as_tensor(x)
    if x.dim() < 2:
        raise ValueError(f"fliplr needs at least 2 axes, got shape {tuple(x.shape)}.")
    return torch.fliplr(x)


@operation("Flipud", "numpy", output_spec=_flip_spec("flipud", 1))
def flipud(x):
    """The first axis in reverse order."""
    x = as_tensor(x)
    if x.dim() < 1:
        raise ValueError("flipud needs at least one axis, got a number.")
    return torch.flipud(x)


def _diagflat_spec(x, k):
    size = Shape(x.shape).num_elements()
    size = None if size is None else size + abs(int(k))
    return KerasTensor((size, size), x.dtype)


@operation("Diagflat", "numpy", output_spec=_diagflat_spec)
def diagflat(x, k=0):
    """All numbers, flat, as the `k`-th diagonal of a matrix of zeros."""
    return torch.diagflat(as_tensor(x), k)


def _view_spec(x, dtype):
    name = standardize_dtype(dtype or x.dtype)
    old, new = torch_dtype(x.dtype).itemsize, torch_dtype(name).itemsize
    if old == new:
        return KerasTensor(x.shape, name)
    return KerasTensor((*x.shape[:-1], _viewed_size(x.shape, x.dtype, name)), name)


def _viewed_size(shape, old, new):
    """The last size after a view as another dtype. Raises `ValueError` where the bytes do not fit."""
    if not len(shape):
        raise ValueError(f"A number of dtype {old} cannot be viewed as {new}: their sizes differ.")
    if shape[-1] is None:
        return None
    size, rest = divmod(shape[-1] * torch_dtype(old).itemsize, torch_dtype(new).itemsize)
    if rest:
        raise ValueError(f"A tensor of shape {tuple(shape)} and dtype {old} cannot be viewed as {new}: bytes are left.")
    return size


@operation("View", "numpy", output_spec=_view_spec, settle={"dtype": lambda dtype: dtype and standardize_dtype(dtype)})
def view(x, dtype=None):
    """The same bytes read as another dtype; the last axis grows or shrinks with the size of a number."""
    x = as_tensor(x)
    if dtype is None:
        return x
    if torch_dtype(dtype).itemsize != x.dtype.itemsize:
        _viewed_size(x.shape, NAMES[x.dtype], dtype)
    return x.view(torch_dtype(dtype))


# -- choosing and comparing -------------------------------------------------------------------------------------------


def _select_spec(condlist, choicelist, default=0):
    shapes = [shape_of(value) for value in (*condlist, *choicelist, default)]
    return KerasTensor(broadcast_shape(*shapes), joint_type((*choicelist, default)))


@operation("Select", "numpy", ("condlist", "choicelist", "default"), output_spec=_select_spec)
def _select(condlist, choicelist, default=0):
    conditions = [as_tensor(condition).bool() for condition in condlist]
    *choices, result = promoted(*choicelist, default)
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        result = torch.where(condition, choice, result)
    return result


def select(condlist, choicelist, default=0):
    """From each place the first choice whose condition holds there, else `default`.

    Raises `ValueError` unless both are lists of the same length, not empty.

    >>> x = torch.arange(5)
    >>> select([x < 2, x > 3], [x, x * 10], default=-1)
    tensor([ 0,  1, -1, -1, 40])
    """
    if not isinstance(condlist, (list, tuple)) or not isinstance(choicelist, (list, tuple)):
        kinds = f"{type(condlist).__name__} and {type(choicelist).__name__}"
        raise ValueError(f"select needs two lists, of conditions and of choices; got {kinds}.")
    if not condlist or len(condlist) != len(choicelist):
        raise ValueError(
            f"select needs as many choices as conditions, at least one; got {len(condlist)} conditions and "
            f"{len(choicelist)} choices."
        )
    return _select(list(condlist), list(choicelist), default)


@operation(
    "AllClose",
    "numpy",
    ("x1", "x2"),
    output_spec=lambda x1, x2: KerasTensor((), "bool"),
)
def allclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether `abs(x1 - x2) <= atol + rtol * abs(x2)` everywhere, as a tensor; integers must be equal."""
    x1, x2 = promoted(x1, x2)
    if not x1.is_floating_point():
        return torch.all(x1 == x2)
    return torch.all(torch.isclose(x1, x2, rtol=rtol, atol=atol, equal_nan=equal_nan))


def _kron_spec(x1, x2):
    first, second = list(shape_of(x1)), list(shape_of(x2))
    rank = max(len(first), len(second))
    pairs = zip([1] * (rank - len(first)) + first, [1] * (rank - len(second)) + second, strict=True)
    shape = [None if a is None or b is None else a * b for a, b in pairs]
    return KerasTensor(Shape(shape), joint_type((x1, x2)))


@operation("Kron", "numpy", ("x1", "x2"), output_spec=_kron_spec)
def kron(x1, x2):
    """The Kronecker product: each number of `x1` times all of `x2`, as blocks."""
    x1, x2 = promoted(x1, x2)
    return torch.kron(x1, x2)


def _ldexp_spec(x1, x2):
    return KerasTensor(broadcast_shape(shape_of(x1), shape_of(x2)), joint_type((x1, x2), ints="floatx"))


@operation("Ldexp", "numpy", ("x1", "x2"), output_spec=_ldexp_spec)
def ldexp(x1, x2):
    """`x1 * 2**x2`. Raises `TypeError` where `x2` does not hold integers."""
    dtype = torch_dtype(joint_type((x1, x2), ints="floatx"))
    device = next((value.device for value in (x1, x2) if isinstance(value, torch.Tensor)), None)
    x1, x2 = as_tensor(x1, device=device), as_tensor(x2, device=device)
    if NAMES[x2.dtype] not in INTS:
        raise TypeError(f"The exponents of ldexp must be integers, got dtype {NAMES[x2.dtype]}.")
    return torch.ldexp(x1, x2).to(dtype)


# -- vectorize --------------------------------------------------------------------------------------------------------

_SIGNATURE = re.compile(r"^(\([\w,]*\))(,\([\w,]*\))*->(\([\w,]*\))(,\([\w,]*\))*$")


def vectorize(pyfunc, *, excluded=None, signature=None):
    """A function of single entries as a function of tensors that broadcasts over all other axes (by `torch.vmap`).

    Args:
        pyfunc: function of tensors.
        excluded: positions and keywords of arguments that are passed on as they are; None arguments are, too.
        signature: the axes that one call of `pyfunc` takes and gives, such as "(n,m),(m)->(n)"; by default none.

    Raises `ValueError` for a signature that cannot be read and for tensors that do not fit it.

    Example:
        >>> distances = vectorize(lambda a, b: torch.dist(a, b), signature="(n),(n)->()")
        >>> distances(torch.ones(4, 1, 3), torch.zeros(5, 3)).shape
        torch.Size([4, 5])
    """
    if not callable(pyfunc):
        raise ValueError(f"`pyfunc` must be callable, got {pyfunc!r}.")
    core = None if signature is None else _core_axes(signature)
    excluded = frozenset(excluded or ())

    @functools.wraps(pyfunc)
    def wrapped(*args, **kwargs):
        if any_symbolic(args, kwargs):
            raise TypeError("vectorize() gives a function of values: use `ops.vectorized_map` in a graph.")
        fixed = {i: arg for i, arg in enumerate(args) if i in excluded or arg is None}
        names = [name for name in kwargs if name not in excluded]
        values = [arg for i, arg in enumerate(args) if i not in fixed] + [kwargs[name] for name in names]
        tensors = [as_tensor(value) for value in values]

        def single(*entries):
            entries = list(entries)
            by_name = {name: entries.pop() for name in reversed(names)}
            given = iter(entries)
            positional = [fixed[i] if i in fixed else next(given) for i in range(len(args))]
            return pyfunc(*positional, **{**kwargs, **by_name})

        ranks = [0] * len(tensors) if core is None else _core_ranks(core, tensors, signature)
        return _over_outer_axes(single, tensors, ranks)

    return wrapped


def _core_axes(signature):
    """The axis names of each input: "(n,m),(m)->(n)" gives [["n", "m"], ["m"]]."""
    if not _SIGNATURE.match(signature.replace(" ", "")):
        raise ValueError(f"signature={signature!r} cannot be read: write it like '(n,m),(m)->(n)'.")
    inputs = signature.replace(" ", "").split("->")[0]
    return [[name for name in group.split(",") if name] for group in re.findall(r"\(([\w,]*)\)", inputs)]


def _core_ranks(core, tensors, signature):
    """How many last axes of each tensor one call takes, checked against each other."""
    if len(core) != len(tensors):
        raise TypeError(f"signature={signature!r} has {len(core)} inputs, {len(tensors)} came.")
    sizes = {}
    for names, tensor in zip(core, tensors, strict=True):
        if tensor.dim() < len(names):
            raise ValueError(f"A tensor of shape {tuple(tensor.shape)} lacks axes of signature={signature!r}.")
        for name, size in zip(names, tensor.shape[tensor.dim() - len(names) :], strict=True):
            if sizes.setdefault(name, size) != size:
                raise ValueError(f"Axis {name!r} of signature={signature!r} has size {sizes[name]} and size {size}.")
    return [len(names) for names in core]


def _over_outer_axes(function, tensors, ranks):
    """`function` at every place of the broadcast outer axes."""
    outer = [tensor.shape[: tensor.dim() - rank] for tensor, rank in zip(tensors, ranks, strict=True)]
    shape = torch.broadcast_shapes(*outer)
    if not shape:
        return function(*tensors)
    spread = [
        tensor.expand(*shape, *tensor.shape[tensor.dim() - rank :]) for tensor, rank in zip(tensors, ranks, strict=True)
    ]
    for _ in shape:
        function = torch.vmap(function)
    return function(*spread)
