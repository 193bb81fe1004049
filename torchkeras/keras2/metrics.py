"""What tf.keras 2 calls metrics and their arguments: further names, and the name as first argument.

May import core and metrics. Registers itself with them; no metric knows of it.
"""

from torchkeras import metrics
from torchkeras.core import registry
from torchkeras.core.dtypes import KNOWN
from torchkeras.core.fields import add_rule
from torchkeras.keras2.losses import RENAMED, SHORT
from torchkeras.metrics.accuracies import accuracy
from torchkeras.metrics.probabilistic import KLDivergence
from torchkeras.metrics.regression import CosineSimilarity, LogCoshError, cosine_similarity

_STRINGS = {
    KLDivergence: ("kld", "KLD", "kullback_leibler_divergence"),
    LogCoshError: ("logcosh", "log_cosh"),
    CosineSimilarity: ("cosine_proximity",),
}
for _cls, _names in _STRINGS.items():
    for _name in _names:
        registry.register(_cls, "metric", "keras.metrics", name=_name)
for _name, _function in {**SHORT, **{name.upper(): function for name, function in SHORT.items()}, **RENAMED}.items():
    setattr(metrics, _name, _function)  # loss functions of the same name
metrics.accuracy = accuracy
metrics.cosine_proximity = metrics.cosine_similarity = cosine_similarity  # the metric: its sign is not the loss's


def _metric_arguments(fields, args, kwargs):
    """`Metric(name, dtype)` where the first argument is a string that is no dtype."""
    args = list(args)
    first_is_name = args and isinstance(args[0], str) and args[0] not in KNOWN and not args[0].startswith("mixed_")
    if first_is_name and next(iter(fields)) == "dtype":
        args[:2] = [args[1] if len(args) > 1 else kwargs.pop("dtype", None), args[0]]
    return args


add_rule(metrics.Metric, _metric_arguments)
