"""From anything that holds numbers to one plain numpy array: odd dtypes, objects, data frames, foreign arrays.

May import core. Knows neither layers nor training. pandas, pyarrow and polars are never imported: what they have in
common with numpy's protocols (`__array__`, `columns`) is all that is asked of them.
"""

import numbers

import numpy as np

from torchkeras.errors import UnsupportedInputError

# Types that torch lacks or cannot reckon with, and what holds their values (the first two are Keras's choice on torch).
_WIDER = {
    np.dtype("uint16"): np.dtype("int32"),
    np.dtype("uint32"): np.dtype("int64"),
    np.dtype("uint64"): np.dtype("int64"),
    np.dtype("longdouble"): np.dtype("float64"),
    np.dtype("clongdouble"): np.dtype("complex128"),
}
_EXTENSIONS = ("bfloat16", "float8_e4m3fn", "float8_e5m2")  # of ml_dtypes; torch has them, but not through numpy
_PYTHON_DTYPES = {bool: np.bool_, int: np.int64, float: np.float64, complex: np.complex128}
_MISSING = ("NoneType", "NAType", "NaTType")
_LARGEST = np.iinfo(np.int64).max

NUMBER_STRINGS = (
    "turn names into numbers first: `keras.layers.StringLookup`, np.unique(x, return_inverse=True)[1], "
    "pandas' `factorize`, `get_dummies` or `.cat.codes`"
)


def holds_array(value):
    """Whether a value is an array of some library: it says so by one of the protocols for arrays."""
    kind = type(value)
    return hasattr(kind, "__array__") or hasattr(kind, "__dlpack__") or hasattr(kind, "__array_interface__")


def plain_array(value, what="the value", strings=False):
    """A numpy array of a dtype that torch has, in native byte order; the same memory wherever that can be.

    Args:
        value: an array, a data frame, a column, a scalar: whatever numpy makes an array of.
        what: what an error calls it.
        strings: whether arrays of strings are wanted too.

    Raises `UnsupportedInputError` for what holds no numbers.

    >>> plain_array(np.array([1, 2], dtype=">u2")).dtype
    dtype('int32')
    """
    array = value if type(value) is np.ndarray else as_ndarray(value, what)
    dtype = array.dtype
    if dtype.kind == "O":
        array = _from_columns(value, what, strings) if _columns(value) else _from_objects(array, value, what, strings)
        dtype = array.dtype
    if dtype.kind == "T":
        array, dtype = np.array(array.tolist(), dtype=str), np.dtype(str)
    if dtype.kind in "US":
        if strings:
            return array
        first = f" ({str(array.flat[0])!r}…)" if array.size else ""
        raise UnsupportedInputError(f"{_capital(what)} holds strings{first}, no numbers: {NUMBER_STRINGS}.")
    if not dtype.isnative:
        array, dtype = array.astype(dtype.newbyteorder("=")), dtype.newbyteorder("=")
    if dtype in _WIDER:
        return _widened(array, what)
    if dtype.kind not in "biufc" and dtype.name not in _EXTENSIONS:
        raise UnsupportedInputError(f"{_capital(what)} is an array of dtype {dtype}: {_advice(dtype)}.")
    return array


def as_ndarray(value, what="the value"):
    """numpy's view of a value in the value's own dtype, plain even where the value is a matrix or a memory map."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        if isinstance(value, (list, tuple)):
            raise UnsupportedInputError(ragged(what)) from None
        raise UnsupportedInputError(
            f"{_capital(what)}, of type {type(value).__name__}, cannot become an array: {error}"
        ) from error


def ragged(what, shapes=None):
    """The text for rows of several lengths."""
    lengths = "" if shapes is None else f" (items of shapes {shapes})"
    return (
        f"{_capital(what)} is a ragged list{lengths}: all rows must have the same length. Pad it first, for instance "
        "with keras.utils.pad_sequences."
    )


def _widened(array, what):
    if array.dtype == np.uint64 and array.size and array.max() > _LARGEST:
        raise UnsupportedInputError(
            f"{_capital(what)} holds uint64 numbers beyond {_LARGEST}, the largest that torch reckons with: scale or "
            "cast them first."
        )
    return array.astype(_WIDER[array.dtype])


def _advice(dtype):
    if dtype.kind in "mM":
        return "times are no numbers; subtract a start and divide, as in (t - t.min()) / np.timedelta64(1, 's')"
    if dtype.names:
        return (
            f"give one field (x[{dtype.names[0]!r}]) or numpy.lib.recfunctions.structured_to_unstructured(x), where "
            "all fields are numbers"
        )
    return "cast it to a dtype that Keras has, such as float32"


# -- objects ----------------------------------------------------------------------------------------------------------


def _from_objects(array, value, what, strings):
    """Python objects in a numpy array: numbers become an array of the type that holds them all."""
    kinds = set(map(type, array.flat))
    if kinds and all(issubclass(kind, (numbers.Number, np.generic)) for kind in kinds):
        dtypes = (kind if issubclass(kind, np.generic) else _PYTHON_DTYPES.get(kind, np.float64) for kind in kinds)
        try:
            return array.astype(np.result_type(*dtypes))
        except OverflowError:
            raise UnsupportedInputError(
                f"{_capital(what)} holds integers beyond {_LARGEST}: give them as floats."
            ) from None
    if strings and kinds and all(issubclass(kind, str) for kind in kinds):
        return array.astype(str)
    if array.ndim:
        what = f"{what} (dtype=object)"
    raise UnsupportedInputError(f"{_capital(what)} {_complaint(array, value, kinds)}.")


def _complaint(array, value, kinds):
    """What is wrong with an array of objects, and what to do."""
    if array.ndim == 0:
        hint = "; sparse matrices become arrays by `.toarray()`" if hasattr(value, "toarray") else ""
        hint = "; make a list of it first: list(x)" if hasattr(value, "__next__") or isinstance(value, set) else hint
        return f"is {_shown(value)}: give a number, a list, an array or a tensor{hint}"
    if getattr(getattr(value, "dtype", None), "name", None) == "category":
        return "is a categorical column: use its `.cat.codes`, or `get_dummies` for one column per category"
    missing = [kind.__name__ for kind in kinds if kind.__name__ in _MISSING]
    if missing:
        return f"has missing values ({missing[0]}): fill them (`fillna`) or leave these rows out (`dropna`)"
    if any(issubclass(kind, str) for kind in kinds):
        return f"holds strings: {NUMBER_STRINGS}"
    if any(hasattr(kind, "__len__") for kind in kinds):
        return (
            "holds rows as Python objects: where all have one length, np.stack(list(x)) makes one array of them; "
            "ragged rows need padding first (`keras.utils.pad_sequences`)"
        )
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    return f"holds Python objects ({names or 'none'}): make it a rectangular array of numbers"


def _shown(value):
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} of type {type(value).__name__}"


def _capital(what):
    return what[:1].upper() + what[1:]


# -- data frames ------------------------------------------------------------------------------------------------------


def _columns(value):
    """The columns of a data frame or table as pairs `(name, column)`; nothing for everything else."""
    if hasattr(value, "column_names"):  # pyarrow
        return list(zip(value.column_names, value.columns, strict=True))
    names = getattr(value, "columns", None)
    if names is None:
        return []
    if hasattr(value, "iloc"):  # pandas, where names may repeat
        return [(name, value.iloc[:, position]) for position, name in enumerate(names)]
    return [(name, value[name]) for name in names]


def _from_columns(value, what, strings):
    """A frame whose columns have no common type in numpy, such as floats beside the bools of `get_dummies`."""
    arrays = [plain_array(column, f"column {name!r} of {what}", strings) for name, column in _columns(value)]
    mixed = {array.dtype.kind in "US" for array in arrays}
    if len(mixed) > 1:
        names = [name for (name, _), array in zip(_columns(value), arrays, strict=True) if array.dtype.kind in "US"]
        raise UnsupportedInputError(f"{_capital(what)} holds strings in columns {names}: {NUMBER_STRINGS}.")
    return np.column_stack(arrays)
