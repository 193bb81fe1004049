"""`keras.initializers`: how weights get their first values.

May import core and random. Knows no layer.

An initializer is called as `init(shape, dtype=None)` and gives a tensor on the default device.
"""

import numpy as np
import torch

from torchkeras.core import registry
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.initializers.drawn import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)
from torchkeras.initializers.initializer import STFT, Constant, Given, Identity, Initializer, Ones, Zeros

# Keras publishes the same classes under function-like names too.
constant, zeros, ones, stft = Constant, Zeros, Ones, STFT
identity = IdentityInitializer = Identity
STFTInitializer = STFT
orthogonal = OrthogonalInitializer = Orthogonal
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling = VarianceScaling
glorot_normal, glorot_uniform = GlorotNormal, GlorotUniform
he_normal, he_uniform = HeNormal, HeUniform
lecun_normal, lecun_uniform = LecunNormal, LecunUniform


def get(identifier):
    """An initializer from a name, class, config dict, array, callable or None.

    A name or class gives a new instance with a seed of its own; an array stands for weights of its shape.

    Raises `ValueError` for unknown names and for values that are neither callable nor an array.

    Example:
        >>> get("glorot_uniform").get_config()
        {'seed': None, 'input_axes': None, 'output_axes': None}
    """
    if identifier is None:
        return None
    if isinstance(identifier, (dict, str)):
        found = deserialize(identifier if isinstance(identifier, dict) else {"class_name": identifier, "config": {}})
    elif isinstance(identifier, (torch.Tensor, np.ndarray, np.generic)):
        return Given(identifier)
    else:
        found = identifier
    if isinstance(found, type):
        found = found()
    if not callable(found):
        raise ValueError(
            f"{identifier!r} is no initializer: give a name such as 'glorot_uniform', an initializer, an array, or a "
            "function of (shape, dtype)."
        )
    return found


def serialize(initializer, use_legacy_format=False):
    """The description that goes into a config; `use_legacy_format=True` writes Keras 2's short form."""
    config = serialize_keras_object(initializer)
    if use_legacy_format and isinstance(config, dict):
        return {"class_name": config["class_name"], "config": config["config"]}
    return config


def deserialize(config, custom_objects=None, use_legacy_format=False):
    """An initializer from what `serialize` gave, in either generation's form."""
    name = config.get("class_name") if isinstance(config, dict) else None
    if name is not None and name != "function":
        with registry.CustomObjectScope(custom_objects or {}):
            custom = registry.find_custom(config.get("registered_name"), name)
        if custom is not None and not hasattr(custom, "from_config"):
            return custom  # a user's function
    return deserialize_keras_object(
        config, custom_objects=custom_objects, kinds=("initializer",), printable_name="initializer"
    )


registry.set_resolver("initializer", get)

__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]
