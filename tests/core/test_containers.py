"""Weights in lists, dicts and tuples are read as attributes are; layers inside torch's own modules are layers too."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.nn.utils import prune

import torchkeras as keras

layers = keras.layers
X = torch.arange(6.0).reshape(2, 3) / 6


class Rows(layers.Layer):
    """Weights in every kind of container, each read in every way."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rows = [self.weight() for _ in range(2)]
        self.by_name = {"a": self.weight(), "plain": 2.0}
        self.pair = (self.weight(), self.weight())

    def weight(self):
        return self.add_weight(shape=(3,))

    def call(self, x):
        first, _ = self.rows
        for row in [*self.rows, *reversed(self.rows), *self.rows[:1], *self.pair, first]:
            x = x * row
        for value in self.by_name.values():
            x = x + value
        found = dict(self.by_name.items())
        return x * self.by_name["a"] + self.by_name.get("a") * found["plain"] + self.pair[1]


@pytest.fixture
def layer():
    made = Rows()
    made(X)
    return made


def test_weights_are_cast_in_mixed_precision():
    layer = Rows(dtype="mixed_float16")
    assert layer(X).dtype == torch.float16
    assert all(weight.dtype == torch.float32 and isinstance(weight, keras.Variable) for weight in layer.rows)


def test_functional_call_and_its_gradients(layer):
    given = {key: torch.ones(3) for key, _ in layer.named_parameters()}
    expected = X + 3.0
    torch.testing.assert_close(torch.func.functional_call(layer, given, (X,)), expected + 2.0 + 1.0)
    gradients = torch.func.grad(lambda values: torch.func.functional_call(layer, values, (X,)).sum())(given)
    assert all(gradient.abs().sum() > 0 for gradient in gradients.values())


def test_compiled_and_exported(layer):
    expected = layer(X)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(X), expected)
    torch.testing.assert_close(torch.export.export(layer, (X,)).module()(X), expected)


def test_pruned(layer):
    prune.random_unstructured(layer, "rows_0", amount=1.0)
    assert not layer.rows[0].any() and layer.rows[1].all()


def test_copies_read_their_own_weights(layer):
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(other(X), layer(X))
        other.set_weights([np.zeros(3)] * 5)
        assert not other.rows[0].any() and not other.pair[0].any() and layer.rows[0].any()
        assert type(other.rows) is type(layer.rows) and isinstance(other.pair, tuple)


def test_a_list_without_weights_reads_without_a_look():
    layer = layers.Layer()
    layer.rows = [layer.add_weight(shape=()), 1.0]
    kind = type(layer.rows)
    layer.rows.pop(0)
    assert type(layer.rows) is not kind and layer.rows == [1.0]
    assert "__getitem__" not in vars(type(layer.rows))


def test_function_transforms_take_containers_apart():
    layer = layers.Layer()
    layer.rows, layer.by_name = [torch.ones(4, 2), torch.ones(4, 2)], {"b": torch.ones(4), "a": torch.zeros(4)}
    layer.weight = [layer.add_weight(shape=(2,), initializer="ones")]
    summed = torch.vmap(lambda rows, by_name: rows[0] + rows[1] + by_name["a"])(layer.rows, layer.by_name)
    torch.testing.assert_close(summed, torch.full((4, 2), 2.0))
    (gradient,) = torch.func.grad(lambda weights: (weights[0] ** 2).sum())(layer.weight)
    torch.testing.assert_close(gradient, torch.full((2,), 2.0))


# -- layers inside torch's own modules --------------------------------------------------------------------------------


class Counting(layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner, self.seen = layers.Dense(3, kernel_regularizer="l2"), keras.metrics.Mean(name="seen")
        self.seed = keras.random.SeedGenerator(1)

    def call(self, x):
        self.add_loss(x.sum())
        self.seen.update_state(x)
        return self.inner(x)


class Inside(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.scale = Counting(), torch.nn.Parameter(torch.ones(3))

    def forward(self, x):
        return self.layer(x) * self.scale


class Around(keras.Model):
    def __init__(self):
        super().__init__()
        self.listed, self.inside = torch.nn.ModuleList([Counting()]), Inside()

    def call(self, x):
        return self.inside(self.listed[0](x))


def test_layers_inside_torch_modules_have_losses_metrics_and_seeds():
    model = Around()
    model(X)
    assert [type(each) for each in model.layers] == [Counting, Counting]
    assert len(model.losses) == 4 and len(model.metrics) == 2
    assert len(model.weights) == 5 and len(model.variables) == 7
    model.compile("sgd", "mse")
    assert set(model.fit(X, X, verbose=0).history) == {"loss", "seen"}


def test_freezing_reaches_layers_inside_torch_modules():
    model = Around()
    model(X)
    model.trainable = False
    assert not model.listed[0].inner.trainable and not any(p.requires_grad for p in model.parameters())
    model.trainable = True
    assert len(model.trainable_weights) == 5 and all(p.requires_grad for p in model.parameters())


def test_layers_that_a_functional_subclass_adds_count():
    class Extended(keras.Model):
        def __init__(self):
            inputs = keras.Input((3,))
            super().__init__(inputs, layers.Dense(3)(inputs))
            self.extra = Counting()

        def call(self, x):
            return self.extra(super().call(x))

    model = Extended()
    model(X)
    assert len(model.losses) == 2 and len(model.metrics) == 1
    model.trainable = False
    assert model.trainable_weights == [] and not model.extra.inner.kernel.requires_grad
