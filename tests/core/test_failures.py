"""An error from inside a layer keeps its type and text, and its notes name the layer, shapes and arguments."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers


def notes_of(error):
    return getattr(error.value, "__notes__", [])


class Fails(layers.Layer):
    def call(self, x, factor=1.0, options=None):
        raise ZeroDivisionError("by the user")


def test_torchs_own_error_gets_the_layer_and_its_inputs():
    layer = layers.Dense(2, name="head")
    layer(torch.ones(1, 3))
    layer.input_spec = None
    with pytest.raises(RuntimeError, match="shape") as error:
        layer(torch.ones(4, 5))
    (note,) = notes_of(error)
    assert "'head' (Dense)" in note and "shape=(4, 5)" in note and "float32" in note


def test_arguments_are_named_and_long_ones_cut():
    with pytest.raises(ZeroDivisionError, match="by the user") as error:
        Fails(name="odd")(torch.ones(2), 3.0, options={"a": [np.zeros((2, 2)), "x" * 200]})
    (note,) = notes_of(error)
    assert "x=Tensor(shape=(2,), dtype=float32)" in note
    assert "factor=3.0" in note and "(2, 2)" in note
    assert max(map(len, note.splitlines())) < 250


def test_only_the_innermost_layer_is_named():
    model = keras.Sequential([layers.Dense(2), Fails(name="culprit")], name="whole")
    with pytest.raises(ZeroDivisionError) as error:
        model(np.ones((1, 3), "float32"))
    (note,) = notes_of(error)
    assert "'culprit'" in note and "Dense" not in note


def test_unknown_sizes_are_none_while_shapes_are_inferred():
    class Odd(layers.Layer):
        def call(self, x):
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd") as error:
        Odd()(keras.Input((None, 3)))
    assert "(None, None, 3)" in notes_of(error)[0]


def test_every_door_adds_the_note():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, name="last")])
    model.compile("sgd", "mse")
    model.layers[-1].call = lambda x: x @ torch.ones(7, 1)
    x, y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
    for door in (lambda: model(x), lambda: model.fit(x, y, verbose=0), lambda: model.predict(x, verbose=0)):
        with pytest.raises(RuntimeError) as error:
            door()
        assert "'last' (Dense)" in notes_of(error)[0]


def test_uninitialized_layers_say_what_is_missing():
    class NoInit(layers.Layer):
        def __init__(self):
            self.units = 3

    with pytest.raises(RuntimeError, match="super"):
        NoInit()(torch.ones(2))
