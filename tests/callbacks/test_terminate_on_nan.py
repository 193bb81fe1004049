"""TerminateOnNaN: what it looks at, what it costs, and what it does where looking would mean waiting."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.callbacks import Callback, TerminateOnNaN, terminate_on_nan
from torchkeras.callbacks.logs import UnreadLogs, one_of


def model_and_data(bad_batch=2, **compiled):
    """Six batches of four rows; the loss of one is NaN."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.0), "loss": "mse", **compiled})
    x, y = np.ones((24, 3), "float32"), np.ones((24, 1), "float32")
    y[4 * bad_batch] = np.nan
    return model, {"x": x, "y": y, "batch_size": 4, "shuffle": False, "verbose": 0, "epochs": 3}


class Batches(Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(batch)


def test_stops_at_the_batch(capsys):
    model, fit = model_and_data()
    batches = Batches()
    history = model.fit(**fit, callbacks=[batches, TerminateOnNaN()])
    assert batches.seen == [0, 1, 2] and history.epoch == [0]
    assert capsys.readouterr().out == "Batch 2: Invalid loss, terminating training\n"


def test_several_steps_at_once(capsys):
    model, fit = model_and_data(steps_per_execution=4)
    batches = Batches()
    model.fit(**fit, callbacks=[batches, TerminateOnNaN()])
    assert batches.seen == [3]
    assert capsys.readouterr().out == "Batch 3: Invalid loss, terminating training\n"


def test_raises_at_the_batch():
    model, fit = model_and_data()
    ended = []
    watch = keras.callbacks.LambdaCallback(on_train_end=ended.append)
    with pytest.raises(RuntimeError, match="loss is nan at batch 2"):
        model.fit(**fit, callbacks=[watch, TerminateOnNaN(raise_error=True)])
    assert ended == []


def test_metrics_are_not_read():
    """Neither by the callback nor, batch by batch, because of it."""
    reads = []

    class Counted(keras.metrics.MeanAbsoluteError):
        def result(self):
            reads.append(1)
            return super().result()

    model, fit = model_and_data(bad_batch=5, metrics=[Counted()])
    model.fit(**fit, callbacks=[TerminateOnNaN()])
    assert len(reads) == 1


def test_logs_of_steps_that_give_their_own(capsys):
    class Own(keras.Sequential):
        def train_step(self, data):
            return {"loss": torch.tensor(np.inf), "other": torch.tensor(1.0)}

    class WithoutLoss(keras.Sequential):
        def get_metrics_result(self):
            return {"other": 1.0}

    for kind, said in ((Own, "Batch 0: Invalid loss, terminating training\n"), (WithoutLoss, "")):
        model = kind([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        _, fit = model_and_data()
        model.fit(**fit, callbacks=[TerminateOnNaN()])
        assert capsys.readouterr().out == said


def test_a_subclass_gets_a_dict():
    class Mine(TerminateOnNaN):
        def on_batch_end(self, batch, logs=None):
            seen.append(logs)
            super().on_batch_end(batch, logs)

    seen = []
    model, fit = model_and_data()
    model.fit(**fit, callbacks=[Mine()])
    assert len(seen) == 3 and seen[0] == {"loss": pytest.approx(seen[0]["loss"])}


def test_after_compiling_in_a_callback(capsys):
    """The loss is that of the `compile` in force."""
    model, fit = model_and_data()
    again = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: model.compile("sgd", "mse") if batch == 1 else None
    )
    model.fit(**fit, callbacks=[again, TerminateOnNaN()])
    assert capsys.readouterr().out == "Batch 2: Invalid loss, terminating training\n"


class Arrival:
    """Stands for the event after a copy from a device: the copy arrives when the test says so."""

    def __init__(self, arrived):
        self.arrived, self.waited = arrived, False

    def query(self):
        return self.arrived

    def synchronize(self):
        self.waited = not self.arrived


class OnDevice(torch.Tensor):
    """Stands for a tensor on a device where reading means waiting."""

    is_cuda = True


def device_loss(value):
    return torch.tensor(value).as_subclass(OnDevice)


@pytest.fixture
def arrivals(monkeypatch):
    """What was sent: `(value, arrival)`; nothing arrives by itself."""
    sent = []

    def send(loss):
        sent.append((loss.as_subclass(torch.Tensor), Arrival(False)))
        return sent[-1]

    monkeypatch.setattr(terminate_on_nan, "_sent", send)
    return sent


class Model:
    stop_training = False


def watching():
    callback, model = TerminateOnNaN(), Model()
    callback.set_model(model)
    callback.on_train_begin()
    return callback, model


def test_on_a_device_nothing_waits_until_the_epoch_ends(arrivals, capsys):
    callback, model = watching()
    for batch, loss in enumerate([1.0, float("nan"), float("nan")]):
        callback.on_batch_end(batch, {"loss": device_loss(loss)})
    assert not model.stop_training and not any(arrival.waited for _, arrival in arrivals)
    callback.on_epoch_end(0)
    assert model.stop_training
    assert capsys.readouterr().out == "Batch 1: Invalid loss, terminating training\n"


def test_on_a_device_what_has_arrived_is_judged(arrivals, capsys):
    callback, model = watching()
    for batch, loss in enumerate([1.0, float("inf"), 1.0, 1.0]):
        if batch == 3:
            arrivals[0][1].arrived = arrivals[1][1].arrived = True
        callback.on_batch_end(batch, {"loss": device_loss(loss)})
        assert model.stop_training is (batch == 3)
    assert capsys.readouterr().out == "Batch 1: Invalid loss, terminating training\n"
    assert not any(arrival.waited for _, arrival in arrivals)


def test_on_a_device_not_too_many_are_under_way(arrivals):
    callback, _ = watching()
    for batch in range(terminate_on_nan._MOST_UNDER_WAY + 2):
        callback.on_batch_end(batch, {"loss": device_loss(1.0)})
    assert [arrival.waited for _, arrival in arrivals][:3] == [True, True, False]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda(capsys):
    model, fit = model_and_data()
    model.to("cuda")
    history = model.fit(**fit, callbacks=[TerminateOnNaN()])
    assert history.epoch == [0]
    assert capsys.readouterr().out == "Batch 2: Invalid loss, terminating training\n"


def test_one_value_of_logs():
    assert one_of(None, "loss") is None
    assert one_of({"loss": 1.0}, "loss") == 1.0
    assert one_of(lambda: {"loss": 2.0}, "loss") == 2.0
    unread = UnreadLogs(lambda: {"loss": 3.0, "mae": 4.0}, lambda: 5.0)
    assert (one_of(unread, "loss"), one_of(unread, "mae"), one_of(unread, "x"), unread()["loss"]) == (
        5.0,
        4.0,
        None,
        3.0,
    )
