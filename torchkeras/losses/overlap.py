"""Losses on overlapping regions: Dice, Tversky.

May import core and this folder. Knows no model.
"""

from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.losses.loss import FunctionLoss, published_function
from torchkeras.losses.tensors import matched


@published_function()
def dice(y_true, y_pred, axis=None):
    """`1 - 2·|A∩B| / (|A| + |B|)` over `axis` (all axes by default)."""
    y_true, y_pred = matched(y_true, y_pred)
    total = y_true.sum(dim=axis) + y_pred.sum(dim=axis) + settings.epsilon
    return 1.0 - 2.0 * (y_true * y_pred).sum(dim=axis) / total


@published_function()
def tversky(y_true, y_pred, alpha=0.5, beta=0.5, axis=None):
    """Dice with the two kinds of error weighed apart: `alpha` for targets missed, `beta` for false predictions."""
    y_true, y_pred = matched(y_true, y_pred)
    common = (y_true * y_pred).sum(dim=axis)
    missed = ((1.0 - y_pred) * y_true).sum(dim=axis)
    false = (y_pred * (1.0 - y_true)).sum(dim=axis)
    return 1.0 - common / (common + missed * alpha + false * beta + settings.epsilon)


@published("loss", "keras.losses")
class Dice(FunctionLoss, function=dice, order=("reduction", "name", "axis", "dtype")):
    """Dice loss of masks, over `axis` (all axes by default: one number per batch)."""


@published("loss", "keras.losses")
class Tversky(FunctionLoss, function=tversky, order=("alpha", "beta", "reduction", "name", "axis", "dtype")):
    """Tversky loss of masks; see `tversky`."""
