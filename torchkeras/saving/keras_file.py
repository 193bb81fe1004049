"""`.keras`: a zip (or a folder) of metadata.json, config.json, model.weights.h5 and assets.

May import core and this room. Knows no model: a model is what the config makes.
"""

import contextlib
import datetime
import io
import json
import os
import shutil
import tempfile
import zipfile
import zlib

from torchkeras.core import scopes, unfilled
from torchkeras.core.registry import CustomObjectScope
from torchkeras.core.serialization import deserialize_keras_object, is_safe, serialize_keras_object
from torchkeras.saving import assets, guards, hdf5, old_names, weights_h5
from torchkeras.saving.json import text_of
from torchkeras.saving.replacing import flushing, replacing
from torchkeras.saving.state import load_state

KERAS_VERSION = "3.15.1"  # whose form the files have
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


# -- writing ----------------------------------------------------------------------------------------------------------


def write(model, path, zipped=True, include_optimizer=True):
    """Writes a model whole. Nothing is touched before its config is made: an error there leaves the old file."""
    with scopes.override(describes_training=include_optimizer):
        config = serialize_keras_object(model)
    skip = () if include_optimizer else [model.optimizer]
    texts = {METADATA: json.dumps(_metadata()), CONFIG: text_of(config)}
    if not zipped:
        _write_folder(model, path, texts, skip)
        return
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, text in texts.items():
            archive.writestr(_member(name), text)
        with _stored(archive, file, WEIGHTS) as inner:
            weights_h5.write(model, inner, skip)
        for name, content in assets.written(model):
            archive.writestr(_member(name), content)


def _write_folder(model, path, texts, skip):
    """Each part is written whole or not at all; the folder is not, as no system replaces folders, and what else lies in
    one stays there, as in Keras."""
    os.makedirs(path, exist_ok=True)
    for name, text in texts.items():
        with replacing(os.path.join(path, name)) as file:
            file.write(text.encode())
    with replacing(os.path.join(path, WEIGHTS)) as file:
        weights_h5.write(model, file, skip)
    for name, content in assets.written(model):
        os.makedirs(os.path.dirname(os.path.join(path, name)), exist_ok=True)
        with replacing(os.path.join(path, name)) as file:
            file.write(content)


def _metadata():
    return {"keras_version": KERAS_VERSION, "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")}


def _member(name):
    """An entry without a date: equal models give equal bytes but for metadata."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o600 << 16
    return info


@contextlib.contextmanager
def _stored(archive, file, name):
    """A part of the zip that is written in place, without a copy in memory or beside it. Its size and sum are entered
    when it is complete."""
    info = _member(name)
    info.CRC = info.compress_size = info.file_size = 0
    file.seek(archive.start_dir)
    info.header_offset = file.tell()
    file.write(info.FileHeader(zip64=True))
    window = Window(file, file.tell())
    with flushing(file):
        yield window
        info.file_size = info.compress_size = window.size
        info.CRC = _sum(file, window.start, window.size)
    file.seek(info.header_offset)
    file.write(info.FileHeader(zip64=True))
    archive.start_dir = file.seek(window.start + window.size)
    archive.filelist.append(info)
    archive.NameToInfo[name] = info


class Window(io.RawIOBase):
    """A part of an open, unbuffered file as a file of its own; grows as it is written."""

    def __init__(self, file, start, size=0):
        self._file, self.start, self.size, self._place = file, start, size, 0

    def readable(self):
        return True

    def writable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        self._place = offset + (0, self._place, self.size)[whence]
        return self._place

    def tell(self):
        return self._place

    def readinto(self, buffer):
        view = memoryview(buffer).cast("B")[: max(self.size - self._place, 0)]
        self._file.seek(self.start + self._place)
        done = 0
        while done < len(view):
            count = self._file.readinto(view[done:])
            if not count:
                break
            done += count
        self._place += done
        return done

    def write(self, data):
        self._file.seek(self.start + self._place)
        done = self._file.write(data)  # all of it: `replacing` sees to that
        self._place += done
        self.size = max(self.size, self._place)
        return done

    def truncate(self, size=None):
        self.size = self._place if size is None else size
        self._file.truncate(self.start + self.size)
        return self.size


def _sum(file, start, size):
    """CRC of a part of a file."""
    found, buffer = 0, memoryview(bytearray(guards.MIB))
    window = Window(file, start, size)
    while count := window.readinto(buffer):
        found = zlib.crc32(buffer[:count], found)
    return found


# -- reading ----------------------------------------------------------------------------------------------------------


def read(path, custom_objects=None, compile=True, safe_mode=True):
    """The model of a `.keras` file or folder."""
    with opened(path) as parts:
        config = parts.json(CONFIG)
        if not isinstance(config, dict) or "class_name" not in config:
            raise guards.CorruptFileError(f"{parts.name}: {CONFIG} describes no model.")
        safe = is_safe(safe_mode)
        version = parts.version()
        with CustomObjectScope(custom_objects), scopes.override(unsafe=not safe), unfilled.unfilled() as waiting:
            waiting.compiling = compile
            config = old_names.modernized(config, version)
            model = deserialize_keras_object(config, safe_mode=safe, kinds=("model", "layer"), printable_name="model")
            with parts.weights() as reader:
                fill(model, reader, parts.name, waiting, compile)
            assets.load(model, parts)
    return model


def fill(model, reader, what, waiting, compile):
    """Weights first, then what `compile` makes of them, then the state of optimizers."""
    done = set()
    load_state(model, reader, what, done=done, making="begun" if compile else "ended")
    waiting.finish()
    if compile:
        for each, config in waiting.compiles:
            each.compile_from_config(config)
        load_state(model, reader, what, done=done, making="ended")


@contextlib.contextmanager
def open_weights(path):
    """A reader of the weights of a `.keras` file or folder."""
    with opened(path) as parts, parts.weights() as reader:
        yield reader


@contextlib.contextmanager
def opened(path):
    """The parts of a `.keras` file or folder."""
    name = os.fspath(path)
    if os.path.isdir(path):
        yield _Folder(name)
        return
    with guards.readable(path) as file:
        budget = guards.Budget(os.path.getsize(path), name)
        with guards.open_zip(file, budget, name) as archive:
            yield _Zip(archive, file, name)


class _Parts:
    """The parts of a saved model by name."""

    def json(self, part):
        """What a part says. Raises `CorruptFileError` where there is none."""
        return guards.read_json(self.content(part), f"{self.name}: {part}")

    def version(self):
        """Of the Keras that wrote it, or None where nothing says so."""
        metadata = self.json(METADATA) if METADATA in self.names else None
        return metadata.get("keras_version") if isinstance(metadata, dict) else None

    @contextlib.contextmanager
    def _reader(self, file, size):
        what = f"{self.name}: {WEIGHTS}"
        budget = guards.Budget(size, what)
        with hdf5.open_h5(file, budget, what) as (opened, groups):
            yield weights_h5.Reader(groups, what, opened, budget)

    def _missing(self, part):
        if any(name.endswith(("/data.pkl", "/archive_format")) for name in self.names):
            return guards.CorruptFileError(
                f"{self.name} was written by torch.save or torch.export and is no file of Keras's. A state_dict that "
                "you trust is read by model.load_state_dict(torch.load(path)), a program by torch.export.load(path)."
            )
        return guards.CorruptFileError(f"{self.name} holds no {part}: it is no saved model, or a part of one.")


class _Zip(_Parts):
    def __init__(self, archive, file, name):
        self._archive, self._file, self.name = archive, file, name
        self.names = set(archive.namelist())

    def content(self, part, most=guards.MAX_CONFIG):
        if part not in self.names:
            raise self._missing(part)
        return guards.read_member(self._archive, part, self.name, most)

    @contextlib.contextmanager
    def weights(self):
        if WEIGHTS not in self.names:
            raise self._missing(WEIGHTS)
        info = self._archive.getinfo(WEIGHTS)
        if info.compress_type == zipfile.ZIP_STORED:
            with self._reader(self._window(info), info.file_size) as reader:
                yield reader
            return
        with tempfile.TemporaryFile() as copy:
            with guards.damage(f"{self.name}: {WEIGHTS}"), self._archive.open(info) as packed:
                shutil.copyfileobj(packed, copy, 4 * guards.MIB)
            with self._reader(copy, info.file_size) as reader:
                yield reader

    def _window(self, info):
        """The member where it lies, after a look at its sum."""
        start, size = guards.data_of(self._file, info, self.name)
        if _sum(self._file, start, size) != info.CRC:
            raise guards.CorruptFileError(
                f"{self.name}: {info.filename} is damaged: its data are not those that were written (the check sum "
                "differs)."
            )
        return Window(self._file, start, size)


class _Folder(_Parts):
    def __init__(self, name):
        self.name = name
        self.names = {
            os.path.relpath(os.path.join(folder, file), name).replace(os.sep, "/")
            for folder, _, files in os.walk(name)
            for file in files
        }
        for part in self.names:
            if os.path.islink(os.path.join(name, part)):
                raise guards.UnsafeFileError(f"{name}: {part!r} is a link.")

    def content(self, part, most=guards.MAX_CONFIG):
        if part not in self.names:
            raise self._missing(part)
        path = os.path.join(self.name, part)
        guards.require_size(os.path.getsize(path), most, path)
        with guards.readable(path) as file:
            return file.read()

    @contextlib.contextmanager
    def weights(self):
        if WEIGHTS not in self.names:
            raise self._missing(WEIGHTS)
        path = os.path.join(self.name, WEIGHTS)
        with guards.readable(path) as file, self._reader(file, os.path.getsize(path)) as reader:
            yield reader
