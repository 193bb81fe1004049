"""`stateless_call`: everything that a call would change is taken and returned; the real objects stay as they are."""

import numpy as np
import pytest
import torch

import torchkeras as keras

layers = keras.layers
X = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))


class Everything(keras.Model):
    """A counter, a list of layers, seeds, a metric, losses, torch's own modules and parameters."""

    def __init__(self):
        super().__init__()
        self.steps = [layers.Dense(3, kernel_regularizer="l2"), layers.BatchNormalization()]
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")
        self.seed, self.seen = keras.random.SeedGenerator(3), keras.metrics.Mean(name="seen")
        self.norm, self.scale = torch.nn.BatchNorm1d(3), torch.nn.Parameter(torch.ones(3))

    def call(self, x, training=False):
        self.calls.assign_add(1.0)
        for step in self.steps:
            x = step(x)
        x = self.norm(x) * self.scale
        self.seen.update_state(x)
        self.add_loss(x.sum())
        return x + self.calls + keras.random.normal((1,), seed=self.seed)


def everything_of(model):
    found = {key: value.clone() for key, value in model.state_dict().items()}
    found["metric"] = torch.stack([v.detach() for v in model.seen.variables])
    found["seed"] = model.seed.state.detach().clone()
    return found


def values(variables):
    return [variable.detach().clone() for variable in variables]


def test_nothing_of_the_model_moves():
    model = Everything()
    model(X, training=True)
    before, losses = everything_of(model), model.losses
    trainable, rest = values(model.trainable_variables), values(model.non_trainable_variables)
    for _ in range(2):
        model.stateless_call(trainable, rest, X, training=True, return_losses=True)
    after = everything_of(model)
    assert before.keys() == after.keys()
    for key, value in before.items():
        torch.testing.assert_close(after[key], value, rtol=0, atol=0, msg=key)
    assert model.losses[0] is losses[0]


def test_what_comes_back_is_what_a_call_would_have_made():
    model = Everything()
    model(X)
    trainable, rest = values(model.trainable_variables), values(model.non_trainable_variables)
    outputs, after, losses = model.stateless_call(trainable, rest, X, training=True, return_losses=True)
    torch.testing.assert_close(model(X, training=True), outputs)
    for variable, value in zip(model.non_trainable_variables, after, strict=True):
        torch.testing.assert_close(variable.detach(), value.detach())
    assert [float(loss) for loss in model.losses] == pytest.approx([float(loss) for loss in losses])
    third, again = model.stateless_call(trainable, after, X, training=True)
    assert float(again[0]) == 3.0 and not torch.equal(third, outputs)


def test_losses_are_those_of_the_given_values():
    model = Everything()
    model(X)
    trainable = [torch.full_like(value, 2.0).requires_grad_() for value in values(model.trainable_variables)]
    _, _, losses = model.stateless_call(trainable, values(model.non_trainable_variables), X, return_losses=True)
    assert float(losses[-1]) == pytest.approx(0.01 * 4 * 9)
    kernel = next(i for i, v in enumerate(model.trainable_variables) if v is model.steps[0].kernel)
    (gradient,) = torch.autograd.grad(losses[-1], trainable[kernel])
    torch.testing.assert_close(gradient, torch.full((3, 3), 0.04))


def test_state_can_be_carried_along_outside_the_model():
    model = keras.Sequential([keras.Input((3,)), layers.Dropout(0.5, seed=1)])
    rest = values(model.non_trainable_variables)
    first, rest_after = model.stateless_call([], rest, X, training=True)
    second, _ = model.stateless_call([], rest_after, X, training=True)
    again, _ = model.stateless_call([], rest, X, training=True)
    assert torch.equal(first, again) and not torch.equal(first, second)


def test_under_function_transforms():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization()])
    rest = values(model.non_trainable_variables)
    two = [torch.stack([value, value * 2]) for value in values(model.trainable_variables)]
    outputs = torch.func.vmap(lambda each: model.stateless_call(each, rest, X)[0])(two)
    for index in range(2):
        expected, _ = model.stateless_call([value[index] for value in two], rest, X)
        torch.testing.assert_close(outputs[index], expected)


def test_values_that_do_not_fit():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    for trainable, what in ([], "trainable_variables must hold 2"), ([np.ones((3, 3)), np.ones(2)], "has shape"):
        with pytest.raises(ValueError, match=what):
            model.stateless_call(trainable, [], X)
    unbuilt = layers.Dense(2)
    with pytest.raises(ValueError, match="build"):
        unbuilt.stateless_call([], [], X)
    outputs, _ = model.stateless_call([np.ones((3, 2)), [1, 2]], [], X)  # float64 and integers are cast
    torch.testing.assert_close(outputs, X.sum(1, keepdim=True) + torch.tensor([1.0, 2.0]))
