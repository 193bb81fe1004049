"""ModelCheckpoint: saves the model, or its weights, while it trains.

Imports the monitor base, the console and the logs. How a file is written, and that it is whole, is not known here.
"""

import os
import re
import warnings

import numpy as np

from torchkeras.callbacks import console
from torchkeras.callbacks.callback import listens_if
from torchkeras.callbacks.logs import find_log_name, python_logs
from torchkeras.callbacks.monitor import MonitorCallback
from torchkeras.callbacks.save_frequency import SaveFrequency
from torchkeras.core.fields import refuse_unknown

_MODEL_ENDINGS = (".keras", ".h5", ".hdf5")


class ModelCheckpoint(MonitorCallback):
    """Saves the model after each epoch or every so many batches, always or only when it is the best so far.

    Args:
        filepath: path of the file. Names in braces are filled in: `{epoch:02d}`, from 1; `{batch}`, from 1, where
            `save_freq` counts batches; every name in the logs, as `{val_loss:.2f}`. The ending says the format, as for
            `model.save` and `model.save_weights`; a whole model under another ending is written as `.keras` is.
        monitor: name of the watched quantity in the logs, for `save_best_only`.
        verbose: 1 prints a line before and after saving.
        save_best_only: whether only a model better than all before is saved. It is also saved where the quantity is
            missing from the logs, with a warning.
        save_weights_only: whether the weights are saved, with the optimizer's state where the format has it, or the
            model whole.
        mode: "min", "max", or "auto" to go by the metric's own direction, else by its name.
        save_freq: "epoch", or a number of batches, counted on from epoch to epoch.
        initial_value_threshold: value to beat at first, for `save_best_only`.
        older: Keras 2's `period`, to save every so many epochs; `load_weights_on_restart`, to begin `fit` with the
            newest file that `filepath` may have named; `options`, of TensorFlow, without effect.

    The file that was there stays until the new one is complete, whenever the program ends. Folders are made.

    Raises:
        ValueError: `save_freq` is something else.
        KeyError: when it saves, where the path names something that the logs lack.

    Example:
        >>> save = ModelCheckpoint("model-{epoch:02d}.keras", verbose=0)
        >>> history = model.fit(x, y, epochs=2, callbacks=[save], verbose=0)
        >>> import glob
        >>> sorted(glob.glob("model-*.keras"))
        ['model-01.keras', 'model-02.keras']
    """

    reads_logs_lazily = True
    resumed = ("best", "_epochs_since_saving", "_frequency.batches", "_frequency.last")

    def __init__(
        self,
        filepath,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        save_weights_only=False,
        mode="auto",
        save_freq="epoch",
        initial_value_threshold=None,
        **older,
    ):
        super().__init__(monitor, mode, initial_value_threshold)
        period, restart = older.pop("period", 1), older.pop("load_weights_on_restart", False)
        older.pop("options", None)
        known = ModelCheckpoint.__init__.__code__.co_varnames[1:9]
        refuse_unknown("ModelCheckpoint()", older, (*known, "period", "load_weights_on_restart", "options"))
        self.filepath = os.fsdecode(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.period = period
        self.load_weights_on_restart = restart
        self._frequency = SaveFrequency(save_freq, "ModelCheckpoint")
        self._epochs_since_saving = 0
        self._current_epoch = 0

    def on_train_begin(self, logs=None):
        if self.load_weights_on_restart:
            newest = _newest_match(self.filepath)
            if newest is not None:
                self.model.load_weights(newest)

    def on_epoch_begin(self, epoch, logs=None):
        self._current_epoch = epoch

    @listens_if(lambda self: self.save_freq != "epoch")
    def on_train_batch_end(self, batch, logs=None):
        if self._frequency.after_batch(batch):
            self._save_model(self._current_epoch, batch, python_logs(logs))

    def on_epoch_end(self, epoch, logs=None):
        self._epochs_since_saving += 1
        if self.save_freq == "epoch" and self._epochs_since_saving >= self.period:
            self._epochs_since_saving = 0
            self._save_model(epoch, None, logs or {})

    def _save_model(self, epoch, batch, logs):
        filepath = self._get_file_path(epoch, batch, logs)
        if not self._should_save_model(epoch, batch, logs, filepath):
            return
        folder = os.path.dirname(filepath)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if self.save_weights_only:
            word = {"save_format": "h5"} if filepath.endswith(".keras") else {}  # as Keras 2 took that name
            self.model.save_weights(filepath, overwrite=True, **word)
        else:
            word = {} if filepath.endswith(_MODEL_ENDINGS) else {"save_format": "keras"}
            self.model.save(filepath, overwrite=True, **word)
        self._tell(epoch, f"finished saving model to {filepath}")

    def _get_file_path(self, epoch, batch, logs):
        """The path with its names filled in."""
        values = {"epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1}), **logs}
        try:
            return self.filepath.format(**values)
        except KeyError as error:
            raise KeyError(
                f"The filepath {self.filepath!r} of ModelCheckpoint names {error}, which is not known when it saves; "
                f"known are: {', '.join(values)}."
            ) from None

    def _should_save_model(self, epoch, batch, logs, filepath):
        """Whether this is a moment to save at; tells so."""
        if not self.save_best_only:
            self._tell(epoch, f"saving model to {filepath}")
            return True
        value = self._watched(logs)
        if value is None:
            return True
        if self.monitor_op is None:
            self._set_monitor_op()
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self._is_improvement(value, self.best):
            self._tell(epoch, f"{self.monitor} did not improve from {best}")
            return False
        self._tell(epoch, f"{self.monitor} improved from {best} to {value:.5f}, saving model to {filepath}")
        self.best = value
        return True

    def _watched(self, logs):
        """The watched number; None, with a warning, where there is none to go by."""
        name = find_log_name(self.monitor, logs)
        if name is None:
            warnings.warn(
                f"Can save best model only with {self.monitor} available, which the logs lack: it is saved each time. "
                f"They hold: {', '.join(map(repr, logs))}.",
                stacklevel=4,
            )
            return None
        if np.ndim(logs[name]):
            warnings.warn(
                f"Can save best model only when `monitor` is a scalar value; {self.monitor!r} is an array of shape "
                f"{np.shape(logs[name])}: the model is saved each time.",
                stacklevel=4,
            )
            return None
        return logs[name]

    def _tell(self, epoch, text):
        if self.verbose > 0:
            console.write(f"\nEpoch {epoch + 1}: {text}\n")


def _newest_match(pattern):
    """The newest file that a path with names in braces may have become; None if there is none."""
    folder, name = os.path.split(pattern)
    if not os.path.isdir(folder or "."):
        return None
    parts = re.split(r"\{[^}]*\}", name)
    wanted = re.compile(".*".join(map(re.escape, parts)))
    paths = [os.path.join(folder, each) for each in os.listdir(folder or ".") if wanted.fullmatch(each)]
    return max(paths, key=lambda path: (os.path.getmtime(path), path), default=None)
