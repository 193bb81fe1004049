"""Every callback in a `fit` of both libraries: same logs, calls, printed text, rates, files and exceptions."""

import contextlib
import io
import warnings

import pytest

from compat import names
from compat.callback_cases import CASES, MODELS, data, recorder
from compat.curves import run_both, seed_weights

# Compared elsewhere, as what they do is seen in files or by servers.
ELSEWHERE = {
    "BackupAndRestore": "compat/test_checkpoints.py",
    "ModelCheckpoint": "compat/test_checkpoints.py",
    "OrbaxCheckpoint": "compat/test_checkpoints.py",
    "RemoteMonitor": "compat/test_remote_monitor.py",
    "SwapEMAWeights": "compat/test_checkpoints.py",
    "TensorBoard": "compat/test_tensorboard.py",
}
PUBLIC = sorted(name.rpartition(".")[2] for name in names.manifest() if name.startswith("keras.callbacks."))


def rates_of(model):
    """The rate of each optimizer, by itself."""
    optimizer = model.optimizer
    return [float(one.learning_rate) for one in getattr(optimizer, "optimizers", [optimizer])]


def seen_in_fit(k, case, folder):
    """What a case does in a library, as one nested value."""
    for name, text in case.files.items():
        (folder / name).write_text(text)
    model, seen = seed_weights(MODELS[case.model](k)), {}
    x, y = data(case.model)
    watch, calls = recorder(k)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = case.make(k)
            callbacks = [*made, watch] if isinstance(made, list) else [made, watch]
            if isinstance(made, k.callbacks.CallbackList):
                callbacks = made
                made.set_model(model)
            for _ in range(case.fits):
                arguments = {"epochs": 4, "batch_size": 8, "shuffle": False, "verbose": 0, **case.fit}
                history = model.fit(x, y, callbacks=callbacks, **arguments)
                seen.setdefault("history", []).append((dict(history.history), list(history.epoch), history.params))
                seen.setdefault("rates", []).append(rates_of(model))
        except case.raises:
            seen["raised"] = True
    seen["calls"], seen["printed"] = calls, printed.getvalue()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    seen["files"] = {str(path.relative_to(folder)): cells(path.read_bytes().decode()) for path in files}
    seen["weights"] = model.get_weights()
    return seen


def cells(text):
    """A file cut at its separators, the numbers as numbers."""
    found = []
    for line in text.split("\n"):
        for separator in ";\t, ":
            line = line.replace(separator, f"\0{separator}\0")
        found.append([number(cell) for cell in line.split("\0")])
    return found


def number(cell):
    try:
        return float(cell)
    except ValueError:
        return cell


@pytest.mark.parametrize(
    ("name", "index"), [(name, index) for name, cases in CASES.items() for index in range(len(cases))]
)
def test_callback_does_what_keras_does(name, index, tmp_path, monkeypatch):
    case = CASES[name][index]

    def scenario(k):
        folder = tmp_path / k.__name__
        folder.mkdir()
        monkeypatch.chdir(folder)
        return seen_in_fit(k, case, folder)

    seen = run_both(scenario)
    assert ("raised" in seen) is bool(case.raises)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_callback_has_cases(name):
    """At least eight configurations, where there is something to configure."""
    if name in ELSEWHERE:
        return
    signature = names.manifest()[f"keras.callbacks.{name}"]["signature"]
    assert len(CASES[name]) >= (8 if names.parsed(signature) else 1)


def test_cases_are_of_published_callbacks():
    assert set(CASES) | set(ELSEWHERE) == set(PUBLIC)
