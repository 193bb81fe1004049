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


# Arguments of methods that users call, whose names and defaults are Keras's. "_" is a name that nobody passes.
_METHODS = ("call", "build", "compute_mask", "compute_output_shape")
_REFUSED_AT_ONCE = {"FlaxLayer", "JaxLayer", "TFSMLayer"}


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("name", [name for name in published_layers() if hasattr(keras.layers, name)])
def test_signature_of_methods(name, method):
    if name in _REFUSED_AT_ONCE or not hasattr(getattr(keras.layers, name), method):
        return
    theirs, ours = (list(_arguments(getattr(getattr(lib, name), method))) for lib in (keras.layers, layers))
    if (inspect.Parameter.VAR_POSITIONAL in [kind for _, kind, _ in theirs + ours]) or theirs == ours:
        return  # any arguments
    assert len(ours) >= len(theirs)
    for (wanted, *how), (given, *ours_how) in zip(theirs, ours, strict=False):
        assert wanted in ("_", given) and how == ours_how
    assert all(default is not inspect.Parameter.empty for _, _, default in ours[len(theirs) :])


ATTRIBUTES = {
    "AveragePooling2D": ["pool_mode"],
    "BatchNormalization": ["gamma", "beta", "moving_mean", "moving_variance"],
    "MaxPooling1D": ["pool_mode"],
    "RNN": ["single_state", "state_size"],
    "SimpleRNN": ["single_state", "state_size"],
    "LSTM": ["single_state", "state_size"],
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_before_building(name):
    found = []
    case = next(case for case in CASES if case.layer == name)
    for module in (keras.layers, layers):
        layer = getattr(module, name)(**case.constructor_arguments(module))
        names = [*ATTRIBUTES[name], "supports_jit", "quantization_mode"]
        found.append([getattr(layer, each) for each in names])
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["Dropout", "MaxPooling1D"])
def test_most_layers_know_no_quantization(name):
    case = next(case for case in CASES if case.layer == name)
    for module in (keras.layers, layers):
        with pytest.raises(NotImplementedError):
            getattr(module, name)(**case.constructor_arguments(module)).quantize("int8")


def _arguments(function):
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        yield parameter.name, parameter.kind, parameter.default


@pytest.mark.parametrize("name", [name for name in dir(layers) if isinstance(getattr(layers, name), type)])
def test_alias(name):
    """Two names of one class here are two names of one class there."""
    if hasattr(keras.layers, name):
        assert getattr(keras.layers, name).__name__ == getattr(layers, name).__name__
