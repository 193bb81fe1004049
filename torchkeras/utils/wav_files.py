"""Sound in wav files: reading whole numbers of 8 to 32 bits and floats, and bringing it to another rate.

May import errors. Python's `wave` knows neither floats nor the long form of the header.
"""

import math
import os
import struct

import numpy as np
import torch

from torchkeras.errors import CorruptFileError

_PCM, _FLOAT, _LONG_FORM = 1, 3, 0xFFFE
_UNTOLD = 0xFFFFFFFF  # as size: written by a program that did not know yet
_CROSSINGS = 16  # zeros of the sinc on each side of a sample
_ROLL_OFF = 0.95  # of the lower of the two highest frequencies, what passes


def read_wav(path, length=None):
    """`(samples, rate)` of a wav file: float32 `(samples, channels)` from -1 to 1, and samples per second.

    Args:
        length: the most samples that are read.

    Raises `CorruptFileError` with the path for what is no such file, or is cut short.
    """
    try:
        with open(path, "rb") as file:
            return _read(file, length)
    except (CorruptFileError, struct.error, EOFError) as error:
        raise CorruptFileError(f"{path} could not be read as a wav file: {error}") from error


def _read(file, length):
    kind, _, form = struct.unpack("<4sI4s", file.read(12))
    if (kind, form) != (b"RIFF", b"WAVE"):
        raise CorruptFileError("it does not begin as one")
    described = None
    while header := file.read(8):
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            if described is None:
                raise CorruptFileError("the samples come before their description")
            return _samples(file, size, length, *described)
        if name == b"fmt ":
            described = _description(file.read(size))
            size = 0
        file.seek(size + size % 2, os.SEEK_CUR)
    raise CorruptFileError("it has no samples")


def _description(data):
    """`(dtype or bytes of a sample, channels, rate)`."""
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data)
    if kind == _LONG_FORM:
        (kind,) = struct.unpack_from("<H", data, 24)
    known = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}
    if bits not in known.get(kind, ()) or not channels:
        raise CorruptFileError(
            f"samples of kind {kind} with {bits} bits in {channels} channels are not known. Whole numbers (kind 1) of "
            "8, 16, 24 or 32 bits are, and floats (kind 3) of 32 or 64"
        )
    return kind, bits // 8, channels, rate


def _samples(file, size, length, kind, width, channels, rate):
    left = os.fstat(file.fileno()).st_size - file.tell()
    if size > left and size != _UNTOLD:
        raise CorruptFileError(f"it ends after {left:,} of {size:,} bytes of samples")
    count = min(size, left) // (width * channels)
    count = count if length is None else min(count, length)
    data = file.read(count * width * channels)
    if width == 3:  # as the upper bytes of numbers of 32 bits
        wide = np.zeros((count * channels, 4), "u1")
        wide[:, 1:] = np.frombuffer(data, "u1").reshape(-1, 3)
        values = wide.view("<i4")[:, 0] * np.float32(2.0**-31)
    elif kind == _FLOAT:
        values = np.frombuffer(data, f"<f{width}").astype("float32")
    elif width == 1:  # the one kind without signs
        values = np.frombuffer(data, "u1") * np.float32(2.0**-7) - np.float32(1)
    else:
        values = np.frombuffer(data, f"<i{width}") * np.float32(2.0 ** (1 - 8 * width))
    return torch.from_numpy(values.astype("float32", copy=False).reshape(count, channels)), rate


def resampled(samples, rate, wanted):
    """The same sound at another rate, `(samples, channels)`: each new sample is a weighted sum of those around it, the
    weights a sinc under a window of Hann's. What the new rate cannot carry is filtered out."""
    if rate == wanted or not len(samples):
        return samples
    shared = math.gcd(rate, wanted)
    rate, wanted = rate // shared, wanted // shared
    width = _ROLL_OFF * min(1.0, wanted / rate)  # of the band that passes, in parts of the old one
    reach = math.ceil(_CROSSINGS / width)
    count = -(-len(samples) * wanted // rate)
    place = torch.arange(count) * rate
    nearest, phase = place // wanted, (place % wanted).double() / wanted
    padded = torch.nn.functional.pad(samples, (0, 0, reach, reach + 1))
    made = samples.new_zeros((count, samples.shape[1]))
    for offset in range(-reach, reach + 2):
        distance = (offset - phase) * width
        window = torch.cos(distance.clamp(-_CROSSINGS, _CROSSINGS) * (math.pi / 2 / _CROSSINGS)) ** 2
        weight = torch.sinc(distance) * window
        made += padded[nearest + (reach + offset)] * (width * weight).to(samples.dtype)[:, None]
    return made
