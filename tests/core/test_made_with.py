"""Constructors keep nothing that the object does not need; automatic configs hold the plain arguments."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
import torch

import torchkeras as keras


class Made(keras.layers.Layer):
    """Uses its argument in the constructor only."""

    def __init__(self, given=None, units=2, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner = keras.layers.Dense(units)

    def call(self, x):
        return self.inner(x)


class WithConfig(Made):
    def get_config(self):
        return {**super().get_config(), "units": self.units}


GIVEN = {
    "lambda": lambda: lambda x: x,
    "lock": threading.Lock,
    "array": lambda: np.zeros(100_000),
    "nested": lambda: {"a": [lambda x: x]},
    "tensor": lambda: torch.zeros(100_000),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_arguments_are_let_go(kind):
    layer = Made(GIVEN[kind]())
    layer(torch.ones(1, 3))
    assert len(pickle.dumps(layer)) < 10_000
    assert copy.deepcopy(layer)(torch.ones(1, 3)).shape == (1, 2)
    with pytest.raises(NotImplementedError, match="given"):
        layer.get_config()


def test_arguments_are_freed():
    given = np.zeros(3)
    seen = weakref.ref(given)
    layer = Made(given)
    del given
    gc.collect()
    assert seen() is None and layer.units == 2


def test_the_automatic_config_holds_what_was_given():
    sizes = [1, 2]
    layer = Made({"sizes": sizes}, name="made")
    sizes.append(3)
    config = layer.get_config()
    assert config["given"] == {"sizes": [1, 2]} and config["units"] == 2
    assert Made.from_config(config).units == 2


def test_a_class_with_its_own_config_keeps_no_arguments():
    layer = WithConfig(None, 5)
    assert "_made_with" not in layer.__dict__ and WithConfig.from_config(layer.get_config()).units == 5
    assert "_made_with" not in keras.layers.Dense(2).__dict__


def test_arguments_by_place_only_are_refused():
    class Stack(keras.layers.Layer):
        def __init__(self, *sizes):
            super().__init__()

    with pytest.raises(NotImplementedError, match="sizes"):
        Stack(1, 2).get_config()
    assert "sizes" not in Stack().get_config()
