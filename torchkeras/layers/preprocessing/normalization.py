"""Normalization: features with a mean of 0 and a variance of 1.

May import core and this room.
"""

import math
import warnings

import numpy as np
import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers.preprocessing.adapting import AdaptingLayer

_ELEMENTS = 1 << 22  # looked at together while adapting, so that their doubles do not double the data


def _axes(value):
    """None -> (), -1 -> (-1,), [0, 1] -> (0, 1)."""
    if value is None:
        return ()
    items = [value] if isinstance(value, (int, np.integer)) else value
    several = isinstance(items, (list, tuple, np.ndarray))
    if not several or not all(isinstance(item, (int, np.integer)) for item in items):
        raise InvalidArgumentError(f"`axis` must be None, an integer or several, got {value!r}.")
    return tuple(int(item) for item in items)


def _plain(value):
    return np.asarray(value).tolist() if isinstance(value, (list, tuple)) or hasattr(value, "tolist") else value


_FIELDS = {
    "axis": field(-1, convert=_axes),
    "mean": field(None, attribute="input_mean", save=_plain),
    "variance": field(None, attribute="input_variance", save=_plain),
    "invert": field(False),
}


@published("layer", "keras.layers")
class Normalization(AdaptingLayer, fields_from=[_FIELDS]):
    """Shifts and scales features: `(x - mean) / sqrt(variance)`.

    Args:
        axis: the axis, or axes, each of whose entries has a mean and a variance of its own, counted with the batch
            axis; -1 is the last one. None: one mean and variance for all.
        mean: the mean, a number or an array of the shape of the axes kept; without it `adapt` finds it.
        variance: the variance, given if `mean` is.
        invert: whether to turn normalized features back: `x * sqrt(variance) + mean`.

    Until `adapt` was called, or weights loaded, mean and variance are 0 and 1. The weights `mean`, `variance` and
    `count` do not learn; `layer.mean` and `layer.variance` are shaped for arithmetic with inputs.

    Raises `ValueError` for an axis that the inputs do not have or whose size is not known, and in `adapt` where mean
    and variance were given.

    Example:
        >>> layer = Normalization()
        >>> layer.adapt([[1.0, 10.0], [3.0, 30.0]])
        >>> layer([[3.0, 10.0]])
        tensor([[ 1., -1.]])

    In torch: `(x - x.mean(0)) / x.std(0, correction=0)` over the training data.
    """

    _seen = None
    _takes_numbers = True

    def _configure(self):
        self.supports_masking = True
        self._keep(input_mean=self.input_mean, input_variance=self.input_variance, _seen=None)
        given = [value is not None for value in (self.input_mean, self.input_variance)]
        if any(given) and not all(given):
            raise InvalidArgumentError(
                f"`mean` and `variance` must both be given, got mean={self.input_mean!r} and "
                f"variance={self.input_variance!r}."
            )
        if not all(given):
            return
        shapes = [tuple(np.shape(_plain(value))) for value in (self.input_mean, self.input_variance)]
        if shapes[0] != shapes[1]:
            raise InvalidArgumentError(f"`mean` and `variance` must have one shape, got {shapes[0]} and {shapes[1]}.")
        if len(shapes[0]) > len(self.axis):
            raise InvalidArgumentError(
                f"`mean` has shape {shapes[0]}, of more axes than are kept (axis={self.axis}): give a number for all "
                "features, or a list with one for each."
            )

    def build(self, input_shape):
        self._settle(input_shape)
        if self.input_mean is None:
            shape = tuple(input_shape[axis] for axis in self._kept)
            for name, initializer in (("mean", "zeros"), ("variance", "ones")):
                weight = self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False)
                setattr(self, f"adapt_{name}", weight)
            self.count = self.add_weight(name="count", shape=(), dtype="int32", initializer="zeros", trainable=False)

    def _settle(self, input_shape):
        """Which axes of inputs of this shape are kept, and the shape that statistics have beside inputs."""
        rank = len(input_shape)
        if any(not -rank <= axis < rank for axis in self.axis):
            raise InvalidArgumentError(
                f"`axis` of layer {self.name!r} must lie in [-{rank}, {rank}) for inputs of shape {input_shape}, got "
                f"axis={self.axis}."
            )
        kept = tuple(axis % rank for axis in self.axis)
        if len(set(kept)) < len(kept):
            raise InvalidArgumentError(f"`axis` of layer {self.name!r} names an axis twice: {self.axis}.")
        unknown = [axis for axis in kept if input_shape[axis] is None]
        if unknown:
            raise InvalidArgumentError(
                f"Layer {self.name!r} keeps axis {unknown[0]} of its inputs, whose size must be known, got inputs of "
                f"shape {input_shape}: give Input a size there, or use axis=None."
            )
        self._keep(
            _kept=tuple(sorted(kept)),
            _beside=tuple(input_shape[axis] if axis in kept else 1 for axis in range(rank)),
        )

    # -- what is in force ---------------------------------------------------------------------------------------------

    @property
    def mean(self):
        """The mean, beside inputs. `AttributeError` before the layer is built."""
        return self._statistic("mean")

    @property
    def variance(self):
        """The variance, beside inputs."""
        return self._statistic("variance")

    def _statistic(self, name):
        if not self.built:
            raise AttributeError(f"Layer {self.name!r} has no {name} yet: call adapt(data), or build it.")
        given = getattr(self, f"input_{name}")
        if given is None:
            return getattr(self, f"adapt_{name}").detach().reshape(self._beside)
        dtype = torch_dtype(self.variable_dtype)
        kept = [self._beside[axis] for axis in self._kept]
        return as_tensor(_plain(given), device=self._device()).to(dtype).broadcast_to(kept).reshape(self._beside)

    def call(self, inputs):
        inputs = self._in_floats(inputs)
        mean, variance = self.mean.to(inputs), self.variance.to(inputs)
        deviation = variance.sqrt().clamp(min=settings.epsilon)
        return mean + inputs * deviation if self.invert else (inputs - mean) / deviation

    def compute_output_shape(self, input_shape):
        return input_shape

    # -- adapting -----------------------------------------------------------------------------------------------------

    def adapt(self, data, batch_size=None, steps=None):
        """Finds mean and variance of the data, in place of those found before.

        Args:
            data: an array, tensor, list or data frame; or what gives batches: a dataset, a DataLoader, a generator.
            batch_size: how many rows of an array to look at together; the result is the same.
            steps: how many batches to take of what gives batches; by default all.

        Raises `ValueError` if mean and variance were given to the layer, or there are no data.
        """
        if self.input_mean is not None:
            raise InvalidArgumentError(
                f"Layer {self.name!r} was given `mean` and `variance`: it cannot adapt() to data. Leave them out."
            )
        super().adapt(data, steps, batch_size)

    def reset_state(self):
        self._keep(_seen=None)

    def update_state(self, data):
        data = as_tensor(data, what="`data`")
        if not self.built:
            self.build(tuple(data.shape))
        if tuple(data.shape[axis] for axis in self._kept) != tuple(self.adapt_mean.shape) or data.dim() != len(
            self._beside
        ):
            raise InvalidArgumentError(
                f"adapt() of layer {self.name!r} got data of shape {tuple(data.shape)}; before, data had shape "
                f"{tuple(None if size == 1 else size for size in self._beside)}."
            )
        rows = max(1, _ELEMENTS * data.shape[0] // max(1, data.numel())) if data.dim() else 1
        for part in data.split(rows) if data.dim() else (data,):
            self._keep(_seen=_merged(self._seen, self._moments(part)))

    def _moments(self, data):
        """How many numbers, their mean and their squared deviations, in doubles."""
        axes = [axis for axis in range(data.dim()) if axis not in self._kept]
        data = data.double()
        count = math.prod(data.shape[axis] for axis in axes)
        if not axes:
            return count, data, torch.zeros_like(data)
        mean = data.mean(axes, keepdim=True)
        return count, mean.reshape(self.adapt_mean.shape), (data - mean).square_().sum(axes)

    def finalize_state(self):
        if self._seen is None:
            return
        count, mean, deviations = self._seen
        if not count:
            raise InvalidArgumentError(f"adapt() of layer {self.name!r} got data without a row.")
        if mean.isnan().any():
            warnings.warn(
                f"The data that layer {self.name!r} adapted to hold NaN, and so does its mean: drop them first.",
                stacklevel=3,
            )
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(deviations / count)

    def merge_state(self, layers):
        self._refuse_others(layers)
        for layer in layers:
            if layer._seen is not None:
                if not self.built:
                    self.build(layer._beside)
                self._keep(_seen=_merged(self._seen, layer._seen))
        self.finalize_state()


def _merged(first, second):
    """Count, mean and squared deviations of two sets of numbers as those of both (Chan, Golub and LeVeque, 1979)."""
    if first is None or second[0] == 0:
        return second if first is None else first
    count = first[0] + second[0]
    apart = second[1] - first[1]
    return (
        count,
        first[1] + apart * (second[0] / count),
        first[2] + second[2] + apart.square() * (first[0] * second[0] / count),
    )
