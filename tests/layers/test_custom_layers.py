"""Layers of users: what torchkeras promises them beyond what compat/test_custom_layers.py compares with Keras."""

import warnings

import pytest
import torch

import torchkeras
from torchkeras import layers

X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


class Doubled(layers.Layer):
    """No `build`: its dense layer gets weights when it is called; `compute_output_shape` says the rest."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = layers.Dense(units, name="inner")

    def call(self, inputs):
        return 2 * self.dense(inputs)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)


def test_weights_are_made_in_the_graph_though_the_shape_is_said():
    layer = Doubled(3, name="doubled")
    model = torchkeras.Model(inputs := torchkeras.Input((4,)), layer(inputs))
    assert [weight.path for weight in model.weights] == ["doubled/inner/kernel", "doubled/inner/bias"]
    assert sum(parameter.numel() for parameter in model.parameters()) == 15


def test_a_call_that_needs_data_warns_and_makes_weights_later():
    class NeedsData(Doubled):
        def call(self, inputs):
            if not inputs.any():
                raise ValueError("nothing but zeros")
            return super().call(inputs)

    layer = NeedsData(3)
    with pytest.warns(UserWarning, match="sublayers without weights"):
        outputs = layer(inputs := torchkeras.Input((4,)))
    assert outputs.shape == (None, 3) and not layer.weights
    model = torchkeras.Model(inputs, outputs)
    assert model(X).shape == (2, 3) and len(model.weights) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(torchkeras.Input((4,)))


def test_a_built_layer_compiles_before_its_first_call():
    """A cell that the graph never called: its weights are made, the name scopes of a first call have nothing to do."""

    class Cell(layers.Layer):
        state_size = 3

        def build(self, input_shape):
            self.dense = layers.Dense(3, activation="tanh")
            self.dense.build((None, input_shape[-1] + 3))

        def call(self, inputs, states, training=None):
            output = self.dense(torch.cat([inputs, states[0]], dim=-1))
            return output, [output]

    layer = layers.RNN(layers.StackedRNNCells([Cell(), Cell()]))
    layer.build((None, 2, 4))
    torch._dynamo.reset()
    sequences = X.reshape(1, 2, 4)
    found = torch.compile(layer, fullgraph=True, backend="eager")(sequences)
    torch.testing.assert_close(found, layer(sequences))


def test_config_of_a_class_that_says_nothing():
    class Pass(layers.Layer):
        def call(self, inputs):
            return inputs

    config = Pass(name="it", activity_regularizer="l2", autocast=False).get_config()
    assert config.keys() == {"name", "activity_regularizer", "trainable", "dtype", "autocast"}
    assert config["autocast"] is False and Pass.from_config(config).get_config() == config
    assert layers.Add(name="sum").get_config().keys() == {"name", "trainable", "dtype"}
