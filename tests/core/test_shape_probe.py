"""Shape inference by running on shapes: the traps, each by name."""

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers
from torchkeras.errors import ShapeInferenceError


def layer_of(function, **members):
    """A layer whose `call` is a function."""
    return type("Made", (layers.Layer,), {"call": lambda self, x: function(x), **members})()


def shape_of(function, *shape):
    return tuple(layer_of(function)(keras.Input(batch_shape=shape)).shape)


@pytest.mark.parametrize(
    "shape", [(None, None, None), (None, 720, None), (None, 1440, 5), (720, 1440, None), (None, None, 5040)]
)
def test_fill_sizes_do_not_collide(shape):
    expected = [None if size is None else -(-size // step) for size, step in zip(shape, (1, 2, 3), strict=True)]
    assert shape_of(lambda x: x[:, ::2, ::3], *shape) == tuple(expected)


@pytest.mark.parametrize(
    "function, shape, expected",
    [
        (lambda x: torch.cat([x, x], 1), (None, None, 3), (None, None, 3)),
        (lambda x: x.reshape(x.shape[0], -1), (None, 4, 3), (None, 12)),
        (lambda x: x.reshape(x.shape[0], -1), (None, None, 3), (None, None)),
        (lambda x: x.reshape(-1, x.shape[1] // 4, 4, 3), (None, None, 3), (None, None, 4, 3)),
        (lambda x: x.mean(0, keepdim=True), (None, 3), (1, 3)),
        (lambda x: torch.nonzero(x), (None, 3), (None, 2)),
        (lambda x: x * float(x.sum().item()), (None, 3), (None, 3)),
        (lambda x: torch.as_tensor(np.tanh(x.detach().numpy())), (None, 3), (None, 3)),
        (lambda x: x + torch.arange(3) + torch.zeros(3) + torch.from_numpy(np.ones(3)), (None, 3), (None, 3)),
    ],
)
def test_shapes(function, shape, expected):
    assert shape_of(function, *shape) == expected


def test_strided_modules():
    inner = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, 2, 1), nn.AvgPool2d(2))
    assert shape_of(inner, None, 3, None, None) == (None, 8, None, None)


def test_structures_and_dtypes():
    found = layer_of(lambda x: {"a": x, "b": [x.long(), x > 0]})(keras.Input((3,)))
    assert (found["a"].dtype, found["b"][0].dtype, found["b"][1].dtype) == ("float32", "int64", "bool")


class Scale(layers.Layer):
    """Its weight has the size of the second axis, or of the last."""

    def __init__(self, axis=-1):
        super().__init__()
        self.axis = axis

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[self.axis],))

    def call(self, x):
        return x * self.scale.unsqueeze(-1) if self.axis == 1 else x * self.scale


class Shorter(layers.Layer):
    """Drops the first step, then calls a layer that is not built yet."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x[:, 1:])


def test_nested_build_sees_none():
    inner = Scale()
    layer_of(lambda x: inner(x))(keras.Input((None, 3)))
    assert inner.get_build_config() == {"input_shape": (None, None, 3)}
    assert not inner.scale.is_meta


def test_nested_build_on_a_size_that_follows_from_an_unknown_one():
    inner = Scale()
    Shorter(inner)(keras.Input((None, 3)))
    assert inner.get_build_config() == {"input_shape": (None, None, 3)}


def test_weight_of_an_unknown_size():
    with pytest.raises(ValueError, match="known"):
        Scale(axis=1)(keras.Input((None, 3)))
    with pytest.raises(ShapeInferenceError, match="known"):
        Shorter(Scale(axis=1))(keras.Input((None, 3)))


def test_nothing_real_is_touched():
    class Busy(layers.Layer):
        def __init__(self):
            super().__init__()
            self.count = self.add_weight(shape=(), trainable=False, initializer="zeros")
            self.drop, self.linear, self.norm = layers.Dropout(0.5), nn.Linear(3, 5), nn.BatchNorm1d(5)
            self.total = torch.zeros(3)

        def call(self, x, training=None):
            self.count.assign_add(1)
            with torch.no_grad():
                self.count.add_(1)
                self.total.add_(1)
            self.add_loss(x.sum())
            return self.norm(self.linear(self.drop(x, training=True) + self.total))

    busy = Busy()
    random, before = torch.get_rng_state(), [v.tolist() for v in busy.variables]
    assert busy(keras.Input((3,)), training=True).shape == (None, 5)
    assert torch.equal(random, torch.get_rng_state())
    assert [v.tolist() for v in busy.variables] == before
    assert busy.total.sum() == 0
    assert busy.norm.num_batches_tracked == 0
    assert busy.losses == []
    busy(torch.ones(1, 3))
    assert float(busy.count) == 2


def test_losses_of_the_last_real_call_stay():
    layer = layers.ActivityRegularization(l2=1.0)
    layer(torch.ones(2, 3))
    layer(keras.Input((3,)))
    assert [float(value) for value in layer.losses] == [3.0]


def test_explicit_shape_wins():
    def never(x):
        raise AssertionError("call() was run")

    layer = layer_of(never, compute_output_shape=lambda self, shape: (shape[0], 9))
    assert layer(keras.Input((3,))).shape == (None, 9)


def test_a_users_bug_surfaces_as_itself():
    def bug(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        shape_of(bug, None, 3)
    with pytest.raises(RuntimeError):
        shape_of(lambda x: x @ torch.ones(7, 7), None, 3)


@pytest.mark.parametrize("function", [lambda x: x.sum() if x.shape[0] > 1000 else x, lambda x: 3])
def test_what_cannot_be_found(function):
    with pytest.raises(ShapeInferenceError):
        shape_of(function, None, 3)


def pair_shape(function, one, other):
    return tuple(torch_function(function)(keras.KerasTensor(one), keras.KerasTensor(other)).shape)


def torch_function(function):
    """A function of two tensors as an operation without a rule."""
    return type("Made", (keras.Operation,), {"call": lambda self, x, y: function(x, y)})()


@pytest.mark.parametrize(
    "function, one, other, expected",
    [
        (torch.add, (None, 3), (5, 3), (5, 3)),
        (torch.add, (None, None, 3), (5, 1), (None, 5, 3)),
        (torch.add, (None, 3), (None, 3), (None, 3)),
        (torch.add, (None, 3), (1, 3), (None, 3)),
        (torch.matmul, (None, None), (5, None), (None, None)),
        (torch.matmul, (2, None), (3, 4), (2, 4)),
        (lambda x, y: torch.stack([x, y, x]), (None, 3), (5, 3), (3, 5, 3)),
        (lambda x, y: torch.stack([x, y]), (None, None), (5, None), (2, 5, None)),
        (lambda x, y: torch.cat([x, y], 1), (None, None, 3), (4, None, 3), (4, None, 3)),
        (lambda x, y: torch.cat([x, y], -1), (None, None, 3), (None, None, 5), (None, None, 8)),
        (lambda x, y: torch.tensordot(x, y, [[1], [1]]), (2, None, 3), (2, 5, 3), (2, 3, 2, 3)),
        (lambda x, y: torch.zeros(x.shape[0] - y.shape[0] + 1, 3), (None, 3), (None, 3), (None, 3)),
        (lambda x, y: x.reshape(-1, 11) * y, (None,), (11,), (None, 11)),
    ],
)
def test_unknown_beside_known(function, one, other, expected):
    assert pair_shape(function, one, other) == expected


@pytest.mark.parametrize(
    "function, shape, expected",
    [
        (lambda x: x[:, :5], (None, None, 3), (None, None, 3)),
        (lambda x: x[:, -5:], (None, None, 3), (None, None, 3)),
        (lambda x: x[:, :200], (None, None, 3), (None, None, 3)),
        (lambda x: x[:, :, :2], (None, None, 3), (None, None, 2)),
        (lambda x: torch.diagonal(x, dim1=1, dim2=2), (None, None, 4), (None, None)),
        (lambda x: x[:, : max(1, x.shape[1] // 300)], (None, None), (None, None)),
        (lambda x: x[:, :: -(-x.shape[1] // 4)], (None, None), (None, None)),
        (lambda x: torch.nn.functional.max_pool1d(x, 50, 50, ceil_mode=True), (None, 2, None), (None, 2, None)),
        (lambda x: torch.conv1d(x, torch.zeros(3, 2, 41), stride=20)[..., :1], (None, 2, None), (None, 3, 1)),
        (lambda x: torch.squeeze(x), (None, 4, 1), (None, 4)),
        (lambda x: torch.linalg.inv(x + 0), (None, None), (None, None)),
        (lambda x: x[x > 0], (4, 3), (None,)),
        (lambda x: torch.unique(x), (4, 3), (None,)),
        (lambda x: torch.masked_select(x, x < 1), (4, None), (None,)),
        (lambda x: torch.stack([x[i] * 2 for i in range(x.shape[0])]), (None, 3), (None, 3)),
        (lambda x: torch.stack(list(x.unbind(1)), 2), (None, None, 3), (None, 3, None)),
    ],
)
def test_sizes_that_data_may_break_are_unknown(function, shape, expected):
    assert shape_of(function, *shape) == expected


def test_a_loop_over_an_unknown_axis_is_short():
    steps = []

    def loop(x):
        total = x[:, 0]
        for step in range(x.shape[1]):
            steps.append(step)
            total = total * 0.5 + x[:, step]
        return total

    assert shape_of(loop, None, None, 3) == (None, 3)
    assert len(steps) < 200


def test_layers_are_not_built_for_guesses():
    dense = layers.Dense(2)
    with pytest.raises(ShapeInferenceError, match="known"):
        layer_of(lambda x: dense(x.flatten(1)))(keras.Input((None, 3)))
    with pytest.raises(ValueError, match="known"):
        layers.Dense(2)(keras.KerasTensor((None, None)))
    first = layers.Dense(2)
    assert layer_of(lambda x: first(x[:, :5].flatten(1)))(keras.Input((None, 3))).shape == (None, 2)


def test_features_that_equal_a_trial_size():
    for units in (83, 89, 97):
        inner = keras.Sequential([layers.Dense(units), layers.Dense(4)])
        assert shape_of(lambda x, inner=inner: inner(x), None, None, 3) == (None, None, 4)


@pytest.mark.parametrize(
    "function",
    [lambda x: x if x.shape[1] > 50 else x[0], lambda x: list(x.unbind(1)), lambda x: x.reshape([2] * x.shape[1])],
)
def test_rank_or_number_that_depends_on_a_size(function):
    with pytest.raises((ShapeInferenceError, RuntimeError), match=r"depends|invalid"):
        layer_of(function)(keras.Input((None,)))
