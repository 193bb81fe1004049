"""Small batches of evaluate and predict are computed several at a time, where nobody can tell but by rounding."""

import numpy as np
import pytest

import torchkeras as keras
from torchkeras import layers
from torchkeras.training.loops import Loops

X = np.random.default_rng(0).normal(size=(70, 4)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 70)


class OwnModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = layers.Dense(3, activation="softmax")

    def call(self, x):
        return self.head(x)


class Listening(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches = []

    def on_test_batch_end(self, batch, logs=None):
        self.batches.append(batch)

    on_predict_batch_end = on_test_batch_end


def stack(*inner, head="softmax"):
    return keras.Sequential([keras.Input((4,)), *inner, layers.Dense(3, activation=head)])


def compiled(model, loss="sparse_categorical_crossentropy", metrics=("accuracy",), **more):
    model.compile("adam", loss, metrics=list(metrics), **more)
    return model


@pytest.fixture
def sizes(monkeypatch):
    """The number of batches that were computed at once, for each pass."""
    found = []
    plain = Loops._batches_together
    monkeypatch.setattr(Loops, "_batches_together", lambda *arguments: found.append(plain(*arguments)) or found[-1])
    return found


@pytest.mark.parametrize("verbose", [0, 1, 2])
@pytest.mark.parametrize("batch_size", [1, 8, 32, 70, 100])
def test_results_are_those_of_single_batches(batch_size, verbose, sizes, capsys):
    model = compiled(stack(layers.Dense(8, activation="relu"), layers.Dropout(0.5)))
    together = model.evaluate(X, Y, batch_size=batch_size, verbose=verbose)
    shown = capsys.readouterr().out
    predicted = model.predict(X, batch_size=batch_size, verbose=verbose)
    assert sizes == [-(-70 // min(batch_size, 70))] * 2
    listening = Listening()
    np.testing.assert_allclose(
        together, model.evaluate(X, Y, batch_size=batch_size, callbacks=[listening], verbose=0), rtol=1e-5
    )
    alone = model.predict(X, batch_size=batch_size, callbacks=[listening], verbose=0)
    np.testing.assert_allclose(predicted, alone, rtol=1e-5, atol=1e-7)
    assert sizes[2:] == [1, 1]
    assert listening.batches == [*range(-(-70 // min(batch_size, 70)))] * 2
    if verbose == 1:
        assert f"{sizes[0]}/{sizes[0]}" in shown


def test_validation_too(sizes):
    model = compiled(stack())
    history = model.fit(X, Y, validation_data=(X, Y), batch_size=10, verbose=0).history
    assert sizes == [7]
    np.testing.assert_allclose(
        [history["val_loss"][0], history["val_accuracy"][0]], model.evaluate(X, Y, verbose=0), rtol=1e-5
    )


APART = {
    "own model": (lambda: compiled(OwnModel()), {}),
    "own activation": (lambda: compiled(stack(layers.Dense(3, activation=lambda x: x - x.mean(0)))), {}),
    "unknown layer": (lambda: compiled(stack(layers.UnitNormalization(axis=0))), {}),
    "steps_per_execution": (lambda: compiled(stack(), steps_per_execution=2), {}),
    "steps": (lambda: compiled(stack()), {"steps": 3}),
    "generator": (lambda: compiled(stack()), {"x": lambda: iter([(X[:8], Y[:8])] * 4)}),
}
OF_EVALUATE = {
    "loss object": (lambda: compiled(stack(), keras.losses.SparseCategoricalCrossentropy(reduction="sum")), {}),
    "metric object": (lambda: compiled(stack(), metrics=[keras.metrics.SparseCategoricalAccuracy()]), {}),
    "weights": (lambda: compiled(stack()), {"sample_weight": np.linspace(0, 1, 70)}),
}


@pytest.mark.parametrize("name", [*APART, *OF_EVALUATE])
def test_where_somebody_could_tell_batches_stay_single(name, sizes):
    make, arguments = {**APART, **OF_EVALUATE}[name]
    model, arguments = make(), dict(arguments)
    x = arguments.pop("x", None)
    data = {"x": X, "y": Y, "batch_size": 8} if x is None else {"x": x()}
    model.evaluate(**data, **arguments, verbose=0)
    if name in APART:
        data = {"x": X, "batch_size": 8} if x is None else {"x": x()}
        model.predict(**data, **arguments, verbose=0)
    assert set(sizes) == {1}


def test_large_models_and_batches_stay_single(sizes):
    model = compiled(stack(layers.Dense(3000), layers.Dense(3000)))
    model.predict(X, verbose=0)
    model = compiled(
        keras.Sequential([keras.Input((40, 40, 3)), layers.Conv2D(64, 5), layers.Flatten(), layers.Dense(3)])
    )
    model.predict(np.ones((8, 40, 40, 3), "float32"), batch_size=4, verbose=0)
    assert sizes == [1, 1]
