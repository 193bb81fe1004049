"""Convolutional LSTMs beside the installed Keras: what no single call shows."""

import random

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.layer_cases import mask
from torchkeras import layers

X = np.random.default_rng(3).standard_normal((2, 4, 6, 5, 3)).astype("float32")
NAMES = {"ConvLSTM1D": X[:, :, :, 0], "ConvLSTM2D": X, "ConvLSTM3D": X[:, :, :, :, None].repeat(2, 4)}


def pair(name, x, *args, **options):
    """Keras's layer and ours, built for `x`, with equal weights."""
    theirs, ours = (getattr(module, name)(*args, **options) for module in (keras.layers, layers))
    for layer in (theirs, ours):
        layer.build(x.shape)
    ours.set_weights(theirs.get_weights())
    return theirs, ours


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masked", [False, True])
def test_state_goes_on_between_batches(name, masked):
    x = NAMES[name]
    theirs, ours = pair(name, x, 2, 3, padding="same", strides=2, stateful=True, return_state=True)
    kwargs = {"mask": torch.tensor(mask(4, 2, size=4))} if masked else {}
    for step in range(3):
        batch = torch.tensor(x) * (step + 1)
        for a, b in zip(theirs(batch, **kwargs), ours(batch, **kwargs), strict=True):
            torch.testing.assert_close(b.detach(), a.detach(), rtol=1e-5, atol=1e-5)
        if step == 1:
            theirs.reset_state()
            ours.reset_state()
    assert [tuple(state.shape) for state in ours.states] == [tuple(state.shape) for state in theirs.states]


@pytest.mark.parametrize("name", NAMES)
def test_strides_and_dilation_are_refused_at_construction(name):
    for module in (keras.layers, layers):
        with pytest.raises(ValueError, match="strides"):
            getattr(module, name)(2, 3, strides=2, dilation_rate=2)


@pytest.mark.parametrize(
    "options", [{}, {"strides": 2}, {"padding": "same", "strides": (2, 3)}, {"data_format": "channels_first"}]
)
def test_states_have_the_size_after_padding_and_strides(options):
    """Static shapes, and those of tensors."""
    shapes = []
    for module in (keras, torchkeras):
        layer = module.layers.ConvLSTM2D(4, 2, return_state=True, **options)
        symbolic = [tuple(out.shape) for out in layer(module.Input((4, 6, 5, 3)))]
        real = [tuple(out.shape) for out in layer(torch.tensor(X))]
        assert [shape[1:] for shape in symbolic] == [shape[1:] for shape in real]
        shapes.append(real)
    assert shapes[0] == shapes[1]


def encoder_decoder(library):
    """Frames read by one layer, whose states another one begins with."""
    frames, later = library.Input((4, 6, 5, 3), name="frames"), library.Input((2, 6, 5, 3), name="later")
    _, h, c = library.layers.ConvLSTM2D(2, 3, padding="same", return_state=True, name="reader")(frames)
    writer = library.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True, name="writer")
    return library.Model([frames, later], writer(later, initial_state=[h, c]))


def test_symbolic_initial_state_is_used_and_outlives_the_config():
    theirs, ours = encoder_decoder(keras), encoder_decoder(torchkeras)
    ours.set_weights(theirs.get_weights())
    inputs = [torch.tensor(X), torch.tensor(X[:, :2])]
    expected = theirs(inputs).detach()
    torch.testing.assert_close(ours(inputs).detach(), expected, rtol=1e-5, atol=1e-5)
    ignoring = ours.get_layer("writer")(inputs[1]).detach()
    assert not torch.allclose(ignoring, expected, atol=1e-3)
    for twin in (
        torchkeras.Model.from_config(ours.get_config()),
        torchkeras.models.model_from_json(ours.to_json()),
        torchkeras.models.clone_model(ours),
    ):
        twin.set_weights(ours.get_weights())
        torch.testing.assert_close(twin(inputs).detach(), expected, rtol=1e-5, atol=1e-5)


def test_equal_seeds_give_equal_first_weights():
    values = []
    for module in (keras.layers, layers):
        random.seed(3)
        layer = module.ConvLSTM2D(2, 3, dropout=0.2, bias_initializer="random_normal")
        layer.build(X.shape)
        values.append(layer.get_weights())
    for a, b in zip(*values, strict=True):
        np.testing.assert_array_equal(a, b)


def test_training_agrees():
    histories = []
    for library in (keras, torchkeras):
        model = library.Sequential(
            [
                library.Input(X.shape[1:]),
                library.layers.ConvLSTM2D(2, 3),
                library.layers.Flatten(),
                library.layers.Dense(1),
            ]
        )
        model.set_weights([np.random.default_rng(i).normal(size=w.shape) * 0.3 for i, w in enumerate(model.weights)])
        model.compile("sgd", "mse")
        history = model.fit(X, np.ones((2, 1), "float32"), epochs=5, batch_size=2, verbose=0)
        histories.append(history.history["loss"])
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-4)


def next_frame(library):
    """Stacked layers with normalization between them, and a convolution over time and space: Keras's own example."""
    room = library.layers
    frames = library.Input((3, 6, 5, 1))
    x = room.ConvLSTM2D(3, 3, padding="same", return_sequences=True, activation="relu")(frames)
    x = room.BatchNormalization()(x)
    x = room.ConvLSTM2D(2, 1, padding="same", return_sequences=True, activation="relu")(x)
    return library.Model(frames, room.Conv3D(1, 3, activation="sigmoid", padding="same")(x))


def test_next_frame_model_trains_as_in_keras():
    frames = np.random.default_rng(1).random((4, 4, 6, 5, 1)).astype("float32")
    histories, models = [], [next_frame(library) for library in (keras, torchkeras)]
    models[1].set_weights(models[0].get_weights())
    for model in models:
        model.compile("adam", "binary_crossentropy")
        fitted = model.fit(frames[:, :-1], frames[:, 1:], epochs=3, batch_size=2, shuffle=False, verbose=0)
        histories.append(fitted.history["loss"])
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"merge_mode": "sum"}])
def test_in_both_directions(options):
    outputs = []
    for library in (keras, torchkeras):
        inner = library.layers.ConvLSTM2D(2, 3, return_sequences=True)
        layer = library.layers.Bidirectional(inner, **options)
        layer.build(X.shape)
        values = [np.random.default_rng(i).normal(size=w.shape) * 0.3 for i, w in enumerate(layer.weights)]
        layer.set_weights(values)
        outputs.append(layer(torch.tensor(X)).detach())
        assert tuple(layer(library.Input(X.shape[1:])).shape[1:]) == tuple(outputs[-1].shape[1:])
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-5, atol=1e-5)
