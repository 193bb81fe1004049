"""What `verbose=` prints: in a terminal, in a file, for unknown numbers of steps."""

import re

import pytest
import torch

from torchkeras.callbacks import Callback, CallbackList, ProgbarLogger


@pytest.fixture(autouse=True)
def without_colours(stream, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")


def lines(stream):
    return [re.sub(r"\d+(ms|us|s)\b", "T", line) for line in stream.getvalue().splitlines()]


def fit(verbose, epochs=2, steps=3, given_steps=3, logs=None):
    callbacks = CallbackList([], add_progbar=True, verbose=verbose, epochs=epochs, steps=given_steps)
    callbacks.on_train_begin()
    for epoch in range(epochs):
        callbacks.on_epoch_begin(epoch)
        for step in range(steps):
            callbacks.on_train_batch_end(step, logs or {"loss": 9.0})
        callbacks.on_test_begin()
        callbacks.on_test_batch_end(0, {"loss": 8.0})
        callbacks.on_test_end({"loss": 8.0})
        callbacks.on_epoch_end(epoch, {"val_loss": torch.tensor(0.5), "loss": 0.25, "weighted": 1.0})
    callbacks.on_train_end()
    return callbacks


VALUES = "loss: 0.2500 - val_loss: 0.5000 - weighted: 1.0000"
BAR = "━" * 20


@pytest.mark.parametrize("verbose", [1, "auto"])
def test_file_gets_a_line_an_epoch_and_no_logs_are_read(verbose, stream):
    fit(verbose, logs=lambda: pytest.fail("read"))
    assert lines(stream) == [line for n in "12" for line in (f"Epoch {n}/2", f"3/3 {BAR} T T/step - {VALUES}")]
    assert not re.search(r"[\x08\r\x1b]", stream.getvalue())


def test_two_gives_a_line_an_epoch_without_bar(stream):
    stream.terminal = True
    fit(2, logs=lambda: pytest.fail("read"))
    assert lines(stream) == [line for n in "12" for line in (f"Epoch {n}/2", f"3/3 - T - T/step - {VALUES}")]


def test_no_heading_for_a_single_epoch(stream):
    fit(1, epochs=1)
    assert lines(stream) == [f"3/3 {BAR} T T/step - {VALUES}"]


def test_zero_is_silent(stream):
    stream.terminal = True
    fit(0)
    assert stream.getvalue() == ""


def test_unknown_number_of_steps_is_learnt(stream):
    callbacks = fit(1, given_steps=None)
    assert lines(stream)[1] == f"3/3 {BAR} T T/step - {VALUES}"
    assert callbacks.callbacks[0].target == 3


def test_terminal_shows_running_values_first(stream):
    stream.terminal = True
    read = []

    def logs():
        read.append(1)
        return {"loss": torch.tensor(9.0)}

    fit(1, epochs=1, logs=logs)
    assert 1 <= len(read) <= 3
    first, last = re.split(r"\x08+\r", stream.getvalue().lstrip("\r"))[:: len(read)]
    assert first.startswith("1/3 ━━━━━━──") and first.endswith("loss: 9.0000")
    assert last.startswith(f"3/3 {BAR}") and last.endswith(VALUES + "\n")


def test_evaluate_and_predict_have_their_own_lines(stream):
    callbacks = CallbackList([], add_progbar=True, verbose=1, epochs=1, steps=2)
    callbacks.on_test_begin()
    for step in range(2):
        callbacks.on_test_batch_end(step, {"loss": 1.0})
    callbacks.on_test_end({"loss": 0.5})
    callbacks.on_predict_begin()
    for step in range(2):
        callbacks.on_predict_batch_end(step, {"outputs": torch.ones(3)})
    callbacks.on_predict_end()
    assert lines(stream) == [f"2/2 {BAR} T T/step - loss: 0.5000", f"2/2 {BAR} T T/step"]


def test_one_logger_serves_fit_and_then_evaluate(stream):
    logger = ProgbarLogger("steps", stateful_metrics=["loss"])
    logger.set_params({"verbose": 1, "epochs": 1, "steps": 1})
    logger.on_train_begin()
    logger.on_epoch_begin(0)
    logger.on_test_begin()
    logger.on_test_end({"loss": 1.0})
    logger.on_epoch_end(0, {"loss": 2.0})
    logger.on_train_end()
    logger.on_test_begin()
    logger.on_test_end({"loss": 3.0})
    assert [line.partition("loss: ")[2] for line in lines(stream)] == ["2.0000", "3.0000"]


@pytest.mark.parametrize(
    ("verbose", "shown"),
    [
        (1, "loss: 0.2500 - wr: 2.0000 - val_loss: 0.5000 - val_wr: 3.0000 - learning_rate: 0.1000"),
        (2, "loss: 0.2500 - val_loss: 0.5000 - val_wr: 3.0000 - wr: 2.0000 - learning_rate: 0.1000"),
    ],
)
def test_what_callbacks_add_stands_behind_all_else(verbose, shown, stream):
    class Adding(Callback):
        def on_epoch_end(self, epoch, logs):
            logs["learning_rate"] = 0.1

    callbacks = CallbackList([Adding()], add_progbar=True, verbose=verbose, epochs=1, steps=1)
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(0)
    callbacks.on_train_batch_end(0, {"wr": 2.0, "loss": 0.25})
    callbacks.on_epoch_end(0, {"wr": 2.0, "loss": 0.25, "val_wr": 3.0, "val_loss": 0.5})
    assert lines(stream)[0].endswith("T/step - " + shown)
