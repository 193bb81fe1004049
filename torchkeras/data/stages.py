"""Stages: the steps of which a dataset is made. Each begins a new pass over its elements whenever it is asked to.

May import core. A stage is a small picklable object; `Dataset` puts them one behind the other. Stages that only choose
elements (shuffle, take, skip, repeat, shard) work on anything that comes in order: where they stand behind arrays in
memory they choose row numbers, and `Batch` then cuts its batches from the arrays at once.
"""

import collections
import itertools
import random

import numpy as np
import torch

from torchkeras.core import tree
from torchkeras.data import workers
from torchkeras.data.specs import element_of, spec_of, stacked

INFINITE, UNKNOWN = -1, -2


class Stage:
    """One step. `sources`: the stages before it."""

    name = ""
    sources = ()

    def run(self):
        """An iterator over the elements of a new pass."""
        raise NotImplementedError

    def size(self):
        """Number of elements; `INFINITE` or `UNKNOWN`."""
        return UNKNOWN

    def rows(self):
        """`(arrays, begin)` where the elements are rows of arrays in memory: `begin()` gives their numbers in the order
        of a new pass. Else None."""
        return None


# -- where elements come from -----------------------------------------------------------------------------------------


class Slices(Stage):
    """The rows of arrays."""

    name = "from_tensor_slices"

    def __init__(self, arrays):
        self.arrays = element_of(arrays)
        leaves = tree.flatten(self.arrays)
        if not leaves or not all(leaf.ndim for leaf in leaves):
            raise ValueError("from_tensor_slices() needs arrays with a first axis to cut along.")
        lengths = list(dict.fromkeys(len(leaf) for leaf in leaves))
        if len(lengths) > 1:
            raise ValueError(f"The arrays given to from_tensor_slices() have different lengths: {lengths}.")
        self.length = lengths[0]

    def run(self):
        for row in range(self.length):
            yield tree.map_structure(lambda leaf: leaf[row, ...], self.arrays)  # noqa: B023 - used at once

    def size(self):
        return self.length

    def rows(self):
        return self.arrays, lambda: iter(range(self.length))


class One(Stage):
    """A single element."""

    name = "from_tensors"

    def __init__(self, element):
        self.element = element_of(element)

    def run(self):
        return iter([self.element])

    def size(self):
        return 1


class Numbers(Stage):
    """Whole numbers in a range."""

    name = "range"

    def __init__(self, numbers):
        self.numbers = numbers

    def run(self):
        return (torch.tensor(number) for number in self.numbers)

    def size(self):
        return len(self.numbers)


class Generated(Stage):
    """What a function without arguments gives to iterate over; it is called for each pass."""

    name = "from_generator"

    def __init__(self, function, convert=element_of, length=UNKNOWN):
        self.function, self.convert, self.length = function, convert, length

    def run(self):
        return (self.convert(element) for element in self.function())

    def size(self):
        return self.length


class Zipped(Stage):
    """Elements of several datasets side by side, as long as all have some."""

    name = "zip"

    def __init__(self, structure, sources):
        self.structure, self.sources = structure, sources

    def run(self):
        for elements in zip(*[source.run() for source in self.sources]):
            yield tree.pack_sequence_as(self.structure, list(elements))

    def size(self):
        sizes = [source.size() for source in self.sources]
        finite = [size for size in sizes if size >= 0]
        return UNKNOWN if UNKNOWN in sizes else min(finite, default=INFINITE)


# -- one source -------------------------------------------------------------------------------------------------------


class _After(Stage):
    """A stage behind another one."""

    def __init__(self, source):
        self.source = source
        self.sources = (source,)

    def size(self):
        return self.source.size()


class Choosing(_After):
    """A stage that gives some of the elements, unchanged, in some order."""

    def choose(self, begin):
        """The items of a new pass, from a function that begins one."""
        raise NotImplementedError

    def run(self):
        return self.choose(self.source.run)

    def rows(self):
        found = self.source.rows()
        return None if found is None else (found[0], lambda: self.choose(found[1]))


class Take(Choosing):
    name = "take"

    def __init__(self, source, count):
        super().__init__(source)
        self.count = None if count == -1 else count

    def choose(self, begin):
        return itertools.islice(begin(), self.count)

    def size(self):
        size = self.source.size()
        if self.count is None or size == UNKNOWN:
            return size
        return self.count if size == INFINITE else min(size, self.count)


class Skip(Choosing):
    name = "skip"

    def __init__(self, source, count):
        super().__init__(source)
        self.count = count

    def choose(self, begin):
        return iter(()) if self.count == -1 else itertools.islice(begin(), self.count, None)

    def size(self):
        size = self.source.size()
        if self.count == -1:
            return 0
        return size if size < 0 else max(size - self.count, 0)


class Shard(Choosing):
    name = "shard"

    def __init__(self, source, number, index):
        super().__init__(source)
        self.number, self.index = number, index

    def choose(self, begin):
        return itertools.islice(begin(), self.index, None, self.number)

    def size(self):
        size = self.source.size()
        return size if size < 0 else len(range(self.index, size, self.number))


class Repeat(Choosing):
    name = "repeat"

    def __init__(self, source, count):
        super().__init__(source)
        self.count = None if count is None or count < 0 else count

    def choose(self, begin):
        for _ in itertools.count() if self.count is None else range(self.count):
            empty = True
            for item in begin():
                empty = False
                yield item
            if empty:
                return

    def size(self):
        size = self.source.size()
        if self.count == 0 or size == 0:
            return 0
        if self.count is None:
            return INFINITE
        return size if size < 0 else size * self.count


class Shuffle(Choosing):
    """Each element is drawn from a buffer of those that come next."""

    name = "shuffle"

    def __init__(self, source, buffer_size, seed, again):
        super().__init__(source)
        self.buffer_size, self.seed, self.again = buffer_size, seed, again
        self.passes = 0

    def _stream(self):
        """A random stream for a new pass: another one each time, unless it is to stay."""
        if self.seed is None and (self.again or not self.passes):
            self.drawn = int(torch.empty((), dtype=torch.int64).random_())
        first = self.drawn if self.seed is None else self.seed
        stream = random.Random(f"{first} {self.passes if self.again else 0}")
        self.passes += 1
        return stream

    def choose(self, begin):
        stream, items = self._stream(), begin()
        buffer = list(itertools.islice(items, self.buffer_size))
        for item in items:
            place = stream.randrange(len(buffer))
            yield buffer[place]
            buffer[place] = item
        stream.shuffle(buffer)
        yield from buffer


class Map(_After):
    """A function of each element, by threads if `parallel` says how many."""

    name = "map"

    def __init__(self, source, function, parallel=None):
        super().__init__(source)
        self.function, self.parallel = function, parallel

    def run(self):
        if self.parallel and self.parallel > 1:
            return workers.in_threads(self.one, self.source.run(), self.parallel, 2 * self.parallel, what=_named(self))
        return map(self.one, self.source.run())

    def one(self, element):
        return element_of(_tuples(told(self, self.function, element)))


class Filter(_After):
    name = "filter"

    def __init__(self, source, function):
        super().__init__(source)
        self.function = function

    def run(self):
        return (element for element in self.source.run() if bool(told(self, self.function, element)))

    def size(self):
        return self.source.size() if self.source.size() == INFINITE else UNKNOWN


class FlatMap(_After):
    """The elements of what a function makes of each element; `open_` says how to iterate over it."""

    name = "flat_map"

    def __init__(self, source, function, open_):
        super().__init__(source)
        self.function, self.open_ = function, open_

    def run(self):
        for element in self.source.run():
            yield from self.open_(told(self, self.function, element))

    def size(self):
        return UNKNOWN


class Batch(_After):
    """Elements put together along a new first axis; `put_together` may fill up smaller ones."""

    name = "batch"

    def __init__(self, source, size, drop_remainder=False, put_together=stacked):
        super().__init__(source)
        self.batch_size, self.drop_remainder, self.put_together = size, drop_remainder, put_together

    def run(self):
        found = self.source.rows() if self.put_together is stacked else None
        if found is not None:
            return (_cut(found[0], rows) for rows in self._parts(found[1]()))
        return (told(self, self.put_together, part, unpack=False) for part in self._parts(self.source.run()))

    def _parts(self, items):
        while part := list(itertools.islice(items, self.batch_size)):
            if len(part) < self.batch_size and self.drop_remainder:
                return
            yield part

    def size(self):
        size = self.source.size()
        return size if size < 0 else size // self.batch_size if self.drop_remainder else -(-size // self.batch_size)


class Unbatch(_After):
    name = "unbatch"

    def run(self):
        for batch in self.source.run():
            yield from Slices(batch).run()

    def size(self):
        return UNKNOWN if self.source.size() != INFINITE else INFINITE


class Window(_After):
    """Small datasets of elements that follow each other; `wrap` makes a dataset of a stage."""

    name = "window"

    def __init__(self, source, size, shift, stride, drop_remainder, wrap):
        super().__init__(source)
        self.length, self.shift, self.stride, self.drop, self.wrap = size, shift or size, stride, drop_remainder, wrap

    def run(self):
        span, buffer, items = (self.length - 1) * self.stride + 1, collections.deque(), self.source.run()
        while True:
            buffer.extend(itertools.islice(items, span - len(buffer)))
            if not buffer or (len(buffer) < span and self.drop):
                return
            chosen = list(buffer)[:: self.stride]
            yield tree.map_structure(self._small, *self._columns(chosen))
            for _ in range(min(self.shift, len(buffer))):
                buffer.popleft()
            collections.deque(itertools.islice(items, max(self.shift - span, 0)), maxlen=0)

    def _columns(self, elements):
        columns = zip(*[tree.flatten(element) for element in elements], strict=True)
        return [tree.pack_sequence_as(elements[0], list(map(Listed, columns)))]

    def _small(self, listed):
        return self.wrap(listed)

    def size(self):
        size = self.source.size()
        if size < 0:
            return size
        span = (self.length - 1) * self.stride + 1
        return max(-(-(size - span + 1) // self.shift), 0) if self.drop else -(-size // self.shift)


class Listed(Stage):
    """Elements that stand in a list."""

    def __init__(self, elements):
        self.elements = elements

    def run(self):
        return iter(self.elements)

    def size(self):
        return len(self.elements)


class Concatenated(Stage):
    name = "concatenate"

    def __init__(self, sources):
        self.sources = sources

    def run(self):
        return itertools.chain.from_iterable(source.run() for source in self.sources)

    def size(self):
        sizes = [source.size() for source in self.sources]
        return INFINITE if INFINITE in sizes else UNKNOWN if UNKNOWN in sizes else sum(sizes)


class Cache(_After):
    """Keeps the elements of the first whole pass in memory."""

    name = "cache"
    kept = None

    def run(self):
        if self.kept is not None:
            yield from self.kept
            return
        elements = []
        for element in self.source.run():
            elements.append(element)
            yield element
        self.kept = elements


class Prefetch(_After):
    name = "prefetch"

    def __init__(self, source, size):
        super().__init__(source)
        self.ahead = size

    def run(self):
        return workers.read_ahead(self.source.run(), self.ahead) if self.ahead else self.source.run()


class Enumerated(_After):
    name = "enumerate"

    def __init__(self, source, start):
        super().__init__(source)
        self.start = start

    def run(self):
        return ((torch.tensor(number), element) for number, element in enumerate(self.source.run(), self.start))


class Scan(_After):
    name = "scan"

    def __init__(self, source, first, function):
        super().__init__(source)
        self.first, self.function = first, function

    def run(self):
        state = element_of(self.first)
        for element in self.source.run():
            state, made = map(element_of, told(self, self.function, (state, element)))
            yield made


class TakeWhile(_After):
    name = "take_while"

    def __init__(self, source, function):
        super().__init__(source)
        self.function = function

    def run(self):
        return itertools.takewhile(lambda element: bool(told(self, self.function, element)), self.source.run())

    def size(self):
        return UNKNOWN


# -- shared -----------------------------------------------------------------------------------------------------------


def told(stage, function, element, unpack=True):
    """`function(element)`, tuples unpacked; an error gets a note that names the stage and what it was given."""
    try:
        return function(*element) if unpack and type(element) is tuple else function(element)
    except Exception as error:
        element = element[0] if not unpack else element
        text = f"Raised in {_named(stage)} of the dataset {chain(stage)}, for an element {spec_of(element)}"
        error.__notes__ = [*getattr(error, "__notes__", []), text]
        raise


def _tuples(made):
    """What a function made, a list of tensors as the tuple that it is for `tf.data`; a list of numbers is an array."""
    tensors = isinstance(made, list) and any(isinstance(item, torch.Tensor) for item in made)
    return tuple(made) if tensors else made


def _named(stage):
    function = getattr(stage, "function", None)
    inside = getattr(function, "__name__", type(function).__name__) if function is not None else ""
    return f"{stage.name}({inside})"


def chain(stage):
    """The stages up to this one, in words."""
    before = [chain(source) for source in stage.sources]
    begin = f"{before[0]} → " if len(before) == 1 else f"({', '.join(before)}) → " if before else ""
    return begin + stage.name


def _cut(arrays, rows):
    """The rows of arrays as a batch. Those that follow each other come from one slice, copied."""
    first, count = rows[0], len(rows)
    if rows[-1] - first == count - 1 and rows == list(range(first, first + count)):
        return tree.map_structure(lambda leaf: _copied(leaf[first : first + count]), arrays)
    index = torch.tensor(rows)
    return tree.map_structure(
        lambda leaf: leaf.index_select(0, index) if isinstance(leaf, torch.Tensor) else leaf[np.asarray(rows)], arrays
    )


def _copied(leaf):
    return leaf.clone() if isinstance(leaf, torch.Tensor) else leaf.copy()
