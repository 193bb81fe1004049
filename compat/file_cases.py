"""Files between the two libraries: what a `.keras` file holds, as plain values, and one model's way through both.

May import torchkeras and Keras (torch backend, same process). Knows no particular model: a maker is a function of the
library (`keras` or `torchkeras`) that gives a model.
"""

import contextlib
import json
import random
import warnings
import zipfile

import h5py
import keras
import numpy as np
import torch
from keras import tree

import torchkeras
from compat.harness import _differences as differences
from torchkeras.core import scopes


def fresh_names():
    """Automatic names of both libraries start from the beginning."""
    keras.utils.clear_session(free_memory=False)
    scopes.clear_session(free_memory=False)


def made(library, make):
    """A model of a maker, with fresh names and equal seeds."""
    fresh_names()
    library.utils.set_random_seed(3)
    return make(library)


def load(library, path, custom=None, **options):
    """A model from a file, with fresh names and seeds. What torchkeras warns of is an error."""
    fresh_names()
    library.utils.set_random_seed(5)
    with warnings.catch_warnings() if library is torchkeras else contextlib.nullcontext():
        if library is torchkeras:
            warnings.simplefilter("error", UserWarning)
        return library.saving.load_model(path, custom and custom(library), **options)


def scatter(model, seed=13):
    """Gives each float weight positive numbers that no initializer makes."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "float" in keras.backend.standardize_dtype(weight.dtype):
            weight.assign(np.abs(rng.standard_normal(tuple(weight.shape)) * 0.3) + 0.1)


# -- what a file holds ------------------------------------------------------------------------------------------------


def contents(path):
    """`(config, {dataset: (dtype, shape, bytes)}, {group: name}, assets)` of a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        config = without_addresses(json.loads(archive.read("config.json")))
        assets = {name: archive.read(name) for name in archive.namelist() if name.startswith("assets/")}
        with archive.open("model.weights.h5") as inner, h5py.File(inner) as file:
            return config, *arrays_in(file), assets


def without_addresses(config):
    """A config without what says nothing: the numbers of shared objects, which are addresses in memory, and the rooms
    of Keras in which its optimizers for torch stand."""
    if isinstance(config, dict):
        if str(config.get("module")).startswith("keras.src.backend.torch.optimizers"):
            config = {**config, "module": "keras.optimizers", "registered_name": None}
        return {key: without_addresses(value) for key, value in config.items() if key != "shared_object_id"}
    return [without_addresses(value) for value in config] if isinstance(config, list) else config


def weights_in(path):
    """`(arrays, names)` of a `.weights.h5` file."""
    with h5py.File(path) as file:
        return arrays_in(file)


def arrays_in(file):
    """Every array of an HDF5 file with its dtype, and the names of its groups."""
    arrays, names = {}, {}

    def visit(path, node):
        if isinstance(node, h5py.Dataset):
            kind = node.attrs.get("dtype", str(node.dtype))
            arrays[path] = (*_without_width(path, str(kind), node[()]), tuple(node.shape))
        elif "name" in node.attrs:
            names[path] = node.attrs["name"]
        elif path.endswith("vars"):
            names[path] = None

    file.visititems(visit)
    return arrays, names


def _without_width(path, kind, value):
    """Seeds are 64 bits wide here and 32 in Keras (compat/deviations.md); their numbers are compared."""
    if "seed_generator" in path and kind in ("int32", "uint32", "int64"):
        return "a seed", value.astype("int64").tobytes()
    return kind, np.ascontiguousarray(value).tobytes()


def compare_files(what, one, other, skip=()):
    """Sentences about what differs between two `.keras` files, but for the parts in `skip`."""
    parts = zip(("config", "arrays", "names", "assets"), contents(one), contents(other), strict=True)
    found = []
    for part, a, b in parts:
        if part not in skip:
            found += [f"{what}: {part}{place}: {x!r} / {y!r}"[:400] for place, x, y in differences(a, b)]
    return found


# -- models -----------------------------------------------------------------------------------------------------------


def facts(model, paths=True):
    """Names, paths, shapes, dtypes and values of all weights, in order."""
    return [
        (
            weight.name,
            weight.path if paths else None,
            tuple(weight.shape),
            keras.backend.standardize_dtype(weight.dtype),
            bool(weight.trainable),
            array(weight).tobytes(),
        )
        for weight in model.weights
    ]


def array(value):
    """A weight or tensor of either library as an array; 16 bits become 32."""
    value = getattr(value, "value", value).detach()
    return np.ascontiguousarray((value.float() if value.dtype is torch.bfloat16 else value).numpy())


def waiting_in(model):
    """Names of tensors that have no values, wherever a layer holds them."""
    for module in model.modules():
        for name, value in (*module._parameters.items(), *module._buffers.items(), *vars(module).items()):
            leaves = (
                value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
            )
            if any(isinstance(leaf, torch.Tensor) and leaf.is_meta for leaf in leaves):
                yield f"{type(module).__name__}.{name}"


def compare_outputs(what, expected, found, tolerance):
    """Sentences about outputs that are not close."""
    sentences = []
    for index, (a, b) in enumerate(zip(tree.flatten(expected), tree.flatten(found), strict=True)):
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            sentences.append(f"{what}: output {index} is {a.dtype}{a.shape}, not {b.dtype}{b.shape}")
            continue
        a, b = array(a).astype("complex128"), array(b).astype("complex128")
        gap = np.abs(a - b) / (1 + np.abs(a))
        if (np.isnan(a) != np.isnan(b)).any() or np.nan_to_num(gap).max(initial=0) > tolerance:
            sentences.append(f"{what}: output {index} differs by {np.nan_to_num(gap).max():.2g}")
    return sentences


class Crossing:
    """One model from Keras through its file to us, through ours to Keras and back, all that shows compared.

    Args:
        make: the maker.
        folder: for the files.
        data: what the models are called on; None compares no outputs.
        tolerance: of outputs, relative above 1.
        stable: whether Keras writes again what it read.
        whole: whether every weight is in the file.
        back: whether it goes on to Keras and comes back; else equal files say that it would.
        automatic: whether layers below take automatic names that depend on what was made before.
        custom: a function of the library that gives the user's classes by name.
    """

    def __init__(
        self, make, folder, data=None, tolerance=1e-6, stable=True, whole=True, back=True, custom=None, automatic=False
    ):
        self.unstable = ({"config"} if not stable else set()) | ({"names"} if automatic else set())
        self.make, self.data, self.tolerance, self.custom = make, data, tolerance, custom
        self.paths = [folder / f"{name}.keras" for name in ("keras", "ours", "again", "ours_again")]
        self.whole, self.back, self.automatic, self.found = whole, back, automatic, []

    def prepare(self, model):
        """What is done with Keras's model before it is saved."""
        scatter(model)

    def run(self):
        """All differences as sentences."""
        self.theirs = made(keras, self.make)
        self.prepare(self.theirs)
        first, second, third, fourth = self.paths
        self.theirs.save(first)
        self.ours = load(torchkeras, first, self.custom)
        drawn = random.random(), float(np.random.rand()), float(torch.rand(()))
        self.found += [f"{name} waits for its value" for name in waiting_in(self.ours)]
        self._same_weights("weights of Keras's file", self.theirs, self.ours)
        self.ours.save(second)
        self.found += compare_files("Keras's file / ours", first, second, self.unstable - {"config"})
        models = {"ours": self.ours}
        if self.back:
            models["Keras from our file"] = self.again = load(keras, second, self.custom)
            if drawn != (random.random(), float(np.random.rand()), float(torch.rand(()))):
                self.found.append("loading drew other numbers than Keras")
            self.again.save(third)
            self.found += compare_files("our file / after Keras", second, third, self.unstable)
            self.last = load(torchkeras, third, self.custom)
            self._same_weights("weights after ours, Keras, ours", self.ours, self.last)
            self.last.save(fourth)
            self.found += compare_files("our file / after ours, Keras, ours", second, fourth, self.unstable)
        if self.data is not None:
            data = tree.map_structure(torch.tensor, self.data)
            expected = self.theirs(data)
            for name, model in models.items():
                self.found += compare_outputs(name, expected, model(data), self.tolerance)
        return self.found

    def _same_weights(self, what, one, other):
        if not self.whole:
            return
        pairs = differences(*(facts(model, not self.automatic) for model in (one, other)))
        self.found += [f"{what}{place}: {x!r} / {y!r}"[:300] for place, x, y in pairs]


def crossing(make, folder, data=None, **options):
    """A `Crossing` that has been run; fails with all that differs."""
    run = Crossing(make, folder, data, **options)
    found = run.run()
    assert not found, "\n".join(found)
    return run
