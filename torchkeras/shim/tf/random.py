"""`tf.random`: seeds and the two plain distributions.

Lives here: those functions, on torch's generator. May import: torch. Must not know: Keras's own seeds.
"""

from __future__ import annotations

import torch

from torchkeras.shim.tf.missing import explain_missing
from torchkeras.shim.tf.tensors import torch_dtype

__getattr__ = explain_missing("tensorflow.random")


def set_seed(seed: int) -> None:
    """Seed torch's generator, on every device.

    As in TensorFlow, layers' initial weights follow `keras.utils.set_random_seed`, not this.
    """
    torch.manual_seed(seed)


def _generator(seed):
    return None if seed is None else torch.Generator().manual_seed(seed)


def normal(shape, mean=0.0, stddev=1.0, dtype=torch.float32, seed=None, name=None) -> torch.Tensor:
    """Normally distributed numbers of the given shape; `seed` makes the call repeatable."""
    return torch.randn(tuple(shape), generator=_generator(seed), dtype=torch_dtype(dtype)) * stddev + mean


def uniform(shape, minval=0, maxval=None, dtype=torch.float32, seed=None, name=None) -> torch.Tensor:
    """Evenly distributed numbers in [minval, maxval); integers when `dtype` is one, and then `maxval` is required."""
    dtype, shape = torch_dtype(dtype), tuple(shape)
    if not dtype.is_floating_point:
        if maxval is None:
            raise ValueError(f"tf.random.uniform needs maxval= for the integer dtype {dtype}.")
        return torch.randint(minval, maxval, shape, generator=_generator(seed), dtype=dtype)
    maxval = 1 if maxval is None else maxval
    return torch.rand(shape, generator=_generator(seed), dtype=dtype) * (maxval - minval) + minval
