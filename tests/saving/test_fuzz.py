"""Valid files, changed at random: reading them gives a model or one of our errors, and nothing else.

Each mutation is known by its kind and number alone, so a finding is run again by
`python -m tests.saving.test_fuzz KIND FIRST COUNT`, and `… long KIND,KIND FIRST COUNT` goes on behind findings. A
worker process reads one file after the other under limits of memory and time; if it dies, the last one that it told of
is the finding.
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
import traceback
import warnings
import zipfile

import numpy as np

SECONDS = 10  # for one file
MEMORY = 1536 * 2**20  # address space beyond what the interpreter has after its imports
PEAK_KIB = 400 * 1024  # what one file may add
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


NAMES = ("Dense", "Lambda", "Functional", "Sequential", "function", "__tuple__", "__tensor__", "__numpy__")
NAMES += ("__lambda__", "relu", "Map", "Bidirectional", "TimeDistributed", "Adam", "os", "..", "/", "\0", "class_name")
NAMES += ("config", "nan")


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
                elif name.endswith(".npy"):
                    content = mutate_bytes(content, rng)
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


def mutate_npz(data, rng):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return mutate_zip(data, rng, archive.namelist())


KINDS = {
    "keras": ("model.keras", mutate_bytes),
    "config": ("model.keras", lambda data, rng: mutate_zip(data, rng, ["config.json", "metadata.json"])),
    "inner": ("model.keras", lambda data, rng: mutate_zip(data, rng, ["model.weights.h5"])),
    "weights": ("model.weights.h5", mutate_bytes),
    "weights tree": ("model.weights.h5", mutate_hdf5),
    "h5": ("model.h5", mutate_bytes),
    "h5 tree": ("model.h5", mutate_hdf5),
    "safetensors": ("weights.safetensors", mutate_bytes),
    "npz": ("weights.npz", mutate_bytes),
    "npz entries": ("weights.npz", mutate_npz),
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


def write_files(keras, folder):
    """One file of each name in KINDS; gives the model and their bytes."""
    keras.utils.set_random_seed(0)
    model = network(keras)
    model.fit(np.ones((2, 5, 4), "float32"), np.ones((2, 2), "float32"), verbose=0)
    files = {}
    for name in {name for name, _ in KINDS.values()}:
        (model.save_weights if "weights" in name else model.save)(os.path.join(folder, name))
        with open(os.path.join(folder, name), "rb") as file:
            files[name] = file.read()
    return model, files


def work(kinds, first, count):
    import torchkeras as keras
    from tests.saving import harness

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        model, files = write_files(keras, folder)
        readers = {name: keras.models.load_model if "weights" not in name else model.load_weights for name in files}
        for name in files:
            readers[name](os.path.join(folder, name))  # whatever is imported late is there now
        with open("/proc/self/statm") as statm:
            limit = int(statm.read().split()[0]) * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for number in range(first, first + count):
            for kind in kinds:
                name, mutate = KINDS[kind]
                path = os.path.join(folder, name)
                changed = mutate(files[name], random.Random(f"{kind} {number}"))
                with open(path, "wb") as file:
                    file.write(changed)
                print("at", number, kind, flush=True)
                signal.alarm(SECONDS)  # its default action ends the process, also where C code hangs
                found = outcome(harness, readers[name], path)
                signal.alarm(0)
                if found:
                    print("finding", number, kind, found, flush=True)


def outcome(harness, read, path):
    """None for a model or one of our errors, else what is wrong."""
    settings, modules = harness.settings(), set(sys.modules)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with harness.watch.on(os.path.dirname(path)) as seen, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except ValueError:
        pass
    except BaseException as error:  # noqa: BLE001 - this is what is looked for
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames[-6:]]
        return f"{type(error).__name__}: {str(error)[:200]!r} at {' '.join(where)}"
    if seen.found:
        return f"did {seen.found}"
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    if more > PEAK_KIB:
        return f"took {more} KiB"
    if harness.new_modules(modules):
        return f"imported {harness.new_modules(modules)}"
    return None if harness.settings() == settings else f"changed settings to {harness.settings()}"


def findings_of(kinds, first, count):
    """Findings of a range of mutations; a worker that dies is a finding, and the next one goes on behind it."""
    findings, last = [], first + count
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    while first < last:
        command = [sys.executable, "-m", "tests.saving.test_fuzz", ",".join(kinds), str(first), str(last - first)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=root)
        lines = done.stdout.splitlines()
        findings += [line for line in lines if line.startswith("finding")]
        if done.returncode == 0:
            return findings
        reached = [line for line in lines if line.startswith("at ")]
        if not reached:
            return [*findings, f"the worker did not start: {done.stderr[-2000:]}"]
        findings.append(f"finding {reached[-1][3:]} ended the interpreter: {done.returncode} {done.stderr[-2000:]}")
        first = int(reached[-1].split()[1]) + 1
    return findings


def test_only_our_errors():
    assert findings_of(list(KINDS), 0, 300 // len(KINDS)) == []


if __name__ == "__main__":
    for line in findings_of(sys.argv[2].split(","), *map(int, sys.argv[3:])) if sys.argv[1] == "long" else []:
        print(line, flush=True)
    if sys.argv[1] != "long":
        work(sys.argv[1].split(","), int(sys.argv[2]), int(sys.argv[3]))
