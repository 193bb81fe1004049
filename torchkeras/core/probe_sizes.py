"""Which sizes a shape probe puts in place of unknown ones.

May import nothing. Knows no tensors: a place is `(tensor's id, axis)`, a choice is a dict of places to sizes.

The first run that succeeds builds the layers on its way, so its sizes are primes: hardly any layer has such a number of
features, and a loop over them is short. Where they do not go (a reshape into fours, a U-Net that halves five times),
highly divisible ones follow, then sizes that the other arguments have. Later runs are compared with it: sizes of one
and sizes of thousands tell what follows from an unknown size from what is always the same.
"""

import itertools

_PRIMES = {"large": (83, 89, 97, 101, 103, 107, 109, 113, 127, 131), "small": (11, 13, 17, 19, 23, 29, 31, 37)}
_DIVISIBLE = {"large": (6720, 13440), "small": (24, 48)}
_FEW = (1, 2, 3, 4, 5, 8, 16, 32, 64, 960)
_MANY = {"large": 10080, "small": 48}  # half of it on the first axis, often the batch
_MOST_PAIRS = 48  # first runs with two sizes of other arguments


class Sizes:
    """The choices for one inference.

    Args:
        places: `(tensor's id, axis)` of each unknown size.
        known: all known sizes among the arguments, which no free size may equal.
        scale: "large" for tensors without data, "small" for runs on real ones.
    """

    def __init__(self, places, known, scale):
        self.places, self.known, self.scale = places, known, scale
        self._axes = sorted({axis for _, axis in places})

    def firsts(self):
        """Choices for the first run, in order: sizes that differ between axes, equal ones, divisible ones."""
        primes = [size for size in _PRIMES[self.scale] if size not in self.known] or list(_PRIMES[self.scale])
        yield {place: primes[self._axes.index(place[1]) % len(primes)] for place in self.places}
        if len(self._axes) > 1:
            yield dict.fromkeys(self.places, primes[0])
        for size in _DIVISIBLE[self.scale]:
            if size not in self.known:
                yield dict.fromkeys(self.places, size)

    def pinned(self, first, sizes):
        """Groups of `(choice, pinned places)` with some unknown sizes equal to those that the function met: one place,
        then all places of an axis, then two places."""
        sizes = sorted((sizes | {1}) - set(first.values()))
        alike = [tuple(place for place in self.places if place[1] == axis) for axis in self._axes]
        yield [({**first, place: size}, (place,)) for place in self.places for size in sizes]
        yield [({**first, **dict.fromkeys(g, size)}, g) for g in alike for size in sizes if len(g) > 1]
        pairs = (
            ({**first, one: a, two: b}, (one, two))
            for one, two in itertools.combinations(self.places, 2)
            for a, b in itertools.product(sizes, sizes)
        )
        yield itertools.islice(pairs, _MOST_PAIRS)

    def few(self, first, pins):
        """Choices with the free sizes as small as they can be, the smallest first."""
        for size in _FEW:
            if size < max(first.values()):
                yield {place: value if place in pins else size for place, value in first.items()}

    def other(self, first, pins):
        """The free sizes a little larger, in the first run's pattern: by other steps where they differ."""
        steps = {value: 56 - 6 * i for i, value in enumerate(sorted(set(first.values())))}
        if set(first.values()) <= set(_DIVISIBLE[self.scale]):
            steps = {value: value for value in steps}
        return {place: value if place in pins else value + steps[value] for place, value in first.items()}

    def many(self, first, pins):
        """Choices with large free sizes: all different, then in the first run's pattern."""
        rest, free = _MANY[self.scale], [place for place in self.places if place not in pins]
        if len(free) > len({axis for _, axis in free}):
            for step in (96, -96):  # one may be longer than the other, or the other than the one
                yield {**first, **{place: (rest if place[1] else rest // 2) + step * i for i, place in enumerate(free)}}
        pattern = sorted({first[place] for place in free})
        if len(pattern) == 1:
            yield {**first, **dict.fromkeys(free, rest)}
        for step in (96, -96) if len(pattern) > 1 else ():
            large = {value: rest + step * i for i, value in enumerate(pattern)}
            yield {**first, **{place: large[first[place]] if place[1] else large[first[place]] // 2 for place in free}}

    def alone(self, first, pins):
        """Choices with one free size changed, where the first run had the same for all: do their differences count?"""
        free = [place for place in self.places if place not in pins]
        if len(free) > 1 and len({first[place] for place in free}) == 1:
            for place in free:
                yield {**first, place: 2 * first[place]}

    def pins_doubled(self, first, pins):
        """Whether the pinned sizes were only the first of many that go."""
        return {place: 2 * value if place in pins else value for place, value in first.items()}
