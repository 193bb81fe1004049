"""The one door for arrays: what becomes which tensor, what is shared, what is refused and how."""

import array
import threading
import warnings
from decimal import Decimal
from fractions import Fraction

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import torchkeras as keras
from torchkeras.core.conversion import as_tensor, to_numpy, view_of
from torchkeras.errors import UnsupportedInputError


class ArrayLike:
    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0], dtype or "float32")


class Capsule:
    """Has nothing but DLPack."""

    def __init__(self):
        self.tensor = torch.tensor([1.0, 2.0])

    def __dlpack__(self, **options):
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


class Stand:
    """Stands for a tensor in torch's functions."""

    def __init__(self, tensor):
        self.tensor = tensor

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        plain = [value.tensor if isinstance(value, Stand) else value for value in args]
        return function(*plain, **(kwargs or {}))


class Tagged(torch.Tensor):
    pass


def read_only(values):
    values = np.array(values)
    values.setflags(write=False)
    return values


PACKED = np.zeros(2, [("flag", "i1"), ("x", "<f4")])
PACKED["x"] = [1.0, 2.0]

VALUES = {  # what comes in: dtype and numbers of the tensor
    "bool": (True, torch.bool, True),
    "integer": (3, torch.int32, 3),
    "large integer": (2**40, torch.int64, 2**40),
    "float": (1.5, torch.float32, 1.5),
    "complex": (1j, torch.complex64, 1j),
    "np.float64": (np.float64(1.5), torch.float32, 1.5),
    "np.int64": (np.int64(3), torch.int64, 3),
    "np.float16": (np.float16(1.5), torch.float16, 1.5),
    "fraction": (Fraction(1, 2), torch.float64, 0.5),
    "list": ([1, 2.5, True], torch.float32, [1.0, 2.5, 1.0]),
    "list of integers": ([1, 2], torch.int32, [1, 2]),
    "list of large integers": ([2**40, 1], torch.int64, [2**40, 1]),
    "list of bools": ((True, False), torch.bool, [True, False]),
    "list of scalars": ([np.float32(1.5), 1], torch.float32, [1.5, 1.0]),
    "list of float64": ([np.float64(1.5)], torch.float32, [1.5]),
    "list of uint16": ([np.uint16(65535)], torch.int32, [65535]),
    "list of arrays": ([np.ones(2, "float16"), np.zeros(2, "float32")], torch.float32, [[1, 1], [0, 0]]),
    "list of tensors": ([torch.tensor(1.0), 2.0], torch.float32, [1.0, 2.0]),
    "list of tensors and arrays": ([[torch.ones(1), np.zeros(1, ">f4")]], torch.float32, [[[1.0], [0.0]]]),
    "empty list": ([], torch.float32, []),
    "range": (range(3), torch.int64, [0, 1, 2]),
    "array.array": (array.array("d", [1.0, 2.0]), torch.float64, [1.0, 2.0]),
    "memoryview": (memoryview(np.ones(2)), torch.float64, [1.0, 1.0]),
    "negative strides": (np.arange(3.0)[::-1], torch.float64, [2.0, 1.0, 0.0]),
    "zero strides": (np.broadcast_to(np.float32(1), (2, 2)), torch.float32, [[1, 1], [1, 1]]),
    "Fortran order": (np.asfortranarray([[1, 2], [3, 4]]), torch.int64, [[1, 2], [3, 4]]),
    "read-only": (read_only([1.0, 2.0]), torch.float64, [1.0, 2.0]),
    "big-endian": (np.array([1.0, 2.0], ">f4"), torch.float32, [1.0, 2.0]),
    "field of records": (PACKED["x"], torch.float32, [1.0, 2.0]),
    "matrix": (np.array([[1.0, 2.0]]).view(np.matrix), torch.float64, [[1.0, 2.0]]),
    "uint16": (np.array([1, 65535], "uint16"), torch.int32, [1, 65535]),
    "uint32": (np.array([1, 2**32 - 1], ">u4"), torch.int64, [1, 2**32 - 1]),
    "uint64": (np.array([1, 2], "uint64"), torch.int64, [1, 2]),
    "longdouble": (np.array([1.5], "longdouble"), torch.float64, [1.5]),
    "bfloat16": (read_only(np.array([1.5, 2.0], ml_dtypes.bfloat16)), torch.bfloat16, [1.5, 2.0]),
    "float8": (np.array([1.5], ml_dtypes.float8_e5m2), torch.float8_e5m2, [1.5]),
    "objects": (np.array([1, 2.5, True], object), torch.float64, [1.0, 2.5, 1.0]),
    "decimals": (np.array([Decimal("1.5")], object), torch.float64, [1.5]),
    "frame": (pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}), torch.float64, [[1.0, 0.5], [2.0, 1.5]]),
    "frame of floats and bools": (
        pd.DataFrame({"a": [1.0, 2.0], "b": [True, False]}),
        torch.float64,
        [[1.0, 1.0], [2.0, 0.0]],
    ),
    "frame with a name twice": (
        pd.DataFrame([[1.5, True]], columns=["a", "a"]).astype({}),
        torch.float64,
        [[1.5, 1.0]],
    ),
    "nullable frame": (pd.DataFrame({"a": [1.5], "b": [True]}).convert_dtypes(), torch.float64, [[1.5, 1.0]]),
    "series": (pd.Series([1, 2]), torch.int64, [1, 2]),
    "index": (pd.Index([1.5]), torch.float64, [1.5]),
    "nullable integers": (pd.Series([1, 2], dtype="Int64"), torch.int64, [1, 2]),
    "nullable bools": (pd.Series([True, False], dtype="boolean"), torch.bool, [True, False]),
    "categories of numbers": (pd.Series([1, 2], dtype="category"), torch.int64, [1, 2]),
    "arrow column": (pd.Series([1, 2], dtype="int64[pyarrow]"), torch.int64, [1, 2]),
    "arrow array": (pa.array([1, 2]), torch.int64, [1, 2]),
    "arrow chunks": (pa.chunked_array([[1], [2]]), torch.int64, [1, 2]),
    "arrow table": (pa.table({"a": [1.5], "b": [2]}), torch.float64, [[1.5, 2.0]]),
    "__array__": (ArrayLike(), torch.float32, [1.0, 2.0]),
    "__dlpack__": (Capsule(), torch.float32, [1.0, 2.0]),
    "__torch_function__": (Stand(torch.ones(2)), torch.float32, [1.0, 1.0]),
    "0-d": (np.array(1.5), torch.float64, 1.5),
}

REFUSED = {  # what comes in: words of the answer
    "strings": (np.array(["a"]), "holds strings.*np.unique"),
    "string": ("abc", "holds strings"),
    "list of strings": (["a"], "item of x holds strings"),
    "times": (np.array(["2020-01-01"], "datetime64[D]"), r"datetime64\[D\].*timedelta64"),
    "records": (PACKED, "structured_to_unstructured"),
    "int4": (np.array([1], ml_dtypes.int4), "dtype int4.*float32"),
    "ragged list": ([[1], [1, 2]], "ragged.*pad_sequences"),
    "ragged list of arrays": ([np.ones(1), np.ones(2)], r"ragged.*\(1,\), \(2,\)"),
    "ragged objects": (np.array([[1], [1, 2]], object), r"np.stack.*pad_sequences"),
    "None": (None, "None of type NoneType"),
    "None in a list": ([1, None], "item of x is None"),
    "None in an array": (np.array([1, None]), "missing values.*fillna"),
    "NA": (pd.Series([True, None], dtype="boolean"), "missing values.*fillna"),
    "categories": (pd.Series(["a", "b"], dtype="category"), r"\.cat\.codes.*get_dummies"),
    "column of strings": (pd.DataFrame({"a": [1.0], "sex": ["f"]}), "(?i)column 'sex' of x.*strings"),
    "dict": ({"a": 1}, "of type dict"),
    "generator": ((i for i in range(3)), r"list\(x\)"),
    "set": ({1, 2}, r"list\(x\)"),
    "objects": (np.array([object()]), r"Python objects \(object\)"),
    "integer beyond int64": (2**70, "beyond int64"),
    "list beyond int64": ([2**70], "as floats"),
    "uint64 beyond int64": (np.array([2**64 - 1], "uint64"), "beyond 9223372036854775807"),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values(kind):
    value, dtype, numbers = VALUES[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = as_tensor(value)
    assert type(tensor) is torch.Tensor and tensor.dtype is dtype
    assert tensor.tolist() == numbers
    if not tensor.is_complex():
        assert as_tensor(value, "float32").dtype is torch.float32


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind):
    value, words = REFUSED[kind]
    with pytest.raises(UnsupportedInputError, match=f"(?s){words}"):
        as_tensor(value, what="x")


def test_symbolic_tensors_are_refused_by_name():
    with pytest.raises(ValueError, match="is symbolic"):
        as_tensor(keras.Input((3,)), what="`x`")
    with pytest.raises(ValueError, match="symbolic"):
        as_tensor([1.0, keras.Input(())])


def test_tensors_come_back_as_they_are():
    for tensor in (torch.ones(2), torch.nn.Parameter(torch.ones(2)), torch.ones(2).as_subclass(Tagged)):
        assert as_tensor(tensor) is tensor
        assert as_tensor(tensor, "float32") is tensor


def test_memory_is_shared_where_torch_may_write_to_it():
    own = np.ones(3, "float32")
    assert as_tensor(own).data_ptr() == own.ctypes.data
    frozen = read_only([1.0, 2.0])
    assert as_tensor(frozen).data_ptr() != frozen.ctypes.data
    as_tensor(frozen).zero_()
    assert frozen.tolist() == [1.0, 2.0]


def test_a_view_of_read_only_memory_copies_nothing():
    frozen = read_only(np.arange(4.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        view = view_of(frozen)
    assert view.data_ptr() == frozen.ctypes.data and view.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert not frozen.flags.writeable
    halves = read_only(np.array([1.5], ml_dtypes.bfloat16))
    assert view_of(halves).dtype is torch.bfloat16 and view_of(halves).data_ptr() == halves.ctypes.data
    assert view_of(np.arange(4.0)[::-1]) is None


def test_a_view_keeps_the_memory():
    view = view_of(read_only(np.full(100_000, 7.0)))
    waste = [np.zeros(100_000) for _ in range(5)]
    assert view.eq(7).all() and len(waste) == 5


def test_objects_that_numbers_cannot_be_made_of_keep_their_error():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("the user's own fault")

    with pytest.raises(RuntimeError, match="own fault"):
        as_tensor(Broken())
    with pytest.raises(UnsupportedInputError):
        as_tensor(threading.Lock())


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_back_to_numpy_in_the_same_type(dtype):
    assert np.dtype(dtype).itemsize in (1, 2)  # known by name since the import
    tensor = torch.tensor([[1.5, -2.0]]).to(getattr(torch, dtype))
    values = to_numpy(tensor)
    assert values.dtype == np.dtype(dtype) and values.astype("float32").tolist() == [[1.5, -2.0]]
    assert torch.equal(as_tensor(values).float(), tensor.float())


def test_conjugates_and_gradients_to_numpy():
    assert to_numpy(torch.tensor([1j]).conj()).tolist() == [-1j]
    assert to_numpy(torch.ones(1, requires_grad=True) * 2).tolist() == [2.0]


VECTOR = np.array([1.0, 2.0], "float32")


@pytest.mark.parametrize("value", [[1.0, 2.0], VECTOR, np.float32(1.5), [VECTOR[0], 2.0]], ids=repr)
def test_compiled_functions_take_lists_and_arrays(value):
    compiled = torch.compile(lambda x: keras.ops.add(x, value), backend="eager", fullgraph=True)
    assert torch.equal(compiled(torch.ones(2)), keras.ops.add(torch.ones(2), value))
