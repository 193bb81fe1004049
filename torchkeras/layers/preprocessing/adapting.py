"""Layers that learn from data before training: `adapt`, and the batches that it takes from any kind of data.

May import core. A layer collects in `update_state` and settles in `finalize_state`: until then what it learned before
is in force, so that data which fail in the middle leave it as it was.
"""

import itertools

import numpy as np

from torchkeras.core.array_likes import holds_array
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.layer import Layer
from torchkeras.errors import InvalidArgumentError, UnsupportedInputError

_ROWS = 65536  # of a file's array that are in memory at a time


class AdaptingLayer(Layer):
    """The base of layers with `adapt`. A subclass gives `update_state`, `finalize_state`, `reset_state` and
    `merge_state`."""

    def adapt(self, data, steps=None, batch_size=None):
        """Learns from data, in place of what was learned before.

        Args:
            data: an array, tensor, list or column of a data frame; or what gives batches of them: a dataset, a
                DataLoader, a generator. Features alone, without labels.
            steps: how many batches to take of what gives batches; by default all.
            batch_size: how many rows of an array to look at together; the result is the same.

        Raises `ValueError` for data without a row.
        """
        self.reset_state()
        found = False
        for batch in batches_of(data, steps, batch_size):
            self.update_state(batch)
            found = True
        if not found:
            raise InvalidArgumentError(f"adapt() of layer {self.name!r} got `data` without a batch: {data!r}.")
        self.finalize_state()

    def update_state(self, data):
        """Takes one batch into what is being collected."""
        raise NotImplementedError(f"{type(self).__name__} has no update_state().")

    def finalize_state(self):
        """Puts in force what was collected."""
        raise NotImplementedError(f"{type(self).__name__} has no finalize_state().")

    def reset_state(self):
        """Forgets what is being collected, not what is in force."""
        raise NotImplementedError(f"{type(self).__name__} has no reset_state().")

    def merge_state(self, layers):
        """Takes in what other layers of the same configuration have collected, in other processes say, and puts all of
        it in force."""
        raise NotImplementedError(f"{type(self).__name__} has no merge_state().")

    def _refuse_others(self, layers):
        for layer in layers:
            if type(layer) is not type(self):
                raise InvalidArgumentError(
                    f"merge_state() of layer {self.name!r} takes layers of class {type(self).__name__}, got {layer!r}."
                )


def batches_of(data, steps=None, batch_size=None):
    """An iterator over the batches of any kind of data: an array is one (or several of `batch_size` rows), what gives
    batches gives its first `steps`.

    >>> [len(batch) for batch in batches_of(np.zeros(5), batch_size=2)]
    [2, 2, 1]
    """
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1):
            raise InvalidArgumentError(f"`{name}` of adapt() must be a positive integer, got {value!r}.")
    if isinstance(data, KerasTensor):
        raise UnsupportedInputError(f"adapt() needs data, got {data!r}, which is symbolic.")
    if _is_array(data):
        return _rows_of(data, batch_size)
    if hasattr(type(data), "__iter__") or hasattr(type(data), "__getitem__"):
        return map(_features, itertools.islice(_iterator_of(data), steps))
    raise UnsupportedInputError(
        f"adapt() takes arrays, tensors, lists, and what gives batches of them (a dataset, a DataLoader, a generator), "
        f"got {data!r} of type {type(data).__name__}."
    )


def _is_array(data):
    if isinstance(data, (str, bytes, list, tuple, range)) or hasattr(type(data), "__torch_function__"):
        return True
    return holds_array(data) and not hasattr(type(data), "__next__")


def _rows_of(data, batch_size):
    in_a_file = hasattr(data, "chunks") and hasattr(data, "shape")  # HDF5, zarr
    size = batch_size or (_ROWS if in_a_file else None)
    if size is None or isinstance(data, (str, bytes)):
        return iter([data])
    if not hasattr(data, "shape"):
        return (data[start : start + size] for start in range(0, len(data), size))
    rows = data.iloc if hasattr(data, "iloc") else data
    return (rows[start : start + size] for start in range(0, data.shape[0], size))


def _iterator_of(data):
    if hasattr(type(data), "__iter__"):
        return iter(data)
    return (data[place] for place in range(len(data)))  # a PyDataset


def _features(batch):
    if isinstance(batch, (list, tuple)) and len(batch) == 1 and holds_array(batch[0]):
        return batch[0]  # what a TensorDataset of one tensor gives
    if isinstance(batch, (tuple, dict)):
        kind = "tuples" if isinstance(batch, tuple) else "dicts"
        raise InvalidArgumentError(
            f"adapt() got batches that are {kind}; it takes one feature alone: data.map(lambda x, y: x), or "
            "(x for x, y in data)."
        )
    return batch
