"""HasLearningRate: where an optimizer's learning rate comes from, and how it is read and set.

May import core and the schedules. Knows no update formula.

A number lives in a HostScalar, which is also `param_groups[0]["lr"]`: Keras's callbacks and torch's schedulers write to
the same place. A schedule or callable is evaluated once a step, at the number of steps done so far.
"""

import inspect
import math
import numbers
from functools import partial

import torch

from torchkeras.core import scopes
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.fields import REQUIRED, field
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.core.variable import Variable
from torchkeras.optimizers.host_scalar import HostScalar, host_scalar
from torchkeras.optimizers.schedules.learning_rate_schedule import LearningRateSchedule


def _schedule(config):
    """A schedule that stands in a config, as an object; numbers stay."""
    return deserialize_keras_object(config, kinds=("schedule",), printable_name="learning rate schedule")


learning_rate_field = partial(field, load=_schedule)  # an optimizer states the default


class HasLearningRate:
    """The part of an optimizer that knows its learning rate."""

    _learning_rate = None

    def _first_rate(self, value):
        """`_build_learning_rate` for the constructor's argument: None is for those who build one later themselves."""
        if value is None and self._fields["learning_rate"].default not in (REQUIRED, None):
            as_rate(value)
        return self._build_learning_rate(value)

    def _build_learning_rate(self, value):
        """What is kept for a given learning rate: schedules and callables themselves, numbers as a HostScalar."""
        if value is None or callable(value) and not isinstance(value, torch.Tensor):
            return value
        if isinstance(value, HostScalar):
            return value
        with scopes.name_scope(self.name):
            rate = host_scalar(as_rate(value), torch_dtype(scopes.settings.floatx), "learning_rate")
        self._track(rate)
        return rate

    @property
    def learning_rate(self):
        """The learning rate: a scalar Variable, the current value of a schedule, or what a callable gives now."""
        rate = self._learning_rate
        if rate is None:  # an optimizer of a user that has none
            return None
        if isinstance(rate, torch.Tensor):
            self._host_rate()
            return rate
        if isinstance(rate, LearningRateSchedule):
            return rate(self._iterations)
        return self._host_rate()

    @learning_rate.setter
    def learning_rate(self, value):
        rate = self._learning_rate
        if callable(value) and not isinstance(value, torch.Tensor):
            if isinstance(rate, Variable):
                self._untrack(rate)
            self._learning_rate = value
        elif isinstance(rate, LearningRateSchedule):
            raise TypeError(
                f"The learning rate is a {type(rate).__name__} schedule and cannot be set to a number. Make the "
                "optimizer with a number, or assign another schedule."
            )
        elif isinstance(rate, Variable):
            self._host_rate()
            rate.assign(as_rate(value))
        else:
            self._learning_rate = self._build_learning_rate(value)

    lr = property(
        lambda self: self.learning_rate,
        lambda self, value: setattr(self, "learning_rate", value),
        doc="Keras 2's name of `learning_rate`.",
    )

    def _host_rate(self):
        """The learning rate of the coming step as a Python float."""
        rate = self._learning_rate
        groups = self.param_groups
        if type(rate) is HostScalar:
            if groups and groups[0]["lr"] is not rate:  # a torch user wrote `group["lr"] = 0.1`
                rate.assign(as_number(groups[0]["lr"]))
                groups[0]["lr"] = rate
            value = rate.host
        else:
            value = self._evaluated(rate)
            if groups:
                groups[0]["lr"] = value
        return value / (1.0 + self.decay * self._iterations.host) if self.decay else value

    def _evaluated(self, rate):
        if isinstance(rate, LearningRateSchedule):
            if rate.on_host:
                return rate.value_at(self._iterations.host)
            return float(rate(self._iterations))
        if isinstance(rate, torch.Tensor):
            return float(rate)
        if rate is None:
            raise ValueError(f"{type(self).__name__} has no learning rate: pass learning_rate= to its constructor.")
        found = rate(self._iterations.host) if _wants_step(rate) else rate()
        try:
            return float(found)
        except (TypeError, ValueError) as error:
            raise type(error)(f"The learning rate is a callable, and it gave {found!r} instead of a number.") from error

    def _saved_learning_rate(self):
        rate = self._learning_rate
        if isinstance(rate, torch.Tensor):
            self._host_rate()
            return float(rate)
        return serialize_keras_object(rate)

    _serialize_hyperparameter = staticmethod(
        lambda value: float(value) if isinstance(value, torch.Tensor) else serialize_keras_object(value)
    )


def as_rate(value):
    """`as_number` of what a user sets. Raises `ValueError` for negative rates and for what is no number."""
    rate = as_number(value)
    if not 0.0 <= rate < math.inf:
        raise ValueError(
            f"`learning_rate` must be 0 or above, and finite; got {rate}. To climb a function, minimize its negative."
        )
    return rate


def as_number(value):
    """A learning rate as float: Python and numpy numbers, scalar tensors and arrays. Else raises `ValueError`."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return float(value)
    if getattr(value, "shape", None) == () and hasattr(value, "dtype"):
        return float(value)
    raise ValueError(
        f"`learning_rate` must be a number, a schedule such as keras.optimizers.schedules.ExponentialDecay(...), or a "
        f"callable; got {value!r}."
    )


def _wants_step(function):
    """Whether a callable learning rate has a parameter that must be given: it then gets the number of steps done."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a builtin that does not say what it takes
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.kind in kinds and p.default is p.empty for p in parameters)
