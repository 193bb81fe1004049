"""Functional models: structures of data, constants and modules in the graph, nesting, errors."""

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers


@pytest.fixture
def x():
    return keras.Input((4,), name="x")


# -- torch functions, parameters and modules in the graph -------------------------------------------------------------


def test_torch_functions_and_a_parameter(x):
    weight = nn.Parameter(torch.randn(4, 3))
    hidden = torch.relu(x) @ weight
    model = keras.Model(x, [hidden, hidden[:, 0] + 1])
    data = torch.randn(2, 4)
    product, first = model(data)
    torch.testing.assert_close(product, torch.relu(data) @ weight)
    torch.testing.assert_close(first, product[:, 0] + 1)
    assert [each is weight for each in model.parameters()] == [True]
    assert model.trainable_weights[0] is weight
    product.sum().backward()
    assert weight.grad is not None


def test_parameter_in_the_graph_can_be_swapped_and_moved(x):
    model = keras.Model(x, x @ nn.Parameter(torch.randn(4, 3)))
    zeros = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    assert torch.func.functional_call(model, zeros, (torch.ones(2, 4),)).abs().sum() == 0
    assert model.to(torch.float64)(torch.ones(2, 4, dtype=torch.float64)).dtype == torch.float64


def test_tied_weight_is_saved_and_swapped_once(x):
    dense = layers.Dense(3)
    model = keras.Model(x, dense(x) @ nn.Parameter(torch.eye(3)))
    assert len(model.weights) == 3
    assert model.weights[0] is dense.kernel


def test_plain_tensor_in_the_graph_moves_but_is_not_saved(x):
    model = keras.Model(x, x + torch.ones(4))
    assert model.state_dict() == {}
    assert [tensor.dtype for tensor in model.double().buffers()] == [torch.float64]
    assert model(torch.zeros(2, 4, dtype=torch.float64)).sum() == 8


@pytest.mark.parametrize(
    "function",
    [
        lambda t: t.reshape((-1, 20)),
        lambda t: t[:, 0].squeeze(),
        lambda t: abs(t),
        lambda t: t > 1,
        lambda t: torch.max(t, dim=1)[0],
        lambda t: torch.permute(t, (0, 2, 1)),
        lambda t: torch.flatten(t, 1),
        lambda t: t[..., None],
        lambda t: t[:, ::2],
        lambda t: torch.cat([t, t], dim=1),
        lambda t: torch.stack(torch.chunk(t, 2, dim=1), 1),
        lambda t: torch.nn.functional.softmax(t, dim=-1),
        lambda t: torch.einsum("bij,bkj->bik", t, t),
        lambda t: 2 ** (1 - t) / 3,
    ],
)
def test_function_on_symbolic_tensor(function):
    tensor, data = keras.Input((4, 5)), torch.randn(3, 4, 5)
    result = function(tensor)
    assert tuple(result.shape)[1:] == tuple(function(data).shape)[1:]
    torch.testing.assert_close(keras.Model(tensor, result)(data), function(data))


def test_function_with_several_results(x):
    values, places = torch.topk(x, 2)
    found = keras.Model(x, [values, places])(torch.tensor([[1.0, 4.0, 2.0, 3.0]]))
    assert found[0].tolist() == [[4.0, 3.0]]
    assert found[1].tolist() == [[1, 3]]


def test_plain_modules_follow_the_mode(x):
    norm, drop = nn.BatchNorm1d(4), nn.Dropout(0.5)
    model, data = keras.Model(x, drop(norm(x))), torch.randn(64, 4) * 3 + 5
    assert torch.equal(model(data), model(data))
    assert norm.running_mean.abs().sum() == 0
    assert 0.2 < (model(data, training=True) == 0).float().mean() < 0.8
    learned = norm.running_mean.clone()
    assert learned.abs().sum() > 0
    model(data)
    assert torch.equal(norm.running_mean, learned)
    model.train()
    assert (model(data) == 0).any()
    model.eval()
    assert torch.equal(model(data), model(data))


def test_mode_of_a_frozen_part_of_a_module_comes_back():
    inner = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5))
    model = keras.Sequential([keras.Input((4,)), inner])
    model.train()
    inner[0].eval()
    model(torch.ones(2, 4), training=False)
    assert [module.training for module in (inner, inner[0], inner[1])] == [True, False, True]


def test_same_module_twice_is_one_layer(x):
    linear = nn.Linear(4, 4)
    model = keras.Model(x, linear(linear(x)))
    torch.testing.assert_close(model(torch.ones(2, 4)), linear(linear(torch.ones(2, 4))))
    assert len(model.layers) == 2
    assert len(model.weights) == 2 == len(list(model.parameters()))


# -- data -------------------------------------------------------------------------------------------------------------


def test_more_inputs_than_needed():
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    model = keras.Model([a, b], layers.Dense(2)(a))
    data = {"a": torch.ones(2, 4), "b": torch.ones(2, 3)}
    expected = model([data["a"], data["b"]])
    assert torch.equal(model({**data, "unknown": torch.ones(1)}), expected)
    assert torch.equal(model([np.ones((2, 4)), np.ones((2, 3))]), expected)
    with pytest.raises(ValueError, match="'b'"):
        model({"a": data["a"]})


def test_nested_structures_of_data():
    a, b, c = (keras.Input((4,), name=name) for name in "abc")
    model = keras.Model({"x": [a, b], "y": c}, [layers.Add()([a, b, c]), {"z": c * 2}])
    ones = torch.ones(2, 4)
    total, rest = model({"x": [ones, ones * 2], "y": ones * 3})
    assert total.tolist() == [[6.0] * 4] * 2
    assert rest["z"].tolist() == [[6.0] * 4] * 2


def test_model_from_inner_tensors(x):
    hidden = layers.Dense(3)(x)
    output = layers.Dense(2)(hidden)
    head, base, whole = keras.Model(hidden, output), keras.Model(x, hidden), keras.Model(x, output)
    data = torch.ones(2, 4)
    torch.testing.assert_close(head(base(data)), whole(data))
    assert output._keras_history.operation.output is output
    again = keras.Model(inputs=whole.inputs, outputs=whole.layers[0].output)
    assert torch.equal(again(data), data)


def test_nested_model_on_other_sizes():
    image = keras.Input((None, None, 3))
    inner = keras.Model(image, layers.Conv2D(4, 3)(image))
    x = keras.Input((16, 20, 3))
    assert tuple(inner(x).shape) == (None, 14, 18, 4)
    assert keras.Model(x, layers.Flatten()(inner(x))).output_shape == (None, 14 * 18 * 4)
    assert inner.compute_output_shape((2, 10, 10, 3)) == (2, 8, 8, 4)


def test_doubles_keep_their_digits_in_a_double_model(x):
    data = torch.full((1, 4), 1 + 1e-12, dtype=torch.float64)
    for model in (keras.Model(x, x * 1.0), keras.Sequential([keras.Input((4,)), layers.Activation("linear")])):
        assert torch.equal(model.to(torch.float64)(data), data)


def test_layer_that_shares_the_name_of_an_attribute():
    class Net(keras.Model):
        def __init__(self, units=3, name=None):
            x = keras.Input((4,))
            super().__init__(x, layers.Dense(units, name="dense")(x), name=name)
            self.dense = layers.Dense(7)

    net = Net(5)
    net.dense(torch.ones(1, 5))
    assert net(torch.ones(2, 4)).shape == (2, 5)
    assert len(list(net.parameters())) == 4
    assert Net.from_config(net.get_config())(torch.ones(2, 4)).shape == (2, 5)


# -- losses and metrics in the graph -----------------------------------------------------------------------------------


def test_symbolic_loss_and_metric():
    class Sampling(layers.Layer):
        def call(self, inputs):
            mean, spread = inputs
            return mean + torch.exp(spread / 2) * torch.randn_like(mean)

    keras.utils.set_random_seed(3)
    x = keras.Input((6,))
    hidden = layers.Dense(4, activation="relu")(x)
    mean, spread = layers.Dense(2)(hidden), layers.Dense(2)(hidden)
    output = layers.Dense(6)(Sampling()([mean, spread]))
    model = keras.Model(x, output)
    distance = -0.5 * keras.ops.mean(1 + spread - keras.ops.square(mean) - keras.ops.exp(spread))
    model.add_loss(keras.ops.mean(keras.ops.square(x - output)) + distance)
    model.add_metric(distance, name="distance")
    model.compile("adam", loss=None)
    data = np.random.default_rng(0).random((64, 6)).astype("float32")
    history = model.fit(data, epochs=15, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert set(history) == {"loss", "distance"}
    assert model.predict(data, verbose=0).shape == (64, 6)
    assert len(model.layers) == 6


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda x, y: keras.Model(torch.ones(2, 4), y), "Input"),
        (lambda x, y: keras.Model(x, torch.ones(2)), "KerasTensor"),
        (lambda x, y: keras.Model(x, None), "KerasTensor"),
        (lambda x, y: keras.Model([], y), "inputs"),
        (lambda x, y: keras.Model(x, []), "outputs"),
        (lambda x, y: keras.Model(x, layers.Add()([y, layers.Dense(2)(keras.Input((4,), name="zed"))])), "zed"),
        (lambda x, y: keras.Model(x, layers.Dense(2, name="q")(layers.Dense(2, name="q")(x))), "'q'"),
        (lambda x, y: keras.Model(keras.KerasTensor((2, 3)), y), "input"),
    ],
)
def test_wrong_graph(x, make, words):
    with pytest.raises(ValueError, match=words):
        make(x, layers.Dense(2)(x))


@pytest.mark.parametrize(
    "data",
    [
        torch.ones(2, 5),
        torch.ones(4),
        [torch.ones(2, 4)] * 2,
        {"nope": torch.ones(2, 4), "b": torch.ones(1)},
        "abc",
        None,
    ],
)
def test_wrong_data(x, data):
    model = keras.Model(x, layers.Dense(2)(x))
    with pytest.raises((ValueError, TypeError)):
        model(data)
    assert model(torch.ones(2, 4)).shape == (2, 2)


def test_get_layer(x):
    model = keras.Model(x, layers.Dense(2, name="d")(x))
    assert model.get_layer("d") is model.get_layer(index=-1) is model.layers[1]
    assert model.get_layer("input_1") is model.layers[0]
    for arguments in ({"name": "nope"}, {}, {"index": 9}, {"name": "d", "index": 0}):
        with pytest.raises(ValueError):
            model.get_layer(**arguments)


def test_summary_shows_connections(x):
    a = layers.Dense(2, name="a")(x)
    b = layers.Dense(2, name="b")(x)
    lines = []
    keras.Model(x, layers.Add(name="sum")([a, b])).summary(print_fn=lines.append)
    assert "Connected to" in lines[0] and "a[0][0], b[0][0]" in lines[0]
    lines.clear()
    keras.Model(x, a).summary(print_fn=lines.append)
    assert "Connected to" not in lines[0] and "(None, 2)" in lines[0]
