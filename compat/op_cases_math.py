"""Cases of the differential test for Fourier transforms, segments, CTC, linear algebra and the core functions.

May import numpy and the form of a case. Knows neither library.
"""

import numpy as np

from compat.op_cases import Case, f, i, restart, visible

restart(2)


def ids(*values):
    """Segment numbers."""
    return np.array(values, "int32")


def spd(*batch, size=3):
    """Symmetric positive definite matrices."""
    x = f(*batch, size, size)
    return (x @ x.swapaxes(-1, -2) + 2 * np.eye(size)).astype("float32")


def triangle(*batch, size=3):
    """Well conditioned lower triangles."""
    return (np.tril(f(*batch, size, size)) + 4 * np.eye(size)).astype("float32")


_SEGMENTS = ("segment_sum", "segment_max", "segment_min", "segment_prod")

CASES = [
    # Fourier
    *(Case(name, (f(3, 8), f(3, 8))) for name in ("fft", "irfft")),
    *(Case(name, (f(3, 4, 6), f(3, 4, 6))) for name in ("fft", "fft2", "ifft2")),
    *(Case(name, (f(3, 8).astype("float64"), f(3, 8).astype("float64"))) for name in ("fft", "irfft")),
    Case("irfft", (f(3, 5), f(3, 5)), fft_length=7),
    Case("rfft", f(3, 8)),
    Case("rfft", f(3, 2, 7), fft_length=5),
    Case("rfft", f(3, 4), 8),
    Case("stft", f(3, 40), 8, 4, 8),
    Case("stft", f(3, 2, 40), 6, 3, 9, window="hamming"),
    Case("stft", f(3, 40), 8, 4, 10, window=None, center=False),
    Case("stft", f(40), 8, 4, 8, symbolic=False),
    Case("stft", f(3, 40), 6, 2, 8, window=f(6), config=False),
    Case("istft", (f(3, 9, 5), f(3, 9, 5)), 8, 4, 8),
    Case("istft", (f(3, 2, 9, 5), f(3, 2, 9, 5)), 8, 4, 8, length=20),
    Case("istft", (f(3, 9, 6), f(3, 9, 6)), 7, 3, 10),
    Case("istft", (f(3, 9, 6), f(3, 9, 6)), 8, 4, 10, center=False),
    Case("istft", (f(3, 2, 9, 6), f(3, 2, 9, 6)), 8, 4, 10, window="hamming", length=21),
    Case("istft", (f(3, 9, 5), f(3, 9, 5)), 8, 4, 8, window=None),
    Case("istft", (f(3, 9, 5), f(3, 9, 5)), 8, 3, 8, center=False, length=17),
    Case("extract_sequences", f(3, 11), 4, 3),
    Case("extract_sequences", i(3, 2, 9), 3, 1),
    Case("view_as_complex", f(3, 4, 2), gradient=False),
    Case("view_as_real", (f(3, 4) + 1j * f(3, 4)).astype("complex64")),
    # segments
    *(Case(name, f(6, 2), ids(0, 2, 0, 1, 2, 2), 4) for name in _SEGMENTS),
    *(Case(name, f(6), ids(0, 0, 1, 1, 1, 2), sorted=True) for name in _SEGMENTS),
    *(Case(name, f(6, 2, 3), ids(0, -1, 0, 7, 2, 2), num_segments=3) for name in _SEGMENTS),
    *(Case(name, i(6, 2), ids(0, 2, 0, 1, 2, 2), num_segments=3) for name in _SEGMENTS),
    *(Case(name, f(6, 2).astype("float16"), ids(0, 2, 0, 1, 2, 2)) for name in _SEGMENTS),
    *(Case(name, i(6, 2).astype("int64"), ids(0, 2, 0, 1, 2, 2).astype("int64")) for name in _SEGMENTS),
    # CTC
    Case("ctc_loss", i(3, 4, low=1), f(3, 9, 5), ids(4, 2, 3), ids(9, 6, 8)),
    Case("ctc_loss", i(3, 4, high=4), f(3, 9, 5), ids(4, 2, 3), ids(9, 6, 8), mask_index=4),
    Case("ctc_decode", f(3, 9, 5), ids(9, 6, 8), gradient=False),
    Case("ctc_decode", f(3, 9, 5), ids(9, 6, 8), merge_repeated=False, mask_index=None, gradient=False),
    Case("ctc_decode", f(3, 9, 5), ids(9, 6, 8), "beam_search", 7, 3, gradient=False),
    Case("ctc_decode", f(3, 6, 4), ids(1, 6, 3), strategy="beam_search", mask_index=None, gradient=False),
    # linear algebra
    *(Case(name, spd(2)) for name in ("cholesky", "det", "inv", "logdet")),
    Case("cholesky", spd(2), upper=True),
    Case("cholesky_inverse", triangle(2)),
    Case("cholesky_inverse", triangle(2).swapaxes(1, 2), upper=True),
    Case("slogdet", f(3, 3), symbolic=False),
    Case("slogdet", f(2, 3, 3), symbolic=False),
    Case("lstsq", f(5, 3), f(5, 2), rcond=1e-3, symbolic=False, gradient=False),
    Case("lstsq", f(5, 3), f(5, 2), symbolic=False),
    Case("lstsq", f(5, 3), f(5), symbolic=False),
    Case("lu_factor", f(2, 3, 3), symbolic=False),
    Case("lu_factor", f(2, 4, 3), symbolic=False, gradient=False),
    Case("matrix_rank", f(2, 4, 3)),
    Case("matrix_rank", f(2, 4, 3), tol=1.5),
    Case("pinv", f(2, 4, 3)),
    Case("pinv", f(2, 4, 3), rcond=0.5),
    Case("solve", f(2, 3, 3), f(2, 3), symbolic=False),
    Case("solve_triangular", triangle(2), f(2, 3, 2), lower=True),
    Case("solve_triangular", triangle(2), f(2, 3), lower=True),
    Case("solve_triangular", triangle(2).swapaxes(1, 2), f(2, 3, 2)),
    Case("svd", f(2, 4, 3), gradient=False),
    Case("svd", f(2, 4, 3), full_matrices=False, gradient=False),
    Case("svd", f(2, 3, 4), compute_uv=False),
    Case("qr", f(2, 3, 4), mode="complete", gradient=False),
    Case("eigh", spd(2), gradient=False),
    Case("norm", f(3, 4)),
    Case("norm", i(3, 4)),
    Case("norm", f(3, 4, 5), ord="nuc", axis=(1, 2)),
    Case("norm", f(3, 4, 5), ord=float("inf"), axis=[1, 2], keepdims=True, config=False),
    Case("norm", f(3, 4, 5), ord=3, axis=-1),
    Case("cdist", f(3, 2), f(4, 2)),
    Case("cdist", f(3, 1, 4, 2), f(5, 3, 2)),
    Case("cdist", f(3, 4, 2), i(3, 5, 2)),
    Case("cdist", f(3, 4, 2).astype("float64"), f(3, 5, 2), symbolic=False),
    # rearrange
    Case("rearrange", f(3, 4, 5), "b h w -> b w h", config=False, symbolic=False),
    Case("rearrange", f(3, 6, 4), "b (h w) c -> b c h w", h=3, symbolic=False),
    Case("rearrange", f(3, 6, 4), "b (h w) c -> (b c) (w h)", w=3, symbolic=False),
    # core
    Case("slice", f(3, 4, 5), [0, 1, 2], [3, 2, 3], symbolic=False),
    Case("slice", f(3, 4), np.array([1, 2]), (2, 1), symbolic=False),
    Case("slice_update", f(3, 4), np.array([1, 2]), f(2, 2), symbolic=False),
    Case("slice_update", f(3, 4, 5), [0, 1, 2], f(3, 2, 2), symbolic=False),
    Case("scatter", np.array([[0], [2], [0]]), f(3, 2), (4, 2), symbolic=False),
    Case("scatter", np.array([[[0, 1], [2, 0]]]), f(1, 2), (4, 2), symbolic=False),
    Case("scatter", np.array([[0, 1], [2, 0], [0, 1]]), i(3), (4, 2), symbolic=False),
    *(
        Case(
            "scatter_update",
            f(4, 3),
            np.array([[0], [2], [0]]),
            f(3, 3),
            reduction=reduction,
            symbolic=False,
            gradient=False,
        )
        for reduction in ("add", "max", "min", "mul", "MAX")
    ),
    *(
        Case("scatter_update", i(4, 3), np.array([[0, 1], [2, 2], [0, 1]]), i(3), reduction=reduction, symbolic=False)
        for reduction in ("add", "max", "min", "mul")
    ),
    Case("unstack", f(3, 4, 2), axis=-1, config=False),
    Case("unstack", f(3, 4, 2), num=4, axis=1),
    Case("top_k", f(3, 6), 3, sorted=True),
    Case("top_k", i(3, 2, 6, high=50), 1),
    Case("in_top_k", i(3).astype("int64"), f(3, 5), k=1),
    # einsum and attention
    Case("einsum", "bij,bjk->bik", f(3, 2, 4), f(3, 4, 5)),
    Case("einsum", "...ij,jk->...ik", f(3, 2, 4), f(4, 5)),
    Case("einsum", "b...d,de->b...e", f(3, 2, 3, 4), f(4, 5)),
    Case("einsum", "bij->bji", f(3, 2, 4)),
    Case("einsum", "bii->bi", f(3, 4, 4)),
    Case("einsum", "bij,bkj", f(3, 2, 4), f(3, 5, 4), symbolic=False),
    Case("einsum", "bij->", f(3, 2, 4)),
    Case("einsum", "bi,ij,bj->b", f(3, 2), f(2, 4), f(3, 4)),
    Case("einsum", "bij,bjk->bik", i(3, 2, 4).astype("int8"), i(3, 4, 5).astype("int8")),
    Case("dot_product_attention", f(2, 3, 4, 4), f(2, 5, 1, 4), f(2, 5, 1, 4), config=False),
    Case("dot_product_attention", f(2, 3, 2, 4), f(2, 5, 2, 4), f(2, 5, 2, 4), scale=0.3, config=False),
    Case(
        "dot_product_attention",
        f(2, 3, 2, 4),
        f(2, 3, 2, 4),
        f(2, 3, 2, 4),
        bias=f(2, 2, 3, 3),
        is_causal=True,
        gradient=False,
        config=False,
        symbolic=False,
    ),
    Case(
        "dot_product_attention",
        f(2, 3, 2, 4),
        f(2, 3, 2, 4),
        f(2, 3, 2, 4),
        mask=visible(2, 1, 3, 3),
        is_causal=True,
        config=False,
        symbolic=False,
    ),
]
