"""The base of initializers, and those that draw no numbers.

May import core and random. Knows no layer.
"""

import math
from functools import partial

import torch

from torchkeras.core import scopes
from torchkeras.core.arguments import one_of
from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.fields import Configured, field
from torchkeras.core.registry import published
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object


@published("initializer", "keras.initializers")
class Initializer(Configured):
    """Base class: makes the first value of a weight. A subclass defines `__call__(shape, dtype=None)`.

    Example:
        >>> class Sevens(Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return 7 * torch.ones(shape)
    """

    def __call__(self, shape, dtype=None):
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, shape, dtype=None).")

    def clone(self):
        """Another initializer with the same configuration; without a seed it draws one of its own."""
        return type(self).from_config(self.get_config())


@published("initializer", "keras.initializers", aliases=("zeros", "zero"))
class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape, dtype=None):
        return torch.zeros(shape, dtype=torch_dtype(dtype), device=scopes.default_device())


@published("initializer", "keras.initializers", aliases=("ones", "one"))
class Ones(Initializer):
    """All ones."""

    def __call__(self, shape, dtype=None):
        return torch.ones(shape, dtype=torch_dtype(dtype), device=scopes.default_device())


@published("initializer", "keras.initializers", aliases=("constant",))
class Constant(Initializer):
    """One number everywhere, or an array that broadcasts to the shape.

    Example:
        >>> Constant(3.0)((2,))
        tensor([3., 3.])
    """

    value = field(0.0, save=serialize_keras_object, load=partial(deserialize_keras_object, kinds=()))

    def __call__(self, shape, dtype=None):
        dtype, device = torch_dtype(dtype), scopes.default_device()
        value = as_tensor(self.value, dtype, device, "the value of Constant")
        return value * torch.ones(shape, dtype=dtype, device=device)


class Given(Constant):
    """What `get(array)` makes: the array itself, for weights of exactly its shape. Saved as a Constant."""

    _published_as = ("keras.initializers", "Constant", None)

    def __call__(self, shape, dtype=None):
        if tuple(shape) != tuple(self.value.shape):
            raise ValueError(
                f"The array given as initializer has shape {tuple(self.value.shape)}, the weight needs {tuple(shape)}."
            )
        return as_tensor(self.value, dtype, scopes.default_device(), "the array given as initializer")


@published("initializer", "keras.initializers", aliases=("identity", "IdentityInitializer"))
class Identity(Initializer):
    """`gain` times the identity matrix; for two-dimensional weights only."""

    gain = field(1.0)

    def __call__(self, shape, dtype=None):
        if len(shape) != 2:
            raise ValueError(f"Identity makes matrices, so the shape must have two entries; got {tuple(shape)}.")
        return self.gain * torch.eye(*shape, dtype=torch_dtype(dtype), device=scopes.default_device())

    def get_config(self):
        return {} if self.gain == 1 else {"gain": self.gain}  # Keras 3 writes none and so loses a gain; it reads it


def _window(value):
    if isinstance(value, str):
        from scipy import signal

        signal.get_window(value, 1)  # raises for unknown names
    return value


@published("initializer", "keras.initializers", aliases=("stft", "STFTInitializer"))
class STFT(Initializer):
    """The kernel of a short-time Fourier transform, shape `(frame_length, 1, fft_length // 2 + 1)`.

    Args:
        side: "real" (cosines) or "imag" (sines).
        window: name of a SciPy window, an array of `frame_length` numbers, or None.
        scaling: "density" (divide by the root of the window's energy), "spectrum" (by its sum), or None.
        periodic: passed to SciPy's `get_window`.
    """

    side = field("real", convert=one_of("side", "real", "imag"))
    window = field("hann", convert=_window)
    scaling = field("density", convert=one_of("scaling", "density", "spectrum", None))
    periodic = field(False)

    def __call__(self, shape, dtype=None):
        dtype, device = torch_dtype(dtype), scopes.default_device()
        frame_length, _, bins = shape
        frequency = torch.arange(bins, dtype=dtype, device=device).reshape(1, 1, bins) / ((bins - 1) * 2)
        time = torch.arange(frame_length, dtype=dtype, device=device).reshape(frame_length, 1, 1)
        angle = -2 * time * frequency * torch.full((), math.pi, dtype=dtype, device=device)
        kernel = torch.cos(angle) if self.side == "real" else torch.sin(angle)
        if self.window is None:
            return kernel
        window = self._window_values(frame_length, dtype, device)
        if self.scaling == "density":
            return kernel * window / window.square().sum().sqrt()
        if self.scaling == "spectrum":
            return kernel * window / window.abs().sum()
        return kernel * window

    def _window_values(self, frame_length, dtype, device):
        window = self.window
        if isinstance(window, str):
            from scipy import signal

            window = signal.get_window(window, frame_length, self.periodic)
        window = as_tensor(window, dtype, device, "`window`")
        if window.shape != (frame_length,):
            raise ValueError(f"`window` must have the shape ({frame_length},), got {tuple(window.shape)}.")
        return window.reshape(frame_length, 1, 1)
