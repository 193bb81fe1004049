"""ProgbarLogger: the callback behind `verbose=`.

Imports the callback base, the progress bar and the reader of logs. Knows nothing of the loops.
"""

from torchkeras.callbacks import console
from torchkeras.callbacks.callback import Callback
from torchkeras.callbacks.logs import called, python_logs
from torchkeras.callbacks.progress import Progbar

# Reading the logs waits for the device: draw a few times a second, not as often as the eye can follow.
_SECONDS_BETWEEN_DRAWINGS = 0.2


class ProgbarLogger(Callback):
    """Prints the progress and results of `fit`, `evaluate` and `predict`; they add one unless `verbose=0`.

    Args:
        count_mode: accepted for tf.keras 2 code; steps are counted.
        stateful_metrics: accepted for tf.keras 2 code; the logs are already means over the epoch.
    """

    # CallbackList then hands over the function that reads the logs, to be called only when the bar is drawn.
    reads_logs_lazily = True

    def __init__(self, count_mode="steps", stateful_metrics=None):
        super().__init__()
        self.seen = 0
        self.progbar = None
        self.target = self._steps = None
        self.verbose = 1
        self.epochs = 1
        self._called_in_fit = False

    def set_params(self, params):
        super().set_params(params)
        verbose = params.get("verbose", 1)
        self.verbose = 1 if verbose == "auto" else verbose
        self.epochs = params.get("epochs", 1)
        self.target = self._steps = params.get("steps")

    def on_train_begin(self, logs=None):
        self._called_in_fit = True  # validation then shows in the epoch's line

    def on_train_end(self, logs=None):
        self._called_in_fit = False

    def on_epoch_begin(self, epoch, logs=None):
        self._new_bar()
        if self.verbose and self.epochs > 1:
            console.write(f"Epoch {epoch + 1}/{self.epochs}\n")

    def on_test_begin(self, logs=None):
        if not self._called_in_fit:
            self._new_bar()

    def on_predict_begin(self, logs=None):
        self._new_bar()

    def on_train_batch_end(self, batch, logs=None):
        self._advance(batch, logs)

    def on_test_batch_end(self, batch, logs=None):
        if not self._called_in_fit:
            self._advance(batch, logs)

    def on_predict_batch_end(self, batch, logs=None):
        self._advance(batch, None)  # outputs are not numbers to show

    def on_epoch_end(self, epoch, logs=None):
        self._finish(logs)

    def on_test_end(self, logs=None):
        if not self._called_in_fit:
            self._finish(logs)

    def on_predict_end(self, logs=None):
        self._finish(logs)

    def _new_bar(self):
        self.seen = 0
        bar = Progbar(self.target, verbose=self.verbose, interval=_SECONDS_BETWEEN_DRAWINGS, stateless_metrics=())
        if self.progbar is not None:  # epochs shorter than the interval get no drawing but their last
            bar.last_update = self.progbar.last_update
        self.progbar = bar

    def _advance(self, batch, logs):
        if self.progbar is None:  # a loop of the user's own, without epochs
            self._new_bar()
        self.seen = batch + 1
        if self.verbose == 1:
            self.progbar.update(self.seen, lambda: _pairs(logs), finalize=False)

    def _finish(self, logs):
        if self._steps is None:  # known now, and what the next epoch may expect
            self.target = self.progbar.target = self.seen
        # A pass that was stopped shows the steps that were run; where nobody told of steps, all of them were.
        pairs = _pairs(logs)
        if self.verbose == 1:  # a bar goes on from the values of the batches, which stand in it already
            pairs.sort(key=lambda pair: f"val_{pair[0]}" not in logs)  # of no logs there are no pairs
        self.progbar.update(self.seen or self.target, pairs, finalize=True)


def _pairs(logs):
    """Names and values in the order of the logs: by name, and behind them what callbacks added."""
    logs = called(logs) or {}
    values = python_logs(logs)
    return [(name, values.pop(name)) for name in logs if name in values] + list(values.items())
