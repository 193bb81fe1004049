"""Activation functions of `keras.ops.nn`.

May import core and the makers.
"""

import torch
from torch.nn import functional as F

from torchkeras.core.conversion import NUMBERS, as_tensor
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.scopes import state
from torchkeras.core.scores import tell
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import axes_of, same, unary

__all__ = [
    "celu", "elu", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu",
    "log_sigmoid", "log_softmax", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus",
    "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh_shrink", "threshold",
]  # fmt: skip


def _nn(keras_class, function, doc, name=None):
    return unary(keras_class, function, doc, module="nn", name=name, depth=3)


def told_sigmoid(x):
    """torch's sigmoid, told to a step of training (core/scores.py)."""
    outputs = torch.sigmoid(x)
    if state.scores is not None:
        tell(outputs, x)
    return outputs


relu = _nn("Relu", torch.relu, "`max(x, 0)`.")
relu6 = _nn("Relu6", F.relu6, "`min(max(x, 0), 6)`.")
sigmoid = _nn("Sigmoid", told_sigmoid, "`1 / (1 + exp(-x))`.")
silu = _nn("Silu", F.silu, "`x * sigmoid(x)`, also called swish.")
softplus = _nn("Softplus", F.softplus, "`log(exp(x) + 1)`; linear above 20.")
softsign = _nn("Softsign", F.softsign, "`x / (abs(x) + 1)`.")
selu = _nn("Selu", F.selu, "Scaled exponential linear unit (Klambauer et al. 2017).")
log_sigmoid = _nn("LogSigmoid", F.logsigmoid, "`log(sigmoid(x))` without loss of precision.")
hard_sigmoid = _nn("HardSigmoid", F.hardsigmoid, "`relu6(x + 3) / 6`.")
hard_silu = _nn("HardSilu", F.hardswish, "`x * hard_sigmoid(x)`.")
hard_tanh = _nn("HardTanh", F.hardtanh, "`x` cut off at -1 and 1.")
tanh_shrink = _nn("TanhShrink", F.tanhshrink, "`x - tanh(x)`.")
sparse_plus = _nn(
    "SparsePlus",
    lambda x: torch.where(x <= -1, torch.zeros_like(x), torch.where(x < 1, 0.25 * (x + 1) ** 2, x)),
    "0 below -1, `x` above 1, `(x + 1)**2 / 4` between.",
)
sparse_sigmoid = _nn(
    "SparseSigmoid",
    lambda x: torch.where(x <= -1, 0.0, torch.where(x >= 1, 1.0, 0.5 * (x + 1))),
    "0 below -1, 1 above 1, straight between.",
)
swish, hard_swish = silu, hard_silu


@operation("LeakyRelu", "nn", output_spec=same)
def leaky_relu(x, negative_slope=0.2):
    """`x` where positive, `negative_slope * x` elsewhere."""
    return F.leaky_relu(as_tensor(x), negative_slope)


@operation("Elu", "nn", output_spec=same)
def elu(x, alpha=1.0):
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere."""
    return F.elu(as_tensor(x), alpha)


@operation("Celu", "nn", output_spec=same)
def celu(x, alpha=1.0):
    """`max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))`."""
    return F.celu(as_tensor(x), alpha)


@operation("Gelu", "nn", output_spec=same)
def gelu(x, approximate=True):
    """`x` times the normal distribution's cumulative function; `approximate` takes the tanh formula.

    Source: Hendrycks and Gimpel 2016. torch: `F.gelu(x, approximate="tanh")`.
    """
    return F.gelu(as_tensor(x), approximate="tanh" if approximate else "none")


@operation("Glu", "nn")
def glu(x, axis=-1):
    """The first half of `x` along `axis` times the sigmoid of the second half."""
    return F.glu(as_tensor(x), axis)


@operation("SoftShrink", "nn", output_spec=same)
def soft_shrink(x, threshold=0.5):
    """`x` moved towards zero by `threshold`; zero within."""
    return F.softshrink(as_tensor(x), threshold)


@operation("HardShrink", "nn", output_spec=same)
def hard_shrink(x, threshold=0.5):
    """`x`, but zero where its magnitude is at most `threshold`."""
    return F.hardshrink(as_tensor(x), threshold)


@operation("Threshold", "nn", output_spec=same)
def threshold(x, threshold, default_value):
    """`x` where above `threshold`, `default_value` elsewhere."""
    return F.threshold(as_tensor(x), threshold, default_value)


@operation("Squareplus", "nn", output_spec=same)
def squareplus(x, b=4):
    """`(x + sqrt(x**2 + b)) / 2`."""
    x = as_tensor(x)
    b = b if isinstance(b, NUMBERS) else as_tensor(b, x.dtype, x.device)
    return (x + torch.sqrt(x * x + b)) / 2


def _along_axis(x, axis):
    axes_of(axis, len(x.shape) or 1)
    return KerasTensor(x.shape, x.dtype)


@operation("Softmax", "nn", output_spec=_along_axis)
def softmax(x, axis=-1):
    """`exp(x)` scaled to sum to one along `axis`: an axis, several axes taken together, or None for all.

    torch: `torch.softmax(x, dim)`.
    """
    return _over_axes(told_softmax, as_tensor(x), axis)


def told_softmax(x, axis):
    """torch's softmax, told to a step of training (core/scores.py)."""
    outputs = torch.softmax(x, axis)
    if state.scores is not None:
        tell(outputs, x, axis)
    return outputs


@operation("LogSoftmax", "nn", output_spec=_along_axis)
def log_softmax(x, axis=-1):
    """`log(softmax(x))` without loss of precision."""
    return _over_axes(torch.log_softmax, as_tensor(x), axis)


def _over_axes(function, x, axis):
    if isinstance(axis, int):
        return function(x, axis)
    axes = axes_of(axis, x.dim())
    rest = [one for one in range(x.dim()) if one not in axes]
    order = [*rest, *axes]
    moved = x.permute(order)
    result = function(moved.reshape(*moved.shape[: len(rest)], -1), -1).reshape(moved.shape)
    return result.permute([order.index(one) for one in range(x.dim())])


@operation("Sparsemax", "nn", output_spec=same)
def sparsemax(x, axis=-1):
    """Sparse softmax along `axis` (Martins and Astudillo 2016), with Keras's threshold.

    Keras adds up all partial sums of the support instead of taking the last one, so that where more than one entry is
    in the support the result need not sum to one. These are its numbers on every backend, and models were trained with
    them.
    """
    x = as_tensor(x)
    ordered = x.sort(dim=axis, descending=True).values
    partial = ordered.cumsum(axis)
    shape = [1] * x.dim()
    shape[axis] = -1
    rank = torch.arange(1, x.shape[axis] + 1, device=x.device, dtype=x.dtype).reshape(shape)
    support = ordered - (partial - 1) / rank > 0
    total = torch.where(support, partial, torch.zeros_like(partial)).sum(axis, keepdim=True)
    return torch.clamp(x - (total - 1) / support.sum(axis, keepdim=True), min=0)
