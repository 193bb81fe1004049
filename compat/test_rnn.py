"""Recurrent layers beside the installed Keras: kernels, masks, states, dropout's numbers, cells of users."""

import random

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.harness import compare
from compat.layer_cases import case, mask
from torchkeras import layers

RAGGED = mask(5, 3, 0, 1, size=5)
HOLES = np.array([[0, 1, 1, 0, 1], [1, 0, 1, 1, 1], [0, 0, 0, 0, 0], [1, 1, 0, 1, 0]], dtype=bool)
X = np.random.default_rng(3).standard_normal((4, 5, 3)).astype("float32")

OPTIONS = [
    {},
    {"return_sequences": True},
    {"return_sequences": True, "return_state": True, "go_backwards": True},
    {"use_bias": False, "unroll": True, "return_state": True},
    {"return_sequences": True, "zero_output_for_mask": True},
    {"recurrent_dropout": 0.3, "return_sequences": True},
    {"activation": "relu", "dropout": 0.2},
]
STATES = {"LSTM": [(4, 2), (4, 2)], "GRU": [(4, 2)], "SimpleRNN": [(4, 2)]}


def matrix():
    for name, states in STATES.items():
        for options in OPTIONS:
            yield case(name, (4, 5, 3), units=2, **options)
            yield case(name, (4, 5, 3), states, units=2, kwargs={"mask": RAGGED}, **options)
            yield case(name, (4, 5, 3), states, units=2, kwargs={"mask": HOLES}, **options)
            yield case(name, (4, 5, 3), states, units=2, **options)
            yield case(name, (4, 5, 3), units=2, masks=(HOLES,), **options)
        regularizers = {f"{part}_regularizer": "l2" for part in ("kernel", "recurrent", "bias")}
        yield case(name, (4, 5, 3), units=2, recurrent_constraint="max_norm", **regularizers)
        for dtype in ("mixed_float16", "mixed_bfloat16", "float64"):
            yield case(name, (4, 5, 3), units=2, dtype=dtype, return_state=True, masks=(RAGGED,), loose=3.0)
    yield case("GRU", (4, 5, 3), units=2, reset_after=False, recurrent_dropout=0.2, masks=(HOLES,))
    yield case("LSTM", (4, 5, 3), units=2, unit_forget_bias=False, activity_regularizer="l2", return_sequences=True)
    # One seed, the same masks in every step of both libraries.
    for name in STATES:
        for rates in ((0.4, 0.0), (0.4, 0.3), (0.0, 0.3)):
            yield case(name, (4, 5, 3), units=2, dropout=rates[0], recurrent_dropout=rates[1], seed=5, training=True)


@pytest.mark.parametrize("each", list(matrix()), ids=lambda each: f"{each.title}-{len(each.args)}-{list(each.kwargs)}")
def test_layer(each):
    differences = compare(each)
    assert not differences, "\n".join(differences)


def stacked(library):
    return {
        "cell": [library.LSTMCell(2), library.GRUCell(3), library.SimpleRNNCell(4)],
        "return_state": True,
        "return_sequences": True,
    }


@pytest.mark.parametrize("masks", [(), (HOLES,)])
def test_stack_of_cells(masks):
    differences = compare(case("RNN", (4, 5, 3), make=stacked, masks=masks))
    assert not differences, "\n".join(differences)


def minimal(base):
    """A cell class as a user writes it, on either library's `Layer`."""

    class Minimal(base):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = units

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
            self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

        def call(self, inputs, states):
            output = inputs @ self.kernel + states[0] @ self.recurrent_kernel
            return output, [output]

    return Minimal


@pytest.mark.parametrize("given", [None, HOLES])
def test_cell_of_a_user(given):
    theirs = keras.layers.RNN(minimal(keras.Layer)(2), return_sequences=True)
    ours = layers.RNN(minimal(layers.Layer)(2), return_sequences=True)
    for layer in (theirs, ours):
        layer(torch.tensor(X))
    ours.set_weights(theirs.get_weights())
    given = None if given is None else torch.tensor(given)
    expected = theirs(torch.tensor(X), mask=given)
    torch.testing.assert_close(ours(torch.tensor(X), mask=given), expected.detach(), check_stride=False)
    assert [w.path.split("/")[-2:] for w in ours.weights] == [w.path.split("/")[-2:] for w in theirs.weights]


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("masked", [False, True])
def test_state_goes_on_between_batches(name, masked):
    theirs, ours = (getattr(module, name)(2, stateful=True, return_state=True) for module in (keras.layers, layers))
    kwargs = {"mask": torch.tensor(RAGGED)} if masked else {}
    for layer in (theirs, ours):
        layer.build(X.shape)
    ours.set_weights(theirs.get_weights())
    for step in range(3):
        x = torch.tensor(X) * (step + 1)
        for a, b in zip(theirs(x, **kwargs), ours(x, **kwargs), strict=True):
            torch.testing.assert_close(b.detach(), a.detach())
        if step == 1:
            theirs.reset_state()
            ours.reset_state()
    assert [tuple(state.shape) for state in ours.states] == [(4, 2)] * len(theirs.states)


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("masked", [False, True])
def test_state_of_both_directions_goes_on_between_batches(name, masked):
    theirs, ours = (
        module.Bidirectional(getattr(module, name)(2, stateful=True, return_sequences=True))
        for module in (keras.layers, layers)
    )
    kwargs = {"mask": torch.tensor(RAGGED)} if masked else {}
    for layer in (theirs, ours):
        layer.build(X.shape)
    ours.set_weights(theirs.get_weights())
    for step in range(4):
        x = torch.tensor(X) * (step + 1)
        given = {"initial_state": [torch.ones(4, 2)] * len(theirs.states)} if step == 2 else {}
        torch.testing.assert_close(ours(x, **kwargs, **given).detach(), theirs(x, **kwargs, **given).detach())
        for a, b in zip(theirs.states, ours.states, strict=True):
            torch.testing.assert_close(b, a.value)
        if step == 1:
            theirs.reset_state()
            ours.reset_state()


def test_equal_seeds_give_equal_first_weights():
    for name in ("LSTM", "GRU", "SimpleRNN"):
        theirs, ours = (getattr(module, name) for module in (keras.layers, layers))
        values = []
        for cls in (theirs, ours):
            random.seed(3)
            layer = cls(4)
            layer.build((None, 5, 3))
            values.append(layer.get_weights())
        for a, b in zip(*values, strict=True):
            np.testing.assert_array_equal(a, b)


def test_one_cell_step_by_step():
    """A user's own loop over a cell: dropout keeps its mask until it is reset."""
    theirs, ours = (module.LSTMCell(2, dropout=0.5, seed=2) for module in (keras.layers, layers))
    for cell in (theirs, ours):
        cell.build((4, 3))
    ours.set_weights(theirs.get_weights())
    ones = torch.ones(4, 3)
    for _ in range(2):
        states = [torch.zeros(4, 2), torch.zeros(4, 2)]
        first = [cell(ones, states, training=True)[0].detach() for cell in (theirs, ours)]
        again = [cell(ones, states, training=True)[0].detach() for cell in (theirs, ours)]
        torch.testing.assert_close(first[1], first[0])
        torch.testing.assert_close(again[1], first[1])
        for cell in (theirs, ours):
            cell.reset_dropout_mask()


# -- lines of compat/deviations.md ------------------------------------------------------------------------------------


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
def test_simple_rnn_drops_its_activity_regularizer():
    differences = compare(case("SimpleRNN", (4, 5, 3), units=2, activity_regularizer="l2"))
    assert not differences


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
@pytest.mark.parametrize("backwards", [False, True])
def test_zeros_instead_of_the_last_output(backwards):
    options = {"units": 2, "zero_output_for_mask": True, "go_backwards": backwards}
    differences = compare(case("LSTM", (4, 5, 3), masks=(RAGGED[:, ::-1].copy() if backwards else RAGGED,), **options))
    assert not differences


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=RuntimeError)
def test_stateful_layers_cannot_be_trained():
    layer = keras.layers.LSTM(2, stateful=True)
    layer(torch.tensor(X)).sum().backward()
    layer(torch.tensor(X)).sum().backward()


@pytest.mark.parametrize("name", ["GRU", "LSTM", "SimpleRNN", "ConvLSTM1D"])
def test_kept_states_are_variables(name):
    """They are read, assigned and set to zero through `layer.states`."""
    sequences = np.random.default_rng(0).standard_normal((3, 2, 4) + (1,) * name.startswith("Conv")).astype("float32")

    def run(k):
        arguments = {"filters": 2, "kernel_size": 1} if name.startswith("Conv") else {"units": 3}
        layer = getattr(k.layers, name)(
            **arguments, stateful=True, kernel_initializer="ones", recurrent_initializer="ones"
        )
        seen = [layer(sequences)]
        for state in layer.states:
            seen += [state.value.clone(), state.numpy()]
            state.assign(state * 0.5)
            state.assign_add(np.full(state.shape, 0.25))
        seen += [layer(sequences), [tuple(state.shape) for state in layer.states], len(layer.weights)]
        layer.states[0].assign(k.ops.zeros(layer.states[0].shape))
        return [*seen, *(state.value.clone() for state in layer.states)]

    for theirs, ours in zip(run(keras), run(torchkeras), strict=True):
        torch.testing.assert_close(torch.as_tensor(ours), torch.as_tensor(theirs), atol=1e-5, rtol=1e-5)
