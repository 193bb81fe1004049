"""Recurrent layers on a GPU: cuDNN's kernels, and weights that lie where these read them."""

import copy
import warnings

import pytest
import torch

import torchkeras as keras

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]
layers = keras.layers
CASES = {
    "lstm": lambda: layers.LSTM(16),
    "lstm without bias": lambda: layers.LSTM(16, use_bias=False),
    "lstm sequences": lambda: layers.LSTM(16, return_sequences=True, return_state=True),
    "gru": lambda: layers.GRU(16),
    "gru without bias": lambda: layers.GRU(16, use_bias=False),
    "gru before the product": lambda: layers.GRU(16, reset_after=False),
    "simple": lambda: layers.SimpleRNN(16),
    "backwards": lambda: layers.LSTM(16, go_backwards=True),
    "bidirectional lstm": lambda: layers.Bidirectional(layers.LSTM(16, return_sequences=True)),
    "bidirectional gru": lambda: layers.Bidirectional(layers.GRU(16)),
    "float64": lambda: layers.LSTM(16, dtype="float64"),
}


def results(layer, x, mask):
    x = x.clone().requires_grad_()
    outputs = layer(x, mask=mask)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    loss = sum((each.double() ** 2).sum() for each in outputs)
    return [each.cpu() for each in (*outputs, *torch.autograd.grad(loss, [x, *layer.trainable_weights]))]


@pytest.fixture(autouse=True)
def full_precision():
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_numbers_of_the_cpu_without_copies_of_weights(name, masked):
    with keras.device("cpu"):
        layer = CASES[name]()
        layer.build((3, 9, 5))
    for weight in layer.weights:
        weight.assign(torch.randn(weight.shape) / 4)
    x = torch.randn(3, 9, 5, dtype=torch.float64 if name == "float64" else torch.float32)
    mask = torch.arange(9) < torch.tensor([[9], [2], [5]]) if masked else None
    expected = results(layer, x, mask)
    moved = copy.deepcopy(layer).cuda()
    x, mask = x.cuda(), None if mask is None else mask.cuda()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="RNN module weights")  # torch copies them in every call
        for _ in range(2):
            torch.testing.assert_close(results(moved, x, mask), expected, rtol=1e-3, atol=1e-4)
        optimizer = torch.optim.SGD(moved.parameters(), lr=0.1)
        for parameter in moved.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        again = copy.deepcopy(moved)
        torch.testing.assert_close(results(again, x, mask), results(moved, x, mask))
        torch.testing.assert_close(results(again.cpu(), x.cpu(), mask if mask is None else mask.cpu()),
                                   results(moved, x, mask), rtol=1e-3, atol=1e-4)  # fmt: skip
        with torch.no_grad():
            moved(x, mask=mask)


@pytest.mark.parametrize("cls", [layers.LSTM, layers.SimpleRNN])
def test_parameters_lie_in_one_piece(cls):
    with keras.device("cuda"):
        layer = cls(16)
        layer(torch.randn(3, 9, 5, device="cuda"))
    assert len({weight.untyped_storage().data_ptr() for weight in layer.weights}) == 1
    addresses = [weight.data_ptr() for weight in layer.weights]
    layer(torch.randn(3, 9, 5, device="cuda"))
    assert [weight.data_ptr() for weight in layer.weights] == addresses
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.load_state_dict(state)
    assert [weight.data_ptr() for weight in layer.weights] == addresses
