"""`keras.optimizers.legacy` and `.experimental`: the two homes that tf.keras 2 had for its optimizers.

May import core and optimizers. Registers itself with them. The update formulas are today's, which have the same
numbers; what the older classes had besides (`decay` in the config, slots, hyperparameters by name) is in `Optimizer`.
"""

import types

import torch

from torchkeras import optimizers
from torchkeras.core import registry
from torchkeras.core.fields import field
from torchkeras.keras2.modules import add_module
from torchkeras.optimizers.learning_rate import learning_rate_field

# What the older optimizers called their state.
SLOTS = {"m": "momentum", "v": "velocity", "vhat": "velocity_hat", "rms": "velocity", "mg": "average_gradient"}
NAMES = ("Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "RMSprop", "SGD")


class Optimizer(optimizers.Optimizer):
    """Base class of tf.keras 2's older optimizers, and of those that people wrote in their style.

    A subclass sets its numbers by `_set_hyper`, makes its state in `_create_slots(var_list)` with `add_slot`, and
    updates one variable in `_resource_apply_dense(grad, var, apply_state)`.

    Example:
        >>> class Plain(Optimizer):
        ...     def __init__(self, learning_rate=0.1, name="Plain", **kwargs):
        ...         super().__init__(name, **kwargs)
        ...         self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
        ...     def _resource_apply_dense(self, grad, var, apply_state=None):
        ...         var.assign_sub(self._decayed_lr(var.dtype) * grad)
        >>> v = keras.Variable(1.0)
        >>> counter = Plain().minimize(lambda: v ** 2, [v])
        >>> round(float(v), 4)
        0.8
    """

    learning_rate = learning_rate_field(None)  # a subclass may set it later

    _initial_decay = property(lambda self: self.decay)

    def build(self, variables):
        """Binds the optimizer and lets a subclass make its slots."""
        if not self.built:
            super().build(variables)
            self._create_slots(self._trainable_variables)

    def _create_slots(self, var_list):
        """A subclass makes its state here."""

    def add_slot(self, var, slot_name, initializer="zeros", shape=None):
        """State of a variable under a name."""
        initial = {"shape": shape} if shape is not None else {}
        return self.add_variable_from_reference(var, slot_name, initializer, **initial)

    def get_slot(self, var, slot_name):
        """The state of a variable under its older or its present name. Raises `KeyError` where there is none."""
        slots = self.state[var]
        return slots[slot_name if slot_name in slots else SLOTS.get(slot_name, slot_name)]

    def get_slot_names(self):
        """The names of the state."""
        return sorted({name for slots in self.state.values() for name in slots})

    def update_together(self, group, grads, learning_rate):
        for variable, grad in zip(group.variables, grads, strict=True):
            self._resource_apply_dense(grad, variable, apply_state={})

    def _resource_apply_dense(self, grad, var, apply_state=None):
        raise NotImplementedError(
            f"{type(self).__name__} must override `_resource_apply_dense(grad, var, apply_state)`."
        )

    def _set_hyper(self, name, value):
        """Keeps a number of the formula; a learning rate may be a schedule or a callable."""
        if name == "learning_rate":
            self._learning_rate = self._build_learning_rate(value)
        else:
            setattr(self, name, value)

    def _get_hyper(self, name, dtype=None):
        """What `_set_hyper` keeps, as a tensor where a dtype is asked for."""
        value = self.learning_rate if name == "learning_rate" else getattr(self, name)
        value = value() if callable(value) and not isinstance(value, torch.Tensor) else value
        return value if dtype is None else torch.as_tensor(value, dtype=dtype)

    def _decayed_lr(self, var_dtype):
        """The learning rate of this step, after `decay`."""
        return torch.tensor(self._host_rate(), dtype=var_dtype)

    def _serialize_hyperparameter(self, value):
        """For configs: a number by its name, or a value."""
        if value == "learning_rate":
            return self._saved_learning_rate()
        return optimizers.Optimizer._serialize_hyperparameter(getattr(self, value) if isinstance(value, str) else value)

    def get_gradients(self, loss, params):
        """The gradients of a loss."""
        return [grad for grad, _ in self.compute_gradients(loss, params)]

    def get_config(self):
        """The arguments; `decay` always, as these optimizers wrote it."""
        return {**super().get_config(), "decay": self.decay}


def _older(name):
    """Today's optimizer of that name, with the older base and the name that it had: the class's own."""
    now = getattr(optimizers, name)
    body = {
        "__doc__": f"`keras.optimizers.{name}` with what `Optimizer` has besides: `get_slot`, `decay` in the config.",
        "__module__": __name__,
        "name": field(name, after="gradient_accumulation_steps"),
    }
    made = types.new_class(name, (now, Optimizer), {"fields_from": [now]}, lambda namespace: namespace.update(body))
    return registry.register(made, "optimizer", "keras.optimizers", name=name)


_OLDER = {name: _older(name) for name in NAMES}
globals().update(_OLDER)  # pickles find a class by its module
add_module(optimizers, "legacy", "tf.keras 2's older optimizers.", {"Optimizer": Optimizer, **_OLDER})
add_module(
    optimizers,
    "experimental",
    "Where tf.keras 2.9 and 2.10 had today's optimizers.",
    {name: getattr(optimizers, name) for name in ("Optimizer", "AdamW", *NAMES)},
)
