"""What tf.keras 2 calls metrics and their arguments: further names, and the name as first argument.

May import core and this folder. Only the package's `__init__` imports it; no metric knows of it.
"""

from torchkeras.core import registry
from torchkeras.core.dtypes import KNOWN
from torchkeras.core.fields import add_rule
from torchkeras.metrics.probabilistic import KLDivergence
from torchkeras.metrics.regression import CosineSimilarity, LogCoshError

_STRINGS = {
    KLDivergence: ("kld", "KLD", "kullback_leibler_divergence"),
    LogCoshError: ("logcosh", "log_cosh"),
    CosineSimilarity: ("cosine_proximity",),
}
for _cls, _names in _STRINGS.items():
    for _name in _names:
        registry.register(_cls, "metric", "keras.metrics", name=_name)


def _metric_arguments(fields, args, kwargs):
    """`Metric(name, dtype)` where the first argument is a string that is no dtype."""
    args = list(args)
    first_is_name = args and isinstance(args[0], str) and args[0] not in KNOWN and not args[0].startswith("mixed_")
    if first_is_name and next(iter(fields)) == "dtype":
        args[:2] = [args[1] if len(args) > 1 else kwargs.pop("dtype", None), args[0]]
    return args


add_rule("Metric", _metric_arguments)
