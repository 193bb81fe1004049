"""Metrics on real-valued targets.

May import core, losses and this folder. Knows no model.
"""

import torch

from torchkeras.core.fields import field
from torchkeras.losses import regression
from torchkeras.losses.tensors import as_tensor, matched_rank
from torchkeras.metrics.mean import FunctionMetric, Mean, do_not_compare, no_grad, rows_meet
from torchkeras.metrics.metric import dtype_field, published_metric


def cosine_similarity(y_true, y_pred, axis=-1):
    """The cosine of the angle between rows: the loss's value with the sign turned."""
    return -regression.cosine_similarity(y_true, y_pred, axis)


@published_metric("mse", "MSE")
class MeanSquaredError(FunctionMetric, function=regression.mean_squared_error):
    """Mean of squared differences."""

    _aligns = True


@published_metric("mae", "MAE")
class MeanAbsoluteError(FunctionMetric, function=regression.mean_absolute_error):
    """Mean of absolute differences."""

    _aligns = True


@published_metric("mape", "MAPE")
class MeanAbsolutePercentageError(FunctionMetric, function=regression.mean_absolute_percentage_error):
    """Mean of absolute differences in percent of the target."""

    _aligns = True


@published_metric("msle", "MSLE")
class MeanSquaredLogarithmicError(FunctionMetric, function=regression.mean_squared_logarithmic_error):
    """Mean of squared differences of `log(1 + y)`."""

    _aligns = True


@published_metric()
class RootMeanSquaredError(Mean):
    """The root of the mean of squared differences.

    Example:
        >>> RootMeanSquaredError()(torch.zeros(2), torch.tensor([3.0, 4.0]))
        tensor(3.5355)
    """

    name = field("root_mean_squared_error")
    dtype = dtype_field()
    _direction = "down"

    @no_grad
    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = matched_rank(y_true, as_tensor(y_pred, self._torch_dtype))
        try:
            squares = torch.square(y_pred - y_true)
        except RuntimeError as error:
            raise do_not_compare(self, y_true, y_pred) from error
        self._add(squares, sample_weight)

    def _joins(self, y_true, y_pred):
        return rows_meet(y_true, y_pred)

    def result(self):
        return torch.sqrt(super().result())


@published_metric()
class CosineSimilarity(FunctionMetric, function=cosine_similarity, direction="up", unwritten=("axis",)):
    """Mean cosine between target and prediction along `axis`; 1 for equal directions."""


@published_metric()
class LogCoshError(FunctionMetric, function=regression.log_cosh):
    """Mean of the logarithm of the hyperbolic cosine of differences."""

    name = field("logcosh")
