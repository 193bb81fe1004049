"""Initializers that draw random numbers.

May import core and random. Knows no layer.

An initializer without a seed draws one from Python's `random` when it is made, so one instance gives the same numbers
at each call, and `set_random_seed` (or `random.seed`) determines all weights. The numbers are those of Keras on torch.
"""

import math
import operator

import torch

from torchkeras import random
from torchkeras.core.arguments import one_of
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.serialization import serialize_keras_object
from torchkeras.initializers.initializer import Initializer


def _seed(value):
    """An integer, a SeedGenerator, the config of one, or None."""
    if isinstance(value, dict):
        value = random.SeedGenerator.from_config(value.get("config", value))
    if value is None or getattr(value, "_is_seed_generator", False):
        return value
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(
            f"`seed` must be an integer or a keras.random.SeedGenerator; got {value!r} of type {type(value).__name__}."
        ) from None


class RandomInitializer(Initializer):
    """Base of initializers with a `seed` field: `seed` is the one in use, the config keeps what was given."""

    seed = field(None, convert=_seed)

    def _take_fields(self, args, kwargs):
        rest = super()._take_fields(args, kwargs)
        self._init_seed = self.seed
        if self.seed is None:
            self.seed = random.make_default_seed()
        return rest

    def get_config(self):
        return {**super().get_config(), "seed": serialize_keras_object(self._init_seed)}


@published("initializer", "keras.initializers", aliases=("random_normal", "normal"))
class RandomNormal(RandomInitializer):
    """A normal distribution.

    Example:
        >>> RandomNormal(stddev=0.1, seed=1)((2, 3)).shape
        torch.Size([2, 3])
    """

    mean = field(0.0)
    stddev = field(0.05)
    seed = field(None, convert=_seed)

    def __call__(self, shape, dtype=None):
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)


@published("initializer", "keras.initializers", aliases=("truncated_normal",))
class TruncatedNormal(RandomInitializer):
    """A normal distribution without the tails beyond two standard deviations."""

    mean = field(0.0)
    stddev = field(0.05)
    seed = field(None, convert=_seed)

    def __call__(self, shape, dtype=None):
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)


@published("initializer", "keras.initializers", aliases=("random_uniform", "uniform"))
class RandomUniform(RandomInitializer):
    """Evenly spread over `[minval, maxval)`."""

    minval = field(-0.05)
    maxval = field(0.05)
    seed = field(None, convert=_seed)

    def __call__(self, shape, dtype=None):
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)


def compute_fans(shape, input_axes=None, output_axes=None):
    """`(fan_in, fan_out)` of a weight: numbers of input and output units that one number of it takes part in.

    The last two axes are inputs and outputs, those before are the window of a convolution, unless axes are named.
    """
    shape = tuple(shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return int(shape[0]), int(shape[0])
    window = math.prod(shape[:-2])
    return int(shape[-2] * window), int(shape[-1] * window)


def _scale(value):
    if value <= 0:
        raise ValueError(f"`scale` must be positive, got {value}.")
    return value


def _distribution(value):
    check = one_of("distribution", "uniform", "normal", "truncated_normal", "untruncated_normal")
    value = check(value)
    return "truncated_normal" if value == "normal" else value


# Standard deviation of a normal distribution of stddev 1 that is cut off at -2 and 2.
_STDDEV_OF_TRUNCATED = 0.87962566103423978


@published("initializer", "keras.initializers", aliases=("variance_scaling",))
class VarianceScaling(RandomInitializer):
    """Numbers whose variance is `scale / n`, n being the fan that `mode` names.

    Args:
        scale: positive number.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal" (also "normal"), "untruncated_normal" or "uniform".
        seed: integer, SeedGenerator or None.
        input_axes, output_axes: which axes count as inputs and outputs, where that is not the last two.

    Raises `ValueError` for a scale that is not positive and for unknown names.

    Sources: Glorot and Bengio 2010, He et al. 2015, LeCun et al. 1998, Klambauer et al. 2017.

    Example:
        >>> VarianceScaling(2.0, "fan_in", "uniform", seed=0)((4, 2)).abs().max() < (6 / 4) ** 0.5
        tensor(True)
    """

    scale = field(1.0, convert=_scale)
    mode = field("fan_in", convert=one_of("mode", "fan_in", "fan_out", "fan_avg"))
    distribution = field("truncated_normal", convert=_distribution)
    seed = field(None, convert=_seed)
    input_axes = field(None)
    output_axes = field(None)

    def __call__(self, shape, dtype=None):
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        scale = self.scale / max(1.0, fan)
        if self.distribution == "truncated_normal":
            stddev = math.sqrt(scale) / _STDDEV_OF_TRUNCATED
            return random.truncated_normal(shape, 0.0, stddev, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, math.sqrt(scale), dtype, self.seed)
        limit = math.sqrt(3.0 * scale)
        return random.uniform(shape, -limit, limit, dtype, self.seed)


class _Scaled(VarianceScaling, without=["scale", "mode", "distribution"]):
    """Base of the six named settings of VarianceScaling, which take and save only a seed and the axes."""


@published("initializer", "keras.initializers", aliases=("glorot_uniform", "xavier_uniform"))
class GlorotUniform(_Scaled):
    """Uniform within `sqrt(6 / (fan_in + fan_out))`."""

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


@published("initializer", "keras.initializers", aliases=("glorot_normal", "xavier_normal"))
class GlorotNormal(_Scaled):
    """Truncated normal with standard deviation `sqrt(2 / (fan_in + fan_out))`."""

    scale, mode, distribution = 1.0, "fan_avg", "truncated_normal"


@published("initializer", "keras.initializers", aliases=("lecun_normal",))
class LecunNormal(_Scaled):
    """Truncated normal with standard deviation `sqrt(1 / fan_in)`."""

    scale, mode, distribution = 1.0, "fan_in", "truncated_normal"


@published("initializer", "keras.initializers", aliases=("lecun_uniform",))
class LecunUniform(_Scaled):
    """Uniform within `sqrt(3 / fan_in)`."""

    scale, mode, distribution = 1.0, "fan_in", "uniform"


@published("initializer", "keras.initializers", aliases=("he_normal",))
class HeNormal(_Scaled):
    """Truncated normal with standard deviation `sqrt(2 / fan_in)`."""

    scale, mode, distribution = 2.0, "fan_in", "truncated_normal"


@published("initializer", "keras.initializers", aliases=("he_uniform",))
class HeUniform(_Scaled):
    """Uniform within `sqrt(6 / fan_in)`."""

    scale, mode, distribution = 2.0, "fan_in", "uniform"


@published("initializer", "keras.initializers", aliases=("orthogonal", "OrthogonalInitializer"))
class Orthogonal(RandomInitializer):
    """`gain` times a matrix with orthonormal rows or columns (Saxe et al. 2014); leading axes are taken together.

    Raises `ValueError` for fewer than two axes.
    """

    gain = field(1.0)
    seed = field(None, convert=_seed)

    def __call__(self, shape, dtype=None):
        if len(shape) < 2:
            raise ValueError(f"Orthogonal needs a shape of at least two axes, got {tuple(shape)}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        drawn = random.normal((max(rows, columns), min(rows, columns)), dtype=dtype, seed=self.seed)
        halves = drawn.dtype in (torch.float16, torch.bfloat16)
        q, r = torch.linalg.qr(drawn.float() if halves else drawn)
        q = (q * torch.sign(torch.diag(r))).to(drawn.dtype)
        if rows < columns:
            q = q.T
        return self.gain * q.reshape(shape)
