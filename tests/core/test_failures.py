"""An error from inside a layer keeps its type and text, and its notes name the layer, shapes and arguments."""

import pickle

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.errors import UnfitInputError, UnsupportedInputError


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


# -- what torch raises inside a layer of ours -------------------------------------------------------------------------


def unfit(call):
    with pytest.raises(UnfitInputError) as error:
        call()
    return error.value


def test_what_torch_raises_in_a_layer_is_a_value_error_too():
    cell = layers.LSTMCell(2, name="cell")
    states = [torch.ones(4, 2), torch.ones(4, 3)]
    error = unfit(lambda: cell(torch.ones(4, 3), states))
    assert isinstance(error, RuntimeError) and isinstance(error.__cause__, RuntimeError)
    assert "'cell' (LSTMCell)" in str(error) and "shape=(4, 3)" in str(error) and str(error.__cause__) in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, UnfitInputError) and str(again) == str(error)


def test_the_kind_of_the_first_error_stays():
    assert isinstance(unfit(lambda: layers.LSTMCell(2)(torch.ones(1, 3), [None, None])), (AttributeError, TypeError))
    assert isinstance(UnfitInputError.like(KeyError("a"), "the text"), KeyError)
    assert str(UnfitInputError.like(KeyError("a"), "the text")) == "the text"


def test_an_argument_too_many_is_said_before_the_call():
    flatten = layers.Flatten()
    for _ in range(2):
        with pytest.raises(TypeError, match=r"Flatten.call\(\) of layer 'flatten.*too many positional arguments"):
            flatten(torch.ones(1, 3), torch.ones(1))
        flatten(torch.ones(1, 3))


@pytest.mark.parametrize("given", [[torch.ones(1, 3)], (torch.ones(1, 3),) * 2, {"a": torch.ones(1, 3)}, [], None])
def test_a_structure_where_a_tensor_belongs(given):
    for build in (False, True):
        dense = layers.Dense(2, name="head")
        if build:
            dense.build((None, 3))
        with pytest.raises(UnsupportedInputError, match=r"'head' \(Dense\) takes one tensor"):
            dense(given)


def test_lists_of_numbers_are_one_tensor():
    """What is wrong with an array in lists is not that it is in lists."""
    with pytest.raises(UnfitInputError, match="must match the size") as error:
        layers.Rescaling([1.0, 2.0])([[1, 2, 3]])
    assert "takes one tensor" not in str(error.value)


def test_errors_of_users_stay_as_they_are():
    def activation(x):
        return {}["no such key"]

    def by_torch(x):
        return x @ torch.ones(7, 1)

    for function, kind in ((activation, KeyError), (by_torch, RuntimeError)):
        with pytest.raises(kind) as error:
            layers.Dense(2, activation=function)(torch.ones(1, 3))
        assert type(error.value) is kind
    with pytest.raises(ZeroDivisionError) as error:
        Fails()(torch.ones(2))
    assert type(error.value) is ZeroDivisionError


def test_a_layer_that_says_it_itself_is_not_repeated():
    embedding = layers.Embedding(3, 2, name="words")
    with pytest.raises(IndexError) as error:
        embedding(torch.tensor([5]))
    assert type(error.value) is IndexError and "words" in str(error.value)
