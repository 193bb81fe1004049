"""Dense: where ReLU writes."""

import pytest
import torch

from torchkeras.layers import Dense


@pytest.mark.parametrize("shape", [(2, 3), (2, 4, 3), (2, 4, 5, 3)])
@pytest.mark.parametrize("use_bias", [True, False])
def test_relu_writes_into_no_input_and_no_view(shape, use_bias):
    """It takes the memory of the product, before that is given more axes; a view's gradient would be copied."""
    layer = Dense(4, activation="relu", use_bias=use_bias)
    x = torch.randn(shape)
    before = x.clone()
    outputs = layer(x)
    assert outputs.min() == 0 and torch.equal(x, before)
    made = outputs.grad_fn if len(shape) == 2 else outputs.grad_fn.next_functions[0][0]
    assert made.name() == "ReluBackward0" and not made._saved_result._is_view()


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
