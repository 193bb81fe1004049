"""Data of every kind on the way to the GPU: the numbers that a training on the CPU gives."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import torchkeras as keras
from torchkeras.training import array_source

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]
X = np.random.default_rng(0).normal(size=(4096, 64)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def generator(x, y):
    for start in range(0, len(x), 64):
        yield x[start : start + 64], y[start : start + 64]


def tensors(device):
    return torch.from_numpy(X).to(device), torch.from_numpy(Y).to(device)


KINDS = {
    "arrays": lambda: (X, Y),
    "generator": lambda: (generator(X, Y), None),
    "generator of tensors there": lambda: (generator(*tensors("cuda")), None),
    "loader": lambda: (DataLoader(TensorDataset(*tensors("cpu")), batch_size=64), None),
    "pinned loader": lambda: (DataLoader(TensorDataset(*tensors("cpu")), batch_size=64, pin_memory=True), None),
    "loader with workers": lambda: (DataLoader(TensorDataset(*tensors("cpu")), batch_size=64, num_workers=2), None),
}


def losses(data, device):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(256, activation="tanh"), keras.layers.Dense(1)])
    model.to(device)
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x, y = data
    history = model.fit(x, y, batch_size=64, shuffle=False, verbose=0)
    assert next(model.parameters()).device.type == device
    return history.history["loss"], model.predict(X, verbose=0)


@pytest.mark.parametrize("travel", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_training(kind, travel, monkeypatch):
    if travel:  # arrays too large for the card go there batch by batch
        monkeypatch.setattr(array_source, "_FREE_SHARE", 0.0)
    weights = losses((X, Y), "cpu")
    found = losses(KINDS[kind](), "cuda")
    for one, other in zip(found, weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-3)
