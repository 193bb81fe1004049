"""The Callback base class: the moments of training, testing and predicting at which user code may run.

Imports torch only. Knows nothing of the loops that call it.
"""

from torch.nn.parallel import DistributedDataParallel


def empty_hook(function):
    """Marks a hook as doing nothing, so that a CallbackList can leave it out of the batch loop."""
    function._is_default = True
    return function


def listens_if(condition):
    """Marks a batch hook that a CallbackList leaves out where `condition(callback)` is false."""

    def mark(function):
        function._listens_if = condition
        return function

    return mark


class Callback:
    """Base class of everything passed as `callbacks=` to `fit`, `evaluate` and `predict`.

    Override the hooks of interest; each is called with its arguments by position, so they may be named freely.
    `logs` is a dict of Python floats: nothing on a `begin` hook; the running means of the loss and metrics on a batch's
    end; the epoch's results, `val_` ones included, on an epoch's end. What a callback writes into the logs of
    `on_epoch_end` is seen by the callbacks after it and by the History.

    Overriding a batch-end hook makes the loop read the metrics from the device after every batch; a callback that
    does not override it costs nothing there.

    Attributes:
        params: dict with `verbose`, `epochs` and `steps` (None while the number of steps is unknown).
        model: the model being run, unwrapped from DistributedDataParallel.
        validation_data: always None; kept for tf.keras 2 code that reads it.
        resumed: names of the attributes that BackupAndRestore keeps of a callback beside it, so that a training that
            goes on finds them as they were: numbers, texts, arrays, tensors, and lists and dicts of them.

    Example:
        >>> class Stop(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         if logs["loss"] < 0.1:
        ...             self.model.stop_training = True
    """

    # On the class, so that a subclass whose __init__ does not call super() works too.
    params = None
    validation_data = None
    resumed = ()
    _model = None

    def __init__(self):
        self.params = None
        self._model = None

    def set_params(self, params):
        """Called once, before the first hook, with the dict that becomes `self.params`."""
        self.params = params

    def set_model(self, model):
        """Called once, before the first hook, with the model that becomes `self.model`."""
        self._model = model

    @property
    def model(self):
        if isinstance(self._model, DistributedDataParallel):
            return self._model.module
        return self._model

    @model.setter
    def model(self, model):
        self._model = model

    @empty_hook
    def on_batch_begin(self, batch, logs=None):
        """Older name of `on_train_batch_begin`, which calls it."""

    @empty_hook
    def on_batch_end(self, batch, logs=None):
        """Older name of `on_train_batch_end`, which calls it."""

    @empty_hook
    def on_epoch_begin(self, epoch, logs=None):
        """Before an epoch of `fit`; `epoch` counts from 0."""

    @empty_hook
    def on_epoch_end(self, epoch, logs=None):
        """After an epoch of `fit` and its validation, with the results of both."""

    @empty_hook
    def on_train_batch_begin(self, batch, logs=None):
        """Before a training step; `batch` counts from 0 within the epoch."""
        self.on_batch_begin(batch, logs)

    @empty_hook
    def on_train_batch_end(self, batch, logs=None):
        """After a training step, with the means over the epoch so far."""
        self.on_batch_end(batch, logs)

    @empty_hook
    def on_test_batch_begin(self, batch, logs=None):
        """Before a step of `evaluate` or of validation in `fit`."""

    @empty_hook
    def on_test_batch_end(self, batch, logs=None):
        """After a step of `evaluate` or of validation, with the means so far."""

    @empty_hook
    def on_predict_batch_begin(self, batch, logs=None):
        """Before a step of `predict`."""

    @empty_hook
    def on_predict_batch_end(self, batch, logs=None):
        """After a step of `predict`; `logs["outputs"]` holds the batch's outputs."""

    @empty_hook
    def on_train_begin(self, logs=None):
        """Before the first epoch of `fit`."""

    @empty_hook
    def on_train_end(self, logs=None):
        """After the last epoch of `fit`, with that epoch's results."""

    @empty_hook
    def on_test_begin(self, logs=None):
        """Before `evaluate` or validation."""

    @empty_hook
    def on_test_end(self, logs=None):
        """After `evaluate` or validation, with its results."""

    @empty_hook
    def on_predict_begin(self, logs=None):
        """Before `predict`."""

    @empty_hook
    def on_predict_end(self, logs=None):
        """After `predict`."""
