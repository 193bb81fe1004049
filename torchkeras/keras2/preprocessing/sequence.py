"""`keras.preprocessing.sequence` of Keras 2: windows over a series, and pairs of words for word vectors.

May import errors and training.
"""

import json
import random

import numpy as np

from torchkeras.errors import UnserializableError
from torchkeras.training.py_dataset import PyDataset

__all__ = ["TimeseriesGenerator", "make_sampling_table", "skipgrams"]


class TimeseriesGenerator(PyDataset):
    """Windows over a series, each with the target of the point behind it, as batches.

    Args:
        data: `(points, ...)`: an array, a tensor, a list, a data frame, or anything that can be sliced.
        targets: as many; `targets[i]` belongs to the window that ends before point i.
        length: points that a window spans.
        sampling_rate: points between two points of a window.
        stride: points between two windows.
        start_index: points before it are not used.
        end_index: points after it are not used; the last by default.
        shuffle: windows at random places, drawn anew for each batch from `np.random`.
        reverse: points of a window backwards.
        batch_size: windows in a batch.
        kwargs: of `PyDataset`.

    Raises `ValueError` where data and targets differ in length, or not one window fits.

    Example:
        >>> series = np.arange(6)
        >>> windows = TimeseriesGenerator(series, series, length=3, batch_size=2)
        >>> x, y = windows[0]
        >>> len(windows), x.tolist(), y.tolist()
        (2, [[0, 1, 2], [1, 2, 3]], [3, 4])

    In torch: `data.unfold(0, length, stride)`.
    """

    def __init__(
        self, data, targets, length, sampling_rate=1, stride=1, start_index=0, end_index=None, shuffle=False,
        reverse=False, batch_size=128, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        if len(data) != len(targets):
            raise ValueError(f"`data` and `targets` must be equally long, got {len(data)} and {len(targets)}.")
        self.data, self.targets, self.length = data, targets, length
        self.sampling_rate, self.stride, self.batch_size = sampling_rate, stride, batch_size
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse = shuffle, reverse
        if self.start_index > self.end_index:
            raise ValueError(
                f"No window fits: `start_index` + `length` is {self.start_index}, and the last point {self.end_index}."
            )

    def __len__(self):
        return (self.end_index - self.start_index) // (self.batch_size * self.stride) + 1

    def __getitem__(self, index):
        if self.shuffle:
            ends = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            ends = np.arange(first, min(first + self.batch_size * self.stride, self.end_index + 1), self.stride)
        return self._windows(ends), _taken(self.targets, ends)

    def _windows(self, ends):
        """The windows that end before these points."""
        if not _is_indexed_at_once(self.data):
            windows = [self.data[end - self.length : end : self.sampling_rate] for end in ends]
            return np.array(windows)[:, ::-1] if self.reverse else np.array(windows)
        offsets = np.arange(-self.length, 0, self.sampling_rate)
        return _taken(self.data, ends[:, None] + (offsets[::-1] if self.reverse else offsets))

    def get_config(self):
        """The arguments, data and targets as JSON texts; `start_index` with `length` added, as Keras 2 writes it."""
        names = ("length", "sampling_rate", "stride", "start_index", "end_index", "shuffle", "reverse", "batch_size")
        return {
            "data": _as_json(self.data, "data"),
            "targets": _as_json(self.targets, "targets"),
            **{name: getattr(self, name) for name in names},
        }

    def to_json(self, **kwargs):
        """The config and the class's name as a JSON text; `kwargs` go to `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def _is_indexed_at_once(values):
    return isinstance(values, np.ndarray) or hasattr(values, "detach") or hasattr(values, "iloc")


def _taken(values, places):
    """The values at the places, an array of indices."""
    if not _is_indexed_at_once(values):
        return np.array([values[place] for place in places])
    return (values.to_numpy() if hasattr(values, "iloc") else values)[places]


def _as_json(values, name):
    listed = values.tolist() if hasattr(values, "tolist") else values
    try:
        return json.dumps(listed)
    except TypeError as error:
        raise UnserializableError(
            f"`{name}` has no form in JSON: {error}. Use an array or a list of numbers."
        ) from error


def make_sampling_table(size, sampling_factor=1e-5):
    """How probable it is that a word is kept, by its rank in frequency: seldom for the most frequent ones.

    Args:
        size: how many words there are, entry 0 for none included.
        sampling_factor: share of all words from which on a word counts as frequent.

    Returns an array `(size,)`: `min(1, sqrt(sampling_factor / frequency))`, with the frequencies that Zipf's law gives.

    Example:
        >>> make_sampling_table(4).round(4).tolist()
        [0.0032, 0.0032, 0.0055, 0.0074]
    """
    rank = np.arange(size)
    rank[:1] = 1
    inverse_frequency = rank * (np.log(rank) + 0.577) + 0.5 - 1.0 / (12.0 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * inverse_frequency))


def skipgrams(
    sequence,
    vocabulary_size,
    window_size=4,
    negative_samples=1.0,
    shuffle=True,
    categorical=False,
    sampling_table=None,
    seed=None,
):
    """Pairs of words that stand close to each other, labelled 1, and of words with random ones, labelled 0.

    Args:
        sequence: numbers of words; 0 is none and left out.
        vocabulary_size: random words are drawn from 1 to `vocabulary_size - 1`.
        window_size: how far apart the words of a pair may stand.
        negative_samples: random pairs for each real one.
        shuffle: random order of the pairs.
        categorical: labels `[0, 1]` and `[1, 0]` instead of 1 and 0.
        sampling_table: for each number the probability that the word is used: see `make_sampling_table`.
        seed: of the order. What else is random comes from Python's `random`, which the shuffling seeds anew.

    Returns two lists: pairs `[word, other]`, and labels.

    Example:
        >>> skipgrams([1, 2, 3], 4, window_size=1, negative_samples=0, shuffle=False)
        ([[1, 2], [2, 1], [2, 3], [3, 2]], [1, 1, 1, 1])
    """
    if hasattr(sequence, "tolist"):
        sequence = sequence.tolist()
    pairs = []
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        near = range(max(0, place - window_size), min(len(sequence), place + window_size + 1))
        pairs += [[word, sequence[other]] for other in near if other != place and sequence[other]]
    labels = [1] * len(pairs)
    if negative_samples > 0:
        words = [word for word, _ in pairs]
        random.shuffle(words)
        count = int(len(words) * negative_samples)
        highest = int(vocabulary_size - 1)
        pairs += [[words[number % len(words)], random.randint(1, highest)] for number in range(count)]
        labels += [0] * count
    if shuffle:
        seed = random.randint(0, 10_000_000) if seed is None else seed
        for values in (pairs, labels):
            random.seed(seed)
            random.shuffle(values)
    return pairs, [[1 - label, label] for label in labels] if categorical else labels
