"""Fingerprints of many strings at once: FarmHash's Fingerprint64, SipHash-2-4, and the product that crosses features.

May import errors and numpy. Knows no layer. Written from the published descriptions (Pike and Alakuijala, FarmHash 1.1,
namespace `farmhashna`; Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).

All strings lie in one array of bytes. Each step of a formula is a numpy operation over all strings of a class of
lengths (uint64, which wraps around), so that Python's work does not grow with the number of strings; strings of more
than 64 bytes take a turn per block, in which only those take part that are long enough.
"""

import functools

import numpy as np

_U = np.uint64
_K0, _K1, _K2 = _U(0xC3A5C85C97CB3127), _U(0xB492B66FBE98F273), _U(0x9AE16A3B2F90404F)
_CAT = _U(0xC6A4A7935BD1E995)
SPARE = 32  # bytes behind the last string, so that whole words can be read from its last byte on


class Packed:
    """Strings as bytes, one behind the other or in the rows of a matrix.

    Args:
        data: array of uint8, with at least `SPARE` bytes behind the last string.
        starts, lengths: where each string begins and how many bytes it has.
    """

    def __init__(self, data, starts, lengths):
        self.data, self.starts, self.lengths = data, starts, lengths

    def __len__(self):
        return len(self.starts)

    def __getitem__(self, which):
        return Packed(self.data, self.starts[which], self.lengths[which])

    def word(self, places, kind="<u8"):
        """The little-endian number that begins at each of these places, as uint64."""
        words = np.ndarray((len(self.data) - np.dtype(kind).itemsize + 1,), kind, self.data, strides=(1,))
        return words[places].astype(np.uint64, copy=False)

    def two_words(self, places):
        """The two numbers of eight bytes from each of these places on, made of three that lie on whole words, which
        numpy takes faster."""
        aligned = self._aligned
        at, shift = places >> 3, ((places & 7) << 3).astype(np.uint64)
        behind = np.uint64(64) - shift  # a shift by 64 gives 0
        low, middle, high = aligned.take(at), aligned.take(at + 1), aligned.take(at + 2)
        return (low >> shift) | (middle << behind), (middle >> shift) | (high << behind)

    @functools.cached_property
    def _aligned(self):
        return self.data[: len(self.data) // 8 * 8].view("<u8")

    def strings(self):
        """A list of the strings, as bytes."""
        data = self.data.tobytes()
        ends = (self.starts + self.lengths).tolist()
        return [data[start:end] for start, end in zip(self.starts.tolist(), ends, strict=True)]

    def followed_by(self, strings):
        """These strings and a list of others, as bytes."""
        used = len(self.data) - SPARE
        others = of_bytes(strings)
        return Packed(
            np.concatenate([self.data[:used], others.data]),
            np.concatenate([self.starts, others.starts + used]),
            np.concatenate([self.lengths, others.lengths]),
        )


def packed(strings):
    """A `Packed` of a flat array of strings: numpy's `U` (as UTF-8), `S`, or an object array of `str` and `bytes`.

    >>> packed(np.array(["ab", "ü"])).lengths.tolist()
    [2, 2]
    """
    strings = np.ascontiguousarray(strings)
    if strings.dtype.kind == "O":
        return _of_objects(strings.tolist())
    width = strings.dtype.itemsize
    if strings.dtype.kind == "U":
        width //= 4
        points = strings.view(np.uint32)
        if len(points) and points.max() > 127:
            return of_bytes(list(map(str.encode, strings.tolist())))
        data = points.astype(np.uint8)
    else:
        data = strings.view(np.uint8)
    return Packed(_with_spare(data), np.arange(len(strings)) * width, np.char.str_len(strings))


def _of_objects(strings):
    """Of a list of `str` and `bytes`: in one piece with zeros in between where all are `str` and none has a zero."""
    try:
        data = np.frombuffer(("\0".join(strings) + "\0" * SPARE).encode(), np.uint8)
    except TypeError:
        data = None
    ends = () if data is None else np.flatnonzero(data == 0)[: 1 - SPARE]
    if len(ends) != len(strings):
        return of_bytes([each.encode() if isinstance(each, str) else bytes(each) for each in strings])
    starts = np.concatenate([[0], ends[:-1] + 1])
    return Packed(data, starts, ends - starts)


def of_bytes(strings):
    """A `Packed` of a list of bytes."""
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    return Packed(_with_spare(np.frombuffer(b"".join(strings), np.uint8)), np.cumsum(lengths) - lengths, lengths)


def _with_spare(data):
    return np.concatenate([data, np.zeros(SPARE, np.uint8)])


def bins_of(strings, bins, salt=None):
    """One of so many bins for each string of a flat array: FarmHash, or SipHash under a salt of two numbers."""
    found = farmhash(strings) if salt is None else siphash(strings, salt)
    return (found % np.uint64(bins)).astype(np.int64)


# -- FarmHash ---------------------------------------------------------------------------------------------------------


def farmhash(strings):
    """FarmHash's Fingerprint64 of each string of a flat array, as uint64.

    >>> int(farmhash(np.array(["abc"]))[0])
    2640714258260161385
    """
    text = packed(strings)
    found = np.empty(len(text), _U)
    bounds = ((0, _of_nothing), (3, _up_to_3), (7, _up_to_7), (16, _up_to_16), (32, _up_to_32), (64, _up_to_64))
    below = -1
    for most, formula in bounds:
        _fill(found, text, (text.lengths > below) & (text.lengths <= most), formula)
        below = most
    _fill(found, text, text.lengths > below, _of_long)
    return found


def _fill(found, text, chosen, formula):
    if len(chosen) and chosen.all():
        found[:] = formula(text, text.starts, text.lengths)
    elif chosen.any():
        found[chosen] = formula(text, text.starts[chosen], text.lengths[chosen])


def _rotated(x, bits):
    return (x >> _U(bits)) | (x << _U(64 - bits))


def _mixed(x):
    return x ^ (x >> _U(47))


def _pair(u, v, factor):
    """One number of two."""
    a = _mixed((u ^ v) * factor)
    return _mixed((v ^ a) * factor) * factor


def _of_nothing(text, starts, lengths):
    return np.full(len(starts), _K2)


def _up_to_3(text, starts, lengths):
    first, middle, last = (text.word(starts + at, "u1") for at in (0, lengths >> 1, lengths - 1))
    y = first + (middle << _U(8))
    z = lengths.astype(_U) + (last << _U(2))
    return _mixed(y * _K2 ^ z * _K0) * _K2


def _up_to_7(text, starts, lengths):
    size = lengths.astype(_U)
    head, tail = text.word(starts, "<u4"), text.word(starts + lengths - 4, "<u4")
    return _pair(size + (head << _U(3)), tail, _K2 + size * _U(2))


def _up_to_16(text, starts, lengths):
    factor = _K2 + lengths.astype(_U) * _U(2)
    a, b = text.word(starts) + _K2, text.word(starts + lengths - 8)
    return _pair(_rotated(b, 37) * factor + a, (_rotated(a, 25) + b) * factor, factor)


def _up_to_32(text, starts, lengths):
    factor, ends = _K2 + lengths.astype(_U) * _U(2), starts + lengths
    a, b = text.word(starts) * _K1, text.word(starts + 8)
    c, d = text.word(ends - 8) * factor, text.word(ends - 16) * _K2
    return _pair(_rotated(a + b, 43) + _rotated(c, 30) + d, a + _rotated(b + _K2, 18) + c, factor)


def _up_to_64(text, starts, lengths):
    factor, ends = _K2 + lengths.astype(_U) * _U(2), starts + lengths
    a, b = text.word(starts) * _K2, text.word(starts + 8)
    c, d = text.word(ends - 8) * factor, text.word(ends - 16) * _K2
    y = _rotated(a + b, 43) + _rotated(c, 30) + d
    z = _pair(y, a + _rotated(b + _K2, 18) + c, factor)
    e, f = text.word(starts + 16) * factor, text.word(starts + 24)
    g, h = (y + text.word(ends - 32)) * factor, (z + text.word(ends - 24)) * factor
    return _pair(_rotated(e + f, 43) + _rotated(g, 30) + h, e + _rotated(f + a, 18) + g, factor)


def _of_long(text, starts, lengths):
    """Blocks of 64 bytes go into seven numbers, the last 64 bytes, whatever was read of them, with another factor."""
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    blocks = (lengths - 1) // 64
    x = np.full(len(starts), _U(81))
    y, z = x * _K1 + _U(113), _mixed((x * _K1 + _U(113)) * _K2 + _U(113)) * _K2
    x = x * _K2 + text.word(starts)
    state = np.stack([x, y, z, *np.zeros((4, len(starts)), _U)])
    active = np.searchsorted(-blocks, -np.arange(1, blocks[0] + 1), side="right")  # strings with that many blocks
    for block, count in enumerate(active):
        state[:, :count] = _round(text, starts[:count] + 64 * block, state[:, :count], _K1, _U(1))
    x, y, z, v0, v1, w0, w1 = state
    factor = _K1 + ((z & _U(0xFF)) << _U(1))
    w0 = w0 + ((lengths - 1) & 63).astype(_U)
    v0 = v0 + w0
    state = x, y, z, v0, v1, w0 + v0, w1
    x, y, z, v0, v1, w0, w1 = _round(text, starts + lengths - 64, state, factor, _U(9))
    found = np.empty(len(starts), _U)
    found[order] = _pair(_pair(v0, w0, factor) + _mixed(y) * _K0 + z, _pair(v1, w1, factor) + x, factor)
    return found


def _round(text, at, state, factor, weight):
    """One block of 64 bytes goes into the seven numbers."""
    x, y, z, v0, v1, w0, w1 = state
    words = [text.word(at + 8 * place) for place in range(8)]
    x = _rotated(x + y + v0 + words[1], 37) * factor
    y = _rotated(y + v1 + words[6], 42) * factor
    x = x ^ (w1 * weight)
    y = y + v0 * weight + words[5]
    z = _rotated(z + w0, 33) * factor
    v0, v1 = _of_four(words[:4], v1 * factor, x + w0)
    w0, w1 = _of_four(words[4:], z + w1, y + words[2])
    return z, y, x, v0, v1, w0, w1


def _of_four(words, a, b):
    a = a + words[0]
    b = _rotated(b + a + words[3], 21)
    c = a
    a = a + words[1] + words[2]
    return a + words[3], b + _rotated(a, 44) + c


# -- SipHash ----------------------------------------------------------------------------------------------------------


def siphash(strings, key):
    """SipHash-2-4 of each string of a flat array under a key of two numbers of 64 bits, as uint64.

    >>> int(siphash(np.array([bytes(range(15))]), (0x0706050403020100, 0x0F0E0D0C0B0A0908))[0]) == 0xA129CA6149BE45E5
    True
    """
    text = packed(strings)
    order = np.argsort(-text.lengths, kind="stable")
    starts, lengths = text.starts[order], text.lengths[order]
    blocks = lengths // 8
    k0, k1 = (_U(int(number) % 2**64) for number in key)
    begin = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state = np.stack([np.full(len(text), _U(each) ^ k) for each, k in zip(begin, (k0, k1, k0, k1), strict=True)])
    most = int(blocks[0]) if len(text) else 0
    active = np.searchsorted(-blocks, -np.arange(1, most + 1), side="right")
    for block, count in enumerate(active):
        _absorb(state[:, :count], text.word(starts[:count] + 8 * block))
    kept = (lengths % 8).astype(_U) * _U(8)  # bits of the last, incomplete word; its highest byte is the length
    rest = text.word(starts + blocks * 8) & ((_U(1) << kept) - _U(1))
    _absorb(state, rest | (lengths.astype(_U) << _U(56)))
    state[2] ^= _U(0xFF)
    for _ in range(4):
        _sip_round(state)
    found = np.empty(len(text), _U)
    found[order] = state[0] ^ state[1] ^ state[2] ^ state[3]
    return found


def _absorb(state, word):
    state[3] ^= word
    _sip_round(state)
    _sip_round(state)
    state[0] ^= word


def _sip_round(state):
    v0, v1, v2, v3 = state
    v0 += v1
    v1[:] = _rotated(v1, 51) ^ v0
    v0[:] = _rotated(v0, 32)
    v2 += v3
    v3[:] = _rotated(v3, 48) ^ v2
    v0 += v3
    v3[:] = _rotated(v3, 43) ^ v0
    v2 += v1
    v1[:] = _rotated(v1, 47) ^ v2
    v2[:] = _rotated(v2, 32)


# -- several features -------------------------------------------------------------------------------------------------


def crossed(columns, seed=0xDECAFCAFFE):
    """One number of the fingerprints of several features, row by row, in TensorFlow's way.

    Args:
        columns: arrays of uint64 of one length: fingerprints of strings, whole numbers as they are.
        seed: what the first feature is joined to.
    """
    found = np.full(len(columns[0]), _U(seed))
    for column in columns:
        found = (found ^ _CAT ^ (_mixed(column * _CAT) * _CAT)) * _CAT
        found = _mixed(_mixed(found) * _CAT)
    return found
