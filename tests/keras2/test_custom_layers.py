"""Custom layers as programs for Keras 2 write them."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers

X = np.random.default_rng(0).standard_normal((4, 5, 3)).astype("float32")


class Attention(layers.Layer):
    """Names first, `super()` in its long form, shapes as objects with `as_list`."""

    def __init__(self, step_dim=None, bias=True, **kwargs):
        self.supports_masking = True
        self.step_dim = step_dim
        self.bias = bias
        self.features_dim = 0
        super(Attention, self).__init__(**kwargs)  # noqa: UP008

    def build(self, input_shape):
        assert len(input_shape.as_list()) == 3
        self.W = self.add_weight("{}_W".format(self.name), (input_shape[-1],), initializer="ones")  # noqa: UP032
        self.features_dim = input_shape[-1]
        if self.bias:
            self.b = self.add_weight("b", shape=(input_shape[1],), initializer="zero", use_resource=True)
        else:
            self.b = None
        super(Attention, self).build(input_shape)  # noqa: UP008

    def compute_mask(self, input, input_mask=None):
        return None

    def call(self, x, mask=None):
        e = torch.tanh(torch.einsum("btf,f->bt", x, self.W) + self.b)
        a = torch.exp(e)
        if mask is not None:
            a = a * mask
        a = a / a.sum(1, keepdim=True)
        return (x * a.unsqueeze(-1)).sum(1)

    def compute_output_shape(self, input_shape):
        return input_shape[0], self.features_dim

    def get_config(self):
        config = {"step_dim": self.step_dim, "bias": self.bias}
        base_config = super(Attention, self).get_config()  # noqa: UP008
        return dict(list(base_config.items()) + list(config.items()))


def test_a_custom_layer_declares_the_input_of_a_sequential():
    model = keras.Sequential()
    model.add(Attention(5, input_shape=(5, 3), name="attention"))
    model.add(layers.Dense(1))
    assert model.output_shape == (None, 1)
    assert [w.name for w in model.layers[0].weights] == ["attention_W", "b"]
    e = np.exp(np.tanh(X.sum(-1)))
    expected = (X * (e / e.sum(1, keepdims=True))[:, :, None]).sum(1)
    np.testing.assert_allclose(model.layers[0](X).detach(), expected, rtol=1e-5)
    model.compile("sgd", "mse")
    assert model.fit(X, np.ones((4, 1)), verbose=0).history["loss"]
    twin = keras.Sequential.from_config(model.get_config(), custom_objects={"Attention": Attention})
    assert twin.layers[0].step_dim == 5


def test_masks_reach_a_layer_with_a_mask_argument():
    model = keras.Sequential([layers.Embedding(9, 3, mask_zero=True, input_length=5), Attention(5)])
    ids = np.array([[3, 4, 0, 0, 0]])
    rows = model.layers[0](ids).detach().numpy()[0, :2]
    e = np.exp(np.tanh(rows.sum(-1)))
    np.testing.assert_allclose(model(ids)[0].detach(), (rows * (e / e.sum())[:, None]).sum(0), rtol=1e-5)


class Legacy(layers.Layer):
    """Keras 2's first years: `trainable_weights` by hand, `**kwargs` of `call`, an int for `output_dim`."""

    def __init__(self, output_dim, **kwargs):
        self.output_dim = output_dim
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_variable("kernel", shape=[int(input_shape[-1]), self.output_dim])
        self.built = True

    def call(self, inputs, **kwargs):
        return inputs @ self.kernel


@pytest.mark.parametrize("options", [{"input_dim": 3}, {"input_shape": (3,)}, {"batch_input_shape": (None, 3)}])
def test_ways_to_declare_an_input(options):
    model = keras.Sequential([Legacy(2, **options)])
    assert model.input_shape == (None, 3) and model.weights[0].shape == (3, 2)


def test_weights_given_to_a_custom_layer():
    kernel = np.ones((3, 2), "float32")
    layer = Legacy(2, weights=[kernel], dynamic=True)
    layer(X)
    np.testing.assert_array_equal(layer.get_weights()[0], kernel)


class OldCell(layers.Layer):
    """A cell with Keras 2's `get_initial_state`, `state_size` as a property and states of two sizes."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    @property
    def state_size(self):
        return [self.units, 1]

    @property
    def output_size(self):
        return self.units

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", (input_shape[-1], self.units))

    def call(self, inputs, states):
        total, count = states
        total, count = total + inputs @ self.kernel, count + 1
        return total / count, [total, count]

    def get_initial_state(self, inputs=None, batch_size=None, dtype=None):
        return [torch.zeros(batch_size, self.units), torch.ones(batch_size, 1)]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_a_cell_of_keras_2():
    layer = layers.RNN(OldCell(2), return_sequences=True, return_state=True)
    output, total, count = layer(X)
    projected = (X @ layer.get_weights()[0]).cumsum(1)
    expected = projected / np.arange(2, 7)[None, :, None]
    np.testing.assert_allclose(output.detach(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(total.detach(), projected[:, -1], rtol=1e-4, atol=1e-5)
    assert (count == 6).all()
    stacked = layers.RNN([OldCell(2), OldCell(3)])
    assert stacked(X).shape == (4, 3)


def test_metrics_and_losses_added_in_call():
    class Watched(layers.Layer):
        def call(self, inputs):
            self.add_metric(inputs.mean(), name="level", aggregation="mean")
            self.add_loss(lambda: 0.5)
            self.add_update([])
            return inputs

    model = keras.Sequential([keras.Input((3,)), Watched(), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(np.full((4, 3), 2.0), np.ones((4, 1)), verbose=0).history
    assert history["level"][0] == pytest.approx(2.0)
