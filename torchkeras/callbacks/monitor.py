"""MonitorCallback: the part of a callback that watches one logged number and knows which direction is better.

Imports the callback base and the logs' spellings. Knows nothing of metric classes: a metric tells its own direction.
"""

import warnings

import numpy as np

from torchkeras.callbacks.callback import Callback
from torchkeras.callbacks.logs import find_log_name

_MODES = ("auto", "min", "max")


class MonitorCallback(Callback):
    """Base class of callbacks that act when a logged quantity improves or does not.

    Args:
        monitor: name of the quantity in the epoch's logs.
        mode: "min", "max", or "auto": from the metric's own direction, else from the name (accuracy and AUC up,
            everything else down).
        baseline: value to beat at first; None takes the first value seen.
        min_delta: smallest change that counts as an improvement.
    """

    def __init__(self, monitor="val_loss", mode="auto", baseline=None, min_delta=0):
        super().__init__()
        if mode not in _MODES:
            text = f"{type(self).__name__} got mode={mode!r}, expected one of {_MODES}; using 'auto'."
            warnings.warn(text, stacklevel=3)
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self.monitor_op = None

    def get_monitor_value(self, logs):
        """The watched number, or None with a warning when the logs lack it."""
        logs = logs or {}
        name = find_log_name(self.monitor, logs)
        if name is None:
            warnings.warn(
                f"{type(self).__name__} watches {self.monitor!r}, which is not available; "
                f"the logs hold: {', '.join(map(repr, logs))}.",
                stacklevel=3,
            )
            return None
        value = logs[name]
        if np.ndim(value):
            raise ValueError(
                f"{type(self).__name__} watches {self.monitor!r}, which is an array of shape {np.shape(value)}; "
                "it needs a single number. Give the metric an average= that yields one."
            )
        return value

    def _set_monitor_op(self):
        """Settles the direction. Called at an epoch's end: the first step may have made the model's metrics."""
        up = self.mode == "max" if self.mode != "auto" else self._higher_is_better()
        self.monitor_op = np.greater if up else np.less
        if not up:
            self.min_delta *= -1

    def _is_improvement(self, value, reference):
        return reference is None or bool(self.monitor_op(value - self.min_delta, reference))

    def _higher_is_better(self):
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return False
        up = _own_direction(name, getattr(self.model, "metrics", None) or [])
        if up is None and name.endswith("_loss"):  # one output's loss
            return False
        if up is None:
            up = name.lower().endswith(("acc", "accuracy", "auc"))
            mode = "max" if up else "min"
            warnings.warn(
                f"{type(self).__name__} cannot tell from the model's metrics whether {self.monitor!r} should rise or "
                f"fall; going by its name, mode={mode!r}. Pass mode='max' or mode='min' to say so.",
                stacklevel=4,
            )
        return up


def _own_direction(name, metrics):
    """Whether the metric logged as `name` is better when higher; None when no metric says so.

    A model with several outputs logs a metric as `<output>_<metric>`: the longest metric name that fits decides.
    """
    best = None
    for metric in _flatten(metrics):
        up = _direction_of(metric)
        own_name = getattr(metric, "name", None)
        if up is None or not own_name:
            continue
        if find_log_name(name, [own_name]):
            return up
        if name.endswith("_" + own_name) and (best is None or len(own_name) > len(best[0])):
            best = (own_name, up)
    return best[1] if best else None


def _flatten(metrics):
    """The metrics themselves, taken out of the containers in which `compile` keeps them."""
    for metric in metrics:
        inner = getattr(metric, "metrics", None)
        if isinstance(inner, (list, tuple)):
            yield from _flatten(inner)
        else:
            yield metric


def _direction_of(metric):
    direction = getattr(metric, "_direction", None)
    if direction is not None:
        return direction == "up"
    return getattr(metric, "higher_is_better", None)  # torchmetrics says it this way
