"""R2 and correlations: how much of the targets' variation predictions follow.

May import core, losses' tensors and this folder. Knows no model.
"""

import warnings

import torch

from torchkeras.core.arguments import between
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.losses.tensors import as_tensor, matched_rank, same_rank
from torchkeras.metrics.confusion import fitted
from torchkeras.metrics.mean import FunctionMetric, do_not_compare, no_grad
from torchkeras.metrics.metric import Metric, dtype_field, published_metric


def _in_floats(y_true, y_pred):
    """Both in `y_pred`'s dtype and of one rank; whole numbers in `floatx()`."""
    y_true, y_pred = matched_rank(y_true, y_pred)
    if not y_pred.is_floating_point():
        kind = torch_dtype(settings.floatx)
        y_true, y_pred = y_true.to(kind), y_pred.to(kind)
    return y_true, y_pred


@published("metric_function", "keras.metrics")
def pearson_correlation(y_true, y_pred, axis=-1):
    """Pearson's coefficient along `axis`: the mean product of standardized targets and predictions."""
    y_true, y_pred = _in_floats(y_true, y_pred)
    y_true, y_pred = (each - each.mean(axis, keepdim=True) for each in (y_true, y_pred))
    y_true, y_pred = (each / each.std(axis, correction=0, keepdim=True) for each in (y_true, y_pred))
    return (y_true * y_pred).mean(axis)


@published("metric_function", "keras.metrics")
def concordance_correlation(y_true, y_pred, axis=-1):
    """Lin's coefficient along `axis`: `2 * covariance / (var + var + (difference of means)**2)`."""
    y_true, y_pred = _in_floats(y_true, y_pred)
    mean_true, mean_pred = y_true.mean(axis, keepdim=True), y_pred.mean(axis, keepdim=True)
    spread = y_true.var(axis, correction=0, keepdim=True) + y_pred.var(axis, correction=0, keepdim=True)
    apart = (mean_true - mean_pred).square()
    products = (y_true - mean_pred) * (y_pred - mean_pred)
    return (2 * products / (spread + apart + settings.epsilon)).mean(axis)


@published_metric()
class PearsonCorrelation(FunctionMetric, function=pearson_correlation, direction="up"):
    """Mean of Pearson's coefficient of each row, between -1 and 1.

    Example:
        >>> PearsonCorrelation()([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]])
        tensor(0.9967)
    """


@published_metric()
class ConcordanceCorrelation(FunctionMetric, function=concordance_correlation, direction="up"):
    """Mean of Lin's concordance coefficient of each row, between -1 and 1.

    Example:
        >>> ConcordanceCorrelation()([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]])
        tensor(0.9816)
    """


def _aggregation(value):
    if value not in (None, "uniform_average", "variance_weighted_average"):
        raise ValueError(
            f"`class_aggregation` must be None, 'uniform_average' or 'variance_weighted_average', got {value!r}."
        )
    return value


@published_metric("r2_score")
class R2Score(Metric):
    """`1 - squared errors / squared deviations from the mean` of each column of `(samples, outputs)`.

    Args:
        class_aggregation: `"uniform_average"` of the columns, `"variance_weighted_average"`, or None for a score
            each.
        num_regressors: number of independent variables, for the adjusted score; 0 for the plain one.
        name, dtype: as in `Metric`.

    Example:
        >>> R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]])
        tensor(0.5714)
    """

    class_aggregation = field("uniform_average", convert=_aggregation)
    num_regressors = field(0, convert=between("num_regressors", 0))
    name = field("r2_score")
    dtype = dtype_field()

    _direction = "up"
    _summed = {"squared_sum": "squared_sum", "sum": "sum", "total_mse": "residual", "count": "count"}

    def _prepare(self):
        self.num_samples = self.add_variable((), None, self.dtype, name="num_samples")

    def _build(self, y_true, y_pred):
        if y_true.dim() != 2 or y_pred.dim() != 2:
            raise ValueError(
                f"R2Score takes (samples, outputs), got y_true of shape {tuple(y_true.shape)} and y_pred of shape "
                f"{tuple(y_pred.shape)}."
            )
        for attribute, name in self._summed.items():
            setattr(self, attribute, self.add_variable((y_pred.shape[1],), None, self.dtype, name=name))

    @no_grad
    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; `sample_weight` is one per sample, or of the targets' shape."""
        y_pred = as_tensor(y_pred, self._torch_dtype)
        y_true = as_tensor(y_true, self._torch_dtype, y_pred.device)
        y_true, y_pred = same_rank(y_true, y_pred)
        try:
            errors = y_true - y_pred
        except RuntimeError as error:
            raise do_not_compare(self, y_true, y_pred) from error
        if len(self._variables) == 1:
            self._build(y_true, y_pred)
        if y_pred.device != self.num_samples.device:
            self._follow(y_pred.device)
        weights = as_tensor(1.0 if sample_weight is None else sample_weight, self._torch_dtype, y_pred.device)
        weights = fitted(weights.unsqueeze(1) if weights.dim() == 1 else weights, y_true.shape)
        weighted = y_true * weights
        self.sum.add_(weighted.sum(0))
        self.squared_sum.add_((y_true * weighted).sum(0))
        self.total_mse.add_((errors.square() * weights).sum(0))
        self.count.add_(weights.sum(0))
        self.num_samples.add_(y_true.numel())

    def _joins(self, y_true, y_pred):
        return y_true.shape == y_pred.shape

    def result(self):
        self._settle()
        if len(self._variables) == 1:
            return torch.zeros((), dtype=self._torch_dtype)
        squares, total, errors, count = (getattr(self, name).detach() for name in self._summed)
        deviations = squares - total * (total / count)
        scores = 1 - errors / deviations
        scores = torch.where(scores.isinf(), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = scores.mean()
        elif self.class_aggregation == "variance_weighted_average":
            scores = (deviations * scores).sum() / deviations.sum()
        return self._adjusted(scores) if self.num_regressors else scores

    def _adjusted(self, scores):
        samples = float(self.num_samples)
        left = samples - self.num_regressors - 1
        if left <= 0:
            warnings.warn(
                f"The adjusted R2 score needs more than {self.num_regressors + 1} values, there are {int(samples)}: "
                "the plain score is given.",
                stacklevel=3,
            )
            return scores
        return 1 - (1 - scores) * (samples - 1) / left
