"""HDF5 files of strangers: judged whole before anything in them is read.

May import core and this room's guards. Knows no layout: those are `weights_h5.py` and `h5_file.py`.
"""

import contextlib
import io
import math
import os
import struct
import zlib

import h5py
import numpy as np

from torchkeras.saving import guards

MAX_HEAP = 64 * guards.MIB  # bytes of one heap of texts
MAX_OBJECTS = 300_000  # groups and datasets of one file
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


@contextlib.contextmanager
def open_h5(file, budget, name):
    """An HDF5 file, judged whole: `(h5py.File, {path of a group: {leaf: dataset id}})`.

    Args:
        file: an open binary file, or what reads like one.
        budget: what all datasets together may declare.
        name: how errors call it.
    """
    with guards.damage(name):
        _judge_heaps(file, name)
        opened = h5py.File(file, "r")
    try:
        with guards.damage(name):
            groups = _Walk(opened, budget, name).groups
        yield opened, groups
    finally:
        opened.close()


_HEAP = b"GCOL\x01\x00\x00\x00"
_STEP = guards.MIB // 2  # stays in a core's cache


def _judge_heaps(file, name):
    """Texts of variable length lie in heaps, lists of objects that each tell where the next one begins. HDF5 follows
    them without an end where one of them tells its own place."""
    buffer, place = bytearray(_STEP), 0
    while True:
        file.seek(place)
        count = file.readinto(buffer)
        found = buffer.find(_HEAP, 0, count)
        while found >= 0:
            _judge_heap(file, place + found, name)
            found = buffer.find(_HEAP, found + 1, count)
        if count < len(_HEAP):
            return
        place += count - len(_HEAP) + 1  # a mark may lie across the border


def _judge_heap(file, start, name):
    file.seek(start + 8)
    (size,) = struct.unpack("<Q", file.read(8))
    file.seek(start)
    heap = file.read(min(size, MAX_HEAP))
    place = 16
    while place + 16 <= len(heap):
        number, length = struct.unpack_from("<H6xQ", heap, place)
        step = length if number == 0 else 16 + (length + 7) // 8 * 8
        if step < 16 or place + step > size:
            raise guards.CorruptFileError(f"{name}: a heap of texts at byte {start:,} leads into itself or out.")
        place += step


@contextlib.contextmanager
def create_h5(file):
    """A new HDF5 file in an open binary file. Raises `OSError` where the disk takes no more: HDF5 itself can do nothing
    with an error of the file below it, least of all when it closes."""
    below = _Below(file)
    try:
        with h5py.File(below, "w") as opened:
            yield opened
    finally:
        if below.error is not None:
            raise below.error from None


class _Below(io.RawIOBase):
    """The file below HDF5. After its first error it takes everything and keeps nothing."""

    def __init__(self, file):
        self._file, self.error, self._place, self._end = file, None, 0, 0

    def _try(self, function, *args):
        if self.error is None:
            try:
                return function(*args)
            except OSError as error:
                self.error = error
        return None

    def seek(self, offset, whence=os.SEEK_SET):
        self._place = offset + (0, self._place, self._end)[whence]
        return self._place

    def tell(self):
        return self._place

    def write(self, data):
        self._try(self._file.seek, self._place)
        self._try(self._file.write, data)
        self._place += len(data)
        self._end = max(self._end, self._place)
        return len(data)

    def readinto(self, buffer):
        view = memoryview(buffer).cast("B")
        done = self._try(self._read, view) or 0
        view[done:] = bytes(len(view) - done)
        self._place += len(view)
        return len(view)

    def _read(self, view):
        self._file.seek(self._place)
        done = 0
        while done < len(view) and (count := self._file.readinto(view[done:])):
            done += count
        return done

    def truncate(self, size=None):
        self._end = self._place if size is None else size
        self._try(self._file.truncate, self._end)
        return self._end

    def flush(self):
        self._try(self._file.flush)


class _Walk:
    """One look at every link. Nothing is opened before its link is known to be a hard one."""

    def __init__(self, file, budget, name):
        self.budget, self.name = budget, name
        self.count, self.seen, self.groups = 0, set(), {}
        waiting = [("", file.id, 0)]
        while waiting:
            path, group, depth = waiting.pop()
            if depth > guards.MAX_DEPTH:
                raise guards.CorruptFileError(f"{name} is nested more than {guards.MAX_DEPTH} deep.")
            self.groups[path] = datasets = {}
            for leaf in group:
                waiting.extend(self._visit(group, path, leaf, datasets, depth))

    def _visit(self, group, path, leaf, datasets, depth):
        self.count += 1
        if self.count > MAX_OBJECTS:
            raise guards.ResourceLimitError(f"{self.name} holds more than {MAX_OBJECTS:,} groups and datasets.")
        text = leaf.decode("utf-8")
        full = f"{path}/{text}" if path else text
        if group.links.get_info(leaf).type != h5py.h5l.TYPE_HARD:
            raise guards.UnsafeFileError(
                f"{self.name}: {full!r} is a link to somewhere else. Weights are stored, not linked."
            )
        facts = h5py.h5o.get_info(group, leaf)
        if facts.type == h5py.h5o.TYPE_DATASET:
            datasets[text] = self._judged(h5py.h5d.open(group, leaf), full)
        elif facts.type == h5py.h5o.TYPE_GROUP:
            if facts.addr in self.seen:
                raise guards.CorruptFileError(f"{self.name}: the group {full!r} appears in two places.")
            self.seen.add(facts.addr)
            return [(full, h5py.h5g.open(group, leaf), depth + 1)]
        else:
            raise guards.CorruptFileError(f"{self.name}: {full!r} is neither a group nor a dataset.")
        return []

    def _judged(self, dataset, path):
        created = dataset.get_create_plist()
        if created.get_layout() == h5py.h5d.VIRTUAL or created.get_external_count():
            raise guards.UnsafeFileError(f"{self.name}: the data of {path!r} lie in another file.")
        for place in range(created.get_nfilters()):
            if created.get_filter(place)[0] not in _FILTERS:
                raise guards.CorruptFileError(f"{self.name}: {path!r} is packed by an unknown filter.")
        size = dataset.get_type().get_size()
        for axis in dataset.shape:
            size *= axis
        self.budget.spend(size, repr(path))
        return dataset


_NUMBERS = {h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM, h5py.h5t.OPAQUE, h5py.h5t.BITFIELD}


def read_array(dataset, what):
    """The numbers of a dataset as a new array. Raises `CorruptFileError` for strings, references and records."""
    array = np.empty(*shape_and_dtype(dataset, what))
    read_into(dataset, array, what)
    return array


def read_into(dataset, array, what):
    """Reads a dataset into an array of its shape and dtype."""
    if array.size:
        with guards.damage(what):
            _refuse_bombs(dataset, what)
            dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, array)


def shape_and_dtype(dataset, what):
    """What an array for a dataset needs to have."""
    with guards.damage(what):
        kind, shape, dtype = dataset.get_type(), dataset.shape, dataset.dtype
        pair = kind.get_class() == h5py.h5t.COMPOUND and dtype.kind == "c"  # complex numbers
        if kind.get_class() not in _NUMBERS and not pair:
            raise guards.CorruptFileError(f"{what} holds no numbers but {dtype}.")
        if shape is None:
            raise guards.CorruptFileError(f"{what} holds nothing.")
    return shape, dtype


def _refuse_bombs(dataset, what):
    """HDF5 unpacks a chunk to whatever it becomes, and looks at its size afterwards."""
    created = dataset.get_create_plist()
    filters = [created.get_filter(place)[0] for place in range(created.get_nfilters())]
    if h5py.h5z.FILTER_DEFLATE not in filters:
        return
    size = math.prod(created.get_chunk()) * dataset.get_type().get_size()
    chunks = []
    dataset.chunk_iter(chunks.append)
    for chunk in chunks:
        if chunk.size > size + size // 100 + 4096:
            raise guards.CorruptFileError(f"{what} has a chunk of {chunk.size:,} bytes for {size:,}.")
        _, packed = dataset.read_direct_chunk(chunk.chunk_offset)
        if len(zlib.decompressobj().decompress(packed, size + 5)) > size + 4:  # a sum of four bytes may come along
            raise guards.ResourceLimitError(f"{what} has a chunk that unpacks to more than its {size:,} bytes.")


def read_attribute(file, path, key, budget, what):
    """A text, a list of texts, or None where the group has no such attribute. Raises `CorruptFileError` for what is
    neither; a reference in an attribute is never followed."""
    group = file.id if not path else h5py.h5g.open(file.id, path.encode())
    with guards.damage(what):
        if not h5py.h5a.exists(group, key.encode()):
            return None
        attribute = h5py.h5a.open(group, key.encode())
        kind = attribute.get_type()
        budget.spend(kind.get_size() * int(np.prod(attribute.shape, dtype=object)), f"attribute {key!r} of {path!r}")
        if kind.get_class() != h5py.h5t.STRING:
            if attribute.shape == (0,):  # an empty list, which h5py takes for numbers
                return []
            raise guards.CorruptFileError(f"{what}: the attribute {key!r} of {path or 'the file'!r} is no text.")
        value = h5py.AttributeManager(h5py.Group(group) if path else file)[key]
    return [_text(each, what) for each in value] if isinstance(value, np.ndarray) else _text(value, what)


def _text(value, what):
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError as error:
        raise guards.CorruptFileError(f"{what} holds a text that is not UTF-8: {error}") from None
