"""Gradients at a row of zeros: finite for everything that divides by a length or takes a root."""

import pytest
import torch

import torchkeras as keras
from torchkeras import constraints, layers, losses, ops

TYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)

FUNCTIONS = {
    **{f"normalize {order}": lambda x, order=order: ops.normalize(x, order=order) for order in (1, 2, 3, 4)},
    "normalize no axis": lambda x: ops.normalize(x, axis=()),
    "norm": lambda x: ops.norm(x, axis=-1),
    "norm 3": lambda x: ops.norm(x, ord=3, axis=-1),
    "norm of all": ops.norm,
    "norm of a matrix": lambda x: ops.norm(x.float(), axis=(0, 1)),
    "cosine similarity": lambda x: losses.cosine_similarity(x, x.detach() + 1),
    "cosine similarity of targets": lambda x: losses.cosine_similarity(x.detach() + 1, x),
    "Dot": lambda x: layers.Dot(1, normalize=True, dtype=x.dtype)([x, x + 1]),
    "UnitNorm": lambda x: constraints.UnitNorm(axis=-1)(x),
    "MaxNorm": lambda x: constraints.MaxNorm(1.0, axis=-1)(x),
    "MinMaxNorm": lambda x: constraints.MinMaxNorm(axis=-1)(x),
    "LayerNormalization": lambda x: layers.LayerNormalization(dtype=x.dtype)(x),
    "rms_normalization": ops.rms_normalization,
}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_finite(name, dtype):
    x = torch.tensor([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]], dtype=dtype, requires_grad=True)
    FUNCTIONS[name](x).float().sum().backward()
    assert torch.isfinite(x.grad).all(), x.grad


@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16), ids=str)
def test_half_precision_neither_overflows_nor_vanishes(dtype):
    x = torch.tensor([[1e-2, 1e-2], [1e-4, 0.0], [200.0, 300.0]], dtype=dtype, requires_grad=True)
    out = keras.ops.normalize(x)
    exact = keras.ops.normalize(x.detach().double())
    torch.testing.assert_close(out.double(), exact, rtol=1e-2, atol=1e-3)
    out.sum().backward()
    assert torch.isfinite(x.grad).all()
