"""Arrays in files: memory maps, which are read batch by batch and never copied whole.

May import numpy and torch. Knows neither dtypes nor models: how a part becomes a tensor it is told.
"""

import mmap

import numpy as np

_WHOLE_BYTES = 2**22  # smaller maps are read at once, like any array
_PART_BYTES = 2**22


def is_mapped(value):
    """Whether an array's memory is that of a file too large to be read at once."""
    if not isinstance(value, np.ndarray) or value.nbytes <= _WHOLE_BYTES or value.dtype.kind not in "biufc":
        return False
    while isinstance(value, np.ndarray):
        if isinstance(value, np.memmap):
            return True
        value = value.base
    return isinstance(value, mmap.mmap)


class MappedArray:
    """A memory map that gives tensors of the samples asked for.

    Args:
        array: the map, or a view of it; of any number type, byte order and layout.
        convert: makes a tensor of a numpy array in memory.
    """

    def __init__(self, array, convert):
        self._array, self._convert = array.view(np.ndarray), convert
        self.shape, self.nbytes = array.shape, array.nbytes

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, where):
        """A tensor of the samples in a slice or at an array of indices: a copy."""
        array = self._array[where]
        return self._convert(np.array(array, dtype=array.dtype.newbyteorder("=")))

    def part(self, where):
        """The samples in a slice, still in the file."""
        return MappedArray(self._array[where], self._convert)

    def in_parts(self):
        """All samples as tensors, a few megabytes at a time."""
        rows = max(1, _PART_BYTES * len(self) // max(self.nbytes, 1))
        for start in range(0, len(self), rows):
            yield self[start : start + rows]
