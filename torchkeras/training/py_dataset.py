"""PyDataset: data that a class of the user's gives batch by batch, by number, and the source that reads them.

May import this room.
"""

import contextlib
import itertools
import random

from torch.utils.data import Dataset

from torchkeras.data import workers
from torchkeras.errors import NoLengthError
from torchkeras.training.batch_source import BatchSource


class PyDataset:
    """Base class of data that are made batch by batch. Keras 2 calls it `Sequence`.

    A subclass defines `__getitem__(index)`, a whole batch: `(x, y)`, `(x, y, sample_weight)` or x alone, and `__len__`,
    the number of batches. `num_batches = None` stands for data without end (`fit` then needs `steps_per_epoch`).

    Args:
        workers: threads or processes that make batches beside the training; with 1, batches are made in the training's
            own thread unless `use_multiprocessing`.
        use_multiprocessing: processes instead of threads. The data set is copied to each at the start of an epoch.
        max_queue_size: batches that may wait to be used.

    Attributes:
        timeout: seconds to wait for a batch of a worker before the training ends with an error that shows where the
            worker stands; None for ever. 600 by default.

    In `fit`, `shuffle=True` changes the order of batches, never that within them. Batches are used in the order of
    their numbers whatever the number of workers. `on_epoch_begin()` and `on_epoch_end()` are called around each
    epoch, in the training's own process. An exception of a worker, and its death, end the training.

    Example:
        >>> class Numbers(keras.utils.PyDataset):
        ...     def __len__(self):
        ...         return 4
        ...     def __getitem__(self, index):
        ...         x = np.random.rand(8, 3)
        ...         return x, x.sum(axis=1, keepdims=True)
        >>> history = model.fit(Numbers(workers=2), epochs=2, verbose=0)

    In torch: a map-style `Dataset` of whole batches in `DataLoader(dataset, batch_size=None, num_workers=2)`.
    """

    # On the class, so that a subclass whose __init__ does not call super() works too.
    workers = 1
    use_multiprocessing = False
    max_queue_size = 10
    timeout = 600

    def __init__(self, workers=1, use_multiprocessing=False, max_queue_size=10):
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index), which returns a batch.")

    @property
    def num_batches(self):
        """Number of batches; None for data without end."""
        return len(self)

    def __len__(self):
        raise NoLengthError(
            f"{type(self).__name__} must define __len__(), the number of batches; for data without end, "
            "num_batches = None."
        )

    def on_epoch_begin(self):
        """Called before each epoch."""

    def on_epoch_end(self):
        """Called after each epoch."""


class PyDatasetSource(BatchSource):
    """Batches of a PyDataset, or of a class that looks like one. `loading`: workers and the like where `fit` was given
    them, in place of the data set's own."""

    kind = "a PyDataset"

    def __init__(self, x, *data, shuffle=False, workers=None, use_multiprocessing=None, max_queue_size=None, **options):
        self._shuffle = shuffle
        self._workers = _first(workers, getattr(x, "workers", 1))
        self._processes = _first(use_multiprocessing, getattr(x, "use_multiprocessing", False))
        self._ahead = max(_first(max_queue_size, getattr(x, "max_queue_size", 10)), 1)
        super().__init__(x, *data, **options)

    @classmethod
    def accepts(cls, x):
        kind = type(x)
        other = hasattr(kind, "__getitem__") and hasattr(kind, "on_epoch_end") and not isinstance(x, Dataset)
        return isinstance(x, PyDataset) or other

    def _length(self):
        return self._data.num_batches if hasattr(self._data, "num_batches") else len(self._data)

    def _order(self):
        if self.length is None:
            return itertools.count()
        order = list(range(self.length))
        if self._shuffle:
            random.shuffle(order)  # the stream from which Keras takes it
        return order

    def _open(self):
        order, dataset = self._order(), self._data
        timeout = getattr(dataset, "timeout", 600)
        if self._processes and self._workers:
            return workers.in_processes(dataset, order, self._workers, self._ahead, timeout)
        if self._workers > 1:
            return workers.in_threads(
                dataset.__getitem__, order, self._workers, self._ahead, timeout, type(dataset).__name__
            )
        return (dataset[index] for index in order)

    def look(self):
        self._stream.draw()
        return self.batch(self._data[next(iter(self._order()))])

    def batches(self, restart=False):
        hook = getattr(self._data, "on_epoch_begin", None)
        if hook is not None:
            hook()
        running = super().batches(restart)
        with contextlib.closing(running), contextlib.suppress(GeneratorExit):  # a callback may end the epoch
            yield from running
        self._data.on_epoch_end()


def _first(given, own):
    return own if given is None else given
