"""Dataset: a sequence of elements made lazily, with the methods of `tf.data.Dataset`.

May import core and this room. What each step does is in stages.py.
"""

import torch

from torchkeras.core import tree
from torchkeras.core.dtypes import torch_dtype
from torchkeras.data import stages
from torchkeras.data.padding import Padded
from torchkeras.data.specs import TensorSpec, dtype_name, element_of, leaf_of, numpy_of, spec_of

AUTOTUNE = -1
INFINITE_CARDINALITY, UNKNOWN_CARDINALITY = stages.INFINITE, stages.UNKNOWN
_PARALLEL = 4  # threads where a program leaves the number open


class Dataset:
    """A sequence of elements, made one after the other when somebody iterates, and again for each pass.

    An element is a tensor (a numpy array for strings) or a tuple or dict of them. Methods give new datasets and leave
    this one as it is. A dataset pickles if its functions do. An error in a function gets a note that names the stage.

    Attributes:
        element_spec: TensorSpecs in the structure of an element, found by making the first one.

    `fit`, `evaluate` and `predict` take a dataset of batches.

    Example:
        >>> squares = Dataset.range(6).map(lambda n: n * n).batch(4)
        >>> [batch.tolist() for batch in squares]
        [[0, 1, 4, 9], [16, 25]]
        >>> len(squares)
        2

    In torch: an `IterableDataset` for each step.
    """

    class_names = None  # of datasets read from folders
    file_paths = None

    def __init__(self, stage):
        self._stage = stage

    def _then(self, stage):
        made = Dataset(stage)
        made.class_names, made.file_paths = self.class_names, self.file_paths
        return made

    # -- where elements come from -------------------------------------------------------------------------------------

    @staticmethod
    def from_tensor_slices(tensors, name=None):
        """The rows of arrays, or of a tuple or dict of arrays of one length.

        Example:
            >>> len(Dataset.from_tensor_slices((x, y)))
            8
        """
        return Dataset(stages.Slices(tensors))

    @staticmethod
    def from_tensors(tensors, name=None):
        """One single element."""
        return Dataset(stages.One(tensors))

    @staticmethod
    def from_generator(generator, output_types=None, output_shapes=None, args=None, output_signature=None, name=None):
        """What `generator(*args)` gives to iterate over, once for each pass.

        Args:
            generator: function that returns an iterable.
            output_types, output_shapes, output_signature: TensorFlow's descriptions of an element; dtypes are followed.
        """
        if not callable(generator):
            raise TypeError(f"`generator` must be a function that returns an iterable, got {generator!r}.")
        dtypes = output_types
        if output_signature is not None:
            dtypes = tree.map_structure(lambda spec: spec.dtype, output_signature)
        return Dataset(stages.Generated(_Called(generator, args or ()), _Cast(dtypes)))

    @staticmethod
    def range(*args, **kwargs):
        """Whole numbers, as Python's `range` counts them."""
        return Dataset(stages.Numbers(range(*args)))

    @staticmethod
    def zip(*args, datasets=None, name=None):
        """Datasets side by side: an element is a tuple (or what structure they stood in) of their elements."""
        given = datasets if datasets is not None else args[0] if len(args) == 1 else args
        if isinstance(given, Dataset):
            raise TypeError("zip() needs several datasets: Dataset.zip(a, b).")
        return Dataset(stages.Zipped(given, [_stage_of(each, "zip") for each in tree.flatten(given)]))

    # -- each element -------------------------------------------------------------------------------------------------

    def map(self, map_func, num_parallel_calls=None, deterministic=None, synchronous=None, name=None):
        """`map_func` of each element; the parts of a tuple come as arguments of their own.

        Args:
            map_func: gets tensors, and returns tensors, arrays, numbers, or tuples and dicts of these.
            num_parallel_calls: threads that make elements ahead; AUTOTUNE for a few. The order stays.
        """
        count = _PARALLEL if num_parallel_calls == AUTOTUNE else num_parallel_calls
        return self._then(stages.Map(self._stage, map_func, count))

    def filter(self, predicate, name=None):
        """The elements for which `predicate` is true."""
        return self._then(stages.Filter(self._stage, predicate))

    def flat_map(self, map_func, name=None):
        """The elements of the datasets that `map_func` makes of the elements, one after the other."""
        return self._then(stages.FlatMap(self._stage, map_func, _open))

    def interleave(
        self, map_func, cycle_length=None, block_length=1, num_parallel_calls=None, deterministic=None, name=None
    ):
        """As `flat_map`, but `cycle_length` datasets take turns, `block_length` elements at a time."""
        cycle = _PARALLEL if cycle_length in (None, AUTOTUNE) else _whole(cycle_length, "cycle_length", 1)
        return self._then(Interleaved(self._stage, map_func, cycle, block_length))

    def scan(self, initial_state, scan_func, name=None):
        """The outputs of `(state, output) = scan_func(state, element)`."""
        return self._then(stages.Scan(self._stage, initial_state, scan_func))

    def enumerate(self, start=0, name=None):
        """Elements with their numbers: `(number, element)`."""
        return self._then(stages.Enumerated(self._stage, start))

    # -- which, and in what order -------------------------------------------------------------------------------------

    def take(self, count, name=None):
        """At most the first `count` elements; -1 for all."""
        return self._then(stages.Take(self._stage, _whole(count, "count", -1)))

    def skip(self, count, name=None):
        """All but the first `count` elements; -1 skips all."""
        return self._then(stages.Skip(self._stage, _whole(count, "count", -1)))

    def take_while(self, predicate, name=None):
        """The elements up to the first for which `predicate` is false."""
        return self._then(stages.TakeWhile(self._stage, predicate))

    def shard(self, num_shards, index, name=None):
        """Every `num_shards`-th element, beginning with number `index`."""
        number, index = _whole(num_shards, "num_shards", 1), _whole(index, "index", 0)
        if index >= number:
            raise ValueError(f"`index` must be below `num_shards`, got {index} of {number}.")
        return self._then(stages.Shard(self._stage, number, index))

    def repeat(self, count=None, name=None):
        """The elements `count` times over; without end by default."""
        return self._then(stages.Repeat(self._stage, count))

    def shuffle(self, buffer_size, seed=None, reshuffle_each_iteration=True, name=None):
        """The elements in random order: each is drawn from a buffer of the next `buffer_size`.

        Args:
            buffer_size: the size of the dataset, or more, for an order in which all are equally likely.
            seed: of the order; None draws one from torch's random stream, which `set_random_seed` sets.
            reshuffle_each_iteration: another order for each pass.
        """
        size = self.cardinality() if buffer_size is None else _whole(buffer_size, "buffer_size", 1)
        again = True if reshuffle_each_iteration is None else reshuffle_each_iteration
        return self._then(stages.Shuffle(self._stage, max(size, 1), seed, again))

    def concatenate(self, dataset, name=None):
        """The elements of this one, then those of `dataset`."""
        return self._then(stages.Concatenated([self._stage, _stage_of(dataset, "concatenate")]))

    # -- batches ------------------------------------------------------------------------------------------------------

    def batch(self, batch_size, drop_remainder=False, num_parallel_calls=None, deterministic=None, name=None):
        """Elements of equal shapes put together, `batch_size` of them along a new first axis."""
        return self._then(stages.Batch(self._stage, _whole(batch_size, "batch_size", 1), drop_remainder))

    def padded_batch(self, batch_size, padded_shapes=None, padding_values=None, drop_remainder=False, name=None):
        """As `batch`, for elements of different sizes: each axis is filled up to the largest, or to `padded_shapes`."""
        size, padded = _whole(batch_size, "batch_size", 1), Padded(padded_shapes, padding_values)
        return self._then(stages.Batch(self._stage, size, drop_remainder, padded))

    def unbatch(self, name=None):
        """The rows of the elements."""
        return self._then(stages.Unbatch(self._stage))

    def rebatch(self, batch_size, drop_remainder=False, name=None):
        """Batches of another size."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def window(self, size, shift=None, stride=1, drop_remainder=False, name=None):
        """Datasets of `size` elements each, every `stride`-th, that begin `shift` elements after each other."""
        size, stride = _whole(size, "size", 1), _whole(stride, "stride", 1)
        shift = size if shift is None else _whole(shift, "shift", 1)
        return self._then(stages.Window(self._stage, size, shift, stride, drop_remainder, Dataset))

    # -- when ---------------------------------------------------------------------------------------------------------

    def prefetch(self, buffer_size, name=None):
        """Elements are made by a thread, up to `buffer_size` ahead (AUTOTUNE: two)."""
        size = 2 if buffer_size in (None, AUTOTUNE) else _whole(buffer_size, "buffer_size", 0)
        return self._then(stages.Prefetch(self._stage, size))

    def cache(self, filename="", name=None):
        """Keeps the elements of the first whole pass in memory for those that follow."""
        if filename:
            raise ValueError("cache() keeps elements in memory here: leave out `filename`.")
        return self._then(stages.Cache(self._stage))

    # -- use ----------------------------------------------------------------------------------------------------------

    def __iter__(self):
        return self._stage.run()

    def as_numpy_iterator(self):
        """The elements with numpy arrays in place of tensors."""
        return map(numpy_of, iter(self))

    def cardinality(self):
        """Number of elements; `INFINITE_CARDINALITY`, -1, or `UNKNOWN_CARDINALITY`, -2."""
        return self._stage.size()

    def __len__(self):
        size = self.cardinality()
        if size < 0:
            raise TypeError(
                "The dataset is infinite." if size == INFINITE_CARDINALITY else "The dataset's length is unknown."
            )
        return size

    def __bool__(self):
        return True

    @property
    def element_spec(self):
        return _described(self._stage)

    def reduce(self, initial_state, reduce_func, name=None):
        """The last of `state = reduce_func(state, element)`."""
        state = element_of(initial_state)
        for element in self:
            state = element_of(reduce_func(state, element))
        return state

    def get_single_element(self, name=None):
        """The element of a dataset that has one."""
        elements = list(self.take(2))
        if len(elements) != 1:
            raise ValueError(f"The dataset has {'no' if not elements else 'more than one'} element.")
        return elements[0]

    def apply(self, transformation_func):
        """`transformation_func(dataset)`."""
        return transformation_func(self)

    def with_options(self, options, name=None):
        """The dataset itself: TensorFlow's options say nothing here."""
        return self

    def __repr__(self):
        return f"<Dataset {stages.chain(self._stage)}>"


class Interleaved(stages.FlatMap):
    """Datasets that take turns."""

    name = "interleave"

    def __init__(self, source, function, cycle, block):
        super().__init__(source, function, _open)
        self.cycle, self.block = cycle, block

    def run(self):
        inputs = self.source.run()
        running = [self._next(inputs) for _ in range(self.cycle)]
        while any(each is not None for each in running):
            for place, each in enumerate(running):
                for _ in range(self.block):
                    if each is None:
                        break
                    try:
                        yield next(each)
                    except StopIteration:
                        each = running[place] = self._next(inputs)
                        break

    def _next(self, inputs):
        for element in inputs:
            return iter(self.open_(stages.told(self, self.function, element)))
        return None


class _Called:
    """A function with its arguments."""

    def __init__(self, function, args):
        self.function, self.args = function, args

    def __call__(self):
        return self.function(*self.args)


class _Cast:
    """Makes elements of the wanted dtypes."""

    def __init__(self, dtypes):
        self.dtypes = dtypes

    def __call__(self, value):
        return element_of(value) if self.dtypes is None else _cast(value, self.dtypes)


def _cast(value, dtypes):
    if isinstance(dtypes, dict):
        return {key: _cast(value[key], dtype) for key, dtype in dtypes.items()}
    if isinstance(dtypes, (tuple, list)):
        return tuple(_cast(item, dtype) for item, dtype in zip(value, dtypes, strict=True))
    leaf = leaf_of(value)
    return leaf.to(torch_dtype(dtypes)) if isinstance(leaf, torch.Tensor) else leaf


def _described(stage):
    """TensorSpecs of a stage's elements. The last batch may be smaller, so that the size of batches is not known."""
    if isinstance(stage, (stages.Prefetch, stages.Cache, stages.Choosing)):
        return _described(stage.source)
    if isinstance(stage, stages.Batch) and not isinstance(stage.put_together, Padded):
        size = stage.batch_size if stage.drop_remainder else None
        return tree.map_structure(lambda leaf: TensorSpec((size, *leaf.shape), leaf.dtype), _described(stage.source))
    if isinstance(stage, stages.Slices):  # which may have none
        return tree.map_structure(lambda leaf: TensorSpec(leaf.shape[1:], dtype_name(leaf)), stage.arrays)
    if isinstance(stage, stages.Numbers):
        return TensorSpec((), "int64")
    for element in stage.run():
        return spec_of(element)
    raise ValueError("The dataset has no element to be described.")


def _open(made):
    if not isinstance(made, Dataset):
        raise TypeError(f"The function must return a dataset, got {type(made).__name__}.")
    return iter(made)


def _stage_of(dataset, where):
    if not isinstance(dataset, Dataset):
        raise TypeError(f"{where}() takes datasets, got {type(dataset).__name__}.")
    return dataset._stage


def _whole(value, name, least):
    """A whole number of at least so much. Raises `ValueError` otherwise."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise ValueError(f"`{name}` must be a whole number of at least {least}, got {value!r}.")
    return int(value)
