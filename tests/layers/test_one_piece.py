"""Recurrent weights in one piece of memory: the places are played by a stand-in for cuDNN, so that it runs anywhere."""

import copy

import pytest
import torch

from torchkeras import layers
from torchkeras.layers.rnn import fused, gru_steps, one_piece


def places(weights, stride, features, mode, units, *_):
    """What torch asks cuDNN for: all matrices, then all biases; some room at the end."""
    order = sorted(range(len(weights)), key=lambda i: (i % stride > 1, i))
    piece = torch.zeros(sum(w.numel() for w in weights) + (0 if stride == 4 else 8 * units), dtype=weights[0].dtype)
    start = 0
    for i in order:
        number = weights[i].numel()
        weights[i].set_(piece[start : start + number].view(weights[i].shape))
        start += number
    return piece


@pytest.fixture
def cudnn(monkeypatch):
    one_piece._layout.cache_clear()
    monkeypatch.setattr(torch, "_cudnn_rnn_flatten_weight", places)
    monkeypatch.setattr(one_piece, "serves", lambda weight: True)
    monkeypatch.setattr(gru_steps, "serve", lambda sequences: False)
    given = []

    def noted(function):
        def run(sequences, initial, weights, *rest):
            given.append(list(weights))
            return function(sequences, initial, weights, *rest)

        return run

    monkeypatch.setattr(fused, "_FUNCTIONS", {kind: noted(run) for kind, run in fused._FUNCTIONS.items()})
    yield given
    one_piece._layout.cache_clear()


def in_place(weights):
    """Whether these weights lie one behind another in one piece."""
    storage = weights[0].untyped_storage()
    starts = sorted((w.data_ptr(), w.numel() * w.element_size()) for w in weights)
    ends = [start + size for start, size in starts]
    return starts[0][0] == storage.data_ptr() and [start for start, _ in starts[1:]] == ends[:-1]


CASES = {
    "lstm": lambda: layers.LSTM(4),
    "lstm, no bias": lambda: layers.LSTM(4, use_bias=False),
    "simple": lambda: layers.SimpleRNN(4, return_sequences=True),
    "gru": lambda: layers.GRU(4, return_sequences=True, return_state=True),
    "gru, no bias": lambda: layers.GRU(4, use_bias=False),
    "bidirectional lstm": lambda: layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
    "bidirectional gru": lambda: layers.Bidirectional(layers.GRU(4)),
    "mixed": lambda: layers.LSTM(4, dtype="mixed_bfloat16"),
}


def results(layer, x, mask=None):
    x = x.clone().requires_grad_()
    outputs = layer(x, mask=mask)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    loss = sum((each.float() ** 2).sum() for each in outputs)
    return [*outputs, *torch.autograd.grad(loss, [x, *layer.trainable_weights])]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_weights_that_lie_apart(name, masked, cudnn):
    layer = CASES[name]()
    x = torch.randn(3, 5, 2)
    layer.build(x.shape)
    for weight in layer.weights:
        weight.assign(torch.randn(weight.shape))
    mask = torch.arange(5) < torch.tensor([[5], [2], [4]]) if masked else None
    plain, copied = one_piece.serves, copy.deepcopy(layer)
    one_piece.serves = lambda weight: False
    expected = results(copied, x, mask)
    one_piece.serves = plain
    for _ in range(2):
        found = results(layer, x, mask)
        assert in_place(cudnn[-1])
        torch.testing.assert_close(found, expected)


def test_parameters_move_once_and_remain_what_they_are(cudnn):
    layer = layers.LSTM(4)
    x = torch.randn(3, 5, 2)
    layer.build(x.shape)
    before = [(id(weight), weight.clone(), weight.stride()) for weight in layer.weights]
    layer(x)
    addresses = [weight.data_ptr() for weight in layer.weights]
    assert [(id(w), w.stride()) for w in layer.weights] == [(i, stride) for i, _, stride in before]
    assert all(torch.equal(w, value) for w, (_, value, _) in zip(layer.weights, before))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(x).sum().backward()
    optimizer.step()
    expected = results(copy.deepcopy(layer), x)
    torch.testing.assert_close(results(layer, x), expected)
    assert [weight.data_ptr() for weight in layer.weights] == addresses
    assert not cudnn[-1][3].any() and cudnn[-1][3].untyped_storage().data_ptr() == addresses[0]


def test_parameters_that_share_memory_with_others_are_left_there(cudnn):
    layer = layers.LSTM(4)
    x = torch.randn(3, 5, 2)
    layer.build(x.shape)
    vector = torch.nn.utils.parameters_to_vector(layer.parameters()).detach()
    torch.nn.utils.vector_to_parameters(vector, layer.parameters())
    expected = results(layer, x)
    assert in_place(cudnn[-1])
    assert all(weight.untyped_storage().data_ptr() == vector.data_ptr() for weight in layer.weights)
    torch.testing.assert_close(results(layer, x), expected)
