"""`keras.ops.linalg`: decompositions, norms and systems of equations.

May import core and the makers. All functions work on stacks of matrices in the last two axes.
"""

import torch

from torchkeras.core import shape_probe, tree
from torchkeras.core.conversion import as_tensor
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import as_float, axes_of, joint_type, promoted, reduced_shape, shape_of

__all__ = [
    "cholesky", "cholesky_inverse", "det", "eig", "eigh", "inv", "jvp", "lstsq", "lu_factor", "matrix_rank", "norm",
    "pinv", "qr", "solve", "solve_triangular", "svd",
]  # fmt: skip

# -- checks and rules -------------------------------------------------------------------------------------------------


def _check_matrix(x):
    shape = tuple(shape_of(x))
    if len(shape) < 2:
        raise ValueError(f"Expected matrices in the last two axes, got shape {shape}.")
    return shape


def _check_square(x):
    shape = _check_matrix(x)
    if None not in shape[-2:] and shape[-1] != shape[-2]:
        raise ValueError(f"Expected square matrices in the last two axes, got shape {shape}.")
    return shape


def _matrix(x):
    x = as_float(x)
    _check_matrix(x)
    return x


def _square(x):
    x = as_float(x)
    _check_square(x)
    return x


def _float_spec(shape, *tensors):
    return KerasTensor(Shape(shape), joint_type(tensors, ints="floatx"))


def _square_spec(x):
    return _float_spec(_check_square(x), x)


def _smaller(rows, columns):
    return None if None in (rows, columns) else min(rows, columns)


# -- norms and determinants -------------------------------------------------------------------------------------------

_MATRIX_ORDERS = (None, "fro", "nuc", 1, -1, 2, -2, float("inf"), float("-inf"))


def _check_norm(ord, axes):
    if isinstance(ord, str) and ord not in ("fro", "nuc"):
        raise ValueError(f"`ord` must be 'fro', 'nuc' or a number, got {ord!r}.")
    if len(axes) == 1 and isinstance(ord, str):
        raise ValueError(f"ord={ord!r} is a norm of matrices, but axis={axes} is one axis: give two axes.")
    if len(axes) == 2 and ord not in _MATRIX_ORDERS:
        raise ValueError(f"ord={ord!r} is no norm of matrices; those are {_MATRIX_ORDERS}.")


def _norm_spec(x, ord, axis, keepdims):
    _check_norm(ord, axes_of(axis, len(x.shape)))
    return _float_spec(reduced_shape(x.shape, axis, keepdims), x)


@operation("Norm", "linalg", output_spec=_norm_spec)
def norm(x, ord=None, axis=None, keepdims=False):
    """Vector norms along one axis, matrix norms over two; the Euclidean norm of all numbers by default.

    Args:
        ord: None, a number, `inf`, `-inf`, or for matrices also "fro", "nuc".
    """
    x = as_float(x)
    axes = axes_of(axis, x.dim())
    if axis is not None or ord is not None:
        _check_norm(ord, axes)
    return torch.linalg.norm(x, ord=ord, dim=None if axis is None else axes, keepdim=bool(keepdims))


@operation("Det", "linalg", output_spec=lambda x: _float_spec(_check_square(x)[:-2], x))
def det(x):
    """The determinant."""
    return torch.linalg.det(_square(x))


@operation("MatrixRank", "linalg", output_spec=lambda x: KerasTensor(_check_matrix(x)[:-2], "int32"))
def matrix_rank(x, tol=None):
    """The number of singular values above `tol`, as int32.

    Args:
        tol: by default the largest singular value times the longer side times the dtype's precision.
    """
    return torch.linalg.matrix_rank(_matrix(x), atol=tol).to(torch.int32)


# -- decompositions ---------------------------------------------------------------------------------------------------


@operation("Cholesky", "linalg", output_spec=_square_spec)
def cholesky(x, upper=False):
    """The triangular factor of a symmetric positive definite matrix. Raises `ValueError` where `x` is none."""
    x = _square(x)
    try:
        return torch.linalg.cholesky(x, upper=upper)
    except (torch.linalg.LinAlgError, NotImplementedError) as error:
        raise ValueError(f"cholesky needs symmetric positive definite matrices: {error}") from error


@operation("CholeskyInverse", "linalg", output_spec=_square_spec)
def cholesky_inverse(x, upper=False):
    """The inverse of a matrix from its triangular Cholesky factor `x`.

    torch: `torch.cholesky_inverse(x, upper=upper)`.
    """
    try:
        return torch.cholesky_inverse(_square(x), upper=upper)
    except NotImplementedError as error:
        raise ValueError(f"cholesky_inverse needs float32 or float64 matrices: {error}") from error


def _eigh_spec(x):
    shape = _check_square(x)
    return _float_spec(shape[:-1], x), _float_spec(shape, x)


@operation("Eigh", "linalg", output_spec=_eigh_spec)
def eigh(x):
    """`(eigenvalues, eigenvectors)` of a symmetric matrix, ascending."""
    return tuple(torch.linalg.eigh(_square(x)))


def _eig_spec(x):
    shape = _check_square(x)
    dtype = "complex128" if joint_type((x,), ints="floatx") in ("float64", "complex128") else "complex64"
    return KerasTensor(shape[:-1], dtype), KerasTensor(shape, dtype)


@operation("Eig", "linalg", output_spec=_eig_spec)
def eig(x):
    """`(eigenvalues, eigenvectors)` of any square matrix, complex."""
    return tuple(torch.linalg.eig(_square(x)))


def _qr_spec(x, mode):
    *batch, rows, columns = _check_matrix(x)
    _check_mode(mode)
    inner = _smaller(rows, columns) if mode == "reduced" else rows
    return _float_spec((*batch, rows, inner), x), _float_spec((*batch, inner, columns), x)


def _check_mode(mode):
    if mode not in ("reduced", "complete"):
        raise ValueError(f"`mode` must be 'reduced' or 'complete', got {mode!r}.")


@operation("Qr", "linalg", output_spec=_qr_spec)
def qr(x, mode="reduced"):
    """`(q, r)` with orthonormal columns in `q` and an upper triangle `r`; mode "reduced" or "complete"."""
    _check_mode(mode)
    return tuple(torch.linalg.qr(_matrix(x), mode=mode))


def _svd_spec(x, full_matrices, compute_uv):
    *batch, rows, columns = _check_matrix(x)
    inner = _smaller(rows, columns)
    values = _float_spec((*batch, inner), x)
    if not compute_uv:
        return values
    left = _float_spec((*batch, rows, rows if full_matrices else inner), x)
    return left, values, _float_spec((*batch, columns if full_matrices else inner, columns), x)


@operation("SVD", "linalg", output_spec=_svd_spec)
def svd(x, full_matrices=True, compute_uv=True):
    """`(u, s, vh)` with `x = u @ diag(s) @ vh`; only `s` without `compute_uv`."""
    x = _matrix(x)
    return tuple(torch.linalg.svd(x, full_matrices=full_matrices)) if compute_uv else torch.linalg.svdvals(x)


def _lu_spec(x):
    *batch, rows, columns = _check_matrix(x)
    return _float_spec((*batch, rows, columns), x), KerasTensor((*batch, _smaller(rows, columns)), "int32")


@operation("LuFactor", "linalg", output_spec=_lu_spec)
def lu_factor(x):
    """`(lu, pivots)`: both triangles in one matrix, and the row swapped with row i at step i, counted from 0 (int32).

    torch: `torch.linalg.lu_factor(x)`, whose pivots count from 1.
    """
    lu, pivots = torch.linalg.lu_factor(_matrix(x))
    return lu, pivots - 1


# -- inverses and systems of equations --------------------------------------------------------------------------------


@operation("Inv", "linalg", output_spec=_square_spec)
def inv(x):
    """The inverse matrix."""
    return torch.linalg.inv(_square(x))


def _pinv_spec(x):
    *batch, rows, columns = _check_matrix(x)
    return _float_spec((*batch, columns, rows), x)


@operation("Pinv", "linalg", output_spec=_pinv_spec)
def pinv(x, rcond=None):
    """The pseudo-inverse of Moore and Penrose: `(..., n, m)` -> `(..., m, n)`.

    Args:
        rcond: singular values below this part of the largest one count as zero; by default the longer side times the
            dtype's precision.
    """
    return torch.linalg.pinv(_matrix(x), rtol=rcond)


def _solve_spec(a, b):
    _check_system(a, b)
    return _float_spec(shape_of(b), a, b)


def _check_system(a, b):
    left, right = _check_square(a), tuple(shape_of(b))
    if not right:
        raise ValueError("The right side `b` must have at least one axis, got a scalar.")
    rows = right[-2] if len(right) >= len(left) else right[-1]
    if None not in (left[-1], rows) and left[-1] != rows:
        raise ValueError(f"The rows of `a` and `b` do not fit: shapes {left} and {right}.")


@operation("Solve", "linalg", ("a", "b"), output_spec=_solve_spec)
def solve(a, b):
    """The `x` with `a @ x = b`."""
    a, b = promoted(a, b, ints="floatx")
    _check_system(a, b)
    return torch.linalg.solve(a, b)


@operation("SolveTriangular", "linalg", ("a", "b"), output_spec=_solve_spec)
def solve_triangular(a, b, lower=False):
    """The `x` with `a @ x = b` for a triangular `a`."""
    a, b = promoted(a, b, ints="floatx")
    _check_system(a, b)
    if b.dim() == a.dim() - 1:
        return torch.linalg.solve_triangular(a, b.unsqueeze(-1), upper=not lower).squeeze(-1)
    return torch.linalg.solve_triangular(a, b, upper=not lower)


def _lstsq_spec(a, b):
    _check_least_squares(a, b)
    return _float_spec((shape_of(a)[1], *shape_of(b)[1:]), a, b)


def _check_least_squares(a, b):
    left, right = tuple(shape_of(a)), tuple(shape_of(b))
    if len(left) != 2 or len(right) not in (1, 2):
        raise ValueError(f"lstsq needs a matrix `a` and a vector or matrix `b`, got shapes {left} and {right}.")
    if None not in (left[0], right[0]) and left[0] != right[0]:
        raise ValueError(f"lstsq: `a` and `b` must have as many rows, got shapes {left} and {right}.")


@operation("Lstsq", "linalg", ("a", "b"), output_spec=_lstsq_spec)
def lstsq(a, b, rcond=None):
    """The `x` with the least `norm(a @ x - b)`; of several the shortest, where the device has a solver for that.

    Args:
        a: `(m, n)`.
        b: `(m,)` or `(m, k)`.
        rcond: singular values below this part of the largest one count as zero.

    Returns:
        `(n,)` or `(n, k)`.

    torch: `torch.linalg.lstsq(a, b).solution`. On CUDA, whose solver knows no `rcond`, one means `pinv(a, rcond) @ b`.
    """
    a, b = promoted(a, b, ints="floatx")
    _check_least_squares(a, b)
    if rcond is None:
        return torch.linalg.lstsq(a, b).solution
    if a.device.type == "cuda":
        return torch.linalg.pinv(a, rtol=rcond) @ b
    return torch.linalg.lstsq(a, b, rcond=rcond, driver="gelsd").solution


# -- derivatives ------------------------------------------------------------------------------------------------------


def _jvp_spec(fun, primals, tangents, has_aux):
    outputs = shape_probe.infer(fun, tuple(primals), {})
    value, *aux = outputs if has_aux else (outputs,)
    return value, tree.map_structure(lambda x: KerasTensor(x.shape, x.dtype), value), *aux


@operation("JVP", "linalg", ("fun", "primals", "tangents"), output_spec=_jvp_spec)
def jvp(fun, primals, tangents, has_aux=False):
    """The value of a function and its derivative in a direction (forward mode).

    Args:
        fun: function of tensors.
        primals: tuple of its arguments.
        tangents: tuple of directions, shaped like `primals`.
        has_aux: `fun` returns `(value, aux)`; `aux` is passed on.

    Returns:
        `(value, tangent)`, and `aux` where there is one.

    torch: `torch.func.jvp(fun, primals, tangents)`.
    """
    primals = tree.map_structure(as_tensor, tuple(primals))
    tangents = tree.map_structure(as_tensor, tuple(tangents))
    return torch.func.jvp(fun, primals, tangents, has_aux=has_aux)
