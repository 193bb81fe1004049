"""split_dataset: data of any kind as two datasets.

May import core and data.
"""

import random

import numpy as np
import torch
from torch.utils.data import Dataset as TorchDataset

from torchkeras.data import Dataset
from torchkeras.training.py_dataset import PyDataset


def split_dataset(dataset, left_size=None, right_size=None, shuffle=False, seed=None, preferred_backend=None):
    """The first and the last elements of data, as two datasets of single elements.

    Args:
        dataset: an array, a list or tuple of arrays of one length, a dataset, a torch Dataset or a PyDataset.
        left_size, right_size: number of elements, or a share of them between 0 and 1. One that is left out takes what
            the other one leaves.
        shuffle: whether the elements are brought into a random order before.
        seed: of that order.
        preferred_backend: ignored.

    Returns `(left, right)`, two `torchkeras.data.Dataset`.

    Raises `TypeError` for data or sizes of another kind, `ValueError` for sizes that do not fit, and for empty parts.

    Example:
        >>> left, right = split_dataset(np.arange(10), left_size=0.8)
        >>> len(left), [int(n) for n in right]
        (8, [8, 9])
    """
    source, length = _source(dataset)
    left, right = _sizes(left_size, right_size, length)
    if shuffle:
        order = list(range(length))
        random.Random(seed).shuffle(order) if seed is not None else random.shuffle(order)
        source = _chosen(source, order)
    return source.take(left), source.skip(length - right)


def _source(data):
    """A dataset of the elements, and their number."""
    if isinstance(data, Dataset):
        if data.cardinality() < 0:
            data = _listed(list(data))
        return data, len(data)
    if isinstance(data, (PyDataset, TorchDataset)):
        return _listed(data), len(data)
    if isinstance(data, (np.ndarray, torch.Tensor)):
        return Dataset.from_tensor_slices(data), len(data)
    if isinstance(data, (list, tuple)):
        for place, array in enumerate(data):
            if not isinstance(array, (np.ndarray, torch.Tensor)):
                raise ValueError(f"A list or tuple must hold arrays, got {type(array).__name__} at index {place}.")
        dataset = Dataset.from_tensor_slices(tuple(data))
        return dataset, len(dataset)
    raise TypeError(f"split_dataset() takes arrays and datasets, got {type(data).__name__}.")


def _listed(elements):
    """A dataset of what can be asked for by number."""
    return Dataset.range(len(elements)).map(lambda number: _element(elements[int(number)]))


def _element(value):
    return tuple(value) if isinstance(value, list) else value


def _chosen(source, order):
    elements = list(source)
    return _listed([elements[place] for place in order])


def _sizes(left, right, length):
    if left is None and right is None:
        raise ValueError("At least one of `left_size` and `right_size` must be given.")
    left, right = (_size(name, size, length) for name, size in (("left_size", left), ("right_size", right)))
    left = length - right if left is None else left
    right = length - left if right is None else right
    if left + right > length:
        raise ValueError(f"`left_size` and `right_size` make {left + right} together, and there are {length} elements.")
    if not left or not right:
        raise ValueError(f"Of {length} elements {left} would go to the left and {right} to the right: one has none.")
    return left, right


def _size(name, size, length):
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, (int, float, np.integer, np.floating)):
        raise TypeError(f"`{name}` must be an integer, a float or None, got {size!r}.")
    if isinstance(size, (float, np.floating)):
        if 0 <= size <= 1:
            return round(size * length)
    elif 0 < size < length:
        return int(size)
    raise ValueError(f"`{name}` must be an integer between 1 and {length - 1}, or a share between 0 and 1; got {size}.")
