"""MelSpectrogram: loudness of audio over time in bands as wide as the ear hears them.

May import core and ops.
"""

import torch

from torchkeras.core import scopes, unfilled
from torchkeras.core.arguments import between, number, positive_int
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.fields import field
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.layers._following import FollowsFields
from torchkeras.ops.fourier import stft

_BREAK_HERTZ, _MELS = 700.0, 1127.0  # mel = 1127 * ln(1 + hertz / 700), the scale of HTK


def _mel(hertz):
    return _MELS * torch.log1p(hertz / _BREAK_HERTZ)


@published("layer", "keras.layers")
class MelSpectrogram(FollowsFields, Layer):
    """Audio `(batch, samples)`, or one signal `(samples,)`, as mel spectrograms `(…, num_mel_bins, stretches)`.

    Args:
        fft_length: length of the transform.
        sequence_stride: samples from one stretch to the next; stretch `t` is centred on sample `t * sequence_stride`.
        sequence_length: samples in a stretch, at most `fft_length`, which it is by default.
        window: `"hann"`, `"hamming"`, None, or an array of `sequence_length` numbers.
        sampling_rate: samples per second.
        num_mel_bins: number of bands.
        min_freq, max_freq: lower edge of the lowest and upper edge of the highest band in Hertz; `max_freq` is half the
            sampling rate by default.
        power_to_db: whether to give decibels above `ref_power`.
        top_db: decibels below the loudest place of the batch at which silence begins.
        mag_exp: exponent of the magnitude: 1 for magnitude, 2 for power.
        min_power: powers below count as this one.
        ref_power: power of 0 dB.

    Integers and half precision are computed in float32. The layer has no weights.

    Raises `ValueError` where `sequence_length` is greater than `fft_length`.

    Example:
        >>> MelSpectrogram(num_mel_bins=64, sampling_rate=8000, sequence_stride=256)(torch.zeros(2, 16000)).shape
        torch.Size([2, 64, 63])

    In torch: `torchaudio.transforms.MelSpectrogram(...)` and `AmplitudeToDB()`, with other defaults.
    """

    fft_length = field(2048, convert=positive_int("fft_length"))
    sequence_stride = field(512, convert=positive_int("sequence_stride"))
    sequence_length = field(None, convert=positive_int("sequence_length"), optional=True)
    window = field("hann")
    sampling_rate = field(16000, convert=between("sampling_rate", 0, 1e9))
    num_mel_bins = field(128, convert=positive_int("num_mel_bins"))
    min_freq = field(20.0, convert=number("min_freq"))
    max_freq = field(None, convert=number("max_freq"), optional=True)
    power_to_db = field(True)
    top_db = field(80.0, convert=number("top_db"))
    mag_exp = field(2.0, convert=number("mag_exp"))
    min_power = field(1e-10, convert=number("min_power"))
    ref_power = field(1.0, convert=number("ref_power"))

    def _configure(self):
        self.sequence_length = self.sequence_length or self.fft_length
        self.max_freq = self.max_freq or int(self.sampling_rate / 2)
        unfilled.afford(self.num_mel_bins * (self.fft_length // 2 + 1), "bands of MelSpectrogram")
        if self.sequence_length > self.fft_length:
            raise ValueError(
                f"`fft_length` must not be less than sequence_length={self.sequence_length}, got {self.fft_length}."
            )
        bands = self.linear_to_mel_weight_matrix(
            self.num_mel_bins, self.fft_length // 2 + 1, self.sampling_rate, self.min_freq, self.max_freq
        )
        before = self._buffers.get("_bands", bands)
        self.register_buffer("_bands", bands.to(before.device), persistent=False)

    def call(self, inputs):
        dtype = self.dtype_policy.torch_compute
        wide = dtype if dtype is torch.float64 else torch.float32
        real, imag = stft.compute(
            inputs.to(wide), self.sequence_length, self.sequence_stride, self.fft_length, self.window, True
        )
        power = real.square() + imag.square()  # one exponent for root and power: no infinite slope at silence
        strength = power if self.mag_exp == 2 else power.pow(self.mag_exp / 2)
        outputs = strength @ self._bands.to(strength)
        if self.power_to_db:
            outputs = self._decibels(outputs)
        return outputs.mT.to(dtype)

    def _decibels(self, x):
        reference = torch.full((), max(abs(self.ref_power), self.min_power), dtype=x.dtype, device=x.device)
        x = 10.0 * (torch.log10(x.clamp(min=self.min_power)) - torch.log10(reference))
        return torch.maximum(x, x.amax() - self.top_db) if x.numel() else x

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins=20,
        num_spectrogram_bins=129,
        sampling_rate=8000,
        lower_edge_hertz=125.0,
        upper_edge_hertz=3800.0,
        dtype="float32",
    ):
        """How much each of `num_spectrogram_bins` frequencies from 0 to half the sampling rate counts in each band.

        Bands are triangles on the mel scale with a top of 1, each from the middle of the one before to the middle of
        the one behind; frequency 0 counts in none. Returns `(num_spectrogram_bins, num_mel_bins)`.
        """
        options = {"dtype": torch.float64, "device": "cpu"}  # differences of near numbers: rounded once, at the end
        hertz = torch.linspace(0.0, sampling_rate / 2.0, num_spectrogram_bins, **options)
        mels = _mel(hertz)[:, None]
        lowest, highest = _mel(torch.tensor([lower_edge_hertz, upper_edge_hertz], **options)).tolist()
        edges = torch.linspace(lowest, highest, num_mel_bins + 2, **options)
        rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
        bands = torch.minimum(rising, falling).clamp(min=0.0)
        bands[0] = 0.0
        return bands.to(scopes.default_device(), torch_dtype(dtype))

    def compute_output_shape(self, input_shape):
        *batch, samples = input_shape
        beyond = self.fft_length // 2 * 2 - self.fft_length
        stretches = None if samples is None else 1 + (samples + beyond) // self.sequence_stride
        return (*batch, self.num_mel_bins, stretches)
