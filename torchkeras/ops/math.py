"""Determinants, distances and the two views of complex numbers: functions of `keras.ops` in no public submodule.

May import core and the makers. Knows no layer.
"""

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import (
    as_float,
    broadcast_shape,
    joint_type,
    mean_type,
    promoted,
    reduction,
    shape_of,
    static_spec,
    unary,
)

__all__ = [
    "cdist", "erf", "erfc", "erfinv", "in_top_k", "logdet", "logsumexp", "rsqrt", "top_k", "view_as_complex",
    "view_as_real",
]  # fmt: skip

# -- error functions, roots, maxima -----------------------------------------------------------------------------------

erf = unary("Erf", torch.erf, "The error function.", ints="floatx", module="math")
erfc = unary("Erfc", torch.erfc, "`1 - erf(x)` without loss of precision.", ints="floatx", module="math")
erfinv = unary("Erfinv", torch.erfinv, "The inverse of the error function.", ints="floatx", module="math")
rsqrt = unary("Rsqrt", torch.rsqrt, "`1 / sqrt(x)`.", ints="floatx", module="math")
logsumexp = reduction("Logsumexp", torch.logsumexp, "`log(sum(exp(x)))` without overflow.", mean_type, module="math")


def _top_spec(x, k):
    shape = (*x.shape[:-1], k)
    return KerasTensor(shape, x.dtype), KerasTensor(shape, "int32")


@operation("TopK", "math", output_spec=_top_spec)
def top_k(x, k, sorted=True):
    """`(values, indices)` of the `k` largest numbers along the last axis; indices are int32."""
    values, indices = torch.topk(as_tensor(x), k, sorted=sorted)
    return values, indices.to(torch.int32)


@operation(
    "InTopK",
    "math",
    ("targets", "predictions"),
    output_spec=lambda targets, predictions: KerasTensor(shape_of(targets), "bool"),
)
def in_top_k(targets, predictions, k):
    """True where the class `targets[i]` is among the `k` best of `predictions[i]`; ties at the border count."""
    targets, predictions = as_tensor(targets).long(), as_tensor(predictions)
    own = torch.gather(predictions, -1, targets.unsqueeze(-1))
    border = torch.topk(predictions, k).values[..., -1:]
    return (own >= border).squeeze(-1)


# -- determinants -----------------------------------------------------------------------------------------------------


def check_square(shape):
    if len(shape) < 2 or (None not in shape[-2:] and shape[-1] != shape[-2]):
        raise ValueError(f"Expected square matrices in the last two axes, got shape {tuple(shape)}.")


def logdet_spec(x):
    check_square(x.shape)
    return static_spec(x.shape[:-2], joint_type((x,), ints="floatx"))


@operation("Logdet", "math", output_spec=logdet_spec)
def logdet(x):
    """The logarithm of the determinant; NaN where that is negative. torch: `torch.logdet(x)`."""
    x = as_float(x)
    check_square(x.shape)
    return torch.logdet(x)


# -- distances --------------------------------------------------------------------------------------------------------


def _cdist_spec(x, y):
    first, second = tuple(shape_of(x)), tuple(shape_of(y))
    _check_points(first, second)
    batch = broadcast_shape(first[:-2], second[:-2])
    return static_spec((*batch, first[-2], second[-2]), joint_type((x, y), ints="floatx"))


def _check_points(first, second):
    if len(first) < 2 or len(second) < 2:
        raise ValueError(f"cdist needs at least two axes on each side, got shapes {first} and {second}.")
    if None not in (first[-1], second[-1]) and first[-1] != second[-1]:
        raise ValueError(f"cdist needs points of one dimension, got shapes {first} and {second}.")


@operation("CDist", "math", ("x", "y"), output_spec=_cdist_spec)
def cdist(x, y):
    """The Euclidean distance of each row of `x` to each row of `y`: `(..., n, d)`, `(..., m, d)` -> `(..., n, m)`.

    Equal points have distance zero and gradient zero. torch: `torch.cdist(x, y)`, without its short cut over a
    matrix product that loses digits.
    """
    x, y = promoted(x, y, ints="floatx")
    _check_points(tuple(x.shape), tuple(y.shape))
    wide = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
    distances = torch.cdist(x.to(wide), y.to(wide), compute_mode="donot_use_mm_for_euclid_dist")
    return distances.to(x.dtype)


# -- complex numbers --------------------------------------------------------------------------------------------------


def _check_parts(shape):
    if not shape or shape[-1] not in (2, None):
        raise ValueError(f"The last axis must hold (real, imag) and so have size 2, got shape {tuple(shape)}.")


def _complex_spec(x):
    _check_parts(x.shape)
    return KerasTensor(x.shape[:-1], "complex64")


@operation("ViewAsComplex", "math", output_spec=_complex_spec)
def view_as_complex(x):
    """complex64 numbers of a last axis that holds their two parts: `(..., 2)` -> `(...)`."""
    x = as_tensor(x)
    _check_parts(x.shape)
    return torch.view_as_complex(x.to(torch.float32).contiguous())


def _real_spec(x):
    dtype = {"complex64": "float32", "complex128": "float64"}.get(x.dtype, x.dtype)
    return KerasTensor((*x.shape, 2), dtype)


@operation("ViewAsReal", "math", output_spec=_real_spec)
def view_as_real(x):
    """A new last axis with the real and imaginary parts: `(...)` -> `(..., 2)`; the second is zero for real numbers."""
    x = as_tensor(x)
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else torch.stack((x, torch.zeros_like(x)), -1)
