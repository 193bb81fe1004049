"""Intersection over union of classes: what prediction and target share, over what either has.

May import core and this folder. Knows no model. State is the confusion matrix, targets by predictions.
"""

import warnings

import torch

from torchkeras.core import unfilled
from torchkeras.core.arguments import positive_int
from torchkeras.core.fields import field
from torchkeras.losses.loss import compute_dtype
from torchkeras.losses.reduction import divide_no_nan
from torchkeras.losses.tensors import as_tensor
from torchkeras.metrics.confusion import fitted
from torchkeras.metrics.mean import no_grad
from torchkeras.metrics.metric import Metric, published_metric


def _classes():
    return field(convert=positive_int("num_classes"))


def _targets(**options):
    return field(convert=list, **options)


def _largest(scores, axis):
    """The place of the largest entry, the first of equal ones."""
    return (scores.byte() if scores.dtype is torch.bool else scores).argmax(axis)


class _ConfusionMatrix(Metric):
    """Counts of pairs of target and predicted class; those outside of the classes are left out."""

    _direction = "up"
    ignore_class, sparse_y_true, sparse_y_pred, axis = None, True, True, -1

    def _prepare(self):
        unfilled.afford(8 * self.num_classes, "classes of a metric")
        self._check_classes()
        shape = (self.num_classes, self.num_classes)
        self.total_cm = self.add_variable(shape, None, self.dtype, name="total_confusion_matrix")

    def _check_classes(self):
        highest = max(self.target_class_ids, default=0)
        if highest >= self.num_classes:
            raise ValueError(
                f"`target_class_ids` has class {highest}, but there are {self.num_classes} classes, 0 to "
                f"{self.num_classes - 1}."
            )

    @no_grad
    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of class indices, or of scores where `sparse_y_true` or `sparse_y_pred` is False."""
        y_pred = as_tensor(y_pred)
        y_true = as_tensor(y_true, None, y_pred.device)
        if not self.sparse_y_true:
            y_true = _largest(y_true, self.axis)
        if not self.sparse_y_pred:
            y_pred = _largest(y_pred, self.axis)
        y_true, y_pred = y_true.reshape(-1).long(), y_pred.reshape(-1).long()
        if len(y_true) != len(y_pred) and 1 not in (len(y_true), len(y_pred)):
            raise ValueError(f"{type(self).__name__} got {len(y_true)} targets for {len(y_pred)} predictions.")
        y_true, y_pred = torch.broadcast_tensors(y_true, y_pred)
        if y_pred.device != self.total_cm.device:
            self._follow(y_pred.device)
        weights = self._weights(sample_weight, y_true)
        count = self.num_classes
        counts = (y_true >= 0) & (y_true < count) & (y_pred >= 0) & (y_pred < count)
        if self.ignore_class is not None:
            counts &= y_true != self.ignore_class
        place = torch.where(counts, y_true * count + y_pred, 0)
        self.total_cm.view(-1).index_add_(0, place, torch.where(counts, weights, 0).to(self.total_cm.dtype))

    def _weights(self, sample_weight, y_true):
        if sample_weight is None:
            return torch.ones((), dtype=self._torch_dtype, device=y_true.device)
        weights = as_tensor(sample_weight, None, y_true.device)
        if weights.is_floating_point() and not self._torch_dtype.is_floating_point:
            warnings.warn(
                f"{type(self).__name__} {self.name!r} counts in whole numbers, so that fractions of sample_weight "
                "are cut off: make it with dtype='float32'.",
                stacklevel=4,
            )
        weights = weights.to(self._torch_dtype)
        return fitted(weights.reshape(-1), y_true.shape) if weights.dim() else weights

    def _joins(self, y_true, y_pred):
        """Where each row of targets has as many classes as its row of predictions."""
        if self.sparse_y_true == self.sparse_y_pred:
            return y_true.shape == y_pred.shape and (self.sparse_y_pred or self.axis % y_pred.dim() != 0)
        of_classes, of_scores = (y_true, y_pred) if self.sparse_y_true else (y_pred, y_true)
        rank = of_scores.dim()
        return self.axis % rank == rank - 1 and of_classes.shape in (of_scores.shape[:-1], (*of_scores.shape[:-1], 1))

    def result(self):
        self._settle()
        matrix = self.total_cm.detach()
        kind = torch.float32 if not matrix.is_floating_point() else matrix.dtype
        matrix = matrix.to(kind)
        hits = matrix.diagonal()
        either = matrix.sum(0) + matrix.sum(1) - hits
        wanted = torch.tensor(self.target_class_ids, dtype=torch.long, device=matrix.device)
        hits, either = hits[wanted], either[wanted]
        present = (either != 0).sum().to(kind)
        return divide_no_nan(divide_no_nan(hits, either).sum(), present)


def _whole_numbers():
    """The field `dtype`; counts are whole numbers by default."""
    return field(None, convert=lambda value: compute_dtype("int32" if value is None else value))


@published_metric("io_u", "iou")
class IoU(_ConfusionMatrix):
    """The mean over some classes of intersection over union.

    Args:
        num_classes: number of classes.
        target_class_ids: list of the classes that count.
        name, dtype: as in `Metric`; counts are whole numbers by default.
        ignore_class: targets of this class are left out.
        sparse_y_true, sparse_y_pred: whether they are class indices; else the largest entry of `axis` says the class.
        axis: of the scores.

    Example:
        >>> IoU(num_classes=2, target_class_ids=[0])([0, 0, 1, 1], [0, 1, 0, 1])
        tensor(0.3333)
    """

    num_classes = _classes()
    target_class_ids = _targets()
    name = field(None)
    dtype = _whole_numbers()
    ignore_class = field(None)
    sparse_y_true = field(True)
    sparse_y_pred = field(True)
    axis = field(-1)


@published_metric()
class BinaryIoU(_ConfusionMatrix):
    """The mean intersection over union of two classes, from predictions between 0 and 1.

    Args:
        target_class_ids: list of the classes that count, of 0 and 1.
        threshold: a prediction of at least that is class 1.
        name, dtype: as for `IoU`.

    Example:
        >>> BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])
        tensor(0.3333)
    """

    target_class_ids = _targets(default=(0, 1))
    threshold = field(0.5)
    name = field(None)
    dtype = _whole_numbers()

    num_classes = 2

    @no_grad
    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of targets 0 or 1 and predictions."""
        super().update_state(y_true, as_tensor(y_pred) >= self.threshold, sample_weight)


@published_metric("mean_io_u", "mean_iou")
class MeanIoU(_ConfusionMatrix):
    """The mean intersection over union of all classes that occur. Arguments as for `IoU`.

    Example:
        >>> MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1])
        tensor(0.3333)
    """

    num_classes = _classes()
    name = field(None)
    dtype = _whole_numbers()
    ignore_class = field(None)
    sparse_y_true = field(True)
    sparse_y_pred = field(True)
    axis = field(-1)

    target_class_ids = property(lambda self: list(range(self.num_classes)))


@published_metric("one_hot_io_u", "one_hot_iou")
class OneHotIoU(_ConfusionMatrix):
    """`IoU` for one-hot targets. Arguments as there; predictions are scores unless `sparse_y_pred`.

    Example:
        >>> OneHotIoU(2, [0])([[1, 0], [1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
        tensor(0.5000)
    """

    num_classes = _classes()
    target_class_ids = _targets()
    name = field(None)
    dtype = _whole_numbers()
    ignore_class = field(None)
    sparse_y_pred = field(False)
    axis = field(-1)

    sparse_y_true = False


@published_metric("one_hot_mean_io_u", "one_hot_mean_iou")
class OneHotMeanIoU(_ConfusionMatrix):
    """`MeanIoU` for one-hot targets. Arguments as there; predictions are scores unless `sparse_y_pred`.

    Example:
        >>> OneHotMeanIoU(2)([[1, 0], [1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
        tensor(0.5000)
    """

    num_classes = _classes()
    name = field(None)
    dtype = _whole_numbers()
    ignore_class = field(None)
    sparse_y_pred = field(False)
    axis = field(-1)

    sparse_y_true = False
    target_class_ids = property(lambda self: list(range(self.num_classes)))
