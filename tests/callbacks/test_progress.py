"""What the progress bar leaves in a file, in a small alphabet, and when it asks for its values."""

import types

import numpy as np
import pytest
import torch

from torchkeras.callbacks import progress
from torchkeras.callbacks.progress import Progbar


@pytest.fixture
def clock(monkeypatch):
    clock = types.SimpleNamespace(now=1000.0)
    clock.time = lambda: clock.now
    monkeypatch.setattr(progress, "time", clock)
    return clock


def run(bar, clock, count, values):
    for step in range(1, count + 1):
        clock.now += 0.5
        bar.update(step, values)


def test_one_line_without_control_characters_in_a_file(stream, clock):
    run(Progbar(4), clock, 4, [("loss", 0.25), ("tiny", 1e-5)])
    assert stream.getvalue() == "4/4 ━━━━━━━━━━━━━━━━━━━━ 2s 500ms/step - loss: 0.2500 - tiny: 1.0000e-05\n"


def test_unfinished_bar_in_a_file_tells_its_parts_apart(stream, clock):
    Progbar(4, width=8).update(1, finalize=True)
    assert stream.getvalue().startswith("1/4 ━━──────")


def test_ascii_stream(stream, clock):
    stream.encoding = "ascii"
    Progbar(4, width=8).update(1, finalize=True)
    assert stream.getvalue().startswith("1/4 ==......")


def test_terminal_redraws_in_place(stream, clock):
    stream.terminal = True
    run(Progbar(2, width=4), clock, 2, [("loss", 1.0)])
    first = "\r\x1b[1m1/2\x1b[0m \x1b[32m━━\x1b[0m\x1b[37m━━\x1b[0m \x1b[1m0s\x1b[0m 500ms/step - loss: 1.0000"
    assert stream.getvalue().startswith(first + "\b" * len("1/2 ---- 0s 500ms/step - loss: 1.0000") + "\r")
    assert stream.getvalue().endswith("1s\x1b[0m 500ms/step - loss: 1.0000\n")


def test_no_colour_when_not_wanted(stream, clock, monkeypatch):
    stream.terminal = True
    monkeypatch.setenv("NO_COLOR", "1")
    run(Progbar(2, width=4), clock, 2, None)
    assert "\x1b" not in stream.getvalue() and "\r" in stream.getvalue()


def test_values_are_asked_for_only_when_drawn(stream, clock):
    stream.terminal = True
    asked = []

    def values():
        asked.append(clock.now)
        return [("loss", float(len(asked)))]

    bar = Progbar(100, interval=1.0, stateless_metrics=())
    for step in range(1, 100):
        clock.now += 0.125
        bar.update(step, values)
    assert len(asked) == 13
    bar.update(100, [("loss", 7.0)], finalize=True)
    assert len(asked) == 13
    assert stream.getvalue().endswith("loss: 7.0000\n")


@pytest.mark.parametrize("verbose, terminal", [(0, True), (1, False), (2, True)])
def test_values_are_never_asked_for_without_a_bar(stream, clock, verbose, terminal):
    stream.terminal = terminal
    bar = Progbar(3, verbose=verbose)
    for step in range(1, 3):
        clock.now += 5
        bar.update(step, lambda: pytest.fail("read"))
    assert stream.getvalue() == ""


def test_averages_over_steps_and_exact_last_values(stream, clock):
    stream.terminal = True
    bar = Progbar(4, interval=0, stateful_metrics=["lr"])
    bar.update(1, [("loss", 1.0), ("lr", 1.0)])
    bar.update(3, [("loss", 4.0), ("lr", 2.0)])  # stands for two steps
    assert stream.getvalue().endswith("loss: 3.0000 - lr: 2.0000")
    bar.update(4, [("loss", 9.0), ("lr", 3.0)])
    assert stream.getvalue().endswith("loss: 9.0000 - lr: 3.0000\n")


def test_kinds_of_values(stream, clock):
    weight = torch.tensor(2.0, requires_grad=True)
    values = [
        ("t", weight * 2),
        ("b", torch.tensor(0.5, dtype=torch.float32)),
        ("a", np.array([1.0, 2.0])),
        ("s", "up"),
    ]
    Progbar(1, verbose=2).update(1, values)
    assert stream.getvalue().endswith(" - t: 4.0000 - b: 0.5000 - a: 1.5000 - s: up\n")


def test_kept_sums_hold_no_graph(stream, clock):
    bar = Progbar(3)
    bar.update(1, [("loss", torch.ones((), requires_grad=True) * 2)])
    bar.update(2, [("loss", torch.ones((), requires_grad=True) * 4)])
    total, count = bar._values["loss"]
    assert (float(total), count, total.requires_grad) == (6.0, 2, False)


def test_add_counts_on(stream, clock):
    bar = Progbar(10)
    bar.add(4)
    assert stream.getvalue() == ""
    bar.add(6)
    assert stream.getvalue().startswith("10/10 ")


def test_auto_is_one_and_both_lists_are_refused():
    assert Progbar(3, verbose="auto").verbose == 1
    with pytest.raises(ValueError, match="pass one"):
        Progbar(3, stateful_metrics=["a"], stateless_metrics=["b"])
