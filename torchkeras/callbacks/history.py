"""History: what `fit` returns.

Imports the callback base and the logs' spellings. Knows nothing of how the numbers were made.
"""

from torchkeras.callbacks.callback import Callback
from torchkeras.callbacks.logs import find_log_name


class HistoryDict(dict):
    """Logged values by name. A name it lacks is looked up under its other spellings (`acc` for `accuracy`).

    Only `[]` does that; `in`, `get`, `keys` and iteration see the names as logged. Pickles and copies are plain dicts,
    so a pickled history can be read where torchkeras is not installed.
    """

    def __missing__(self, name):
        known = find_log_name(name, self)
        if known is None:
            hint = " Pass validation_data= or validation_split= to fit()." if str(name).startswith("val_") else ""
            raise KeyError(f"{name!r} was not logged in this training; logged: {', '.join(map(repr, self))}.{hint}")
        return self[known]

    def __reduce__(self):
        return dict, (dict(self),)


class History(Callback):
    """Records the logs of every epoch. `fit` adds one to the callbacks and returns it.

    Attributes:
        history: dict from each logged name to the list of its values, one an epoch; also answers to `acc` for
            `accuracy`, `lr` for `learning_rate` and the like.
        epoch: the epochs' numbers, from 0 or from `initial_epoch`.
        params: dict with `verbose`, `epochs` and `steps`.

    Example:
        >>> history = model.fit(x, y, epochs=3, verbose=0)
        >>> len(history.history["loss"])
        3
    """

    def __init__(self):
        super().__init__()
        self.history = HistoryDict()
        self.epoch = []

    def on_train_begin(self, logs=None):
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        if self.model is not None and getattr(self.model, "history", None) is not self:
            self.model.history = self
