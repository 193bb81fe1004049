"""The predictions of all batches: of every kind that a step may return, joined over batches of different sizes."""

import numpy as np
import pytest
import torch

import torchkeras as keras

X = np.arange(33, dtype="float32").reshape(11, 3)


def predict(step, batch_size=4, **options):
    """What `predict` makes of a step's outputs, for batches of 4, 4 and 3 samples."""

    class Model(keras.Model):
        def predict_step(self, data):
            return step(data)

    return Model().predict(X, batch_size=batch_size, verbose=0, **options)


@pytest.mark.parametrize("batch_size", [4, 32])
@pytest.mark.parametrize(
    "step",
    [
        lambda x: x,
        lambda x: x.numpy(),
        lambda x: x.numpy().astype("float16"),
        lambda x: x.to(torch.int32),
        lambda x: x > 3,
        lambda x: x[:, 0],
        lambda x: x[:, [2, 0]].t().contiguous().t(),
        lambda x: torch.cat([x, x]),
        lambda x: x[:2],
        lambda x: np.array([f"row {int(row[0])}" for row in x]),
        lambda x: x.numpy() if x[0, 0] else x,
        lambda x: x.to(torch.int64) if x[0, 0] else x,
    ],
)
def test_one_output(step, batch_size):
    parts = [step(torch.from_numpy(X[start : start + batch_size])) for start in range(0, 11, batch_size)]
    expected = np.concatenate([np.asarray(part) for part in parts])
    got = predict(step, batch_size)
    assert isinstance(got, np.ndarray) and got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_structures_and_none():
    got = predict(lambda x: {"a": [x, (x.numpy(),)], "none": None})
    assert list(got) == ["a", "none"] and got["none"] is None and isinstance(got["a"][1], tuple)
    np.testing.assert_array_equal(got["a"][0], X)
    np.testing.assert_array_equal(got["a"][1][0], X)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda x: x.sum(), "single value"),
        (lambda x: 3.0, "single value"),
        (lambda x: [1.0, 2.0], "single value"),
        (lambda x: x[:, : len(x) - 1], r"\(8, 3\), \(3, 2\)"),
        (lambda x: [x] * len(x), "outputs"),
    ],
)
def test_outputs_that_do_not_join(step, message):
    with pytest.raises(ValueError, match=message):
        predict(step)


def test_predictions_are_the_users_own():
    x = X.copy()
    for batch_size in (4, 32):
        got = keras.Sequential([keras.Input((3,)), keras.layers.Activation("linear")]).predict(
            x, batch_size=batch_size, verbose=0
        )
        got[:] = 0
    np.testing.assert_array_equal(x, X)


def test_stopping_gives_what_there_is():
    class Stop(keras.callbacks.Callback):
        def on_predict_batch_end(self, batch, logs=None):
            self.model.stop_predicting = batch == 1

    got = predict(lambda x: x, callbacks=[Stop()])
    np.testing.assert_array_equal(got, X[:8])
    assert got.base is None or got.base.shape[0] == 8  # the room for the rest is not kept


def test_hooks_see_the_outputs_of_all_batches_since_the_last():
    seen = []

    class See(keras.callbacks.Callback):
        def on_predict_batch_begin(self, batch, logs=None):
            seen.append(batch)

        def on_predict_batch_end(self, batch, logs=None):
            seen.append((batch, logs["outputs"].shape))

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse", steps_per_execution=2)
    model.predict(X, batch_size=4, verbose=0, callbacks=[See()])
    assert seen == [0, (1, (8, 2)), 2, (2, (3, 2))]
