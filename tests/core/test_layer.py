"""Layer: weights, names, bad arguments, the state as an argument, and what torch sees."""

import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: layers.Dense(2, name="a/b"), ValueError, "name"),
        (lambda: layers.Dense(2, name=3), ValueError, "name"),
        (lambda: layers.Dense(2, foo=1), TypeError, "foo"),
        (lambda: layers.Dense(2, foo=1), ValueError, "foo"),
        (lambda: layers.Dense(), TypeError, "units"),
        (lambda: layers.Dense(2, units=3), TypeError, "units"),
        (lambda: layers.Dense(-1), ValueError, "units"),
        (lambda: layers.Dense("a"), ValueError, "units"),
        (lambda: layers.Dense(2, trainable="x"), ValueError, "trainable"),
    ],
)
def test_bad_arguments(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_ways_to_make_weights():
    class Holder(layers.Layer):
        def __init__(self):
            super().__init__()
            self.w = self.add_weight("w", (2, 2))  # Keras 2's order
            self.v = self.add_weight("v", (2,), "float64", "ones")
            self.u = self.add_weight(name="u", shape=(1,), synchronization=None, use_resource=True, partitioner=None)
            self.torch_parameter = nn.Parameter(torch.ones(3))
            self.variable = keras.Variable([1.0, 2.0])

    holder = Holder()
    assert list(dict(holder.named_parameters())) == ["w", "v", "u", "torch_parameter", "variable"]
    assert [tuple(weight.shape) for weight in holder.weights] == [(2, 2), (2,), (1,), (3,), (2,)]
    assert holder.v.dtype is torch.float64
    for arguments in ({"shape": (None, 2)}, {"shape": (2,), "foo": 1}, {"shape": (2,), "initializer": "nope"}):
        with pytest.raises((ValueError, TypeError)):
            holder.add_weight(**arguments)


def test_first_call_is_output_of_a_shared_layer():
    a, b, dense = keras.Input((4,)), keras.Input((4,)), layers.Dense(2)
    first = dense(a)
    dense(b)
    assert dense.output is first
    assert dense.input is a


def test_stateless_call_leaves_the_layer_alone():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization()])
    before, x = model.get_weights(), torch.randn(8, 3)
    trainable = [torch.ones_like(v) for v in model.trainable_variables]
    rest = [v.detach() for v in model.non_trainable_variables]
    gradients = torch.func.grad(lambda values: model.stateless_call(values, rest, x, training=True)[0].pow(2).sum())(
        trainable
    )
    assert len(gradients) == len(trainable)
    _, after, losses = model.stateless_call(trainable, rest, x, training=True, return_losses=True)
    assert losses == []
    assert after[0].abs().sum() > 0
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    with pytest.raises(ValueError, match="trainable_variables"):
        model.stateless_call(trainable[:1], rest, x)


def test_plain_modules_take_the_mode_of_their_layer():
    class Holder(layers.Layer):
        def __init__(self):
            super().__init__()
            self.drop, self.more = nn.Dropout(0.5), [nn.Dropout(0.5)]

        def call(self, x):
            return self.more[0](self.drop(x))

    holder, data = Holder(), torch.ones(200)
    assert torch.equal(holder(data), data)
    assert (holder(data, training=True) == 0).any()
    assert torch.equal(holder(data), data)
    holder.train()
    assert (holder(data) == 0).any()


class Pair(layers.Layer):
    """Builds its parts when it is first called."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Dense(3, name="first")
        self.rest = keras.Sequential([layers.Dense(2, name="last")], name="rest")

    def call(self, x):
        return self.rest(self.first(x))


@pytest.mark.parametrize(
    "build",
    [
        lambda layer: layer(torch.ones(2, 4)),
        lambda layer: layer(keras.Input((4,))),
        lambda layer: layer.compute_output_shape((None, 4)),
    ],
    ids=["data", "symbolic", "shape"],
)
def test_paths_of_parts_begin_with_the_layer(build):
    layer = Pair(name="pair")
    build(layer)
    assert [w.path for w in layer.weights] == [
        "pair/first/kernel", "pair/first/bias", "pair/rest/last/kernel", "pair/rest/last/bias",
    ]  # fmt: skip


def test_automatic_config_can_be_read_and_written_again():
    first = Pair(dtype="mixed_bfloat16", trainable=False)
    second = Pair.from_config(first.get_config())
    third = Pair.from_config(second.get_config())
    assert (third.compute_dtype, third.trainable) == ("bfloat16", False)
    assert third.get_config() == second.get_config() == first.get_config()


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: layers.Dense(2, actvation="relu"), "Did you mean `activation`"),
        (lambda: keras.optimizers.Adam(learing_rate=0.1), "Did you mean `learning_rate`"),
        (lambda: layers.Dense(2, kernel_initializer="he_norml"), "such as 'he_normal'"),
        (lambda: keras.losses.get("mean_sqared_error"), "such as 'mean_squared_error'"),
        (lambda: keras.metrics.get(3), "such as 'accuracy'"),
    ],
)
def test_errors_name_what_was_meant(make, words):
    with pytest.raises(ValueError, match=words):
        make()
