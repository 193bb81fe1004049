"""The best of one rate where another reaches a value: sensitivity at specificity and its kin.

May import core and this folder. Knows no model.
"""

import torch

from torchkeras.core import unfilled
from torchkeras.core.arguments import between, positive_int
from torchkeras.core.fields import field
from torchkeras.losses.reduction import divide_no_nan
from torchkeras.metrics.confusion import Thresholds, _Confusion
from torchkeras.metrics.metric import dtype_field, published_metric


class _AtThreshold(_Confusion):
    """Counts at even thresholds; `_wanted(rates)` of those at which `_given(rates)` reaches `self.value`."""

    _counted = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    _direction = "up"

    def _prepare(self):
        count = self.num_thresholds
        unfilled.afford(8 * count, "thresholds of a metric")  # Python's numbers are large
        even = [i / (count - 1) for i in range(count)] if count > 1 else [0.5]
        self.thresholds = even
        self._add_counts(Thresholds(even, even=count > 1))

    def _rate(self, counted, missed):
        counted, missed = self._read(counted), self._read(missed)
        return divide_no_nan(counted, counted + missed)

    def _sensitivities(self):
        return self._rate("true_positives", "false_negatives")

    def _specificities(self):
        return self._rate("true_negatives", "false_positives")

    def _precisions(self):
        return self._rate("true_positives", "false_positives")

    def _best(self, wanted, given, least):
        return torch.where(given >= least, wanted, 0.0).max().clamp(min=0.0)


def _value(name):
    return field(convert=between(name, 0, 1))


def _count():
    return field(200, convert=positive_int("num_thresholds"))


@published_metric()
class SensitivityAtSpecificity(_AtThreshold):
    """The highest share of positives found at a threshold where at least `specificity` of the negatives are kept out.

    Args:
        specificity: between 0 and 1.
        num_thresholds: number of even thresholds between 0 and 1.
        class_id: the one class, by its index on the last axis, that counts.
        name, dtype: as in `Metric`.

    Example:
        >>> SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
        tensor(0.5000)
    """

    specificity = _value("specificity")
    num_thresholds = _count()
    class_id = field(None)
    name = field(None)
    dtype = dtype_field()

    value = property(lambda self: self.specificity)

    def result(self):
        return self._best(self._sensitivities(), self._specificities(), self.specificity)


@published_metric()
class SpecificityAtSensitivity(_AtThreshold):
    """The highest share of negatives kept out at a threshold where at least `sensitivity` of the positives are found.

    Args:
        sensitivity: between 0 and 1.
        num_thresholds, class_id, name, dtype: as for `SensitivityAtSpecificity`.

    Example:
        >>> SpecificityAtSensitivity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
        tensor(0.6667)
    """

    sensitivity = _value("sensitivity")
    num_thresholds = _count()
    class_id = field(None)
    name = field(None)
    dtype = dtype_field()

    value = property(lambda self: self.sensitivity)

    def result(self):
        return self._best(self._specificities(), self._sensitivities(), self.sensitivity)


@published_metric()
class PrecisionAtRecall(_AtThreshold):
    """The highest precision at a threshold where at least `recall` of the positives are found.

    All values count as one stream; of several classes `class_id` picks one.

    Args:
        recall: between 0 and 1.
        num_thresholds, class_id, name, dtype: as for `SensitivityAtSpecificity`.

    Example:
        >>> PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
        tensor(0.5000)
    """

    recall = _value("recall")
    num_thresholds = _count()
    class_id = field(None)
    name = field(None)
    dtype = dtype_field()

    value = property(lambda self: self.recall)

    def result(self):
        return self._best(self._precisions(), self._sensitivities(), self.recall)


@published_metric()
class RecallAtPrecision(_AtThreshold):
    """The highest share of positives found at a threshold with at least that precision.

    Args:
        precision: between 0 and 1.
        num_thresholds, class_id, name, dtype: as for `SensitivityAtSpecificity`.

    Example:
        >>> RecallAtPrecision(0.8)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
        tensor(0.5000)
    """

    precision = _value("precision")
    num_thresholds = _count()
    class_id = field(None)
    name = field(None)
    dtype = dtype_field()

    value = property(lambda self: self.precision)

    def result(self):
        return self._best(self._sensitivities(), self._precisions(), self.precision)
