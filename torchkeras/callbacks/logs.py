"""The dicts called logs: the values that callbacks get, and the spellings under which a quantity has been known.

May import core. Knows nothing of callbacks.
"""

import re

import numpy as np
import torch

from torchkeras.core.conversion import to_numpy

_SHORT = (("accuracy", "acc"), ("learning_rate", "lr"))


def python_logs(logs, nested=False):
    """Logs as callbacks get them: a flat dict, names in order, single numbers as Python floats, others as numpy arrays.

    `logs` is a dict (its values may be dicts, and tensors anywhere), a function that makes it, or None. The entries of
    a dict stand where its own name would; `nested` leaves them in it.
    """
    flat = {}
    for name, value in sorted((called(logs) or {}).items()):
        if isinstance(value, dict):
            flat.update({name: python_logs(value)} if nested else python_logs(value))
        else:
            flat[name] = _python_value(value)
    return flat


def called(logs):
    """The logs themselves, if they came as a function that makes them."""
    return logs() if callable(logs) else logs


class UnreadLogs:
    """The logs of a batch before anyone reads them: a function that makes them, called by whoever wants the numbers.

    Args:
        make: gives the dict of all logs.
        loss: gives the value of "loss" alone, without asking the metrics; None where `make` only can.
    """

    def __init__(self, make, loss=None):
        self._make, self._loss = make, loss

    def __call__(self):
        return self._make()

    def one(self, name):
        """One value, or None for a name that the logs lack."""
        return self._loss() if name == "loss" and self._loss is not None else self._make().get(name)


def one_of(logs, name):
    """One value of logs of any kind, read or unread. None for a name that they lack."""
    if isinstance(logs, UnreadLogs):
        return logs.one(name)
    return (called(logs) or {}).get(name)


def _python_value(value):
    if isinstance(value, torch.Tensor):
        return float(value.detach()) if value.numel() == 1 else to_numpy(value)
    if isinstance(value, (np.ndarray, np.generic)) and value.size == 1 and value.dtype.kind in "fiub":
        return float(value.item())
    if isinstance(value, (int, float)):
        return float(value)
    return value


def find_log_name(name, names):
    """The member of `names` that means the same quantity as `name`.

    An equal name wins. Else the only one that differs in nothing but a known short form or in being spelled as a class
    (`val_acc` for `val_accuracy`, `MeanSquaredError` for `mean_squared_error`). None if there is none, or several.
    """
    if name in names:
        return name
    if not isinstance(name, str):
        return None
    wanted = _common_spelling(name)
    same = [other for other in names if isinstance(other, str) and _common_spelling(other) == wanted]
    return same[0] if len(same) == 1 else None


def _common_spelling(name):
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    for long, short in _SHORT:
        if name == long or name.endswith("_" + long):
            return name.removesuffix(long) + short
    return name
