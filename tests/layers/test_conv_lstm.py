"""Convolutional LSTMs: sizes that are not known, one convolution a step, dropout's masks, layout."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import torchkeras
from torchkeras import layers

X = torch.randn(2, 4, 6, 5, 3, generator=torch.Generator().manual_seed(1))
RANKS = {"ConvLSTM1D": X[:, :, :, 0], "ConvLSTM2D": X, "ConvLSTM3D": X.unsqueeze(4)}


class Counted(TorchDispatchMode):
    """Counts calls of torch's operators by name."""

    def __init__(self):
        super().__init__()
        self.calls = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.calls[function.name()] = self.calls.get(function.name(), 0) + 1
        return function(*args, **(kwargs or {}))


def test_equals_a_loop_in_torch():
    layer = layers.ConvLSTM2D(2, (3, 2), padding="same", return_sequences=True)
    found = layer(X).detach()
    kernel, recurrent, bias = (torch.tensor(value) for value in layer.get_weights())
    h = c = torch.zeros(2, 2, 6, 5)
    for step in range(4):
        x = F.pad(X[:, step].permute(0, 3, 1, 2), (0, 1, 1, 1))
        gates = F.conv2d(x, kernel.permute(3, 2, 0, 1), bias)
        gates = gates + F.conv2d(F.pad(h, (0, 1, 1, 1)), recurrent.permute(3, 2, 0, 1))
        i, f, g, o = gates.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        torch.testing.assert_close(found[:, step], h.permute(0, 2, 3, 1))


@pytest.mark.parametrize("name", RANKS)
@pytest.mark.parametrize("options", [{}, {"dropout": 0.3, "recurrent_dropout": 0.3, "seed": 1}])
def test_one_convolution_a_step(name, options):
    """And one for the inputs of all steps; masks of dropout are groups of it."""
    layer = getattr(layers, name)(2, 1, **options)
    layer(RANKS[name])
    with Counted() as counted:
        layer(RANKS[name], training=True)
    assert counted.calls["aten::convolution"] == 1 + 4
    assert "one convolution a step" in layer.explain_kernel()[1]


def test_nothing_is_copied_into_another_layout():
    layer = layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True)
    layer(X)
    with Counted() as counted, torch.no_grad():
        outputs = layer(X)
    assert not {"aten::copy_", "aten::clone", "aten::_to_copy"} & counted.calls.keys()
    assert outputs.is_contiguous()


def test_weights_lie_as_the_kernel_wants():
    layer = layers.ConvLSTM2D(5, 3)
    layer(X).sum().backward()
    for weight in (layer.cell.kernel, layer.cell.recurrent_kernel):
        assert weight.shape[-1] == 20 and weight.grad.stride() == weight.stride()
        assert weight.permute(3, 2, 0, 1).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding, strides", [("valid", 1), ("same", 2)])
def test_sizes_that_are_not_known(data_format, padding, strides):
    """A model of frames of any size gives for each size what a layer built for it gives."""
    last = data_format == "channels_last"
    frames = torchkeras.Input((None, None, None, 3) if last else (None, 3, None, None))
    options = {"padding": padding, "strides": strides, "data_format": data_format}
    options |= {"return_sequences": True, "return_state": True}
    layer = layers.ConvLSTM2D(2, 3, **options)
    outputs = layer(frames)
    assert [out.shape[2 if last else 3] for out in outputs] == [None] * 3
    model = torchkeras.Model(frames, outputs)
    for size in (5, 8):
        x = torch.randn(2, 3, size, size + 1, 3)
        x = x if last else x.movedim(-1, 2)
        other = layers.ConvLSTM2D(2, 3, **options)
        other.build(x.shape)
        other.set_weights(layer.get_weights())
        for a, b in zip(model(x), other(x), strict=True):
            torch.testing.assert_close(a, b)


def test_kept_states_need_known_sizes():
    layer = layers.ConvLSTM2D(2, 3, stateful=True)
    with pytest.raises(ValueError, match="spatial sizes"):
        layer.build((2, 4, None, 5, 3))
    with pytest.raises(ValueError, match="batch size must be known"):
        layers.ConvLSTM2D(2, 3, stateful=True).build((None, 4, 6, 5, 3))


@pytest.mark.parametrize("rates", [(0.5, 0.0), (0.0, 0.5)])
def test_dropout_has_one_mask_for_all_steps(rates):
    """Every step of the second half of a sequence of equal frames computes the same where the state stands still."""
    layer = layers.ConvLSTM2D(2, 1, dropout=rates[0], recurrent_dropout=rates[1], return_sequences=True, seed=3)
    still = torch.ones(1, 200, 4, 4, 3)
    layer(still)
    outputs = layer(still, training=True).detach()
    torch.testing.assert_close(outputs[:, -1], outputs[:, -2], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(outputs[:, -1], layer(still, training=True).detach()[:, -1], atol=1e-3)
    plain = layer(still, training=False).detach()
    assert not torch.allclose(outputs[:, -1], plain[:, -1], atol=1e-3)
    torch.testing.assert_close(plain, layer(still).detach())


def test_batch_of_zero_and_whole_numbers():
    layer = layers.ConvLSTM2D(2, 3, return_state=True)
    assert [tuple(out.shape) for out in layer(X[:0])] == [(0, 4, 3, 2)] * 3
    whole = torch.randint(0, 9, X.shape)
    for a, b in zip(layer(whole), layer(whole.float()), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"filters": 0}, "filters"),
        ({"kernel_size": (1, 2, 3)}, "kernel_size"),
        ({"padding": "causal"}, "padding"),
        ({"data_format": "NHWC"}, "data_format"),
        ({"strides": 2, "dilation_rate": (1, 2)}, "exclude"),
    ],
)
def test_wrong_arguments(options, words):
    with pytest.raises(ValueError, match=words):
        layers.ConvLSTM2D(**{"filters": 2, "kernel_size": 3, **options})


@pytest.mark.parametrize(
    "shape, words",
    [((2, 6, 5, 3), "ndim"), ((2, 4, 2, 5, 3), "smaller than its window"), ((None, 4, 6, 5, None), "channels")],
)
def test_wrong_inputs(shape, words):
    layer = layers.ConvLSTM2D(2, 3)
    with pytest.raises(ValueError, match=words):
        layer(np.ones(shape)) if None not in shape else layer.build(shape)


def test_initial_state_is_the_callers():
    """It is used, takes gradients, and is not written to."""
    layer = layers.ConvLSTM2D(2, 3, padding="same")
    h, c = (torch.ones(2, 6, 5, 2, requires_grad=True) for _ in range(2))
    layer(X, initial_state=[h, c]).sum().backward()
    assert h.grad.any() and c.grad.any() and (h == 1).all()
    assert [tuple(state.shape) for state in layer.get_initial_state(7)] == [(7, 6, 5, 2)] * 2
