"""BackupAndRestore: a training that was broken off goes on where it stood.

Imports the callback base and the backups of saving. What a training is made of beside weights and callbacks, it asks
the Progress that `fit` tells it.
"""

import contextlib
import json
import os
import shutil

import numpy as np
import torch

from torchkeras.callbacks.callback import Callback, listens_if
from torchkeras.callbacks.save_frequency import SaveFrequency
from torchkeras.core.fields import refuse_unknown
from torchkeras.errors import CorruptFileError
from torchkeras.saving import backups
from torchkeras.saving.replacing import replacing


class BackupAndRestore(Callback):
    """Writes the state of a training into a folder, from which the same program, started again, goes on.

    The training that goes on is the one that was broken off, to the last bit: beside weights and optimizer the backup
    has the random streams, the place in the data and in the epoch, the metrics of the running epoch, and what other
    callbacks count (those that say so in `resumed`, as EarlyStopping and ReduceLROnPlateau do). It does not have the
    History: that of a `fit` shows the epochs which this `fit` ran.

    Args:
        backup_dir: the folder. Only one training at a time may use it.
        save_freq: "epoch" to save at the end of each, so that a broken epoch is run again; or a number of batches.
        double_checkpoint: whether the backup before is kept too, and used where the last one is damaged.
        delete_checkpoint: whether the backup is removed when `fit` has ended well.
        older: `save_before_preemption` of Keras 2, which has an effect on some clusters only, and none here.

    The data must be the same and come in the same order for the same random numbers. A generator is read again up to
    the place; what it draws from streams of its own is not known.

    The folder has Keras's files, `latest.weights.h5` and `training_metadata.json`, each whole at any time. Keras reads
    them, and its backups are read here, as far as they go: epoch, weights and optimizer.

    Raises:
        ValueError: the folder's name is empty, or `save_freq` is something else; at the beginning of `fit`, where the
            backup is of another model. A damaged backup is a `CorruptFileError`, an `OSError` too.

    Example:
        >>> backup = BackupAndRestore("backup", save_freq=100)
        >>> history = model.fit(x, y, epochs=2, callbacks=[backup], verbose=0)

    In torch: `torch.save` of everything that the loop holds, and the code that puts it back.
    """

    reads_logs_lazily = True
    keeps_others = True  # CallbackList calls it after those whose state it keeps

    def __init__(self, backup_dir, save_freq="epoch", double_checkpoint=False, delete_checkpoint=True, **older):
        super().__init__()
        older.pop("save_before_preemption", None)
        refuse_unknown("BackupAndRestore()", older, BackupAndRestore.__init__.__code__.co_varnames[1:5])
        if not backup_dir:
            raise ValueError("BackupAndRestore got an empty backup_dir: give the folder to write into.")
        self.backup_dir = os.fsdecode(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._weights_path = os.path.join(self.backup_dir, "latest.weights.h5")
        self._training_metadata_path = os.path.join(self.backup_dir, "training_metadata.json")
        self._frequency = SaveFrequency(save_freq, "BackupAndRestore")
        self._current_epoch = 0
        self._callbacks, self._progress, self._epoch_start = [], None, None

    def set_progress(self, progress, callbacks):
        """Called before the first hook, with the `Progress` of the training and the callbacks beside this one."""
        self._progress, self._callbacks = progress, [each for each in callbacks if each is not self]
        progress.watch()

    # -- going on -----------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs=None):
        try:
            self._restore()
        except (CorruptFileError, OSError) as error:
            if not os.path.exists(f"{self._weights_path}.bkp"):
                raise CorruptFileError.like(
                    OSError(),
                    f"The backup in {self.backup_dir!r} cannot be read: {error} To begin the training anew remove the "
                    "folder; double_checkpoint=True keeps a second backup.",
                ) from error
            for path in (self._weights_path, self._training_metadata_path):
                _copy(f"{path}.bkp", path)
            self._restore()

    def _restore(self):
        if not os.path.exists(self._weights_path):
            return
        state = backups.read_state(self._weights_path)
        if state is None:  # Keras's
            self._load_weights()
            self._begin_with(self._epoch_in_metadata())
            return
        if self._progress is not None and "start" in state["progress"]:
            self._progress.make_all()
        self._load(state)
        self._begin_with(state["epoch"], state["progress"], lambda: self._load(state))

    def _begin_with(self, epoch, progress=None, reload=None):
        if self._progress is not None:
            self._progress.go_on(epoch, progress, reload)

    def _load(self, state):
        self._load_weights()
        self._frequency.batches, self._frequency.last = state["frequency"]
        if state["stopped"]:  # another callback had ended the training
            state["epoch"] = self.params["epochs"]
        for callback, values in self._matched(state["callbacks"]):
            for name, value in values.items():
                _set(callback, name, value)

    def _load_weights(self):
        if not self.model.built:
            raise ValueError(
                f"BackupAndRestore cannot restore {self.model.name!r}, which has no weights before its first step: "
                "call it on data or build(input_shape) before fit()."
            )
        backups.load(self.model, self._weights_path)

    def _epoch_in_metadata(self):
        try:
            with open(self._training_metadata_path, encoding="utf-8") as file:
                return int(json.load(file)["epoch"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(f"{self._training_metadata_path} tells no epoch: {error!r}.") from None

    # -- backing up ---------------------------------------------------------------------------------------------------

    def on_epoch_begin(self, epoch, logs=None):
        self._current_epoch = epoch
        if self.save_freq != "epoch" and self._progress is not None:
            self._epoch_start = self._progress.between_epochs()

    @listens_if(lambda self: self.save_freq != "epoch")
    def on_train_batch_end(self, batch, logs=None):
        if self._frequency.after_batch(batch):
            progress = self._progress and self._progress.within_epoch(self._epoch_start, batch + 1)
            self._save(self._current_epoch, batch, progress)

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self._save(epoch + 1, 0, self._progress and self._progress.between_epochs())

    def on_train_end(self, logs=None):
        if not self.delete_checkpoint:
            return
        for path in (self._weights_path, self._training_metadata_path):
            for each in (path, f"{path}.bkp"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(each)
        with contextlib.suppress(OSError):  # something else is there
            os.rmdir(self.backup_dir)

    def _save(self, epoch, batch, progress):
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint:
            for path in (self._weights_path, self._training_metadata_path):
                _copy(path, f"{path}.bkp")
        state = {
            "epoch": epoch,
            "stopped": bool(self.model.stop_training),
            "frequency": [self._frequency.batches, self._frequency.last],
            "callbacks": self._states(),
            "progress": progress,
        }
        backups.write(self.model, self._weights_path, state)
        with replacing(self._training_metadata_path) as file:  # for Keras
            file.write(json.dumps({"epoch": epoch, "batch": batch}).encode())

    # -- other callbacks ----------------------------------------------------------------------------------------------

    def _states(self):
        """`[class name, {attribute: value}]` of each callback that has something to keep."""
        return [
            [type(callback).__name__, {name: _get(callback, name) for name in callback.resumed}]
            for callback in self._keepers()
        ]

    def _matched(self, states):
        """The callbacks of today with the states of those that were of their class, in order."""
        left = list(states)
        for callback in self._keepers():
            found = next((each for each in left if each[0] == type(callback).__name__), None)
            if found is not None:
                left.remove(found)
                yield callback, found[1]

    def _keepers(self):
        return [callback for callback in self._callbacks if getattr(callback, "resumed", ())]


def _get(obj, name):
    for part in name.split("."):
        obj = getattr(obj, part)
    return obj


def _set(obj, name, value):
    *parts, last = name.split(".")
    obj = _get(obj, ".".join(parts)) if parts else obj
    if isinstance(getattr(obj, last, None), torch.Tensor) and isinstance(value, np.ndarray):
        value = torch.as_tensor(value)
    setattr(obj, last, value)


def _copy(path, to):
    if not os.path.exists(path):
        return
    with open(path, "rb") as old, replacing(to) as new:
        shutil.copyfileobj(old, new)
