"""`.npz`: a zip of `.npy` arrays under the names of `named_weights.py`. Also what `numpy.savez(path, *get_weights())`
wrote.

May import core and this room. Objects in arrays are pickles and never read; the size that an array says of itself must
be the size of its part of the zip.
"""

import math
import os
import zipfile

import numpy as np

from torchkeras.core.conversion import as_tensor, to_numpy
from torchkeras.saving import guards, named_weights
from torchkeras.saving.replacing import replacing

_ENDING = ".npy"


def write(model, path, layout="keras", include_optimizer=False):
    """Writes the weights of `model` by name. bfloat16 and float8, which numpy has no word for, become float32."""
    tensors = named_weights.written(model, layout, include_optimizer)
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, (tensor, form) in tensors.items():
            tensor = tensor if form is None else form.to_torch(tensor)
            array = to_numpy(tensor)
            array = array.astype("float32") if array.dtype.kind == "V" else array
            with archive.open(zipfile.ZipInfo(name + _ENDING), "w", force_zip64=True) as part:
                np.lib.format.write_array(part, array, allow_pickle=False)


def load(model, path, **options):
    """Gives a model the weights of a file; `options` are those of `named_weights.load`."""
    name = os.fspath(path)
    with guards.readable(path) as file:
        with guards.open_zip(file, guards.Budget(os.path.getsize(path), name), name) as archive:
            named_weights.load(model, Source(archive, name), name, **options)


class Source:
    """Arrays of an open zip by name."""

    layout = None  # the file does not say
    in_order = True  # of the model that was saved: no writer of such files sorts

    def __init__(self, archive, what):
        self._archive, self._what = archive, what
        for member in archive.namelist():
            if not member.endswith(_ENDING):
                raise guards.CorruptFileError(f"{what} is no npz file: {member!r} is no array.")
        self._shapes = {member[: -len(_ENDING)]: self._header(member) for member in archive.namelist()}
        self.names = list(self._shapes)

    def shape(self, name):
        """The shape in the file."""
        return self._shapes[name]

    def tensor(self, name):
        """A new tensor."""
        what = f"{self._what}: {name}"
        with guards.damage(what), self._archive.open(name + _ENDING) as part:
            array = np.lib.format.read_array(part, allow_pickle=False)
            if part.read(1):
                raise ValueError("there is more in it than the array")
        return as_tensor(array, None, "cpu", what)

    def read(self, name, view):
        """Copies into a view of the same number of values, in their order."""
        named_weights.fill(view, self.tensor(name))

    def _header(self, member):
        """The shape, once dtype and size are found to be honest."""
        what = f"{self._what}: {member}"
        with guards.damage(what), self._archive.open(member) as part:
            version = np.lib.format.read_magic(part)
            reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in reader:
                raise ValueError(f"its version {version} is not known")
            shape, _, dtype = reader[version](part)
            start = part.tell()
        if dtype.hasobject:
            raise guards.UnsafeFileError(f"{what} holds pickled objects, which could run any code when they are read.")
        if dtype.kind not in "biufc":
            raise guards.CorruptFileError(f"{what} holds no numbers but {dtype}.")
        size = self._archive.getinfo(member).file_size - start
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size:
            raise guards.CorruptFileError(f"{what} says it is {shape} of {dtype}, and has {size:,} bytes.")
        return tuple(shape)
