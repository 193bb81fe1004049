"""The accuracy family: how often predictions hit the target.

May import core, losses' tensors and this folder. Knows no model.

Each public function gives 1.0 or 0.0 per sample or step in `floatx()`. The metrics use the functions that give bools:
fewer kernels for the same mean.
"""

import torch

from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.losses.tensors import as_tensor, matched_rank, same_rank
from torchkeras.metrics.mean import FunctionMetric
from torchkeras.metrics.metric import published_metric

Tensor = torch.Tensor


def _pair(y_true, y_pred):
    if not isinstance(y_pred, Tensor):
        y_pred = as_tensor(y_pred)
    if not isinstance(y_true, Tensor) or y_true.device != y_pred.device:
        y_true = as_tensor(y_true, None, y_pred.device)
    return y_true, y_pred


def _best(scores):
    """The place of the largest entry of each row, the first of equal ones."""
    return (scores.byte() if scores.dtype == torch.bool else scores).argmax(dim=-1)


def _floatx(hits):
    return hits.to(torch_dtype(settings.floatx))


def equal_hits(y_true, y_pred):
    """Where target and prediction are equal; bool, of their common shape."""
    y_true, y_pred = matched_rank(y_true, y_pred)
    return y_true == y_pred


def binary_hits(y_true, y_pred, threshold=0.5):
    """Where `y_pred > threshold` is the 0 or 1 of `y_true`; bool, of their common shape."""
    y_true, y_pred = same_rank(*_pair(y_true, y_pred))
    return (y_pred > threshold) == y_true


def categorical_hits(y_true, y_pred):
    """Where the largest entries of target and prediction are at one place; bool, shape without the last axis."""
    y_true, y_pred = _pair(y_true, y_pred)
    return _best(y_true) == _best(y_pred)


def sparse_hits(y_true, y_pred):
    """Where the largest prediction is at the target's index; bool, shape of `y_pred` without the last axis."""
    y_true, y_pred = _pair(y_true, y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true.squeeze(-1)
        hits = (_best(y_pred) == y_true).unsqueeze(-1)
    else:
        hits = _best(y_pred) == y_true
    return hits.squeeze(-1) if hits.ndim > 1 and hits.shape[-1] == 1 else hits


def top_k_hits(y_true, y_pred, k=5):
    """Where the target's class is among the `k` largest predictions; bool, shape without the last axis."""
    y_true, y_pred = _pair(y_true, y_pred)
    return sparse_top_k_hits(_best(y_true), y_pred, k)


def sparse_top_k_hits(y_true, y_pred, k=5, from_sorted_ids=False):
    """Where the target's index is among the `k` largest predictions; bool, shape of `y_true`.

    With `from_sorted_ids` the predictions are class indices, the most probable first. Ties with the k-th count as hits.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    classes = y_pred.shape[-1]
    rows, targets = y_pred.reshape(-1, classes), y_true.reshape(-1, 1)
    if from_sorted_ids:
        hits = (rows[:, :k] == targets).any(dim=1)
    elif k < 1:
        hits = torch.zeros_like(targets, dtype=torch.bool)
    else:
        last = torch.topk(rows, min(k, classes), dim=-1).values[:, -1:]
        hits = (rows.gather(1, targets.long()) >= last).squeeze(1)
    return hits.reshape(y_true.shape)


def accuracy(y_true, y_pred):
    """1.0 where target and prediction are equal. Shape: theirs."""
    return _floatx(equal_hits(y_true, y_pred))


@published("metric_function", "keras.metrics")
def binary_accuracy(y_true, y_pred, threshold=0.5):
    """1.0 where `y_pred > threshold` is the 0 or 1 of `y_true`. Shape: theirs."""
    return _floatx(binary_hits(y_true, y_pred, threshold))


@published("metric_function", "keras.metrics")
def categorical_accuracy(y_true, y_pred):
    """1.0 where the largest entries of target and prediction are at one place. Shape: theirs without the last axis."""
    return _floatx(categorical_hits(y_true, y_pred))


@published("metric_function", "keras.metrics")
def sparse_categorical_accuracy(y_true, y_pred):
    """1.0 where the largest prediction is at the target's index. Shape: `y_pred`'s without the last axis."""
    return _floatx(sparse_hits(y_true, y_pred))


@published("metric_function", "keras.metrics")
def top_k_categorical_accuracy(y_true, y_pred, k=5):
    """1.0 where the one-hot target's class is among the `k` largest predictions."""
    return _floatx(top_k_hits(y_true, y_pred, k))


@published("metric_function", "keras.metrics")
def sparse_top_k_categorical_accuracy(y_true, y_pred, k=5, from_sorted_ids=False):
    """1.0 where the target's index is among the `k` largest predictions (or first `k` indices). Shape: `y_true`'s."""
    return _floatx(sparse_top_k_hits(y_true, y_pred, k, from_sorted_ids))


@published_metric("acc", "ACC")
class Accuracy(FunctionMetric, function=equal_hits, direction="up"):
    """How often predictions equal targets.

    Example:
        >>> Accuracy()(torch.tensor([1, 2]), torch.tensor([1, 3]))
        tensor(0.5000)
    """


@published_metric()
class BinaryAccuracy(FunctionMetric, function=binary_hits, direction="up"):
    """How often `y_pred > threshold` is the 0 or 1 of the target.

    Example:
        >>> BinaryAccuracy()(torch.tensor([1.0, 0.0]), torch.tensor([0.6, 0.7]))
        tensor(0.5000)
    """

    _aligns = True


@published_metric()
class CategoricalAccuracy(FunctionMetric, function=categorical_hits, direction="up"):
    """How often the largest prediction is at the place of the one-hot target."""


@published_metric()
class SparseCategoricalAccuracy(FunctionMetric, function=sparse_hits, direction="up"):
    """How often the largest prediction is at the target's index.

    Example:
        >>> SparseCategoricalAccuracy()(torch.tensor([1, 1]), torch.tensor([[0.1, 0.9], [0.8, 0.2]]))
        tensor(0.5000)
    """


@published_metric()
class TopKCategoricalAccuracy(FunctionMetric, function=top_k_hits, direction="up", order=("k", "name", "dtype")):
    """How often the one-hot target's class is among the `k` largest predictions."""


@published_metric()
class SparseTopKCategoricalAccuracy(
    FunctionMetric,
    function=sparse_top_k_hits,
    direction="up",
    order=("k", "name", "dtype", "from_sorted_ids"),
    unwritten=("from_sorted_ids",),
):
    """How often the target's index is among the `k` largest predictions.

    With `from_sorted_ids` the predictions are class indices, the most probable first.
    """
