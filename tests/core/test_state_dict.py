"""`load_state_dict` before the weights exist: what is there waits for them."""

import copy
import inspect
import pickle

import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.core.variable import Variable

X = torch.randn(5, 3)


class Model(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.rest = layers.Dense(4), [layers.BatchNormalization(), layers.LSTM(2)]

    def call(self, x):
        return self.rest[1](self.rest[0](self.first(x))[:, None])


class MakesLayersInBuild(layers.Layer):
    def build(self, input_shape):
        self.inner = layers.Dense(2)
        self.inner.build(input_shape)

    def call(self, x):
        return self.inner(x)


MAKERS = {
    "layer": lambda: layers.Dense(4),
    "model": Model,
    "sequential": lambda: keras.Sequential([layers.Dense(4), torch.nn.Linear(4, 2), layers.Dense(2)]),
    "layers made in build": MakesLayersInBuild,
}


def trained(make):
    model = make()
    model(X)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.rand(parameter.shape) + 0.5)
    return model


@pytest.mark.parametrize("build", [lambda m: m(X), lambda m: m.build((None, 3))], ids=["call", "build"])
@pytest.mark.parametrize("name", MAKERS)
def test_values_wait_for_the_weights(name, build):
    source, target = trained(MAKERS[name]), MAKERS[name]()
    target.load_state_dict(source.state_dict())
    build(target)
    assert torch.equal(target(X), source(X))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_waiting_values_are_part_of_the_state(copied):
    source, target = trained(Model), Model()
    target.load_state_dict(source.state_dict())
    assert target.state_dict().keys() == source.state_dict().keys()
    again = copied(target)
    assert torch.equal(again(X), source(X))


@pytest.mark.parametrize("symbolic", [True, False])
def test_values_reach_weights_that_shape_inference_makes(symbolic):
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(2)

        def call(self, x):
            return self.inner(x)

    source, target = trained(Outer), Outer()
    target.load_state_dict(source.state_dict())
    target(keras.Input((3,)) if symbolic else X)
    assert torch.equal(target(X), source(X))


def test_values_that_do_not_fit_are_an_error_when_the_weights_are_made():
    layer = layers.Dense(4)
    layer.load_state_dict({"kernel": torch.ones(9, 9), "bias": torch.ones(4)})
    with pytest.raises(RuntimeError, match="size mismatch for kernel"):
        layer(X)
    layer = layers.Dense(4, name="head")
    layer.load_state_dict({"kernel": torch.ones(3, 4), "bias": torch.ones(4), "typo": torch.ones(1)})
    with pytest.raises(RuntimeError, match=r"(?s)'head'.*'typo'.*'kernel', 'bias'"):
        layer(X)


def test_a_built_layer_says_at_once_what_is_strange():
    layer = trained(lambda: layers.Dense(4))
    with pytest.raises(RuntimeError, match="Unexpected key"):
        layer.load_state_dict({**layer.state_dict(), "typo": torch.ones(1)})


@pytest.mark.parametrize("value", [1.0, [1.0, 2.0], [[1.0, 2.0]], [1, 2], [True], 1j])
def test_members_of_a_variable_can_be_listed(value):
    variable = Variable(value)
    assert "assign" in dict(inspect.getmembers(variable))
    assert hasattr(variable, "imag") is variable.is_complex()
