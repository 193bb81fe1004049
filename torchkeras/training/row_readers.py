"""Arrays that are read by rows: memory maps and HDF5 data sets, which lie in files, and sparse matrices of scipy.

May import numpy and torch. Knows neither dtypes nor models: how a part becomes a tensor it is told. h5py and scipy are
never imported: who holds such an array has imported them.
"""

import mmap
import sys

import numpy as np

_WHOLE_BYTES = 2**22  # smaller arrays are read at once, like any array
_PART_BYTES = 2**22


def is_sparse(value):
    """Whether a value is a sparse matrix or array of scipy."""
    return type(value).__module__.startswith("scipy.sparse") and hasattr(value, "toarray")


def is_hdf5(value):
    """Whether a value is a data set of an open HDF5 file."""
    h5py = sys.modules.get("h5py")
    return h5py is not None and isinstance(value, h5py.Dataset)


def is_mapped(value):
    """Whether an array's memory is that of a file too large to be read at once."""
    if not isinstance(value, np.ndarray) or value.nbytes <= _WHOLE_BYTES or value.dtype.kind not in "biufc":
        return False
    while isinstance(value, np.ndarray):
        if isinstance(value, np.memmap):
            return True
        value = value.base
    return isinstance(value, mmap.mmap)


def row_reader(value, convert):
    """What reads `value` by rows, where it is an array that should not be in memory whole; a numpy array of a small
    HDF5 data set or sparse matrix; anything else as it is.

    Args:
        value: anything.
        convert: makes a tensor of a numpy array in memory.
    """
    if is_mapped(value):
        return RowReader(value.view(np.ndarray), _copied, convert)
    if is_hdf5(value):
        large = value.shape and value.nbytes > _WHOLE_BYTES and value.dtype.kind in "biufc"
        return RowReader(value, _from_hdf5, convert) if large else value[()]
    if is_sparse(value):
        if value.shape[0] * value.shape[1] * value.dtype.itemsize <= _WHOLE_BYTES:
            return value.toarray()
        return RowReader(value.tocsr(), _dense, convert)
    return value


class RowReader:
    """An array that gives tensors of the rows asked for.

    Args:
        array: has `shape` and `dtype`; of any number type, byte order and layout.
        read: `(array, where)` to a new numpy array; `where` is a slice or an array of row numbers.
        convert: makes a tensor of a numpy array in memory.
        start, stop: the rows that count; all by default.
    """

    def __init__(self, array, read, convert, start=0, stop=None):
        self._array, self._read, self._convert, self._start = array, read, convert, start
        stop = array.shape[0] if stop is None else stop
        self.shape = (max(stop - start, 0), *array.shape[1:])
        self.nbytes = int(np.prod(self.shape)) * array.dtype.itemsize

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, where):
        """A tensor of the rows in a slice or at an array of row numbers: a copy."""
        if isinstance(where, slice):
            start, stop, step = where.indices(len(self))
            where = slice(self._start + start, self._start + stop, step)
        else:
            where = np.asarray(where) + self._start
        array = self._read(self._array, where)
        return self._convert(array.astype(array.dtype.newbyteorder("="), copy=False))

    def part(self, where):
        """The rows in a slice, not read yet."""
        start, stop, _ = where.indices(len(self))
        return RowReader(self._array, self._read, self._convert, self._start + start, self._start + stop)

    def in_parts(self):
        """All rows as tensors, a few megabytes at a time."""
        rows = max(1, _PART_BYTES * len(self) // max(self.nbytes, 1))
        for start in range(0, len(self), rows):
            yield self[start : start + rows]


def _copied(array, where):
    return np.array(array[where])


def _dense(matrix, where):
    return matrix[where].toarray()


def _from_hdf5(dataset, where):
    if isinstance(where, slice):
        return dataset[where]
    order = np.argsort(where, kind="stable")  # HDF5 takes rows in rising order only, each once
    rows, places = np.unique(where[order], return_inverse=True)
    values = dataset[rows]
    result = np.empty((len(where), *values.shape[1:]), values.dtype)
    result[order] = values[places]
    return result
