"""What tf.keras 2 calls losses and their arguments: more names, the `Reduction` class, `"auto"`, the older order.

May import core and this folder. Only the package's `__init__` imports it; no loss knows of it.
"""

from torchkeras.core import registry
from torchkeras.core.fields import add_rule
from torchkeras.losses.crossentropy import binary_crossentropy
from torchkeras.losses.divergence import kl_divergence
from torchkeras.losses.reduction import REDUCTIONS
from torchkeras.losses.regression import (
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)

# Functions under their older names, in the module and as strings.
mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
bce = BCE = binary_crossentropy
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh
huber_loss = huber
cosine_proximity = cosine_similarity

for _name in ("kullback_leibler_divergence", "logcosh", "huber_loss", "cosine_proximity"):
    registry.register(globals()[_name], "loss", "keras.losses", name=_name)


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


add_rule("Loss", _loss_arguments)
