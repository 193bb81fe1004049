"""What bit people in training, as programs run in both libraries: the lines that no other file has."""

import numpy as np
import pandas as pd
import pytest
import torch

from compat.curves import run_both, seed_weights

X = np.random.default_rng(1).normal(size=(20, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def regressor(k):
    model = seed_weights(k.Sequential([k.Input((3,)), k.layers.Dense(4, activation="tanh"), k.layers.Dense(1)]))
    model.compile(k.optimizers.SGD(0.5), "mse")
    return model


def test_a_schedule_is_given_the_rate_that_a_plateau_left():
    """A schedule of the epoch alone overwrites it each time; one that is given the rate can keep it."""

    def scenario(k):
        found = []
        for schedule in (lambda epoch: 0.5, lambda epoch, rate: rate):
            plateau = k.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=100.0, factor=0.5)
            callbacks = [k.callbacks.LearningRateScheduler(schedule), plateau]
            history = regressor(k).fit(X, Y, epochs=5, verbose=0, shuffle=False, callbacks=callbacks)
            found.append(history.history["learning_rate"])
        return found

    overwritten, kept = run_both(scenario)
    assert overwritten == [0.5] * 5 and kept[-1] < 0.5


def test_class_weights_are_for_one_output():
    def scenario(k):
        x = k.Input((3,))
        model = k.Model(x, [k.layers.Dense(1)(x), k.layers.Dense(1)(x)])
        model.compile("sgd", ["mse", "mse"])
        with pytest.raises(ValueError):
            model.fit(X, [Y, Y], class_weight={0: 1.0, 1: 2.0}, verbose=0)
        seed_weights(model)
        weights = np.linspace(0.5, 2, 20).astype("float32")
        return model.fit(X, [Y, Y], sample_weight=[weights, weights[::-1].copy()], verbose=0, shuffle=False).history

    run_both(scenario)


SPLIT = {
    "arrays": lambda: (X, Y),
    "tensors": lambda: (torch.from_numpy(X), torch.from_numpy(Y)),
    "data frames": lambda: (pd.DataFrame(X, columns=list("abc")), pd.DataFrame(Y, columns=["y"])),
    "frame and series": lambda: (pd.DataFrame(X, columns=list("abc")), pd.Series(Y[:, 0])),
}


@pytest.mark.parametrize("kind", SPLIT)
def test_the_last_part_is_split_off_before_shuffling(kind):
    def scenario(k):
        x, y = SPLIT[kind]()
        k.utils.set_random_seed(3)
        model = regressor(k)
        split = model.fit(x, y, validation_split=0.25, epochs=2, verbose=0).history
        return split, model.get_weights(), model.evaluate(X[15:], Y[15:], verbose=0)

    split, _, last = run_both(scenario)
    assert abs(split["val_loss"][-1] - last) < 1e-5


def test_the_split_of_nests():
    def scenario(k):
        a, b = k.Input((3,), name="a"), k.Input((3,), name="b")
        model = seed_weights(k.Model({"a": a, "b": b}, k.layers.Dense(1)(k.layers.concatenate([a, b]))))
        model.compile("sgd", "mse")
        return model.fit({"a": X, "b": torch.from_numpy(X)}, Y, validation_split=0.25, verbose=0, shuffle=False).history

    run_both(scenario)


def test_a_single_batch_starts_its_metrics_anew():
    def scenario(k):
        model = regressor(k)
        return [model.train_on_batch(X[:4] * n, Y[:4]) for n in (1, 2, 3)], [
            model.test_on_batch(X[:4] * n, Y[:4]) for n in (1, 2)
        ]

    run_both(scenario)
