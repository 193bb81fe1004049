"""Curves: with equal initial weights and order of the data, `fit` gives Keras's losses, metrics and weights."""

import numpy as np
import pytest

from compat.curves import run_both, seed_weights

OPTIMIZERS = {
    "sgd": lambda k: k.optimizers.SGD(0.01, momentum=0.9),
    "adam": lambda k: k.optimizers.Adam(0.005),
    "rmsprop": lambda k: k.optimizers.RMSprop(0.002),
}


def labelled(*shape, classes=5, rows=70, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, *shape)).astype("float32"), rng.integers(0, classes, size=(rows,))


def mlp(k):
    L = k.layers
    return k.Sequential(
        [
            k.Input((12,)),
            L.Dense(16, activation="relu", kernel_regularizer="l2"),
            L.BatchNormalization(),
            L.Dense(5, activation="softmax"),
        ]
    )


def cnn(k):
    L = k.layers
    return k.Sequential(
        [
            k.Input((10, 10, 2)),
            L.Conv2D(6, 3, activation="relu"),
            L.MaxPooling2D(),
            L.Conv2D(4, 3, padding="same"),
            L.Flatten(),
            L.Dense(5),
        ]
    )


def lstm(k):
    L = k.layers
    return k.Sequential(
        [k.Input((7, 3)), L.LSTM(8, return_sequences=True), L.LSTM(6), L.Dense(5, activation="softmax")]
    )


def two_by_two(k):
    L = k.layers
    a, b = k.Input((4,), name="a"), k.Input((3,), name="b")
    both = L.Concatenate()([L.Dense(6, activation="tanh")(a), L.Dense(5, activation="gelu")(b)])
    return k.Model(
        [a, b], {"value": L.Dense(1, name="value")(both), "kind": L.Dense(5, activation="softmax", name="kind")(both)}
    )


def two_by_two_data():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(70, 4)).astype("float32"), rng.normal(size=(70, 3)).astype("float32")
    return {"a": a, "b": b}, {"value": a[:, :1] * b[:, :1], "kind": rng.integers(0, 5, (70,))}


def from_logits(k):
    return k.losses.SparseCategoricalCrossentropy(from_logits=True)


WORKFLOWS = {
    "mlp": (mlp, lambda: labelled(12), {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}),
    "cnn": (cnn, lambda: labelled(10, 10, 2), {"loss": from_logits, "metrics": ["accuracy"]}),
    "lstm": (lstm, lambda: labelled(7, 3), {"loss": "sparse_categorical_crossentropy", "metrics": ["acc"]}),
    "two by two": (
        two_by_two,
        two_by_two_data,
        {
            "loss": {"value": "mse", "kind": "sparse_categorical_crossentropy"},
            "loss_weights": {"value": 0.5, "kind": 1.0},
            "metrics": {"value": ["mae"], "kind": ["accuracy"]},
        },
    ),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_curves_are_keras(workflow, optimizer):
    recipe, data, arguments = WORKFLOWS[workflow]
    x, y = data()

    def train(k):
        model = seed_weights(recipe(k))
        loss = arguments["loss"](k) if callable(arguments["loss"]) else arguments["loss"]
        model.compile(OPTIMIZERS[optimizer](k), **{**arguments, "loss": loss})
        history = model.fit(x, y, batch_size=16, epochs=3, shuffle=False, validation_split=0.2, verbose=0)
        result = history.history, history.epoch, history.params, model.get_weights()
        return *result, model.evaluate(x, y, verbose=0)

    history, *_ = run_both(train)
    assert history["loss"][-1] < history["loss"][0]
