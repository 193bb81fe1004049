"""Data for the loops: arrays become tensors once and are sliced per batch.

May import core and this room. Knows no model; other sources (generators, loaders) are further classes with the
same three members: `num_batches`, `batches()`, `first_batch()`.
"""

import math
import warnings

import numpy as np
import torch

from torchkeras.core import scopes, tree
from torchkeras.core.dtypes import torch_dtype
from torchkeras.errors import UnsupportedInputError
from torchkeras.training.arguments import positive_number

_WHOLE_SHUFFLE_BYTES = 64 * 2**20  # up to this size the data of an epoch are shuffled at once
_WHOLE_COPY_BYTES = 2**20  # up to this size data in order are copied at once; larger ones per batch, into warm memory
_FREE_SHARE = 0.25  # data stay on the GPU if they take at most this share of its free memory


def unpack_x_y_sample_weight(data):
    """`(x, y, sample_weight)` from what a step is given: `(x,)`, `(x, y)`, `(x, y, w)` or x alone."""
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(f"Data must be (x,), (x, y) or (x, y, sample_weight); got a tuple of {len(data)}.")
    return (*data, None, None)[:3]


def pack_x_y_sample_weight(x, y=None, sample_weight=None):
    """The tuple that a step is given."""
    if y is None:
        return x if not tree.is_nested(x) else (x,)
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def is_array(value):
    """Whether a value is one array, as opposed to a structure of arrays."""
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return True
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_number_tree(item) for item in value)
    return hasattr(value, "to_numpy") or hasattr(value, "__array__") or np.isscalar(value)


def _is_number_tree(value):
    if isinstance(value, (int, float, np.generic, str)):
        return True
    return isinstance(value, (list, tuple)) and bool(value) and all(_is_number_tree(item) for item in value)


def to_arrays(value, what, strings=True):
    """Tensors (numpy for strings) in the structure of `value`; None stays None. Raises for what is no numeric data."""
    if isinstance(value, (torch.Tensor, np.ndarray)) or value is None:
        return None if value is None else _to_tensor(value, what, strings)
    if is_array(value):
        return _to_tensor(value, what, strings)
    if isinstance(value, dict):
        return {key: to_arrays(item, f"{what}[{key!r}]", strings) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(to_arrays(item, f"{what}[{i}]", strings) for i, item in enumerate(value))
    hint = " Sparse matrices become arrays by `.toarray()`." if hasattr(value, "toarray") else ""
    raise UnsupportedInputError(
        f"`{what}` is of type {type(value).__name__}, which is not understood. Pass numpy arrays, torch tensors, or "
        f"lists and dicts of them; collect what a generator or loader gives into arrays first.{hint}"
    )


def _to_tensor(value, what, strings):
    """One tensor: float64 and float16 come as `floatx()`, integers and bools as they are."""
    if not isinstance(value, torch.Tensor):
        value = _to_array(value, what)
        if value.dtype.kind in "US":
            if strings:
                return value
            raise UnsupportedInputError(
                f"`{what}` holds strings ({str(value.flat[0])!r}…): turn names into numbers first, for labels by "
                "np.unique(labels, return_inverse=True)[1]."
            )
        value = torch.from_numpy(value)
    if value.requires_grad:
        value = value.detach()
    if value.dtype in (torch.float64, torch.float16):
        value = value.to(torch_dtype(scopes.settings.floatx))
    return value


def _to_array(value, what):
    """One numpy array that torch understands, or one of strings."""
    if not isinstance(value, np.ndarray):
        if hasattr(value, "to_numpy"):
            value = value.to_numpy()
        try:
            value = np.asarray(value)
        except ValueError as error:
            if not isinstance(value, (list, tuple)):
                raise
            raise UnsupportedInputError(
                f"`{what}` is a ragged list: all rows must have the same length. ({error})"
            ) from None
    kind = value.dtype.kind
    if kind not in "biufcUS":
        what_kind = "Python objects" if kind == "O" else "times" if kind in "mM" else "records"
        raise UnsupportedInputError(
            f"`{what}` is an array of {what_kind} (dtype={value.dtype}). Make it numeric: rows of equal length, no "
            "None; of data frames select or encode the columns."
        )
    if kind == "u" and value.dtype.itemsize > 1:
        value = value.astype(np.int64)
    flags = value.flags
    if kind not in "US" and not (
        flags.writeable and value.dtype.isnative and (flags.c_contiguous or min(value.strides, default=0) >= 0)
    ):
        value = np.array(value, dtype=value.dtype.newbyteorder("="))
    return value


def rows_of(arrays):
    """Number of samples. Raises `ValueError` where arrays disagree or are scalars."""
    shapes = [leaf.shape for leaf in tree.flatten(arrays) if leaf is not None]
    if not shapes:
        raise ValueError("There are no data: `x` holds no array.")
    if not all(shapes):
        raise ValueError("The data hold a scalar or a single string: every array needs a first axis of samples.")
    rows = shapes[0][0]
    if any(shape[0] != rows for shape in shapes):
        hint = ""
        if isinstance(arrays, tuple) and isinstance(arrays[0], (list, tuple)):
            hint = " A list of arrays means several inputs: to make one array of samples, use np.stack."
        raise ValueError(
            "All arrays must have the same number of samples (first axis); got shapes "
            f"{list(dict.fromkeys(map(tuple, shapes)))}.{hint}"
        )
    return rows


def split_validation(data, validation_split):
    """`(training, validation)`: the last samples, cut before any shuffling."""
    if not isinstance(validation_split, (int, float, np.number)) or not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must lie between 0 and 1, got {validation_split!r}.")
    rows = rows_of(data)
    cut = math.floor(rows * (1 - validation_split))
    if cut == 0 or cut == rows:
        raise ValueError(
            f"validation_split={validation_split} leaves no samples on one side of {rows}: choose another value or "
            "pass validation_data."
        )

    def part(where):
        return tree.map_structure(lambda a: None if a is None else a[where], data)

    return part(slice(0, cut)), part(slice(cut, rows))


def class_weights(y, class_weight):
    """Weight of each sample from `{class: weight}` (or a list); classes without an entry weigh 1."""
    if isinstance(class_weight, (list, tuple)):
        class_weight = dict(enumerate(class_weight))
    if not isinstance(class_weight, dict) or not all(isinstance(k, (int, np.integer)) for k in class_weight):
        raise ValueError(f"`class_weight` must be a dict of class index -> weight, got {class_weight!r}.")
    if not isinstance(y, torch.Tensor):
        raise ValueError("`class_weight` needs one target array `y`; with several outputs use `sample_weight`.")
    labels = y
    if y.dim() > 1:
        labels = y.argmax(-1) if y.shape[-1] != 1 else y.squeeze(-1)
    labels = labels.round().to(torch.int64)
    size = max([int(labels.max()) if labels.numel() else 0, *class_weight]) + 1
    table = torch.ones(size, dtype=torch.float32)
    for label, weight in class_weight.items():
        table[int(label)] = float(weight)
    return table.to(labels.device)[labels]


def adapt(x, y=None, sample_weight=None, what=None):
    """`(x, y, sample_weight)` converted. `what` says in errors whose they are."""
    if x is None:
        raise ValueError("There are no data: pass `x` (numpy arrays, torch tensors, or lists and dicts of them).")
    prefix = f"{what}: " if what else ""
    x = to_arrays(x, f"{prefix}x")
    y = to_arrays(y, f"{prefix}y", strings=False)
    return x, y, to_arrays(sample_weight, f"{prefix}sample_weight", strings=False)


class ArraySource:
    """Batches of arrays.

    Args:
        x, y, sample_weight: converted arrays (`to_arrays`) or structures of them.
        batch_size: samples per batch; the last batch may be smaller.
        shuffle: new order every epoch, from torch's random stream; "batch" changes the order within each batch only.
        device: where the batches are wanted.
        steps: batches per epoch, where the user gave it; see `batches`.
        may_be_empty: whether no samples are one empty batch and no error.
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
    ):
        if class_weight is not None:
            extra = class_weights(y, class_weight)
            sample_weight = (
                extra if sample_weight is None else sample_weight * extra.reshape(-1, *[1] * (sample_weight.dim() - 1))
            )
        self.rows = rows_of((x, y, sample_weight))
        if self.rows == 0 and not may_be_empty:
            raise ValueError("The data are empty: `x` has no samples.")
        self.batch_size = min(_batch_size(batch_size), self.rows or 1)
        self.shuffle, self.steps = shuffle, _steps(steps)
        self.device = device or torch.device("cpu")
        self._arrays = (x, y, sample_weight)
        self._place()
        self._running, self._left = None, 0
        self._whole = math.ceil(self.rows / self.batch_size) or 1
        self.num_batches = self._whole if self.steps is None else self.steps

    def _place(self):
        """Moves the data to the device once if they fit; else batches travel, from pinned memory."""
        leaves = [leaf for leaf in tree.flatten(self._arrays) if isinstance(leaf, torch.Tensor)]
        self._bytes = sum(leaf.numel() * leaf.element_size() for leaf in leaves)
        self._travel = any(leaf.device != self.device for leaf in leaves)
        if not self._travel:
            return
        if self.device.type != "cuda" or self._bytes <= _FREE_SHARE * torch.cuda.mem_get_info(self.device)[0]:
            self._arrays = _map(lambda leaf: leaf.to(self.device), self._arrays)
            self._travel = False
        else:
            self._arrays = _map(lambda leaf: leaf.pin_memory() if leaf.device.type == "cpu" else leaf, self._arrays)

    def batches(self, restart=False):
        """The batches of one epoch, as tuples `(x, y, sample_weight)`.

        With `steps`, an epoch goes on where the last one ended (`restart`: from the beginning). It ends, with a
        warning, where the data end; the next one then begins with the first sample.
        """
        if self.steps is None:
            yield from self._pass()
            return
        if restart or self._running is None:
            self._start_again()
        for _ in range(self.steps):
            if self._left == 0:
                warnings.warn(
                    f"The data ended before {self.steps} steps: they make {self._whole} batches of {self.batch_size}. "
                    "The epoch ends here; leave out steps_per_epoch (or steps) to use all data in each epoch.",
                    stacklevel=2,
                )
                break
            self._left -= 1
            yield next(self._running)
        if self._left == 0:
            self._start_again()

    def _start_again(self):
        self._running, self._left = self._pass(), self._whole

    def first_batch(self):
        """The first samples, without disturbing the order."""
        return _map(lambda leaf: leaf[: self.batch_size].to(self.device, copy=True), self._arrays)

    def look(self):
        """The first batch, at the price in random numbers that Keras pays for looking at the data after `compile`."""
        _draw()
        if self.shuffle:
            _draw()
        return self.first_batch()

    def _order(self):
        """A random order of the samples: of all, or within each batch (`shuffle="batch"`)."""
        if self.shuffle != "batch":
            return torch.randperm(self.rows, generator=torch.Generator().manual_seed(int(_draw())))
        size = self.batch_size
        return torch.cat([start + torch.randperm(min(size, self.rows - start)) for start in range(0, self.rows, size)])

    def _pass(self):
        """One run through the data. The numbers drawn before and after are those of the loader that Keras uses."""
        _draw()
        yield from self._run()
        _draw()

    def _run(self):
        """The batches: copies, since a torch module may change its input in place, and the data are the user's."""
        order = self._order() if self.shuffle else None
        limit = _WHOLE_COPY_BYTES if order is None else _WHOLE_SHUFFLE_BYTES
        at_once = self._bytes <= limit or (order is not None and self.device.type == "cuda")
        if at_once and not self._travel:
            arrays = tree.map_structure(lambda leaf: _copy(leaf, order), self._arrays)
            yield from [arrays] if self.rows <= self.batch_size else _split(arrays, self.batch_size, self.rows)
            return
        for start in range(0, self.rows or 1, self.batch_size):
            where = slice(start, start + self.batch_size)
            if order is None:
                batch = tree.map_structure(lambda leaf, w=where: None if leaf is None else _copy(leaf[w]), self._arrays)
            else:
                batch = tree.map_structure(lambda leaf, w=order[where]: _copy(leaf, w), self._arrays)
            yield _map(lambda leaf: leaf.to(self.device, non_blocking=True), batch)


def _draw():
    """One number of torch's random stream. Drawing where Keras's loaders draw keeps orders and dropout masks after
    `set_random_seed` equal to Keras's."""
    return torch.empty((), dtype=torch.int64).random_()


def _steps(value):
    most = scopes.settings.max_steps_per_epoch
    if most and (value is None or most < value):
        warnings.warn(f"Limiting steps_per_epoch to {most}", stacklevel=4)
        return most
    if value is None:
        return None
    return positive_number("`steps_per_epoch` (`validation_steps`, `steps`)", value)


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


def _copy(leaf, order=None):
    """A copy, of the samples in `order` if it is given."""
    if leaf is None:
        return None
    if isinstance(leaf, torch.Tensor):
        return leaf.clone() if order is None else leaf.index_select(0, order.to(leaf.device))
    return leaf if order is None else leaf[order.numpy()]


def _map(function, arrays):
    return tree.map_structure(lambda leaf: function(leaf) if isinstance(leaf, torch.Tensor) else leaf, arrays)


def _batch_size(value):
    return 32 if value is None else positive_number("`batch_size`", value)
