"""CallbackList: one object that the training loops call for all callbacks.

Imports core and the callbacks that `fit` adds by itself. Knows nothing of the loops; it is told model and parameters.

Per batch it does only what some callback asks for: which callbacks override a batch hook is worked out once, and the
logs, which live on the device, are read only when a callback wants them.
"""

import torch

from torchkeras.callbacks.callback import Callback
from torchkeras.callbacks.history import History
from torchkeras.callbacks.logs import called, python_logs
from torchkeras.callbacks.progbar_logger import ProgbarLogger
from torchkeras.core import tree
from torchkeras.core.conversion import to_numpy

_BATCH_HOOKS = tuple(f"{phase}_batch_{when}" for phase in ("train", "test", "predict") for when in ("begin", "end"))


class CallbackList(Callback):
    """Calls several callbacks in order.

    Args:
        callbacks: a callback, or a list (nested if need be) of callbacks.
        add_history: add a History unless one is among the callbacks.
        add_progbar: add a ProgbarLogger unless one is among the callbacks.
        model: the model that the callbacks are given.
        **params: handed to every callback as its `params`: `verbose`, `epochs`, `steps`.

    For loops: `batch_hooks(phase)` gives the two batch hooks of "train", "test" or "predict", None for one that has
    nobody to call; `has_train_batch_begin` and the like say the same one by one. The batch-end hooks take the logs as a
    dict or as a function without arguments that makes the dict. The function is called at most once per hook, and only
    when a callback wants the numbers: a class that says `reads_logs_lazily = True` is handed the function itself by
    the hooks that it defines.

    Raises:
        TypeError: an entry is no callback instance.

    Example:
        >>> callbacks = CallbackList([EarlyStopping()], add_history=True, model=model, verbose=1, epochs=2, steps=10)
        >>> callbacks.on_train_begin()
    """

    def __init__(self, callbacks=None, add_history=False, add_progbar=False, model=None, **params):
        super().__init__()
        self.callbacks = [] if callbacks is None else tree.flatten(callbacks)
        for callback in self.callbacks:
            _check(callback)
        self._history = self._first(History)
        self._progbar = self._first(ProgbarLogger)
        if add_history and self._history is None:
            self._history = History()
            self.callbacks.append(self._history)
        if add_progbar and self._progbar is None:
            self._progbar = ProgbarLogger()
            self.callbacks.append(self._progbar)
        self._find_batch_hooks()
        self.set_model(model)
        self.set_params(params)

    def __iter__(self):
        return iter(self.callbacks)

    def set_progress(self, progress):
        """Tells those that ask for it where the training stands; before the first hook."""
        for callback in self.callbacks:
            if hasattr(callback, "set_progress"):
                callback.set_progress(progress, self.callbacks)

    def _in_order(self):
        """The callbacks as listed, but those that keep the state of others after these."""
        keeping = [callback for callback in self.callbacks if getattr(callback, "keeps_others", False)]
        if not keeping:
            return self.callbacks
        others = [callback for callback in self.callbacks if callback not in keeping]
        first = min(self.callbacks.index(callback) for callback in keeping)
        kept = [place + 1 for place, callback in enumerate(others) if getattr(callback, "resumed", ())]
        place = max([first, *kept])
        return [*others[:place], *keeping, *others[place:]]

    def append(self, callback):
        """Adds one callback at the end and gives it the model and parameters known so far."""
        _check(callback)
        self.callbacks.append(callback)
        self._history = self._history or self._first(History)
        self._progbar = self._progbar or self._first(ProgbarLogger)
        if self._model is not None:
            callback.set_model(self._model)
        if self.params:
            callback.set_params(self.params)
        self._find_batch_hooks()

    def set_params(self, params):
        self.params = params
        if params:
            for callback in self.callbacks:
                callback.set_params(params)

    def set_model(self, model):
        if model is None:
            return
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            callback.set_model(model)
        self._find_batch_hooks()

    def _first(self, kind):
        return next((callback for callback in self.callbacks if isinstance(callback, kind)), None)

    def _find_batch_hooks(self):
        """For each batch hook, the bound methods that do something, each with whether it takes unread logs."""
        self._batch_hooks = {
            hook: [
                (getattr(callback, "on_" + hook), _reads_lazily(callback, "on_" + hook))
                for callback in self._in_order()
                if _overrides(callback, hook)
            ]
            for hook in _BATCH_HOOKS
        }
        for hook, methods in self._batch_hooks.items():
            setattr(self, "has_" + hook, bool(methods))

    def batch_hooks(self, phase):
        """`(begin, end)` for the batches of a phase: functions, or None where no callback listens."""
        names = [f"{phase}_batch_{when}" for when in ("begin", "end")]
        return [getattr(self, f"on_{name}") if self._batch_hooks[name] else None for name in names]

    def look_at(self, phase):
        """Whether a callback runs between the batches of a phase that may look at anything, not at the logs alone."""
        hooks = self._batch_hooks[f"{phase}_batch_begin"] + self._batch_hooks[f"{phase}_batch_end"]
        return not all(lazy for _, lazy in hooks)

    def _batch_begin(self, hook, batch, logs):
        for method, _ in self._batch_hooks[hook]:
            method(batch, {} if logs is None else logs)

    def _batch_end(self, hook, batch, logs, read):
        values = None
        for method, lazy in self._batch_hooks[hook]:
            if lazy and values is None:
                method(batch, logs)
                continue
            if values is None:
                values = read(logs)
            method(batch, values)

    def _all(self, hook, *args):
        for callback in self._in_order():
            getattr(callback, hook)(*args)

    def on_train_batch_begin(self, batch, logs=None):
        self._batch_begin("train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self._batch_end("train_batch_end", batch, logs, python_logs)

    def on_test_batch_begin(self, batch, logs=None):
        self._batch_begin("test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch, logs=None):
        self._batch_end("test_batch_end", batch, logs, python_logs)

    def on_predict_batch_begin(self, batch, logs=None):
        self._batch_begin("predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch, logs=None):
        self._batch_end("predict_batch_end", batch, logs, _read_outputs)

    def on_batch_begin(self, batch, logs=None):
        self._all("on_batch_begin", batch, python_logs(logs))

    def on_batch_end(self, batch, logs=None):
        self._all("on_batch_end", batch, python_logs(logs))

    def on_epoch_begin(self, epoch, logs=None):
        self._all("on_epoch_begin", epoch, python_logs(logs))

    def on_epoch_end(self, epoch, logs=None):
        self._all("on_epoch_end", epoch, python_logs(logs))

    def on_train_begin(self, logs=None):
        self._all("on_train_begin", python_logs(logs))

    def on_train_end(self, logs=None):
        self._all("on_train_end", python_logs(logs))

    def on_test_begin(self, logs=None):
        self._all("on_test_begin", python_logs(logs))

    def on_test_end(self, logs=None):
        self._all("on_test_end", python_logs(logs))

    def on_predict_begin(self, logs=None):
        self._all("on_predict_begin", python_logs(logs))

    def on_predict_end(self, logs=None):
        self._all("on_predict_end", python_logs(logs))


def _read_outputs(logs):
    """`{"outputs": ...}`: the output of a model that has one is a numpy array, those of others are tensors."""
    return {
        name: to_numpy(value) if isinstance(value, torch.Tensor) else value
        for name, value in (called(logs) or {}).items()
    }


def _overrides(callback, hook):
    """Whether calling the hook does anything. The train hooks also carry the older `on_batch_*` ones."""
    names = ["on_" + hook]
    if hook.startswith("train_"):
        names.append("on_" + hook.removeprefix("train_"))
    return any(_acts(callback, getattr(callback, name)) for name in names)


def _acts(callback, method):
    if getattr(method, "_is_default", False):
        return False
    condition = getattr(method, "_listens_if", None)
    return condition is None or condition(callback)


def _reads_lazily(callback, name):
    """Whether the hook takes unread logs: said by the class that defines it, as a subclass's hook expects a dict."""
    if getattr(getattr(callback, name), "_is_default", False):  # it then calls the older one
        name = name.replace("on_train_", "on_")
    if name not in getattr(callback, "__dict__", ()):
        for cls in type(callback).__mro__:
            if name in vars(cls):
                return vars(cls).get("reads_logs_lazily", False)
    return False


def _check(callback):
    if isinstance(callback, type):
        raise TypeError(f"callbacks= got the class {callback.__name__}; pass an instance: {callback.__name__}().")
    if isinstance(callback, Callback):
        return
    # Classes with the same hooks, such as those of another Keras, serve as well.
    missing = [name for name in vars(Callback) if name.startswith(("on_", "set_")) and not hasattr(callback, name)]
    if missing:
        raise TypeError(
            f"callbacks= got {callback!r} of type {type(callback).__name__}, which has no {missing[0]}; "
            "derive the class from keras.callbacks.Callback."
        )
