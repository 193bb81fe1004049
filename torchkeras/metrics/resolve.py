"""What `"accuracy"` and `"crossentropy"` mean for given shapes, and the objects that `compile` makes of what it is
given.

May import losses and this folder. Knows no model: the training room hands in a target and a prediction, or anything
with `shape`.
"""

from torchkeras import losses
from torchkeras.core import scopes
from torchkeras.losses.loss import Loss, LossFunctionWrapper
from torchkeras.metrics import accuracies, lookup, probabilistic
from torchkeras.metrics.mean import MeanMetricWrapper
from torchkeras.metrics.metric import Metric

_ACCURACIES = {
    "binary": accuracies.BinaryAccuracy,
    "sparse": accuracies.SparseCategoricalAccuracy,
    "categorical": accuracies.CategoricalAccuracy,
}
_CROSSENTROPY_METRICS = {
    "binary": probabilistic.BinaryCrossentropy,
    "sparse": probabilistic.SparseCategoricalCrossentropy,
    "categorical": probabilistic.CategoricalCrossentropy,
}
_CROSSENTROPY_LOSSES = {
    "binary": losses.binary_crossentropy,
    "sparse": losses.sparse_categorical_crossentropy,
    "categorical": losses.categorical_crossentropy,
}
_METRICS_BY_SHAPE = {
    "accuracy": _ACCURACIES,
    "acc": _ACCURACIES,
    "crossentropy": _CROSSENTROPY_METRICS,
    "ce": _CROSSENTROPY_METRICS,
}


def kind_by_shape(y_true, y_pred):
    """`"binary"`, `"sparse"` or `"categorical"`, from the shapes of a target and a prediction.

    One output unit is binary; targets of lower rank, or ending in 1 where the prediction does not, are class indices.
    """
    true, pred = tuple(y_true.shape), tuple(y_pred.shape)
    if pred[-1] == 1:
        return "binary"
    if len(true) < len(pred) or (true[-1] == 1 and pred[-1] > 1):
        return "sparse"
    return "categorical"


def resolve_by_shape(identifier, y_true, y_pred):
    """The metric that a shape-dependent name stands for, named as asked for; None for any other identifier.

    Example:
        >>> import numpy as np
        >>> resolve_by_shape("acc", np.zeros(8), np.zeros((8, 3)))
        <SparseCategoricalAccuracy name=acc>
    """
    choices = _METRICS_BY_SHAPE.get(identifier.lower()) if isinstance(identifier, str) else None
    return choices[kind_by_shape(y_true, y_pred)](name=identifier) if choices else None


def resolve_metric(identifier, y_true, y_pred):
    """The Metric that `compile(metrics=[identifier])` uses: a string is also its name in logs; functions are wrapped.

    Raises `ValueError` for None and unknown names.
    """
    if identifier is None:
        raise ValueError("Expected a metric (a name, function or Metric), got None.")
    metric = resolve_by_shape(identifier, y_true, y_pred)
    if metric is None:
        metric = lookup.get(identifier)
        name = identifier if isinstance(identifier, str) else object_name(metric)
        if not isinstance(metric, Metric):
            metric = MeanMetricWrapper(metric, name=name)
        metric.name = name
    return metric


def resolve_loss(identifier, y_true, y_pred):
    """The Loss that `compile(loss=identifier)` uses for one output; None for None. Functions are wrapped.

    `"crossentropy"` and `"ce"` are chosen by shapes. Raises `ValueError` for unknown names.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        loss = _CROSSENTROPY_LOSSES[kind_by_shape(y_true, y_pred)]
    else:
        loss = losses.get(identifier)
    if isinstance(loss, Loss):
        return loss
    return LossFunctionWrapper(loss, name=identifier if isinstance(identifier, str) else object_name(loss))


def object_name(obj):
    """The name that Keras gives a metric or loss in logs: its own, else its class's or function's in snake case."""
    name = getattr(obj, "name", None)
    if isinstance(name, str) and name:
        return name
    return scopes.snake_case(getattr(obj, "__name__", type(obj).__name__))
