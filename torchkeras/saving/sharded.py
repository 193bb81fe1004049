"""`.weights.json`: a table of which `.weights.h5` files beside it hold the arrays of which object.

May import core and this room. Keras's form: `name_00000.weights.h5`… filled up one after the other; an object whose
arrays did not fit into one stands in several.
"""

import contextlib
import json
import os
import re
import warnings

import numpy as np
import torch

from torchkeras.core.conversion import to_numpy
from torchkeras.saving import guards, hdf5, weights_h5
from torchkeras.saving.replacing import replacing
from torchkeras.saving.state import save_state

MAX_SHARDS = 10_000


# -- writing ----------------------------------------------------------------------------------------------------------


def write(root, path, max_shard_size, skip=()):
    """Writes the state of `root` into files of at most `max_shard_size` GB, and the table of them.

    The table takes its place last, and the files of an older one are left alone until then: those of the new one have
    other names where need be. An error leaves the old table with its files. One writer at a time: two would mix theirs.
    """
    table = _table_path(path)
    stem = os.path.basename(table)[: -len(".json")].replace(".weights", "")
    folder, old = os.path.dirname(os.path.realpath(table)), _old_files(table, stem)
    stem = f"{stem}_b" if any(name.startswith(f"{stem}_0") for name in old) else stem
    names = []
    try:
        with contextlib.ExitStack() as files:
            map_file = files.enter_context(replacing(table))  # left last
            shards = _Shards(files, folder, stem, float(max_shard_size) * 2**30, names)
            save_state(root, shards, skip)
            content = {"metadata": {"total_size": shards.total}, "weight_map": shards.map}
            map_file.write(json.dumps(content, indent=4).encode())
    except BaseException:
        _remove(folder, set(names) - old)  # those that were complete before another one was not
        raise
    _remove(folder, old)


def _remove(folder, names):
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, name))


def _table_path(path):
    path = os.fspath(path)
    if path.endswith(".json"):
        return path
    table = os.path.splitext(path)[0] + ".json"
    warnings.warn(f"Weights in several files have a table: it is written to {table!r}, not {path!r}.", stacklevel=5)
    return table


def _old_files(table, stem):
    """Files of the table that is there. What is no name of this writer's is not taken for one."""
    pattern = re.compile(re.escape(stem) + r"(_b)?_\d{5}\.weights\.h5")
    try:
        with guards.readable(table) as file:
            files = {name for names in _map_of(file.read(), table).values() for name in names}
    except (FileNotFoundError, ValueError):
        return set()
    return {name for name in files if pattern.fullmatch(name)}


class _Shards:
    """Writes into the current file, and begins another one where an array does not fit any more."""

    def __init__(self, files, folder, stem, limit, names):
        self._files, self._folder, self._stem, self._limit, self._names = files, folder, stem, limit, names
        self.map, self.total, self._count = {}, 0, 0
        self._begin()

    def _begin(self):
        self.name = f"{self._stem}_{self._count:05}.weights.h5"
        self._names.append(self.name)
        self._count, self._size = self._count + 1, 0
        file = self._files.enter_context(replacing(os.path.join(self._folder, self.name)))
        self._file = self._files.enter_context(hdf5.create_h5(file))

    def store(self, path, name):
        """The mapping for one object."""
        return _Store(self, path, name)

    def group_for(self, path, name, key, size, groups):
        """The group of `path` in the file that takes `size` more bytes."""
        if size > self._limit:
            raise ValueError(
                f"{path}/{key} has {size / 2**30:.3g} GB, and a file may have {self._limit / 2**30:.3g}: raise "
                "max_shard_size."
            )
        if self._size + size > self._limit:
            self._begin()
        self._size, self.total = self._size + size, self.total + size
        first = not groups
        if self.name not in groups:
            groups[self.name] = weights_h5.Writer(self._file).store(path, name)
        self.map[f"/{path}/vars" if path else "/vars"] = self.name if first else list(groups)  # as in Keras's tables
        return groups[self.name]


class _Store:
    """Takes the arrays of one object by key."""

    def __init__(self, shards, path, name):
        self._shards, self._path, self._name, self._groups = shards, path, name, {}

    def __setitem__(self, key, value):
        array = to_numpy(value) if isinstance(value, torch.Tensor) else np.asarray(value)
        self._shards.group_for(self._path, self._name, key, array.nbytes, self._groups)[key] = array

    def __getitem__(self, key):
        return next(group[key] for group in self._groups.values() if key in group)

    def __contains__(self, key):
        return any(key in group for group in self._groups.values())

    def keys(self):
        return [key for group in self._groups.values() for key in list(group.keys())]


# -- reading ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(path):
    """A reader of the weights that the table at `path` tells of."""
    table = os.fspath(path)
    with guards.readable(table) as file:
        content = _map_of(file.read(), table)
    names = sorted({name for files in content.values() for name in files})
    if len(names) > MAX_SHARDS:
        raise guards.ResourceLimitError(f"{table} names {len(names):,} files; at most {MAX_SHARDS:,} are read.")
    paths = {name: os.path.join(os.path.dirname(table), name) for name in names}
    missing = [name for name in names if not os.path.isfile(paths[name])]
    if missing:
        raise FileNotFoundError(f"{table} names files that are not beside it: {', '.join(missing[:5])}.")
    budget = guards.Budget(sum(map(os.path.getsize, paths.values())), table)
    with contextlib.ExitStack() as files:
        groups = {}
        for name in names:
            file = files.enter_context(guards.readable(paths[name]))
            groups[name] = files.enter_context(hdf5.open_h5(file, budget, paths[name]))[1]
        yield weights_h5.Reader({key.strip("/"): _joined(key, content[key], groups, table) for key in content}, table)


def _joined(key, names, groups, table):
    """The arrays of one object from all its files."""
    found = {}
    for name in names:
        arrays = groups[name].get(key.strip("/"))
        if arrays is None:
            raise guards.CorruptFileError(f"{table}: {name} has nothing under {key!r}.")
        if found.keys() & arrays.keys():
            raise guards.CorruptFileError(f"{table}: {key!r} has the same array in two files.")
        found.update(arrays)
    return found


def _map_of(text, table):
    """`{path of a group: [names of files]}`. No name leads out of the folder."""
    content = guards.read_json(text, table)
    found = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise guards.CorruptFileError(f"{table} is no table of weights: it has no weight_map.")
    found = {key: names if isinstance(names, list) else [names] for key, names in found.items()}
    for names in found.values():
        for name in names:
            if not isinstance(name, str):
                raise guards.CorruptFileError(f"{table}: {name!r} is no name of a file.")
            if name in ("", ".", "..") or any(sign in name for sign in "/\\\0:"):
                raise guards.UnsafeFileError(f"{table}: {name!r} leads out of the folder.")
    return found
