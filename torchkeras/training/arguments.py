"""Checks of arguments that compile and the loops share.

May import core.
"""

from torchkeras.core import fields
from torchkeras.errors import InvalidArgumentError

OLDER_COMPILE = (
    "sample_weight_mode",
    "target_tensors",
    "cloning",
    "experimental_run_tf_function",
    "from_serialized",
    "pss_evaluation_shards",
)
OLDER_LOOP = ("workers", "use_multiprocessing", "max_queue_size")


def refuse_unknown(function, given, older=OLDER_LOOP):
    """Raises for keywords that neither Keras 3 nor Keras 2 knows; the message says which was probably meant."""
    known = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    fields.refuse_unknown(f"{function.__name__}()", [name for name in given if name not in older], known)


def whole_number(name, value):
    """An integer. Raises `InvalidArgumentError` for anything else."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidArgumentError(f"`{name}` must be an integer, got {value!r}.")
    return int(value)


def positive_number(what, value):
    """An integer of at least 1. Raises `InvalidArgumentError`, naming `what` it is, for anything else."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 1:
        raise InvalidArgumentError(f"{what} must be a positive integer, got {value!r}.")
    return int(value)
