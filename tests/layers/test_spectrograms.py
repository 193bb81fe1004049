"""Spectrograms: what they find in a tone, their gradients, their refusals."""

import math

import pytest
import torch

from torchkeras import layers


def tone(hertz, rate=8000, seconds=0.1):
    return torch.sin(2 * math.pi * hertz * torch.arange(int(rate * seconds)) / rate)[None]


def test_a_tone_is_loudest_at_its_frequency():
    layer = layers.STFTSpectrogram("magnitude", frame_length=256, expand_dims=True)
    found = layer(tone(1000.0)[..., None]).mean((0, 1, 3))
    assert found.argmax() == 1000 / (8000 / 256)


def test_the_transform_is_torchs():
    x, window = torch.randn(2, 200), torch.hann_window(64)
    layer = layers.STFTSpectrogram("stft", 64, 16, scaling=None, periodic=True, data_format="channels_first")
    expected = torch.stft(x, 64, 16, window=window, center=False, return_complex=True)
    torch.testing.assert_close(layer(x[:, None]), torch.cat([expected.real, expected.imag], 1), rtol=1e-4, atol=1e-4)


def test_kernels_learn_unless_told():
    layer = layers.STFTSpectrogram("psd", 32)
    layer(torch.randn(2, 90, 1)).sum().backward()
    assert [weight.name for weight in layer.trainable_weights] == ["real_kernel", "imag_kernel"]
    assert all(weight.grad.abs().sum() > 0 for weight in layer.weights)
    half = layers.STFTSpectrogram("real", 32)
    half(torch.randn(2, 90, 1))
    assert [weight.name for weight in half.weights] == ["real_kernel"]


@pytest.mark.parametrize(("low", "high"), [(300.0, 900.0), (900.0, 3000.0)])
def test_bands_rise_with_the_tone(low, high):
    layer = layers.MelSpectrogram(512, 128, sampling_rate=8000, num_mel_bins=32)
    first, second = (int(layer(tone(hertz)).mean((0, 2)).argmax()) for hertz in (low, high))
    assert first < second


def test_silence_has_a_gradient():
    x = torch.zeros(1, 400, requires_grad=True)
    layers.MelSpectrogram(256, 64, num_mel_bins=8)(x).sum().backward()
    assert x.grad.abs().sum() == 0


def test_one_signal_is_a_row_of_a_batch():
    x = torch.randn(3, 400)
    layer = layers.MelSpectrogram(256, 64, num_mel_bins=8, power_to_db=False)
    torch.testing.assert_close(layer(x[0]), layer(x)[0])
    assert layer(x[:0]).shape == (0, 8, 7)
    assert layer(layers.Input((399,))).shape == (None, 8, 7)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: layers.STFTSpectrogram(frame_step=300), ValueError, "`frame_step` must not be greater"),
        (lambda: layers.STFTSpectrogram(frame_length=1), ValueError, "at least 2"),
        (lambda: layers.STFTSpectrogram(fft_length=100), ValueError, "`fft_length` must not be less"),
        (lambda: layers.STFTSpectrogram("power"), ValueError, "'psd'"),
        (lambda: layers.STFTSpectrogram(window="hill"), ValueError, "hill"),
        (lambda: layers.STFTSpectrogram()(torch.ones(2, 600, 1, dtype=torch.int32)), TypeError, "in floats"),
        (lambda: layers.STFTSpectrogram()(torch.ones(2, 200, 1)), ValueError, "at least frame_length=256"),
        (lambda: layers.STFTSpectrogram()(torch.ones(2, 600)), ValueError, "ndim=3"),
        (lambda: layers.MelSpectrogram(256, sequence_length=512), ValueError, "sequence_length=512"),
        (lambda: layers.MelSpectrogram(num_mel_bins=0), ValueError, "positive integer"),
        (lambda: layers.MelSpectrogram(window="hill")(torch.ones(3000)), ValueError, "'hamming'"),
    ],
)
def test_refuses(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_odd_lengths_of_the_transform_are_warned_of():
    with pytest.warns(UserWarning, match="power of two"):
        layers.STFTSpectrogram(fft_length=300)


def test_an_argument_that_is_changed_later_counts():
    layer, x = layers.MelSpectrogram(fft_length=256, num_mel_bins=4), torch.randn(2, 3000)
    layer(x)
    layer.num_mel_bins, layer.max_freq, layer.sequence_stride = 6, 4000.0, 128
    other = layers.MelSpectrogram(fft_length=256, num_mel_bins=6, max_freq=4000.0, sequence_stride=128)
    torch.testing.assert_close(layer(x), other(x))
    assert layer.get_config()["num_mel_bins"] == 6 and list(layer.state_dict()) == []
