"""Every published layer beside the installed Keras's, in the configurations of compat/layer_cases/."""

import collections
import dataclasses
import inspect

import keras
import pytest

from compat.harness import compare
from compat.layer_cases import CASES, ELSEWHERE, published_layers
from torchkeras import layers

# Signatures that differ on purpose: parameter -> reason.
_OTHER_DEFAULTS = {
    ("AveragePooling1D", "pool_size"): "Keras 2's default of 2 stays valid",
    ("AveragePooling2D", "pool_size"): "Keras 2's default of 2 stays valid",
    ("AveragePooling3D", "pool_size"): "Keras 2's default of 2 stays valid",
}


ENOUGH = 8  # configurations of a layer


def test_every_layer_has_enough_cases():
    found = collections.Counter(case.layer for case in CASES)
    few = {name: found[name] for name in published_layers() if found[name] < ENOUGH and name not in ELSEWHERE}
    assert few == {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_layer(case):
    differences = compare(case)
    assert not differences, "\n".join(differences)


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
@pytest.mark.parametrize("case", [case for case in CASES if case.why], ids=lambda case: case.title)
def test_numbers_that_differ_on_purpose(case):
    differences = compare(dataclasses.replace(case, values=True))
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("name", [name for name in published_layers() if hasattr(keras.layers, name)])
def test_signature(name):
    theirs, ours = (inspect.signature(getattr(module, name)).parameters for module in (keras.layers, layers))
    assert [(p.name, p.kind) for p in ours.values()] == [(p.name, p.kind) for p in theirs.values()]
    for parameter in ours.values():
        same = parameter.default == theirs[parameter.name].default
        assert same is ((name, parameter.name) not in _OTHER_DEFAULTS), parameter.name


@pytest.mark.parametrize("name", [name for name in dir(layers) if isinstance(getattr(layers, name), type)])
def test_alias(name):
    """Two names of one class here are two names of one class there."""
    if hasattr(keras.layers, name):
        assert getattr(keras.layers, name).__name__ == getattr(layers, name).__name__
