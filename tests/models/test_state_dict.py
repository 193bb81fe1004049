"""Keys of `state_dict`: equal for two instances of the same code, whatever was made before them in the process."""

import copy
import gc
import weakref

import numpy as np
import pytest
import torch

import torchkeras as keras

layers = keras.layers
X = np.arange(6.0, dtype="float32").reshape(2, 3)


class Block(layers.Layer):
    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.steps = [layers.Dense(units), layers.Dense(units)]
        self.gain = self.add_weight(shape=(), initializer="ones")

    def build(self, input_shape):
        self.offset = None
        self.add_weight(shape=(1,))  # without a name or an attribute
        super().build(input_shape)

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x * self.gain


def inner():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(3, name="last")])


def functional():
    inputs = keras.Input((3,))
    x = Block()(layers.Dense(4)(inputs))
    return keras.Model(inputs, layers.Add()([inner()(x), layers.Dense(3, name="side")(x)]))


def sequential():
    return keras.Sequential([layers.Dense(4), Block(name="middle.one"), inner(), layers.Dense(2)])


MODELS = {"functional": functional, "sequential": sequential}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_two_instances_have_the_same_keys(make):
    first, second = make(), make()
    expected, _ = first(X), second(X)
    assert list(first.state_dict()) == list(second.state_dict())
    second.load_state_dict(first.state_dict(), strict=True)
    torch.testing.assert_close(second(X), expected)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_copies_have_the_keys_of_their_original(make):
    model = make()
    model(X)
    with keras.utils.custom_object_scope({"Block": Block}):
        copies = [
            keras.models.clone_model(model),
            type(model).from_config(model.get_config()),
            keras.models.model_from_json(model.to_json()),
            copy.deepcopy(model),
        ]
    for other in copies:
        other(X)
        other.load_state_dict(model.state_dict(), strict=True)
        torch.testing.assert_close(other(X), model(X))


def test_given_names_are_keys_and_others_are_counted_by_class():
    model = sequential()
    model(X)
    heads = list(dict.fromkeys(key.split(".")[0] for key in model.state_dict()))
    assert heads == ["dense", "middle_one", "sequential", "dense_1"]
    assert {key.split(".")[1] for key in model.state_dict() if key.startswith("sequential.")} == {"dense", "last"}


def test_layers_taken_off_leave_their_key():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(2)])
    model.pop()
    model.add(layers.Dense(5))
    assert [key for key in model.state_dict() if "kernel" in key] == ["dense.kernel", "dense_1.kernel"]


def test_weights_stay_in_the_order_of_the_layers():
    model = keras.Sequential([keras.Input((3,)), *(layers.Dense(3, name=name) for name in "abc")])
    last = model.pop()
    model.add(layers.Dense(3, name="d"))
    model.add(last)
    model.head = model.layers[1]
    model.head = layers.Dense(1)  # replaced: what the model holds is put in order anew
    assert [weight.path.split("/")[-2] for weight in model.weights if weight.name == "kernel"] == list("abdc")


def test_torch_modules_in_models():
    def make():
        return keras.Sequential([keras.Input((3,)), torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)])

    first, second = make(), make()
    second.load_state_dict(first.state_dict(), strict=True)
    torch.testing.assert_close(second(X), first(X))


@pytest.mark.parametrize("use", ["functional", "sequential", "unbuilt", "wrapper"])
def test_torch_modules_are_freed_with_the_models_that_use_them(use):
    module = torch.nn.Linear(3, 3)
    seen, inputs = weakref.ref(module), keras.Input((3,))
    if use == "functional":
        assert keras.Model(inputs, module(module(inputs))).count_params() == 12  # one layer, called twice
    elif use == "wrapper":
        layers.TorchModuleWrapper(module)(X)
    else:
        keras.Sequential([module] if use == "unbuilt" else [inputs, module])
    del module, inputs
    gc.collect()
    assert seen() is None


# -- values, with torch's own modules inside --------------------------------------------------------------------------


class Mixed(keras.Model):
    def __init__(self):
        super().__init__()
        self.norm, self.scale = torch.nn.BatchNorm1d(3), torch.nn.Parameter(torch.ones(3))
        self.heads = torch.nn.ModuleList([layers.Dense(1), torch.nn.Linear(3, 1)])

    def call(self, x):
        x = self.norm(x) * self.scale
        return self.heads[0](x) + self.heads[1](x)


def test_weights_of_torch_modules_are_read_and_set():
    model = Mixed()
    model(X)
    weights = model.get_weights()
    assert len(weights) == len(model.weights) == 7 and model.count_params() == 3 + 6 + 4 + 4
    model.set_weights([value * 0 for value in weights])
    assert not any(value.any() for value in model.get_weights())
    weights[0][...] = 7.0  # a copy
    assert not model.get_weights()[0].any()
    model.summary(print_fn=lambda text: None)


def test_early_stopping_gives_back_weights_and_statistics():
    model, kept = Mixed(), {}
    model(X)
    model.compile("sgd", "mse")

    class Note(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                kept.update({key: value.clone() for key, value in self.model.state_dict().items()})
            logs["worse"] = float(epoch)

    stop = keras.callbacks.EarlyStopping("worse", mode="min", patience=3, restore_best_weights=True)
    model.fit(X, X[:, :1], epochs=4, verbose=0, callbacks=[Note(), stop])
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, kept[key], msg=key)
