"""Callbacks that only Keras 2 has.

May import callbacks. Attaches itself to them; no callback knows of it.
"""

from torchkeras import callbacks
from torchkeras.callbacks.callback import Callback


class BaseLogger(Callback):
    """Makes the logs of an epoch from those of its batches, for loops that hand over `{"size": rows, "loss": …}`.

    Args:
        stateful_metrics: names whose last value counts; all others are averaged over the rows.

    The logs of `fit` have no sizes and are means of the epoch already: they stay as they are.

    Example:
        >>> logger, logs = BaseLogger(), {}
        >>> logger.on_epoch_begin(0)
        >>> logger.on_batch_end(0, {"size": 3, "loss": 1.0})
        >>> logger.on_batch_end(1, {"size": 1, "loss": 5.0})
        >>> logger.on_epoch_end(0, logs)
        >>> logs
        {'loss': 2.0}
    """

    reads_logs_lazily = True

    def __init__(self, stateful_metrics=None):
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or ())
        self.seen, self.totals = 0, {}

    def on_epoch_begin(self, epoch, logs=None):
        self.seen, self.totals = 0, {}

    def on_batch_end(self, batch, logs=None):
        if not isinstance(logs, dict) or "size" not in logs:
            return
        size = logs["size"]
        self.seen += size * logs.get("num_steps", 1)
        for name, value in logs.items():
            if name in self.stateful_metrics:
                self.totals[name] = value
            elif name not in ("size", "num_steps", "batch"):
                self.totals[name] = self.totals.get(name, 0) + value * size

    def on_epoch_end(self, epoch, logs=None):
        if logs is None or not self.seen:
            return
        wanted = (self.params or {}).get("metrics", self.totals)
        for name in wanted:
            if name in self.totals:
                stateful = name in self.stateful_metrics
                logs[name] = self.totals[name] if stateful else self.totals[name] / self.seen


callbacks.BaseLogger = BaseLogger
