"""`keras.dtype_policies`. May import core."""

from torchkeras.core.dtype_policy import DTypePolicy, FloatDTypePolicy, get
from torchkeras.core.serialization import serialize_keras_object as serialize

__all__ = ["DTypePolicy", "FloatDTypePolicy", "deserialize", "get", "serialize"]


def deserialize(config, custom_objects=None):
    """A policy from its config or name."""
    return get(config)
