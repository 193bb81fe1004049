"""torch's tools for modules and parameters on every published layer with weights, however their memory lies."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, parametrizations, parametrize, prune, vector_to_parameters

import torchkeras as keras
from tests.layers.test_citizenship import PLAIN, assert_same, inputs_of, layer_of, named, total
from torchkeras import layers

LEARNED = [case for case in PLAIN if any(weight.requires_grad for weight in layer_of(case).weights)]
HELD = [  # of a wrapper, what it wraps is pruned and parametrized
    case
    for case in LEARNED
    if isinstance(getattr(layer_of(case), "kernel", None), nn.Parameter)
    and not isinstance(layer_of(case), layers.Wrapper)
]
WEIGHTS = pytest.mark.parametrize("case", LEARNED, ids=named)
KERNELS = pytest.mark.parametrize("case", HELD, ids=named)


@WEIGHTS
def test_vectors(case):
    layer, inputs = layer_of(case), inputs_of(case)
    expected = layer(*inputs)
    vector = parameters_to_vector(layer.parameters())
    np.testing.assert_array_equal(vector.detach(), np.concatenate([w.numpy().ravel() for w in layer.parameters()]))
    twin = copy.deepcopy(layer)
    vector_to_parameters(torch.zeros_like(vector), twin.parameters())
    assert not any(weight.any() for weight in twin.weights)
    vector_to_parameters(vector, twin.parameters())
    assert_same(twin(*inputs), expected)
    (parameters_to_vector(layer.parameters()) ** 2).sum().backward()
    for weight in layer.parameters():
        assert weight.grad is None or torch.equal(weight.grad, 2 * weight)


@WEIGHTS
@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs(case, search):
    layer, inputs = layer_of(case), inputs_of(case)
    if search is None:  # gradients from before the optimizer was there
        total(layer(*inputs)).backward()
    optimizer = torch.optim.LBFGS(layer.parameters(), lr=0.01, max_iter=3, line_search_fn=search)

    def closure():
        optimizer.zero_grad()
        loss = total(layer(*inputs))
        loss.backward()
        return loss

    first = optimizer.step(closure)
    second = optimizer.step(closure)
    assert second < first


@KERNELS
@pytest.mark.parametrize("method", [prune.l1_unstructured, prune.random_unstructured])
def test_pruning(case, method):
    layer, inputs = layer_of(case), inputs_of(case)
    method(layer, "kernel", 0.5)
    assert abs((layer.kernel == 0).float().mean() - 0.5) < 0.2
    total(layer(*inputs)).backward()
    assert ((layer.kernel_orig.grad == 0) | (layer.kernel != 0)).all()
    expected = layer(*inputs)
    prune.remove(layer, "kernel")
    assert_same(layer(*inputs), expected)
    assert any(weight is layer.kernel for weight in layer.weights)


@KERNELS
def test_pruning_of_several(case):
    parts = [(layer_of(case), "kernel") for _ in range(2)]
    prune.global_unstructured(parts, pruning_method=prune.L1Unstructured, amount=0.5)
    zeros = torch.cat([(layer.kernel == 0).flatten() for layer, _ in parts])
    assert zeros.float().mean() == pytest.approx(0.5, abs=0.2)
    prune.ln_structured(parts[0][0], "kernel", 1, n=2, dim=-1)
    parts[0][0](*inputs_of(case))


@KERNELS
@pytest.mark.parametrize("kind", ["spectral_norm", "weight_norm", "orthogonal"])
def test_parametrizations(case, kind):
    layer, inputs = layer_of(case), inputs_of(case)
    getattr(parametrizations, kind)(layer, "kernel")
    layer.eval()
    expected = layer(*inputs)
    total(expected).backward()
    assert all(p.grad is not None for p in layer.parametrizations["kernel"].parameters())
    assert_same(copy.deepcopy(layer)(*inputs), expected)
    parametrize.remove_parametrizations(layer, "kernel")
    assert_same(layer(*inputs), expected)


def test_a_parameter_of_a_variable():
    kernel = layers.Dense(3)
    kernel.build((None, 4))
    kernel = kernel.kernel
    parameter = nn.Parameter(kernel, requires_grad=False)
    assert isinstance(parameter, keras.Variable) and not parameter.requires_grad
    assert parameter.data_ptr() == kernel.data_ptr() and parameter.path == kernel.path
    assert type(kernel.detach()) is torch.Tensor


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", keras.optimizers.SGD(0.1, momentum=0.9)])
def test_training_goes_on_in_another_order_of_memory(optimizer):
    """Weights laid anew between two epochs, while the optimizer's state lies as they did: the same numbers."""
    parts = [keras.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.Flatten(), layers.Dense(4), layers.Dense(1)]
    data = np.random.default_rng(0).random((8, 6, 6, 2)).astype("float32")
    model = keras.Sequential(parts)
    model.compile(copy.deepcopy(optimizer), "mse")
    model.fit(data, data.mean((1, 2, 3)), verbose=0, shuffle=False)
    twin = copy.deepcopy(model)
    for weight in twin.weights:
        weight.lie_as_usual()
    for each in (model, twin):
        each.fit(data, data.mean((1, 2, 3)), epochs=2, verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
