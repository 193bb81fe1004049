"""Losses on real-valued targets: squared, absolute, relative, logarithmic, Huber, log-cosh, cosine.

May import core and this folder. Knows no model.

Each function takes `(y_true, y_pred)` of shape `(B, …, D)` and gives one value per row, shape `(B, …)`: the last axis
is averaged. `y_true` is cast to `y_pred`'s dtype; where ranks differ by one and the longer shape ends in 1 they are
brought to one rank, so `(B,)` against `(B, 1)` never broadcasts to `(B, B)`.
"""

import math

import torch
from torch.nn import functional as F

from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.losses.loss import FunctionLoss, fused_mean, published_function
from torchkeras.losses.tensors import at_least, matched_rank
from torchkeras.ops.nn_statistics import normalize


def row_mean(values):
    """Mean over the last axis; integers are averaged in `floatx()`."""
    if not values.dtype.is_floating_point:
        values = values.to(torch_dtype(settings.floatx))
    return values.mean(dim=-1)


def _fusable(y_true, y_pred):
    return y_true.shape == y_pred.shape and y_pred.numel() > 0


@published_function("mse", "MSE")
def mean_squared_error(y_true, y_pred):
    """Mean of `(y_true - y_pred)²` per row. Torch: `F.mse_loss(y_pred, y_true, reduction="none").mean(-1)`."""
    y_true, y_pred = matched_rank(y_true, y_pred)
    return row_mean(torch.square(y_true - y_pred))


@fused_mean(mean_squared_error)
def _mean_squared_error(y_true, y_pred):
    return F.mse_loss(y_pred, y_true) if _fusable(y_true, y_pred) else None


@published_function("mae", "MAE")
def mean_absolute_error(y_true, y_pred):
    """Mean of `|y_true - y_pred|` per row. Torch: `F.l1_loss(y_pred, y_true, reduction="none").mean(-1)`."""
    y_true, y_pred = matched_rank(y_true, y_pred)
    return row_mean(torch.abs(y_true - y_pred))


@fused_mean(mean_absolute_error)
def _mean_absolute_error(y_true, y_pred):
    return F.l1_loss(y_pred, y_true) if _fusable(y_true, y_pred) else None


@published_function("mape", "MAPE")
def mean_absolute_percentage_error(y_true, y_pred):
    """Mean of `100 · |y_true - y_pred| / max(|y_true|, epsilon)` per row."""
    y_true, y_pred = matched_rank(y_true, y_pred)
    relative = (y_true - y_pred) / torch.clamp(torch.abs(y_true), min=settings.epsilon)
    return 100.0 * row_mean(torch.abs(relative))


@published_function("msle", "MSLE")
def mean_squared_logarithmic_error(y_true, y_pred):
    """Mean of `(log(1 + y_true) - log(1 + y_pred))²` per row; negative values count as epsilon."""
    y_true, y_pred = matched_rank(y_true, y_pred)
    if y_pred.dtype not in (torch.float32, torch.float64):  # epsilon is lost in 16 bits: Keras answers in 32 too
        y_true, y_pred = y_true.float(), y_pred.float()
    logs = [torch.log(at_least(y, settings.epsilon) + 1.0) for y in (y_pred, y_true)]
    return row_mean(torch.square(logs[0] - logs[1]))


@published_function()
def huber(y_true, y_pred, delta=1.0):
    """Per row the mean of `e²/2` where `|e| ≤ delta`, else of `delta·|e| - delta²/2`. Torch: `F.huber_loss`."""
    y_true, y_pred = matched_rank(y_true, y_pred)
    error = torch.abs(y_pred - y_true)
    return row_mean(torch.where(error <= delta, 0.5 * error * error, delta * error - 0.5 * delta * delta))


@fused_mean(huber)
def _huber(y_true, y_pred, delta=1.0):
    served = _fusable(y_true, y_pred) and isinstance(delta, (int, float)) and delta > 0
    return F.huber_loss(y_pred, y_true, delta=delta) if served else None


@published_function()
def log_cosh(y_true, y_pred):
    """Mean of `log(cosh(y_pred - y_true))` per row, computed as `e + softplus(-2e) - log 2`, which cannot overflow."""
    y_true, y_pred = matched_rank(y_true, y_pred)
    error = y_pred - y_true
    if not error.dtype.is_floating_point:
        error = error.to(torch_dtype(settings.floatx))
    return row_mean(error + F.softplus(-2.0 * error) - math.log(2.0))


@published_function()
def cosine_similarity(y_true, y_pred, axis=-1):
    """Minus the cosine of the angle between rows, without `axis`: -1 for equal directions, 1 for opposite ones."""
    y_true, y_pred = matched_rank(y_true, y_pred)
    return -(normalize(y_true, axis) * normalize(y_pred, axis)).sum(dim=axis)


@published("loss", "keras.losses")
class MeanSquaredError(FunctionLoss, function=mean_squared_error):
    """Mean of squared differences. Torch: `nn.MSELoss`.

    Targets and predictions `(batch, …, D)`; the arguments are those of `Loss`.

    Example:
        >>> MeanSquaredError()(torch.zeros(2, 1), torch.tensor([[1.0], [3.0]]))
        tensor(5.)
    """


@published("loss", "keras.losses")
class MeanAbsoluteError(FunctionLoss, function=mean_absolute_error):
    """Mean of absolute differences. Torch: `nn.L1Loss`.

    Targets and predictions `(batch, …, D)`; the arguments are those of `Loss`.

    Example:
        >>> MeanAbsoluteError()(torch.zeros(2, 1), torch.tensor([[1.0], [3.0]]))
        tensor(2.)
    """


@published("loss", "keras.losses")
class MeanAbsolutePercentageError(FunctionLoss, function=mean_absolute_percentage_error):
    """Mean of absolute differences in percent of the target."""


@published("loss", "keras.losses")
class MeanSquaredLogarithmicError(FunctionLoss, function=mean_squared_logarithmic_error):
    """Mean of squared differences of `log(1 + y)`."""


@published("loss", "keras.losses")
class Huber(FunctionLoss, function=huber, unwritten=("delta",)):
    """Squared near zero, linear beyond `delta`. Torch: `nn.HuberLoss`."""

    name = field("huber_loss")


@published("loss", "keras.losses")
class LogCosh(FunctionLoss, function=log_cosh):
    """Mean of the logarithm of the hyperbolic cosine of differences."""


@published("loss", "keras.losses")
class CosineSimilarity(FunctionLoss, function=cosine_similarity, unwritten=("axis",)):
    """Minus the cosine between target and prediction along `axis`."""
