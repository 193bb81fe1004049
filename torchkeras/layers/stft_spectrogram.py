"""STFTSpectrogram: the spectrum of each stretch of a signal, by two matrices that can learn.

May import core and the families below layers. A convolution of one channel is a product of the stretches, a view of the
signal, with the kernel; as a product it is three to four times faster.
"""

import warnings

import torch
import torch.nn.functional as F

from torchkeras.core.arguments import flag, one_of, positive_int
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.core.windows import output_length, same_padding
from torchkeras.initializers import STFT
from torchkeras.layers import _slots


@published("layer", "keras.layers")
class STFTSpectrogram(Layer):
    """Spectrograms of `(batch, samples, channels)`, one channel at a time.

    Args:
        mode: what to give: `"log"` (of the magnitude), `"magnitude"`, `"psd"` (power, frequencies in between counted
            twice), `"real"`, `"imag"`, `"angle"`, or `"stft"` (real and imaginary parts one behind the other).
        frame_length: samples in a stretch.
        frame_step: samples from one stretch to the next, at most `frame_length`; by default half of it.
        fft_length: length of the transform, at least `frame_length`; by default the next power of two.
        window: name of one of SciPy's windows, an array of `frame_length` numbers, or None.
        periodic: whether the window is one for spectra (SciPy's `fftbins`).
        scaling: `"density"`, `"spectrum"` or None: what the window is divided by.
        padding: `"valid"` or `"same"`.
        expand_dims: whether frequencies have an axis of their own, as for images.
        data_format: `"channels_last"` or `"channels_first"` `(batch, channels, samples)`.

    Output: `(batch, stretches, channels * frequencies)`, channels first `(batch, channels * frequencies, stretches)`;
    with `expand_dims` `(batch, stretches, frequencies, channels)` and `(batch, channels, stretches, frequencies)`.
    There are `fft_length // 2 + 1` frequencies.

    The weights `real_kernel` and `imag_kernel` begin as the transform and learn: set `trainable=False` to keep them.

    Raises `ValueError` for lengths that do not fit, `TypeError` for inputs that are no floats.

    Example:
        >>> STFTSpectrogram(frame_length=64)(torch.zeros(2, 256, 1)).shape
        torch.Size([2, 7, 33])

    In torch: `torch.stft(...)`, for a transform that does not learn.
    """

    mode = field("log", convert=one_of("mode", "log", "magnitude", "psd", "real", "imag", "angle", "stft"))
    frame_length = field(256, convert=positive_int("frame_length"))
    frame_step = field(None, convert=positive_int("frame_step"), optional=True)
    fft_length = field(None, convert=positive_int("fft_length"), optional=True)
    window = field("hann")
    periodic = field(False, convert=flag("periodic"))
    scaling = field("density", convert=one_of("scaling", "density", "spectrum", None))
    padding = field("valid", convert=one_of("padding", "valid", "same"))
    expand_dims = field(False)
    data_format = _slots.data_format()

    def _configure(self):
        self.input_spec = InputSpec(ndim=3)
        length, step, fft_length = self.frame_length, self.frame_step, self.fft_length
        if step is not None and step > length:
            raise ValueError(f"`frame_step` must not be greater than frame_length={length}, got {step}.")
        if length < 2:
            raise ValueError(f"`frame_length` must be at least 2, got {length}.")
        if fft_length is not None and fft_length < length:
            raise ValueError(f"`fft_length` must not be less than frame_length={length}, got {fft_length}.")
        if fft_length is not None and fft_length & (fft_length - 1):
            warnings.warn(f"`fft_length` had better be a power of two, got {fft_length}.", stacklevel=4)
        self._step = step or length // 2
        self._frequencies = (fft_length or 1 << (length - 1).bit_length()) // 2 + 1
        self._channels_last = self.data_format == "channels_last"
        self._starts = {side: STFT(side, self.window, self.scaling, self.periodic) for side in ("real", "imag")}

    def build(self, input_shape):
        shape = (self.frame_length, 1, self._frequencies)
        for side, other in (("real", "imag"), ("imag", "real")):
            if self.mode != other:
                kernel = self.add_weight(name=f"{side}_kernel", shape=shape, initializer=self._starts[side])
                setattr(self, f"{side}_kernel", kernel)

    def call(self, inputs):
        if not inputs.is_floating_point():
            raise TypeError(f"Layer {self.name!r} takes signals in floats, got {inputs.dtype}: cast them first.")
        x = inputs.mT if self._channels_last else inputs
        samples = x.shape[-1]
        if self.padding == "same":
            x = F.pad(x, same_padding(samples, self.frame_length, self._step))
        elif samples < self.frame_length:
            raise ValueError(
                f"Layer {self.name!r} needs at least frame_length={self.frame_length} samples, got {samples}: use "
                "padding='same' or longer signals."
            )
        return self._arranged(self._spectrum(x.unfold(-1, self.frame_length, self._step)))

    def _spectrum(self, frames):
        """What `mode` asks for of `(batch, channels, stretches, frame_length)`, frequencies last."""
        mode = self.mode
        real = None if mode == "imag" else frames @ self.real_kernel.squeeze(1).to(frames.dtype)
        imag = None if mode == "real" else frames @ self.imag_kernel.squeeze(1).to(frames.dtype)
        if mode in ("real", "imag"):
            return imag if real is None else real
        if mode == "angle":
            return torch.atan2(imag, real)
        if mode == "stft":
            return torch.cat([real, imag], -1)
        power = real.square() + imag.square()
        if mode == "psd":
            return torch.cat([power[..., :1], 2 * power[..., 1:-1], power[..., -1:]], -1)
        magnitude = power.clamp(min=settings.epsilon).sqrt()
        return magnitude if mode == "magnitude" else magnitude.clamp(min=settings.epsilon).log()

    def _arranged(self, x):
        """`(batch, channels, stretches, frequencies)` as the arguments say."""
        if self.expand_dims:
            return x.permute(0, 2, 3, 1) if self._channels_last else x
        return x.transpose(1, 2).flatten(2) if self._channels_last else x.mT.flatten(1, 2)

    def compute_output_shape(self, input_shape):
        samples, channels = input_shape[1:] if self._channels_last else input_shape[:0:-1]
        stretches = output_length(samples, self.frame_length, self._step, self.padding)
        frequencies = self._frequencies * (2 if self.mode == "stft" else 1)
        if self.expand_dims:
            rest = (stretches, frequencies, channels) if self._channels_last else (channels, stretches, frequencies)
            return (input_shape[0], *rest)
        rows = None if channels is None else channels * frequencies
        return (input_shape[0], stretches, rows) if self._channels_last else (input_shape[0], rows, stretches)
