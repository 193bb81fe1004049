"""Sources of batches that other code makes: torch's loaders, iterators, and whatever can be iterated over.

May import torch's data utilities and this room.
"""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch.utils.data import DataLoader, IterableDataset, RandomSampler

from torchkeras.core.conversion import is_array_like
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.data import workers
from torchkeras.training.batch_source import BatchSource
from torchkeras.training.row_readers import is_hdf5, is_sparse


class LoaderSource(BatchSource):
    """Batches of a `torch.utils.data.DataLoader`."""

    kind = "a DataLoader"
    fresh = True  # collated

    @classmethod
    def accepts(cls, x):
        return isinstance(x, DataLoader)

    def _length(self):
        loader = self._data
        if isinstance(loader.dataset, IterableDataset):
            return _length_of(loader) if hasattr(type(loader.dataset), "__len__") else None
        length = _length_of(loader)
        self.exact = True  # a sampler that is asked once more draws from its generator
        if length is not None and loader.batch_size is not None:
            samples = _length_of(loader.sampler)
            self.rows = length * loader.batch_size if samples is None or loader.drop_last else samples
            if self.steps is not None:
                self.rows = min(self.rows, self.steps * loader.batch_size)
        return length

    def _begin_pass(self):
        self._pass, self._taken = self._open(), 0  # draws from the random stream itself

    def _pay(self):
        if self.steps is None:
            self._draw()
        elif not self._data.num_workers:  # where there are workers, they would begin to read
            self._begin()

    def _draw(self):
        """What a pass draws that is begun and given up: a seed, from the loader's own generator if it has one, and
        where workers read ahead an order, from wherever the sampler draws it."""
        loader = self._data
        self._stream.draw(loader.generator)
        if loader.num_workers and isinstance(loader.sampler, RandomSampler):
            next(iter(loader.sampler), None)

    def _end_pass(self):
        running = self._pass
        super()._end_pass()
        self._end_workers(running)

    def _own_streams(self):
        return [generator.get_state().numpy() for generator in self._generators()]

    def _set_own_streams(self, states):
        for generator, state in zip(self._generators(), states):
            generator.set_state(torch.as_tensor(state))

    def _generators(self):
        held = [self._data, self._data.sampler, getattr(self._data, "batch_sampler", None)]
        held.append(getattr(held[-1], "sampler", None))
        found = [getattr(each, "generator", None) for each in held]
        return list({id(each): each for each in found if isinstance(each, torch.Generator)}.values())

    def close(self):
        running = self._pass
        super().close()
        self._end_workers(running)

    def _end_workers(self, running):
        if not self._data.persistent_workers:
            workers.end(running)

    def look(self):
        """As in Keras, a batch of a pass that then is given up, where that costs little; else the first one of the pass
        to come, after as many random numbers."""
        loader = self._data
        if loader.num_workers == 0 and not isinstance(loader.dataset, IterableDataset):
            return self.batch(next(iter(loader)))
        self._draw()
        return self.first_batch()


class IteratorSource(BatchSource):
    """Batches of a generator or another iterator: read once, in order, and never further than the steps need."""

    kind = "a generator"
    restarts = False

    @classmethod
    def accepts(cls, x):
        return isinstance(x, Iterator)


class IterableSource(BatchSource):
    """Batches of an object that can be iterated over again and again, with a length or without: a `tf.data.Dataset`,
    a loader of another library."""

    kind = "an iterable"

    @classmethod
    def accepts(cls, x):
        if isinstance(x, (list, tuple, Mapping, str, bytes, set, range, KerasTensor, type)) or is_array_like(x):
            return False
        if hasattr(x, "iloc") or hasattr(x, "__arrow_c_stream__") or is_hdf5(x) or is_sparse(x):
            return False
        return isinstance(x, Iterable)

    def _length(self):
        return _length_of(self._data)


def _length_of(value):
    """The length that a value has; None where it has none, or cannot say (a dataset of unknown length)."""
    if not hasattr(type(value), "__len__"):
        return None
    try:
        return len(value)
    except TypeError:
        return None
