"""Activations against the installed Keras on torch: values, gradients, names, configs, symbolic calls."""

import inspect
import pickle

import keras
import numpy as np
import pytest
import torch

from torchkeras import activations, ops
from torchkeras.core import registry, scopes
from torchkeras.core.serialization import serialize_keras_object
from torchkeras.layers import Input

NAMES = sorted(
    n for n in dir(keras.activations) if not n.startswith("_") and n not in ("get", "serialize", "deserialize")
)
CASES = {
    "threshold": [{"threshold": 0.5, "default_value": 2.0}],
    "relu": [
        {"negative_slope": slope, "max_value": top, "threshold": start}
        for slope in (0.0, 0.1)
        for top in (None, 6, 2.5)
        for start in (0.0, 0.5, -0.5)
    ],
    "softmax": [{}, {"axis": 0}, {"axis": (0, 1)}],
    "log_softmax": [{}, {"axis": 0}],
    "gelu": [{}, {"approximate": True}],
    "elu": [{}, {"alpha": 0.3}],
    "leaky_relu": [{}, {"negative_slope": 0.4}],
}
# Keras cannot call these three on symbolic tensors.
_EAGER_IN_KERAS = ("hard_silu", "hard_swish", "mish", "sparsemax")


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name, dtype):
    theirs, ours = getattr(keras.activations, name), getattr(activations, name)
    values = torch.randn(6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4
    tolerance = {"float16": 2e-3, "float32": 1e-6, "float64": 1e-9}[dtype]
    for arguments in CASES.get(name, [{}]):
        a, b = (values.to(getattr(torch, dtype)).requires_grad_() for _ in range(2))
        want, have = theirs(a, **arguments), ours(b, **arguments)
        torch.testing.assert_close(have, want, rtol=tolerance, atol=tolerance)
        want.square().sum().backward()
        have.square().sum().backward()
        torch.testing.assert_close(b.grad, a.grad, rtol=5 * tolerance, atol=5 * tolerance)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "linear"])
def test_arrays_and_symbolic_tensors(name):
    theirs, ours = getattr(keras.activations, name), getattr(activations, name)
    arguments = CASES.get(name, [{}])[0]
    x = np.linspace(-3, 3, 12, dtype="float32").reshape(3, 4)
    torch.testing.assert_close(ours(x, **arguments), theirs(x, **arguments))
    keras.utils.clear_session(free_memory=False)
    scopes.clear_session(free_memory=False)
    have = ours(Input((4,)), **arguments)
    assert tuple(have.shape) == (None, 2 if name == "glu" else 4)
    if name not in _EAGER_IN_KERAS:
        want = theirs(keras.Input((4,)), **arguments)
        operation, expected = (kt._keras_history.operation for kt in (have, want))
        assert serialize_keras_object(operation) == keras.saving.serialize_keras_object(expected)


@pytest.mark.parametrize("name", NAMES)
def test_names_and_configs(name):
    theirs, ours = getattr(keras.activations, name), getattr(activations, name)
    assert activations.serialize(ours) == keras.activations.serialize(theirs)
    assert activations.get(name) is ours
    assert activations.get(keras.saving.serialize_keras_object(theirs)) is ours
    assert pickle.loads(pickle.dumps(ours)) is ours
    parameters = [p for p in inspect.signature(ours).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    assert str(inspect.Signature(parameters)) == str(inspect.signature(theirs))


@pytest.mark.parametrize("name", NAMES)
def test_compiles(name):
    x = torch.randn(3, 4)
    arguments = CASES.get(name, [{}])[0]
    torch.compiler.reset()
    compiled = torch.compile(getattr(activations, name), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, **arguments), getattr(activations, name)(x, **arguments))


def test_identifiers():
    assert activations.get(None) is activations.linear
    function = lambda x: x
    assert activations.get(function) is function
    assert activations.serialize(ops.relu) == "relu"
    with pytest.raises(ValueError, match="'rellu' is no activation"):
        activations.get("rellu")
    with pytest.warns(UserWarning, match="lambda"):
        assert activations.serialize(function)["class_name"] == "__lambda__"


def test_functions_of_users_are_saved_under_their_registered_name():
    @registry.register_keras_serializable(package="lab")
    def doubled(x):
        return 2 * x

    config = activations.serialize(doubled)
    assert activations.deserialize(config) is doubled
    assert activations.get("lab>doubled") is doubled
    with registry.CustomObjectScope({"mine": doubled}):
        assert activations.get("mine") is doubled


def test_spellings_of_keras_2():
    x = torch.tensor([-1.0, 2.0])
    assert torch.equal(activations.relu(x, alpha=0.1), activations.relu(x, negative_slope=0.1))
    assert isinstance(activations.get("LeakyReLU"), torch.nn.Module)
    assert activations.hard_sigmoid(torch.tensor(1.0)).item() == pytest.approx(4 / 6)
