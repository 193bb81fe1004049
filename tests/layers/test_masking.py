"""Masking and Identity: what is padding, what goes on."""

import numpy as np
import pytest
import torch

from torchkeras import Sequential, layers


def test_steps_of_the_mask_value_become_zeros():
    x = torch.tensor([[[3.0, 3.0], [3.0, 1.0], [3.0, 3.0]]], requires_grad=True)
    out = layers.Masking(3)(x)
    assert out.tolist() == [[[0, 0], [3, 1], [0, 0]]] and out._keras_mask.tolist() == [[False, True, False]]
    out.sum().backward()
    assert x.grad.tolist() == [[[0, 0], [1, 1], [0, 0]]]


def test_the_mask_is_made_once():
    class Counting(layers.Masking):
        made = 0

        def _kept(self, inputs):
            self.made += 1
            return super()._kept(inputs)

    layer = Counting()
    layer(torch.zeros(1, 2, 3))
    assert layer.made == 1


def test_a_later_layer_skips_padding():
    torch.manual_seed(0)
    model = Sequential([layers.Masking(-1.0), layers.LSTM(2)])
    x = torch.randn(1, 3, 2)
    longer = torch.cat([x, torch.full((1, 2, 2), -1.0)], 1)
    torch.testing.assert_close(model(longer), model(x))


def test_values_of_features_and_what_is_not_a_number():
    x = torch.tensor([[[1.0, 2.0], [2.0, 1.0], [float("nan")] * 2]])
    assert layers.Masking([1, 2])(x)._keras_mask.tolist() == [[False, True, True]]
    assert layers.Masking(torch.tensor([2.0, 1.0]))(x)._keras_mask.tolist() == [[True, False, True]]


@pytest.mark.parametrize("value", [np.array([1.0, 2.0]), torch.tensor([1.0, 2.0]), [1, 2], 2])
def test_values_come_back_from_configs(value):
    layer = layers.Masking(value)
    again = layers.deserialize(layers.serialize(layer))
    x = torch.tensor([[[1.0, 2.0], [2.0, 2.0]]])
    assert torch.equal(again(x)._keras_mask, layer(x)._keras_mask)


@pytest.mark.parametrize("value", [None, "a", ["a"], object()])
def test_refuses(value):
    with pytest.raises((TypeError, ValueError), match="`mask_value` must be a number"):
        layers.Masking(value)


def test_identity_gives_back_what_came():
    x = torch.ones(2)
    layer = layers.Identity()
    assert layer(x) is x
    found = layer({"a": x, "b": [np.ones(3), x]})
    assert found["a"] is x and found["b"][0].dtype == torch.float32
    out = layer({"a": layers.Input((3,), dtype="int32"), "b": layers.Input((2,), dtype="float64")})
    assert (out["a"].dtype, out["b"].dtype, out["b"].shape) == ("int32", "float32", (None, 2))


def test_flatten_ends_a_mask_with_a_warning():
    embedded = layers.Embedding(5, 3, mask_zero=True)(torch.tensor([[1, 0]]))
    flatten = layers.Flatten()
    with pytest.warns(UserWarning, match="'flatten.*destroy the mask"):
        out = flatten(embedded)
    assert out.shape == (1, 6) and getattr(out, "_keras_mask", None) is None
