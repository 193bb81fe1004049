"""The progress bar and the callbacks beside the installed Keras: same calls, same text, same decisions."""

import io
import itertools
import math
import re
import warnings

import keras
import numpy as np
import pytest
from keras.src.utils import progbar as keras_progbar

import torchkeras.callbacks.progress as our_progress
from compat.callback_cases import MODELS, recorder
from compat.callback_cases import data as case_data
from compat.curves import SIDES, run_both, seed_weights
from compat.terminals import Terminal, masked
from torchkeras.callbacks import Callback, CallbackList, EarlyStopping, History, ProgbarLogger
from torchkeras.callbacks.logs import python_logs


class Recorded(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Clock:
    """Stands for the `time` module: every call is told what time it is."""

    def __init__(self):
        self.now = 1000.0

    def time(self):
        return self.now


def drawn(module, monkeypatch, arguments, calls):
    """What a bar of the module prints in a terminal. `calls` are (seconds to wait, method, arguments, keywords)."""
    clock, terminal = Clock(), Recorded()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr("sys.stdout", terminal)
    bar = module.Progbar(**arguments)
    for seconds, method, args, keywords in calls:
        clock.now += seconds
        getattr(bar, method)(*args, **keywords)
    return terminal.getvalue()


def steps(seconds, count, values, start=1):
    return [(seconds, "update", (i, values(i)), {}) for i in range(start, count + 1)]


CASES = {
    "plain": ({"target": 10}, steps(0.03, 10, lambda i: [("loss", 1.0 / i)])),
    "no values": ({"target": 5}, steps(0.3, 5, lambda i: None)),
    "slow": ({"target": 130}, steps(1.7, 130, lambda i: [("loss", 12345.678)])),
    "hours": ({"target": 9}, steps(1234.5, 9, lambda i: [("loss", float("nan"))])),
    "microseconds": ({"target": 4000}, steps(0.00004, 4000, lambda i: [("loss", 1e-5 * i)])),
    "small and negative": ({"target": 3}, steps(0.1, 3, lambda i: [("a", -0.5), ("b", -1e-4), ("c", 0.0), ("d", 3)])),
    "unknown target": ({"target": None}, steps(0.1, 5, lambda i: [("loss", 0.5)])),
    "unknown, finished": ({"target": None}, [*steps(0.1, 3, lambda i: []), (1, "update", (3, [("m", 2.0)], True), {})]),
    "stateful": ({"target": 6, "stateful_metrics": ["m"]}, steps(0.1, 6, lambda i: [("m", float(i)), ("n", float(i))])),
    "stateless": ({"target": 6, "stateless_metrics": ["m"]}, steps(0.1, 6, lambda i: [("m", i * 1.0), ("n", i * 1.0)])),
    "none averaged": ({"target": 6, "stateless_metrics": set()}, steps(0.1, 6, lambda i: [("m", i * 1.0)])),
    "shrinking": ({"target": 4}, steps(0.1, 4, lambda i: [("m", 10.0 ** (8 - 2 * i))])),
    "width, unit": ({"target": 7, "width": 31, "unit_name": "sample"}, steps(0.2, 7, lambda i: [("m", 1.0)])),
    "interval": ({"target": 20, "interval": 1.0}, steps(0.3, 20, lambda i: [("m", i * 1.0)])),
    "add": ({"target": 12}, [(0.1, "add", (3, [("m", i * 1.0)]), {}) for i in range(4)]),
    "skips the first step": ({"target": 12}, steps(0.1, 12, lambda i: [("m", i * 1.0)], start=4)),
    "one step, finished twice": ({"target": 1}, [(0.5, "update", (1,), {"finalize": f}) for f in (False, True)]),
    "arrays": ({"target": 2}, steps(0.1, 2, lambda i: [("f1", np.array([0.25, 0.5]))])),
    "one line": ({"target": 25, "verbose": 2}, steps(0.4, 25, lambda i: [("a", 0.5), ("b", -0.5), ("c", 2e-4)])),
    "one line, no target": ({"target": None, "verbose": 2}, [(0.4, "update", (3, [("a", 1.0)], True), {})]),
    "silent": ({"target": 3, "verbose": 0}, steps(0.1, 3, lambda i: [("a", 0.5)])),
}


@pytest.mark.parametrize("case", CASES)
def test_bar_prints_what_keras_prints(case, monkeypatch):
    arguments, calls = CASES[case]
    with monkeypatch.context() as patch:
        theirs = drawn(keras_progbar, patch, arguments, calls)
    with monkeypatch.context() as patch:
        ours = drawn(our_progress, patch, arguments, calls)
    assert ours == theirs
    assert bool(theirs) is (case not in ("silent", "one line, no target"))


def test_signatures_are_keras():
    import inspect

    pairs = [
        (our_progress.Progbar, keras.utils.Progbar),
        (EarlyStopping, keras.callbacks.EarlyStopping),
        (History, keras.callbacks.History),
        (CallbackList, keras.callbacks.CallbackList),
        (Callback, keras.callbacks.Callback),
    ]
    for ours, theirs in pairs:
        assert inspect.signature(ours) == inspect.signature(theirs)
    hooks = {name for name in dir(keras.callbacks.Callback) if name.startswith(("on_", "set_")) or name == "model"}
    assert hooks <= set(dir(Callback))
    for hook in hooks - {"model"}:
        assert inspect.signature(getattr(Callback, hook)) == inspect.signature(getattr(keras.callbacks.Callback, hook))


def small_model(learning_rate=0.1, metrics=("mae",)):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(learning_rate), "mse", metrics=list(metrics))
    return model


def data(rows=24):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3)).astype("float32")
    return x, (x.sum(axis=1, keepdims=True) > 0).astype("float32")


class FitLoop:
    """Keras's own fit, with the callbacks in our list in place of Keras's."""

    def __init__(self, model):
        self.model = model

    def fit(self, callbacks, **arguments):
        x, y = data()
        theirs = keras.callbacks.CallbackList([], model=self.model)
        ours = CallbackList(
            callbacks, add_history=True, model=self.model, verbose=0, epochs=arguments["epochs"], steps=3
        )
        for name in dir(ours):
            if name.startswith("on_"):
                setattr(theirs, name, getattr(ours, name))
        self.model.fit(x, y, batch_size=8, verbose=0, shuffle=False, callbacks=theirs, **arguments)
        return next(c for c in ours if isinstance(c, History))


EARLY = {
    "patience": {"monitor": "loss", "patience": 1, "min_delta": 0.02},
    "baseline": {"monitor": "val_loss", "baseline": 0.01, "patience": 2, "min_delta": 0.05},
    "max": {"monitor": "mae", "mode": "max", "patience": 2},
    "late": {"monitor": "loss", "min_delta": 10, "start_from_epoch": 3},
    "by direction": {"monitor": "val_mae", "min_delta": 0.1, "restore_best_weights": True},
    "restores without stopping": {"monitor": "loss", "mode": "max", "patience": 50, "restore_best_weights": True},
    "absent": {"monitor": "nothing", "mode": "min"},
}


@pytest.mark.parametrize("case", EARLY)
def test_early_stopping_decides_as_keras(case):
    runs = []
    for kind in (keras.callbacks.EarlyStopping, EarlyStopping):
        model, callback = small_model(), kind(**EARLY[case])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            history = FitLoop(model).fit([callback], epochs=8, validation_split=0.25)
        runs.append((history, callback, model.get_weights()))
    (history, callback, weights), (our_history, ours, our_weights) = runs
    assert our_history.history == history.history
    assert our_history.epoch == history.epoch
    assert (ours.best, ours.best_epoch, ours.stopped_epoch, ours.wait) == (
        callback.best,
        callback.best_epoch,
        callback.stopped_epoch,
        callback.wait,
    )
    for a, b in zip(weights, our_weights):
        np.testing.assert_array_equal(a, b)
    if case not in ("absent", "restores without stopping"):
        assert len(history.epoch) < 8


def test_history_matches_keras():
    """Same keys, order and values as the History of Keras, in one fit that carries both."""
    model, theirs, ours = small_model(metrics=("mae", "cosine_similarity")), keras.callbacks.History(), History()
    x, y = data()
    model.fit(x, y, validation_split=0.25, epochs=3, verbose=0, callbacks=[ours, theirs])
    assert list(ours.history) == list(theirs.history) == [
        "cosine_similarity", "loss", "mae", "val_cosine_similarity", "val_loss", "val_mae",
    ]  # fmt: skip
    assert dict(ours.history) == theirs.history
    assert (
        (ours.epoch, ours.params)
        == (theirs.epoch, theirs.params)
        == ([0, 1, 2], {"verbose": 0, "epochs": 3, "steps": 1})
    )


def test_direction_of_prefixed_and_unknown_metrics():
    """Keras raises for a metric of one output among several; here its own direction is found by the suffix."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [keras.layers.Dense(1, name="a")(inputs), keras.layers.Dense(1, name="b")(inputs)])
    model.compile("sgd", "mse", metrics=[["mae"], ["r2_score"]])
    x, y = data()
    expected = {"val_a_mae": np.less, "b_r2_score": np.greater, "val_b_loss": np.less, "loss": np.less}
    callbacks = [EarlyStopping(monitor=name, patience=9) for name in expected]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(x, [y, y], epochs=2, validation_split=0.25, verbose=0, callbacks=callbacks)
    assert [callback.monitor_op for callback in callbacks] == list(expected.values())


@pytest.mark.parametrize(
    "logs", [{"b": 1, "a": 2.5, "c": np.float32(0.5)}, {"m": {"x": np.float64(1)}, "a": np.array(3)}]
)
def test_logs_become_what_keras_makes_of_them(logs):
    from keras.src.utils.python_utils import pythonify_logs

    ours, theirs = python_logs(logs), pythonify_logs(logs)
    assert list(ours.items()) == list(theirs.items())
    assert all(type(value) is float for value in ours.values())


def finished_lines(text):
    """The lines that stay on the screen, without their clocks, which differ from run to run."""
    lines = [line.rpartition("\r")[2].rstrip(" ") for line in text.split("\n")]
    return [re.sub(r"\d+(ms|us|s)(?=/step|\x1b| -)", "T", line) for line in lines]


@pytest.mark.parametrize("verbose", [1, 2, "auto"])
def test_logger_prints_what_keras_prints(verbose, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screens = []
    for kind in (keras.callbacks.ProgbarLogger, ProgbarLogger):
        model, terminal = small_model(), Recorded()
        x, y = data()
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout", terminal)
            patch.setattr("keras.src.callbacks.callback_list.ProgbarLogger", kind)
            model.fit(x, y, epochs=2, validation_split=0.25, verbose=verbose)
            model.fit(x, y, verbose=verbose)
            model.evaluate(x, y, verbose=verbose)
            model.predict(x, verbose=verbose)
        screens.append(finished_lines(terminal.getvalue()))
    assert screens[0] == screens[1]
    assert screens[0][0] == "Epoch 1/2" and "val_mae" in screens[0][1] and len(screens[0]) == 8


def test_many_short_epochs_are_cheap(monkeypatch):
    """In a terminal, between an epoch's last lines, the logs of only a few batches are read, however many there are."""
    clock, terminal, read = Clock(), Recorded(), itertools.count()
    monkeypatch.setattr(our_progress, "time", clock)
    monkeypatch.setattr("sys.stdout", terminal)
    callbacks = CallbackList([], add_progbar=True, verbose=1, epochs=50, steps=20)

    def logs():
        next(read)
        return {"loss": 0.5}

    callbacks.on_train_begin()
    for epoch in range(50):
        callbacks.on_epoch_begin(epoch)
        for batch in range(20):
            clock.now += 0.001
            callbacks.on_train_batch_end(batch, logs)
        callbacks.on_epoch_end(epoch, {"loss": 0.25})
    assert next(read) <= math.ceil(50 * 20 * 0.001 / 0.2)
    assert terminal.getvalue().count("loss: 0.2500") == 50


def on_screen(columns=150, **arguments):
    """What is on the screen of a terminal after a training, an evaluation and a prediction."""

    def scenario(k):
        with Terminal(columns) as terminal:
            model, (x, y) = seed_weights(MODELS["plain"](k)), case_data("plain")
            given = {"epochs": 2, "batch_size": 4, "shuffle": False, **arguments}
            model.fit(x, y, **given)
            model.evaluate(x, y, batch_size=4, verbose=given.get("verbose", "auto"))
            model.predict(x, batch_size=4, verbose=given.get("verbose", "auto"))
        return masked(line for line in terminal.screen if line)

    return scenario


@pytest.mark.parametrize(
    "arguments",
    [
        {}, {"verbose": 1}, {"verbose": 2}, {"verbose": "auto"}, {"verbose": 0}, {"verbose": True}, {"verbose": False},
        {"verbose": 3}, {"validation_split": 0.5}, {"validation_split": 0.5, "verbose": 2}, {"epochs": 1},
        {"initial_epoch": 1}, {"steps_per_epoch": 2}, {"validation_split": 0.5, "validation_freq": 2},
    ],
    ids=repr,
)  # fmt: skip
def test_screens_are_alike(arguments, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    seen = run_both(on_screen(**arguments))
    assert bool(seen) is (arguments.get("verbose", 1) != 0)


def test_a_screen_that_is_narrow_keeps_only_the_last_drawing(monkeypatch):
    """Keras's line wraps, and what was drawn before stays above it."""
    monkeypatch.setattr("torchkeras.callbacks.progbar_logger._SECONDS_BETWEEN_DRAWINGS", 0)
    monkeypatch.setattr(keras_progbar.Progbar.__init__, "__defaults__", (20, 1, 0, None, None, "step"))
    theirs, ours = (len(on_screen(30, epochs=1)(k)) for k in SIDES)
    assert ours < theirs


def calls_of(k, run):
    """The calls of every hook, and the params."""
    watch, calls = recorder(k)
    model = seed_weights(MODELS["many metrics"](k))
    run(model, *case_data("many metrics"), [watch])
    return calls, watch.params


@pytest.mark.parametrize(
    "run",
    [
        lambda model, x, y, callbacks: model.evaluate(x, y, batch_size=8, verbose=0, callbacks=callbacks),
        lambda model, x, y, callbacks: model.evaluate(x, y, steps=2, verbose=0, callbacks=callbacks),
        lambda model, x, y, callbacks: model.predict(x, batch_size=8, verbose=0, callbacks=callbacks),
        lambda model, x, y, callbacks: model.predict(x, batch_size=9, steps=2, verbose=0, callbacks=callbacks),
        lambda model, x, y, callbacks: model.fit(x, y, steps_per_epoch=2, verbose=0, callbacks=callbacks),
        lambda model, x, y, callbacks: model.fit(x, y, verbose=2, epochs=0, callbacks=callbacks),
    ],
    ids=["evaluate", "evaluate, steps", "predict", "predict, steps", "fit, steps", "fit, no epochs"],
)
def test_calls_of_hooks(run):
    calls, _ = run_both(lambda k: calls_of(k, run))
    assert calls
