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


def test_subclasses_may_hand_training_on():
    """Keras's own `call` takes it, and so subclasses pass it."""

    class Noisy(Dense):
        def call(self, inputs, training=None):
            return super().call(inputs, training=training) + float(bool(training))

    layer = Noisy(3)
    x = torch.ones(2, 4)
    torch.testing.assert_close(layer(x, training=True), layer(x) + 1)
    plain = Dense(3)
    assert torch.equal(plain(x, training=True), plain(x)) and torch.equal(plain.call(x, training=True), plain(x))
