"""AUC: the area under the curve that two rates draw as the threshold rises.

May import core and this folder. Knows no model.
"""

import math

import numpy as np
import torch

from torchkeras.core import unfilled
from torchkeras.core.arguments import as_number, one_of
from torchkeras.core.fields import field
from torchkeras.core.scopes import settings
from torchkeras.core.serialization import deserialize_keras_object
from torchkeras.errors import InvalidArgumentError
from torchkeras.losses.reduction import divide_no_nan
from torchkeras.losses.tensors import as_tensor
from torchkeras.metrics.confusion import Thresholds, _Confusion, _numbers
from torchkeras.metrics.mean import no_grad
from torchkeras.metrics.metric import dtype_field, published_metric


def _several(value):
    found = as_number(value)
    if found is None or not 1 < found < math.inf:
        raise InvalidArgumentError(f"`num_thresholds` must be an integer above 1, got {value!r}.")
    return int(found)


def _curve(value):
    return one_of("curve", "roc", "pr", "prgain")(value).upper()


def _weights(value):
    return as_tensor(value).tolist()


@published_metric("auc")
class AUC(_Confusion):
    """The area under a curve, as a sum over thresholds: how well predictions put positives above negatives.

    Args:
        num_thresholds: number of thresholds, even ones between 0 and 1.
        curve: `"ROC"` (sensitivity over the share of false positives), `"PR"` (precision over recall) or `"PRGAIN"`
            (the gains of both, Flach and Kull 2015).
        summation_method: height of the area between two thresholds: `"interpolation"` takes the middle (for PR the
            closed formula after Davis and Goadrich 2006), `"minoring"` the lower and `"majoring"` the higher end.
        name, dtype: as in `Metric`.
        thresholds: numbers, mostly between 0 and 1, in place of even ones; just below 0 and just above 1 are added.
        multi_label: whether each column `(samples, labels)` has an area of its own; the result is their mean.
        num_labels: number of columns, if the state is to be made at once.
        label_weights: list of weights, one per label: of the areas with `multi_label`, else of the values.
        from_logits: whether predictions are put through a sigmoid.

    Example:
        >>> AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
        tensor(0.7500)
    """

    num_thresholds = field(200, convert=_several)
    curve = field("ROC", convert=_curve)
    summation_method = field(
        "interpolation", convert=one_of("summation_method", "interpolation", "minoring", "majoring")
    )
    name = field(None)
    dtype = dtype_field()
    thresholds = field(None, convert=_numbers, optional=True)
    multi_label = field(False)
    num_labels = field(None)
    label_weights = field(None, convert=_weights, optional=True, load=deserialize_keras_object)
    from_logits = field(False)

    _counted = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    _direction = "up"

    def _prepare(self):
        self._on_device = {}
        given, self._given = self.thresholds, self.thresholds is not None
        if self._given:
            inner = sorted(given if isinstance(given, list) else [given])
            self.num_thresholds = len(inner) + 2
            ends = np.linspace(0.0, 1.0, len(inner) + 2)
            even = len(inner) > 0 and np.allclose([0.0, *inner, 1.0], ends, atol=settings.epsilon)
        else:
            unfilled.afford(8 * self.num_thresholds, "thresholds of a metric")  # Python's numbers are large
            inner = [i / (self.num_thresholds - 1) for i in range(1, self.num_thresholds - 1)]
            even = self.num_thresholds > 2
        self.thresholds = [-settings.epsilon, *inner, 1.0 + settings.epsilon]
        self._thresholds = Thresholds(self.thresholds, even=even, open_ends=True)
        if self.num_labels and not self.multi_label:
            raise ValueError("`num_labels` is for multi_label=True; without it all values are one stream.")
        if not self.multi_label:
            self._add_counts(self._thresholds)
        elif self.num_labels:
            self._add_counts(self._thresholds, (int(self.num_labels),))

    @no_grad
    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = as_tensor(y_pred, self._torch_dtype)
        if self.from_logits:
            y_pred = y_pred.sigmoid()
        if self.multi_label and not self._variables:
            if y_pred.dim() != 2:
                raise ValueError(
                    f"AUC {self.name!r} with multi_label=True takes predictions (samples, labels), got y_pred of shape "
                    f"{tuple(y_pred.shape)}."
                )
            self._add_counts(self._thresholds, (y_pred.shape[1],))
        weights = None if self.multi_label else self._weights_of_labels(y_pred.device)
        counts = self._count(y_true, y_pred, sample_weight, self.multi_label, weights)
        for name in self._counted:
            getattr(self, name).add_(getattr(counts, name))

    def _weights_of_labels(self, device):
        """`label_weights` on a device, copied there once; None without."""
        if self.label_weights is None:
            return None
        if device not in self._on_device:
            self._on_device[device] = torch.tensor(self.label_weights, dtype=self._torch_dtype, device=device)
        return self._on_device[device]

    def result(self):
        if not self._variables:
            return torch.zeros((), dtype=self._torch_dtype)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._over_labels(self._precision_recall_areas())
        x, y = {"ROC": self._roc, "PR": self._precision_recall, "PRGAIN": self._gains}[self.curve]()
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) / 2.0
        else:
            heights = (torch.minimum if self.summation_method == "minoring" else torch.maximum)(y[:-1], y[1:])
        return self._over_labels((x[:-1] - x[1:]) * heights)

    def _over_labels(self, areas):
        areas = areas.sum(0)
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return areas.mean()
        weights = self._weights_of_labels(areas.device)
        return divide_no_nan((areas * weights).sum(), weights.sum())

    def _counts(self):
        return map(self._read, self._counted)

    def _roc(self):
        tp, fp, tn, fn = self._counts()
        return divide_no_nan(fp, fp + tn), divide_no_nan(tp, tp + fn)

    def _precision_recall(self):
        tp, fp, _, fn = self._counts()
        return divide_no_nan(tp, tp + fn), divide_no_nan(tp, tp + fp)

    def _gains(self):
        """Recall gain and precision gain; without a hit the gains are 0 and 1, and a recall gain is never below 0."""
        tp, fp, tn, fn = self._counts()
        odds, none = divide_no_nan(tp + fn, tn + fp), tp == 0
        recall = torch.where(none, 0.0, 1.0 - odds * divide_no_nan(fn, tp)).clamp(min=0.0)
        return recall, torch.where(none, 1.0, 1.0 - odds * divide_no_nan(fp, tp))

    def _precision_recall_areas(self):
        """Between two thresholds hits and predicted positives `p` go linearly, so that precision is
        `slope + intercept / p`: its integral over recall is `slope * (dtp + intercept * log(p_a / p_b)) / positives`.
        """
        tp, fp, _, fn = self._counts()
        p = tp + fp
        gained = tp[:-1] - tp[1:]
        slope = divide_no_nan(gained, (p[:-1] - p[1:]).clamp(min=0.0))
        intercept = tp[1:] - slope * p[1:]
        ratio = torch.where((p[:-1] > 0) & (p[1:] > 0), divide_no_nan(p[:-1], p[1:].clamp(min=0.0)), 1.0)
        return divide_no_nan(slope * (gained + intercept * ratio.log()), (tp[1:] + fn[1:]).clamp(min=0.0))

    def get_config(self):
        config = super().get_config()
        if self._given:
            return {**config, "thresholds": self.thresholds[1:-1]}
        del config["thresholds"]
        return config
