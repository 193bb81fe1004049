"""Dense: where ReLU writes."""

import pytest
import torch

from torchkeras.layers import Dense


@pytest.mark.parametrize("shape", [(2, 3), (2, 4, 3), (2, 4, 5, 3)])
@pytest.mark.parametrize("use_bias", [True, False])
def test_relu_writes_into_no_input_and_no_view(shape, use_bias):
    """It may take the memory of the product; a view's gradient would be copied."""
    layer = Dense(4, activation="relu", use_bias=use_bias)
    x = torch.randn(shape)
    before = x.clone()
    outputs = layer(x)
    assert outputs.min() == 0 and torch.equal(x, before)
    assert outputs.grad_fn.name() == "ReluBackward0"
