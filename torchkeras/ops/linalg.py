"""`keras.ops.linalg`: decompositions, norms and systems of equations.

May import core and the makers. All functions work on stacks of matrices in the last two axes.
"""

import torch

from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import as_float, promoted


def _square(x):
    if x.dim() < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"Expected square matrices in the last two axes, got shape {tuple(x.shape)}.")
    return x


@operation("Norm", "linalg")
def norm(x, ord=None, axis=None, keepdims=False):
    """Vector norms along one axis, matrix norms over two; the Euclidean norm of all numbers by default.

    Args:
        ord: None, a number, `inf`, `-inf`, or for matrices also "fro", "nuc".
    """
    x = as_float(x)
    if isinstance(axis, list):
        axis = tuple(axis)
    return torch.linalg.norm(x, ord=ord, dim=axis, keepdim=keepdims)


@operation("Cholesky", "linalg")
def cholesky(x, upper=False):
    """The triangular factor of a symmetric positive definite matrix."""
    return torch.linalg.cholesky(_square(as_float(x)), upper=upper)


@operation("Det", "linalg")
def det(x):
    """The determinant."""
    return torch.linalg.det(_square(as_float(x)))


@operation("Inv", "linalg")
def inv(x):
    """The inverse matrix."""
    return torch.linalg.inv(_square(as_float(x)))


@operation("Eigh", "linalg")
def eigh(x):
    """`(eigenvalues, eigenvectors)` of a symmetric matrix, ascending."""
    return tuple(torch.linalg.eigh(_square(as_float(x))))


@operation("Qr", "linalg")
def qr(x, mode="reduced"):
    """`(q, r)` with orthonormal columns in `q` and an upper triangle `r`; mode "reduced" or "complete"."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"`mode` must be 'reduced' or 'complete', got {mode!r}.")
    return tuple(torch.linalg.qr(as_float(x), mode=mode))


@operation("SVD", "linalg")
def svd(x, full_matrices=True, compute_uv=True):
    """`(u, s, vh)` with `x = u @ diag(s) @ vh`; only `s` without `compute_uv`."""
    x = as_float(x)
    return tuple(torch.linalg.svd(x, full_matrices=full_matrices)) if compute_uv else torch.linalg.svdvals(x)


@operation("Solve", "linalg", ("a", "b"))
def solve(a, b):
    """The `x` with `a @ x = b`."""
    a, b = promoted(as_float(a), as_float(b))
    return torch.linalg.solve(_square(a), b)


@operation("SolveTriangular", "linalg", ("a", "b"))
def solve_triangular(a, b, lower=False):
    """The `x` with `a @ x = b` for a triangular `a`."""
    a, b = promoted(as_float(a), as_float(b))
    if b.dim() == a.dim() - 1:
        return torch.linalg.solve_triangular(_square(a), b.unsqueeze(-1), upper=not lower).squeeze(-1)
    return torch.linalg.solve_triangular(_square(a), b, upper=not lower)
