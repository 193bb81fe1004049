"""ArraySource: batches of arrays.

May import core and this room. Knows no model.
"""

import math
import warnings

import torch

from torchkeras.core import tree
from torchkeras.training.arguments import positive_number
from torchkeras.training.data import adapt, class_weights, rows_of
from torchkeras.training.row_readers import RowReader
from torchkeras.training.source import Source, Stream, Transfer, limited_steps

_WHOLE_SHUFFLE_BYTES = 64 * 2**20  # up to this size the data of an epoch are shuffled at once
_WHOLE_COPY_BYTES = 2**20  # up to this size data in order are copied at once; larger ones per batch, into warm memory
_FREE_SHARE = 0.25  # data stay on the GPU if they take at most this share of its free memory


class ArraySource(Source):
    """Batches of arrays: tensors are cut from those that lie in memory, and read from those that lie in files.

    Args:
        x, y, sample_weight: arrays or structures of them.
        batch_size: samples per batch; the last batch may be smaller.
        shuffle: new order every epoch, from torch's random stream; "batch" changes the order within each batch only.
        device: where the batches are wanted.
        steps: batches per epoch, where the user gave it; see `batches`.
        may_be_empty: whether no samples are one empty batch and no error.
        what: in errors, whose data these are.
    """

    def __init__(
        self,
        x,
        y=None,
        sample_weight=None,
        batch_size=None,
        shuffle=False,
        class_weight=None,
        device=None,
        steps=None,
        may_be_empty=False,
        what=None,
        **loading,
    ):
        x, y, sample_weight = adapt(x, y, sample_weight, what)
        if class_weight is not None:
            sample_weight = weighed(y, class_weight, sample_weight)
        whole = rows_of((x, y, sample_weight))
        if whole == 0 and not may_be_empty:
            raise ValueError("The data are empty: `x` has no samples.")
        self.shuffle, self.steps = shuffle, limited_steps(steps)
        self.batch_size = min(_batch_size(batch_size, whole, self.steps), whole or 1)
        self.device = device or torch.device("cpu")
        self._transfer = Transfer(self.device)
        self._arrays, self._flat = (x, y, sample_weight), not any(map(tree.is_nested, (x, y, sample_weight)))
        self.weighted = sample_weight is not None
        self._place()
        self._running, self._left, self._stream = None, 0, Stream()
        self._began = None
        self._samples, self._whole = whole, math.ceil(whole / self.batch_size) or 1
        self.num_batches = self._whole if self.steps is None else self.steps
        self.rows = min(self.num_batches * self.batch_size, whole)

    @classmethod
    def accepts(cls, x):
        """Everything: what turns out to be no array is refused with advice."""
        return True

    def _place(self):
        """Moves the data to the device once if they fit; else batches travel."""
        leaves = [leaf for leaf in tree.flatten(self._arrays) if leaf is not None]
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        self._bytes = sum(leaf.numel() * leaf.element_size() for leaf in tensors)
        self._travel = any(isinstance(leaf, RowReader) for leaf in leaves)  # those in files always do
        if all(leaf.device == self.device for leaf in tensors):
            return
        if self.device.type != "cuda" or self._bytes <= _FREE_SHARE * torch.cuda.mem_get_info(self.device)[0]:
            self._arrays = _map(lambda leaf: leaf.to(self.device), self._arrays)
        else:
            self._travel = True

    def batches(self, restart=False, together=1):
        """The batches of one epoch, as tuples `(x, y, sample_weight)`; so many `together` as one, without `steps`.

        With `steps`, an epoch goes on where the last one ended (`restart`: from the beginning). It ends, with a
        warning, where the data end; the next one then begins with the first sample.
        """
        if self.steps is None:
            yield from self._pass(self.batch_size * together)
            return
        if restart or self._running is None:
            self._start_again()
        for done in range(self.steps):
            if self._left == 0:
                warnings.warn(
                    f"The data ended after {done} of {self.steps} steps: there are {self._whole} batches of "
                    f"{self.batch_size} in all, and each epoch goes on where the last one stopped. "
                    "The epoch ends here; leave out steps_per_epoch (or steps) to use all data in each epoch.",
                    stacklevel=2,
                )
                break
            self._left -= 1
            yield next(self._running)
        if self._left == 0:
            self._start_again()

    def _start_again(self):
        self._running, self._left = self._pass(self.batch_size), self._whole

    def position(self):
        """The running pass, where an epoch goes on with one: its random order follows from the stream it began with."""
        if self._running is None or self._left == self._whole:
            return {}
        return {"left": self._left, "began": self._began}

    def go_to(self, position):
        if position:
            torch.set_rng_state(torch.as_tensor(position["began"]))
            self._start_again()
            while self._left > position["left"]:
                self._left -= 1
                next(self._running)

    def first_batch(self):
        """The first samples, without disturbing the order."""
        return _map(self._transfer, self._samples_at(slice(0, self.batch_size)))

    def look(self):
        """The first batch, at the price in random numbers that Keras pays for looking at the data after `compile`."""
        self._stream.draw()
        if self.shuffle:
            self._stream.draw()
        return self.first_batch()

    def _samples_at(self, where):
        """Copies of the samples in a slice or at indices, as `(x, y, sample_weight)`."""
        if self._flat:
            return tuple([_copy(leaf, where) for leaf in self._arrays])
        return tree.map_structure(lambda leaf: _copy(leaf, where), self._arrays)

    def _order(self):
        """A random order of the samples: of all, or within each batch (`shuffle="batch"`)."""
        if self.shuffle != "batch":
            return self._stream.order(self._samples)
        size, rows = self.batch_size, self._samples
        return torch.cat([start + torch.randperm(min(size, rows - start)) for start in range(0, rows, size)])

    def _pass(self, size):
        """One run through the data. The numbers drawn before and after are those of the loader that Keras uses."""
        if self.remembers:
            self._began = torch.get_rng_state()
        self._stream.draw()
        yield from self._run(size)
        self._stream.draw()

    def _run(self, size):
        """Batches of a size: copies, as a torch module may change its input in place, and the data are the user's."""
        order = self._order() if self.shuffle else None
        limit = _WHOLE_COPY_BYTES if order is None else _WHOLE_SHUFFLE_BYTES
        at_once = self._bytes <= limit or (order is not None and self.device.type == "cuda")
        if at_once and not self._travel:
            arrays = self._samples_at(slice(None) if order is None else order)
            yield from [arrays] if self._whole == 1 else _split(arrays, size, self._samples)
            return
        for start in range(0, self._samples or 1, size):
            where = slice(start, start + size)
            where = where if order is None else order[where]
            batch = self._samples_at(where)
            yield _map(self._transfer, batch) if self._travel else batch


def weighed(y, class_weight, sample_weight):
    """Weights of the samples' classes, times those of the samples themselves."""
    extra = class_weights(y, class_weight)
    if sample_weight is None:
        return extra
    if isinstance(sample_weight, RowReader):
        sample_weight = sample_weight[:]
    return sample_weight * extra.reshape(-1, *[1] * (sample_weight.dim() - 1))


def _split(arrays, size, rows):
    """All batches as views, cut in one call per array."""
    count = math.ceil(rows / size) or 1

    def cut(array):
        if array is None:
            return [None] * count
        if isinstance(array, torch.Tensor):
            return array.split(size)
        return [array[i : i + size] for i in range(0, rows or 1, size)]

    parts = []
    for array in arrays:
        if array is None or not tree.is_nested(array):
            parts.append(cut(array))
        else:
            columns = [cut(leaf) for leaf in tree.flatten(array)]
            parts.append([tree.pack_sequence_as(array, leaves) for leaves in zip(*columns, strict=True)])
    return zip(*parts, strict=True)


def _copy(leaf, where):
    """A copy of the samples in a slice, or at the indices of a tensor."""
    if leaf is None:
        return None
    if isinstance(leaf, torch.Tensor):
        return leaf[where].clone() if isinstance(where, slice) else leaf.index_select(0, where.to(leaf.device))
    return leaf[where if isinstance(where, slice) else where.numpy()]


def _map(function, arrays):
    return tree.map_structure(lambda leaf: function(leaf) if isinstance(leaf, torch.Tensor) else leaf, arrays)


def _batch_size(value, rows, steps):
    """What was asked for; else what makes so many steps of all rows, or 32."""
    if value is None:
        return math.ceil(rows / steps) or 1 if steps else 32
    return positive_number("`batch_size`", value)
