"""Fourier transforms of `keras.ops`: complex numbers come and go as pairs `(real, imag)`.

May import core and the makers. Knows no layer.
"""

import math

import torch
import torch.nn.functional as F

from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import NAMES
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import joint_type, publish, static_spec

__all__ = ["extract_sequences", "fft", "fft2", "ifft2", "irfft", "istft", "rfft", "stft"]

# -- pairs of real tensors --------------------------------------------------------------------------------------------


def _pair(x):
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"Expected a tuple `(real, imag)` of two tensors, got {type(x).__name__}: pass both parts.")
    return x


def _complex(x):
    real, imag = (as_tensor(part) for part in _pair(x))
    if real.shape != imag.shape:
        raise ValueError(f"Both parts must have one shape, got {tuple(real.shape)} and {tuple(imag.shape)}.")
    if not (real.is_floating_point() and imag.is_floating_point()):
        raise ValueError(f"Both parts must be floats, got {NAMES[real.dtype]} and {NAMES[imag.dtype]}: cast them.")
    return torch.complex(real, imag)


def _pair_spec(x, rank):
    """The specs of both parts, checked. Raises `ValueError` where they differ or have fewer axes than `rank`."""
    real, imag = _pair(x)
    if tuple(real.shape) != tuple(imag.shape):
        raise ValueError(f"Both parts must have one shape, got {tuple(real.shape)} and {tuple(imag.shape)}.")
    _check_signal(real, rank)
    return real, imag


def _check_signal(x, rank):
    if len(x.shape) < rank:
        raise ValueError(f"Expected tensors with at least {rank} axes, got shape {tuple(x.shape)}.")


def _transform(keras_class, function, rank, doc):
    """A transform of pairs that keeps the shape: `(x)`."""

    def compute(x):
        result = function(_complex(x))
        return result.real, result.imag

    def output_spec(x):
        real, imag = _pair_spec(x, rank)
        if None in real.shape[-rank:]:
            raise ValueError(
                f"{keras_class} needs the sizes of its last {rank} axes, got {tuple(real.shape)}: give them in Input."
            )
        return static_spec(real.shape, real.dtype), static_spec(imag.shape, imag.dtype)

    return publish(compute, keras_class, doc, "math", ("x",), output_spec, name=keras_class.lower())


fft = _transform("FFT", torch.fft.fft, 1, "The discrete Fourier transform along the last axis of a pair.")
fft2 = _transform("FFT2", torch.fft.fft2, 2, "The discrete Fourier transform over the last two axes of a pair.")
ifft2 = _transform("IFFT2", torch.fft.ifft2, 2, "The inverse of `fft2`.")


def _rfft_spec(x, fft_length):
    if not x.shape:
        raise ValueError("rfft needs at least one axis, got a scalar.")
    size = x.shape[-1] if fft_length is None else fft_length
    shape = (*x.shape[:-1], None if size is None else size // 2 + 1)
    dtype = joint_type((x,), ints="floatx")
    return static_spec(shape, dtype), static_spec(shape, dtype)


@operation("RFFT", "math", output_spec=_rfft_spec)
def rfft(x, fft_length=None):
    """The Fourier transform of real numbers along the last axis: a pair with `fft_length // 2 + 1` frequencies.

    Args:
        x: real tensor.
        fft_length: the last axis is cut or filled with zeros to this length first.

    torch: `torch.fft.rfft(x, n=fft_length)`.
    """
    result = torch.fft.rfft(as_tensor(x), n=fft_length)
    return result.real, result.imag


def _irfft_spec(x, fft_length):
    real, _ = _pair_spec(x, 1)
    if fft_length is None and real.shape[-1] is not None:
        fft_length = 2 * (real.shape[-1] - 1)
    return static_spec((*real.shape[:-1], fft_length), real.dtype)


@operation("IRFFT", "math", output_spec=_irfft_spec)
def irfft(x, fft_length=None):
    """The inverse of `rfft`: real numbers of length `fft_length`, by default `2 * (frequencies - 1)`."""
    return torch.fft.irfft(_complex(x), n=fft_length)


# -- short time -------------------------------------------------------------------------------------------------------

_WINDOWS = {"hann": torch.hann_window, "hamming": torch.hamming_window}


def _window(window, length, dtype, device):
    """The window as a tensor of `length` numbers; None stays None."""
    if window is None:
        return None
    if isinstance(window, str):
        if window not in _WINDOWS:
            raise ValueError(f"`window` must be 'hann', 'hamming', None or a tensor, got {window!r}.")
        return _WINDOWS[window](length, periodic=True, dtype=dtype, device=device)
    window = as_tensor(window, dtype, device).to(device)
    if tuple(window.shape) != (length,):
        raise ValueError(f"`window` must have shape ({length},), the sequence length; got {tuple(window.shape)}.")
    return window


def _check_stride(stride):
    if not isinstance(stride, int) or stride <= 0:
        raise ValueError(f"`sequence_stride` must be a positive integer, got {stride!r}.")


def _stft_spec(x, sequence_stride, fft_length, center):
    _check_signal(x, 1)
    _check_stride(sequence_stride)
    steps = x.shape[-1]
    if steps is not None:
        steps = 1 + (steps + (fft_length // 2 * 2 if center else 0) - fft_length) // sequence_stride
    shape = (*x.shape[:-1], steps, fft_length // 2 + 1)
    return static_spec(shape, x.dtype), static_spec(shape, x.dtype)


@operation("STFT", "math", output_spec=_stft_spec)
def stft(x, sequence_length, sequence_stride, fft_length, window="hann", center=True):
    """The short-time Fourier transform: the spectrum of each windowed stretch of a signal.

    Args:
        x: `(..., samples)`, float32 or float64.
        sequence_length: samples in a stretch.
        sequence_stride: samples from one stretch to the next.
        fft_length: length of the transform, at least `sequence_length`.
        window: "hann", "hamming", None or a tensor of `sequence_length` numbers.
        center: reflect the signal at both ends, so that stretch `t` is centred on sample `t * sequence_stride`.

    Returns:
        `(real, imag)`, each `(..., stretches, fft_length // 2 + 1)`.

    Raises `TypeError` for other dtypes, `ValueError` for lengths or windows that do not fit.

    torch: `torch.stft(..., return_complex=True)` with the last two axes swapped.
    """
    _check_stride(sequence_stride)
    x = as_tensor(x)
    _check_signal(x, 1)
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"stft takes float32 or float64, got {NAMES[x.dtype]}: cast it.")
    if fft_length < sequence_length:
        raise ValueError(f"fft_length={fft_length} must not be below sequence_length={sequence_length}.")
    window = _window(window, sequence_length, x.dtype, x.device)
    if window is None:
        window = torch.ones(sequence_length, dtype=x.dtype, device=x.device)
    if 0 in x.shape[:-1]:  # torch's padding takes no empty batch
        shape = _stft_spec(x, sequence_stride, fft_length, center)[0].shape
        return x.new_zeros(shape), x.new_zeros(shape)
    flat = x.reshape(-1, x.shape[-1]) if x.dim() > 2 else x
    result = torch.stft(
        flat, fft_length, sequence_stride, sequence_length, window=window, center=center, return_complex=True
    )
    result = result.reshape(*x.shape[:-1], *result.shape[-2:]).swapaxes(-2, -1)
    return result.real, result.imag


def _istft_spec(x, sequence_stride, fft_length, length, center):
    _check_stride(sequence_stride)
    real, _ = _pair_spec(x, 2)
    if length is None and real.shape[-2] is not None:
        length = (real.shape[-2] - 1) * sequence_stride + fft_length - (fft_length // 2 * 2 if center else 0)
    return static_spec((*real.shape[:-2], length), real.dtype)


@operation("ISTFT", "math", output_spec=_istft_spec)
def istft(x, sequence_length, sequence_stride, fft_length, length=None, window="hann", center=True):
    """The signal of which `x` is the short-time transform; the inverse of `stft` with the same settings.

    Args:
        x: `(real, imag)`, each `(..., stretches, fft_length // 2 + 1)`.
        length: samples to give back; by default all that the stretches cover.

    The other arguments are those of `stft`. Centred stretches as long as the transform are weighted by the exact sum of
    their squared windows (`torch.istft`), all others by the window sum of an endless signal (TensorFlow's
    `inverse_stft_window_fn`), as Keras has it.
    """
    _check_stride(sequence_stride)
    spectrum = _complex(x)
    _check_signal(spectrum, 2)
    window = _window(window, sequence_length, spectrum.real.dtype, spectrum.device)
    if window is not None and center and sequence_length == fft_length:
        flat = spectrum.reshape(-1, *spectrum.shape[-2:]).swapaxes(-2, -1)
        result = torch.istft(flat, fft_length, sequence_stride, sequence_length, window, center=True, length=length)
        return result.reshape(*spectrum.shape[:-2], result.shape[-1])
    frames = torch.fft.irfft(spectrum, n=fft_length)
    if window is not None:
        frames = frames * _inverse_window(window, fft_length, sequence_stride)
    signal = _overlap_add(frames, sequence_stride)
    start = fft_length // 2 if center else 0
    stop = start + length if length is not None else signal.shape[-1] - start
    return signal[..., start:stop]


def _inverse_window(window, fft_length, stride):
    """The window over the sum of its square and of all its shifts by the stride."""
    left = (fft_length - window.shape[0]) // 2
    window = F.pad(window, (left, fft_length - window.shape[0] - left))
    shifts = math.ceil(fft_length / stride)
    squares = F.pad(window.square(), (0, shifts * stride - fft_length)).reshape(shifts, stride)
    return window / squares.sum(0).repeat(shifts)[:fft_length]


def _overlap_add(frames, stride):
    """`(..., stretches, length)` laid over each other at distances of the stride and summed."""
    count, length = frames.shape[-2:]
    if stride > length:
        raise ValueError(f"sequence_stride={stride} leaves gaps between stretches of length {length}: make it smaller.")
    size = (count - 1) * stride + length
    columns = frames.reshape(-1, count, length).swapaxes(1, 2)
    signal = F.fold(columns, output_size=(1, size), kernel_size=(1, length), stride=(1, stride))
    return signal.reshape(*frames.shape[:-2], size)


def _sequences_spec(x, sequence_length, sequence_stride):
    if not x.shape:
        raise ValueError("extract_sequences needs at least one axis, got a scalar.")
    size = x.shape[-1]
    count = None if size is None else 1 + (size - sequence_length) // sequence_stride
    return KerasTensor(Shape((*x.shape[:-1], count, sequence_length)), x.dtype)


@operation("ExtractSequences", "math", output_spec=_sequences_spec)
def extract_sequences(x, sequence_length, sequence_stride):
    """All stretches of the last axis: `(..., samples)` -> `(..., stretches, sequence_length)`.

    torch: `x.unfold(-1, sequence_length, sequence_stride)`.
    """
    return as_tensor(x).unfold(-1, sequence_length, sequence_stride)
