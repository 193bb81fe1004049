"""RematScope: what the backward pass needs is not kept, in every mode, and the numbers are those without."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers

X = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
MODES = {
    "full": {"mode": "full"},
    "activations": {"mode": "activations"},
    "larger_than": {"mode": "larger_than", "output_size_threshold": 1024},
    "list_of_layers": {"mode": "list_of_layers", "layer_names": ["wide", "wider"]},
}


def network(scope):
    keras.utils.set_random_seed(1)
    with scope:
        return keras.Sequential([
            keras.Input((8,)), layers.Dense(256, activation="gelu", name="wide"),
            layers.Dense(256, activation=lambda x: torch.sin(torch.exp(torch.tanh(x))), name="wider"),
            layers.BatchNormalization(), layers.Dropout(0.3, seed=3), layers.Dense(1),
        ])  # fmt: skip


def kept_bytes(model):
    """What a training pass keeps for its backward pass, weights aside."""
    kept, own = {}, {parameter.data_ptr() for parameter in model.parameters()}

    def keep(tensor):
        if tensor.data_ptr() not in own:
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    model(X, training=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(X, training=True)
    assert output.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("mode", MODES)
def test_less_is_kept(mode):
    plain, light = (kept_bytes(network(scope)) for scope in (keras.RematScope(None), keras.RematScope(**MODES[mode])))
    assert light < (0.9 if mode == "activations" else 0.75) * plain


@pytest.mark.parametrize("mode", MODES)
def test_same_gradients_statistics_and_dropout(mode):
    results = []
    for scope in (keras.RematScope(None), keras.RematScope(**MODES[mode])):
        model = network(scope)
        for _ in range(2):
            model.zero_grad()
            model(X, training=True).square().mean().backward()
        results.append([*(p.grad for p in model.parameters() if p.grad is not None), *model.non_trainable_variables])
    for plain, light in zip(*results, strict=True):
        torch.testing.assert_close(light, plain, rtol=1e-5, atol=1e-7)
