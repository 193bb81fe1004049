"""EarlyStopping: ends the training when the watched quantity no longer improves.

Imports the monitor base and the console. Knows of the model only `get_weights`, `set_weights`, `buffers` and
`stop_training`.
"""

import torch

from torchkeras.callbacks import console
from torchkeras.callbacks.monitor import MonitorCallback


class EarlyStopping(MonitorCallback):
    """Stops `fit` after `patience` epochs without improvement.

    Args:
        monitor: name of the watched quantity in the epoch's logs.
        min_delta: smallest change that counts as an improvement.
        patience: number of epochs without improvement after which training stops.
        verbose: 1 prints a line when it stops and when it restores weights; 0 is silent.
        mode: "min", "max", or "auto" to go by the metric's own direction, else by its name.
        baseline: epochs that do not beat it count as without improvement, even when they are the best so far.
        restore_best_weights: at the end of training, whether it stopped early or not, give the model the weights of its
            best epoch.
        start_from_epoch: number of epochs at the start that are not looked at.

    A quantity missing from the logs gives a warning and stops nothing.

    Example:
        >>> stop = EarlyStopping(patience=3, restore_best_weights=True)
        >>> history = model.fit(x, y, validation_split=0.2, epochs=5, callbacks=[stop], verbose=0)
    """

    resumed = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights", "_best_buffers")

    def __init__(
        self,
        monitor="val_loss",
        min_delta=0,
        patience=0,
        verbose=0,
        mode="auto",
        baseline=None,
        restore_best_weights=False,
        start_from_epoch=0,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._reset()

    def _reset(self):
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights = None
        self._best_buffers = []

    def on_train_begin(self, logs=None):
        self._reset()  # one instance may serve several fits

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor_op is None:
            self._set_monitor_op()
        value = self.get_monitor_value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._is_improvement(value, self.best):
            self.best = value
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
                self._best_buffers = [buffer.clone() for buffer in self.model.buffers()]
            if self._is_improvement(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self.stopped_epoch > 0 and self.verbose > 0:
            console.write(f"Epoch {self.stopped_epoch + 1}: early stopping\n")
        if self.best_weights is not None:
            if self.verbose > 0:
                console.write(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.\n")
            self.model.set_weights(self.best_weights)
            for buffer, best in zip(self.model.buffers(), self._best_buffers):  # statistics of torch's own modules
                buffer.copy_(torch.as_tensor(best))
