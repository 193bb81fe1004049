"""Subclassed models and layers: what they hold, how they are built, what they may not do."""

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers


class Containers(keras.Model):
    """Layers in lists, dicts, tuples and nested ones."""

    def __init__(self):
        super().__init__()
        self.blocks = [layers.Dense(4) for _ in range(3)]
        self.heads = {"a": layers.Dense(1), "b": [layers.Dense(2), layers.Dense(3)]}
        self.nested = [[layers.Dense(4)], (layers.Dense(4),)]
        self.pair = (layers.Dense(4), layers.BatchNormalization())
        self.late = []
        self.torch_list = nn.ModuleList([nn.Linear(4, 4)])

    def call(self, x):
        for layer in (*self.blocks, self.nested[0][0], self.nested[1][0], *self.pair, *self.late):
            x = layer(x)
        x = self.torch_list[0](x)
        return self.heads["a"](x), self.heads["b"][1](self.heads["b"][0](x))


def test_layers_in_containers():
    model, data = Containers(), torch.ones(2, 4)
    model(data)
    count = len(model.weights)
    assert count == len(list(model.parameters())) == len(model.state_dict())
    model.late.append(layers.Dense(4))
    model(data)
    assert len(model.weights) == count + 2 == len(list(model.parameters()))
    twin = Containers()
    twin.late.append(layers.Dense(4))
    twin(data)
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin(data)[0], model(data)[0])
    other = copy.deepcopy(model)
    other.late.append(layers.Dense(4))
    other(data)
    assert (len(other.weights), len(model.weights)) == (count + 4, count + 2)
    del model.late[0]
    model.blocks = []
    assert len(model.weights) == count - 6 == len(list(model.parameters()))


def test_freezing_reaches_containers():
    model = Containers()
    model(torch.ones(2, 4))
    model.trainable = False
    assert model.trainable_weights == []
    assert not any(parameter.requires_grad for parameter in model.parameters())
    model.trainable = True
    assert len(model.trainable_weights) == len(model.weights) - 2  # moving mean and variance


class Pair(keras.Model):
    """A model of a structure of inputs."""

    def __init__(self, keys):
        super().__init__()
        self.keys, self.dense = keys, layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs[self.keys[0]]) + self.dense(inputs[self.keys[1]])


@pytest.mark.parametrize(
    "keys, shape", [(("x", "y"), {"x": (None, 4), "y": (None, 4)}), ((0, 1), [(None, 4), (None, 4)])]
)
def test_build_from_structures(keys, shape):
    model = Pair(keys)
    model.build(shape)
    assert model.dense.kernel.shape == (4, 3)


def test_build_from_shape_then_call():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = layers.Dense(3), layers.Dense(2)

        def call(self, x, training=None):
            return self.second(self.first(x))

    net = Net()
    net.build((None, 4))
    assert net.compute_output_shape((None, 4)) == (None, 2)
    x = keras.Input((4,))
    model = keras.Model(x, net(x))
    assert model.output_shape == (None, 2)
    assert len(model.weights) == 4


def test_several_arguments():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, a, b):
            return self.dense(a) + self.dense(b)

    net, data = Net(), torch.ones(2, 4)
    assert torch.equal(net(data, data), net(data, b=data))
    x, y = keras.Input((4,)), keras.Input((4,))
    assert keras.Model([x, y], net(x, y))([data, data]).shape == (2, 3)


@pytest.mark.parametrize(
    "use", [lambda net: net.build((None, 3)), lambda net: net(keras.Input((3,))), lambda net: net(torch.ones(1, 3))]
)
def test_a_users_bug_shows_as_itself(use):
    class Bug(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x).undefined_thing

    with pytest.raises(AttributeError, match="undefined_thing"):
        use(Bug())


# -- mistakes that a class can make ------------------------------------------------------------------------------------


class MakesLayer(layers.Layer):
    def call(self, x):
        self.made = layers.Dense(3)
        return self.made(x)


class MakesWeight(layers.Layer):
    def call(self, x):
        return x * self.add_weight(shape=(2,))


@pytest.mark.parametrize("data", [lambda: torch.ones(2, 2), lambda: keras.Input((2,))], ids=["eager", "symbolic"])
@pytest.mark.parametrize("kind", [MakesLayer, MakesWeight])
def test_state_made_in_call(kind, data):
    with pytest.raises(ValueError, match="call"):
        kind()(data())


@pytest.mark.parametrize("base", [layers.Layer, keras.Model])
def test_forgotten_super(base):
    class Forgets(base):
        def __init__(self):
            self.dense = layers.Dense(3)

    with pytest.raises(RuntimeError, match="super"):
        Forgets()


# -- configs ----------------------------------------------------------------------------------------------------------


def test_model_with_functional_arguments():
    class Net(keras.Model):
        def __init__(self, inputs, outputs, **others):
            super().__init__(inputs=inputs, outputs=outputs, **others)

    x = keras.Input((4,))
    net = Net(x, layers.Dense(2)(x), name="net")
    read = keras.models.model_from_json(net.to_json(), custom_objects={"Net": Net})
    assert type(read) is Net
    assert read.name == "net"
    with pytest.raises(ValueError, match="Net"):
        keras.models.model_from_json(net.to_json())


def test_automatic_config_of_a_model():
    class Net(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.units = units

    config = json.loads(json.dumps(Net(3).get_config()))
    assert config["units"] == 3
    assert Net.from_config(config).units == 3


def test_losses_of_a_model():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            self.add_loss([torch.tensor(1.0), torch.tensor(2.0)])
            return self.dense(x)

    net = Net()
    net(torch.ones(2, 2))
    net.add_loss(lambda: torch.tensor(4.0))
    assert sum(net.losses) == 7
    net(torch.ones(2, 2))
    assert sum(net.losses) == 7
    x = keras.Input((2,))
    model = keras.Model(x, net(x))
    model(torch.ones(2, 2))
    assert sum(model.losses) == 7


def test_metric_added_in_call():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            output = self.dense(x)
            self.add_metric(keras.ops.mean(output) * 0 + 2, name="two", aggregation="mean")
            return output

    net = Net()
    net.compile("sgd", "mse")
    assert net.fit(np.ones((8, 3)), np.ones((8, 1)), verbose=0).history["two"] == [2.0]
