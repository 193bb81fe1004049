"""LearningRateScheduler: sets the learning rate before each epoch by a function of the user's.

Imports the callback base, the console and the rates of optimizers.
"""

import inspect

import numpy as np
import torch

from torchkeras.callbacks import console
from torchkeras.callbacks.callback import Callback
from torchkeras.callbacks.learning_rates import log_rates, optimizers_by_log_name, rate_of


class LearningRateScheduler(Callback):
    """Before each epoch sets the optimizer's learning rate to what a function says, and logs it after the epoch.

    Args:
        schedule: `schedule(epoch, rate)` or `schedule(epoch)`, with the epoch counted from 0 and the present rate as
            float, which gives the new rate: a float, or one in an array or tensor without axes. A
            `LearningRateSchedule` serves as well: its steps are epochs then.
        verbose: 1 prints a line for each epoch.

    With a MultiOptimizer each of its optimizers asks the function and logs `learning_rate_<name>`.

    Raises:
        ValueError: at an epoch's begin, for an optimizer without a rate, and where the function gives no float.
        TypeError: the optimizer's own rate is a schedule.

    Example:
        >>> halve = LearningRateScheduler(lambda epoch, rate: rate if epoch < 2 else rate / 2)
        >>> history = model.fit(x, y, epochs=3, callbacks=[halve], verbose=0)

    In torch: `torch.optim.lr_scheduler.LambdaLR`, whose function gives a factor of the first rate.
    """

    def __init__(self, schedule, verbose=0):
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose
        self._asked = self._takes_two = None  # of which schedule it is known whether it takes two arguments

    def on_epoch_begin(self, epoch, logs=None):
        for name, optimizer in optimizers_by_log_name(self.model).items():
            if not hasattr(optimizer, "learning_rate"):
                raise ValueError(f"LearningRateScheduler needs an optimizer with a learning rate, got {optimizer!r}.")
            rate = self._scheduled(epoch, rate_of(optimizer))
            optimizer.learning_rate = rate
            if self.verbose > 0:
                whose = name.removeprefix("learning_rate").lstrip("_")
                console.write(
                    f"\nEpoch {epoch + 1}: LearningRateScheduler setting {whose + ' ' * bool(whose)}learning rate to "
                    f"{rate}.\n"
                )

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            log_rates(self.model, logs)

    def _scheduled(self, epoch, rate):
        if self._asked is not self.schedule:
            self._asked, self._takes_two = self.schedule, _takes_two(self.schedule)
        new = self.schedule(epoch, rate) if self._takes_two else self.schedule(epoch)
        if isinstance(new, torch.Tensor) and new.is_floating_point() and new.dim() == 0:
            return float(new)
        if isinstance(new, (float, np.floating)):
            return new
        if isinstance(new, np.ndarray) and new.dtype.kind == "f" and new.ndim == 0:
            return float(new)
        raise ValueError(
            f"The schedule of a LearningRateScheduler must give a float; at epoch {epoch} it gave {new!r}."
        )


def _takes_two(schedule):
    """Whether a schedule can be called with the epoch and the rate."""
    try:
        signature = inspect.signature(schedule)
    except ValueError:  # a builtin that does not say what it takes
        return True
    try:
        signature.bind(0, 0.0)
    except TypeError:
        return False
    return True
