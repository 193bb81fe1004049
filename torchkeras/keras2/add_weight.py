"""Keras 2's calls of `add_weight`: the name first, and switches that tuned TensorFlow.

May import core and metrics. Stands around the methods of Layer and Metric; neither knows of it.
"""

import functools

from torchkeras.core.layer import Layer
from torchkeras.metrics import Metric

LAYER_ORDER = ("name", "shape", "dtype", "initializer")
METRIC_ORDER = ("name", "shape", "aggregation", "synchronization", "initializer", "dtype")
IGNORED = ("synchronization", "use_resource", "partitioner", "getter", "collections", "experimental_autocast")


def _taking_the_name_first(add_weight, order, none_is_name):
    """`add_weight`, which also takes positional arguments in the older order where a string comes first."""

    @functools.wraps(add_weight)
    def wrapped(self, *args, **kwargs):
        if args and (isinstance(args[0], str) or none_is_name and args[0] is None):
            named = dict(zip(order, args, strict=False))
            repeated = sorted(named.keys() & kwargs.keys())
            if len(args) > len(order) or repeated:
                raise TypeError(
                    f"add_weight takes {', '.join(order)} when the name comes first; got {len(args)} by position and "
                    f"{sorted(kwargs)} by name."
                )
            args, kwargs = (), {**named, **kwargs}
        for name in IGNORED:
            kwargs.pop(name, None)
        return add_weight(self, *args, **kwargs)

    return wrapped


Layer.add_weight = Layer.add_variable = _taking_the_name_first(Layer.add_weight, LAYER_ORDER, none_is_name=True)
Metric.add_weight = _taking_the_name_first(Metric.add_weight, METRIC_ORDER, none_is_name=False)
