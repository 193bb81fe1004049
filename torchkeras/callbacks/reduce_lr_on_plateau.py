"""ReduceLROnPlateau: a smaller learning rate once the watched quantity no longer improves.

Imports the monitor base, the console and the rates of optimizers.
"""

import warnings

import numpy as np

from torchkeras.callbacks import console
from torchkeras.callbacks.learning_rates import log_rates, optimizers_by_log_name, rate_of
from torchkeras.callbacks.monitor import MonitorCallback


class ReduceLROnPlateau(MonitorCallback):
    """Multiplies the learning rate by `factor` after `patience` epochs without improvement, and logs the rate.

    Args:
        monitor: name of the watched quantity in the epoch's logs.
        factor: the new rate over the old one, below 1.
        patience: number of epochs without improvement after which the rate is reduced.
        verbose: 1 prints a line when the rate is reduced.
        mode: "min", "max", or "auto" to go by the metric's own direction, else by its name.
        min_delta: smallest change that counts as an improvement.
        cooldown: number of epochs after a reduction that are not counted.
        min_lr: the rate is not reduced below it.

    Keras 2's `epsilon` is `min_delta`. All optimizers of a MultiOptimizer are reduced together.

    A quantity missing from the logs gives a warning and reduces nothing. The rate in the logs of an epoch is the one
    with which it ran.

    Raises:
        ValueError: `factor` is 1 or more.
        TypeError: at an epoch's end, when the optimizer's own rate is a schedule.

    Example:
        >>> reduce = ReduceLROnPlateau(monitor="loss", factor=0.2, patience=5, min_lr=0.001)
        >>> history = model.fit(x, y, epochs=3, callbacks=[reduce], verbose=0)

    In torch: `torch.optim.lr_scheduler.ReduceLROnPlateau`.
    """

    resumed = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor="val_loss",
        factor=0.1,
        patience=10,
        verbose=0,
        mode="auto",
        min_delta=1e-4,
        cooldown=0,
        min_lr=0.0,
        **kwargs,
    ):
        min_delta = kwargs.pop("epsilon", min_delta)
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(
                f"ReduceLROnPlateau got factor={factor}, with which no rate becomes smaller: it must be below 1."
            )
        if kwargs:
            warnings.warn(f"ReduceLROnPlateau knows nothing of, and ignores: {', '.join(kwargs)}.", stacklevel=2)
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self._reset()

    def _reset(self):
        self.best = None
        self.wait = 0
        self.cooldown_counter = 0

    def on_train_begin(self, logs=None):
        self._reset()  # one instance may serve several fits

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor_op is None:
            self._set_monitor_op()
        logs = {} if logs is None else logs
        log_rates(self.model, logs)
        value = self.get_monitor_value(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(value, self.best):
            self.best = value
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def in_cooldown(self):
        """Whether the last reduction is so recent that epochs do not count."""
        return self.cooldown_counter > 0

    def _reduce(self, epoch):
        """Whether a rate was still large enough to be reduced."""
        reduced = False
        for name, optimizer in optimizers_by_log_name(self.model).items():
            rate = rate_of(optimizer)
            if np.float32(rate) <= np.float32(self.min_lr):
                continue
            rate = max(rate * self.factor, self.min_lr)
            optimizer.learning_rate = rate
            reduced = True
            if self.verbose > 0:
                whose = name.removeprefix("learning_rate").replace("_", " ", 1)
                console.write(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing{whose} learning rate to {rate}.\n")
        return reduced
