"""Losses of torch and metrics of torchmetrics' form, as compile takes them.

May import losses and metrics. Knows no model.
"""

import copy
import inspect

import torch

from torchkeras.core.masks import mask_of
from torchkeras.losses import Loss
from torchkeras.losses.reduction import reduce_weighted_values
from torchkeras.losses.tensors import same_rank
from torchkeras.metrics import Metric
from torchkeras.metrics.resolve import object_name

_OF_CLASS_INDICES = (
    "CrossEntropyLoss",
    "NLLLoss",
    "MultiMarginLoss",
    "MultiLabelMarginLoss",
    "cross_entropy",
    "nll_loss",
    "multi_margin_loss",
)


class TorchLoss(Loss):
    """A loss of `torch.nn` or `torch.nn.functional` (prediction first) as a Keras loss (target first).

    Its own reduction stands. With sample weights its values are taken one by one, weighed, and then reduced as it says;
    a loss without a `reduction` cannot take weights.
    """

    def __init__(self, function):
        name = getattr(function, "__name__", None) or type(function).__name__
        reduction = {"sum": "sum", "none": "none"}.get(getattr(function, "reduction", "mean"), "sum_over_batch_size")
        super().__init__(name=name, reduction=reduction)
        self.function = function
        self._keeps_labels = name in _OF_CLASS_INDICES

    def __call__(self, y_true, y_pred, sample_weight=None):
        y_true = self._fitted(y_true, y_pred)
        mask = mask_of(y_pred)
        if sample_weight is None and mask is None:
            return self.function(y_pred, y_true)
        return reduce_weighted_values(self._each(y_pred, y_true), sample_weight, mask, self.reduction, y_pred.dtype)

    def _fitted(self, y_true, y_pred):
        """The target with the rank and dtype that torch's loss wants."""
        if self._keeps_labels and y_true.dim() == y_pred.dim() and y_true.shape[1:] == (1,):
            y_true = y_true.squeeze(-1)
        if self._keeps_labels and y_true.dim() < y_pred.dim():
            return y_true.long()
        return same_rank(y_true, y_pred)[0].to(y_pred.dtype)

    def _each(self, y_pred, y_true):
        if not isinstance(self.function, torch.nn.Module):
            if "reduction" in inspect.signature(self.function).parameters:
                return self.function(y_pred, y_true, reduction="none")
        elif hasattr(self.function, "reduction"):
            single = copy.copy(self.function)
            single.reduction = "none"
            return single(y_pred, y_true)
        raise ValueError(f"{self.name} gives one number for the batch, so sample weights and masks cannot apply to it.")


class UpdateComputeMetric(Metric):
    """A metric with `update(preds, target)`, `compute()` and `reset()`, as torchmetrics has them."""

    def __init__(self, metric):
        super().__init__(name=object_name(metric))
        self.metric = metric

    def update_state(self, y_true, y_pred, sample_weight=None):
        if isinstance(self.metric, torch.nn.Module):
            self.metric.to(y_pred.device)
        with torch.no_grad():
            self.metric.update(y_pred.detach(), y_true)

    def set_aside(self):
        """What `vars` held, while a copy of the metric takes its place."""
        kept = dict(vars(self))
        self.metric = copy.deepcopy(self.metric)
        return kept

    def result(self):
        return self.metric.compute()

    def reset_state(self):
        self.metric.reset()


def as_loss(loss):
    """A torch loss (object, class or function) as ours; anything else unchanged."""
    if inspect.isclass(loss) and issubclass(loss, torch.nn.Module):
        loss = loss()
    if isinstance(loss, torch.nn.Module) or getattr(loss, "__module__", None) == "torch.nn.functional":
        return TorchLoss(loss)
    return loss


def as_metric(metric):
    """A metric of torchmetrics' form as ours; anything else unchanged."""
    if not inspect.isclass(metric) and all(callable(getattr(metric, n, None)) for n in ("update", "compute", "reset")):
        return UpdateComputeMetric(metric)
    return metric
