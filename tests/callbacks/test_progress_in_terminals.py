"""The bar in real terminals of several widths and alphabets, in notebooks and log files."""

import logging
import re
import sys
import types

import numpy as np
import pytest
import torch

import torchkeras as keras
from compat.terminals import Terminal, masked, shown, without_colours
from torchkeras.callbacks import progress

X, Y = np.ones((40, 3), "float32"), np.ones((40, 1), "float32")


@pytest.fixture(autouse=True)
def every_step_is_drawn(monkeypatch):
    monkeypatch.setattr("torchkeras.callbacks.progbar_logger._SECONDS_BETWEEN_DRAWINGS", 0)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "PYCHARM_HOSTED"):
        monkeypatch.delenv(name, raising=False)


def a_model(**compiled):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.0), "loss": "mse", "metrics": ["mae"], **compiled})
    return model


def fit(model=None, **arguments):
    (model or a_model()).fit(X, Y, **{"batch_size": 4, "epochs": 2, **arguments})


BAR, VALUES = "━" * 20, "loss: 1.0000 - mae: 1.0000"


def test_fit_evaluate_and_predict():
    with Terminal() as terminal:
        model = a_model()
        fit(model, validation_data=(X, Y))
        model.evaluate(X, Y)
        model.predict(X)
    epoch = f"10/10 {BAR} T T/step - {VALUES} - val_loss: 1.0000 - val_mae: 1.0000"
    assert masked(terminal.screen) == [
        "Epoch 1/2", epoch, "Epoch 2/2", epoch, f"2/2 {BAR} T T/step - {VALUES}", f"2/2 {BAR} T T/step"
    ]  # fmt: skip
    assert terminal.sent.count("\r") > 20 and "\x1b[32m" in terminal.sent


@pytest.mark.parametrize("columns", [200, 60, 45, 30, 20, 8, 3])
def test_no_drawing_is_wider_than_the_terminal(columns):
    with Terminal(columns) as terminal:
        fit(epochs=1)
    *drawn, finished = without_colours(terminal.sent).rstrip("\r\n").split("\r")
    assert max(len(line.rstrip("\b ")) for line in drawn) < columns
    assert finished.endswith(VALUES) and finished.startswith("10/10 " + BAR)
    # Nothing of what was drawn before is left.
    assert "".join(terminal.screen).replace(" ", "") == finished.replace(" ", "")


def test_a_narrow_terminal_loses_the_bar_first_then_the_end():
    lines = {}
    for columns in (60, 45, 30):
        with Terminal(columns) as terminal:
            bar = progress.Progbar(10, interval=0)
            bar.update(5, [("loss", 0.25), ("mae", 0.5)])
        lines[columns] = terminal.screen[0]
    assert re.fullmatch(r" 5/10 ━{8,16} \d+s \d+\w+/step - loss: 0.2500 - mae: 0.5000", lines[60])
    assert re.fullmatch(r" 5/10 ━{5} \d+s \d+\w+/step - loss: 0.2500.*…", lines[45])
    assert re.fullmatch(r" 5/10 ━{5} \d+s \d+\w+/step - l?o?s?s?…", lines[30])


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_small_alphabets(encoding, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    with Terminal(40, encoding) as terminal:
        fit(epochs=1)
    assert "10/10 ==================== " in "".join(terminal.screen)
    assert "~" in terminal.sent or "…" in terminal.sent  # shortened on the way
    assert "\x1b" not in terminal.sent


class Stream(torch.utils.data.IterableDataset):
    """Five batches, and no word of how many."""

    def __iter__(self):
        return iter([(X[:4], Y[:4])] * 5)


def test_an_unknown_length_is_known_in_the_second_epoch():
    with Terminal() as terminal:
        a_model().fit(torch.utils.data.DataLoader(Stream(), batch_size=None), epochs=2)
    first, second = without_colours(terminal.sent).split("Epoch 2/2")
    assert first.count("/Unknown") == 5 and "5/5" in first
    assert "/Unknown" not in second and [f"{step}/5" in second for step in range(1, 6)] == [True] * 5


@pytest.mark.parametrize("every, shown_steps", [(1, range(1, 11)), (4, [4, 8, 10]), (20, [10])])
def test_the_last_step_shown_is_the_last_one_run(every, shown_steps):
    with Terminal() as terminal:
        fit(a_model(steps_per_execution=every), epochs=1)
    steps = [int(step) for step in re.findall(r"(\d+)/10\b", terminal.sent)]
    assert sorted(set(steps)) == list(shown_steps) and steps[-1] == 10


def test_a_pass_that_is_stopped_shows_the_steps_that_were_run():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 3

    with Terminal() as terminal:
        fit(epochs=1, callbacks=[Stop()])
    assert terminal.screen[0].startswith(" 4/10 ")


@pytest.mark.parametrize(
    "verbose, lines", [(0, 0), (False, 0), (1, 4), (True, 4), ("auto", 4), (2, 4), (np.int64(2), 4), (3, 2)]
)
def test_kinds_of_verbose(verbose, lines):
    with Terminal() as terminal:
        fit(verbose=verbose)
    assert len([line for line in terminal.screen if line]) == lines


def test_a_notebook_redraws_one_line(monkeypatch, capsys):
    shell = type("Shell", (type("ZMQInteractiveShell", (), {}),), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    stream = type("OutStream", (type(capsys).__mro__[-1],), {"__module__": "ipykernel.iostream"})()
    written = []
    stream.write, stream.flush, stream.encoding = written.append, lambda: None, "utf-8"
    monkeypatch.setattr("sys.stdout", stream)
    fit(epochs=1)
    text = "".join(written)
    assert masked(shown(text, 10**6))[0] == f"10/10 {BAR} T T/step - {VALUES}"
    assert text.count("\n") == 1 and text.count("\r") >= 10


def test_a_log_file_gets_a_line_an_epoch(tmp_path, monkeypatch):
    with open(tmp_path / "log", "w", encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdout", file)
        fit()
    line = f"10/10 {BAR} T T/step - {VALUES}"
    assert masked((tmp_path / "log").read_text().splitlines()) == ["Epoch 1/2", line, "Epoch 2/2", line]


def test_without_interactive_logging(caplog):
    keras.config.disable_interactive_logging()
    try:
        with Terminal() as terminal, caplog.at_level(logging.INFO, "keras"):
            fit(epochs=2)
    finally:
        keras.config.enable_interactive_logging()
    assert terminal.sent == ""
    assert [record.message.split()[0] for record in caplog.records] == ["Epoch", "10/10", "Epoch", "10/10"]
