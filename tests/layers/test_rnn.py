"""Recurrent layers as torch modules: torch's kernels and when they run, states, calls of both Keras generations."""

import copy
import warnings

import numpy as np
import pytest
import torch

from torchkeras import layers
from torchkeras.core.scopes import override
from torchkeras.layers.rnn import gru_steps

X = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(1))
MASK = torch.tensor([[1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 1, 0], [0] * 6, [1] * 6], dtype=torch.bool)
NAMES = ("LSTM", "GRU", "SimpleRNN")


def torch_twin(layer):
    """torch's module with the same weights."""
    name = type(layer).__name__.replace("SimpleRNN", "RNN")
    theirs = getattr(torch.nn, name)(3, layer.units, batch_first=True)
    kernel, recurrent, bias = (weight.detach() for weight in layer.weights)

    def ordered(weight):  # Keras's GRU has update before reset
        parts = weight.t().chunk(3) if weight.dim() > 1 else weight.chunk(3)
        return torch.cat([parts[1], parts[0], parts[2]])

    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ordered(kernel) if name == "GRU" else kernel.t())
        theirs.weight_hh_l0.copy_(ordered(recurrent) if name == "GRU" else recurrent.t())
        theirs.bias_ih_l0.copy_(ordered(bias[0]) if name == "GRU" else bias)
        theirs.bias_hh_l0.copy_(ordered(bias[1])) if name == "GRU" else theirs.bias_hh_l0.zero_()
    return theirs


@pytest.mark.parametrize("name", NAMES)
def test_equals_torch(name):
    layer = getattr(layers, name)(5, return_sequences=True, return_state=True, bias_initializer="he_normal")
    if name != "GRU":
        layer = getattr(layers, name)(5, return_sequences=True, return_state=True, bias_initializer="ones")
    outputs, *states = layer(X)
    expected, final = torch_twin(layer)(X)
    torch.testing.assert_close(outputs, expected)
    for state, value in zip(states, final if name == "LSTM" else [final], strict=True):
        torch.testing.assert_close(state, value[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_kernel_and_loop_agree(name, masked, backwards):
    """The same weights through torch's kernel and through the loop: outputs, states, gradients."""
    options = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    fast = getattr(layers, name)(5, **options)
    loop = layers.RNN(getattr(layers, f"{name}Cell")(5), **options)
    results = []
    for layer in (fast, loop):
        x = X.clone().requires_grad_()
        layer.build(X.shape)
        layer.set_weights([np.linspace(-1, 1, w.numel()).reshape(w.shape) for w in layer.weights])
        outputs = layer(x, mask=MASK if masked else None)
        sum((out * torch.linspace(0, 1, out.numel()).view(out.shape)).sum() for out in outputs).backward()
        results.append((*outputs, x.grad, *(w.grad for w in layer.weights)))
    torch.testing.assert_close(*results, check_stride=False)
    assert fast.explain_kernel()[0].startswith("torch.")
    assert loop.explain_kernel()[0] == "loop over steps"


def test_numbers_at_masked_steps_do_not_matter():
    for name in NAMES:
        layer = getattr(layers, name)(2, return_state=True)
        spoilt = X.masked_fill(~MASK.unsqueeze(-1), float("inf"))
        for a, b in zip(layer(X, mask=MASK), layer(spoilt, mask=MASK), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "relu"], ids=["kernel", "loop"])
def test_zeros_at_masked_steps_are_for_sequences(backwards, activation):
    """Without sequences the last valid output is given in both directions."""
    options = {"activation": activation, "go_backwards": backwards, "zero_output_for_mask": True}
    layer = layers.LSTM(2, return_state=True, **options)
    output, h, _ = layer(X, mask=MASK)
    torch.testing.assert_close(output, h)
    sequences = layers.LSTM(2, return_sequences=True, **options)
    sequences.build(X.shape)
    sequences.set_weights(layer.get_weights())
    kept = MASK.flip(1) if backwards else MASK
    assert not sequences(X, mask=MASK)[~kept].any()


def test_long_padding_holds_the_cell_state_exactly():
    layer = layers.LSTM(3, return_state=True, kernel_initializer="ones")
    short = layer(X[:1, :2] * 10)
    long = layer(
        torch.cat([X[:1, :2] * 10, torch.full((1, 500, 3), 7.0)], dim=1), mask=(torch.arange(502) < 2).unsqueeze(0)
    )
    for a, b in zip(short, long, strict=True):
        assert torch.equal(a, b)


REASONS = [
    ("LSTM", {}, "torch.lstm", ""),
    ("LSTM", {"dropout": 0.2, "go_backwards": True, "use_bias": False, "stateful": True}, "torch.lstm", ""),
    ("LSTM", {"recurrent_dropout": 0.2}, "loop", "recurrent_dropout"),
    ("LSTM", {"activation": "relu"}, "loop", "tanh and sigmoid"),
    ("LSTM", {"recurrent_activation": "hard_sigmoid"}, "loop", "tanh and sigmoid"),
    ("GRU", {}, "torch.gru", ""),
    ("GRU", {"reset_after": False}, "loop", "reset_after"),
    ("SimpleRNN", {"activation": "relu"}, "torch.rnn", ""),
    ("SimpleRNN", {"activation": "gelu"}, "loop", "tanh and relu"),
]


@pytest.mark.parametrize(("name", "options", "kernel", "reason"), REASONS)
def test_explains_its_kernel(name, options, kernel, reason, monkeypatch):
    """What `explain_kernel` says is what runs."""
    layer = getattr(layers, name)(3, **options)
    layer.build(X.shape)
    said = layer.explain_kernel()
    assert said[0].startswith(kernel) and reason in said[1]
    used = []
    run = type(layer)._run_kernel
    monkeypatch.setattr(type(layer), "_run_kernel", lambda *args: used.append(1) or run(*args))
    layer(X, training=True)
    assert bool(used) == kernel.startswith("torch")


def test_insisting_on_a_kernel():
    with pytest.raises(ValueError, match="use_cudnn=True, but the kernel knows tanh"):
        layers.LSTM(3, activation="relu", use_cudnn=True)(X)
    assert layers.LSTM(3, use_cudnn=True)(X).shape == (4, 3)
    with pytest.raises(ValueError, match="use_cudnn"):
        layers.LSTM(3, use_cudnn="yes")


def test_weights_lie_as_the_kernel_wants():
    layer = layers.LSTM(5)
    layer(X)
    kernel, recurrent, _ = layer.cell.cast_weights()
    assert kernel.shape == (3, 20) and kernel.t().is_contiguous() and recurrent.t().is_contiguous()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(X, training=True).sum().backward()
    assert layer.cell.kernel.grad.stride() == layer.cell.kernel.stride()


# -- states -----------------------------------------------------------------------------------------------------------


def test_reset_states_of_both_generations():
    layer = layers.LSTM(2, stateful=True)
    first = layer(X)
    assert [state.shape for state in layer.states] == [(4, 2), (4, 2)]
    assert not torch.allclose(layer(X), first)
    layer.reset_states()
    torch.testing.assert_close(layer(X), first)
    values = [np.ones((4, 2)), np.full((4, 2), 2.0)]
    layer.reset_states(values)
    torch.testing.assert_close(layer(X), layers_with_same_weights(layer)(X, initial_state=values))
    with pytest.raises(ValueError, match="has 2 states, got 1"):
        layer.reset_states([values[0]])
    with pytest.raises(AttributeError, match="stateful=True"):
        layers.LSTM(2).reset_states(values)


def layers_with_same_weights(layer):
    other = layers.LSTM(layer.units)
    other.build(X.shape)
    other.set_weights(layer.get_weights())
    return other


def test_kept_states_are_no_weights_but_move_along():
    layer = layers.GRU(2, stateful=True)
    layer(X)
    assert len(layer.weights) == 3 and len(layer.state_dict()) == 3
    assert layer.states[0].data_ptr() == dict(layer.named_buffers())["rnn_state_0"].data_ptr()
    twin = copy.deepcopy(layer)
    twin.reset_state()
    assert layer.states[0].abs().sum() > 0 and twin.states[0].abs().sum() == 0
    layer.to(torch.float64)
    assert layer(X.double()).dtype == torch.float64


def test_training_through_kept_states():
    layer = layers.LSTM(2, stateful=True)
    for _ in range(2):
        layer(X).sum().backward()
    assert layer.cell.kernel.grad.isfinite().all()


def test_stateful_needs_the_batch_size():
    with pytest.raises(ValueError, match="batch size must be known"):
        layers.LSTM(2, stateful=True).build((None, 6, 3))
    layer = layers.LSTM(2, stateful=True)
    layer(X)
    with pytest.raises(ValueError, match="batch of 2"):
        layer(X[:2])
    assert layer(X).shape == (4, 2)


def test_initial_state_by_batch_size_or_tensor():
    layer = layers.LSTM(2)
    for given in (4, X):
        states = layer.get_initial_state(given)
        assert [tuple(state.shape) for state in states] == [(4, 2), (4, 2)] and not any(s.any() for s in states)


def test_initial_state_as_numpy_and_its_gradient():
    layer = layers.LSTM(2)
    states = [np.ones((4, 2), dtype="float32")] * 2
    found = layer(X.numpy(), initial_state=states)
    h = torch.ones(4, 2, requires_grad=True)
    again = layer(X, initial_state=[h, torch.ones(4, 2)])
    torch.testing.assert_close(found, again)
    again.sum().backward()
    assert h.grad.abs().sum() > 0


class OldCell(layers.Layer):
    """A cell in Keras 2's manner: `get_initial_state(inputs, batch_size, dtype)`, several kinds of sizes."""

    state_size, output_size = [2, 2], 2

    def get_initial_state(self, inputs=None, batch_size=None, dtype=None):
        return [torch.ones(batch_size, 2, dtype=getattr(torch, dtype)) for _ in range(2)]

    def call(self, inputs, states, training=False):
        total = inputs[:, :2] + states[0]
        return total, [total, states[1] + 1]


class PlainCell:
    """No layer at all, with one state and without an initial one."""

    state_size = 3

    def call(self, inputs, states):
        return inputs + states[0], inputs + states[0]


def test_cells_of_users():
    outputs, total, count = layers.RNN(OldCell(), return_state=True)(X)
    torch.testing.assert_close(outputs, X[:, :, :2].sum(1) + 1)
    assert outputs is total or torch.equal(outputs, total)
    assert torch.equal(count, torch.full((4, 2), 7.0))
    sums = layers.RNN(PlainCell(), return_sequences=True)(X)
    torch.testing.assert_close(sums, X.cumsum(1))
    with pytest.raises(ValueError, match="has no `state_size`"):
        layers.RNN(layers.Dense(2))


def test_rnn_of_cells_round_trip():
    layer = layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)], return_state=True)
    outputs, first, second = layer(X)
    assert [tuple(s.shape) for s in first] == [(4, 2), (4, 2)] and [tuple(s.shape) for s in second] == [(4, 3)]
    again = layers.RNN.from_config(layer.get_config())
    again(X)
    again.set_weights(layer.get_weights())
    torch.testing.assert_close(again(X)[0], outputs)
    assert len(layer.weights[0].path.split("/")) == 4 and layer.weights[3].path.split("/")[2].startswith("gru_cell")


# -- calls of both generations ----------------------------------------------------------------------------------------


def test_ways_to_call():
    layer = layers.LSTM(2)
    states = [torch.ones(4, 2), torch.zeros(4, 2)]
    expected = layer(X, initial_state=states)
    torch.testing.assert_close(layer([X, *states]), expected)
    torch.testing.assert_close(layer(X, states), expected)
    torch.testing.assert_close(layer(inputs=X, initial_state=states), expected)
    torch.testing.assert_close(layer(sequences=X, initial_state=states), expected)
    torch.testing.assert_close(layer(X, MASK), layer(X, mask=MASK))
    torch.testing.assert_close(layer(X, MASK.numpy(), initial_state=states), layer(X, states, MASK))


def test_symbolic_calls():
    x, h, c = layers.Input((None, 3)), layers.Input((2,)), layers.Input((2,))
    layer = layers.LSTM(2, return_sequences=True, return_state=True)
    outputs, *states = layer(x, initial_state=[h, c])
    assert outputs.shape == (None, None, 2) and [state.shape for state in states] == [(None, 2)] * 2
    assert layer([x, h, c])[0].shape == (None, None, 2)
    assert layers.LSTM(2)(inputs=x).shape == (None, 2)


def test_time_major_sequences():
    plain, major = layers.GRU(2, return_sequences=True), layers.GRU(2, return_sequences=True, time_major=True)
    for layer, x in ((plain, X), (major, X.transpose(0, 1))):
        layer(x)
    major.set_weights(plain.get_weights())
    torch.testing.assert_close(major(X.transpose(0, 1), mask=MASK.t()), plain(X, mask=MASK).transpose(0, 1))
    assert major.compute_output_shape((6, None, 3)) == (6, None, 2)
    assert layers.GRU(2, time_major=True)(X.transpose(0, 1)).shape == (4, 2)


def test_arguments_of_keras_2():
    layer = layers.LSTM(2, implementation=1, input_shape=(6, 3))
    assert layer.implementation == 2 and "implementation" not in layer.get_config()
    assert layer._declared_input == (None, 6, 3)
    assert isinstance(layer, layers.RNN)


def test_subclass_keeps_the_order_of_arguments():
    class Mine(layers.LSTM):
        pass

    class Named(layers.LSTM):
        def __init__(self, units, **kwargs):
            super().__init__(units, "relu", **kwargs)

    assert Mine(3, "relu").units == 3 and Mine(3, "relu").activation.__name__ == "relu"
    assert Named(3).explain_kernel()[0] == "loop over steps"


def test_training_value_of_the_outer_call_reaches_dropout():
    layer = layers.LSTM(2, dropout=0.5)
    before = layer(X)
    with override(training=True):
        assert not torch.allclose(layer(X), before)
    layer.train()
    assert not torch.allclose(layer(X), before)
    layer.eval()
    assert torch.equal(layer(X), before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masked", [False, True])
def test_compiled_training_step(name, masked):
    """torch.compile in one graph gives eager's outputs and gradients."""
    torch._dynamo.reset()
    layer = getattr(layers, name)(2, return_sequences=True, return_state=True)
    mask = MASK if masked else None
    layer(X)
    twin = copy.deepcopy(layer)
    compiled = torch.compile(twin, fullgraph=True, backend="aot_eager")
    for a, b in zip(layer(X, mask=mask), compiled(X, mask=mask), strict=True):
        torch.testing.assert_close(b, a)
    layer(X, mask=mask)[0].sum().backward()
    compiled(X, mask=mask)[0].sum().backward()
    for a, b in zip(layer.weights, twin.weights, strict=True):
        torch.testing.assert_close(b.grad, a.grad)


def test_wrong_rank():
    with pytest.raises(ValueError, match="expected ndim=3"):
        layers.LSTM(2)(torch.ones(4, 3))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("masked", [False, True])
def test_sizes_that_do_not_fit_are_refused_before_the_kernel(name, masked):
    """torch's kernels do not check them and read, or write, wrong memory."""
    layer = getattr(layers, name)(2)
    count = len(layer.state_size)
    mask = torch.ones(4, 5, dtype=torch.bool) if masked else None
    layer(torch.ones(4, 5, 3))
    for features in (2, 4):
        with pytest.raises(ValueError, match="axis -1"):
            layer(torch.ones(4, 5, features), mask=mask)
    for shape in ((4, 3), (4, 1), (3, 2), (1, 2), (2,)):
        with pytest.raises(ValueError, match="states of shape"):
            layer(torch.ones(4, 5, 3), [torch.ones(shape)] * count, mask=mask)
    with pytest.raises(ValueError, match=f"has {count} state"):
        layer(torch.ones(4, 5, 3), [torch.ones(4, 2)] * (count + 1), mask=mask)
    with pytest.raises(ValueError, match="at least one step"):
        layer(torch.ones(4, 0, 3))
    for shape in ((4, 4), (4, 6), (3, 5), (4,), (4, 5, 3)):
        with pytest.raises(ValueError, match="mask"):
            layer(torch.ones(4, 5, 3), mask=torch.ones(shape, dtype=torch.bool))
    whole = layer(torch.ones(4, 5, 3), mask=torch.ones(4, 5))
    torch.testing.assert_close(layer(torch.ones(4, 5, 3), mask=torch.ones(1, 5)), whole)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("wanted", ["outputs", "last", "both"])
def test_gradients_of_the_steps_of_a_gru(masked, wanted):
    """The backward pass of our own loop equals torch's rules, once and twice."""
    torch.manual_seed(0)
    inputs = [torch.randn(shape, dtype=torch.float64) for shape in ((5, 4, 6), (4, 2), (2, 6), (6,))]
    inputs = [each.requires_grad_() for each in inputs]
    mask = MASK[:, :5].t() if masked else None

    def function(*given):
        outputs, last = gru_steps.run(*given, mask)
        return {"outputs": outputs, "last": last, "both": (outputs, last)}[wanted]

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("bias", [True, False])
def test_steps_of_a_gru_equal_torchs_kernel(bias, monkeypatch):
    layer = layers.GRU(3, return_sequences=True, return_state=True, use_bias=bias, bias_initializer="he_normal")
    states = torch.ones(4, 3)
    layer.build(X.shape)
    for options in ({}, {"mask": MASK}, {"mask": MASK, "initial_state": states}, {"initial_state": states}):
        ours = layer(X, **options)
        with monkeypatch.context() as patch:
            patch.setattr(gru_steps, "serve", lambda sequences: False)
            torch.testing.assert_close(ours, layer(X, **options), check_stride=False)
        with torch.no_grad():  # other steps, without what a backward pass needs
            torch.testing.assert_close(ours, layer(X, **options), check_stride=False)
            empty = {name: value[:0] for name, value in options.items()}
            assert [tuple(each.shape) for each in layer(X[:0], **empty)] == [(0, *ours[0].shape[1:]), (0, 3)]


def test_states_of_stacked_cells_go_on():
    """Two halves of a sequence, one after the other, give what the whole gives. Keras keeps no states of such cells."""
    whole = layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)])
    kept = layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)], stateful=True)
    x = torch.randn(4, 6, 3)
    expected = whole(x)
    kept.build((4, 3, 3))
    kept.set_weights(whole.get_weights())
    for _ in range(2):
        kept(x[:, :3])
        torch.testing.assert_close(kept(x[:, 3:]), expected)
        kept.reset_state()


@pytest.mark.parametrize("name, options", [("LSTM", {"activation": "relu"}), ("GRU", {"reset_after": False})])
def test_another_cell_counts(name, options):
    """A layer computes what its cell does, not what torch's kernel makes of the cell that it was made with."""
    layer, cell = getattr(layers, name)(3), getattr(layers, name + "Cell")(3, **options)
    layer.cell = cell
    torch.testing.assert_close(layer(X), layers.RNN(cell)(X))
    assert "loop" in layer.explain_kernel()[0]
