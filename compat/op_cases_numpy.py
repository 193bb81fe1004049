"""Cases for the numpy names of `keras.ops` in the rooms `nan_reductions`, `sequences`, `counting` and `arrangement`.

May import numpy and the form of cases. Knows neither library.
"""

import numpy as np

from compat.op_cases import Case, b, f, i, restart

restart(3)

NAN, INF = float("nan"), float("inf")


def holes(*shape):
    """Random floats, some of them NaN; the last entry along axis 0 is whole."""
    x = f(*shape)
    x[0, 1] = NAN
    x[1, 0] = NAN
    return x


_ASCENDING = np.array([-1.5, -0.5, 0.0, 0.5, 1.0], "float32")
_ALL_MISSING = np.array([[NAN, NAN], [1.0, NAN], [2.0, -INF]], "float32")
_COUNTED = np.array([[0, 1, 1, 3], [0, 3, 3, 2], [3, 2, 1, 0]], "int32")
_REPEATED = np.array([3.0, 1.0, 2.0, 1.0, 3.0], "float32")
_POSITIVE = {"low": 0.1, "high": 2.0}
_NAN_REDUCTIONS = "nanmax nanmin nanprod nanvar nanstd nanmedian".split()

CASES = [
    *(Case(name, holes(3, 4, 2)) for name in _NAN_REDUCTIONS),
    *(Case(name, holes(3, 4, 2), axis=1) for name in _NAN_REDUCTIONS),
    *(Case(name, holes(3, 4, 2), axis=(1, -1), keepdims=True) for name in _NAN_REDUCTIONS),
    *(Case(name, _ALL_MISSING, axis=1, gradient=False) for name in _NAN_REDUCTIONS),
    *(Case(name, i(3, 4), axis=1) for name in _NAN_REDUCTIONS),
    *(Case(name, holes(3, 4).astype("float16"), axis=1, gradient=False) for name in _NAN_REDUCTIONS[:4]),
    *(Case(name, holes(3, 4)) for name in ("nanargmax", "nanargmin")),
    *(Case(name, _ALL_MISSING, axis=1) for name in ("nanargmax", "nanargmin")),
    *(Case(name, holes(3, 4), axis=0, keepdims=True) for name in ("nanargmax", "nanargmin")),
    *(Case(name, i(3, 4), axis=1) for name in ("nanargmax", "nanargmin")),
    *(Case(name, holes(3, 4), axis=axis) for name in ("nancumsum", "nancumprod") for axis in (None, 0, 1)),
    Case("nancumsum", b(3, 4), axis=1),
    Case("nancumprod", i(3, 4), axis=1, dtype="float32"),
    *(Case(name, holes(3, 4), 0.3, axis=1) for name in ("nanquantile",)),
    Case("nanquantile", holes(3, 4, 2), np.array([0.1, 0.5], "float32"), axis=(1, 2), keepdims=True),
    *(Case("nanquantile", holes(3, 4), 0.4, axis=1, method=m) for m in ("lower", "higher", "midpoint", "nearest")),
    Case("nanquantile", i(3, 4), 0.5, axis=1),
    Case("nanpercentile", holes(3, 4), 30, axis=1),
    Case("nanpercentile", holes(3, 4), np.array([10.0, 50.0], "float32"), axis=1, keepdims=True),
    Case("percentile", f(3, 4), 30.0, axis=1),
    Case("percentile", f(3, 4, 2), np.array([10.0, 50.0], "float32"), axis=1, keepdims=True),
    Case("percentile", f(3, 4), 30.0, axis=1, method="higher"),
    Case("percentile", i(3, 4), 75.0),
    *(Case(name, 7, symbolic=False) for name in ("bartlett", "blackman", "hamming", "hanning")),
    *(Case(name, 1, symbolic=False) for name in ("bartlett", "blackman", "hamming", "hanning")),
    Case("kaiser", 7, 8.6, symbolic=False),
    Case("geomspace", 1.0, 1000.0, num=4, symbolic=False),
    Case("geomspace", -1.0, -8.0, num=3, endpoint=False, symbolic=False),
    Case("geomspace", 1, 256, num=9, dtype="float64", symbolic=False),
    Case("geomspace", f(3, **_POSITIVE), f(3, **_POSITIVE), num=5, config=False),
    Case("vander", f(3), gradient=False),
    Case("vander", f(3), N=2, increasing=True, gradient=False),
    Case("vander", i(3), N=4),
    Case("correlate", f(5), f(3), symbolic=False),
    Case("correlate", f(3), f(5), symbolic=False),
    Case("correlate", f(5), f(3), mode="full", symbolic=False),
    Case("correlate", f(6), f(4), mode="same", symbolic=False),
    Case("correlate", i(6), i(4), mode="same", symbolic=False),
    Case("corrcoef", f(3, 5), symbolic=False),
    Case("corrcoef", f(5), symbolic=False),
    Case("corrcoef", i(3, 5).astype("int64"), symbolic=False),
    Case("trapezoid", f(3, 4)),
    Case("trapezoid", f(3, 4), dx=0.5, axis=0),
    Case("trapezoid", f(3, 4), x=np.sort(f(4)), config=False),
    Case("trapezoid", i(3, 4), axis=1),
    Case("bincount", _COUNTED[0], symbolic=False),
    Case("bincount", _COUNTED, minlength=6),
    Case("bincount", _COUNTED, weights=f(3, 4), symbolic=False, gradient=False),
    Case("bincount", _COUNTED[0], weights=_COUNTED[1], minlength=1, symbolic=False),
    Case("digitize", f(3, 4), _ASCENDING),
    Case("digitize", i(3, 4), np.array([1, 3], "int32")),
    Case("searchsorted", _ASCENDING, f(3, 4), symbolic=False),
    Case("searchsorted", _ASCENDING, _ASCENDING, side="right", symbolic=False),
    Case("isin", i(3, 4), np.array([1, 3], "int32")),
    Case("isin", i(3, 4), np.array([1, 3], "int32"), invert=True),
    Case("isin", b(3, 4), np.array([1, 3], "int32")),
    Case("histogram", f(20), gradient=False, symbolic=False),
    Case("histogram", f(20), gradient=False, bins=4, range=(-1.0, 1.5), symbolic=False),
    Case("histogram", np.ones(4, "float32"), bins=4, gradient=False, symbolic=False),
    Case("unravel_index", i(3, 4, high=23), (4, 6)),
    Case("unravel_index", i(3, high=23), (2, 3, 4)),
    Case("unique", _REPEATED, gradient=False),
    Case("unique", _COUNTED, return_counts=True, return_inverse=True, symbolic=False),
    Case(
        "unique", _REPEATED, return_index=True, return_inverse=True, return_counts=True, gradient=False, symbolic=False
    ),
    Case("unique", _REPEATED, size=2, return_index=True, gradient=False, symbolic=False),
    Case("unique", _REPEATED, size=5, fill_value=-1.0, return_counts=True, gradient=False, symbolic=False),
    Case("unique", np.array([[1, 2], [1, 2], [0, 1]], "int32"), axis=0, return_counts=True, symbolic=False),
    Case("unique", f(3, 4), axis=1, size=3, gradient=False, symbolic=False),
    Case("hsplit", f(3, 4), 2),
    Case("hsplit", f(3, 6), [1, 3]),
    Case("hsplit", f(4), 2, symbolic=False),
    Case("vsplit", f(4, 3), [1, 3], symbolic=False),
    Case("dsplit", f(3, 2, 4), 2),
    Case("dsplit", f(3, 2, 4), (1, 2)),
    Case("fliplr", f(3, 4)),
    Case("flipud", f(3, 4)),
    Case("diagflat", f(3, 2)),
    Case("diagflat", f(3), k=-1),
    Case("view", i(3, 4), dtype="float32", gradient=False),
    Case("view", i(3, 4), dtype="uint8"),
    Case("view", i(3, 4), dtype="int64"),
    Case("view", f(3, 4).astype("float16"), dtype="int32", gradient=False),
    Case("select", [b(3, 4), b(3, 4)], [f(3, 4), f(3, 4)]),
    Case("select", [b(3, 4), b(3, 4)], [f(3, 4), f(3, 4)], 1.5),
    Case("allclose", f(3, 4), f(3, 4)),
    Case("allclose", np.ones(3, "float32"), np.ones(3, "float32") + np.float32(1e-6), config=False),
    Case("allclose", np.array([NAN, 1.0], "float32"), np.array([NAN, 1.0], "float32"), equal_nan=True),
    Case("allclose", i(3, 4), i(3, 4), atol=10.0, config=False),
    Case("kron", f(3, 2), f(2, 2)),
    Case("kron", i(3, 2), f(2, 2)),
    Case("kron", f(3), f(2), symbolic=False),
    Case("ldexp", f(3, 4), i(3, 4)),
    Case("ldexp", f(3, 4).astype("float16"), i(4)),
    Case("ldexp", i(3, 4), i(3, 4)),
]
