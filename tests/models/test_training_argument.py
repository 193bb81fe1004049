"""What `training` reaches which layer, where the two generations of Keras differ."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.core import scopes


@pytest.fixture
def seen():
    return []


@pytest.fixture
def spy(seen):
    class Spy(layers.Layer):
        def call(self, x, training=None):
            seen.append(training)
            return x

    return Spy


def around(*inner, default=None, **arguments):
    """A layer without or with a `training` argument of its own that calls the given ones."""

    class Around(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = list(inner)

        def call(self, x):
            for layer in self.inner:
                layer(x, **arguments)
            return x

    class AroundTrue(Around):
        def call(self, x, training=True):
            return super().call(x)

    return AroundTrue() if default else Around()


def test_false_in_the_graph_wins_over_fit():
    x, norm = keras.Input((4,)), layers.BatchNormalization()
    model = keras.Model(x, norm(x, training=False))
    model.compile("sgd", "mse")
    data = np.full((32, 4), 5.0, "float32")
    model.fit(data, data, verbose=0)
    model(torch.ones(2, 4), training=True)
    assert norm.moving_mean.abs().sum() == 0


def test_false_in_the_graph_reaches_nested_models():
    x, base = keras.Input((4,)), keras.Sequential([layers.BatchNormalization()])
    model = keras.Model(x, base(x, training=False))
    model.train()
    model(torch.ones(2, 4), training=True)
    model(torch.ones(2, 4))
    assert base.layers[0].moving_mean.abs().sum() == 0


def test_true_in_the_graph_wins_over_predict():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dropout(0.5)(x, training=True))
    assert 0.3 < (model.predict(np.ones((200, 4)), verbose=0) == 0).mean() < 0.7
    assert (model(torch.ones(200, 4), training=False) == 0).any()


def test_frozen_normalization_uses_its_statistics():
    norm = layers.BatchNormalization(trainable=False)
    output = norm(torch.full((2, 3), 2.0), training=True)
    torch.testing.assert_close(output, torch.full((2, 3), 2 / 1.001**0.5))
    assert norm.moving_mean.abs().sum() == 0


def test_passes_through_layers_without_the_argument(seen, spy):
    layer, x = around(spy()), torch.ones(1)
    layer(x)
    layer(x, training=True)
    layer(x, training=False)
    assert seen == [None, True, False]


def test_default_of_a_call_reaches_the_layers_inside(seen, spy):
    layer, x = around(spy(), spy(), default=True), torch.ones(1)
    layer(x)
    assert seen == [True, True]
    layer(x, training=False)
    assert seen[2:] == [False, False]


def test_default_ranks_below_an_outer_call_and_the_learning_phase(seen, spy):
    layer, x = around(around(spy(), default=True)), torch.ones(1)
    layer(x, training=False)
    with scopes.override(learning_phase=False):
        layer(x)
    layer(x)
    assert seen == [False, False, True]


def test_training_given_by_position_reaches_the_layers_inside(seen, spy):
    layer, x = around(spy(), default=True), torch.ones(1)
    layer(x)
    layer(x, False)
    layer(x, True)
    assert seen == [True, False, True]


def test_explicit_value_does_not_leak_to_siblings(seen, spy):
    class Mixed(layers.Layer):
        def __init__(self):
            super().__init__()
            self.first, self.second = around(spy()), around(spy())

        def call(self, x):
            self.first(x, training=False)
            return self.second(x)

    Mixed()(torch.ones(1), training=True)
    assert seen == [False, True]


@pytest.mark.parametrize("functional", [True, False])
def test_models(seen, spy, functional):
    if functional:
        x = keras.Input((2,))
        model = keras.Model(x, around(spy())(x))
    else:
        model = keras.Sequential([keras.Input((2,)), around(spy())])
    seen.clear()
    data = torch.ones(2, 2)
    model(data)
    model(data, training=True)
    model.train()
    model(data)
    model(data, training=False)
    model.eval()
    model(data)
    assert seen == [None, True, True, False, None]


def test_learning_phase_ranks_below_arguments():
    drop, data = layers.Dropout(0.5), torch.ones(100)
    with scopes.override(learning_phase=True):
        assert (drop(data) == 0).any()
        assert not (drop(data, training=False) == 0).any()
    assert not (drop(data) == 0).any()


def test_none_given_takes_the_place_of_another_default(seen, spy):
    class Sampler(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = spy()

        def call(self, x, training=True):
            seen.append(training)
            return self.inner(x)

    layer, x = Sampler(), torch.ones(1)
    layer(x, training=None)  # builds
    layer(x, training=None)
    layer(x, None)
    layer(x)
    assert seen == [None, None] * 3 + [True, True]
