"""`losses` is what the last forward added, each value once, whoever was called and however it was added."""

import copy
import pickle

import pytest
import torch

import torchkeras as keras
from torchkeras import layers


class Adds(layers.Layer):
    """Adds the given multiples of its sum, in training or always, and calls the layers inside."""

    def __init__(self, *factors, inside=(), training_only=False, as_list=False, **kwargs):
        super().__init__(**kwargs)
        self.factors, self.inside = factors, list(inside)
        self.training_only, self.as_list = training_only, as_list

    def call(self, x, training=False):
        values = [factor * x.sum() for factor in self.factors] if training or not self.training_only else []
        if self.as_list:
            self.add_loss(values)
        else:
            for value in values:
                self.add_loss(value)
        for layer in self.inside:
            x = layer(x)
        return x


def numbers(layer):
    return sorted(float(value) for value in layer.losses)


X = torch.ones(2, 3)  # sums to 6


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("inside", [0, 1, 2])
@pytest.mark.parametrize("regularizer", [None, "l2"])
def test_each_value_counts_once(as_list, inside, regularizer):
    layer = Adds(1, 2, inside=[Adds(3) for _ in range(inside)], as_list=as_list, activity_regularizer=regularizer)
    for _ in range(3):
        layer(X)
        assert numbers(layer) == pytest.approx(
            sorted([6.0, 12.0] + [18.0] * inside + ([0.03] if regularizer else [])), rel=1e-6
        )


def test_a_layer_that_is_used_twice_adds_twice():
    inner = Adds(1)
    outer = Adds(inside=[inner, inner])
    outer(X)
    assert numbers(outer) == numbers(inner) == [6.0, 6.0]


@pytest.mark.parametrize("inside", [False, True])
def test_what_is_added_in_training_only_is_gone_after_inference(inside):
    layer = Adds(1, training_only=True)
    outer = Adds(inside=[layer]) if inside else layer
    outer(X, training=True)
    assert numbers(outer) == numbers(layer) == [6.0]
    outer(X, training=False)
    assert outer.losses == layer.losses == []


def test_a_call_of_a_part_replaces_the_losses_of_that_part_only():
    first, second = Adds(1), Adds(2)
    outer = Adds(inside=[first, second])
    outer(X)
    first(2 * X)
    assert numbers(outer) == [12.0, 12.0]
    assert float(first.losses[0]) == 12.0


def test_a_model_gathers_what_its_parts_added_without_being_called():
    model = Adds(inside=[Adds(1), Adds(inside=[Adds(2)])])
    for _ in range(2):
        for part in model.inside:
            part(X)
        assert numbers(model) == [6.0, 12.0]


def test_parts_that_join_later_count():
    model = Adds(1)
    model(X)
    late = Adds(5)
    late(X)
    model.inside.append(late)
    model(X)
    assert numbers(model) == [6.0, 30.0]
    model.inside.clear()
    model(X)
    assert numbers(model) == [6.0]


def test_a_layer_without_losses_stays_on_the_short_path_until_it_adds_one():
    class Sometimes(layers.Layer):
        def call(self, x):
            if x.sum() > 10:
                self.add_loss(x.sum())
            return x

    layer = Sometimes()
    counts = []
    for factor in (1, 1, 2, 1, 2):
        layer(factor * X)
        counts.append(len(layer.losses))
    assert counts == [0, 0, 1, 0, 1]


def test_a_failed_call_leaves_no_open_scope():
    class Fails(layers.Layer):
        def call(self, x):
            self.add_loss(x.sum())
            raise RuntimeError("no")

    outer = Adds(1, inside=[Fails()])
    with pytest.raises(RuntimeError, match="no"):
        outer(X)
    healthy = Adds(1)
    for _ in range(2):
        healthy(X)
    assert numbers(healthy) == [6.0]


def test_functions_count_always():
    layer = Adds(1)
    layer.add_loss(lambda: torch.tensor(0.5))
    assert numbers(layer) == [0.5]
    layer(X)
    assert numbers(layer) == [0.5, 6.0]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_begin_without_losses(copied):
    layer = Adds(1, inside=[layers.Dense(2, activity_regularizer="l2")])
    layer(X)
    twin = copied(layer)
    assert twin.losses == []
    twin(X)
    assert len(twin.losses) == len(layer.losses) == 2


def test_losses_in_a_functional_model_and_its_parts():
    inputs = keras.Input((3,))
    inner = keras.Model(inputs, Adds(1)(inputs))
    outer_input = keras.Input((3,))
    outer = keras.Model(outer_input, Adds(2)(inner(outer_input)))
    for _ in range(2):
        outer(X)
        assert numbers(outer) == [6.0, 12.0]
    inner(X)
    assert numbers(inner) == [6.0]
    assert numbers(outer) == [6.0, 12.0]


def test_building_and_wiring_add_nothing():
    layer = Adds(1, activity_regularizer="l2")
    layer(keras.Input((3,)))
    assert layer.losses == []


@pytest.mark.parametrize("fullgraph", [True, False])
def test_compiled_calls_replace_their_losses_too(fullgraph):
    layer = Adds(1, inside=[layers.Dense(2, activity_regularizer="l2", kernel_initializer="ones"), Adds(2)])
    layer(X)
    eager = numbers(layer)
    compiled = torch.compile(layer, backend="eager", fullgraph=fullgraph)
    for _ in range(3):
        compiled(X)
        assert numbers(layer) == pytest.approx(eager)


def test_gradients_flow_through_losses_of_a_compiled_call():
    layer = layers.Dense(2, activity_regularizer="l2")
    layer(X)
    torch.compile(layer, backend="eager")(X)
    layer.losses[0].backward()
    assert layer.kernel.grad.abs().sum() > 0


def test_rematerialized_layers_add_once():
    with keras.RematScope("full"):
        layer = Adds(1, inside=[Adds(2)])
    x = X.clone().requires_grad_()
    (layer(x) ** 2).sum().backward()
    assert numbers(layer) == [6.0, 12.0]
