"""Losses added in `call`, beside Keras's: how they are added x in what kind of model x how the model is used."""

import itertools

import keras
import numpy as np
import pytest
import torch

import torchkeras

X = np.random.default_rng(3).normal(size=(12, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)

HOWS = ("once", "twice", "list", "training only", "regularizer", "regularizer and once", "nothing")
SHAPES = ("flat", "with sublayers", "nested", "shared")
MODELS = ("sequential", "functional", "subclassed", "nested functional")


def adder(k, how, inner):
    """A layer that adds losses in one of the ways."""

    class Adder(k.layers.Layer):
        def __init__(self):
            super().__init__(activity_regularizer="l2" if "regularizer" in how else None)
            self.inner = inner

        def call(self, x, training=False):
            value = k.ops.mean(k.ops.square(x))
            if "once" in how or how == "twice" or (how == "training only" and training):
                self.add_loss(value)
            if how == "twice":
                self.add_loss(2 * value)
            if how == "list":
                self.add_loss([value, 3 * value])
            for layer in self.inner:
                x = layer(x)
            return x

    return Adder()


def dense(k, units, seed):
    return k.layers.Dense(units, kernel_initializer=k.initializers.RandomNormal(seed=seed), kernel_regularizer="l2")


def layer_of(k, how, shape):
    if shape == "flat":
        return adder(k, how, [])
    if shape == "with sublayers":
        return adder(k, how, [dense(k, 3, 1)])
    if shape == "nested":
        return adder(k, how, [adder(k, how, [dense(k, 3, 1)]), adder(k, "once", [])])
    part = adder(k, how, [])
    return adder(k, how, [part, dense(k, 3, 1), part])


def model_of(k, how, shape, kind):
    layer, head = layer_of(k, how, shape), dense(k, 1, 2)
    if kind == "sequential":
        return k.Sequential([k.Input((3,)), layer, head])
    if kind == "subclassed":

        class Two(k.Model):
            def __init__(self):
                super().__init__()
                self.layer, self.head = layer, head

            def call(self, x, training=False):
                return self.head(self.layer(x, training=training))

        return Two()
    inputs = k.Input((3,))
    model = k.Model(inputs, head(layer(inputs)))
    if kind == "functional":
        return model
    outer = k.Input((3,))
    return k.Model(outer, model(outer))


def numbers(losses):
    return sorted(float(value.detach() if isinstance(value, torch.Tensor) else value) for value in losses)


def history(k, how, shape, kind):
    """What is seen of the losses in calls, fit and evaluate."""
    model, seen = model_of(k, how, shape, kind), []
    model(X[:4])
    seen.append(numbers(model.losses))
    model(X[:4], training=True)
    seen.append(numbers(model.losses))
    model.compile(k.optimizers.SGD(0.05), "mse")
    fitted = model.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0, validation_data=(X[:6], Y[:6]))
    seen.append(fitted.history["loss"] + fitted.history["val_loss"])
    with torch.no_grad():
        model(X[:4])
    seen.append(numbers(model.losses))
    seen.append([model.evaluate(X, Y, verbose=0)])
    return seen


@pytest.mark.parametrize("how, shape, kind", list(itertools.product(HOWS, SHAPES, MODELS)))
def test_losses_agree(how, shape, kind):
    theirs, ours = history(keras, how, shape, kind), history(torchkeras, how, shape, kind)
    for a, b in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-6)


def parts_in_a_step(k, how, shape):
    """A custom step that calls the parts and reads `self.losses`."""
    seen = []

    class Parts(k.Model):
        def __init__(self):
            super().__init__()
            self.first, self.head = layer_of(k, how, shape), dense(k, 1, 2)

        def call(self, x, training=False):
            return self.head(self.first(x))

        def train_step(self, data):
            x, y = data
            prediction = self.head(self.first(x, training=True), training=True)
            added = self.losses
            seen.append(numbers(added))
            loss = k.ops.mean(k.ops.square(y - prediction)) + sum(added)
            self.zero_grad()
            loss.backward()
            trainable = self.trainable_weights
            grads = [w.value.grad if k is keras else w.grad for w in trainable]
            with torch.no_grad():
                self.optimizer.apply(grads, trainable)
            return {"loss": loss.detach()}

    model = Parts()
    model(X[:2])
    model.compile(k.optimizers.SGD(0.05), "mse")
    model.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    return seen, model.get_weights()


@pytest.mark.parametrize("how, shape", list(itertools.product(HOWS, SHAPES)))
def test_losses_of_parts_agree_in_a_custom_step(how, shape):
    (their_losses, their_weights), (losses, weights) = (parts_in_a_step(k, how, shape) for k in (keras, torchkeras))
    for a, b in zip(their_losses + their_weights, losses + weights, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-6)


def test_a_part_that_this_step_does_not_call_has_no_losses_left():
    """Keras keeps those of an earlier step, with a graph that is gone."""

    class Alternating(torchkeras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [torchkeras.layers.Dense(1, activity_regularizer="l2") for _ in range(2)]
            self.counts = []

        def call(self, x):
            return self.parts[0](x) + self.parts[1](x)

        def train_step(self, data):
            part = self.parts[len(self.counts) % 2]
            loss = part(data[0]).sum()
            self.counts.append(len(self.losses))
            return {"loss": loss.detach()}

    model = Alternating()
    model(X)
    model.compile("sgd")
    model.fit(X, Y, batch_size=3, verbose=0)
    assert model.counts == [1, 1, 1, 1]
