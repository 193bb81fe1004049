"""What the elements of a dataset are: their structure, shapes and dtypes, and their conversion.

May import core. A leaf is a tensor on the CPU, or a numpy array where torch has no such type (strings).
"""

import numpy as np
import torch

from torchkeras.core import tree
from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import NAMES


class TensorSpec:
    """Shape and dtype of one part of an element. None stands for a size that is not known, or differs.

    Example:
        >>> TensorSpec((None, 28, 28), "uint8").shape
        (None, 28, 28)
    """

    def __init__(self, shape, dtype="float32", name=None):
        self.shape = None if shape is None else tuple(shape)
        self.dtype, self.name = dtype, name

    def __repr__(self):
        return f"TensorSpec(shape={self.shape}, dtype={self.dtype})"

    def __eq__(self, other):
        return isinstance(other, TensorSpec) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self):
        return hash((self.shape, self.dtype))


def leaf_of(value):
    """A tensor, or a numpy array of strings, of anything that is one part of an element."""
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, (str, bytes)):
        return np.asarray(value)
    array = value if isinstance(value, np.ndarray) else None
    if array is None and isinstance(value, (list, np.generic, bool, int, float, complex)):
        array = np.asarray(value)
        if array.dtype == np.float64 and not isinstance(value, np.generic):
            array = array.astype(np.float32)  # numbers of Python's
        elif array.dtype == np.int64 and not isinstance(value, np.generic):
            array = array.astype(np.int32)
    if array is not None and array.dtype.kind in "USOT":
        return array.astype(str) if array.dtype.kind in "OT" else array
    return as_tensor(value if array is None else array)


def element_of(value):
    """An element, its leaves converted. Tuples and dicts are structure, lists are arrays, as in `tf.data`."""
    if isinstance(value, dict):
        return {key: element_of(item) for key, item in value.items()}
    if isinstance(value, tuple):
        items = [element_of(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value if value is None else leaf_of(value)


def spec_of(element):
    """The TensorSpecs of an element."""
    return tree.map_structure(lambda leaf: TensorSpec(leaf.shape, dtype_name(leaf)), element)


def dtype_name(leaf):
    if isinstance(leaf, torch.Tensor):
        return NAMES[leaf.dtype]
    return "string"


def stacked(elements):
    """Elements of equal structure as one element with a further first axis.

    Raises `ValueError` where their shapes differ.
    """
    first = elements[0]
    if not tree.is_nested(first):
        return _stack(elements)
    columns = zip(*[tree.flatten(element) for element in elements], strict=True)
    return tree.pack_sequence_as(first, [_stack(column) for column in columns])


def _stack(leaves):
    try:
        if isinstance(leaves[0], torch.Tensor):
            return torch.stack(list(leaves))
        return np.stack(leaves)
    except (RuntimeError, ValueError):
        shapes = list(dict.fromkeys(tuple(leaf.shape) for leaf in leaves))
        raise ValueError(
            f"Elements of different shapes {shapes} do not make a batch: use padded_batch(), or map() them to one."
        ) from None


def numpy_of(element):
    """The element with numpy arrays in place of tensors."""
    return tree.map_structure(lambda leaf: leaf.numpy() if isinstance(leaf, torch.Tensor) else leaf, element)
