"""Nothing in a step reads a value from the device: counted, not timed."""

import time

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import torchkeras as keras
from torchkeras import layers
from torchkeras.callbacks import progress

X = np.random.default_rng(0).normal(size=(320, 6)).astype("float32")
Y = np.arange(320) % 3
READS = ("numpy", "tolist", "cpu", "item", "__float__", "__int__", "__bool__")


class HostReads(TorchDispatchMode):
    """Counts reads of single values and copies to the host."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._local_scalar_dense.default:
            self.found.append("scalar")
        if function is torch.ops.aten._to_copy.default and (kwargs or {}).get("device") is not None:
            self.found.append("copy")
        return function(*args, **(kwargs or {}))


def model():
    network = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dropout(0.1), layers.BatchNormalization(),
         layers.Dense(3, activation="softmax")]
    )  # fmt: skip
    network.compile(
        "adam",
        "sparse_categorical_crossentropy",
        metrics=["accuracy", "sparse_categorical_crossentropy"],
        weighted_metrics=["accuracy"],
    )
    return network


def reads_of(monkeypatch, batch_size, verbose, epochs=2, callbacks=None):
    network = model()
    network.fit(X, Y, batch_size=160, verbose=0)
    counted = HostReads()
    with monkeypatch.context() as patch:
        for name in READS:
            original = getattr(torch.Tensor, name)

            def read(self, *args, _original=original, _name=name, **kwargs):
                counted.found.append(_name)
                return _original(self, *args, **kwargs)

            patch.setattr(torch.Tensor, name, read)
        with counted:
            history = network.fit(
                X, Y, sample_weight=np.ones(320), batch_size=batch_size, epochs=epochs, verbose=verbose,
                validation_data=(X[:64], Y[:64]), callbacks=callbacks,
            )  # fmt: skip
    assert len(history.epoch) == epochs
    return len(counted.found)


def test_reads_do_not_grow_with_the_number_of_steps(monkeypatch):
    few, many = (reads_of(monkeypatch, size, verbose=0) for size in (160, 4))
    assert few == many
    assert 0 < few <= 60  # the values of each epoch's logs, once


def test_callbacks_of_epochs_read_nothing_between_them(monkeypatch, tmp_path):
    def callbacks():
        known = keras.callbacks
        return [
            known.EarlyStopping(), known.ReduceLROnPlateau(), known.LearningRateScheduler(lambda epoch, rate: rate),
            known.CSVLogger(tmp_path / "log.csv"), known.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
            known.TensorBoard(tmp_path), known.History(),
        ]  # fmt: skip

    few, many = (reads_of(monkeypatch, size, verbose=0, callbacks=callbacks()) for size in (160, 4))
    assert few == many


def test_a_look_for_nan_is_one_read_a_batch(monkeypatch):
    bare = reads_of(monkeypatch, 4, verbose=0)
    watched = reads_of(monkeypatch, 4, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert watched - bare == 2 * 2 * 80  # two epochs of 80 batches; one read is counted as method and as operation


@pytest.mark.parametrize("verbose", [1, 2])
def test_the_progress_bar_reads_only_when_it_draws(monkeypatch, verbose, capsys):
    now = time.time()
    frozen = type("Clock", (), {"time": staticmethod(lambda: now)})
    monkeypatch.setattr(progress, "time", frozen)  # no time passes: nothing is due to be drawn between first and last
    few, many = (reads_of(monkeypatch, size, verbose) for size in (160, 4))
    assert many <= few + 20
    assert "loss" in capsys.readouterr().out


def test_a_callback_that_wants_the_logs_gets_them_each_batch(monkeypatch):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"])

    model().fit(X, Y, batch_size=32, verbose=0, callbacks=[Watch()])
    assert len(seen) == 10
    assert all(type(value) is float for value in seen)
    assert len(set(seen)) == 10
