"""What tf.keras 2 calls losses and their arguments: more names, the `Reduction` class, `"auto"`, the older order.

May import core and losses. Registers itself with them; no loss knows of it.
"""

from torchkeras import losses
from torchkeras.core import registry
from torchkeras.core.fields import add_rule
from torchkeras.losses.reduction import REDUCTIONS

# Functions under their older names in the module. The first table's are strings in Keras 3 too.
SHORT = {
    "mse": losses.mean_squared_error,
    "mae": losses.mean_absolute_error,
    "mape": losses.mean_absolute_percentage_error,
    "msle": losses.mean_squared_logarithmic_error,
    "bce": losses.binary_crossentropy,
    "kld": losses.kl_divergence,
}
RENAMED = {
    "kullback_leibler_divergence": losses.kl_divergence,
    "logcosh": losses.log_cosh,
    "huber_loss": losses.huber,
    "cosine_proximity": losses.cosine_similarity,
}


class Reduction:
    """Reduction words as attributes. `AUTO` means `SUM_OVER_BATCH_SIZE`."""

    AUTO = "auto"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"

    @classmethod
    def all(cls):
        """The four words."""
        return (cls.AUTO, cls.NONE, cls.SUM, cls.SUM_OVER_BATCH_SIZE)

    @classmethod
    def validate(cls, key):
        """Raises `ValueError` for a word that is none of the four."""
        if key not in cls.all():
            raise ValueError(f"Invalid reduction {key!r}: use one of {cls.all()}.")


_WORDS = frozenset(word for word in (*REDUCTIONS, Reduction.AUTO) if word)


def _loss_arguments(fields, args, kwargs):
    """`Loss(reduction, name)` where the first argument is a reduction word; `"auto"`; the `fn` of older configs."""
    args, order = list(args), list(fields)
    if "fn" not in fields:
        kwargs.pop("fn", None)
    if args and order[0] == "name" and isinstance(args[0], str) and args[0] in _WORDS:
        args[:2] = [args[1] if len(args) > 1 else kwargs.pop("name", None), args[0]]
    where = order.index("reduction")
    if len(args) > where and args[where] == Reduction.AUTO:
        args[where] = Reduction.SUM_OVER_BATCH_SIZE
    if kwargs.get("reduction") == Reduction.AUTO:
        kwargs["reduction"] = Reduction.SUM_OVER_BATCH_SIZE
    return args


losses.Reduction = Reduction
for _name, _function in SHORT.items():
    setattr(losses, _name, _function)
    setattr(losses, _name.upper(), _function)
for _name, _function in RENAMED.items():
    setattr(losses, _name, _function)
    registry.register(_function, "loss", "keras.losses", name=_name)
add_rule(losses.Loss, _loss_arguments)
