"""F-beta and F1: the harmonic mean of precision and recall.

May import core and this folder. Knows no model.
"""

import torch

from torchkeras.core.fields import field
from torchkeras.core.scopes import settings
from torchkeras.losses.tensors import as_tensor
from torchkeras.metrics.confusion import fitted
from torchkeras.metrics.mean import do_not_compare, no_grad
from torchkeras.metrics.metric import Metric, dtype_field, published_metric


def _average(value):
    if value not in (None, "micro", "macro", "weighted"):
        raise ValueError(f"`average` must be None, 'micro', 'macro' or 'weighted', got {value!r}.")
    return value


def _beta(value):
    if not isinstance(value, float) or not value > 0.0:
        raise ValueError(f"`beta` must be a float above 0, got {value!r}.")
    return value


def _threshold(value):
    if not isinstance(value, float) or not 0.0 < value <= 1.0:
        raise ValueError(f"`threshold` must be a float above 0 and not above 1, got {value!r}.")
    return value


@published_metric("fbeta_score")
class FBetaScore(Metric):
    """`(1 + beta**2) * precision * recall / (beta**2 * precision + recall)` over `(samples, classes)`.

    Args:
        average: None for a score per class, `"macro"` for their mean, `"weighted"` for their mean by number of
            positives, `"micro"` for the score of all classes' counts together.
        beta: weight of recall, a float above 0.
        threshold: float above which a prediction is positive; None: the largest one of each row is.
        name, dtype: as in `Metric`.

    Example:
        >>> FBetaScore(beta=2.0, threshold=0.5)([[1, 1], [1, 0]], [[0.2, 0.6], [0.6, 0.6]])
        tensor([0.5556, 0.8333])
    """

    average = field(None, convert=_average)
    beta = field(1.0, convert=_beta)
    threshold = field(None, convert=_threshold, optional=True)
    name = field("fbeta_score")
    dtype = dtype_field()

    _counted = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")
    _direction = "up"

    @no_grad
    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of `(samples, classes)`; `sample_weight` is one per sample."""
        y_pred = as_tensor(y_pred, self._torch_dtype)
        y_true = as_tensor(y_true, self._torch_dtype, y_pred.device)
        if not self._variables:
            self._build(y_true, y_pred)
        elif y_pred.device != self._variables[0].device:
            self._follow(y_pred.device)
        if self.threshold is None:
            chosen = (y_pred >= y_pred.amax(-1, keepdim=True)) & (y_pred.abs() > 1e-9)
        else:
            chosen = y_pred > self.threshold
        chosen = chosen.to(y_pred.dtype)
        try:
            parts = (chosen * y_true, chosen * (1 - y_true), (1 - chosen) * y_true, y_true)
        except RuntimeError as error:
            raise do_not_compare(self, y_true, y_pred) from error
        if sample_weight is not None:
            weights = as_tensor(sample_weight, self._torch_dtype, y_pred.device)
            weights = fitted(weights.unsqueeze(1) if weights.dim() else weights, y_pred.shape)
            parts = tuple(part * weights for part in parts)
        for name, part in zip(self._counted, parts, strict=True):
            getattr(self, name).add_(part.sum() if self.average == "micro" else part.sum(0))

    def _build(self, y_true, y_pred):
        if y_true.dim() != 2 or y_pred.dim() != 2:
            raise ValueError(
                f"{type(self).__name__} takes (samples, classes), got y_true of shape {tuple(y_true.shape)} and "
                f"y_pred of shape {tuple(y_pred.shape)}."
            )
        for name in self._counted:
            shape = () if self.average == "micro" else (y_pred.shape[1],)
            setattr(self, name, self.add_variable(shape, None, self.dtype, name=name))
        self._follow(y_pred.device)

    def _joins(self, y_true, y_pred):
        return y_true.shape == y_pred.shape

    def result(self):
        self._settle()
        if not self._variables:
            return torch.zeros((), dtype=self._torch_dtype)
        hits, false, missed, positives = (getattr(self, name).detach() for name in self._counted)
        epsilon = settings.epsilon
        precision, recall = hits / (hits + false + epsilon), hits / (hits + missed + epsilon)
        square = self.beta**2
        scores = precision * recall / (square * precision + recall + epsilon) * (1 + square)
        if self.average == "weighted":
            return (scores * (positives / (positives.sum() + epsilon))).sum()
        return scores.mean() if self.average is not None else scores


@published_metric("f1_score")
class F1Score(FBetaScore, without=["beta"]):
    """`2 * precision * recall / (precision + recall)` over `(samples, classes)`. Arguments as for `FBetaScore`.

    Example:
        >>> F1Score(threshold=0.5)([[1, 1], [1, 0]], [[0.2, 0.6], [0.6, 0.6]])
        tensor([0.6667, 0.6667])
    """

    average = field(None, convert=_average)
    threshold = field(None, convert=_threshold, optional=True)
    name = field("f1_score")
    dtype = dtype_field()

    beta = 1.0
