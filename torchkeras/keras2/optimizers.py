"""Keras 2's spellings of optimizer arguments.

May import core and optimizers. Adds rules to their fields; no optimizer knows of them.
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
    if args and isinstance(args[0], str) and "name" not in kwargs:
        kwargs["name"] = args[0]
        args = (None, *args[1:])
    rate = fields.get("learning_rate")
    if not args and rate is not None and rate.default is REQUIRED:
        kwargs.setdefault("learning_rate", None)
    return args


add_rule(optimizers.Optimizer, _renamed)
add_rule(optimizers.Optimizer, _name_first)
