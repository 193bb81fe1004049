"""`keras.constraints`: projections that weights are put through after each update.

May import core. Knows no layer.
"""

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.family import Family
from torchkeras.core.fields import Configured, field
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings


@published("constraint", "keras.constraints")
class Constraint(Configured):
    """Base class: called with a weight, gives its projection. A subclass defines `__call__(w)`.

    Example:
        >>> class Halve(Constraint):
        ...     def __call__(self, w): return w / 2
    """

    def __call__(self, w):
        return w


def _norms(w, axis):
    axes = axis if axis is None else tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    least = torch.finfo(w.dtype).tiny * torch.finfo(w.dtype).eps  # the root of zero would have a gradient of NaN
    return w.square().sum(axes, keepdim=True).clamp(min=least).sqrt()


@published("constraint", "keras.constraints", aliases=("max_norm",))
class MaxNorm(Constraint):
    """Shortens vectors along `axis` to a norm of at most `max_value`.

    `axis` is 0 for the inputs of a Dense kernel, `[0, 1, 2]` for a convolution kernel.
    """

    max_value = field(2)
    axis = field(0)

    def __call__(self, w):
        w = as_tensor(w)
        norms = _norms(w, self.axis)
        return w * (norms.clamp(0, self.max_value) / (settings.epsilon + norms))


@published("constraint", "keras.constraints", aliases=("non_neg",))
class NonNeg(Constraint):
    """Sets negative weights to zero."""

    def __call__(self, w):
        return torch.relu(as_tensor(w))


@published("constraint", "keras.constraints", aliases=("unit_norm",))
class UnitNorm(Constraint):
    """Scales vectors along `axis` to length one."""

    axis = field(0)

    def __call__(self, w):
        w = as_tensor(w)
        return w / (settings.epsilon + _norms(w, self.axis))


@published("constraint", "keras.constraints", aliases=("min_max_norm",))
class MinMaxNorm(Constraint):
    """Moves norms along `axis` into `[min_value, max_value]`: all the way with `rate=1`, part of it with less."""

    min_value = field(0.0)
    max_value = field(1.0)
    rate = field(1.0)
    axis = field(0)

    def __call__(self, w):
        w = as_tensor(w)
        norms = _norms(w, self.axis)
        desired = self.rate * norms.clamp(self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (settings.epsilon + norms))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm

_family = Family("constraint", "max_norm")
get, deserialize = _family.get, _family.deserialize


def serialize(constraint, use_legacy_format=False):
    """The description of a constraint that goes into files; `use_legacy_format=True` gives Keras 2's short form."""
    return _family.serialize(constraint, use_legacy_format)
