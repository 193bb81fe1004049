"""torch's lazy modules: their parameters are made by whatever calls them first, a search for shapes included."""

import pickle

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers

X, Y = np.ones((4, 3), "float32"), np.zeros((4, 1), "float32")


class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.parts = [torch.nn.Sequential(torch.nn.LazyLinear(5), torch.nn.LazyBatchNorm1d())]

    def call(self, x):
        return self.parts[0](x)


def sequential():
    return keras.Sequential([Block(), layers.Dense(1)])


def functional():
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(1)(torch.nn.LazyLinear(5)(Block()(x))))


@pytest.mark.parametrize("make", [sequential, functional])
def test_first_fit(make):
    model = make()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(X, Y, verbose=0)
    weights = model.get_weights()
    assert all(np.isfinite(w).all() and w.size for w in weights) and weights[0].shape == (5, 3)
    assert np.abs(weights[0]).max() <= 1 / 3**0.5 + 0.5  # torch's own initial values, a step further
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_pickles_of_what_has_no_parameters_yet():
    model = pickle.loads(pickle.dumps(sequential()))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(X, Y, verbose=0)
    assert len(model.get_weights()) == 6
