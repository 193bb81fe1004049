"""Counts of hits and misses above thresholds, and precision and recall of them.

May import core, losses' tensors and this folder. Knows no model.

No value is compared with every threshold. A prediction's place is how many thresholds lie below it; weights are added
up by place, and running sums from the top give the counts above every threshold: time and memory of values plus
thresholds.
"""

import math
from functools import partial

import torch

from torchkeras.core.arguments import as_number, positive_int
from torchkeras.core.fields import field
from torchkeras.errors import InvalidArgumentError
from torchkeras.losses.reduction import divide_no_nan
from torchkeras.losses.tensors import as_tensor, same_rank
from torchkeras.metrics.mean import no_grad, rows_meet
from torchkeras.metrics.metric import Metric, dtype_field, published_metric

NOT_AMONG_THE_BEST = -1e10  # Keras's value for predictions that `top_k` leaves out; every one that counts is larger


class Thresholds:
    """Thresholds in ascending order, and where predictions lie among them.

    Args:
        values: the thresholds, in any order.
        even: whether they are `0, 1/(n-1), …, 1`, so that a place is a product and not a search.
        open_ends: whether the first and last of even thresholds lie a little outside of 0 and 1.
    """

    def __init__(self, values, even=False, open_ends=False):
        self.values, self.even, self.open_ends = list(values), even, open_ends
        self._order = sorted(range(len(values)), key=values.__getitem__)
        self._sorted, self._back = {}, {}

    def __len__(self):
        return len(self.values)

    def places(self, predictions):
        """For each prediction the number of thresholds below it; NaN lies above none."""
        if self.even:
            places = predictions.clamp(0.0, 1.0).mul_(len(self) - 1).ceil_()
            places = places.clamp_(min=1.0) if self.open_ends else places
            return places.nan_to_num_(nan=0.0).int()
        kind = predictions.dtype, predictions.device
        if kind not in self._sorted:
            self._sorted[kind] = torch.tensor([self.values[i] for i in self._order], dtype=kind[0], device=kind[1])
        places = torch.searchsorted(self._sorted[kind], predictions.contiguous(), out_int32=True)
        return places.masked_fill_(predictions.isnan(), 0)

    def as_given(self, counts):
        """Counts per ascending threshold in the order in which the thresholds were given."""
        if self._order == list(range(len(self))):
            return counts
        if counts.device not in self._back:  # copied to a device once
            back = torch.empty(len(self), dtype=torch.long)
            back[self._order] = torch.arange(len(self))
            self._back[counts.device] = back.to(counts.device)
        return counts[self._back[counts.device]]


class Counts:
    """`true_positives`, `false_positives`, `true_negatives`, `false_negatives` of one batch, per threshold (and label).

    Args:
        y_true: bool `(N,)`, or `(N, labels)` for counts per label.
        y_pred: predictions of the same shape.
        weights: of the same shape, or None for 1 each.
        thresholds: `Thresholds`.
        dtype: torch dtype of the counts.
    """

    def __init__(self, y_true, y_pred, weights, thresholds, dtype):
        table = torch.zeros(2, len(thresholds) + 1, *y_true.shape[1:], dtype=dtype, device=y_pred.device)
        _tabulate(table, thresholds, y_true, y_pred, weights)
        above = table.flip(1).cumsum(1).flip(1)
        total = above[:, :1]
        below = total - above
        self._above, self._below = above[:, 1:], below[:, 1:]
        self._thresholds = thresholds

    true_positives = property(lambda self: self._thresholds.as_given(self._above[1]))
    false_positives = property(lambda self: self._thresholds.as_given(self._above[0]))
    false_negatives = property(lambda self: self._thresholds.as_given(self._below[1]))
    true_negatives = property(lambda self: self._thresholds.as_given(self._below[0]))


def _tabulate(table, thresholds, y_true, y_pred, weights):
    """Adds weights to a table `(negatives and positives, places, …)`."""
    labels = table[0, 0].numel()
    places = thresholds.places(y_pred).add_(y_true, alpha=table.shape[1])
    if table.dim() > 2:
        places = places.mul_(labels).add_(torch.arange(labels, dtype=places.dtype, device=places.device))
    weights = torch.ones((), dtype=table.dtype, device=table.device) if weights is None else weights.to(table.dtype)
    table.view(-1).index_add_(0, places.flatten(), weights.expand_as(places).flatten())


def _best_of_each_row(predictions, k):
    """Predictions with all but the `k` largest of each row far below; of equal ones the first count."""
    order = predictions.argsort(dim=-1, descending=True, stable=True)[..., : int(k)]
    kept = torch.zeros_like(predictions, dtype=torch.bool).scatter_(-1, order, True)
    return predictions.masked_fill(kept.logical_not(), NOT_AMONG_THE_BEST)


class _Confusion(Metric):
    """Base: a variable per threshold for each name in `_counted`."""

    _counted = ()
    top_k = class_id = None

    def _add_counts(self, thresholds, labels=()):
        self._thresholds = thresholds
        for name in self._counted:
            setattr(self, name, self.add_variable((len(thresholds), *labels), None, self.dtype, name=name))

    @no_grad
    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: targets; what is not 0 is positive.
            y_pred: predictions of the same shape, between 0 and 1.
            sample_weight: one weight per sample, or of the predictions' shape.
        """
        counts = self._count(y_true, y_pred, sample_weight)
        for name in self._counted:
            getattr(self, name).add_(getattr(counts, name))

    def _joins(self, y_true, y_pred):
        return rows_meet(y_true, y_pred)

    def _read(self, name):
        """A variable's value, with all that waits."""
        self._settle()
        return getattr(self, name).detach()

    def _count(self, y_true, y_pred, sample_weight, by_label=False, label_weights=None):
        dtype = self._torch_dtype
        y_pred = as_tensor(y_pred, dtype)
        y_true = as_tensor(y_true, None, y_pred.device)
        y_pred, y_true = same_rank(y_pred, y_true)
        if y_true.dim() == 0:  # one target for all
            y_true = y_true.expand(y_pred.shape)
        if y_true.shape != y_pred.shape:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} compares targets and predictions of one shape, got y_true "
                f"{tuple(y_true.shape)} and y_pred {tuple(y_pred.shape)}."
            )
        if self._variables and y_pred.device != self._variables[0].device:
            self._follow(y_pred.device)
        weights = None if sample_weight is None else self._weights(sample_weight, y_true, dtype)
        if self.top_k is not None:
            y_pred = _best_of_each_row(y_pred, self.top_k)
        if self.class_id is not None:
            if y_pred.dim() == 1:
                raise ValueError(
                    f"`class_id={self.class_id}` picks a class of predictions (samples, classes), got y_pred of shape "
                    f"{tuple(y_pred.shape)}."
                )
            classes = y_pred.shape[-1]
            if not -classes <= self.class_id < classes:
                raise ValueError(
                    f"`class_id={self.class_id}` is none of the {classes} classes of y_pred, which has shape "
                    f"{tuple(y_pred.shape)}."
                )
            if weights is not None and weights.shape == y_pred.shape:
                weights = weights[..., self.class_id].unsqueeze(-1)
            y_true, y_pred = (each[..., self.class_id].unsqueeze(-1) for each in (y_true, y_pred))
        if weights is not None:
            weights = fitted(weights, y_pred.shape)
        if label_weights is not None:
            label_weights = label_weights.to(y_pred.device).expand(y_pred.shape)
            weights = label_weights if weights is None else weights * label_weights
        y_true = y_true != 0
        if not by_label:
            y_true, y_pred = y_true.reshape(-1), y_pred.reshape(-1)
            weights = None if weights is None else weights.reshape(-1)
        return Counts(y_true, y_pred, weights, self._thresholds, dtype)

    def _weights(self, sample_weight, y_true, dtype):
        weights = as_tensor(sample_weight, dtype, y_true.device).unsqueeze(-1)
        return weights.squeeze(-1) if weights.dim() == y_true.dim() + 1 else weights


def fitted(weights, shape):
    """Weights broadcast to the shape of predictions. Raises `ValueError` where they do not fit."""
    try:
        return weights.broadcast_to(shape)
    except RuntimeError as error:
        raise ValueError(
            f"Weights of shape {tuple(weights.shape)} do not fit predictions of shape {tuple(shape)}: pass one "
            "weight per sample, shape (batch,), or one per prediction."
        ) from error


def _numbers(value, least=-math.inf, most=math.inf):
    """One number or a list of numbers."""
    numbers = [value] if as_number(value) is not None else list(value)
    for each in numbers:
        found = as_number(each)
        if found is None or not least <= found <= most:
            between = "" if least == -math.inf else f" between {least} and {most}"
            raise InvalidArgumentError(f"`thresholds` must be numbers{between}, got {each!r}.")
    return as_number(value) if as_number(value) is not None else [as_number(each) for each in numbers]


def threshold_field():
    """The field `thresholds`; it is written as it was given."""
    return field(None, convert=partial(_numbers, least=0, most=1), optional=True)


def _listed(thresholds, default):
    if thresholds is None:
        return [default]
    return list(thresholds) if isinstance(thresholds, list) else [thresholds]


def _alone(values):
    """The number itself where there is one threshold."""
    return values[0] if len(values) == 1 else values


class _OneCount(_Confusion):
    """A metric that shows one of the four counts."""

    thresholds = threshold_field()
    name = field(None)
    dtype = dtype_field()

    _shown = None

    def __init_subclass__(cls, shown=None, **options):
        cls._shown = shown or cls._shown
        super().__init_subclass__(**options)

    def _prepare(self):
        self._thresholds = Thresholds(_listed(self.thresholds, 0.5))
        self.init_thresholds = self.thresholds
        self.accumulator = self.add_variable((len(self._thresholds),), None, self.dtype, name="accumulator")

    @no_grad
    def update_state(self, y_true, y_pred, sample_weight=None):
        self.accumulator.add_(getattr(self._count(y_true, y_pred, sample_weight), self._shown))

    def result(self):
        return _alone(self._read("accumulator").clone())


@published_metric()
class FalsePositives(_OneCount, shown="false_positives"):
    """How many negatives were predicted to be positive.

    Args:
        thresholds: number or list of numbers between 0 and 1, 0.5 by default; a prediction above one is positive. With
            several the result has one count for each.
        name, dtype: as in `Metric`.

    Example:
        >>> FalsePositives()([0, 1, 0, 0], [0, 0, 1, 1])
        tensor(2.)
    """


@published_metric()
class FalseNegatives(_OneCount, shown="false_negatives"):
    """How many positives were predicted to be negative. Arguments as for `FalsePositives`.

    Example:
        >>> FalseNegatives()([0, 1, 1, 1], [0, 1, 0, 0])
        tensor(2.)
    """


@published_metric()
class TrueNegatives(_OneCount, shown="true_negatives"):
    """How many negatives were predicted to be negative. Arguments as for `FalsePositives`.

    Example:
        >>> TrueNegatives()([0, 1, 0, 0], [1, 1, 0, 0])
        tensor(2.)
    """


@published_metric()
class TruePositives(_OneCount, shown="true_positives"):
    """How many positives were predicted to be positive. Arguments as for `FalsePositives`.

    Example:
        >>> TruePositives()([0, 1, 1, 1], [1, 0, 1, 1])
        tensor(2.)
    """


class _Share(_Confusion):
    """True positives over themselves and one kind of errors."""

    thresholds = threshold_field()
    top_k = field(None, convert=positive_int("top_k"), optional=True)
    class_id = field(None)
    name = field(None)
    dtype = dtype_field()

    _direction = "up"

    def _prepare(self):
        thresholds = _listed(self.thresholds, 0.5 if self.top_k is None else NOT_AMONG_THE_BEST)
        self.init_thresholds, self.thresholds = self.thresholds, thresholds
        self._add_counts(Thresholds(thresholds))

    def result(self):
        hits, errors = map(self._read, self._counted)
        return _alone(divide_no_nan(hits, hits + errors))

    def get_config(self):
        return {**super().get_config(), "thresholds": self.init_thresholds}


@published_metric()
class Precision(_Share):
    """The share of true positives in what was predicted to be positive.

    Args:
        thresholds: number or list of numbers between 0 and 1, 0.5 by default; a prediction above one is positive. With
            several the result has one share for each.
        top_k: only the `k` largest predictions of each row are positive, of equal ones the first; without `thresholds`
            they all are.
        class_id: the one class, by its index on the last axis, that counts.
        name, dtype: as in `Metric`.

    Example:
        >>> Precision()([0, 1, 1, 1], [1, 0, 1, 1])
        tensor(0.6667)
    """

    _counted = ("true_positives", "false_positives")


@published_metric()
class Recall(_Share):
    """The share of true positives in all positives. Arguments as for `Precision`.

    Example:
        >>> Recall()([0, 1, 1, 1], [1, 0, 1, 1])
        tensor(0.6667)
    """

    _counted = ("true_positives", "false_negatives")
