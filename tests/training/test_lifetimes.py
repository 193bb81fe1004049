"""What training leaves behind: nothing holds a model, no tensor outlives its batch."""

import gc
import weakref

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers

X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
Y = X[:, :1]


def subclass(**steps):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.tracker = layers.Dense(1), keras.metrics.Mean(name="own")

        def call(self, x):
            return self.dense(x)

    for name, step in steps.items():
        setattr(Own, name, step)
    return Own()


def own_step(self, data):
    x, y = data
    loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
    self.zero_grad()
    loss.backward()
    self.optimizer.apply([v.grad for v in self.trainable_variables], self.trainable_variables)
    self.tracker.update_state(loss.detach())
    return {"own": self.tracker.result()}


def functional():
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(1)(layers.Dropout(0.1)(layers.Dense(4)(x))))


MODELS = {
    "sequential": lambda: keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(1)]),
    "functional": functional,
    "subclass": subclass,
    "own step": lambda: subclass(train_step=own_step),
}


def batches():
    while True:
        yield X[:8], Y[:8]


USES = {
    "fit": lambda model: model.fit(X, Y, verbose=0, validation_split=0.25, epochs=2),
    "fit with callbacks": lambda model: model.fit(
        X, Y, verbose=0, validation_data=(X, Y),
        callbacks=[keras.callbacks.EarlyStopping(restore_best_weights=True), keras.callbacks.ReduceLROnPlateau()],
    ),
    "fit from a generator": lambda model: model.fit(batches(), steps_per_epoch=2, verbose=0),
    "evaluate and predict": lambda model: (model.evaluate(X, Y, verbose=0), model.predict(X, batch_size=5, verbose=0)),
    "single batches": lambda model: (model.train_on_batch(X, Y), model.test_on_batch(X, Y), model.predict_on_batch(X)),
}  # fmt: skip


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", MODELS)
def test_nothing_outside_holds_the_weights(kind, use):
    """Nothing outside the model (a function, a callback, a registry) keeps it or its weights after its last name."""
    model = MODELS[kind]()
    model.compile("adam", "mse", metrics=["mae"])
    USES[use](model)
    gone = weakref.ref(model), weakref.ref(model.trainable_variables[0])
    del model
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_is_freed_with_its_last_name(kind):
    """Without the collector: no cycle holds it, but that of a training, whose History knows the model as in Keras."""
    gc.collect()
    gc.disable()
    try:
        model = MODELS[kind]()
        model.compile("adam", "mse", metrics=["mae"])
        model.evaluate(X, Y, verbose=0)
        model.predict(X, verbose=0)
        gone = weakref.ref(model)
        del model
        assert gone() is None
        model = MODELS[kind]()
        model.compile("adam", "mse", metrics=["mae"])
        model.fit(X, Y, verbose=0)
        assert model.history.model is model
        model.history = None
        gone = weakref.ref(model)
        del model
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", MODELS)
def test_no_tensor_outlives_its_batch(kind):
    counts = []

    class Counting(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch % 4 == 3:  # a walk over all objects takes its time
                counts.append(sum(isinstance(each, torch.Tensor) for each in gc.get_objects()))

    model = MODELS[kind]()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, batch_size=4, verbose=0, callbacks=[Counting()])  # makes what stays: state, trackers
    counts.clear()
    model.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[Counting()])
    assert max(counts) - min(counts) <= 8 and counts[-1] <= counts[1]
