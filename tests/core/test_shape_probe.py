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
