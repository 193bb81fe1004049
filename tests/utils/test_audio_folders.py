"""Sounds of every kind of wav file, and their rates."""

import struct

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.errors import CorruptFileError
from torchkeras.utils.wav_files import read_wav, resampled

VALUES = np.array([-1, -0.5, 0, 0.25, 0.5, 0.75])


def chunk(name, data, size=None):
    return name + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def wav(data, kind, bits, channels=1, rate=8000, between=b"", long_form=False, size=None):
    width = bits // 8
    form = struct.pack("<HHIIHH", 0xFFFE if long_form else kind, channels, rate, rate * width, width * channels, bits)
    if long_form:
        form += struct.pack("<HHIH", 22, bits, 0, kind) + bytes(14)
    body = b"WAVE" + chunk(b"fmt ", form) + between + chunk(b"data", data, size)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def whole(bits):
    numbers = (VALUES * 2 ** (bits - 1)).astype("int64")
    if bits == 8:
        return (numbers + 128).astype("u1").tobytes()
    return b"".join(int(number).to_bytes(bits // 8, "little", signed=True) for number in numbers)


KINDS = {
    "8 bits": wav(whole(8), 1, 8),
    "16 bits": wav(whole(16), 1, 16),
    "24 bits": wav(whole(24), 1, 24),
    "32 bits": wav(whole(32), 1, 32),
    "floats": wav(VALUES.astype("<f4").tobytes(), 3, 32),
    "long floats": wav(VALUES.astype("<f8").tobytes(), 3, 64),
    "long form": wav(whole(24), 1, 24, long_form=True),
    "long form of floats": wav(VALUES.astype("<f4").tobytes(), 3, 32, long_form=True),
    "something before": wav(whole(16), 1, 16, between=chunk(b"LIST", b"odd")),
    "something behind": wav(whole(16), 1, 16) + chunk(b"LIST", b"abcd"),
    "a size that was not known": wav(whole(16), 1, 16, size=0xFFFFFFFF),
}
BROKEN = {
    "nothing": b"",
    "text": b"hello, this is no sound at all",
    "begin only": KINDS["16 bits"][:12],
    "no samples": KINDS["16 bits"][:36],
    "cut description": KINDS["16 bits"][:26],
    "cut samples": KINDS["16 bits"][:-3],
    "samples first": b"RIFF\0\0\0\0WAVE" + chunk(b"data", b"abcd"),
    "compressed": wav(b"abcd", 6, 8),
    "12 bits": wav(b"abcd", 1, 12),
    "no channels": wav(b"abcd", 1, 16, channels=0),
    "short floats": wav(b"abcd", 3, 16),
    "short long form": wav(b"abcd", 0xFFFE, 16),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind, tmp_path):
    (tmp_path / "a.wav").write_bytes(KINDS[kind])
    samples, rate = read_wav(str(tmp_path / "a.wav"))
    assert rate == 8000 and samples.dtype == torch.float32 and samples.shape == (6, 1)
    np.testing.assert_array_equal(samples[:, 0], VALUES.astype("float32"))
    assert read_wav(str(tmp_path / "a.wav"), 2)[0][:, 0].tolist() == [-1, -0.5]


def test_channels(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(whole(16) + b"x", 1, 16, channels=2))
    assert read_wav(tmp_path / "a.wav")[0].tolist() == [[-1, -0.5], [0, 0.25], [0.5, 0.75]]


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_named(name, tmp_path):
    for place, content in (("a/good.wav", KINDS["16 bits"]), ("b/bad.wav", BROKEN[name])):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).write_bytes(content)
    dataset = keras.utils.audio_dataset_from_directory(tmp_path, verbose=False)
    with pytest.raises(CorruptFileError, match=r"b.bad\.wav could not be read as a wav file: .+"):
        list(dataset)


def test_rates(tmp_path):
    (tmp_path / "a").mkdir()
    for rate in (4000, 8000, 11025):
        wave = np.sin(np.arange(rate) / rate * 440 * 2 * np.pi).astype("<f4")
        (tmp_path / "a" / f"{rate}.wav").write_bytes(wav(wave.tobytes(), 3, 32, rate=rate))
    dataset = keras.utils.audio_dataset_from_directory(tmp_path, labels=None, sampling_rate=8000, verbose=False)
    (batch,) = dataset
    assert batch.shape == (3, 8000, 1)
    wanted = np.sin(np.arange(8000) / 8000 * 440 * 2 * np.pi)
    assert np.abs(batch[:, 100:-100, 0].numpy() - wanted[100:-100]).max() < 2e-3
    (batch,) = keras.utils.audio_dataset_from_directory(
        tmp_path, labels=None, sampling_rate=8000, output_sequence_length=9000, verbose=False
    )
    assert batch.shape == (3, 9000, 1) and not batch[:, 8100:].any()


@pytest.mark.parametrize(("rate", "wanted"), [(8000, 16000), (16000, 8000), (44100, 48000), (7919, 8009), (8000, 8000)])
def test_resampling(rate, wanted):
    time = torch.arange(rate // 10) / rate
    sound = torch.stack([torch.sin(time * 2 * torch.pi * 300), torch.ones_like(time)], 1)
    made = resampled(sound, rate, wanted)
    assert len(made) == -(-len(sound) * wanted // rate) and made.dtype == torch.float32
    time = torch.arange(len(made)) / wanted
    inside = slice(len(made) // 5, -len(made) // 5)
    torch.testing.assert_close(made[inside, 0], torch.sin(time * 2 * torch.pi * 300)[inside], atol=3e-3, rtol=0)
    torch.testing.assert_close(made[inside, 1], torch.ones_like(time)[inside], atol=3e-3, rtol=0)
    assert resampled(sound[:0], rate, wanted).shape == (0, 2)


def test_what_a_lower_rate_cannot_carry_goes():
    high = torch.sin(torch.arange(8000) / 8000 * 2 * torch.pi * 3000)[:, None]
    assert resampled(high, 8000, 4000)[200:-200].abs().max() < 5e-3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"ragged": True}, "torch does not have"),
        ({"ragged": True, "output_sequence_length": 3}, "exclude each other"),
        ({"sampling_rate": 0}, "`sampling_rate` must be a whole number"),
        ({"sampling_rate": True}, "`sampling_rate` must be a whole number"),
        ({"output_sequence_length": -1}, "`output_sequence_length` must be"),
    ],
)
def test_arguments(arguments, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        keras.utils.audio_dataset_from_directory(tmp_path, **arguments)
