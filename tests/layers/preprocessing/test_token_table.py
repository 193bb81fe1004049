"""The table from byte strings to numbers, beside a dict."""

import numpy as np
import pytest

from torchkeras.layers.preprocessing import token_table
from torchkeras.layers.preprocessing.fingerprints import of_bytes
from torchkeras.layers.preprocessing.token_table import TokenTable


def words_of(count, longest, alphabet=4, seed=3):
    rng = np.random.default_rng(seed)
    return [bytes(rng.integers(97, 97 + alphabet, size, dtype=np.uint8)) for size in rng.integers(0, longest, count)]


@pytest.mark.parametrize("longest", [3, 9, 17, 40, 200])
def test_places_are_those_of_a_dict(longest):
    known = list(dict.fromkeys(words_of(3000, longest)))
    asked = words_of(3000, longest, seed=4) + known[:100]
    numbers = {word: place for place, word in enumerate(known)}
    table = TokenTable(known)
    assert table.tokens == known and len(table) == len(known)
    assert table.places(of_bytes(asked)).tolist() == [numbers.get(word, -1) for word in asked]


def test_what_is_not_there_comes_in_once(monkeypatch):
    monkeypatch.setattr(token_table, "_PORTION", 64)
    words = words_of(5000, 30, alphabet=2)
    table = TokenTable()
    places = table.places(of_bytes(words), grow=True)
    assert table.tokens == list(dict.fromkeys(words))
    assert [table.tokens[place] for place in places] == words
    assert np.array_equal(table.places(of_bytes(words)), places)


def test_strings_whose_hash_is_one_number_are_told_apart(monkeypatch):
    monkeypatch.setattr(TokenTable, "_home", lambda self, keys: np.zeros(len(keys.mixed), np.int64))
    words = list(dict.fromkeys(words_of(200, 40)))
    table = TokenTable(words[:150])
    assert table.places(of_bytes(words)).tolist() == [*range(150), *[-1] * (len(words) - 150)]


def test_zeros_and_bytes_of_any_kind_count():
    words = [
        b"",
        b"\0",
        b"a",
        b"a\0",
        b"abcdefgh",
        b"abcdefgh\0",
        b"\xff" * 8,
        b"\xff" * 9,
        b"x" * 16,
        b"x" * 16 + b"\0",
    ]
    table = TokenTable(words)
    assert table.places(of_bytes(words)).tolist() == list(range(len(words)))


def test_nothing():
    assert TokenTable().places(of_bytes([])).tolist() == []
    assert TokenTable().places(of_bytes([b"a"])).tolist() == [-1]
