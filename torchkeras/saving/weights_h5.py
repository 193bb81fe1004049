"""The layout of `.weights.h5` in HDF5 files, alone and inside `.keras`: one group `<path>/vars` for each object, with
its values under "0", "1"…

May import core and this room's guards. Stores for `state.py`.
"""

from collections.abc import Mapping, MutableMapping

import h5py
import numpy as np
import torch

from torchkeras.core.conversion import as_tensor, to_numpy
from torchkeras.saving import guards, hdf5
from torchkeras.saving.state import save_state


def write(root, file, skip=(), more=None):
    """Writes the state of `root` into an open binary file, and `{path: {key: array}}` beside it."""
    with hdf5.create_h5(file) as weights:
        writer = Writer(weights)
        save_state(root, writer, skip)
        for path, arrays in (more or {}).items():
            writer.store(path, None).update(arrays)


def write_objects(file, objects, notes):
    """Writes `{path: {key: array}}` into an open binary file, with the names that `notes` has for paths."""
    with hdf5.create_h5(file) as weights:
        writer = Writer(weights)
        for path, arrays in objects.items():
            writer.store(path, notes.get(path, {}).get("name")).update(arrays)


class Writer:
    """Writes into an open HDF5 file."""

    def __init__(self, file):
        self._file = file

    def store(self, path, name):
        """The mapping for one object. Its group is made in any case: Keras looks for it."""
        return _Written(self._file, f"{path}/vars" if path else "vars", name)


_WITH_PARENTS = h5py.h5p.create(h5py.h5p.LINK_CREATE)
_WITH_PARENTS.set_create_intermediate_group(True)
_WITH_PARENTS.set_char_encoding(h5py.h5t.CSET_UTF8)
_TEXT = h5py.h5t.py_create(h5py.string_dtype(), logical=True)
_ONE = h5py.h5s.create(h5py.h5s.SCALAR)


class _Written(MutableMapping):
    """Takes arrays and tensors by key. Plain calls of HDF5: h5py's own methods cost three times as much, and a model
    has thousands of small weights."""

    def __init__(self, file, path, name):
        self._path = path
        self._group = h5py.h5g.create(file.id, path.encode(), _WITH_PARENTS)
        if name:
            _note(self._group, "name", name)

    def __setitem__(self, key, value):
        array = to_numpy(value) if isinstance(value, torch.Tensor) else np.asarray(value)
        array = np.ascontiguousarray(array).reshape(array.shape)
        kind = h5py.h5t.py_create(array.dtype, logical=True)
        space = h5py.h5s.create_simple(array.shape) if array.shape else _ONE
        dataset = h5py.h5d.create(self._group, str(key).encode(), kind, space)
        if array.size:
            dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, array)
        if array.dtype.kind == "V" and array.dtype.names is None:  # bfloat16 and float8, which HDF5 takes for bytes
            _note(dataset, "dtype", array.dtype.name)

    def __getitem__(self, key):
        return _array(h5py.h5d.open(self._group, key.encode()), f"{self._path}/{key}")

    def __delitem__(self, key):
        self._group.unlink(key.encode())

    def __iter__(self):
        return (name.decode() for name in self._group)

    def __len__(self):
        return self._group.get_num_objs()


def _note(owner, name, text):
    attribute = h5py.h5a.create(owner, name.encode(), _TEXT, _ONE)
    attribute.write(np.array(text, dtype=h5py.string_dtype()))


class Reader:
    """Reads from what `hdf5.open_h5` gave."""

    def __init__(self, groups, name, file=None, budget=None):
        self._groups, self._name, self._file, self._budget = groups, name, file, budget

    def attributes(self, path):
        """What is noted about an object: its name, where it has one."""
        group = f"{path}/vars" if path else "vars"
        if group not in self._groups:
            return {}
        name = hdf5.read_attribute(self._file, group, "name", self._budget, self._name)
        return {} if name is None else {"name": name}

    def store(self, path):
        """The arrays of one object; none where the file has nothing for it."""
        key = f"{path}/vars" if path else "vars"
        return Stored(self._groups.get(key, {}), f"{self._name}: {path or 'vars'}")

    def paths(self):
        """Where there are arrays."""
        return {path[:-5] if path.endswith("/vars") else "" for path, datasets in self._groups.items() if datasets}


class Stored(Mapping):
    """Arrays by key, read when they are asked for."""

    def __init__(self, datasets, what):
        self._datasets, self._what = datasets, what

    def __getitem__(self, key):
        return _array(self._datasets[key], f"{self._what}/{key}")

    def __iter__(self):
        return iter(self._datasets)

    def __len__(self):
        return len(self._datasets)

    def shape(self, key):
        """The shape of an array, without reading it."""
        return self._datasets[key].shape

    def read_into(self, key, tensor):
        """Reads straight into a tensor's memory. Returns whether that was possible."""
        dataset = self._datasets[key]
        shape, dtype = hdf5.shape_and_dtype(dataset, f"{self._what}/{key}")
        if dtype.kind == "c" and not tensor.is_complex():
            raise guards.CorruptFileError(f"{self._what}/{key} holds complex numbers for a weight of {tensor.dtype}.")
        if tensor.device.type != "cpu" or not tensor.is_contiguous() or tensor.dtype not in _AS_IN_NUMPY:
            return False
        array = tensor.detach().numpy()
        if array.dtype != dtype or array.shape != shape:
            return False
        hdf5.read_into(dataset, array, f"{self._what}/{key}")
        return True


_AS_IN_NUMPY = {torch.float32, torch.float64, torch.float16, torch.int32, torch.int64, torch.uint8, torch.int8}


def _array(dataset, what):
    array = hdf5.read_array(dataset, what)
    if array.dtype.kind != "V":
        return array
    name = h5py.Dataset(dataset).attrs.get("dtype", "bfloat16")
    if name not in _BYTES or array.dtype.itemsize != _BYTES[name].itemsize:
        raise guards.CorruptFileError(f"{what} holds bytes of the unknown kind {name!r}.")
    return to_numpy(as_tensor(array.view(_BYTES[name])))


_BYTES = {name: np.dtype(name) for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2")}
