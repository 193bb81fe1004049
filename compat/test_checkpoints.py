"""Callbacks that write files, in a `fit` of both libraries: same files at the same moments, same lines, weights."""

import contextlib
import io
import os
import warnings

import keras
import numpy as np
import pytest

import torchkeras
from compat.curves import assert_same, plain, run_both, seed_weights

SIDES = (keras, torchkeras)


def data(rows=24):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3)).astype("float32")
    return x, (x.sum(axis=1, keepdims=True) > 0).astype("float32")


def model_of(k, optimizer="sgd", **compiled):
    model = k.Sequential([k.Input((3,)), k.layers.Dense(4, activation="tanh"), k.layers.Dense(1)], name="net")
    model.compile(optimizer, "mse", **{"metrics": ["mae"], **compiled})
    return seed_weights(model)


def files_in(folder):
    """`{path: when it was written}`."""
    paths = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
    return {os.path.relpath(path, folder): (os.stat(path).st_mtime_ns, os.stat(path).st_ino) for path in paths}


def watcher(k, folder):
    """A callback that writes down what was written since it last looked, and at which moment it looks."""
    seen, before = [], {}

    def look(*moment):
        now = files_in(folder)
        written = sorted(path for path, when in now.items() if before.get(path) != when)
        gone = sorted(set(before) - set(now))
        if written or gone:
            seen.append((*moment, written, gone))
        before.clear()
        before.update(now)

    class Watcher(k.callbacks.Callback):
        def on_train_begin(self, logs=None):
            look("train begins")

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            look(self.epoch, batch)

        def on_epoch_end(self, epoch, logs=None):
            look(epoch, "end")

        def on_train_end(self, logs=None):
            look("train ends")

    return Watcher(), seen


def fit_with(k, folder, callbacks, fit=None, **model):
    """Files with their moments, printed lines and warnings of a fit in a folder of its own."""
    os.makedirs(folder)
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        watch, seen = watcher(k, ".")
        try:
            made, x_y = callbacks(k), data()
            arguments = {"epochs": 3, "batch_size": 8, "shuffle": False, "verbose": 0, **(fit or {})}
            model_of(k, **model).fit(*x_y, callbacks=[*made, watch], **arguments)
            raised = None
        except Exception as error:  # noqa: BLE001 - which one is compared
            raised = error
    return {"files": seen, "printed": printed.getvalue(), "raised": raised, "told": told}


# -- ModelCheckpoint --------------------------------------------------------------------------------------------------

VALIDATED = {"validation_split": 0.25}
SAVING = {
    "plain": {"filepath": "model.keras"},
    "in a folder": {"filepath": "a/b/model.keras", "verbose": 1},
    "epoch": {"filepath": "{epoch:02d}.keras"},
    "metrics": {"filepath": "{epoch}-{loss:.2f}-{mae:.1f}.keras", "verbose": 1},
    "validation metrics": {"filepath": "{epoch:03d}-{val_loss:.3f}.keras", "fit": VALIDATED},
    "HDF5": {"filepath": "{epoch}.h5"},
    "weights": {"filepath": "w{epoch}.weights.h5", "save_weights_only": True, "verbose": 1},
    "every batch": {"filepath": "{epoch}-{batch:02d}.keras", "save_freq": 1},
    "every 2 batches": {"filepath": "{epoch}-{batch:02d}.keras", "save_freq": 2, "verbose": 1},
    "every 4 batches": {"filepath": "{epoch}-{batch}-{loss:.2f}.keras", "save_freq": 4},
    "every 100 batches": {"filepath": "{epoch}-{batch}.keras", "save_freq": 100},
    "every 0 batches": {"filepath": "{epoch}-{batch}.keras", "save_freq": 0},
    "later epochs": {"filepath": "{epoch}.keras", "fit": {"initial_epoch": 1}},
    "best": {"filepath": "best.keras", "monitor": "loss", "save_best_only": True, "verbose": 1},
    "best by name": {"filepath": "{epoch}-{mae:.2f}.keras", "monitor": "mae", "save_best_only": True, "mode": "min"},
    "not better": {"filepath": "{epoch}.keras", "monitor": "loss", "save_best_only": True, "mode": "max", "verbose": 1},
    "threshold": {
        "filepath": "{epoch}.keras", "monitor": "loss", "save_best_only": True, "initial_value_threshold": 0.0,
        "verbose": 1,
    },
    "threshold that is passed": {
        "filepath": "{epoch}.keras", "monitor": "loss", "save_best_only": True, "initial_value_threshold": 9.0,
        "verbose": 1,
    },
    "best on validation": {"filepath": "{epoch}.keras", "save_best_only": True, "verbose": 1, "fit": VALIDATED},
    "best weights": {
        "filepath": "{epoch}.weights.h5", "monitor": "loss", "save_best_only": True, "save_weights_only": True,
    },
    "monitor missing": {"filepath": "{epoch}.keras", "save_best_only": True, "verbose": 1},
    "batch without batches": {"filepath": "{batch}.keras"},
    "unknown metric": {"filepath": "{accuracy:.2f}.keras"},
    "metric of validation without any": {"filepath": "{epoch}-{val_loss:.2f}.keras"},
    "bad format": {"filepath": "{loss:02d}.keras"},
    "not by name": {"filepath": "{}.keras"},
    "frequency by word": {"filepath": "m.keras", "save_freq": "batch"},
    "frequency by fraction": {"filepath": "m.keras", "save_freq": 1.5},
    "folder in the place": {"filepath": "taken.weights.h5", "save_weights_only": True, "taken": True},
}  # fmt: skip


@pytest.mark.parametrize("case", SAVING)
def test_model_checkpoint(case, tmp_path):
    runs = []
    for k in SIDES:
        options = dict(SAVING[case])
        fit, model, taken = options.pop("fit", None), options.pop("model", {}), options.pop("taken", False)

        def callbacks(k, options=options, taken=taken):
            if taken:
                os.mkdir(options["filepath"])
            return [k.callbacks.ModelCheckpoint(**options)]

        runs.append(fit_with(k, tmp_path / k.__name__, callbacks, fit, **model))
    theirs, ours = runs
    assert ours["files"] == theirs["files"]
    assert ours["printed"] == theirs["printed"]
    best = [[each for each in run["told"] if "Can save best model" in str(each.message)] for run in runs]
    assert len(best[0]) == len(best[1])
    assert (ours["raised"] is None) is (theirs["raised"] is None), theirs["raised"]
    if theirs["raised"] is not None:
        wanted = next(
            cls for cls in type(theirs["raised"]).__mro__ if cls in (KeyError, ValueError, OSError, IndexError)
        )
        assert isinstance(ours["raised"], wanted)
    else:
        assert theirs["files"] or case in ("every 100 batches", "threshold", "not better")


def test_files_of_checkpoints_hold_the_model_of_their_moment(tmp_path):
    """Weights, optimizer and predictions of each file: as in Keras, whichever of the two reads it."""
    for k in SIDES:
        model, path = model_of(k, "adam"), str(tmp_path / k.__name__) + "-{epoch}-{batch}.keras"
        save = k.callbacks.ModelCheckpoint(path, save_freq=2)
        model.fit(*data(), epochs=3, batch_size=8, shuffle=False, verbose=0, callbacks=[save])
    names = sorted(path.name.removeprefix("keras") for path in tmp_path.iterdir() if path.name.startswith("keras-"))
    assert names == ["-1-2.keras", "-2-1.keras", "-2-3.keras", "-3-2.keras"]
    for name in names:
        theirs = keras.models.load_model(tmp_path / f"keras{name}")
        ours = torchkeras.models.load_model(tmp_path / f"torchkeras{name}")
        crossed = torchkeras.models.load_model(tmp_path / f"keras{name}")
        for other in (ours, crossed):
            assert_same(plain(theirs.get_weights()), other.get_weights())
            assert int(other.optimizer.iterations) == int(theirs.optimizer.iterations)
            assert_same(
                [plain(each) for each in theirs.optimizer.variables],
                [plain(each) for each in other.optimizer.variables],
            )


def test_names_of_one_callback_go_on_in_the_next_fit(tmp_path):
    """The count of batches, and the best value, do not begin anew."""

    def scenario(k):
        model, folder = model_of(k), tmp_path / k.__name__
        saves = [
            k.callbacks.ModelCheckpoint(folder / "{epoch}-{batch}.keras", save_freq=4),
            k.callbacks.ModelCheckpoint(folder / "best{epoch}.keras", monitor="loss", mode="max", save_best_only=True),
        ]
        seen = []
        for _ in range(3):
            model.fit(*data(), epochs=2, batch_size=8, shuffle=False, verbose=0, callbacks=saves)
            seen.append(sorted(os.listdir(folder)))
        return seen

    assert len(run_both(scenario)[-1]) > 3


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
def test_paths_have_certain_endings():
    def taken(k, path, **options):
        try:
            return bool(k.callbacks.ModelCheckpoint(path, **options))
        except (TypeError, ValueError):
            return False

    for path, options in (("ckpt", {}), ("w.h5", {"save_weights_only": True}), ("m.keras", {"period": 2})):
        assert taken(torchkeras, path, **options) == taken(keras, path, **options)


# -- SwapEMAWeights ---------------------------------------------------------------------------------------------------

EMA = {
    "plain": {},
    "on epochs": {"swap_on_epoch": True},
}
OPTIMIZERS = {
    "SGD": lambda k: k.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9),
    "overwriting": lambda k: k.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=4),
    "scaled": lambda k: k.optimizers.LossScaleOptimizer(
        k.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), initial_scale=8.0
    ),
}


@pytest.mark.parametrize("case", EMA)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_swap_ema_weights(optimizer, case):
    """Weights and averages whenever a callback after it may look, metrics, and what is left in the end."""

    def scenario(k):
        model = model_of(k, OPTIMIZERS[optimizer](k))
        seen = []

        def averages():
            inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
            return [np.array(plain(each)) for each in inner._model_variables_moving_average]

        def look(*where):
            seen.append(([str(each) for each in where[:1]], model.get_weights(), averages()))

        class Look(k.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                look(epoch, "begin")

            def on_epoch_end(self, epoch, logs=None):
                look(epoch, "end")

            def on_test_begin(self, logs=None):
                look("test")

            def on_test_end(self, logs=None):
                look("test end")

            def on_train_end(self, logs=None):
                look("end")

        swap = k.callbacks.SwapEMAWeights(**EMA[case])
        x, y = data()
        history = model.fit(
            x, y, epochs=3, batch_size=8, shuffle=False, verbose=0, validation_split=0.25, callbacks=[swap, Look()]
        )
        metrics = model.evaluate(x, y, verbose=0, callbacks=[k.callbacks.SwapEMAWeights()])
        return seen, dict(history.history), model.get_weights(), metrics

    run_both(scenario)


@pytest.mark.parametrize("optimizer", [lambda k: "sgd", lambda k: k.optimizers.LossScaleOptimizer(k.optimizers.SGD())])
def test_swapping_without_averages_raises(optimizer):
    for k in SIDES:
        with pytest.raises(ValueError, match="use_ema"):
            model_of(k, optimizer(k)).fit(
                *data(), validation_split=0.5, verbose=0, callbacks=[k.callbacks.SwapEMAWeights()]
            )


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
def test_averages_stay_in_the_model_after_predict():
    def weights(k):
        model = model_of(k, k.optimizers.SGD(0.1, use_ema=True))
        x, y = data()
        for _ in range(3):
            model.train_on_batch(x, y)
        before = model.get_weights()
        model.predict(x, verbose=0, callbacks=[k.callbacks.SwapEMAWeights()])
        return bool(np.array_equal(before[0], model.get_weights()[0]))

    assert weights(torchkeras) == weights(keras)


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
def test_averages_are_lost_when_another_callback_stops_the_training():
    def weights(k):
        model = model_of(k, k.optimizers.SGD(0.1, use_ema=True))
        stop = k.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", True))
        swap = k.callbacks.SwapEMAWeights(swap_on_epoch=True)
        model.fit(*data(), epochs=3, batch_size=8, shuffle=False, verbose=0, callbacks=[stop, swap])
        return model.get_weights()

    for theirs, ours in zip(weights(keras), weights(torchkeras)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


# -- BackupAndRestore -------------------------------------------------------------------------------------------------


class Broken(Exception):
    pass


def breaking(k, after):
    """A callback that ends the training by an exception after so many steps, or at the end of an epoch."""
    kind, at = after

    class Break(k.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            if kind == "step" and self.steps == at:
                raise Broken

        def on_epoch_end(self, epoch, logs=None):
            if kind == "epoch" and epoch == at:
                raise Broken

    return Break()


BACKUPS = {
    "plain": ({}, ("epoch", 1)),
    "in an epoch": ({}, ("step", 5)),
    "at once": ({}, ("step", 2)),
    "not at all": ({}, ("epoch", 99)),
    "every 2 batches": ({"save_freq": 2}, ("step", 8)),
    "every 4 batches": ({"save_freq": 4}, ("step", 7)),
    "two": ({"double_checkpoint": True}, ("epoch", 2)),
    "kept": ({"delete_checkpoint": False}, ("epoch", 99)),
}
WRONG = {"no folder": {"backup_dir": ""}, "frequency": {"backup_dir": "b", "save_freq": "batch"}, "fraction": {
    "backup_dir": "b", "save_freq": 0.5}}  # fmt: skip


@pytest.mark.parametrize("case", BACKUPS)
def test_backups_are_written_when_keras_writes_them(case, tmp_path):
    options, after = BACKUPS[case]
    runs = []
    for k in SIDES:

        def callbacks(k):
            return [k.callbacks.BackupAndRestore("b", **options), breaking(k, after)]

        folder = tmp_path / k.__name__
        run = fit_with(k, folder, callbacks, {"epochs": 4})
        files = folder.glob("b/*.json*")
        runs.append((run["files"], {path.name: path.read_text() for path in files}, type(run["raised"])))
    assert runs[1] == runs[0]


@pytest.mark.parametrize("sides", [(keras, torchkeras), (torchkeras, keras), (torchkeras, torchkeras)])
@pytest.mark.parametrize("case", ["plain", "in an epoch"])
def test_a_backup_goes_on_in_the_other_library(case, sides, tmp_path):
    """Weights, optimizer and epoch; compared with Keras, which goes on from its own."""
    options, after = BACKUPS[case]
    seen = []
    for first, second in [(keras, keras), sides]:
        folder = tmp_path / f"{len(seen)}"

        def fit(k, *more, folder=folder):
            model, backup = model_of(k, "adam"), k.callbacks.BackupAndRestore(folder, **options)
            arguments = {"epochs": 4, "batch_size": 8, "shuffle": False, "verbose": 0}
            return model, model.fit(*data(), callbacks=[backup, *more], **arguments)

        with pytest.raises(Broken):
            fit(first, breaking(first, after))
        model, history = fit(second)
        seen.append((history.epoch, dict(history.history), model.get_weights(), int(model.optimizer.iterations)))
        assert not folder.exists()
    assert_same(plain(seen[0]), plain(seen[1]))


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_of_backups(case):
    for k in SIDES:
        with pytest.raises(ValueError):
            k.callbacks.BackupAndRestore(**WRONG[case])


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
def test_a_broken_epoch_is_run_again_on_the_weights_of_its_middle(tmp_path):
    def steps(k):
        for after in (("step", 8), ("step", 999)):
            model, backup = model_of(k), k.callbacks.BackupAndRestore(tmp_path / k.__name__, save_freq=2)
            try:
                model.fit(*data(), epochs=4, batch_size=8, verbose=0, callbacks=[backup, breaking(k, after)])
            except Broken:
                pass
        return int(model.optimizer.iterations)

    assert steps(torchkeras) == steps(keras)


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
def test_the_next_fit_begins_where_a_restored_one_began(tmp_path):
    def epochs(k):
        model, backup = model_of(k), k.callbacks.BackupAndRestore(tmp_path / k.__name__)
        arguments = {"epochs": 4, "batch_size": 8, "verbose": 0}
        with pytest.raises(Broken):
            model.fit(*data(), callbacks=[backup, breaking(k, ("epoch", 1))], **arguments)
        model.fit(*data(), callbacks=[backup], **arguments)
        return model.fit(*data(), **arguments).epoch

    assert epochs(torchkeras) == epochs(keras)


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
def test_the_folder_goes_with_all_that_is_in_it(tmp_path):
    def left(k):
        folder = tmp_path / k.__name__
        folder.mkdir()
        (folder / "thesis.tex").write_text("")
        model_of(k).fit(*data(), verbose=0, callbacks=[k.callbacks.BackupAndRestore(folder)])
        return folder.exists()

    assert left(torchkeras) == left(keras)


def test_orbax_is_not_there():
    for k in SIDES:
        with pytest.raises(ImportError, match=r"(?i)orbax"):
            k.callbacks.OrbaxCheckpoint("checkpoints")
