"""Bidirectional as a torch module: one kernel for both directions, when it runs, states, copies, errors."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.layers.rnn.bidirectional import Bidirectional

X = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(1))
RAGGED = torch.arange(6) < torch.tensor([3, 6, 0, 1]).unsqueeze(1)
HOLES = torch.tensor([[1, 1, 0, 1, 0, 0], [0, 1, 0, 1, 1, 0], [0] * 6, [0, 0, 0, 1, 1, 1]], dtype=torch.bool)
KINDS = {"LSTM": {}, "GRU": {"use_bias": False}, "SimpleRNN": {"bias_initializer": "ones"}}


def twice(monkeypatch):
    """From now on every Bidirectional runs its layers one after the other."""
    monkeypatch.setattr(Bidirectional, "_obstacle", lambda *args: "a test")


def values(layer, **kwargs):
    x = X.clone().requires_grad_()
    for weight in layer.weights:
        weight.grad = None
    outputs = layer(x, **kwargs)
    sum((out * torch.linspace(0, 1, out.numel()).view(out.shape)).sum() for out in outputs).backward()
    return [*(out.detach() for out in outputs), x.grad, *(weight.grad for weight in layer.weights)]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("given", [None, RAGGED, HOLES], ids=["all", "ragged", "holes"])
@pytest.mark.parametrize("sequences", [False, True])
def test_one_kernel_equals_two_runs(name, given, sequences, monkeypatch):
    """Outputs, states, gradients."""
    inner = getattr(layers, name)(5, return_sequences=sequences, return_state=True, **KINDS[name])
    layer = layers.Bidirectional(inner)
    layer.build(X.shape)
    used = []
    run = type(inner)._run_kernel
    monkeypatch.setattr(type(inner), "_run_kernel", lambda *args: used.append(len(args)) or run(*args))
    together = values(layer, mask=given)
    assert used == [5]  # self, sequences, states, mask, the other direction
    twice(monkeypatch)
    apart = values(layer, mask=given)
    torch.testing.assert_close(together, apart)


def test_equals_torch():
    layer = layers.Bidirectional(layers.LSTM(5, return_sequences=True, return_state=True))
    outputs, *states = layer(X)
    theirs = torch.nn.LSTM(3, 5, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for suffix, each in (("", layer.forward_layer), ("_reverse", layer.backward_layer)):
            kernel, recurrent, bias = each.weights
            getattr(theirs, f"weight_ih_l0{suffix}").copy_(kernel.t())
            getattr(theirs, f"weight_hh_l0{suffix}").copy_(recurrent.t())
            getattr(theirs, f"bias_ih_l0{suffix}").copy_(bias)
            getattr(theirs, f"bias_hh_l0{suffix}").zero_()
    expected, (h, c) = theirs(X)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(torch.stack(states), torch.stack([h[0], c[0], h[1], c[1]]))


def test_numbers_at_masked_steps_do_not_matter():
    layer = layers.Bidirectional(layers.LSTM(2, return_sequences=True, return_state=True))
    spoilt = X.masked_fill(~HOLES.unsqueeze(-1), float("inf"))
    for a, b in zip(layer(X, mask=HOLES), layer(spoilt, mask=HOLES), strict=True):
        assert torch.equal(a, b)


class Doubling(layers.LSTM):
    """A user's layer."""


REASONS = [
    (lambda: layers.LSTM(3), {}, "torch.lstm", ""),
    (lambda: layers.GRU(3, stateful=True), {}, "torch.gru", ""),
    (lambda: layers.GRU(3, dropout=0.2), {}, "torch.gru", ""),
    (lambda: Doubling(3, go_backwards=False), {"masked": True}, "torch.lstm", ""),
    (lambda: layers.LSTM(3, dropout=0.2), {"training": True}, "two runs of torch.lstm", "drops inputs"),
    (lambda: layers.LSTM(3, stateful=True), {"masked": True}, "two runs of torch.lstm", "zero states only"),
    (lambda: layers.LSTM(3, activation="relu"), {}, "two runs of loop", "tanh and sigmoid"),
    (lambda: layers.LSTM(3, activity_regularizer="l2"), {}, "two runs", "losses"),
    (lambda: layers.RNN(layers.LSTMCell(3)), {}, "two runs of loop", "no kernel for a RNN"),
]


@pytest.mark.parametrize(("make", "asked", "kernel", "reason"), REASONS)
def test_explains_its_kernel(make, asked, kernel, reason):
    said = layers.Bidirectional(make())
    said.build((4, 6, 3))
    said = said.explain_kernel(**asked)
    assert said[0].startswith(kernel) and reason in said[1]


def test_layers_that_differ_run_apart():
    pairs = [(layers.LSTM(3), layers.LSTM(2, go_backwards=True)), (layers.LSTM(3), layers.GRU(3, go_backwards=True))]
    for forward, backward in pairs:
        layer = layers.Bidirectional(forward, backward_layer=backward)
        assert layer(X).shape == (4, 3 + backward.units)
        assert layer.explain_kernel()[0].startswith("two runs")
    reversed_pair = layers.Bidirectional(layers.LSTM(3, go_backwards=True), backward_layer=layers.LSTM(3))
    reversed_pair(X)
    assert "reads backwards" in reversed_pair.explain_kernel()[1]


def test_hooks_of_a_direction_run():
    layer, seen = layers.Bidirectional(layers.LSTM(2)), []
    before = layer(X)
    layer.backward_layer.register_forward_hook(lambda *args: seen.append(1))
    torch.testing.assert_close(layer(X), before)
    assert seen == [1]


def test_state_goes_on_between_batches(monkeypatch):
    """Both directions keep their states; `reset_state` clears both."""
    layer = layers.Bidirectional(layers.LSTM(2, stateful=True, return_state=True))
    assert layer.states is None
    first = layer(X)
    assert len(layer.states) == 4 and all(a.equal(b) for a, b in zip(layer.states, first[1:], strict=True))
    second = layer(X)
    assert not torch.allclose(first[0], second[0])
    layer.reset_state()
    assert not any(state.any() for state in layer.states)
    torch.testing.assert_close(layer(X), first)
    twice(monkeypatch)
    torch.testing.assert_close(layer(X), second)
    with pytest.raises(AttributeError, match="stateful=True"):
        layers.Bidirectional(layers.LSTM(2)).reset_states()


def test_the_given_states_win_and_the_final_ones_are_kept():
    layer = layers.Bidirectional(layers.GRU(2, stateful=True, return_state=True))
    layer(X)
    given = [torch.ones(4, 2), -torch.ones(4, 2)]
    outputs = layer(X, initial_state=given)
    torch.testing.assert_close(layer(X, initial_state=given), outputs)
    torch.testing.assert_close(layer.states, outputs[1:])
    torch.testing.assert_close(layer([X, *given]), outputs)


def test_a_declared_batch_reaches_both_directions():
    declared = {"batch_input_shape": (4, 6, 3)}
    for inner, outer in ((declared, {}), ({}, declared)):
        first = layers.Bidirectional(layers.LSTM(3, stateful=True, **inner), **outer)
        model = keras.Sequential([first, layers.Dense(1)])
        assert [state.shape for state in first.states] == [(4, 3)] * 4
        model.compile("sgd", "mse")
        model.fit(X, torch.zeros(4, 1), batch_size=4, epochs=2, verbose=0)
        assert all(state.any() for state in first.states)
        model.reset_states()
        assert not any(state.any() for state in first.states)


def test_initial_values_of_the_weights():
    given = [np.full(shape, i, dtype="float32") for i, shape in enumerate([(3, 8), (2, 8), (8,)] * 2)]
    layer = layers.Bidirectional(layers.LSTM(2), weights=given)
    layer(X)
    for a, b in zip(layer.get_weights(), given, strict=True):
        np.testing.assert_array_equal(a, b)


def test_copies_need_no_registration():
    """A user's cell and function, neither registered, in the two copies; the layer given stays as it was."""

    def doubled(x):
        return 2 * x

    class Cell(layers.LSTMCell):
        pass

    inner = layers.RNN(Cell(2, activation=doubled), return_sequences=True, name="rnn")
    layer = layers.Bidirectional(inner)
    assert type(layer.backward_layer.cell) is Cell and layer.forward_layer.cell.activation is doubled
    assert layer(X).shape == (4, 6, 4) and not inner.built
    assert [each.name for each in (layer.forward_layer, layer.backward_layer)] == ["forward_rnn", "backward_rnn"]


def test_directions_begin_with_weights_of_their_own():
    layer = layers.Bidirectional(layers.LSTM(2))
    layer(X)
    assert not torch.equal(layer.weights[0], layer.weights[3])


def test_config_round_trip_with_a_backward_layer():
    layer = layers.Bidirectional(
        layers.GRU(2, name="there"),
        "sum",
        backward_layer=layers.GRU(2, go_backwards=True, reset_after=False, name="back"),
    )
    again = layers.Bidirectional.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.backward_layer.name == "back" and not again.backward_layer.reset_after
    again(X)
    layer(X)
    again.set_weights(layer.get_weights())
    torch.testing.assert_close(again(X), layer(X))


def test_sequences_before_the_batch():
    plain, major = (layers.Bidirectional(layers.GRU(2, return_sequences=True, time_major=t)) for t in (False, True))
    plain(X)
    major(X.transpose(0, 1))
    major.set_weights(plain.get_weights())
    torch.testing.assert_close(major(X.transpose(0, 1)), plain(X).transpose(0, 1))
    torch.testing.assert_close(major(X.transpose(0, 1), mask=HOLES.t()), plain(X, mask=HOLES).transpose(0, 1))


REFUSED = [
    (lambda: layers.Bidirectional(torch.nn.LSTM(3, 2)), ValueError, "takes a layer"),
    (lambda: layers.Bidirectional(layers.Dense(2)), TypeError, "go_backwards"),
    (lambda: layers.Bidirectional(layers.LSTM(2), "max"), ValueError, "`merge_mode` must be one of"),
    (lambda: layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2)), ValueError, "different directions"),
    (lambda: layers.Bidirectional(layers.LSTM(2))(torch.ones(4, 3)), ValueError, "expected ndim=3"),
    (lambda: layers.Bidirectional(layers.LSTM(2))(X, [torch.ones(4, 2)] * 2), ValueError, "has 2 state"),
    (
        lambda: layers.Bidirectional(layers.GRU(2))(X, [torch.ones(3, 2)] * 2),
        ValueError,
        r"of shape \(4, 2\), got .*\(3, 2\)",
    ),
    (
        lambda: layers.Bidirectional(
            layers.LSTM(2), backward_layer=layers.LSTM(2, go_backwards=True, return_sequences=True)
        ),
        ValueError,
        "the same `return_sequences`",
    ),
]


@pytest.mark.parametrize(("make", "kind", "words"), REFUSED)
def test_refusals(make, kind, words):
    with pytest.raises(kind, match=words):
        make()


@pytest.mark.parametrize("given", [None, RAGGED], ids=["all", "masked"])
def test_compiled_training_step(given):
    torch._dynamo.reset()
    layer = layers.Bidirectional(layers.GRU(2, return_sequences=True, return_state=True))
    layer(X)
    expected = values(layer, mask=given)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    found = compiled(X, mask=given)
    torch.testing.assert_close([out.detach() for out in found], expected[: len(found)])
