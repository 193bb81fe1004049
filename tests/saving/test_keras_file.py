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


def test_a_training_is_not_lost_for_what_a_lambda_holds(tmp_path):
    scale = layers.Dense(1)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])

    def closed_over(factor):
        return lambda y_true, y_pred: (y_true - y_pred) ** 2 if factor else y_pred

    model.compile("sgd", closed_over(scale))
    with pytest.warns(UserWarning, match=r"without the arguments of compile\(\)"):
        model.save(tmp_path / "model.keras")
    assert not keras.models.load_model(tmp_path / "model.keras").compiled


def test_weights_without_memory_take_nothing(tmp_path):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    with torch.device("meta"):
        empty = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
        with pytest.raises(ValueError, match=r"no memory.*to_empty"):
            keras.models.load_model(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"no memory.*to_empty"):
        empty.load_weights(tmp_path / "model.keras")


def test_a_folder_may_have_any_name(tmp_path):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.save(tmp_path / "saved", zipped=False)
    assert keras.models.load_model(tmp_path / "saved").count_params() == 8
    with pytest.raises(ValueError, match="zipped=False is for"):
        model.save(tmp_path / "saved.h5", zipped=False)
    model.save(tmp_path / "new" / "folder" / "model.h5")  # as Keras does, for this format only
    with pytest.raises(FileNotFoundError, match=r"folder .* does not exist"):
        model.save(tmp_path / "other" / "model.keras")


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com/spec/v1\n", b"<!DOCTYPE html>"])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_what_is_no_file_of_keras_says_how_it_begins(tmp_path, content, ending):
    path = tmp_path / f"model.{ending}"
    path.write_bytes(content)
    with pytest.raises(keras.errors.CorruptFileError, match=r"begins with.*git-lfs"):
        keras.models.load_model(path)


def test_files_of_torch_say_what_reads_them(tmp_path):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    torch.save(model.state_dict(), tmp_path / "state.pt")
    for read in (model.load_weights, keras.models.load_model):
        with pytest.raises(ValueError, match=r"torch.save.*load_state_dict"):
            read(tmp_path / "state.pt")


def test_forty_models_in_one_another(tmp_path):
    model = keras.Sequential([layers.Dense(2)])
    for _ in range(40):
        model = keras.Sequential([model])
    model = keras.Sequential([keras.Input((3,)), model])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert all((a == b).all() for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
