"""The walk over what has state, the contract of what each object writes, and a model that is filled after it is made.

That paths are Keras's is compared in compat/test_state_walk.py.
"""

import json
from collections import deque

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.saving.state_walk import load_variables, save_variables, walk


def written(model):
    """`{path: {key: array}}` of all that has state, as a file would hold it."""
    found = {}
    for path, obj in walk(model):
        store = {}
        save_variables(obj, store)
        found[path] = {key: np.array(torch.as_tensor(value).detach()) for key, value in store.items()}
    return found


def filled(model, state):
    for path, obj in walk(model):
        load_variables(obj, state[path])
    return model


def network():
    inputs = keras.Input((5, 4))
    x = layers.LSTM(3, return_sequences=True)(inputs)
    x = layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x)
    x = layers.Dropout(0.5)(layers.LayerNormalization()(x))
    x = layers.BatchNormalization()(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(2, kernel_initializer="orthogonal")(x))
    model.compile("adam", "mse", metrics=["mae"])
    model.train_on_batch(np.ones((2, 5, 4)), np.ones((2, 2)))
    return model


def test_a_model_made_without_memory_is_filled_and_then_compiled():
    model, x = network(), np.ones((2, 5, 4))
    state, config = written(model), json.loads(model.to_json())
    compile_config = config.pop("compile_config")
    with torch.device("meta"):
        again = keras.saving.deserialize_keras_object(config)
    assert all(weight.is_meta for weight in again.weights)
    again.to_empty(device="cpu")
    filled(again, {**state, "optimizer": {}})  # weights first
    again.compile_from_config(compile_config)
    filled(again, state)  # then the optimizer, which needs real weights
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    np.testing.assert_array_equal(again.optimizer.variables[2], model.optimizer.variables[2])


def test_lists_sets_queues_and_torch_containers():
    class Holder(layers.Layer):
        def __init__(self):
            super().__init__()
            self.rows = [layers.Dense(1), [layers.Dense(1), layers.ReLU()], layers.Dense(1)]
            self.many = {layers.Dense(1, name="b"), layers.Dense(1, name="a")}
            self.queue = deque([layers.Dense(1)])
            self.torch_list = torch.nn.ModuleList([layers.Dense(1), torch.nn.Linear(2, 2)])
            self.torch_dict = torch.nn.ModuleDict({"x": layers.Dense(1)})

    paths = [path for path, _ in walk(Holder())]
    assert paths == [
        "",
        *("many/dense", "many/dense_1", "queue/dense"),
        *("rows/dense", "rows/container/dense", "rows/container/re_lu", "rows/dense_1"),
        *("torch_dict/dense", "torch_list/dense", "torch_list/linear"),
    ]
    held = Holder()
    assert {path: obj.name for path, obj in walk(held) if path.startswith("many")} == {
        "many/dense": "a",
        "many/dense_1": "b",
    }


def test_what_contains_itself_is_walked_once():
    class Loop(layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [layers.Dense(1)]
            self.parts.append(self.parts)
            self.info = {"owner": self}

    assert [path for path, _ in walk(Loop())] == ["", "parts/dense"]


def test_plain_modules_write_their_state_dict():
    class Mixed(layers.Layer):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(2)

        def call(self, x):
            return self.norm(x)

    for make in (lambda: keras.Sequential([keras.Input((2,)), torch.nn.BatchNorm1d(2)]), Mixed):
        model, other = make(), make()
        with torch.no_grad():
            for tensor in model.state_dict().values():
                tensor.fill_(3)
        filled(other, written(model))
        assert all(bool((tensor == 3).all()) for tensor in other.state_dict().values())


class Counting(layers.Layer):
    """Keeps torch buffers beside a weight."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(2))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)

    def build(self, shape):
        self.scale = self.add_weight(shape=(1,), name="scale")


def built(layer):
    layer.build((None, 2))
    return layer


def test_buffers_follow_the_weights_by_name():
    layer, other = built(Counting()), built(Counting())
    layer.seen += 5
    state = written(layer)
    assert list(state[""]) == ["0", "seen"]
    filled(other, state)
    assert other.seen.tolist() == [5, 5]
    del state[""]["seen"]  # as a file of Keras has it
    filled(built(Counting()), state)


def test_a_class_may_write_and_read_its_own():
    class Halved(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(2,), initializer="ones", name="w")

        def save_own_variables(self, store):
            store["half"] = self.w.numpy() / 2

        def load_own_variables(self, store):
            self.w.assign(store["half"] * 2)

    layer, other = built(Halved()), built(Halved())
    layer.w.assign([3.0, 4.0])
    filled(other, written(layer))
    assert other.w.numpy().tolist() == [3.0, 4.0]


def test_assets_are_a_class_own_business(tmp_path):
    class Words(layers.Layer):
        words = ()

        def save_assets(self, directory):
            (directory / "words.txt").write_text("\n".join(self.words))

        def load_assets(self, directory):
            self.words = (directory / "words.txt").read_text().split()

    model, other = (keras.Sequential([Words(), layers.Dense(1)]) for _ in range(2))
    model.layers[0].words = ["a", "b"]
    with_assets = [path for path, obj in walk(model) if hasattr(obj, "save_assets")]
    assert with_assets == ["layers/words"]
    model.layers[0].save_assets(tmp_path)
    other.layers[0].load_assets(tmp_path)
    assert other.layers[0].words == ["a", "b"]


@pytest.mark.parametrize(
    ("layer", "store", "text"),
    [
        (lambda: layers.Dense(2), {"0": np.ones(1)}, "not built.*no weights yet, but 1 are saved"),
        (lambda: built(layers.Dense(2)), {"0": np.ones((2, 2))}, "has 2 weights of its own, but 1 are saved"),
        (lambda: built(layers.Dense(2)), {"0": np.ones((2, 3)), "1": np.ones(2)}, r"\(2, 2\).*\(2, 3\)"),
        (lambda: built(layers.Dense(2)), {"0": np.ones((2, 2)), "b": np.ones(2)}, "there is no '1' among"),
    ],
)
def test_what_does_not_fit_is_refused(layer, store, text):
    with pytest.raises(ValueError, match=text):
        layer().load_own_variables(store)
