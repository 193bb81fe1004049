"""SpectralNormalization: what it divides by, when, and what its gradients go through."""

import pytest
import torch

from torchkeras import layers
from torchkeras.layers import SpectralNormalization

WRAPPED = [
    lambda: (layers.Dense(6), torch.randn(4, 5)),
    lambda: (layers.Conv2D(6, 2), torch.randn(2, 5, 5, 3)),
    lambda: (layers.Embedding(7, 6), torch.tensor([[1, 2], [3, 4]])),
]


def largest_value(layer):
    return torch.linalg.matrix_norm(layer.kernel.detach().reshape(-1, layer.kernel_shape[-1]), 2)


@pytest.mark.parametrize("make", WRAPPED)
def test_the_largest_singular_value_becomes_one(make):
    inner, x = make()
    layer = SpectralNormalization(inner, power_iterations=3)
    layer(x)
    for _ in range(40):
        outputs = layer(x, training=True)
    torch.testing.assert_close(largest_value(layer), torch.tensor(1.0), rtol=1e-3, atol=0)
    torch.testing.assert_close(outputs, inner(x))


def test_inference_changes_nothing():
    layer, x = SpectralNormalization(layers.Dense(3)), torch.randn(4, 5)
    expected = layer(x)
    before = [weight.clone() for weight in layer.weights]
    assert torch.equal(layer(x, training=False), expected)
    assert all(torch.equal(a, b) for a, b in zip(before, layer.weights, strict=True))


def test_zeros_stay_zeros():
    layer = SpectralNormalization(layers.Dense(3, kernel_initializer="zeros"))
    assert layer(torch.ones(2, 4), training=True).eq(0).all() and not layer.vector_u.isnan().any()


def test_two_training_calls_before_one_backward():
    """As a discriminator is called, on what is real and on what is not."""
    layer, x = SpectralNormalization(layers.Dense(3)), torch.randn(4, 5)
    real = layer(x, training=True).sum()
    layer.kernel.grad = None
    kernels = []
    for loss in (real, layer(2 * x, training=True).sum()):
        loss.backward()
        kernels.append(layer.kernel.grad.clone())
    torch.testing.assert_close(kernels[1], 3 * kernels[0])


def test_half_precision_keeps_the_weights_exact():
    inner = layers.Dense(3)
    layer = SpectralNormalization(inner, dtype="mixed_bfloat16")
    for _ in range(40):
        assert layer(torch.ones(2, 4), training=True).dtype == torch.bfloat16
    assert layer.vector_u.dtype == inner.kernel.dtype == torch.float32
    torch.testing.assert_close(largest_value(layer), torch.tensor(1.0), rtol=1e-3, atol=0)


def test_refuses():
    with pytest.raises(ValueError, match="has neither"):
        SpectralNormalization(layers.ReLU()).build((None, 3))
    with pytest.raises(ValueError, match="power_iterations"):
        SpectralNormalization(layers.Dense(3), power_iterations=0)
