"""Fingerprints of strings, beside values that are published or that TensorFlow gave."""

import numpy as np
import pytest

from torchkeras.layers.preprocessing import fingerprints
from torchkeras.layers.preprocessing.fingerprints import crossed, farmhash, of_bytes, packed, siphash

KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)


def test_published_value_of_siphash():
    found = siphash(np.array([bytes(range(15))]), KEY)  # appendix A of the paper
    assert int(found[0]) == 0xA129CA6149BE45E5


def test_published_values_of_farmhash():
    words = np.array(["", "a", "abc", "Hello, World!"])
    assert farmhash(words)[:3].tolist() == [11160318154034397263, 12917804110809363939, 2640714258260161385]


@pytest.mark.parametrize("function", [farmhash, lambda words: siphash(words, KEY)])
def test_one_by_one_and_together_and_in_any_array(function):
    rng = np.random.default_rng(2)
    words = ["".join(map(chr, rng.integers(33, 127, size))) for size in rng.integers(0, 300, 200)]
    together = function(np.array(words))
    assert together.tolist() == [int(function(np.array([word]))[0]) for word in words]
    for other in (np.array(words, object), np.array(words, "S"), np.array([word.encode() for word in words], object)):
        assert np.array_equal(function(other), together)
    assert np.array_equal(function(np.array(words)[::-3]), together[::-3])


def test_nothing():
    assert farmhash(np.zeros(0, "U1")).shape == siphash(np.zeros(0, "U1"), KEY).shape == (0,)
    assert crossed([np.zeros(0, np.uint64)] * 2).shape == (0,)


def test_bytes_are_those_of_utf8():
    assert packed(np.array(["ü", "a", "日本"])).strings() == ["ü".encode(), b"a", "日本".encode()]
    assert of_bytes([b"a\0", b"", b"\xff"]).strings() == [b"a\0", b"", b"\xff"]
    assert farmhash(np.array([b"a\0", b"a"], object)).tolist()[0] != farmhash(np.array([b"a"]))[0]


def test_a_million_strings_take_no_python_for_each(monkeypatch):
    calls = []
    inner = fingerprints._pair
    monkeypatch.setattr(fingerprints, "_pair", lambda *args: calls.append(1) or inner(*args))
    farmhash(np.arange(100_000).astype("S8"))
    assert len(calls) <= 10
