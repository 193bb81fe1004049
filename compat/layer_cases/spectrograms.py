"""Spectrograms."""

from compat.layer_cases.case import case, ints, mask

_MEL = {"fft_length": 64, "sequence_stride": 20, "num_mel_bins": 8, "loose": 30.0}  # Keras's bands are float32 sums
_STFT = {"frame_length": 16, "loose": 3.0}

CASES = [
    case("STFTSpectrogram", (2, 60, 1), **_STFT, shapes=((None, None, 1),)),
    case("STFTSpectrogram", (2, 60, 2), **_STFT, mode="magnitude", expand_dims=True, shapes=((None, None, 2),)),
    case("STFTSpectrogram", (2, 60, 2), **_STFT, mode="psd", frame_step=5, fft_length=32),
    case("STFTSpectrogram", (2, 60, 1), **_STFT, mode="real", padding="same", shapes=((None, 61, 1), (None, None, 1))),
    case("STFTSpectrogram", (2, 61, 2), **_STFT, mode="imag", padding="same", frame_step=7, window="hamming"),
    case("STFTSpectrogram", (2, 60, 2), **_STFT, mode="angle", window=None),
    case("STFTSpectrogram", (2, 2, 60), **_STFT, mode="stft", data_format="channels_first", scaling="spectrum"),
    case("STFTSpectrogram", (2, 60, 2), **_STFT, mode="stft", expand_dims=True, periodic=True, scaling=None),
    case("STFTSpectrogram", (2, 2, 60), **_STFT, mode="psd", data_format="channels_first", expand_dims=True),
    case("STFTSpectrogram", (1, 60, 1), **_STFT, mode="real", dtype="float16", trainable=False),
    case("STFTSpectrogram", (2, 60, 1), **_STFT, mode="imag", dtype="mixed_float16"),
    case("STFTSpectrogram", (2, 60, 1), **_STFT, mode="psd", dtype="float64", activity_regularizer="l2"),
    case("STFTSpectrogram", (2, 60, 1), **_STFT, mode="real", masks=(mask(60, 5, size=60),)),
    case("MelSpectrogram", (2, 200), **_MEL),
    case("MelSpectrogram", (2, 200), **_MEL, power_to_db=False, shapes=((None, 200),)),
    case("MelSpectrogram", (200,), **_MEL, mag_exp=1.0, power_to_db=False),
    case("MelSpectrogram", (2, 200), **_MEL, sequence_length=40, window="hamming", sampling_rate=8000),
    case("MelSpectrogram", (2, 200), **_MEL, min_freq=300, max_freq=4000.0, top_db=20.0),
    case("MelSpectrogram", (2, 200), **_MEL, min_power=1.0, ref_power=0.5),
    case("MelSpectrogram", ints(100, 2, 200), **_MEL),
    case("MelSpectrogram", (1, 200), **_MEL, dtype="float16"),
    case("MelSpectrogram", (2, 200), **_MEL, dtype="mixed_bfloat16"),
    case("MelSpectrogram", (2, 200), **_MEL, dtype="float64", name="ears", trainable=False),
]
