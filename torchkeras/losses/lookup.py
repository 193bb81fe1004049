"""Losses by name and config.

May import core. The names are those that the loss files publish.
"""

from torchkeras.core import registry
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object


def serialize(loss):
    """The config of a loss object or function, as Keras writes it."""
    return serialize_keras_object(loss)


def deserialize(name, custom_objects=None):
    """A loss from its config, or a loss class or function from its name.

    Raises `ValueError` for what is neither published as a loss nor among `custom_objects`.
    """
    if isinstance(name, str):
        found = registry.find_custom(name, custom=custom_objects) or registry.find(name, ("loss",))
        if found is None:
            raise ValueError(_unknown(name))
        return found
    return deserialize_keras_object(name, custom_objects=custom_objects, kinds=("loss",), printable_name="loss")


def get(identifier):
    """A loss function or object from a name, config, class, function or object; None for None.

    Example:
        >>> get("mse") is get("mean_squared_error")
        True
        >>> type(get("MeanSquaredError")).__name__
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
    names = ", ".join(registry.names_of_kind("loss"))
    return f"Could not interpret loss identifier: {identifier!r}. Use a function, a Loss object or one of: {names}."
