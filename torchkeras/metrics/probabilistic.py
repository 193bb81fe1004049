"""Metrics that are the mean of a crossentropy, a divergence or a hinge loss.

May import core, losses and this folder. Knows no model.
"""

from torchkeras.core.fields import field
from torchkeras.losses import crossentropy, divergence, margins
from torchkeras.metrics.mean import FunctionMetric
from torchkeras.metrics.metric import published_metric


@published_metric()
class KLDivergence(FunctionMetric, function=divergence.kl_divergence):
    """Mean Kullback-Leibler divergence."""


@published_metric()
class Poisson(FunctionMetric, function=divergence.poisson):
    """Mean negative log likelihood of counts."""


@published_metric("bce", "BCE")
class BinaryCrossentropy(
    FunctionMetric,
    function=crossentropy.binary_crossentropy,
    order=("name", "dtype", "from_logits", "label_smoothing"),
):
    """Mean binary crossentropy of probabilities or logits."""

    label_smoothing = field(0)


@published_metric()
class CategoricalCrossentropy(FunctionMetric, function=crossentropy.categorical_crossentropy):
    """Mean crossentropy against one-hot targets."""

    label_smoothing = field(0)


@published_metric()
class SparseCategoricalCrossentropy(FunctionMetric, function=crossentropy.sparse_categorical_crossentropy):
    """Mean crossentropy against class indices."""


@published_metric()
class Hinge(FunctionMetric, function=margins.hinge):
    """Mean hinge loss of targets -1 and 1."""


@published_metric()
class SquaredHinge(FunctionMetric, function=margins.squared_hinge):
    """Mean squared hinge loss of targets -1 and 1."""


@published_metric()
class CategoricalHinge(FunctionMetric, function=margins.categorical_hinge):
    """Mean categorical hinge loss."""
