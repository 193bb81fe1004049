"""`trainable` counts as it was at compile, for every training call until the next one."""

import numpy as np
import pytest

import torchkeras as keras
from torchkeras import layers

ONE, ZERO = np.ones((1, 1), "float32"), np.zeros((1, 1), "float32")


def unit():
    """y = w·x with w = 1; a step of SGD(0.1) on (1, 0) makes 0.8 of it."""
    return keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")])


def value(model):
    return model.get_weights()[0].item()


def compiled(model):
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


@pytest.mark.parametrize("method", ["fit", "train_on_batch"])
def test_freezing_counts_from_the_next_compile(method):
    model = compiled(unit())

    def train():
        getattr(model, method)(ONE, ZERO)
        return pytest.approx(value(model), abs=1e-6)

    assert train() == 0.8
    model.layers[0].trainable = False
    assert train() == 0.64
    assert model.layers[0].trainable is False
    assert [weight.requires_grad for weight in model.weights] == [False]
    compiled(model)
    assert train() == 0.64
    model.layers[0].trainable = True
    assert train() == 0.64
    assert [weight.requires_grad for weight in model.weights] == [True]


def gan():
    discriminator, generator = compiled(unit()), unit()
    discriminator.trainable = False
    noise = keras.Input((1,))
    return discriminator, generator, compiled(keras.Model(noise, discriminator(generator(noise))))


def test_gan_recipe():
    discriminator, generator, both = gan()
    for step in range(1, 4):
        discriminator.train_on_batch(ONE, ZERO)
        assert value(discriminator) == pytest.approx(0.8**step, abs=1e-6)
        before = value(generator)
        both.train_on_batch(ONE, ZERO)
        assert value(discriminator) == pytest.approx(0.8**step, abs=1e-6)
        factor = 0.8**step
        assert value(generator) == pytest.approx(before - 0.2 * before * factor**2, abs=1e-6)


def test_unfreezing_after_compile_changes_nothing():
    discriminator, generator, both = gan()
    discriminator.trainable = True
    both.train_on_batch(ONE, ZERO)
    assert value(discriminator) == 1.0
    assert value(generator) == pytest.approx(0.8, abs=1e-6)
    assert discriminator.trainable is True


def test_flags_survive_an_error_in_training():
    model = compiled(unit())
    model.layers[0].trainable = False

    class Fail(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        model.fit(ONE, ZERO, callbacks=[Fail()], verbose=0)
    assert model.layers[0].trainable is False
    assert [weight.requires_grad for weight in model.weights] == [False]


def test_frozen_batch_normalization_keeps_its_statistics():
    model = keras.Sequential([keras.Input((2,)), layers.BatchNormalization(trainable=False), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(3.0, 2.0, (8, 2)).astype("float32")
    model.fit(x, np.ones((8, 1)), verbose=0)
    np.testing.assert_array_equal(model.layers[0].moving_mean.numpy(), [0, 0])
    np.testing.assert_allclose(model.layers[0](x, training=True).detach(), x / np.sqrt(1.001), rtol=1e-6)


def test_a_model_that_learns_nothing_still_counts():
    model = unit()
    model.trainable = False
    compiled(model)
    assert model.fit(ONE, ZERO, verbose=0).history == {"loss": [1.0]}
    assert value(model) == 1.0


def test_explicit_training_in_the_graph_wins():
    """`layer(x, training=...)` in a functional graph holds in fit and in predict."""
    x = keras.Input((2,))
    frozen = layers.BatchNormalization()
    model = compiled(keras.Model(x, layers.Dense(1)(frozen(x, training=False))))
    model.fit(np.full((4, 2), 5.0), np.ones((4, 1)), verbose=0)
    np.testing.assert_array_equal(frozen.moving_mean.numpy(), [0, 0])

    x = keras.Input((1000,))
    dropped = keras.Model(x, layers.Dropout(0.5)(x, training=True)).predict(np.ones((1, 1000)), verbose=0)
    assert 400 < (dropped == 0).sum() < 600
