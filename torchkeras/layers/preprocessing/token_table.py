"""A table from byte strings to numbers that is asked for millions of them at once.

May import numpy and this room's fingerprints. Knows no layer. The table is an open-addressed hash table in arrays: each
probe is a few numpy operations over all strings that still search. The first sixteen bytes of a string are compared as
two numbers, what is behind them word by word, so that the answer is exact whatever the hash makes of them. Strings come
in portions whose intermediate results stay in the cache; `take` is several times faster than an index in brackets.
"""

import numpy as np

from torchkeras.layers.preprocessing.fingerprints import packed

_LONG = 16  # bytes that are compared as two numbers
_SIZES = np.arange(_LONG + 1)
_FIRST = np.array([(1 << 8 * min(size, 8)) - 1 for size in _SIZES.tolist()], np.uint64)  # masks, by lengths
_SECOND = np.array([(1 << 8 * max(size - 8, 0)) - 1 for size in _SIZES.tolist()], np.uint64)
_FACTOR, _OTHER_FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_HALF = np.uint64(32)
_PORTION = 1 << 15


class TokenTable:
    """Byte strings and their places `0, 1, …`, in the order in which they came in.

    Args:
        tokens: different byte strings.

    >>> table = TokenTable([b"to", b"be"])
    >>> table.places(packed(np.array(["be", "or"]))).tolist()
    [1, -1]
    """

    def __init__(self, tokens=()):
        self.tokens = []
        self._text = packed(np.zeros(0, "S1"))
        self._rebuild(10)
        self._add(list(tokens))

    def __len__(self):
        return len(self.tokens)

    def places(self, text, grow=False):
        """The place of each string of a `Packed`, -1 for one that is not there; with `grow` it comes in."""
        found = np.empty(len(text), np.int64)
        for begin in range(0, len(text), _PORTION):
            part = slice(begin, begin + _PORTION)
            portion = text[part]
            places = self._find(portion)
            new = np.flatnonzero(places < 0) if grow else ()
            if len(new):
                places[new] = self._take_in(portion[new].strings())
            found[part] = places
        return found

    def _take_in(self, tokens):
        fresh = dict.fromkeys(tokens)
        first = len(self)
        self._add(list(fresh))
        places = dict(zip(fresh, range(first, len(self)), strict=True))
        return np.fromiter(map(places.__getitem__, tokens), np.int64, len(tokens))

    # -- search -------------------------------------------------------------------------------------------------------

    def _find(self, text):
        keys = _Keys(text)
        slots = self._home(keys)
        found = self._slot_places.take(slots)
        searching = np.flatnonzero((found >= 0) & ~self._same(slots, keys, text))
        if not len(searching):
            return found
        found[searching] = -1
        slots = slots[searching]
        while len(searching):
            slots = slots + 1 & self._last
            same = self._same(slots, keys[searching], text[searching])
            found[searching[same]] = self._slot_places[slots[same]]
            more = ~same & (self._slot_places[slots] >= 0)
            searching, slots = searching[more], slots[more]
        return found

    def _home(self, keys):
        return (keys.mixed >> self._shift).astype(np.int64)

    def _same(self, slots, keys, text):
        """Whether the slots hold these very strings."""
        same = self._slot_first.take(slots) == keys.first
        same &= self._slot_second.take(slots) == keys.second
        same &= self._slot_lengths.take(slots) == text.lengths
        long = np.flatnonzero(same & (text.lengths > _LONG)) if keys.any_long else ()
        if len(long):
            same[long] = _same_behind(text[long], self._text[self._slot_places[slots[long]]])
        return same

    # -- growth -------------------------------------------------------------------------------------------------------

    def _add(self, tokens):
        """Takes in strings that are not there."""
        if not tokens:
            return
        first = len(self)
        self.tokens.extend(tokens)
        self._text = self._text.followed_by(tokens)
        bits = max(10, len(self).bit_length() + 1)  # a quarter to half of the slots are taken
        if 1 << bits > len(self._slot_first):
            self._rebuild(bits)
            first = 0
        self._insert(np.arange(first, len(self)))

    def _rebuild(self, bits):
        """An empty table of `2**bits` slots."""
        self._shift, self._last = np.uint64(64 - bits), (1 << bits) - 1
        self._slot_first, self._slot_second = np.zeros((2, 1 << bits), np.uint64)
        self._slot_lengths, self._slot_places = np.full((2, 1 << bits), -1)

    def _insert(self, places):
        text = self._text[places]
        keys = _Keys(text)
        slots, waiting = self._home(keys), np.arange(len(places))
        while len(waiting):
            free = np.flatnonzero(self._slot_places[slots] < 0)
            taken, which = np.unique(slots[free], return_index=True)  # of several for one slot the first gets it
            which = free[which]
            chosen = waiting[which]
            self._slot_places[taken], self._slot_lengths[taken] = places[chosen], text.lengths[chosen]
            self._slot_first[taken], self._slot_second[taken] = keys.first[chosen], keys.second[chosen]
            waiting, slots = np.delete(waiting, which), np.delete(slots, which) + 1 & self._last


class _Keys:
    """What strings are found by: their first sixteen bytes as two numbers, and a mixture of all of them."""

    def __init__(self, text=None):
        if text is None:
            return
        sizes = np.minimum(text.lengths, _LONG)
        first, second = text.two_words(text.starts)
        first &= _FIRST.take(sizes)
        second &= _SECOND.take(sizes)
        self.first, self.second, self.any_long = first, second, bool((text.lengths > _LONG).any())
        mixed = first + second * _OTHER_FACTOR
        if self.any_long:
            for which, words, _ in _words_behind(text):
                mixed[which] = ((mixed[which] ^ (mixed[which] >> _HALF)) * _OTHER_FACTOR) ^ words
        mixed ^= mixed >> _HALF
        mixed *= _FACTOR
        self.mixed = mixed

    def __getitem__(self, which):
        part = _Keys()
        part.first, part.second, part.any_long = self.first[which], self.second[which], self.any_long
        return part


def _same_behind(left, right):
    """Whether strings of equal lengths are equal behind the bytes that are compared as numbers."""
    same = np.ones(len(left), bool)
    for which, words, at in _words_behind(left):
        mask = _FIRST[np.minimum(right.lengths[which] - at, 8)]
        same[which] &= words == right.word(right.starts[which] + at) & mask
    return same


def _words_behind(text):
    """The third word of the strings that have one, then the fourth: `(which strings, words, offset)`."""
    which = np.flatnonzero(text.lengths > _LONG)
    for at in range(_LONG, int(text.lengths.max()), 8):
        which = which[text.lengths[which] > at]
        mask = _FIRST[np.minimum(text.lengths[which] - at, 8)]
        yield which, text.word(text.starts[which] + at) & mask, at
