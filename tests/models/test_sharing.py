"""A layer that stands in a submodel and outside of it stays one layer, however the model is written and made again."""

import copy
import json

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers


def in_a_functional_submodel():
    shared, inputs = layers.Dense(4, name="shared"), keras.Input((4,))
    inner = keras.Model(inputs, layers.Dense(4)(shared(inputs)), name="inner")
    outer = keras.Input((4,))
    return keras.Model(outer, shared(inner(outer)))


def before_the_submodel_that_holds_it():
    shared = layers.Dense(4, name="shared")
    inner = keras.Sequential([keras.Input((4,)), shared, layers.Dense(4)], name="inner")
    outer = keras.Input((4,))
    return keras.Model(outer, inner(shared(outer)))


def in_two_submodels():
    shared = layers.Dense(4, name="shared")
    models = [keras.Sequential([keras.Input((4,)), shared, layers.Dense(4)], name=name) for name in "ab"]
    outer = keras.Input((4,))
    return keras.Model(outer, layers.Add()([model(outer) for model in models]))


def in_two_depths():
    shared = layers.Dense(4, name="shared")
    low = keras.Sequential([keras.Input((4,)), shared], name="low")
    middle = keras.Sequential([keras.Input((4,)), low, layers.Dense(4)], name="middle")
    outer = keras.Input((4,))
    return keras.Model(outer, [shared(middle(outer)), low(outer)])


def a_submodel_used_inside_and_outside():
    shared = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="shared")
    inputs, outer = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(inputs, shared(inputs) + 1.0, name="inner")
    return keras.Model(outer, shared(inner(outer)))


def models_over_one_input():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    features = keras.Model(inputs, shared(inputs), name="features")
    return keras.Model(inputs, layers.Concatenate()([features(inputs), layers.Dense(2)(shared.output)]))


def in_a_sequential():
    shared = layers.Dense(4, name="shared")
    inner = keras.Sequential([keras.Input((4,)), shared], name="inner")
    return keras.Sequential([keras.Input((4,)), inner, layers.ReLU(), shared])


def wrapped_and_plain():
    shared = layers.LSTM(4, return_sequences=True, name="shared")
    inner = keras.Sequential([keras.Input((3, 4)), shared], name="inner")
    outer = keras.Input((4,))
    return keras.Model(outer, shared(inner(layers.RepeatVector(3)(outer))))


MODELS = (
    in_a_functional_submodel,
    before_the_submodel_that_holds_it,
    in_two_submodels,
    in_two_depths,
    a_submodel_used_inside_and_outside,
    models_over_one_input,
    in_a_sequential,
    wrapped_and_plain,
)
WAYS = {
    "config": lambda model: type(model).from_config(model.get_config()),
    "config through JSON": lambda model: type(model).from_config(json.loads(json.dumps(model.get_config()))),
    "JSON": lambda model: keras.models.model_from_json(model.to_json()),
    "clone": keras.models.clone_model,
    "recursive clone": lambda model: keras.models.clone_model(
        model, recursive=True, clone_function=lambda layer: type(layer).from_config(layer.get_config())
    ),
    "deepcopy": copy.deepcopy,
}


def values(model):
    torch.manual_seed(0)
    return [np.asarray(out) for out in keras.tree.flatten(model.predict(np.ones((2, 4), "float32"), verbose=0))]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_one_layer_stays_one(make, way):
    model = make()
    again = WAYS[way](model)
    again = WAYS[way](again)  # what was made again is written the same way
    assert [weight.shape for weight in again.weights] == [weight.shape for weight in model.weights]
    again.set_weights(model.get_weights())
    for ours, theirs in zip(values(again), values(model), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert not {id(weight) for weight in again.weights} & {id(weight) for weight in model.weights}


def test_only_what_is_shared_is_numbered():
    assert "shared_object_id" not in keras.Sequential([keras.Input((2,)), layers.Dense(1)]).to_json()
    assert in_two_submodels().to_json().count("shared_object_id") == 2


def test_a_model_that_is_described_twice_is_described_alike():
    model = in_two_depths()
    assert model.to_json() == model.to_json()


def test_configs_read_apart_make_objects_apart():
    config = in_a_functional_submodel().get_config()
    first, second = keras.Model.from_config(config), keras.Model.from_config(config)
    assert first.get_layer("shared") is not second.get_layer("shared")


def test_a_number_stands_for_an_object_of_its_class_only():
    config = in_two_submodels().get_config()
    inner = [layer for layer in config["layers"] if layer["class_name"] == "Sequential"]
    inner[1]["config"]["layers"][1]["class_name"] = "EinsumDense"
    with pytest.raises(TypeError, match="EinsumDense"):
        keras.Model.from_config(config)


@keras.saving.register_keras_serializable("tests")
class Tied(keras.Model):
    """Two parts that hold the same layer, described by the class itself."""

    def __init__(self, first, second, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = first, second

    def call(self, x):
        return self.second(self.first(x))

    def get_config(self):
        parts = keras.saving.serialize_keras_object({"first": self.first, "second": self.second})
        return {"name": self.name, **parts}

    @classmethod
    def from_config(cls, config):
        parts = keras.saving.deserialize_keras_object({key: config[key] for key in ("first", "second")})
        return cls(**parts, name=config["name"])


@pytest.mark.parametrize("way", ["JSON", "clone", "deepcopy"])
def test_parts_of_a_subclass_share(way):
    shared = layers.Dense(4, name="shared")
    model = Tied(*(keras.Sequential([keras.Input((4,)), shared, layers.Dense(4)], name=name) for name in "ab"))
    again = WAYS[way](model)
    assert again.first.layers[0] is again.second.layers[0]
