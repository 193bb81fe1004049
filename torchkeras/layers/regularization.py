"""Layers that act in training only: dropout and noise; and the layer that penalizes activity.

May import core, random and the families below layers. Without a seed, torch's own generator and its fast kernel serve;
with a seed, the numbers are Keras's.
"""

import math
import operator

from torchkeras import random, regularizers
from torchkeras.core.arguments import between
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers._following import FollowsFields


def _noise_shape(value):
    """A tuple of positive integers and None."""
    sizes = list(value) if hasattr(value, "__iter__") else [0]
    if any(size is not None and (not hasattr(size, "__index__") or operator.index(size) <= 0) for size in sizes):
        raise InvalidArgumentError(f"`noise_shape` must be a tuple of positive integers and None, got {value!r}.")
    return tuple(None if size is None else operator.index(size) for size in sizes)


class _TrainingOnly(FollowsFields, Layer):
    """What dropout and noise share: the identity unless `training`, masks go through, seeds where needed."""

    _strength = "rate"  # the field that says how much; 0 switches the layer off
    seed_generator = None

    def _configure(self):
        self.supports_masking = True
        self.built = True
        self._active = getattr(self, self._strength) > 0
        if self._active and self.seed_generator is None:  # one that draws goes on where it is
            self.seed_generator = random.SeedGenerator(self.seed)

    def compute_output_shape(self, input_shape):
        return input_shape

    def _noise(self, inputs, mean, stddev):
        dtype = inputs.dtype if inputs.is_floating_point() else self.compute_dtype
        noise = random.normal(inputs.shape, mean, stddev, dtype=dtype, seed=self.seed_generator)
        return noise.to(inputs.device)


@published("layer", "keras.layers")
class Dropout(_TrainingOnly):
    """In training, sets a fraction of the inputs to zero and divides the others by `1 - rate` (Srivastava et al. 2014).

    Args:
        rate: fraction from 0 to 1; with 1 everything becomes zero.
        noise_shape: shape of the mask, broadcast to the inputs; None entries take the input's size. `(None, 1, None)`
            drops the same features at all timesteps.
        seed: integer for reproducible masks (Keras's own numbers).

    Example:
        >>> Dropout(0.5)(torch.ones(2, 3), training=True).shape
        torch.Size([2, 3])

    In torch: `nn.Dropout(rate)`.
    """

    rate = field(convert=between("rate", 0, 1))
    noise_shape = field(None, convert=_noise_shape, optional=True)
    seed = field(None)

    def call(self, inputs, training=False):
        if training and self._active:
            return random.dropout(inputs, self.rate, self._get_noise_shape(inputs), self.seed_generator)
        return inputs

    def _get_noise_shape(self, inputs):
        """The shape of the mask, None for that of the inputs. May be overridden, as in Keras 2."""
        return self.noise_shape


class _SpatialDropout(Dropout, without=["noise_shape"], extra=""):
    """Dropout of whole channels of a sequence, image or volume: the positions of a map share one decision."""

    name = _slots.base()
    dtype = _slots.base()

    noise_shape = None
    data_format = "channels_last"
    _rank = 1

    def _configure(self):
        super()._configure()
        self.input_spec = InputSpec(ndim=self._rank + 2)

    def _get_noise_shape(self, inputs):
        shape, ones = inputs.shape, (1,) * self._rank
        if self.data_format == "channels_first":
            return (shape[0], shape[1], *ones)
        return (shape[0], *ones, shape[-1])

    def get_config(self):
        config = super().get_config()
        config.pop("trainable")
        return {**config, "dtype": self.dtype}


@published("layer", "keras.layers")
class SpatialDropout1D(_SpatialDropout):
    """In training, drops whole channels of `(batch, steps, channels)` (Tompson et al. 2014).

    Args:
        rate: fraction of the channels to drop, from 0 to 1.
        seed: integer for reproducible masks.

    In torch: `nn.Dropout1d(rate)` on `(batch, channels, steps)`.
    """


@published("layer", "keras.layers")
class SpatialDropout2D(_SpatialDropout):
    """In training, drops whole feature maps of images (Tompson et al. 2014).

    Args:
        rate: fraction of the maps to drop, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: integer for reproducible masks.

    In torch: `nn.Dropout2d(rate)` for channels first.
    """

    data_format = _slots.data_format(after="rate")

    _rank = 2


@published("layer", "keras.layers")
class SpatialDropout3D(SpatialDropout2D):
    """In training, drops whole feature maps of volumes. Arguments as for `SpatialDropout2D`; torch: `nn.Dropout3d`."""

    _rank = 3


@published("layer", "keras.layers")
class GaussianNoise(_TrainingOnly):
    """In training, adds normal noise of mean 0.

    Args:
        stddev: standard deviation of the noise, from 0 to 1.
        seed: integer for reproducible noise (Keras's own numbers).
    """

    _strength = "stddev"
    stddev = field(convert=between("stddev", 0, 1))
    seed = field(None)

    def call(self, inputs, training=False):
        if training and self._active:
            return inputs + self._noise(inputs, 0.0, self.stddev)
        return inputs


@published("layer", "keras.layers")
class GaussianDropout(_TrainingOnly):
    """In training, multiplies by normal noise of mean 1 and variance `rate / (1 - rate)` (Srivastava et al. 2014).

    Args:
        rate: as for `Dropout`, from 0 to below 1.
        seed: integer for reproducible noise (Keras's own numbers).
    """

    rate = field(convert=between("rate", 0, 1))
    seed = field(None)

    def call(self, inputs, training=False):
        if training and self._active:
            if self.rate == 1:
                raise ValueError("GaussianDropout with rate=1 has infinite variance: use a rate below 1.")
            return inputs * self._noise(inputs, 1.0, math.sqrt(self.rate / (1.0 - self.rate)))
        return inputs


@published("layer", "keras.layers")
class AlphaDropout(_TrainingOnly):
    """Dropout that keeps the mean and variance of SELU activations (Klambauer et al. 2017).

    What is dropped becomes SELU's lower limit, then the whole is scaled and shifted back.

    Args:
        rate, noise_shape, seed: as for `Dropout`.

    In torch: `nn.AlphaDropout(rate)`.
    """

    rate = field(convert=between("rate", 0, 1))
    noise_shape = field(None, convert=_noise_shape, optional=True)
    seed = field(None)

    def call(self, inputs, training=False):
        if not (training and self._active):
            return inputs
        low = -1.7580993408473766  # -alpha * scale of SELU
        keep = 1.0 - self.rate
        shape = self.noise_shape or inputs.shape
        shape = [inputs.shape[axis] if size is None else size for axis, size in enumerate(shape)]
        kept = random.uniform(shape, seed=self.seed_generator).to(inputs.device) >= self.rate
        gain = (keep * (1 + self.rate * low**2)) ** -0.5 if keep else 0.0
        return gain * inputs.where(kept, low) - gain * low * self.rate


@published("layer", "keras.layers")
class ActivityRegularization(Layer):
    """The identity, which adds `l1 * sum(|x|) + l2 * sum(x**2)`, divided by the batch size, to the losses.

    Args:
        l1, l2: factors.
    """

    l1 = field(0.0)
    l2 = field(0.0)

    def _configure(self):
        self.supports_masking = True
        self.built = True
        self.activity_regularizer = regularizers.L1L2(l1=self.l1, l2=self.l2)

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config.pop("activity_regularizer")
        return config
