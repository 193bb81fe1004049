"""Arrays as training takes them: converted once, checked, split, weighed by class.

May import core and this room. Knows no model. What cuts them into batches is in sources.py.
"""

import math
import numbers
from collections.abc import Mapping
from types import FunctionType

import numpy as np
import torch

from torchkeras.core import tree
from torchkeras.core.array_likes import plain_array
from torchkeras.core.conversion import as_tensor, is_array_like, view_of
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.errors import InvalidArgumentError, UnsupportedInputError
from torchkeras.training.row_readers import RowReader, row_reader


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


class GivenBatch(tuple):
    """`(x, y, sample_weight)` of a batch that came in a form of its own: `given`, for steps of the user's."""

    def __new__(cls, batch, given):
        made = super().__new__(cls, batch)
        made.given = given
        return made


def packed(batch):
    """What a step of the user's is given of a batch: the form in which it came."""
    return batch.given if type(batch) is GivenBatch else pack_x_y_sample_weight(*batch)


def is_array(value):
    """Whether a value is one array, as opposed to a structure of arrays."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_number_tree(item) for item in value)
    return is_array_like(value) or isinstance(value, range) or np.isscalar(value)


def _is_number_tree(value):
    if isinstance(value, (int, float, np.generic, str)):
        return True
    return isinstance(value, (list, tuple)) and bool(value) and all(_is_number_tree(item) for item in value)


def to_arrays(value, what, strings=True):
    """Tensors (numpy for strings) in the structure of `value`; None stays None. Raises for what is no numeric data.

    Floats become `floatx()`. A tensor lies over the user's own memory where torch can read that, read-only memory too:
    who hands it on copies.
    """
    if value is None or isinstance(value, RowReader):
        return value
    value = row_reader(value, lambda part: _to_tensor(part, what, strings))
    if isinstance(value, RowReader):
        return value
    if is_array(value):
        return _to_tensor(value, what, strings)
    if isinstance(value, Mapping):
        return {key: to_arrays(item, f"{what}[{key!r}]", strings) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [to_arrays(item, f"{what}[{i}]", strings) for i, item in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, KerasTensor):
        raise UnsupportedInputError(f"`{what}` is {value!r}, which is symbolic and has no numbers: give data.")
    called = "It is a function: call it. " if isinstance(value, FunctionType) else ""
    raise UnsupportedInputError(
        f"`{what}` is of type {type(value).__name__}, which is not understood. {called}Pass numpy arrays, torch "
        "tensors, lists and dicts of them; or, as `x`, what gives batches: a generator, DataLoader, PyDataset."
    )


def _to_tensor(value, what, strings):
    """One tensor, or numpy's array of strings."""
    if not isinstance(value, torch.Tensor):
        value = seen(value, f"`{what}`", strings)
        if not isinstance(value, torch.Tensor):
            return value
    value = value.detach()
    return value.to(torch_dtype(None)) if value.is_floating_point() else value


def seen(value, what, strings):
    """A tensor of an array, over its memory where that can be read; numpy's array of strings."""
    if is_array_like(value) and not hasattr(type(value), "__array__"):
        return as_tensor(value, what=what)  # memory of another library
    array = plain_array(value, what, strings)
    if array.dtype.kind in "US":
        return array
    if hasattr(value, "iloc") and array.ndim == 1:
        array = array[:, None]  # a column of a data frame is a column, as Keras has it
    view = view_of(array)
    return as_tensor(array, None, "cpu") if view is None else view


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


def split_validation(x, y, sample_weight, validation_split):
    """`(training, validation)`, each `(x, y, sample_weight)`: the last samples, cut before any shuffling."""
    if not isinstance(validation_split, (int, float, np.number)) or not 0 < validation_split < 1:
        raise InvalidArgumentError(f"`validation_split` must lie between 0 and 1, got {validation_split!r}.")
    data = adapt(x, y, sample_weight)
    rows = rows_of(data)
    cut = math.floor(rows * (1 - validation_split))
    if cut == 0 or cut == rows:
        raise ValueError(
            f"validation_split={validation_split} leaves no samples on one side of {rows}: choose another value or "
            "pass validation_data."
        )
    return tuple(tree.map_structure(lambda a, w=w: _part(a, w), data) for w in (slice(0, cut), slice(cut, rows)))


def _part(array, where):
    if array is None:
        return None
    return array.part(where) if isinstance(array, RowReader) else array[where]


def class_weights(y, class_weight):
    """Weight of each sample from `{class: weight}` (or a list); classes without an entry weigh 1."""
    if isinstance(class_weight, (list, tuple)):
        class_weight = dict(enumerate(class_weight))
    if not isinstance(class_weight, dict) or not all(_is_whole(key) for key in class_weight):
        raise ValueError(f"`class_weight` must be a dict of class index -> weight, got {class_weight!r}.")
    if not all(isinstance(weight, numbers.Real) for weight in class_weight.values()):
        raise ValueError(f"The weights in `class_weight` must be numbers, got {class_weight!r}.")
    if not isinstance(y, (torch.Tensor, RowReader)):
        raise ValueError("`class_weight` needs one target array `y`; with several outputs use `sample_weight`.")
    labels = torch.cat([_labels(part) for part in y.in_parts()]) if isinstance(y, RowReader) else _labels(y)
    if not class_weight:
        return torch.ones(labels.shape, device=labels.device)
    classes = sorted(class_weight)
    weights = torch.tensor([float(class_weight[key]) for key in classes], device=labels.device)
    classes = torch.tensor([int(key) for key in classes], device=labels.device)
    places = torch.searchsorted(classes, labels).clamp_(max=len(classes) - 1)
    return torch.where(classes[places] == labels, weights[places], 1.0)


def _is_whole(key):
    return isinstance(key, (int, float, np.integer, np.floating)) and key == int(key)


def _labels(y):
    """Class numbers of targets that are numbers, columns of one, or one-hot rows."""
    if y.dim() > 1:
        y = (y.to(torch.uint8) if y.dtype == torch.bool else y).argmax(-1) if y.shape[-1] != 1 else y.squeeze(-1)
    return (y.round() if y.is_floating_point() else y).to(torch.int64)


def adapt(x, y=None, sample_weight=None, what=None):
    """`(x, y, sample_weight)` converted. `what` says in errors whose they are."""
    if x is None:
        raise ValueError("There are no data: pass `x` (numpy arrays, torch tensors, or lists and dicts of them).")
    prefix = f"{what}: " if what else ""
    x = to_arrays(x, f"{prefix}x")
    y = to_arrays(y, f"{prefix}y", strings=False)
    return x, y, to_arrays(sample_weight, f"{prefix}sample_weight", strings=False)
