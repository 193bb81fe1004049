"""`tf.random`: seeds and the two plain distributions.

Lives here: those functions, on torch's generator. May import: torch, core. Must not know: Keras's own seeds.
"""

from __future__ import annotations

import torch

from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.scopes import default_device
from torchkeras.shim.tf.missing import explain_missing

__getattr__ = explain_missing("tensorflow.random")


def set_seed(seed: int) -> None:
    """Seed torch's generator, on every device.

    As in TensorFlow, layers' initial weights follow `keras.utils.set_random_seed`, not this.
    """
    torch.manual_seed(seed)


def _drawing(seed, dtype) -> dict:
    """What torch's random functions need to draw where models live, repeatably when `seed` is given."""
    device = torch.device(default_device())
    generator = None if seed is None else torch.Generator(device).manual_seed(seed)
    return {"generator": generator, "dtype": dtype, "device": device}


def normal(shape, mean=0.0, stddev=1.0, dtype=torch.float32, seed=None, name=None) -> torch.Tensor:
    """Normally distributed numbers of the given shape; `seed` makes the call repeatable."""
    return torch.randn(tuple(shape), **_drawing(seed, torch_dtype(dtype))) * stddev + mean


def uniform(shape, minval=0, maxval=None, dtype=torch.float32, seed=None, name=None) -> torch.Tensor:
    """Evenly distributed numbers in [minval, maxval); integers when `dtype` is one, and then `maxval` is required."""
    dtype, shape = torch_dtype(dtype), tuple(shape)
    if not dtype.is_floating_point:
        if maxval is None:
            raise ValueError(f"tf.random.uniform needs maxval= for the integer dtype {dtype}.")
        return torch.randint(minval, maxval, shape, **_drawing(seed, dtype))
    maxval = 1 if maxval is None else maxval
    return torch.rand(shape, **_drawing(seed, dtype)) * (maxval - minval) + minval
