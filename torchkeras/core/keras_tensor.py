"""KerasTensor: a tensor to come, with its static shape.

May import torch and core's scopes, dtypes and wiring. Knows no graph: how a torch function on a KerasTensor becomes a
node is said by `core/symbolic` (`bind_recorder`), its operators by the ops room (`bind_operators`). So every room of
core may speak of KerasTensors.
"""

import torch

from torchkeras.core import scopes, wiring
from torchkeras.core.dtypes import standardize_dtype


class Shape(tuple):
    """A shape as a tuple, with the few TensorShape manners that Keras 2 programs use (`as_list`, `rank`, `ndims`)."""

    __slots__ = ()

    def as_list(self):
        return list(self)

    rank = ndims = property(len)

    def num_elements(self):
        total = 1
        for size in self:
            if size is None:
                return None
            total *= size
        return total


def is_shape(value):
    """Whether a value is one shape: a tuple or list of integers and None."""
    return isinstance(value, (tuple, list)) and all(size is None or isinstance(size, int) for size in value)


def standardize_shape(shape):
    """A `Shape` from a tuple, list, `torch.Size` or a single integer; sizes are integers or None, never negative."""
    if type(shape) in (tuple, list):  # nearly every call: nothing to convert
        for size in shape:
            if size is not None and (type(size) is not int or size < 0):
                break
        else:
            return Shape(shape)
    if isinstance(shape, int):
        shape = (shape,)
    if not hasattr(shape, "__iter__"):
        raise ValueError(f"A shape must be a tuple of integers and None, got {shape!r}.")
    sizes = []
    for size in shape:
        if size is not None and not hasattr(size, "__index__"):
            raise ValueError(f"A shape must hold integers and None only, got {shape!r}.")
        size = None if size is None else int(size)
        if size is not None and size < 0:
            raise ValueError(f"A shape may hold no negative size, got {shape!r}; use None for an unknown one.")
        sizes.append(size)
    return Shape(sizes)


class KerasTensor:
    """A tensor to come: shape (None where unknown), dtype, name, and the operation that will make it.

    Example:
        >>> x = KerasTensor((None, 3), dtype="float32")
        >>> torch.relu(x).shape
        (None, 3)
    """

    __array_ufunc__ = None  # numpy arrays hand `array + x` over to `x.__radd__`
    record = False
    is_leaf = False

    def __init__(self, shape, dtype="float32", sparse=False, ragged=False, record_history=True, name=None, **kwargs):
        if kwargs:
            raise TypeError(f"KerasTensor got unknown arguments {sorted(kwargs)}.")
        if sparse and ragged:
            raise ValueError("A KerasTensor is sparse or ragged, not both.")
        self._shape = shape if type(shape) is Shape else standardize_shape(shape)
        self.dtype = standardize_dtype(dtype)
        self.sparse, self.ragged = bool(sparse), bool(ragged)
        self.name = name or scopes.unique_name("keras_tensor")
        self.record_history = record_history
        wiring.begin(any_symbolic)

    shape = property(lambda self: self._shape)
    ndim = property(lambda self: len(self._shape))

    def get_shape(self):
        return self._shape

    def dim(self):
        return len(self._shape)

    @property
    def type_spec(self):
        return self

    @property
    def node(self):
        history = self._keras_history
        return history.operation._inbound_nodes[history.node_index]

    def __repr__(self):
        return (
            f"<KerasTensor shape={tuple(self._shape)}, dtype={self.dtype}, sparse={self.sparse}, ragged={self.ragged}, "
            f"name={self.name}>"
        )

    def __iter__(self):
        raise TypeError("A symbolic tensor has no values to iterate over; split it with `ops.unstack` or index it.")

    def __bool__(self):
        raise TypeError("A symbolic tensor has no truth value; use `ops.cond` or `ops.where`.")

    def __array__(self, *args, **kwargs):
        raise ValueError(
            "A KerasTensor is symbolic: it stands for data to come and cannot become a numpy array. Use `keras.ops`, "
            "a torch function or a layer on it instead."
        )

    def __float__(self):
        raise TypeError("A symbolic tensor has no value yet.")

    __int__ = __index__ = __float__

    def __len__(self):
        if not self._shape or self._shape[0] is None:
            raise TypeError(f"The length of {self!r} is not known.")
        return self._shape[0]

    def __hash__(self):
        return id(self)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return _record(func, args, kwargs or {})


_record = None  # set by core/symbolic


def bind_recorder(record):
    """Says how a torch function called on KerasTensors becomes a node. Called once by `core/symbolic`."""
    global _record
    _record = record


def bind_operators(table):
    """Gives KerasTensor its operators: a dict of dunder names to operations. Called once by the ops room."""
    for name, function in table.items():
        setattr(KerasTensor, name, function)


def is_keras_tensor(x):
    """Whether a value is symbolic."""
    return isinstance(x, KerasTensor)


_PLAIN = frozenset((torch.Tensor, int, float, bool, str, type(None)))  # what neither is nor holds a KerasTensor


def any_symbolic(args, kwargs):
    """Whether a KerasTensor is among the arguments, looking into lists, tuples and dicts."""
    for value in (*args, *kwargs.values()) if kwargs else args:
        kind = type(value)
        if kind in _PLAIN:
            continue
        if isinstance(value, KerasTensor):
            return True
        if kind in (list, tuple, dict) and any_symbolic(value.values() if kind is dict else value, None):
            return True
    return False
