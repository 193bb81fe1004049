"""Iterators of Keras 2: batches of rows by number, in an order, and of images that a generator transforms.

May import core, training, utils and this room. Draws from `np.random`, in Keras 2's order.
"""

import functools
import itertools
import os
import threading
import warnings

import numpy as np
from torch.utils.data import get_worker_info

from torchkeras.core.conversion import to_numpy
from torchkeras.core.scopes import settings
from torchkeras.core.windows import standardize_data_format
from torchkeras.training.py_dataset import PyDataset
from torchkeras.utils.images import array_to_img


class Iterator(PyDataset):
    """Batches of `n` rows, by number or one after the other without end. A subclass makes those of an array of row
    numbers in `_get_batches_of_transformed_samples(index_array)`.

    Args:
        n: rows.
        batch_size: rows of a batch; the last may have fewer.
        shuffle: a new order for each pass.
        seed: `np.random` is seeded with it plus the number of batches so far, before each batch.
        kwargs: of `PyDataset`.

    `fit` asks for batches by number, and for a new order after each epoch. `next(iterator)` goes through the batches
    without end.

    Example:
        >>> class Rows(Iterator):
        ...     def _get_batches_of_transformed_samples(self, index_array):
        ...         return index_array
        >>> rows = Rows(3, batch_size=2, shuffle=False, seed=None)
        >>> rows[1], next(rows), next(rows), next(rows)
        (array([2]), array([0, 1]), array([2]), array([0, 1]))
    """

    white_list_formats = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")

    def __init__(self, n, batch_size, shuffle, seed, **kwargs):
        super().__init__(**kwargs)
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index, self.total_batches_seen = 0, 0
        self.index_array = None
        self.lock = threading.RLock()
        self._seen_before_epoch = None

    def __len__(self):
        return (self.n + self.batch_size - 1) // self.batch_size

    def __getitem__(self, idx):
        if not -len(self) <= idx < len(self):
            raise ValueError(f"There is no batch {idx}: {type(self).__name__} has {len(self)}.")
        first = idx % len(self) * self.batch_size
        with self.lock:
            self._begin_batch(idx)
            if self.index_array is None:
                self._set_index_array()
            make = self._drawn(self.index_array[first : first + self.batch_size])
        return make()

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            make = self._drawn(self._next_rows())
        return make()

    def next(self):
        """`next(iterator)`, as a method."""
        return next(self)

    @property
    def index_generator(self):
        """The row numbers of batch after batch, for subclasses with a `next` of their own."""
        return (self._next_rows() for _ in itertools.count())

    def reset(self):
        """`next` begins with the first batch again."""
        self.batch_index = 0

    def on_epoch_begin(self):
        self._seen_before_epoch = self.total_batches_seen

    def on_epoch_end(self):
        if self._seen_before_epoch == self.total_batches_seen:  # workers made the batches
            self.total_batches_seen += len(self)
        self._seen_before_epoch = None
        self._set_index_array()

    def _begin_batch(self, idx=None):
        """Counts a batch, and seeds for it. Workers of an epoch ask in any order, and each process for some batches
        only: there the batch's number says which seed it gets, and the epoch's end counts."""
        in_thread = self._seen_before_epoch is not None and threading.current_thread() is not threading.main_thread()
        by_number = idx is not None and (in_thread or get_worker_info() is not None)
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen + (idx if by_number else 0))
        self.total_batches_seen += not by_number

    def _set_index_array(self):
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def _next_rows(self):
        self._begin_batch()
        if self.batch_index == 0:
            self._set_index_array()
        first = self.batch_index * self.batch_size % self.n if self.n else 0
        self.batch_index = self.batch_index + 1 if self.n > first + self.batch_size else 0
        return self.index_array[first : first + self.batch_size]

    def _drawn(self, index_array):
        """A function that makes the batch of these rows. What is random about it may be drawn here, where no other
        thread draws."""
        return functools.partial(self._get_batches_of_transformed_samples, index_array)

    def _get_batches_of_transformed_samples(self, index_array):
        raise NotImplementedError(
            f"{type(self).__name__} must define _get_batches_of_transformed_samples(index_array): a batch."
        )

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "lock"}

    def __setstate__(self, state):
        vars(self).update(state, lock=threading.RLock())


class ImageIterator(Iterator):
    """Batches of images that an ImageDataGenerator transforms and standardizes. A subclass reads one in `_read(row)`,
    and puts targets beside a batch in `_with_targets(images, rows)`."""

    _file_numbers = 10_000_000  # below it lies the number in the name of a saved image

    def _set_up(self, image_data_generator, data_format, dtype, save_to_dir, save_prefix, save_format):
        self.image_data_generator = image_data_generator
        self.data_format, self.dtype = standardize_data_format(data_format), dtype or settings.floatx
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format

    def _get_batches_of_transformed_samples(self, index_array):
        return self._with_transforms(index_array)()

    def _drawn(self, index_array):
        own = ImageIterator._get_batches_of_transformed_samples
        if type(self)._get_batches_of_transformed_samples is not own:  # a user's
            return super()._drawn(index_array)
        return self._with_transforms(index_array)

    def _with_transforms(self, index_array):
        shapes = itertools.repeat(self.image_shape, len(index_array))
        transforms = map(self.image_data_generator.get_random_transform, shapes) if self.image_data_generator else None
        numbers = (np.random.randint(self._file_numbers) for _ in index_array) if self.save_to_dir else ()
        if threading.current_thread() is not threading.main_thread():  # drawn now, before another thread draws
            transforms, numbers = list(transforms or ()), list(numbers)
        return functools.partial(self._made, index_array, transforms or itertools.repeat(None), numbers)

    def _made(self, index_array, transforms, numbers):
        images = np.zeros((len(index_array), *self.image_shape), dtype=self.dtype)
        for place, (row, transform) in enumerate(zip(index_array, transforms)):
            image = self._read(row)
            if transform is not None:
                image = self.image_data_generator.apply_transform(image, transform)
                image = self.image_data_generator.standardize(image)
            images[place] = image
        for image, row, number in zip(images, index_array, numbers):
            name = f"{self.save_prefix}_{row}_{number}.{self.save_format}"
            array_to_img(image, self.data_format, scale=True).save(os.path.join(self.save_to_dir, name))
        return self._with_targets(images, index_array)


class NumpyArrayIterator(ImageIterator):
    """Batches of images in memory. `ImageDataGenerator.flow` makes it and says what the arguments are.

    `x` may be a pair `[images, others]` of images and an array, or a list of arrays, that go along: batches then have
    `[images, *others]` for x.

    Attributes: `x`, `x_misc` (what goes along), `y`, `sample_weight`, `n`.
    """

    _file_numbers = 10_000

    def __init__(
        self, x, y, image_data_generator, batch_size=32, shuffle=False, sample_weight=None, seed=None,
        data_format=None, save_to_dir=None, save_prefix="", save_format="png", subset=None, ignore_class_split=False,
        dtype=None,
    ):  # fmt: skip
        self._set_up(image_data_generator, data_format, dtype, save_to_dir, save_prefix, save_format)
        others = []
        if isinstance(x, (list, tuple)):
            x, others = x
            others = [_array(each) for each in (others if isinstance(others, list) else [others])]
        x = _array(x)
        y = None if y is None else _array(y)
        sample_weight = None if sample_weight is None else _array(sample_weight)
        self._check_lengths(x, [("x", each) for each in others] + [("y", y), ("sample_weight", sample_weight)])
        part = slice(None) if subset is None else self._part(subset, len(x), None if ignore_class_split else y)
        self.x, self.x_misc = x[part].astype(self.dtype, copy=False), [each[part] for each in others]
        self.y = None if y is None else y[part]
        self.sample_weight = None if sample_weight is None else sample_weight[part]
        if self.x.ndim != 4:
            raise ValueError(f"`x` must be a batch of images with 4 axes, got shape {self.x.shape}.")
        check_channels(self.x, self.data_format)
        self.image_shape = self.x.shape[1:]
        super().__init__(len(self.x), batch_size, shuffle, seed)

    @staticmethod
    def _check_lengths(x, others):
        for name, each in others:
            if each is not None and len(each) != len(x):
                raise ValueError(f"There are {len(x)} images, and {len(each)} rows of `{name}`: they belong together.")

    def _part(self, subset, count, y):
        """The rows of a subset: the first are for validation."""
        if subset not in ("training", "validation"):
            raise ValueError(f'`subset` must be "training" or "validation", got {subset!r}.')
        cut = int(count * self.image_data_generator.validation_split)
        if y is not None and not np.array_equal(np.unique(y[:cut]), np.unique(y[cut:])):
            raise ValueError(
                "The first rows are for validation, and they have other classes than the rest: shuffle the rows before "
                "flow(), or pass ignore_class_split=True if `y` are no classes."
            )
        return slice(0, cut) if subset == "validation" else slice(cut, None)

    def _read(self, row):
        return self.x[row].copy()

    def _with_targets(self, images, rows):
        x = [images, *(each[rows] for each in self.x_misc)] if self.x_misc else images
        if self.y is None:
            return x
        return (x, self.y[rows]) if self.sample_weight is None else (x, self.y[rows], self.sample_weight[rows])


def _array(values):
    return to_numpy(values) if hasattr(values, "detach") else np.asarray(values)


def check_channels(x, data_format):
    """Warns of images that have neither 1, 3 nor 4 channels where they should stand."""
    axis = 3 if data_format == "channels_last" else 1
    if x.shape[axis] not in (1, 3, 4):
        warnings.warn(
            f"Images have 1, 3 or 4 channels; with data_format={data_format!r} these, of shape {x.shape}, have "
            f"{x.shape[axis]}.",
            stacklevel=4,
        )
