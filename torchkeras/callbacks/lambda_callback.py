"""LambdaCallback: a callback made of single functions.

Imports the callback base.
"""

import warnings

from torchkeras.callbacks.callback import Callback


class LambdaCallback(Callback):
    """Calls the given functions as hooks.

    Args:
        on_epoch_begin, on_epoch_end: functions of `(epoch, logs)`.
        on_train_begin, on_train_end: functions of `(logs)`.
        on_train_batch_begin, on_train_batch_end: functions of `(batch, logs)`.
        kwargs: functions for the other hooks of `Callback`, such as `on_test_end`; whatever else is given becomes an
            attribute, with a warning if its name begins as those of hooks do.

    Example:
        >>> seen = []
        >>> watch = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(sorted(logs)))
        >>> history = model.fit(x, y, epochs=2, callbacks=[watch], verbose=0)
        >>> seen[0] == sorted(history.history)
        True
    """

    def __init__(
        self,
        on_epoch_begin=None,
        on_epoch_end=None,
        on_train_begin=None,
        on_train_end=None,
        on_train_batch_begin=None,
        on_train_batch_end=None,
        **kwargs,
    ):
        super().__init__()
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, value in hooks.items():
            if not name.startswith("on_"):
                setattr(self, name, value)
            elif not hasattr(Callback, name):
                warnings.warn(f"LambdaCallback got {name}=, which is no hook: it is never called.", stacklevel=2)
            elif value is not None:
                setattr(self, name, value)
