"""Valid files, changed at random: reading them gives a model or one of our errors, and nothing else.

Each mutation is known by its kind and number alone, so a finding is run again by
`python tests/saving/test_fuzz.py KIND FIRST COUNT`. A worker process reads one after the other under limits of memory
and time; if it dies, the last number that it told is the finding.
"""

import contextlib
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
import zipfile

import pytest

SECONDS = 10  # for one file
MEMORY = 1536 * 2**20  # address space beyond what the interpreter has after its imports
ODD = (0, 1, 2, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 100_000)


# -- mutations --------------------------------------------------------------------------------------------------------


def mutate_bytes(data, rng):
    """A few edits, most of them small, at random places; metadata come first in files, so low places are likelier."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8, 30))):
        place = rng.randrange(len(data)) if rng.random() < 0.5 else int(len(data) * rng.random() ** 4)
        kind = rng.randrange(8)
        if kind == 0:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))
        elif kind <= 4:
            size = rng.choice((2, 4, 8))
            place -= place % size
            data[place : place + size] = (rng.choice(ODD) & (256**size - 1)).to_bytes(size, "little")
        elif kind == 5:
            other, size = rng.randrange(len(data)), rng.choice((1, 8, 40, 512))
            data[place : place + size] = data[other : other + size]
        elif kind == 6:
            del data[place : place + rng.choice((1, 8, 100, len(data)))]
        else:
            data[place:place] = rng.randbytes(rng.choice((1, 8, 100)))
        if not data:
            break
    return bytes(data)


def _places(value):
    """Every `(container, key)` of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


NAMES = ("Dense", "Lambda", "Functional", "Sequential", "function", "__tuple__", "__tensor__", "__numpy__", "__lambda__")
NAMES += ("relu", "Map", "Bidirectional", "TimeDistributed", "Adam", "os", "..", "/", "\0", "class_name", "config", "nan")


def mutate_json(text, rng):
    """Values exchanged, removed or transplanted within the tree."""
    tree = json.loads(text)
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = list(_places(tree))
        if not places:
            break
        container, key = rng.choice(places)
        kind = rng.randrange(8)
        if kind == 0:
            del container[key]
        elif kind == 1:
            other, theirs = rng.choice(places)
            with contextlib.suppress(KeyError, IndexError):
                container[key] = json.loads(json.dumps(other[theirs]))
        elif kind == 2:
            container[key] = rng.choice(NAMES)
        elif kind == 3:
            container[key] = rng.choice((*ODD, -1, 0.5, -(2**70), 1e308, float("nan"), 10**30))
        elif kind == 4:
            container[key] = rng.choice(([], {}, None, True, "", [[]], {"": 0}, [None] * 3, "a" * 1000))
        elif kind == 5 and isinstance(container, list):
            container.insert(rng.randrange(len(container) + 1), container[key])
        elif kind == 6:
            container[key] = {"class_name": rng.choice(NAMES), "config": container[key]}
        else:
            container[key] = [container[key]]
    return json.dumps(tree).encode()


def mutate_hdf5(data, rng):
    """Attributes, datasets and links exchanged by h5py itself, so that the file is well-formed."""
    import h5py
    import numpy as np

    file = io.BytesIO(data)
    with h5py.File(file, "a") as opened:
        for _ in range(rng.choice((1, 2, 5))):
            names = []
            opened.visit(names.append)
            if not names:
                break
            name = rng.choice(names)
            odd = rng.choice(
                (np.zeros(3), "text", b"\xff\xfe", np.array(["a", "b"], dtype=object), 7, np.zeros((0, 4)), [2**60] * 3)
            )
            kind = rng.randrange(6)
            if kind == 0:
                attributes = opened[name].attrs
                known = list(attributes) or ["name"]
                if rng.random() < 0.3:
                    attributes.pop(rng.choice(known), None)
                else:
                    attributes[rng.choice((*known, "weight_names", "layer_names", "model_config", "dtype"))] = odd
            elif kind == 1:
                del opened[name]
            elif kind == 2:
                if name in opened:
                    del opened[name]
                opened[name] = odd if not isinstance(odd, list) else np.array(odd)
            elif kind == 3:
                with contextlib.suppress(ValueError, RuntimeError, OSError, KeyError):
                    opened.move(name, rng.choice(names) + "_moved")
            elif kind == 4:
                with contextlib.suppress(ValueError, RuntimeError, OSError, KeyError):
                    opened[f"{rng.choice(names)}/{rng.choice(('0', 'vars', 'new'))}"] = rng.choice(
                        (h5py.SoftLink("/"), h5py.ExternalLink("other.h5", "/"), opened[name])
                    )
            elif isinstance(opened[name], h5py.Dataset):
                del opened[name]
                shape = rng.choice(((2**40,), (0,), (1,), (2**20, 2**20), (0, 2**62)))
                with contextlib.suppress(ValueError, RuntimeError, OSError):
                    opened.create_dataset(name, shape, rng.choice(("f4", "f8", "i2", "S5", "c8")), chunks=True)
    return file.getvalue()


def mutate_zip(data, rng, members):
    """A zip with true sums whose members are changed, or whose entries are."""
    source, file = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    victim = rng.choice(members)
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as target:
        warnings.simplefilter("ignore")  # of names that come twice
        for name in source.namelist():
            content, written = source.read(name), name
            if name == victim:
                kind = rng.randrange(12)
                if kind == 0:
                    continue
                if kind == 1:
                    written = rng.choice(("../x", "/x", "a/../../x", "a\\..\\x", "config.json", "C:/x", "assets/x", ""))
                elif name.endswith(".h5"):
                    content = (mutate_hdf5 if kind < 5 else mutate_bytes)(content, rng)
                else:
                    content = (mutate_bytes if kind < 4 else mutate_json)(content, rng)
            info = zipfile.ZipInfo(written)
            info.compress_type = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            if rng.random() < 0.05:
                info.external_attr = rng.randrange(2**32)
            target.writestr(info, content)
    return file.getvalue()


KINDS = {
    "keras": ("model.keras", mutate_bytes),
    "config": ("model.keras", lambda data, rng: mutate_zip(data, rng, ["config.json", "metadata.json"])),
    "inner": ("model.keras", lambda data, rng: mutate_zip(data, rng, ["model.weights.h5"])),
    "weights": ("model.weights.h5", mutate_bytes),
    "weights tree": ("model.weights.h5", mutate_hdf5),
}


# -- the worker -------------------------------------------------------------------------------------------------------


def network(keras):
    layers = keras.layers
    inputs = keras.Input((5, 4))
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True))(inputs)
    x = layers.BatchNormalization()(layers.Dense(3, activation="relu", kernel_regularizer="l2")(x))
    x = keras.ops.concatenate([x, keras.ops.tanh(x) * 2.0], axis=-1)
    x = layers.MultiHeadAttention(2, 2)(x, x)
    inner = keras.Sequential([keras.Input((5, 6)), layers.Dropout(0.1), layers.Conv1D(2, 3)], name="inner")
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inner(x))))
    model.compile("adam", "mse", metrics=["mae", keras.metrics.AUC(num_thresholds=5)])
    return model


def write_files(folder):
    import numpy as np

    import torchkeras as keras

    model = network(keras)
    model.fit(np.ones((2, 5, 4), "float32"), np.ones((2, 2), "float32"), verbose=0)
    model.save(os.path.join(folder, "model.keras"))
    model.save_weights(os.path.join(folder, "model.weights.h5"))
    return model


class Watch:
    """What a file must not make the interpreter do, counted by an audit hook."""

    DOORS = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "marshal.loads", "pickle.")
    DOORS += ("os.remove", "os.rename", "os.rmdir", "os.chmod", "os.link", "os.symlink", "ctypes.dlopen")

    def __init__(self, *folders):
        self.found, self.folders, self.active = [], folders, False
        sys.addaudithook(self._hook)

    def _hook(self, event, args):
        if not self.active:
            return
        if event == "open":
            path, mode, flags = args
            writes = isinstance(path, str) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not path.startswith(self.folders):
                self.found.append((event, path))
        elif event.startswith(self.DOORS) and not str(args[:1]).startswith(tuple(f"('{f}" for f in self.folders)):
            self.found.append((event, repr(args)[:200]))


def work(kind, first, count):
    import torchkeras as keras

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        keras.utils.set_random_seed(0)
        model = write_files(folder)
        name, mutate = KINDS[kind]
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            data = file.read()
        read = keras.models.load_model if name.endswith(".keras") else model.load_weights
        read(path)  # whatever is imported late is there now
        pages = int(open("/proc/self/statm").read().split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        watch = Watch(folder, tempfile.gettempdir())
        before = set(sys.modules)
        for number in range(first, first + count):
            rng = random.Random(f"{kind} {number}")
            changed = mutate(data, rng)
            with open(path, "wb") as file:
                file.write(changed)
            print(number, flush=True)
            signal.alarm(SECONDS)  # its default action ends the process, also where C code hangs
            report(number, outcome(keras, read, path, watch))
            signal.alarm(0)
        strange = {name for name in set(sys.modules) - before if not name.startswith(("torch", "numpy", "h5py", "encodings"))}
        if strange:
            print("modules", sorted(strange))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print("peak", peak)


def outcome(keras, read, path, watch):
    """None for a model or one of our errors, else what is wrong."""
    settings = keras.config.floatx(), keras.config.image_data_format(), keras.config.is_traceback_filtering_enabled()
    watch.active = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except ValueError:
        pass
    except BaseException as error:  # noqa: BLE001 - this is what is looked for
        import traceback

        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{os.path.basename(f.filename)}:{f.lineno}" for f in frames[-6:]]
        return f"{type(error).__name__}: {str(error)[:200]!r} at {' '.join(where)}"
    finally:
        watch.active = False
    if watch.found:
        found, watch.found = watch.found, []
        return f"did {found}"
    now = keras.config.floatx(), keras.config.image_data_format(), keras.config.is_traceback_filtering_enabled()
    return None if now == settings else f"changed settings to {now}"


def report(number, found):
    if found:
        print(f"finding {number} {found}", flush=True)


def run_worker(kind, first, count):
    """Findings of a range of mutations; a worker that dies is a finding, and the next one goes on behind it."""
    findings, last = [], first + count
    while first < last:
        done = subprocess.run(
            [sys.executable, __file__, kind, str(first), str(last - first)], capture_output=True, text=True
        )
        lines = done.stdout.splitlines()
        findings += [line for line in lines if line.startswith(("finding", "modules"))]
        if done.returncode == 0:
            return findings
        numbers = [int(line) for line in lines if line.isdigit()]
        if not numbers:
            return [*findings, f"the worker did not start: {done.stderr[-2000:]}"]
        findings.append(f"finding {numbers[-1]} killed the interpreter: {done.returncode} {done.stderr[-300:]}")
        first = numbers[-1] + 1
    return findings


@pytest.mark.parametrize("kind", KINDS)
def test_only_our_errors(kind):
    assert run_worker(kind, 0, 60) == []


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
