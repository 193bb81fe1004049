"""Lambda: every kind of function, shapes for graphs, masks, and code in configs."""

import base64
import copy
import functools
import json
import marshal
import pickle

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.core import scopes
from torchkeras.errors import UnsafeFileError

Lambda = layers.Lambda


class Shift:
    def __init__(self, amount):
        self.amount = amount

    def shifted(self, x):
        return x + self.amount

    __call__ = shifted


def doubled(x):
    return x * 2


def in_words(x, *, training=None):
    return x if training else -x


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x * 3, 3.0),
        (doubled, 2.0),
        (Shift(4.0).shifted, 5.0),
        (Shift(4.0), 5.0),
        (functools.partial(torch.add, other=1.0), 2.0),
        (torch.neg, -1.0),
        (keras.ops.negative, -1.0),
        (torch.nn.Identity(), 1.0),
        (in_words, -1.0),
    ],
)
def test_kinds_of_functions(function, expected):
    layer = Lambda(function)
    assert torch.equal(layer(torch.ones(2, 3)), torch.full((2, 3), expected))
    assert layer(layers.Input((3,))).shape == (None, 3)
    assert torch.equal(copy.deepcopy(layer)(torch.ones(2, 3)), layer(torch.ones(2, 3)))


def test_a_function_sees_training_and_arguments():
    assert Lambda(in_words)(torch.ones(1), training=True) == 1
    layer = Lambda(lambda x, a, b=1: x * a + b, arguments={"a": np.float32(2)})
    assert layer(torch.ones(1)) == 3
    assert torch.equal(pickle.loads(pickle.dumps(Lambda(doubled)))(torch.ones(2)), torch.full((2,), 2.0))


def test_a_layer_as_function_is_a_sublayer():
    layer = Lambda(layers.Dense(2))
    layer(torch.ones(1, 3))
    assert [tuple(weight.shape) for weight in layer.trainable_weights] == [(3, 2), (2,)]
    again = Lambda.from_config(layer.get_config())
    assert again(torch.ones(1, 3)).shape == (1, 2)


# -- shapes -----------------------------------------------------------------------------------------------------------


def test_output_shape_is_believed_in_graphs_only():
    layer = Lambda(lambda x: x**2, output_shape=[6])
    assert layer.compute_output_shape((None, 2)) == (None, 6)
    assert layer(layers.Input((2,))).shape == (None, 6)
    assert layer(torch.ones(3, 2)).shape == (3, 2)


def test_output_shapes_of_structures():
    pair = Lambda(lambda x: [x, x[:, :1]], output_shape=[(3,), (1,)])(layers.Input((3,)))
    assert [one.shape for one in pair] == [(None, 3), (None, 1)]
    named = Lambda(lambda x: {"a": x}, output_shape={"a": (3,)})(layers.Input((3,), 5))
    assert named["a"].shape == (5, 3)
    joined = Lambda(lambda pair: torch.cat(pair, 1), output_shape=lambda shapes: (shapes[0][0], 7))
    assert joined([layers.Input((3,)), layers.Input((4,))]).shape == (None, 7)


def test_shapes_with_unknown_sizes_are_found():
    x = layers.Input((None, None, 3))
    assert Lambda(lambda x: x.flatten(1))(x).shape == (None, None)
    assert Lambda(lambda x: x[:, ::2, :4])(x).shape == (None, None, None, 3)
    assert Lambda(lambda x: x.mean((1, 2)))(x).shape == (None, 3)
    assert Lambda(lambda x: x.sum() > 0)(x).dtype == "bool"
    assert Lambda(lambda x: keras.ops.one_hot(x, 4))(layers.Input((5,), dtype="int32")).shape == (None, 5, 4)


def test_only_a_function_that_needs_data_asks_for_its_shape():
    def by_values(x):
        if not bool(x.abs().sum() > 0):
            raise RuntimeError("no data")
        return x.numpy()

    with pytest.raises(NotImplementedError, match="output_shape="):
        Lambda(by_values)(layers.Input((3,)))
    assert Lambda(by_values, output_shape=(3,))(layers.Input((3,))).shape == (None, 3)
    with pytest.raises(KeyError, match="slip"):  # a mistake of the function stays what it is
        Lambda(lambda x: {}["slip"])(layers.Input((3,)))


# -- masks ------------------------------------------------------------------------------------------------------------


def masked():
    return layers.Masking()(torch.tensor([[[1.0], [0.0]]]))


def test_a_mask_goes_to_the_function_and_ends_there():
    seen = []

    def look(x, mask=None):
        seen.append(mask)
        return x * 2

    with pytest.warns(UserWarning, match="destroy the mask"):
        found = Lambda(look)(masked())
    assert seen[0].tolist() == [[True, False]] and getattr(found, "_keras_mask", None) is None


def test_a_function_that_needs_a_mask_enters_graphs():
    def mean(x, mask):
        weights = mask.unsqueeze(-1).to(x.dtype)
        return (x * weights).sum(1) / weights.sum(1)

    inputs = layers.Input((None, 2))
    model = keras.Model(inputs, Lambda(mean)(layers.Masking()(inputs)))
    assert model.output_shape == (None, 2)
    assert model(torch.tensor([[[1.0, 3.0], [3.0, 5.0], [0.0, 0.0]]])).tolist() == [[2.0, 4.0]]


def test_a_mask_that_the_layer_makes():
    turned = Lambda(doubled, mask=lambda inputs, mask: ~mask)(masked())
    assert turned._keras_mask.tolist() == [[False, True]]
    given = Lambda(doubled, mask=np.array([[True, True]]))(torch.ones(1, 2, 1))
    assert given._keras_mask.tolist() == [[True, True]]


def test_masks_come_back_from_configs():
    layer = Lambda(doubled, mask=np.array([[True, False]]))
    again = Lambda.from_config(layer.get_config(), custom_objects={"doubled": doubled})
    assert again(torch.ones(1, 2, 1))._keras_mask.tolist() == [[True, False]]


# -- configs ----------------------------------------------------------------------------------------------------------


def model_of(layer):
    return keras.Sequential([keras.Input((2,)), layer])


def test_code_is_refused_wherever_it_stands():
    with_code = [
        Lambda(lambda x: x),
        Lambda(doubled, output_shape=lambda shape: shape),
        Lambda(doubled, mask=lambda inputs, mask: mask),
    ]
    for layer in with_code:
        config = json.loads(json.dumps(layer.get_config()))
        with keras.saving.custom_object_scope({"doubled": doubled}):
            for read in (
                lambda config=config: Lambda.from_config(config),
                lambda config=config: Lambda.from_config(config, safe_mode=True),
                lambda layer=layer: layers.deserialize(layers.serialize(layer)),
                lambda layer=layer: keras.models.model_from_json(model_of(layer).to_json()),
            ):
                with pytest.raises(UnsafeFileError, match="enable_unsafe_deserialization"):
                    read()
            assert torch.equal(Lambda.from_config(config, safe_mode=False)(torch.ones(2)), layer(torch.ones(2)))
            with scopes.override(unsafe_unless_told=True):
                again = keras.models.model_from_json(model_of(layer).to_json())
            assert torch.equal(again(torch.ones(1, 2)), layer(torch.ones(1, 2)))


def test_code_hidden_in_arguments_is_refused():
    config = Lambda(doubled).get_config()
    config["arguments"] = {"x": Lambda(lambda x: x).get_config()["function"]}
    with pytest.raises(UnsafeFileError):
        Lambda.from_config(config, custom_objects={"doubled": doubled})


def test_defaults_captured_values_and_names_come_back():
    captured = 5

    def add_one(x):
        return x + 1

    layer = Lambda(lambda x, factor=3: add_one(x) * factor + captured)
    again = Lambda.from_config(layer.get_config(), safe_mode=False)
    assert again(torch.ones(1)) == layer(torch.ones(1)) == 11
    named = Lambda(lambda x: doubled(x)).get_config()
    assert Lambda.from_config(named, {"doubled": doubled}, safe_mode=False)(torch.ones(1)) == 2
    with pytest.raises(NameError):
        Lambda.from_config(named, safe_mode=False)(torch.ones(1))


@pytest.mark.parametrize(
    "code", ["", "no code!", base64.encodebytes(b"\xff\xff").decode(), base64.encodebytes(marshal.dumps(3)).decode(), 3]
)
def test_code_that_is_none(code):
    config = Lambda(lambda x: x).get_config()
    config["function"]["config"]["code"] = code
    with pytest.raises(ValueError, match="cannot be read"):
        Lambda.from_config(config, safe_mode=False)


def test_functions_by_name():
    config = Lambda(doubled, arguments={"factor": 2}).get_config()
    assert config["function"]["config"] == "doubled" and config["arguments"] == {"factor": 2}
    assert "output_shape" not in config and "mask" not in config
    with pytest.raises(ValueError, match="doubled"):
        Lambda.from_config(config)
    assert Lambda.from_config(config, custom_objects={"doubled": doubled}).function is doubled
    with pytest.raises(ValueError, match="bound method Shift"):
        Lambda(Shift(1).shifted).get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"function": "relu"}, "`function`"),
        ({"function": None}, "`function`"),
        ({"function": doubled, "output_shape": 5}, "`output_shape`"),
        ({"function": doubled, "output_shape": (5.0,)}, "`output_shape`"),
        ({"function": doubled, "mask": "yes"}, "`mask`"),
        ({"function": doubled, "arguments": [1]}, "`arguments`"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Lambda(**arguments)
