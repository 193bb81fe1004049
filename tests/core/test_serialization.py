"""Objects to descriptions and back. Layers' and models' configs are compared with Keras in compat/."""

import json

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.core import serialization
from torchkeras.core.serialization import deserialize_keras_object as read
from torchkeras.core.serialization import serialize_keras_object as describe
from torchkeras.errors import UnknownObjectError, UnsafeFileError


class Shift(keras.layers.Layer):
    """A layer of a user, not registered."""

    def __init__(self, by=1.0, **kwargs):
        super().__init__(**kwargs)
        self.by = by

    def call(self, x):
        return x + self.by

    def get_config(self):
        return {**super().get_config(), "by": self.by}


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 2.5, "text", [1, [2.0, None]], {"a": [1], "b": {"c": "d"}}, b"bytes", slice(1, None, 2), Ellipsis],
)
def test_values_come_back(value):
    assert read(describe(value)) == value
    json.dumps(describe(value))


def test_arrays_and_tensors_come_back():
    array, tensor = np.arange(6, dtype="int16").reshape(2, 3), torch.ones(2, dtype=torch.bfloat16)
    back = read(json.loads(json.dumps(describe([array, tensor]))))
    np.testing.assert_array_equal(back[0], array)
    assert back[0].dtype == np.int16
    assert torch.equal(back[1], tensor) and back[1].dtype is torch.bfloat16


def test_numbers_of_numpy_are_plain():
    assert describe([np.float64(1.5), np.array(3)]) == [1.5, 3]
    assert type(describe(np.float32(2))) is float


def test_what_has_no_description_is_refused():
    with pytest.raises(ValueError, match=r"no plain value.*object has no get_config"):
        describe(object())


def test_a_layer_of_ours_is_named_as_keras_names_it():
    described = describe(keras.layers.Dense(2, name="d"))
    assert {key: described[key] for key in ("module", "class_name", "registered_name")} == {
        "module": "keras.layers", "class_name": "Dense", "registered_name": None,
    }  # fmt: skip
    assert read(described).get_config() == described["config"]


def test_a_built_layer_is_built_again():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    assert [tuple(weight.shape) for weight in read(describe(layer)).weights] == [(3, 2), (2,)]


def test_a_users_class_is_found_in_custom_objects_only():
    described = describe(Shift(2.0))
    with pytest.raises(UnknownObjectError, match=r"custom_objects=\{'Shift': Shift\}"):
        read(described)
    assert read(described, custom_objects={"Shift": Shift}).by == 2.0
    with keras.saving.custom_object_scope({"Shift": Shift}):
        assert read(described).by == 2.0


def test_custom_objects_reach_what_is_nested():
    model = keras.Sequential([keras.Input((2,)), keras.Sequential([Shift(3.0)])])
    again = read(describe(model), custom_objects={"Shift": Shift})
    assert again.layers[0].layers[0].by == 3.0


def test_a_slot_takes_its_own_kinds():
    loss = describe(keras.losses.MeanSquaredError())
    assert type(read(loss, kinds=("loss",))) is keras.losses.MeanSquaredError
    with pytest.raises(ValueError, match="Unknown layer: 'MeanSquaredError'"):
        read(loss, kinds=("layer",), printable_name="layer")


def test_a_function_is_a_function_where_a_class_has_its_name():
    described = describe(keras.metrics.binary_accuracy)
    assert described["config"] == "binary_accuracy"
    assert read(described) is keras.metrics.binary_accuracy
    assert read(described, kinds=("metric", "metric_function")) is keras.metrics.binary_accuracy
    with pytest.raises(ValueError, match="Unknown function 'BinaryAccuracy'"):
        read({**described, "config": "BinaryAccuracy"})


def test_nothing_is_imported_by_name():
    for module, name in (("os", "system"), ("builtins", "eval"), ("torchkeras.core.scopes", "override")):
        with pytest.raises(ValueError, match="Unknown"):
            read({"module": module, "class_name": name, "config": {}, "registered_name": None})
        with pytest.raises(ValueError, match="Unknown function"):
            read({"module": module, "class_name": "function", "config": name, "registered_name": "function"})


@pytest.mark.parametrize("config", [None, {}])
def test_a_config_of_nothing_is_that_of_defaults(config):
    described = {"module": "keras.initializers", "class_name": "Zeros", "config": config, "registered_name": None}
    assert type(read(described)) is keras.initializers.Zeros


@pytest.mark.parametrize(
    ("described", "error", "text"),
    [
        ({"class_name": 3, "config": {}}, TypeError, "must be a string, got 3"),
        ({"class_name": "Dense", "config": "units"}, TypeError, "must be a dict, got str"),
        ({"class_name": "__strange__", "config": {}}, ValueError, "Unknown value '__strange__'"),
        ({"class_name": "__lambda__", "config": {"value": "code"}}, UnsafeFileError, "holds the code of a lambda"),
    ],
)
def test_malformed_descriptions(described, error, text):
    with pytest.raises(error, match=text):
        read(described)


def test_depth_is_bounded():
    nested = [1]
    for _ in range(serialization.MAX_DEPTH + 1):
        nested = [nested]
    with pytest.raises(ValueError, match="nested more than"):
        read(nested)


def test_descriptions_share_nothing_with_the_object():
    axes = [1, 2]
    layer = keras.layers.LayerNormalization(axis=axes)
    described = describe(layer)
    described["config"]["axis"].append(3)
    assert list(layer.axis) == [1, 2]


def test_safety_is_what_the_call_says_then_what_is_around_it():
    class Asking:
        def get_config(self):
            return {}

        @classmethod
        def from_config(cls, config):
            return serialization.is_safe(), serialization.is_safe(True), serialization.is_safe(False)

    described = {"class_name": "Asking", "config": {}}
    assert read(described, custom_objects={"Asking": Asking}) == (True, True, False)
    assert read(described, custom_objects={"Asking": Asking}, safe_mode=False) == (False, True, False)
