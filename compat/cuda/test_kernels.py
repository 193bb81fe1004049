"""Kernels of torch for CUDA whose numbers had to be looked after: the same layer on the CPU says what is right."""

import copy

import pytest
import torch

import torchkeras as keras

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]
layers = keras.layers


def results(layer, inputs, **arguments):
    inputs = [each.clone().requires_grad_() for each in inputs]
    outputs = layer(*inputs, **arguments)
    outputs.double().square().sum().backward()
    return [outputs.detach().cpu(), *(each.grad.cpu() for each in inputs)]


@pytest.fixture(autouse=True)
def full_precision():
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_averages_over_padded_images(rank, size, strides, data_format):
    cls = getattr(layers, f"AveragePooling{rank}D")
    layer = cls(size, strides=strides, padding="same", data_format=data_format)
    x = torch.randn(2, *[9, 8, 7][:rank], 5)
    torch.testing.assert_close(results(layer, [x.cuda()]), results(layer, [x]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_queries_that_may_look_nowhere(dtype):
    with keras.device("cpu"):
        layer = layers.MultiHeadAttention(2, 4, dtype=dtype)
        x = torch.randn(3, 5, 6, dtype=getattr(torch, dtype))
        layer.build(x.shape, x.shape)
    mask = torch.rand(3, 5, 5) > 0.5
    mask[:, 2] = False
    expected = results(layer, [x, x], attention_mask=mask)
    moved = copy.deepcopy(layer).cuda()
    found = results(moved, [x.cuda(), x.cuda()], attention_mask=mask.cuda())
    loose = 0.1 if dtype == "bfloat16" else 1e-4
    torch.testing.assert_close(found, expected, rtol=loose, atol=loose)
