"""Metrics by name and config.

May import core. The names are those that the metric files publish: a name stands for the class, a function's
config for the function.
"""

from torchkeras.core.family import Family
from torchkeras.core.serialization import deserialize_keras_object


class _Metrics(Family):
    def deserialize(self, config, custom_objects=None, use_legacy_format=False):
        """A metric from what `serialize` gave, or from a name; a function (a loss too) from a function's config."""
        if isinstance(config, dict) and config.get("class_name") == "function":
            kinds = ("metric_function", "loss")
            return deserialize_keras_object(config, custom_objects, kinds=kinds, printable_name="metric function")
        return super().deserialize(config, custom_objects, use_legacy_format)


_metrics = _Metrics("metric", "accuracy")
get, deserialize = _metrics.get, _metrics.deserialize


def serialize(metric, use_legacy_format=False):
    """The description of a metric that goes into files; `use_legacy_format=True` gives Keras 2's short form."""
    return _metrics.serialize(metric, use_legacy_format)
