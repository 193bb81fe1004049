"""Keras 2's and Keras 1's layer arguments: what is renamed, ignored, refused."""

import warnings

import numpy as np
import pytest
import torch

import torchkeras as keras

layers = keras.layers


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (lambda: layers.BatchNormalization(fused=True), lambda: layers.BatchNormalization()),
        (lambda: layers.BatchNormalization(virtual_batch_size=None), lambda: layers.BatchNormalization()),
        (lambda: layers.BatchNormalization(axis=[3]), lambda: layers.BatchNormalization(axis=3)),
        (lambda: layers.Softmax(robust_masking=True), lambda: layers.Softmax()),
        (lambda: layers.LSTM(2, implementation=1), lambda: layers.LSTM(2)),
        (lambda: layers.Dense(2, dynamic=True), lambda: layers.Dense(2)),
        (lambda: layers.LeakyReLU(alpha=0.2), lambda: layers.LeakyReLU(negative_slope=0.2)),
        (
            lambda: layers.SimpleRNN(3, consume_less="cpu", dropout_U=0.1),
            lambda: layers.SimpleRNN(3, recurrent_dropout=0.1),
        ),
        (
            lambda: layers.ConvLSTM2D(nb_filter=3, nb_row=2, nb_col=4, border_mode="same", inner_init="zeros"),
            lambda: layers.ConvLSTM2D(3, (2, 4), padding="same", recurrent_initializer="zeros"),
        ),
        (
            lambda: layers.GlobalMaxPooling2D(dim_ordering="th"),
            lambda: layers.GlobalMaxPooling2D(data_format="channels_first"),
        ),
        (lambda: layers.Conv2D(3, 3, border_mode="same"), lambda: layers.Conv2D(3, 3, padding="same")),
        (
            lambda: layers.Conv2D(nb_filter=3, nb_row=2, nb_col=4, subsample=(2, 1), dim_ordering="th"),
            lambda: layers.Conv2D(3, (2, 4), strides=(2, 1), data_format="channels_first"),
        ),
        (
            lambda: layers.Conv2DTranspose(nb_filter=3, nb_row=2, nb_col=4, border_mode="same", init="zeros"),
            lambda: layers.Conv2DTranspose(3, (2, 4), padding="same", kernel_initializer="zeros"),
        ),
        (
            lambda: layers.SeparableConv2D(3, nb_row=2, nb_col=2, init="zeros", bias=False),
            lambda: layers.SeparableConv2D(
                3, 2, depthwise_initializer="zeros", pointwise_initializer="zeros", use_bias=False
            ),
        ),
        (
            lambda: layers.Conv3DTranspose(3, 2, 3, "same", 1, "channels_first", 1, "relu"),
            lambda: layers.Conv3DTranspose(3, 2, 3, "same", "channels_first", 1, 1, "relu"),
        ),
        (
            lambda: layers.Conv3DTranspose(3, 2, 3, "same", (1, 0, 2), data_format="channels_first"),
            lambda: layers.Conv3DTranspose(3, 2, 3, "same", output_padding=(1, 0, 2), data_format="channels_first"),
        ),
        (
            lambda: layers.Conv3DTranspose(3, 2, 3, "same", None, "channels_first"),
            lambda: layers.Conv3DTranspose(3, 2, 3, "same", data_format="channels_first"),
        ),
        (
            lambda: layers.Conv3DTranspose(3, 2, 3, "same", None, 1),
            lambda: layers.Conv3DTranspose(3, 2, 3, "same", output_padding=1),
        ),
        (
            lambda: layers.Dense(output_dim=4, init="he_normal", bias=False),
            lambda: layers.Dense(4, use_bias=False, kernel_initializer="he_normal"),
        ),
        (lambda: layers.Dropout(p=0.25), lambda: layers.Dropout(0.25)),
        (
            lambda: layers.LSTM(output_dim=3, inner_activation="hard_sigmoid"),
            lambda: layers.LSTM(3, recurrent_activation="hard_sigmoid"),
        ),
    ],
)
def test_old_spelling_gives_the_same_config(old, new):
    a, b = old().get_config(), new().get_config()
    a.pop("name"), b.pop("name")
    assert a == b


def test_both_names_of_one_argument_are_refused():
    with pytest.raises(TypeError, match="border_mode"):
        layers.Conv2D(3, 3, padding="same", border_mode="valid")


def test_a_depthwise_kernel_has_two_names():
    layer = layers.DepthwiseConv2D(3)
    layer.build((None, 5, 5, 2))
    assert layer.depthwise_kernel is layer.kernel and layer.kernel.path.endswith("/kernel")


def test_what_has_no_meaning_here_is_refused_with_advice():
    with pytest.raises(ValueError, match="virtual_batch_size"):
        layers.BatchNormalization(virtual_batch_size=8)


@pytest.mark.parametrize(
    ("first", "shape"),
    [
        (lambda: layers.Dense(2, input_shape=(3,)), (None, 3)),
        (lambda: layers.Dense(2, input_shape=[3]), (None, 3)),
        (lambda: layers.Dense(2, input_shape=3), (None, 3)),
        (lambda: layers.Dense(2, input_dim=3), (None, 3)),
        (lambda: layers.Dense(2, input_shape=(3,), batch_size=4), (4, 3)),
        (lambda: layers.LSTM(3, batch_input_shape=(2, 4, 2), stateful=True), (2, 4, 2)),
        (lambda: layers.LSTM(3, input_length=4, input_dim=2), (None, 4, 2)),
        (lambda: layers.Embedding(10, 4, input_length=5), (None, 5)),
    ],
)
def test_a_first_layer_declares_the_input_without_a_warning(first, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = keras.Sequential([first()])
    assert model.built and tuple(model.input_shape) == shape


def test_weights_given_to_a_layer_are_its_first_values():
    kernel, bias = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0])
    layer = layers.Dense(2, weights=[kernel, bias])
    assert torch.equal(layer(torch.ones(1, 3)), torch.tensor([[7.0, 11.0]]))
    np.testing.assert_array_equal(layer.get_weights()[0], kernel)


def test_dot_takes_normalize_by_position():
    x = np.array([[3.0, 4.0]], "float32")
    np.testing.assert_allclose(layers.dot([x, x], 1, True).numpy(), [[1.0]], rtol=1e-6)


def test_input_takes_old_spellings():
    assert tuple(keras.Input(3).shape) == (None, 3)
    assert tuple(keras.Input(batch_input_shape=(2, 3)).shape) == (2, 3)
    assert keras.Input((3,), None, "tokens").name == "tokens"
    assert tuple(layers.InputLayer(input_shape=(3,)).batch_shape) == (None, 3)


def test_unknown_arguments_raise_both_generations_errors():
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match="foo"):
            layers.Dense(2, foo=1)


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_attention_that_is_causal(name):
    """`causal=True` of the constructor acts in every call and is saved."""
    layer, x = getattr(layers, name)(causal=True, use_scale=False), torch.randn(2, 5, 4)
    torch.testing.assert_close(layer([x, x]), getattr(layers, name)(use_scale=False)([x, x], use_causal_mask=True))
    twin = type(layer).from_config(layer.get_config())
    torch.testing.assert_close(twin([x, x]), layer([x, x]))
    assert "use_causal_mask" not in getattr(layers, name)(causal=False).get_config()


def test_old_names_of_batch_normalization():
    layer = layers.BatchNormalization(beta_init="ones", gamma_init="zeros")
    layer.build((None, 3))
    assert layer.beta.tolist() == [1.0] * 3 and layer.gamma.tolist() == [0.0] * 3
