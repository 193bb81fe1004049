"""Models as torch modules: copies, state dicts, compile, export, functional calls, dtypes, DDP, a loop by hand."""

import copy
import gc
import io
import pickle
import sys

import numpy as np
import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers, tree


def conv_net():
    x = keras.Input((8, 8, 3))
    hidden = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(x))
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(hidden))), torch.randn(2, 8, 8, 3)


def dict_net():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    hidden = layers.Add()([layers.Dense(3)(a), layers.Dense(3)(b)])
    model = keras.Model({"a": a, "b": b}, {"p": hidden, "q": torch.relu(hidden) + 1})
    return model, {"a": torch.randn(2, 4), "b": torch.randn(2, 4)}


def stack():
    parts = [keras.Input((4,)), layers.Dense(3), layers.Dropout(0.5), keras.Sequential([layers.Dense(2)])]
    return keras.Sequential(parts), torch.randn(2, 4)


def nested_net():
    inner_input, x = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(inner_input, layers.Dense(4)(inner_input))
    return keras.Model(x, inner(inner(x))), torch.randn(2, 4)


def net_of_modules():
    x = keras.Input((4,))
    return keras.Model(x, nn.Linear(3, 2)(layers.Dense(3)(x)) @ nn.Parameter(torch.randn(2, 2))), torch.randn(2, 4)


NETS = pytest.mark.parametrize("make", [conv_net, dict_net, stack, nested_net, net_of_modules])


def assert_close(expected, found):
    for a, b in zip(tree.flatten(expected), tree.flatten(found), strict=True):
        torch.testing.assert_close(b, a)


@NETS
def test_compile(make):
    """Before the first run too."""
    torch._dynamo.reset()
    model, data = make()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    found = compiled(data)
    assert_close(model(data), found)
    model.train()
    compiled(data)


@NETS
def test_export(make):
    model, data = make()
    assert_close(model(data), torch.export.export(model, (data,)).module()(data))


@NETS
def test_functional_call_and_gradients(make):
    model, data = make()
    parameters = dict(model.named_parameters())
    zeros = {name: torch.zeros_like(value) for name, value in parameters.items()}
    for output in tree.flatten(torch.func.functional_call(model, zeros, (data,))):
        assert output.detach().unique().numel() == 1  # nothing of the real weights is left

    def loss(values):
        return sum(t.sum() for t in tree.flatten(torch.func.functional_call(model, values, (data,))))

    learning = {name: value for name, value in parameters.items() if value.requires_grad}
    gradients = torch.func.grad(loss)(learning)
    loss(parameters).backward()
    assert_close({name: parameters[name].grad for name in learning}, gradients)


@NETS
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies(make, copied):
    model, data = make()
    twin = copied(model)
    assert_close(model(data), twin(data))
    assert len(list(twin.parameters())) == len(list(model.parameters()))
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in model.parameters()}
    before = [parameter.clone() for parameter in model.parameters()]
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert_close(before, list(model.parameters()))
    for output in tree.flatten(twin(data)):
        assert output.detach().unique().numel() == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_deep_models(copied):
    """Deeper than Python recurses."""
    depth = sys.getrecursionlimit() // 3
    x, data = keras.Input((4,)), torch.randn(2, 4)
    hidden = functions = x
    for index in range(depth):
        hidden = layers.Dense(4)(hidden) if index % 3 else layers.Add()([hidden, x])
        functions = torch.tanh(functions) + 1
    models = [
        keras.Model(x, hidden),
        keras.Model(x, functions),
        keras.Sequential([keras.Input((4,)), *(layers.Dense(4) for _ in range(depth))]),
    ]
    for model in models:
        assert_close(model(data), copied(model)(data))
    assert len(keras.models.clone_model(models[0]).layers) == len(models[0].layers)
    assert len(keras.models.model_from_json(models[0].to_json()).layers) == len(models[0].layers)


def test_copy_of_shared_parts():
    dense, x, inner_input = layers.Dense(4), keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(inner_input, dense(inner_input))
    model = keras.Model(x, [inner(inner(x)), dense(x)])
    both = copy.deepcopy({"model": model, "inner": inner})
    both["inner"].set_weights([np.zeros((4, 4)), np.ones(4)])
    assert both["model"](torch.ones(1, 4))[1].tolist() == [[1.0] * 4]
    assert both["inner"] in both["model"].layers
    assert len(both["model"].weights) == 2
    assert both["model"].get_config() == model.get_config()
    assert copy.deepcopy(dense)._inbound_nodes == []


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copy_of_a_compiled_model(copied):
    rng = np.random.default_rng(0)
    data, targets = rng.random((16, 4)).astype("float32"), rng.random((16, 1)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(data, targets, verbose=0)
    twin, before = copied(model), model.get_weights()
    np.testing.assert_allclose(twin.evaluate(data, targets, verbose=0), model.evaluate(data, targets, verbose=0))
    twin.fit(data, targets, epochs=2, verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert any((a != b).any() for a, b in zip(before, twin.get_weights(), strict=True))


def test_state_dict():
    def make():
        named = [layers.Dense(3, name="a"), layers.BatchNormalization(name="bn"), layers.Dense(1, name="b")]
        return keras.Sequential([keras.Input((4,)), *named])

    model, twin, data = make(), make(), torch.randn(2, 4)
    keys = "a.kernel a.bias bn.gamma bn.beta bn.moving_mean bn.moving_variance b.kernel b.bias"
    assert list(model.state_dict()) == keys.split()
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    twin.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(model(data), twin(data))


def test_dtype_moves():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.LayerNormalization(), nn.Linear(3, 1)])
    data = torch.randn(2, 4)
    for move, dtype in (("double", torch.float64), ("half", torch.float16), ("bfloat16", torch.bfloat16)):
        getattr(model, move)()
        assert model(data.to(dtype)).dtype is dtype
        assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert model.layers[0].dtype == "bfloat16"
    assert model.float()(data).dtype is torch.float32


def test_ours_inside_nn_sequential():
    parts = [layers.Dense(3, activation="relu"), nn.Linear(3, 3), layers.Dropout(0.5), layers.BatchNormalization()]
    model, data = nn.Sequential(*parts, keras.Sequential([layers.Dense(2)])), torch.randn(8, 4)
    assert model(data).shape == (8, 2)
    assert len(model.state_dict()) == 10
    model.eval()
    assert torch.equal(model(data), model(data))
    assert torch.equal(copy.deepcopy(model)(data), model(data))
    x = keras.Input((4,))
    assert torch.equal(keras.Model(x, model(x))(data), model(data))


def test_distributed_data_parallel():
    import torch.distributed as dist

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        parts = [keras.Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.Dense(1)]
        model = keras.Sequential(parts)
        wrapped = nn.parallel.DistributedDataParallel(model)
        wrapped.train()
        wrapped(torch.randn(8, 4)).pow(2).mean().backward()
        # Before the group ends: its threads need the interpreter to come to their end, and torch holds it while it
        # deletes the wrapper. If that were the group's last owner, it would wait for them for ever.
        del wrapped
        gc.collect()
        assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)
        assert model.layers[1].moving_mean.abs().sum() > 0
    finally:
        dist.destroy_process_group()


def test_loop_by_hand():
    torch.manual_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(16, activation="relu"), layers.Dense(1)])
    data = torch.randn(64, 4)
    targets = data.sum(1, keepdim=True)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    model.train()
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(data), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10
