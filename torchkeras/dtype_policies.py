"""`keras.dtype_policies`: exports, and policies as configs. May import core."""

from torchkeras.core import registry
from torchkeras.core.dtype_policy import DTypePolicy, FloatDTypePolicy, get
from torchkeras.core.policy_kinds import (
    AWQDTypePolicy,
    DTypePolicyMap,
    GPTQDTypePolicy,
    Int4DTypePolicy,
    QuantizedDTypePolicy,
    QuantizedFloat8DTypePolicy,
)
from torchkeras.core.serialization import serialize_keras_object

__all__ = [
    "AWQDTypePolicy",
    "DTypePolicy",
    "DTypePolicyMap",
    "FloatDTypePolicy",
    "GPTQDTypePolicy",
    "Int4DTypePolicy",
    "QuantizedDTypePolicy",
    "QuantizedFloat8DTypePolicy",
    "deserialize",
    "get",
    "serialize",
]


def serialize(dtype_policy):
    """The description of a policy that goes into files."""
    return serialize_keras_object(dtype_policy)


def deserialize(config, custom_objects=None):
    """A policy from its description or its name; None for None. Raises `ValueError` for an unknown class or name."""
    with registry.CustomObjectScope(custom_objects):
        return None if config is None else get(config)
