"""Plain torch modules on symbolic tensors, beside programs that exchange torch's call themselves."""

import pytest
import torch
from torch import nn

import torchkeras as keras
from torchkeras import layers
from torchkeras.core import wiring


def operation_of(tensor):
    return tensor._keras_history.operation


@pytest.fixture
def torchs_call(monkeypatch):
    """`nn.Module` as torch made it, before any KerasTensor."""
    monkeypatch.setattr(nn.Module, "_call_impl", wiring.torchs_own)
    return nn.Module.__call__


def test_the_first_tensor_begins_and_training_does_not_end(torchs_call):
    x = keras.KerasTensor((None, 4))
    assert isinstance(operation_of(nn.Linear(4, 3)(x)), layers.TorchModuleWrapper)
    inputs = keras.Input((4,))
    hidden = layers.Dense(3)(inputs)
    model = keras.Model(inputs, hidden)
    for _ in range(50):
        model(torch.ones(2, 4))
    for start in (hidden, model.output, model.outputs[0], model.layers[1].output):
        normalized = nn.BatchNorm1d(3)(start)
        assert isinstance(operation_of(normalized), layers.TorchModuleWrapper)
        assert len(list(keras.Model(inputs, normalized).buffers())) == 3


def test_only_one_function_stands_around(torchs_call):
    keras.Input((4,))
    first = nn.Module._call_impl
    keras.Input((4,))
    assert nn.Module._call_impl is first
    assert nn.Module.__call__ is torchs_call


@pytest.mark.parametrize("name", ["__call__", "_call_impl"])
@pytest.mark.parametrize("before", [True, False])
def test_a_call_of_the_users_own(torchs_call, monkeypatch, name, before):
    """It sees plain modules and layers; taken out again, it is gone and modules still become layers."""
    if not before:
        keras.Input((4,))
    there, seen = getattr(nn.Module, name), []

    def own(self, *args, **kwargs):
        seen.append(type(self).__name__)
        return there(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, name, own)
    x, dense, linear = keras.Input((4,)), layers.Dense(3), nn.Linear(3, 2)
    model = keras.Model(x, linear(dense(x)))
    seen.clear()
    model(torch.ones(1, 4))
    assert seen.count("Linear") == 1
    assert seen.count("Dense") == (name == "__call__")  # layers have torch's own `_call_impl`
    setattr(nn.Module, name, there)
    x = keras.Input((4,))
    seen.clear()
    assert isinstance(operation_of(nn.Linear(4, 2)(x)), layers.TorchModuleWrapper)
    assert not seen


def test_symbolic_among_other_arguments(torchs_call):
    x = keras.Input((5, 4))
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    outputs, _ = attention(x, key=x, value=x)
    assert isinstance(operation_of(outputs), layers.TorchModuleWrapper)
    data = torch.randn(2, 5, 4)
    torch.testing.assert_close(keras.Model(x, outputs)(data), attention(data, data, data)[0])


def test_compiling_many_modules(torchs_call):
    """Each is compiled on its own, as without us: no common function whose recompilations torch would count."""
    torch._dynamo.reset()
    keras.Input((4,))
    x, compiled = torch.ones(2, 4), []

    def backend(graph, example):
        compiled.append(graph)
        return graph

    def module(size):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.parts = nn.ModuleList(nn.Linear(4, 4) for _ in range(size))

            def forward(self, x):
                for part in self.parts:
                    x = part(x)
                return x

        Net.forward.__code__ = Net.forward.__code__.replace()  # as classes of different files have
        return Net()

    count = torch._dynamo.config.recompile_limit + 2
    for size in range(1, count):
        net = module(size)
        torch.testing.assert_close(torch.compile(net, backend=backend, fullgraph=True)(x), net(x))
    assert len(compiled) == count - 1
    torch._dynamo.reset()


def test_tracing_goes_on(torchs_call):
    keras.Input((4,))
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    x = torch.ones(2, 4)
    graph = torch.fx.symbolic_trace(net)
    assert [node.op for node in graph.graph.nodes] == ["placeholder", "call_module", "call_module", "output"]
    for copy in (graph, torch.jit.trace(net, x), torch.export.export(net, (x,)).module()):
        torch.testing.assert_close(copy(x), net(x))
