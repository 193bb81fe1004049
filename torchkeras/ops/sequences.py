"""Windows, spaced numbers, and functions of signals and samples: part of `keras.ops.numpy`.

May import core and the makers.
"""

import torch

from torchkeras.core import scopes
from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import NAMES, result_type, standardize_dtype, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor, any_symbolic
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import as_float, broadcast_shape, canonical_axis, joint_type, shape_of
from torchkeras.ops.creation import logspace

__all__ = [
    "bartlett", "blackman", "corrcoef", "correlate", "geomspace", "hamming", "hanning", "kaiser", "trapezoid",
    "vander",
]  # fmt: skip


def _window(shape, x, **settings):
    if any_symbolic((x, *settings.values()), None):
        raise TypeError("The length of a window must be a number: its shape depends on it.")
    settings = {key: float(value) for key, value in settings.items()}
    return shape(int(x), **settings, dtype=torch_dtype(None), device=scopes.default_device())


def bartlett(x):
    """The triangular window of `x` points, zero at both ends."""
    return _window(torch.signal.windows.bartlett, x)


def blackman(x):
    """The Blackman window of `x` points."""
    return _window(torch.signal.windows.blackman, x)


def hamming(x):
    """The Hamming window of `x` points."""
    return _window(torch.signal.windows.hamming, x)


def hanning(x):
    """The Hann window of `x` points, zero at both ends."""
    return _window(torch.signal.windows.hann, x)


def kaiser(x, beta):
    """The Kaiser window of `x` points; a larger `beta` makes it narrower."""
    return _window(torch.signal.windows.kaiser, x, beta=beta)


def _geomspace_spec(start, stop, num, dtype, axis):
    shape = list(broadcast_shape(shape_of(start), shape_of(stop)))
    shape.insert(canonical_axis(axis, len(shape) + 1), num)
    return KerasTensor(shape, result_type(dtype, float) if dtype else joint_type((start, stop), ints="floatx"))


@operation("Geomspace", "numpy", ("start", "stop"), output_spec=_geomspace_spec)
def _geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    dtype = dtype or joint_type((start, stop), ints="floatx")
    exact = result_type(dtype, float)
    device = next((value.device for value in (start, stop) if isinstance(value, torch.Tensor)), None)
    start, stop = as_tensor(start, exact, device), as_tensor(stop, exact, device)
    exponents = torch.log10(torch.abs(start)), torch.log10(torch.abs(stop))
    result = logspace(*exponents, num=num, endpoint=endpoint, axis=axis)
    sign = torch.sign(torch.broadcast_tensors(start, stop)[0])
    sign = sign.unsqueeze(canonical_axis(axis, sign.dim() + 1))
    return (result * sign).to(torch_dtype(dtype))


def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`num` numbers from `start` to `stop`, each a constant multiple of the one before; both of one sign.

    >>> geomspace(1.0, 8.0, num=4)
    tensor([1.0000, 2.0000, 4.0000, 8.0000])
    """
    return _geomspace(start, stop, num, endpoint, None if dtype is None else standardize_dtype(dtype), axis)


def _vander_spec(x, N):
    return KerasTensor((*x.shape, x.shape[0] if N is None else N), x.dtype)


@operation("Vander", "numpy", output_spec=_vander_spec)
def _vander(x, N=None, increasing=False):
    columns = x.shape[0] if N is None else N
    powers = torch.arange(columns, device=x.device)
    result = x.unsqueeze(-1) ** (powers if increasing else powers.flip(0))
    return result.to(x.dtype)


def vander(x, N=None, increasing=False):
    """The powers of each number as a row, the highest first; of shape `(len(x), N)`.

    Raises `ValueError` where `x` has not one axis or `N` is negative, `TypeError` for other kinds of arguments.
    """
    x = x if any_symbolic((x,), None) else as_tensor(x)
    if len(x.shape) != 1:
        raise ValueError(f"vander needs one axis, got shape {tuple(x.shape)}.")
    if N is not None and not isinstance(N, int):
        raise TypeError(f"`N`, the number of columns, must be an integer, got {N!r}.")
    if N is not None and N < 0:
        raise ValueError(f"`N`, the number of columns, must not be negative, got {N}.")
    if not isinstance(increasing, bool):
        raise TypeError(f"`increasing` must be True or False, got {increasing!r}.")
    return _vander(x, N=N, increasing=increasing)


# -- signals and samples ----------------------------------------------------------------------------------------------


def _signal_type(x1, x2):
    dtype = joint_type((x1, x2))
    return {"int64": "float64"}.get(dtype, dtype if dtype in ("bfloat16", "float16", "float64") else "float32")


def _correlate_spec(x1, x2, mode):
    sizes = [shape_of(x) for x in (x1, x2)]
    if any(len(size) != 1 for size in sizes):
        raise ValueError(f"correlate needs tensors with one axis, got shapes {sizes[0]} and {sizes[1]}.")
    (first,), (second,) = sizes
    known = first is not None and second is not None
    return KerasTensor((_correlated_length(first, second, mode) if known else None,), _signal_type(x1, x2))


def _correlated_length(first, second, mode):
    lengths = {"valid": abs(first - second) + 1, "same": max(first, second), "full": first + second - 1}
    if mode not in lengths:
        raise ValueError(f"mode must be 'valid', 'same' or 'full', got {mode!r}.")
    return lengths[mode]


@operation("Correlate", "numpy", ("x1", "x2"), output_spec=_correlate_spec)
def correlate(x1, x2, mode="valid"):
    """The sums of products of two sequences of one axis, shifted against each other, as `numpy.correlate`.

    Args:
        mode: "valid" where they overlap fully, "same" for the longer one's length, "full" for every overlap.
    """
    dtype = _signal_type(x1, x2)
    device = next((value.device for value in (x1, x2) if isinstance(value, torch.Tensor)), None)
    x1, x2 = as_tensor(x1, dtype, device), as_tensor(x2, dtype, device)
    if x1.dim() != 1 or x2.dim() != 1:
        raise ValueError(f"correlate needs tensors with one axis, got shapes {tuple(x1.shape)} and {tuple(x2.shape)}.")
    first, second = x1.shape[0], x2.shape[0]
    length = _correlated_length(first, second, mode)
    full = torch.nn.functional.conv1d(x1[None, None], x2[None, None], padding=second - 1)[0, 0]
    if mode == "valid":
        start = min(first, second) - 1
    elif mode == "same":
        start = (second - 1) // 2 if first >= second else first // 2
    else:
        start = 0
    return full[start : start + length]


def _corrcoef_type(dtype):
    return "float64" if dtype == "int64" else result_type(dtype, float)


def _corrcoef_spec(x):
    return KerasTensor((x.shape[0], x.shape[0]) if len(x.shape) == 2 else (), _corrcoef_type(x.dtype))


@operation("Corrcoef", "numpy", output_spec=_corrcoef_spec)
def corrcoef(x):
    """Pearson's correlations between the rows of a matrix: a square matrix; of a vector, the number 1."""
    x = as_tensor(x)
    result = torch_dtype(_corrcoef_type(NAMES[x.dtype]))
    exact = torch.float32 if result in (torch.float16, torch.bfloat16) else result
    rows = x.to(exact).reshape(1, -1) if x.dim() < 2 else x.to(exact)
    centred = rows - rows.mean(-1, keepdim=True)
    products = centred @ centred.mT
    norms = torch.sqrt(torch.diagonal(products))
    together = (products / norms.unsqueeze(0) / norms.unsqueeze(1)).clamp(-1, 1)
    return (together[0, 0] if x.dim() < 2 else together).to(result)


def _trapezoid_spec(y, axis):
    axis = canonical_axis(axis, len(y.shape))
    return KerasTensor(y.shape[:axis] + y.shape[axis + 1 :], result_type(y.dtype, float))


@operation("Trapezoid", "numpy", ("y",), output_spec=_trapezoid_spec)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """The integral along `axis` by the trapezoidal rule, between points `x` or points `dx` apart."""
    y = as_float(y)
    if x is None:
        return torch.trapezoid(y, dx=float(dx), dim=axis)
    return torch.trapezoid(y, x=as_tensor(x, device=y.device), dim=axis)
