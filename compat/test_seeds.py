"""After `set_random_seed` the same code gives the same numbers here and in Keras on torch: first weights bit for
bit, and the loss curve of `fit` with shuffling and dropout to 1e-5.
"""

import keras as real
import numpy as np
import pytest

import torchkeras as ours

X = np.random.RandomState(0).randn(37, 6).astype("float32")
Y = np.tanh(X.sum(1, keepdims=True))


def both(function):
    results = []
    for keras in (ours, real):
        keras.utils.clear_session()
        keras.utils.set_random_seed(3)
        results.append(function(keras))
    return results


def dense(keras, dropout=0.3):
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dropout(dropout), layers.Dense(1)]
    )


def deferred(keras):
    layers = keras.layers
    return keras.Sequential([layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.Dense(1)])


def seeded_dropout(keras):
    layers = keras.layers
    return keras.Sequential([keras.Input((6,)), layers.Dense(8), layers.Dropout(0.3, seed=7), layers.Dense(1)])


def noisy(keras):
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((6,)), layers.GaussianNoise(0.1), layers.Dense(8), layers.GaussianDropout(0.2), layers.Dense(1)]
    )


def subclassed(keras):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.a, self.drop, self.b = keras.layers.Dense(8), keras.layers.Dropout(0.3), keras.layers.Dense(1)

        def call(self, x, training=None):
            return self.b(self.drop(self.a(x), training=training))

    return Net()


def recurrent(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Reshape((3, 2)),
            layers.LSTM(4, dropout=0.2, return_sequences=True),
            layers.GRU(4, dropout=0.1, recurrent_dropout=0.2, seed=5, return_sequences=True),
            layers.SimpleRNN(4, dropout=0.2, recurrent_dropout=0.1),
            layers.Dense(1),
        ]
    )


def own_step(keras):
    class Net(keras.Sequential):
        def compile(self, optimizer, loss):
            super().compile(optimizer)
            self.mse = keras.losses.MeanSquaredError()

        def train_step(self, data):
            self.zero_grad()
            loss = self.mse(data[1], self(data[0], training=True))
            loss.backward()
            self.optimizer.apply([v.value.grad for v in self.trainable_weights], self.trainable_weights)
            return {"batch_loss": loss}

        def test_step(self, data):
            return {"batch_loss": self.mse(data[1], self(data[0], training=False))}

    return Net([keras.Input((6,)), keras.layers.Dense(4), keras.layers.Dropout(0.3), keras.layers.Dense(1)])


MODELS = [dense, deferred, seeded_dropout, noisy, subclassed, recurrent, own_step]


@pytest.mark.parametrize("make", [dense, seeded_dropout, noisy, recurrent])
def test_first_weights_are_bit_identical(make):
    a, b = both(lambda keras: make(keras).get_weights())
    assert len(a) == len(b)
    for mine, theirs in zip(a, b):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize(
    "options",
    [{}, {"shuffle": False}, {"validation_split": 0.2}, {"batch_size": 64}, {"batch_size": 5, "steps_per_epoch": 3}],
    ids=["shuffle", "in order", "validation", "one batch", "steps"],
)
def test_fit_follows_the_same_curve(make, options):
    def curve(keras):
        model = make(keras)
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
        history = model.fit(X, Y, **{"epochs": 3, "batch_size": 8, "verbose": 0, **options}).history
        return history

    a, b = both(curve)
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_allclose(a[key], b[key], rtol=1e-5, atol=1e-6, err_msg=key)


def test_calls_in_a_row_stay_in_step():
    def losses(keras):
        model = dense(keras)
        model.compile("sgd", "mse")
        found = model.fit(X, Y, epochs=1, verbose=0).history["loss"]
        found.append(model.evaluate(X, Y, verbose=0))
        found.append(model.predict(X, verbose=0).sum())
        found.append(model.train_on_batch(X, Y))
        return found + model.fit(X, Y, epochs=2, verbose=0).history["loss"]

    a, b = both(losses)
    np.testing.assert_allclose(a, b, rtol=1e-5)
