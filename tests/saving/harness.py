"""What a file may not do to the program that reads it, watched from inside the interpreter.

`Watch` counts events of Python's audit hooks. HDF5 opens files from C, unseen by them: there a pipe is the canary,
whose opening would hang.
"""

import contextlib
import faulthandler
import os
import platform
import resource
import sys
import tempfile
import threading

import numpy as np

import torchkeras as keras
from torchkeras.core import scopes

MIB = 2**20

_DOORS = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "marshal.loads", "pickle.")
_CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.chmod", "os.chown", "os.link", "os.symlink", "os.truncate")


class Watch:
    """Counts what happens while it is active: doors to other programs, and writes outside of the given folders."""

    def __init__(self):
        self.found, self.folders, self.active = [], (), False
        sys.addaudithook(self._hook)

    def _hook(self, event, args):
        if not self.active:
            return
        if event == "open":
            path, _, flags = args
            if isinstance(path, str) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._outside(event, path)
        elif event.startswith(_DOORS) and not _by_import():
            self.found.append((event, repr(args)[:200]))
        elif event.startswith(_CHANGES):
            below = isinstance(args[-1], int) and args[-1] >= 0  # a path within an open folder
            self._outside(event, os.path.join(os.readlink(f"/proc/self/fd/{args[-1]}"), args[0]) if below else args[0])

    def _outside(self, event, path):
        nameless = path == tempfile.gettempdir()  # how a temporary file without a name is opened
        if isinstance(path, str) and not nameless and not os.path.realpath(path).startswith(self.folders):
            self.found.append((event, path))

    @contextlib.contextmanager
    def on(self, *folders):
        self.found, self.folders, self.active = [], (tempfile.gettempdir() + os.sep, *map(str, folders)), True
        try:
            yield self
        finally:
            self.active = False


def _by_import():
    """Python's own imports load code too; which modules came in is looked at afterwards."""
    return "importlib" in sys._getframe(2).f_code.co_filename


platform.processor()  # asks a program of the system once, and torch asks it
watch = Watch()


def settings():
    """What a file could switch."""
    found = {name: value for name, value in vars(scopes.Settings).items() if not name.startswith("_")}
    found.update(vars(scopes.settings), custom=sorted(scopes.custom_objects), unsafe=scopes.state.unsafe_unless_told)
    return {name: value for name, value in found.items() if name != "seed_generator"}


_LATE = (
    "torch",
    "numpy",
    "h5py",
    "encodings",
    "torchkeras",
    "mpmath",
    "sympy",
    "zipfile",
    "safetensors",
    "json",
    "unicodedata",
)


def new_modules(before):
    """Modules that came in, without those that libraries load when first needed."""
    return {name for name in set(sys.modules) - before if name.partition(".")[0] not in _LATE}


class Place:
    """A folder with everything that a file could hurt or be lured by. `refused` reads and looks for changes."""

    def __init__(self, folder):
        self.folder, self.marker = folder, folder / "marker"
        self.own = folder / "own"  # where files of tests lie
        self.own.mkdir()
        (folder / "temporary").mkdir()  # the fixture makes it the place of temporary files
        self.canary = folder / "canary.txt"
        self.canary.write_text("untouched")
        self.pipe = folder / "pipe.h5"  # who opens it waits for ever
        os.mkfifo(self.pipe)
        (folder / "planted_module.py").write_text(f"open({str(self.marker)!r}, 'w').close()\ndef run(*a): pass\n")

    @contextlib.contextmanager
    def unharmed(self, seconds=20, mib=400):
        """A block that leaves everything as it is, takes no longer and needs no more memory."""
        modules, before, files = set(sys.modules), settings(), set(os.listdir(self.folder))
        peak, threads = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, threading.active_count()
        faulthandler.dump_traceback_later(seconds, exit=True)  # a hang in C could not be stopped otherwise
        try:
            with watch.on(self.own) as seen:
                yield
        finally:
            faulthandler.cancel_dump_traceback_later()
        assert not seen.found, seen.found
        assert not self.marker.exists() and self.canary.read_text() == "untouched"
        assert settings() == before and threading.active_count() == threads, threading.enumerate()
        assert new_modules(modules) == set() and set(os.listdir(self.folder)) == files
        assert os.listdir(tempfile.gettempdir()) == []
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024 < mib * MIB

    def refused(self, function, *args, types=(), **limits):
        """Calls a function, which must raise one of `types`; gives the error."""
        with self.unharmed(**limits):
            try:
                result = function(*args)
            except types as error:
                return error
        raise AssertionError(f"it was read: {result!r}")


def small_model(name="model"):
    """A model whose layers, optimizer and metrics have a state."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3, activation="relu", name="first")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="last")(hidden), name=name)
    model.compile("adam", "mse", metrics=["mae"])
    return model


def warm_up(folder):
    """Saves and loads each kind of file once."""
    model = small_model()
    model.fit(np.zeros((2, 4), "float32"), np.zeros((2, 2), "float32"), verbose=0)
    model.save(folder / "model.keras")
    keras.models.load_model(folder / "model.keras")
    for name in ("model.weights.h5", "model.safetensors", "model.npz", "model.h5"):
        model.save_weights(folder / name)
        model.load_weights(folder / name)
    model.save(folder / "model.h5")
    keras.models.load_model(folder / "model.h5")
