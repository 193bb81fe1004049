"""Activation layers: bounds, masks, names."""

import pytest
import torch

from torchkeras import layers
from torchkeras.layers import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax


def test_layers_and_functions_serve_as_activations():
    x = torch.tensor([[-1.0, 2.0]])
    assert Activation(LeakyReLU(0.5))(x).tolist() == [[-0.5, 2.0]]
    assert Activation(torch.relu)(x).tolist() == [[0.0, 2.0]]
    assert Activation(None)(x) is x


def test_relu_with_bounds():
    x = torch.tensor([-1.0, 0.5, 3.0])
    assert ReLU(max_value=1, negative_slope=0.5, threshold=1)(x).tolist() == [-1.0, -0.25, 1.0]
    assert LeakyReLU(alpha=0.25).get_config()["negative_slope"] == 0.25
    assert ELU(2.0)(torch.tensor([0.0])).item() == 0.0


def test_softmax_over_masked_rows():
    layer = Softmax()
    x = torch.zeros(2, 3)
    found = layer(x, mask=torch.tensor([[True, True, False], [False, False, False]]))
    assert found.tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    joint = Softmax(axis=[1, 2])(torch.zeros(1, 2, 2))
    torch.testing.assert_close(joint, torch.full((1, 2, 2), 0.25))
    with pytest.raises(ValueError, match="broadcastable"):
        layer(x, mask=torch.ones(2, 2, dtype=torch.bool))


def test_prelu_learns_one_slope_for_shared_axes():
    layer = PReLU(shared_axes=[1, 2])
    layer.build((None, 5, 6, 3))
    assert layer.alpha.shape == (1, 1, 3)
    with pytest.raises(ValueError, match="shared_axes"):
        PReLU(shared_axes=[3]).build((None, 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ReLU(max_value=-1),
        lambda: ReLU(negative_slope=None),
        lambda: ReLU(threshold=-0.1),
        lambda: LeakyReLU(negative_slope=-1),
        lambda: LeakyReLU(alpha=None),
        lambda: Activation("rleu"),
    ],
)
def test_refuses(make):
    with pytest.raises(ValueError):
        make()


def test_configs_make_equal_layers():
    layer = Softmax(axis=[1, 2], name="s")
    again = layers.deserialize(layers.serialize(layer))
    assert again.get_config() == layer.get_config()
    with pytest.raises(ValueError):
        layers.deserialize({"module": "keras.losses", "class_name": "MeanSquaredError", "config": {}})
