"""CSVLogger: the results of each epoch as a line of a table.

Imports the callback base.
"""

import csv
import os
from collections.abc import Iterable

import numpy as np

from torchkeras.callbacks.callback import Callback


class CSVLogger(Callback):
    """Writes the logs of each epoch into a CSV file, which can be read while the training runs.

    The columns are `epoch` and the names of the first epoch's logs in alphabetical order; where those hold nothing of a
    validation, columns for one are added. What a later epoch lacks is `NA`, and what it has besides is not written.

    Args:
        filename: path of the file.
        separator: what stands between two columns.
        append: add to a file that is there, without a second line of names, instead of writing a new one.

    Raises:
        FileNotFoundError: at the begin of training, if the file's folder does not exist.

    Example:
        >>> logger = CSVLogger("log.csv")
        >>> history = model.fit(x, y, epochs=2, callbacks=[logger], verbose=0)
        >>> open("log.csv").readline().split(",")[:2]
        ['epoch', 'loss']
    """

    def __init__(self, filename, separator=",", append=False):
        super().__init__()
        self.sep = separator
        self.filename = os.fspath(filename)
        self.append = append
        self.append_header = True
        self.csv_file = None
        self.writer = None
        self.keys = None

    def on_train_begin(self, logs=None):
        if self.append and os.path.exists(self.filename):
            self.append_header = os.path.getsize(self.filename) == 0
        self._close()
        mode = "a" if self.append else "w"
        self.csv_file = open(self.filename, mode, newline="", encoding="utf-8")  # noqa: SIM115 - until training ends
        self.writer = None
        self.keys = None

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        if self.writer is None:
            self.writer = csv.DictWriter(self.csv_file, ["epoch", *self.keys], delimiter=self.sep)
            if self.append_header:
                self.writer.writeheader()
        self.writer.writerow({"epoch": epoch, **{key: _cell(logs.get(key, "NA")) for key in self.keys}})
        self.csv_file.flush()

    def on_train_end(self, logs=None):
        self._close()
        self.writer = None

    def _close(self):
        if self.csv_file is not None:
            self.csv_file.close()


def _cell(value):
    """Several numbers in one cell stand in brackets and quotes."""
    if isinstance(value, str) or not isinstance(value, Iterable) or (isinstance(value, np.ndarray) and not value.ndim):
        return value
    return f'"[{", ".join(map(str, value))}]"'
