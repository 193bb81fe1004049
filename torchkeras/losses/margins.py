"""Hinge losses: margins between classes.

May import core and this folder. Knows no model.
"""

import torch

from torchkeras.core.registry import published
from torchkeras.losses.loss import FunctionLoss, published_function
from torchkeras.losses.regression import row_mean
from torchkeras.losses.tensors import at_least, matched


def _signed(y_true):
    """Targets that are all 0 or 1 become -1 and 1. Decided on the device: no look at the values."""
    binary = ((y_true == 0) | (y_true == 1)).all()
    return torch.where(binary, 2.0 * y_true - 1.0, y_true)


def _margins(y_true, y_pred):
    y_true, y_pred = matched(y_true, y_pred)
    return at_least(1.0 - _signed(y_true) * y_pred, 0.0)


@published_function()
def hinge(y_true, y_pred):
    """Mean of `max(1 - y_true·y_pred, 0)` per row; targets -1 and 1 (0 and 1 are converted)."""
    return row_mean(_margins(y_true, y_pred))


@published_function()
def squared_hinge(y_true, y_pred):
    """Mean of `max(1 - y_true·y_pred, 0)²` per row; targets -1 and 1 (0 and 1 are converted)."""
    return row_mean(torch.square(_margins(y_true, y_pred)))


@published_function()
def categorical_hinge(y_true, y_pred):
    """`max(neg - pos + 1, 0)` per row: `pos` the target's score, `neg` the best other one. One-hot targets."""
    y_true, y_pred = matched(y_true, y_pred)
    positive = (y_true * y_pred).sum(dim=-1)
    negative = ((1.0 - y_true) * y_pred).amax(dim=-1)
    return at_least(negative - positive + 1.0, 0.0)


@published("loss", "keras.losses")
class Hinge(FunctionLoss, function=hinge):
    """Mean margin violation of targets -1 and 1."""


@published("loss", "keras.losses")
class SquaredHinge(FunctionLoss, function=squared_hinge):
    """Mean squared margin violation of targets -1 and 1."""


@published("loss", "keras.losses")
class CategoricalHinge(FunctionLoss, function=categorical_hinge):
    """Margin violation between the target class and the best other one."""
