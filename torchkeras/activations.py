"""`keras.activations`: the functions that layers apply to their outputs, and their names.

May import core and ops. Knows no layer (a layer may be given as an activation; it is looked up by name like any other).

A plain float tensor goes straight to torch; KerasTensors, arrays and integers take the operation of `keras.ops`.
"""

import sys
import types

import torch
from torch.nn import functional as F

from torchkeras.core import function_code, registry
from torchkeras.core.conversion import as_tensor
from torchkeras.core.family import Family
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.symbolic import operation
from torchkeras.ops import nn_activations as nn
from torchkeras.ops.elementwise import exp as _exp
from torchkeras.ops.elementwise import tanh as _tanh


def _plain(name, function, op, aliases=()):
    """An activation of one argument: `function` on plain tensors, the operation on everything else."""

    def activation(x):
        return function(x) if type(x) is torch.Tensor and x.is_floating_point() else op(x)

    activation.__name__ = activation.__qualname__ = name
    activation.__doc__, activation.__module__ = op.__doc__, sys._getframe(1).f_globals["__name__"]
    return registry.register(activation, "activation", "keras.activations", name, aliases)


def _published(function):
    return registry.register(function, "activation", "keras.activations")


sigmoid = _plain("sigmoid", nn.told_sigmoid, nn.sigmoid)
tanh = _plain("tanh", torch.tanh, _tanh)
relu6 = _plain("relu6", F.relu6, nn.relu6)
silu = _plain("silu", F.silu, nn.silu, aliases=("swish",))
softplus = _plain("softplus", F.softplus, nn.softplus)
softsign = _plain("softsign", F.softsign, nn.softsign)
selu = _plain("selu", F.selu, nn.selu)
exponential = _plain("exponential", torch.exp, _exp)
hard_sigmoid = _plain("hard_sigmoid", F.hardsigmoid, nn.hard_sigmoid)
hard_silu = _plain("hard_silu", F.hardswish, nn.hard_silu, aliases=("hard_swish",))
hard_tanh = _plain("hard_tanh", F.hardtanh, nn.hard_tanh)
log_sigmoid = _plain("log_sigmoid", F.logsigmoid, nn.log_sigmoid)
sparse_plus = _plain("sparse_plus", nn.sparse_plus, nn.sparse_plus)
sparse_sigmoid = _plain("sparse_sigmoid", nn.sparse_sigmoid, nn.sparse_sigmoid)
tanh_shrink = _plain("tanh_shrink", F.tanhshrink, nn.tanh_shrink)
swish, hard_swish = silu, hard_silu


@_published
def linear(x):
    """`x` itself: what `activation=None` stands for."""
    return x


def _same_spec(x, *args, **kwargs):
    return KerasTensor(x.shape, x.dtype)


_HOME = "keras.src.activations.activations"  # where Keras keeps these two operations, not among its ops


@operation("Mish", _HOME, output_spec=_same_spec)
def _mish(x):
    return F.mish(as_tensor(x))


mish = _plain("mish", F.mish, _mish)
mish.__doc__ = "`x * tanh(softplus(x))` (Misra 2019)."


@_published
def relu(x, negative_slope=0.0, max_value=None, threshold=0.0, *, alpha=None):
    """Rectified linear unit, with bounds.

    Args:
        x: tensor of any shape.
        negative_slope: slope below `threshold`.
        max_value: upper bound, None for none.
        threshold: `x` below it counts as negative part: `negative_slope * (x - threshold)`.
        alpha: Keras 2's name of `negative_slope`.

    Example:
        >>> relu(torch.tensor([-1.0, 2.0, 9.0]), negative_slope=0.1, max_value=6.0)
        tensor([-0.1000,  2.0000,  6.0000])
    """
    if negative_slope == 0.0 and max_value is None and threshold == 0.0 and alpha is None and type(x) is torch.Tensor:
        return torch.relu(x)
    return _relu(x, negative_slope if alpha is None else alpha, max_value, threshold)


def in_place(activation):
    """The function that does the same in the memory of its argument, or None.

    For a tensor that a layer has just made and nobody else holds: a convolution or a product with a matrix needs no
    outputs in the backward pass, and a second tensor of that size costs more than the arithmetic. Not for views, whose
    gradient then takes a copy.
    """
    return torch.relu_ if activation is relu else None


@operation("ReLU", _HOME, output_spec=_same_spec)
def _relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    x = as_tensor(x)
    if negative_slope and max_value is None and threshold == 0:
        return F.leaky_relu(x, negative_slope)
    if max_value == 6 and threshold == 0 and x.is_floating_point():
        positive = F.relu6(x)  # one kernel; its slope at 6 is 0, as in Keras for this bound alone
    else:
        positive = torch.where(x > threshold, x, torch.zeros_like(x)) if threshold != 0 else torch.relu(x)
        if max_value is not None:
            positive = positive.clamp(0, max_value)
    return positive - negative_slope * torch.relu(threshold - x) if negative_slope else positive


@_published
def leaky_relu(x, negative_slope=0.2, *, alpha=None):
    """`x` where positive, `negative_slope * x` elsewhere; `alpha` is Keras 2's name of the slope."""
    slope = negative_slope if alpha is None else alpha
    return F.leaky_relu(x, slope) if type(x) is torch.Tensor else nn.leaky_relu(x, slope)


@_published
def softmax(x, axis=-1):
    """`exp(x)` scaled to sum to one along `axis` (an axis, a tuple of axes, or None for all together)."""
    if type(x) is torch.Tensor and type(axis) is int and x.is_floating_point():
        return nn.told_softmax(x, axis)
    return nn.softmax(x, axis)


@_published
def log_softmax(x, axis=-1):
    """`log(softmax(x))` without loss of precision."""
    return nn.log_softmax(x, axis)


@_published
def elu(x, alpha=1.0):
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere."""
    return F.elu(x, alpha) if type(x) is torch.Tensor else nn.elu(x, alpha)


@_published
def celu(x, alpha=1.0):
    """`max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))`."""
    return nn.celu(x, alpha)


@_published
def gelu(x, approximate=False):
    """`x` times the normal distribution's cumulative function; `approximate=True` takes the tanh formula."""
    return nn.gelu(x, approximate)


@_published
def glu(x, axis=-1):
    """The first half of `x` along `axis` times the sigmoid of the second half."""
    return nn.glu(x, axis)


@_published
def soft_shrink(x, threshold=0.5):
    """`x` moved towards zero by `threshold`; zero within."""
    return nn.soft_shrink(x, threshold)


@_published
def hard_shrink(x, threshold=0.5):
    """`x`, but zero where its magnitude is at most `threshold`."""
    return nn.hard_shrink(x, threshold)


@_published
def threshold(x, threshold, default_value):
    """`x` where above `threshold`, `default_value` elsewhere."""
    return nn.threshold(x, threshold, default_value)


@_published
def squareplus(x, b=4):
    """`(x + sqrt(x**2 + b)) / 2`."""
    return nn.squareplus(x, b)


@_published
def sparsemax(x, axis=-1):
    """A softmax that can give zeros (Martins and Astudillo 2016); see `keras.ops.sparsemax`."""
    return nn.sparsemax(x, axis)


class _Activations(Family):
    """Layers are activations too; None stands for `linear`; a function of this room is saved as its plain name."""

    def get(self, identifier):
        return linear if identifier is None else super().get(identifier)

    def deserialize(self, config, custom_objects=None, use_legacy_format=False):
        if isinstance(config, dict) and config.keys() == {"value"}:  # how Keras writes a lambda here, and nowhere else
            config = {"class_name": function_code.MARK, "config": config}
        return super().deserialize(config, custom_objects, use_legacy_format)

    def serialize(self, obj, use_legacy_format=False):
        if isinstance(obj, types.FunctionType):
            entry = registry.entry_of(obj)
            if entry is not None and entry.kind == "activation":
                return entry.name
            if entry is not None and registry.find(obj.__name__, ("activation",)) is not None:
                return obj.__name__  # an operation, such as keras.ops.relu
        return super().serialize(obj, use_legacy_format)


_family = _Activations("activation", "relu", more_kinds=("layer",))
deserialize = _family.deserialize


def get(identifier):
    """An activation from a name, config dict, callable, layer, layer class or None (then `linear`).

    Names may be those of activation functions, of registered functions, and of activation layers ("LeakyReLU" gives
    such a layer, as Keras 2 has it).

    Raises `ValueError` for an unknown name and for what cannot be called.

    Example:
        >>> get("relu") is relu, get(None) is linear
        (True, True)
    """
    return _family.get(identifier)


def serialize(activation, use_legacy_format=False):
    """What a layer's config holds: the plain name of a function of this room, a description of anything else.

    A lambda is described by its code, with a warning. Raises `ValueError` for other callables without a name.
    """
    return _family.serialize(activation, use_legacy_format)
