"""Losses of torch and metrics of torchmetrics' form, as compile takes them.

May import losses and metrics. Knows no model.
"""

import copy
import functools
import inspect

import torch

from torchkeras.core.layer import Layer
from torchkeras.core.masks import mask_of
from torchkeras.errors import UnfitInputError
from torchkeras.losses import Loss
from torchkeras.losses.reduction import reduce_weighted_values
from torchkeras.losses.tensors import label_error, same_rank
from torchkeras.metrics import Metric
from torchkeras.metrics.resolve import object_name

_OF_CLASS_INDICES = ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss", "cross_entropy", "nll_loss", "multi_margin_loss")
_OF_ROWS_OF_LABELS = ("MultiLabelMarginLoss", "multilabel_margin_loss")


class TorchLoss(Loss):
    """A loss of `torch.nn` or `torch.nn.functional` (prediction first) as a Keras loss (target first).

    Its own reduction stands. With sample weights its values are taken one by one, weighed, and then reduced as it says:
    weights of one change nothing. A loss without a `reduction` cannot take weights.
    """

    def __init__(self, function):
        self._plain = _plain_of(function)
        name = _name_of(self._plain)
        given = getattr(function, "keywords", {}).get("reduction", getattr(self._plain, "reduction", "mean"))
        super().__init__(name=name, reduction={"sum": "sum", "none": "none"}.get(given, "sum_over_batch_size"))
        self.function = function
        self._per_row = given == "batchmean"
        self._keeps_labels = name in _OF_CLASS_INDICES
        self._of_rows_of_labels = name in _OF_ROWS_OF_LABELS
        self._lies_on = None

    def __call__(self, y_true, y_pred, sample_weight=None):
        if self._lies_on != y_pred.device:  # weights of classes and the like follow the prediction
            self._lies_on = y_pred.device
            if isinstance(self._plain, torch.nn.Module):
                self._plain.to(y_pred.device)
        y_true = self._fitted(y_true, y_pred)
        try:
            return self._value(y_true, y_pred, sample_weight)
        except IndexError:
            raise label_error(y_true, y_pred.shape[1]) from None
        except RuntimeError as error:
            if type(error) is not RuntimeError:
                raise
            raise UnfitInputError.like(error, self._unfit(error, y_true, y_pred)) from error

    def _unfit(self, error, y_true, y_pred):
        text = f"{self.name} of a prediction {tuple(y_pred.shape)} and a target {tuple(y_true.shape)}: {error}."
        if self._keeps_labels and y_true.dim() > 1:
            text += " torch wants the classes in axis 1: permute the output, or take a loss of keras.losses."
        return text

    def _value(self, y_true, y_pred, sample_weight):
        mask = mask_of(y_pred)
        if sample_weight is None and mask is None:
            value = self.function(y_pred, y_true)
            return value if value.dim() == 0 or self.reduction == "none" else value.mean()
        values = self._each(y_pred, y_true)
        if self.reduction != "sum_over_batch_size" or mask is not None:
            return reduce_weighted_values(values, sample_weight, mask, self.reduction, y_pred.dtype)
        total = reduce_weighted_values(values, sample_weight, mask, "sum", y_pred.dtype)
        return total / self._divisor(values, y_pred, y_true)

    def _divisor(self, values, y_pred, y_true):
        """What the mean of torch's loss divides by: values, rows, or the weights of the classes that count."""
        if self._per_row:
            return y_pred.shape[0]
        if not hasattr(self._plain, "ignore_index") or y_true.is_floating_point():
            return max(values.numel(), 1)
        counted = y_true != self._plain.ignore_index
        if self._plain.weight is None:
            return counted.sum()
        return (self._plain.weight[torch.where(counted, y_true, 0)] * counted).sum()

    def _fitted(self, y_true, y_pred):
        """The target with the rank and dtype that torch's loss wants."""
        if self._of_rows_of_labels:
            return y_true.long()
        if self._keeps_labels and y_true.dim() == y_pred.dim() and y_true.shape[1:] == (1,):
            y_true = y_true.squeeze(-1)
        if self._keeps_labels and y_true.dim() < y_pred.dim():
            return y_true.long()
        return same_rank(y_true, y_pred)[0].to(y_pred.dtype)

    def _each(self, y_pred, y_true):
        if not isinstance(self._plain, torch.nn.Module):
            if "reduction" in inspect.signature(self.function).parameters:
                return self.function(y_pred, y_true, reduction="none")
        elif hasattr(self._plain, "reduction") and not isinstance(self._plain, torch.jit.ScriptModule):
            single = copy.copy(self._plain)
            single.reduction = "none"
            return single(y_pred, y_true)
        values = self.function(y_pred, y_true)
        if values.dim() and values.shape[0] == y_pred.shape[0]:
            return values
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

    def result_over_processes(self, group=None):
        """torchmetrics merges by itself in `compute`, unless told otherwise."""
        if not getattr(self.metric, "sync_on_compute", False):
            raise NotImplementedError(f"{self.name} cannot merge what several processes have seen.")
        return self.result()

    def reset_state(self):
        self.metric.reset()


def as_loss(loss):
    """A torch loss (object, class, function, or `functools.partial` of one) as ours; anything else unchanged.

    A module and a function of `torch.nn.functional` take the prediction first; everything else is called as
    `(y_true, y_pred)`, and so are layers and modules whose `forward` names its arguments so.

    Raises `ValueError` for a loss of torch's that takes more or less than the two.
    """
    plain = _plain_of(loss)
    if inspect.isclass(plain) and issubclass(plain, torch.nn.Module):
        loss = loss()
        plain = loss
    if isinstance(plain, torch.nn.Module) and not isinstance(plain, Layer):
        parameters = list(inspect.signature(plain.forward).parameters)[:2]
        if parameters == ["y_true", "y_pred"]:
            return loss
    elif getattr(plain, "__module__", None) != "torch.nn.functional":
        return loss
    _refuse_other_arguments(loss, plain)
    return TorchLoss(loss)


def _plain_of(function):
    """The function, class or module under `functools.partial` and `torch.compile`."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "_orig_mod", function)


def _name_of(plain):
    return getattr(plain, "original_name", None) or getattr(plain, "__name__", None) or type(plain).__name__


def _refuse_other_arguments(loss, plain):
    called = loss.forward if isinstance(loss, torch.nn.Module) and loss is plain else loss
    parameters = list(inspect.signature(called).parameters.values())
    if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        taken = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if len(taken) < 2:
            raise ValueError(f"{_name_of(plain)} takes {taken}, but a loss gets a prediction and a target.")
    needed = [
        p.name for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) > 2:
        raise ValueError(
            f"{_name_of(plain)} takes {', '.join(needed)}, but a loss in compile() gets the prediction and the target "
            "only. Pass a function (y_true, y_pred) that calls it and makes the rest of them."
        )


def as_metric(metric):
    """A metric of torchmetrics' form as ours; anything else unchanged. Raises `ValueError` for a class of such."""
    if not all(callable(getattr(metric, name, None)) for name in ("update", "compute", "reset")):
        return metric
    if inspect.isclass(metric):
        raise ValueError(f"metrics got the class {metric.__name__}: pass an object, {metric.__name__}(...).")
    return UpdateComputeMetric(metric)
