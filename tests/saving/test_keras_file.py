"""`.keras` files: what goes in comes out, weights are filled once, errors name everything at once."""

import os
import zipfile

import h5py
import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers


def network():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5, 4))
    x = layers.LSTM(3, return_sequences=True)(inputs)
    x = layers.Bidirectional(layers.GRU(2))(x)
    x = layers.BatchNormalization()(layers.Dense(3, name="middle")(x))
    model = keras.Model(inputs, layers.Dense(2, dtype="bfloat16")(x))
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    return model


X = np.random.default_rng(0).random((4, 5, 4), "float32")
Y = np.random.default_rng(1).random((4, 2), "float32")


@pytest.mark.parametrize("zipped", [True, False])
def test_training_goes_on_where_it_stopped(tmp_path, zipped):
    model = network()
    model.save(tmp_path / "model.keras", zipped=zipped)
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    for ours, theirs in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        assert torch.equal(ours, theirs)
    curves = [each.fit(X, Y, epochs=3, shuffle=False, verbose=0).history for each in (model, again)]
    assert curves[0] == curves[1]
    for ours, theirs in zip(model.weights, again.weights, strict=True):
        assert ours.stride() == theirs.stride() and type(theirs) is keras.Variable and theirs.is_leaf


def test_weights_that_no_file_fills_are_initialized(tmp_path):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, bias_initializer="ones")])
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5", "a") as file:
        file["layers/dense/vars/0"][...] = 7
    with zipfile.ZipFile(tmp_path / "model.keras", "r") as archive, zipfile.ZipFile(tmp_path / "b.keras", "w") as new:
        for name in archive.namelist()[:2]:
            new.writestr(name, archive.read(name))
        new.write(tmp_path / "m.weights.h5", "model.weights.h5", zipfile.ZIP_DEFLATED)
    again = keras.models.load_model(tmp_path / "b.keras")
    assert again.get_weights()[0].tolist() == [[7, 7]] * 3 and again.get_weights()[1].tolist() == [1, 1]


def test_an_error_lists_every_layer_and_changes_nothing(tmp_path):
    network().save_weights(tmp_path / "m.weights.h5")
    inputs = keras.Input((5, 4))
    x = layers.Bidirectional(layers.GRU(2))(layers.LSTM(6, return_sequences=True)(inputs))
    other = keras.Model(inputs, layers.Dense(2)(layers.Dense(3, name="middle")(x)))
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"(?s)kernel.*\(4, 24\).*\(4, 12\).*GRUCell.*batch_norm.*skip_mismatch=True"):
        other.load_weights(tmp_path / "m.weights.h5")
    assert all((a == b).all() for a, b in zip(before, other.get_weights()))
    with pytest.warns(UserWarning, match="LSTMCell"):
        other.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)
    changed = [bool((a != b).any()) for a, b in zip(before, other.get_weights())]
    assert changed == [False] * 9 + [True] * 4


def test_an_error_while_saving_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((3,)), layers.Dense(2)]).save(path)
    before = path.read_bytes()
    broken = keras.Sequential([keras.Input((3,)), torch.nn.Linear(3, 2)])
    with pytest.raises(NotImplementedError):
        broken.save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model.keras"]
    with pytest.raises(FileExistsError, match="overwrite=True"):
        broken.save(path, overwrite=False)


def test_states_that_a_layer_keeps_are_zeros_after_loading(tmp_path):
    model = keras.Sequential([keras.Input(batch_shape=(2, 4, 2)), keras.layers.LSTM(3, stateful=True)])
    x = torch.ones(2, 4, 2)
    first = model(x)
    model.save(tmp_path / "model.keras")
    torch.testing.assert_close(keras.models.load_model(tmp_path / "model.keras")(x), first)
