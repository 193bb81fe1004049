"""Keras 2's spellings of optimizer arguments, and what its optimizers could do besides.

May import core and optimizers. Registers itself with them; no optimizer knows of it.
"""

from torchkeras import optimizers
from torchkeras.core.fields import REQUIRED, add_rule

# Written by tf.keras 2 into configs, or accepted by its constructors, and without meaning here.
_IGNORED = ("jit_compile", "is_legacy_optimizer")


def _renamed(fields, args, kwargs):
    """`lr` is `learning_rate`; switches of TensorFlow are dropped."""
    for name in _IGNORED:
        kwargs.pop(name, None)
    if "lr" in kwargs:
        if args or "learning_rate" in kwargs:
            raise TypeError("Both `learning_rate` and its old name `lr` were given: keep one.")
        kwargs["learning_rate"] = kwargs.pop("lr")
    return args


def _name_first(fields, args, kwargs):
    """Keras 2's base class took the name first and no learning rate: the subclass sets `_learning_rate` itself."""
    rate = fields.get("learning_rate")
    if rate is None or rate.default not in (REQUIRED, None):
        return args
    if args and isinstance(args[0], str) and "name" not in kwargs:
        kwargs["name"] = args[0]
        args = (kwargs.pop("learning_rate", kwargs.pop("lr", None)), *args[1:])
    if not args:
        kwargs.setdefault("learning_rate", None)
    return args


def _without_schedule_decay(fields, args, kwargs):
    """Configs of Keras 2.3 and before have it; the momentum's schedule is fixed since."""
    kwargs.pop("schedule_decay", None)
    return args


def aggregate_gradients(self, grads_and_vars):
    """The pairs as they are: there is one replica."""
    return grads_and_vars


add_rule(optimizers.Optimizer, _name_first)
add_rule(optimizers.Optimizer, _renamed)
add_rule(optimizers.Nadam, _without_schedule_decay)
optimizers.Optimizer.aggregate_gradients = aggregate_gradients
