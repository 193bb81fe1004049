"""Metrics that are the mean of a crossentropy, a divergence or a hinge loss.

May import core, losses and this folder. Knows no model.
"""

from torchkeras.core.fields import field
from torchkeras.losses import crossentropy, divergence, margins
from torchkeras.metrics.mean import FunctionMetric
from torchkeras.metrics.metric import dtype_field, published_metric


@published_metric()
class KLDivergence(FunctionMetric):
    """Mean Kullback-Leibler divergence."""

    function = staticmethod(divergence.kl_divergence)
    name = field("kl_divergence")
    dtype = dtype_field()


@published_metric()
class Poisson(FunctionMetric):
    """Mean negative log likelihood of counts."""

    function = staticmethod(divergence.poisson)
    name = field("poisson")
    dtype = dtype_field()


@published_metric("bce", "BCE")
class BinaryCrossentropy(FunctionMetric):
    """Mean binary crossentropy of probabilities or logits."""

    function = staticmethod(crossentropy.binary_crossentropy)
    direction = "down"
    name = field("binary_crossentropy")
    dtype = dtype_field()
    from_logits = field(False)
    label_smoothing = field(0)


@published_metric()
class CategoricalCrossentropy(FunctionMetric):
    """Mean crossentropy against one-hot targets."""

    function = staticmethod(crossentropy.categorical_crossentropy)
    direction = "down"
    name = field("categorical_crossentropy")
    dtype = dtype_field()
    from_logits = field(False)
    label_smoothing = field(0)
    axis = field(-1)


@published_metric()
class SparseCategoricalCrossentropy(FunctionMetric):
    """Mean crossentropy against class indices."""

    function = staticmethod(crossentropy.sparse_categorical_crossentropy)
    direction = "down"
    name = field("sparse_categorical_crossentropy")
    dtype = dtype_field()
    from_logits = field(False)
    ignore_class = field(None)
    axis = field(-1)


@published_metric()
class Hinge(FunctionMetric):
    """Mean hinge loss of targets -1 and 1."""

    function = staticmethod(margins.hinge)
    direction = "down"
    name = field("hinge")
    dtype = dtype_field()


@published_metric()
class SquaredHinge(FunctionMetric):
    """Mean squared hinge loss of targets -1 and 1."""

    function = staticmethod(margins.squared_hinge)
    direction = "down"
    name = field("squared_hinge")
    dtype = dtype_field()


@published_metric()
class CategoricalHinge(FunctionMetric):
    """Mean categorical hinge loss."""

    function = staticmethod(margins.categorical_hinge)
    direction = "down"
    name = field("categorical_hinge")
    dtype = dtype_field()
