"""`keras.initializers`: how weights get their first values.

May import core and random. Knows no layer.

An initializer is called as `init(shape, dtype=None)` and gives a tensor on the default device.
"""

import numpy as np
import torch

from torchkeras.core.conversion import as_tensor, is_array_like
from torchkeras.core.family import Family
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


def _array(identifier):
    if isinstance(identifier, (torch.Tensor, np.ndarray)):
        return Given(identifier)
    return Given(as_tensor(identifier)) if is_array_like(identifier) else None


_family = Family("initializer", "glorot_uniform", accept=_array)
get, deserialize = _family.get, _family.deserialize


def serialize(initializer, use_legacy_format=False):
    """The description of an initializer that goes into files; `use_legacy_format=True` gives Keras 2's short form."""
    return _family.serialize(initializer, use_legacy_format)


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
