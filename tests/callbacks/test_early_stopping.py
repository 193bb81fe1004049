"""When EarlyStopping stops, what it restores, and how it knows which way is better."""

import types

import numpy as np
import pytest

from torchkeras.callbacks import EarlyStopping


class Model:
    def __init__(self, metrics=()):
        self.metrics = list(metrics)
        self.stop_training = False
        self.weights = 0

    def buffers(self):
        return []

    def get_weights(self):
        return [np.array(self.weights)]

    def set_weights(self, weights):
        self.weights = int(weights[0])


def metric(name, direction=None, **attributes):
    return types.SimpleNamespace(name=name, **({"_direction": direction} if direction else {}), **attributes)


def train(callback, values, model=None, monitor=None):
    """Runs one epoch per value; the model's weights are the epoch's number. Returns the epochs run and the model."""
    model = model or Model()
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    epochs = 0
    for epoch, value in enumerate(values):
        model.weights = epoch
        callback.on_epoch_end(epoch, {monitor or callback.monitor: value})
        epochs += 1
        if model.stop_training:
            break
    callback.on_train_end()
    return epochs, model


@pytest.mark.parametrize(
    "arguments, values, epochs",
    [
        ({}, [3, 2, 1, 1, 0], 4),
        ({"patience": 2}, [3, 2, 2, 2, 0], 4),
        ({"patience": 2}, [3, 2, 2, 1, 1, 1], 6),
        ({"min_delta": 0.5}, [3, 2, 1.6, 1], 3),
        ({"min_delta": -0.5}, [3, 2, 1.6, 1], 3),
        ({"mode": "max"}, [1, 2, 3, 3, 4], 4),
        ({"mode": "max", "min_delta": 0.5}, [1, 2, 2.4, 4], 3),
        ({"baseline": 1.0, "patience": 2}, [3, 2, 2.5, 2.6], 3),
        ({"baseline": 1.0, "patience": 2}, [3, 0.5, 0.6, 0.7, 0.1], 4),
        ({"start_from_epoch": 3}, [1, 2, 3, 4, 5, 6], 5),
        ({}, [1, float("nan"), 0], 2),
        ({}, [1, 2], 2),
    ],
)
def test_stops_after(arguments, values, epochs):
    assert train(EarlyStopping("loss", **arguments), values)[0] == epochs


def test_restores_the_best_weights_on_stopping():
    callback = EarlyStopping("loss", patience=2, restore_best_weights=True)
    epochs, model = train(callback, [3, 1, 2, 2, 0])
    assert (epochs, model.weights) == (4, 1)
    assert (callback.best, callback.best_epoch, callback.stopped_epoch) == (1, 1, 3)


def test_restores_the_best_weights_without_stopping():
    epochs, model = train(EarlyStopping("loss", patience=9, restore_best_weights=True), [3, 1, 2])
    assert (epochs, model.weights, model.stop_training) == (3, 1, False)
    assert train(EarlyStopping("loss", patience=9), [3, 1, 2])[1].weights == 2


def test_can_be_used_again():
    callback = EarlyStopping("loss", restore_best_weights=True)
    assert train(callback, [0.1, 1])[0] == 2
    epochs, model = train(callback, [5, 4, 3, 3])
    assert (epochs, model.weights, callback.min_delta) == (4, 2, 0)
    callback = EarlyStopping("loss", min_delta=0.5)
    assert [train(callback, [3, 2, 1.6, 1])[0] for _ in range(2)] == [3, 3]


def test_says_what_it_does(capsys):
    train(EarlyStopping("loss", verbose=1, restore_best_weights=True), [1, 2, 3])
    assert capsys.readouterr().out == (
        "Epoch 2: early stopping\nRestoring model weights from the end of the best epoch: 1.\n"
    )
    train(EarlyStopping("loss", restore_best_weights=True), [1, 2, 3])
    assert capsys.readouterr().out == ""


def test_absent_quantity_warns_and_stops_nothing():
    with pytest.warns(UserWarning, match=r"'val_loss', which is not available; the logs hold: 'loss'"):
        epochs, model = train(EarlyStopping(restore_best_weights=True), [1, 2, 3], monitor="loss")
    assert epochs == 3 and model.weights == 2


def test_older_spelling_is_found():
    assert train(EarlyStopping("val_acc", mode="max"), [1, 2, 2, 3], monitor="val_accuracy")[0] == 3


def test_array_is_refused():
    with pytest.raises(ValueError, match=r"'f1', which is an array of shape \(2,\)"):
        train(EarlyStopping("f1", mode="max"), [np.array([1.0, 2.0])])


def test_unknown_mode_warns_and_is_auto():
    with pytest.warns(UserWarning, match="got mode='least'"):
        assert EarlyStopping("loss", mode="least").mode == "auto"


inner = types.SimpleNamespace(name="compile_metrics", metrics=[metric("error_rate", "down"), metric("b", "up")])


@pytest.mark.parametrize(
    "monitor, metrics, up",
    [
        ("loss", [], False),
        ("val_loss", [], False),
        ("val_head_loss", [], False),
        ("score", [metric("score", "up")], True),
        ("val_score", [metric("score", "up")], True),
        ("val_accuracy", [metric("accuracy", "down")], False),
        ("val_head_score", [metric("score", "up")], True),
        ("head_top_score", [metric("score", "up"), metric("top_score", "down")], False),
        ("val_error_rate", [metric("loss"), inner], False),
        ("b", [metric("loss"), inner], True),
        ("AUC", [metric("auc", "up")], True),
        ("other", [metric("other", higher_is_better=True)], True),
        ("psnr_loss", [metric("psnr_loss", "up")], True),
    ],
)
def test_direction_known(monitor, metrics, up, recwarn):
    callback = EarlyStopping(monitor)
    train(callback, [1], Model(metrics))
    assert callback.monitor_op is (np.greater if up else np.less)
    assert not recwarn.list


@pytest.mark.parametrize(
    "monitor, up", [("val_accuracy", True), ("acc", True), ("my_auc", True), ("val_distance", False), ("lr", False)]
)
def test_direction_guessed_from_the_name(monitor, up):
    """Never an error."""
    callback = EarlyStopping(monitor)
    with pytest.warns(UserWarning, match=f"mode='{'max' if up else 'min'}'"):
        train(callback, [1])
    assert callback.monitor_op is (np.greater if up else np.less)
