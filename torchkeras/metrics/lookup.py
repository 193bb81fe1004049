"""Metrics by name and config.

May import core. The names are those that the metric files publish.
"""

from torchkeras.core import registry
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object


def serialize(metric):
    """The config of a metric object or function, as Keras writes it."""
    return serialize_keras_object(metric)


def deserialize(config, custom_objects=None):
    """A metric from its config, or a metric class from its name.

    Raises `ValueError` for what is neither published as a metric nor among `custom_objects`.
    """
    if isinstance(config, str):
        found = registry.find_custom(config, custom=custom_objects) or registry.find(config, ("metric",))
        if found is None:
            raise ValueError(_unknown(config))
        return found
    function = isinstance(config, dict) and config.get("class_name") == "function"
    kinds = ("metric_function", "loss") if function else ("metric",)
    return deserialize_keras_object(config, custom_objects=custom_objects, kinds=kinds, printable_name="metric")


def get(identifier):
    """A metric object or function from a name, config, class, function or object; None for None.

    Example:
        >>> type(get("mse")).__name__
        'MeanSquaredError'
    """
    if identifier is None:
        return None
    found = deserialize(identifier) if isinstance(identifier, (str, dict)) else identifier
    if isinstance(found, type):
        found = found()
    if not callable(found):
        raise ValueError(_unknown(identifier))
    return found


def _unknown(identifier):
    names = ", ".join(registry.names_of_kind("metric"))
    return f"Could not interpret metric identifier: {identifier!r}. Use a function, a Metric object or one of: {names}."
