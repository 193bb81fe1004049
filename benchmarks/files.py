"""Saving and loading whole models, against Keras: hand-written torch has no counterpart.

Each maker takes the ``keras`` module and returns a function of no arguments that does the thing once. ``large`` has
100 MB in 26 weights, ``deep`` a thousand small layers. Files lie in a folder that goes with the process. Runs inside a
worker only.
"""

import os
import sys
import tempfile

from .runs import status

_folder = tempfile.TemporaryDirectory(prefix="benchmark-files-")


def _path(name):
    return os.path.join(_folder.name, name)


def large(keras):
    """26 matrices of a million numbers."""
    stack = [keras.layers.Dense(1000, use_bias=False) for _ in range(26)]
    return keras.Sequential([keras.Input((1000,)), *stack])


def deep(keras):
    """A thousand layers in a row. Keras looks at graphs by recursion."""
    sys.setrecursionlimit(50_000)
    inputs = x = keras.Input((8,))
    for _ in range(1000):
        x = keras.layers.Dense(8)(x)
    return keras.Model(inputs, x)


def _saving(make, name):
    def maker(keras):
        model = make(keras)
        return lambda: model.save(_path(name))

    return maker


def _loading(make, name):
    def maker(keras):
        make(keras).save(_path(name))
        return lambda: keras.models.load_model(_path(name))

    return maker


def _weights(write, name):
    def maker(keras):
        model = large(keras)
        model.save_weights(_path(name))
        return (lambda: model.save_weights(_path(name))) if write else (lambda: model.load_weights(_path(name)))

    return maker


FILES = {
    "save_large": _saving(large, "large.keras"),
    "load_large": _loading(large, "large.keras"),
    "save_large_h5": _saving(large, "large.h5"),
    "load_large_h5": _loading(large, "large.h5"),
    "save_deep": _saving(deep, "deep.keras"),
    "load_deep": _loading(deep, "deep.keras"),
    "save_weights": _weights(True, "large.weights.h5"),
    "load_weights": _weights(False, "large.weights.h5"),
    "load_safetensors": _weights(False, "large.safetensors"),
}


def memory_of_load(module):
    """``(MiB, MiB)``: what a load of the large model adds to the peak of this process, and the size of its weights.

    The file is written by a process of its own, so that nothing of it is in this one's memory.
    """
    import importlib
    import subprocess

    keras = importlib.import_module(module)
    writing = (
        "import importlib, sys; from benchmarks import files; "
        "files.large(importlib.import_module(sys.argv[1])).save(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", writing, module, _path("large.keras")], check=True)
    small = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    small.save(_path("small.keras"))
    keras.models.load_model(_path("small.keras"))  # what is loaded once by the first of all
    before = status("VmRSS")
    model = keras.models.load_model(_path("large.keras"))
    return status("VmHWM") - before, sum(4 * weight.shape[0] * weight.shape[1] for weight in model.weights) / 2**20
