"""From texts to tokens: standardizing, splitting and joining to n-grams, of many texts at once.

May import numpy and this room's fingerprints. Knows no layer. Texts are bytes of UTF-8 here, in which nothing but an
ASCII character has a byte below 128: `bytes.translate` lowers, strips and marks white space in one pass, and what
follows are numpy operations over the bytes of all texts. Only ASCII letters, punctuation and white space count, as in
TensorFlow, which Keras standardizes and splits with.
"""

import itertools

import numpy as np

from torchkeras.layers.preprocessing.fingerprints import SPARE, Packed, of_bytes

_PUNCTUATION = b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_WHITE = b" \t\n\r\x0b\x0c"
_SPACE = ord(" ")
STANDARDS = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
SPLITS = ("whitespace", "character")


class Tokens:
    """The tokens of several texts.

    Args:
        text: a `Packed` of all tokens in order.
        counts: how many each text has.
    """

    def __init__(self, text, counts):
        self.text, self.counts = text, counts

    def rows(self):
        """The number of its text for each token."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


def tokens_of(texts, standardize=None, split="whitespace"):
    """The tokens of a list of texts.

    Args:
        standardize: one of `STANDARDS`, or None.
        split: one of `SPLITS`.

    >>> tokens_of(["The cat!", ""], "lower_and_strip_punctuation").text.strings()
    [b'the', b'cat']
    """
    parts = standardized(texts, standardize, white=split == "whitespace")
    return _words(parts) if split == "whitespace" else _characters(parts)


def standardized(texts, standardize, white=False):
    """A list of texts as bytes, standardized; with `white` all white space becomes spaces."""
    table = _table(standardize in ("lower", "lower_and_strip_punctuation"), white)
    removed = _PUNCTUATION if standardize in ("strip_punctuation", "lower_and_strip_punctuation") else b""
    return [text.encode().translate(table, removed) for text in texts]


def unsplit(texts, standardize):
    """The tokens of an array whose strings are tokens, those of its last axis for each text."""
    parts = standardized(texts.ravel().tolist(), standardize)
    rows = int(np.prod(texts.shape[:-1]))
    return Tokens(of_bytes(parts), np.full(rows, texts.shape[-1]))


def of_rows(rows):
    """The tokens of texts that someone else has split: rows of `str` or bytes."""
    rows = [list(row) for row in rows]
    tokens = [each.encode() if isinstance(each, str) else bytes(each) for row in rows for each in row]
    return Tokens(of_bytes(tokens), np.fromiter(map(len, rows), np.int64, len(rows)))


def _table(lower, white):
    """What `bytes.translate` makes of each byte."""
    table = bytearray(range(256))
    if lower:
        table[65:91] = range(97, 123)
    if white:
        for byte in _WHITE:
            table[byte] = _SPACE
    return bytes(table)


def _words(parts):
    """Texts in which all white space is a space, split at it."""
    data = np.frombuffer(b"".join((b" ", b" ".join(parts), b" " * SPARE)), np.uint8)
    spaces = data == _SPACE
    edges = np.flatnonzero(spaces[1:] != spaces[:-1]) + 1  # a word begins, it ends, the next begins…
    starts, ends = edges[0::2], edges[1::2]
    text_starts = np.fromiter(itertools.accumulate(map(len, parts), _behind, initial=1), np.int64, len(parts) + 1)
    return Tokens(Packed(data, starts, ends - starts), np.diff(np.searchsorted(starts, text_starts)))


def _behind(start, length):
    return start + length + 1


def _characters(parts):
    """Texts split into characters."""
    joined = b"".join(parts)
    data = np.frombuffer(joined + bytes(SPARE), np.uint8)
    used = data[: len(joined)]
    bounds = np.append(np.flatnonzero(used & 0xC0 != 0x80), len(joined))  # other bytes go on with a character
    text_starts = np.fromiter(itertools.accumulate(map(len, parts), initial=0), np.int64, len(parts) + 1)
    return Tokens(Packed(data, bounds[:-1], np.diff(bounds)), np.diff(np.searchsorted(bounds[:-1], text_starts)))


# -- n-grams ----------------------------------------------------------------------------------------------------------


def ngrams(tokens, widths):
    """The n-grams of each text, joined by spaces: all of the first width, then all of the second."""
    text = _side_by_side(tokens.text)
    rows, ends = tokens.rows(), text.starts + text.lengths
    starts, lengths, owners = [], [], []
    for width in widths:
        first = np.flatnonzero(rows[: len(rows) - width + 1] == rows[width - 1 :]) if width <= len(rows) else rows[:0]
        starts.append(text.starts[first])
        lengths.append(ends[first + width - 1] - text.starts[first])
        owners.append(rows[first])
    owners = np.concatenate([rows[:0], *owners])
    order = np.argsort(owners, kind="stable")
    starts, lengths = (np.concatenate([rows[:0], *each])[order] for each in (starts, lengths))
    return Tokens(Packed(text.data, starts, lengths), np.bincount(owners, minlength=len(tokens.counts)))


def _side_by_side(text):
    """The same strings with one space behind each."""
    sizes = text.lengths + 1
    ends = np.cumsum(sizes)
    starts = ends - sizes
    total = int(ends[-1]) if len(ends) else 0
    data = np.zeros(total + SPARE, np.uint8)
    data[:total] = text.data[np.repeat(text.starts - starts, sizes) + np.arange(total)]
    data[ends - 1] = _SPACE
    return Packed(data, starts, text.lengths)
