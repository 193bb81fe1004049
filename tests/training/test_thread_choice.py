"""Small steps keep to one of torch's threads, by shapes alone; what lies around them keeps all."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers

SEEN = []


class Watching(keras.losses.MeanSquaredError):
    """A loss of ours, for all that the choice knows, that notes the threads."""

    def call(self, y_true, y_pred):
        SEEN.append(torch.get_num_threads())
        return super().call(y_true, y_pred)


Watching.__module__ = "torchkeras.losses"


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


class OwnLayer(layers.Layer):
    def call(self, x):
        return x


def sequential(*stack, shape=(2,), cls=keras.Sequential):
    return cls([keras.Input(shape), *stack, layers.Flatten(), layers.Dense(1)])


MODELS = {
    "small": (lambda: sequential(), 1),
    "functional": (lambda: keras.Model(i := keras.Input((2,)), layers.Dense(1)(layers.Dense(3)(i) * 2.0)), 1),
    "nested": (lambda: sequential(sequential(layers.Dense(3))), 1),
    "wide": (lambda: sequential(layers.Dense(2000), layers.Dense(2000)), 4),
    "middling": (lambda: sequential(layers.Dense(1024), layers.Dense(1024)), 2),
    "nested wide": (lambda: sequential(sequential(layers.Dense(2000), layers.Dense(2000))), 4),
    "convolution": (lambda: sequential(layers.Conv2D(64, 3), layers.Conv2D(64, 3), shape=(30, 30, 3)), 4),
    "long sequence": (lambda: sequential(layers.LSTM(64), shape=(200, 8)), 4),
    "own call": (Own, 4),
    "own step": (lambda: sequential(cls=OwnStep), 4),
    "own layer": (lambda: sequential(OwnLayer()), 4),
    "lambda": (lambda: sequential(layers.Lambda(lambda x: x)), 4),
    "module of torch": (lambda: sequential(layers.TorchModuleWrapper(torch.nn.Linear(2, 2))), 4),
    "attention": (lambda: keras.Model(i := keras.Input((3, 2)), layers.Dense(1)(layers.Attention()([i, i]))), 4),
    "unknown length": (lambda: keras.Sequential([keras.Input((None, 2)), layers.LSTM(2), layers.Dense(1)]), 4),
}


@pytest.fixture(autouse=True)
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    SEEN.clear()
    yield
    torch.set_num_threads(before)


def data(model, rows=8):
    shape = model.input_shape[1:] if model.built and hasattr(model, "_graph") else (2,)
    shape = tuple(size or 5 for size in shape)
    made = model.output_shape[1:] if model.built and hasattr(model, "_graph") else (1,)
    return np.ones((rows, *shape), "float32"), np.ones((rows, *made), "float32")


@pytest.mark.parametrize("name", MODELS)
def test_by_model(name):
    make, threads = MODELS[name]
    model = make()
    model.compile("adam", Watching())
    x, y = data(model)
    model.fit(x, y, verbose=0)
    assert set(SEEN) == {threads}
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("rows", [1, 4096])
def test_by_rows_and_method(rows):
    model = sequential(layers.Dense(1000))
    model.compile("adam", Watching())
    x, y = data(model, rows)
    for run in (
        lambda: model.fit(x, y, batch_size=rows, verbose=0),
        lambda: model.train_on_batch(x, y),
        lambda: model.fit(iter([(x, y)]), verbose=0),
    ):
        SEEN.clear()
        run()
        assert set(SEEN) == {1 if rows == 1 else 4}
        assert torch.get_num_threads() == 4
    for run in (lambda: model.evaluate(x, y, batch_size=rows, verbose=0), lambda: model.test_on_batch(x, y)):
        SEEN.clear()
        run()
        assert set(SEEN) == {1 if rows == 1 else 4}


def test_never_more_than_the_user_said_and_none_less_where_it_is_switched_off():
    torch.set_num_threads(2)
    wide, small = MODELS["wide"][0](), MODELS["small"][0]()
    for model in (wide, small):
        model.compile("adam", Watching())
    wide.fit(*data(wide), verbose=0)
    assert set(SEEN) == {2}
    assert keras.config.is_thread_choice_enabled()
    keras.config.disable_thread_choice()
    try:
        assert not keras.config.is_thread_choice_enabled()
        SEEN.clear()
        small.fit(*data(small), verbose=0)
        assert set(SEEN) == {2}
    finally:
        keras.config.enable_thread_choice()


def test_losses_of_the_user_keep_all_threads():
    model = MODELS["small"][0]()

    def loss(y_true, y_pred):
        SEEN.append(torch.get_num_threads())
        return (y_pred - y_true) ** 2

    for each in (loss, [loss], type("Mine", (Watching,), {"__module__": "mine"})()):
        model.compile("adam", each)
        model.fit(*data(model), verbose=0)
    assert set(SEEN) == {4}


def test_callbacks_have_all_threads_and_what_they_set_stays():
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(torch.get_num_threads())
            torch.set_num_threads(3)

    model = MODELS["small"][0]()
    model.compile("adam", Watching())
    model.fit(*data(model), batch_size=2, callbacks=[Look()], verbose=0)
    assert seen == [4, 3, 3, 3] and set(SEEN) == {1}
    assert torch.get_num_threads() == 3


def test_a_step_that_fails_gives_the_threads_back():
    model = MODELS["small"][0]()
    model.compile("adam", Watching())
    with pytest.raises(ValueError):
        model.fit(np.ones((4, 2)), np.ones((4, 5, 7)), verbose=0)
    assert torch.get_num_threads() == 4
