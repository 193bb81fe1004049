"""Every example in a docstring runs and shows what it says."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest
import torch

import torchkeras as keras

NAMES = {"torch": torch, "np": np, "keras": keras}
for _room in (
    keras.layers,
    keras.models,
    keras.callbacks,
    keras.losses,
    keras.metrics,
    keras.optimizers,
    keras.initializers,
):
    NAMES.update({name: value for name, value in vars(_room).items() if isinstance(value, type)})
NAMES.update(Input=keras.Input, Model=keras.Model, Variable=keras.Variable, Layer=keras.Layer)

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(keras.__path__, "torchkeras.")
    if not info.name.startswith(("torchkeras.shim", "torchkeras.__main__"))
)


def a_model_and_data():
    """What examples call `model`, `x` and `y`."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return {"model": model, "x": np.ones((8, 3), "float32"), "y": np.ones((8, 1), "float32")}


def examples_of(module):
    """Doctests of what a module defines itself."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    globs = {**NAMES, **a_model_and_data(), **vars(module)}
    return [test for test in finder.find(module, module.__name__, globs=globs) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some save files
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report = []
    for test in examples_of(module):
        keras.utils.clear_session()
        torch.manual_seed(0)
        runner.run(test, out=report.append)
    assert not report, "\n".join(report)


def test_there_are_examples():
    counted = sum(len(examples_of(importlib.import_module(name))) for name in MODULES)
    assert counted > 100
