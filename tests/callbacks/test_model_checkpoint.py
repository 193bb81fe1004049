"""What ModelCheckpoint writes under which name, and what of Keras 2 it takes."""

import os

import h5py
import numpy as np
import pytest

import torchkeras as keras
from torchkeras.callbacks import CallbackList, ModelCheckpoint

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X[:, :1]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def model_of(**compiled):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"], **compiled)
    return model


def fit(callbacks, model=None, epochs=3, **arguments):
    model = model or model_of()
    model.fit(X, Y, epochs=epochs, batch_size=8, verbose=0, callbacks=callbacks, **arguments)
    return model


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.hdf5", "ckpt", "m.ckpt", "{epoch}", "m.{epoch:02d}"])
def test_a_whole_model_under_any_name(name):
    model = fit([ModelCheckpoint(name)])
    (path,) = sorted(os.listdir("."))[-1:]
    again = keras.models.load_model(path)
    assert h5py.is_hdf5(path) is name.endswith((".h5", ".hdf5"))
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert int(again.optimizer.iterations) == 9


@pytest.mark.filterwarnings("ignore:.*no ending that means a format")
@pytest.mark.parametrize(
    "name", ["w.weights.h5", "w.h5", "w.hdf5", "w.keras", "w.ckpt", "w", "w.safetensors", "w.npz", "w.{epoch:02d}"]
)
def test_weights_under_any_name(name):
    model = fit([ModelCheckpoint(name, save_weights_only=True)])
    again = model_of()
    again.load_weights(sorted(os.listdir("."))[-1])
    for a, b in zip(model.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_default_arguments_go_with_every_format():
    """keras-team/tf-keras 151: arguments that a format refuses must not be passed to it."""
    for name in ("m.keras", "m.h5"):
        fit([ModelCheckpoint(name)], epochs=1)
    fit([ModelCheckpoint("m.weights.h5", save_weights_only=True)], epochs=1)
    assert sorted(os.listdir(".")) == ["m.h5", "m.keras", "m.weights.h5"]


def test_period_counts_epochs():
    fit([ModelCheckpoint("{epoch}.keras", period=2)], epochs=5)
    assert sorted(os.listdir(".")) == ["2.keras", "4.keras"]
    fit([ModelCheckpoint("best{epoch}.keras", "loss", save_best_only=True, mode="min", period=3)], epochs=7)
    assert sorted(name for name in os.listdir(".") if name.startswith("best")) == ["best3.keras", "best6.keras"]


def test_restarts_with_the_newest_file():
    model = fit([ModelCheckpoint("w{epoch:02d}.weights.h5", save_weights_only=True)])
    for number, name in enumerate(["w01.weights.h5", "w03.weights.h5", "w02.weights.h5"]):
        os.utime(
            name, (1000 + (number + 1) // 2, 1000 + (number + 1) // 2)
        )  # the last two at the same moment: the greater name
    again = model_of()
    seen = []
    look = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(again.get_weights()))
    save = ModelCheckpoint("w{epoch:02d}.weights.h5", save_weights_only=True, load_weights_on_restart=True)
    fit([save, look], again, epochs=1)
    for a, b in zip(model.get_weights(), seen[0]):
        np.testing.assert_array_equal(a, b)
    fit([ModelCheckpoint("nowhere/{epoch}.keras", load_weights_on_restart=True)], epochs=1)  # nothing there yet
    assert os.listdir("nowhere") == ["1.keras"]


def test_other_arguments():
    ModelCheckpoint("m.keras", options=object())
    with pytest.raises(TypeError, match="save_best_only"):
        ModelCheckpoint("m.keras", save_best=True)
    with pytest.raises(ValueError, match="'epoch' or an integer"):
        ModelCheckpoint("m.keras", save_freq="batch")


@pytest.mark.parametrize("every, steps, names", [(2, 2, ["1-2", "2-2"]), (3, 2, ["1-3", "2-3"])])
def test_counts_batches_of_several_steps(every, steps, names):
    """It is asked every `steps_per_execution` batches, and after the last one."""
    model = model_of(steps_per_execution=steps)
    fit([ModelCheckpoint("{epoch}-{batch}", save_freq=every)], model, epochs=2)
    assert sorted(os.listdir(".")) == names


def test_a_misspelt_monitor_is_told_with_the_names_there_are():
    with pytest.warns(UserWarning, match=r"val_los available.*'loss', 'mae'"):
        fit([ModelCheckpoint("m.keras", monitor="val_los", save_best_only=True)], epochs=1)
    assert os.path.exists("m.keras")


def test_an_array_is_nothing_to_go_by():
    save = ModelCheckpoint("m.keras", monitor="f1", save_best_only=True)
    save.set_model(model_of())
    with pytest.warns(UserWarning, match="scalar"):
        save.on_epoch_end(0, {"f1": np.ones(2)})
    assert os.path.exists("m.keras")


def test_best_among_batches():
    """The direction is known before the first epoch ends."""
    save = ModelCheckpoint("{epoch}-{batch}.keras", monitor="loss", save_best_only=True, save_freq=1)
    fit([save], epochs=2)
    assert os.path.exists("1-1.keras") and save.best is not None


def test_older_spelling_is_found():
    save = ModelCheckpoint("m.keras", monitor="acc", mode="max", save_best_only=True)
    save.set_model(model_of())
    save.on_epoch_end(0, {"accuracy": 0.5})
    assert save.best == 0.5


def test_batches_cost_nothing_when_epochs_count():
    class Own(ModelCheckpoint):
        def on_train_batch_end(self, batch, logs=None):
            assert isinstance(logs, dict)
            super().on_train_batch_end(batch, logs)

    assert not CallbackList([ModelCheckpoint("m.keras")]).has_train_batch_end
    assert CallbackList([ModelCheckpoint("m.keras", save_freq=2)]).has_train_batch_end
    assert CallbackList([Own("m.keras")]).has_train_batch_end
    fit([Own("{epoch}-{batch}.keras", save_freq=3)], epochs=1)
    assert os.listdir(".") == ["1-3.keras"]


def test_a_folder_in_the_place():
    os.mkdir("m.keras")
    with pytest.raises(IsADirectoryError, match="folder"):
        fit([ModelCheckpoint("m.keras")], epochs=1)


def test_reads_the_averages_after_swapping():
    """SwapEMAWeights before ModelCheckpoint: the file has the averaged weights, and training goes on without them."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "mse")
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    fit([swap, ModelCheckpoint("{epoch}.weights.h5", save_weights_only=True)], model, epochs=2)
    again = keras.models.clone_model(model)
    again.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "mse")
    again.load_weights("2.weights.h5")
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    again.load_weights("1.weights.h5")
    assert not np.array_equal(again.get_weights()[0], model.get_weights()[0])
