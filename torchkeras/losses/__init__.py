"""Losses: `keras.losses`.

One file per family; `loss.py` holds the base, `reduction.py` weights, masks and reduction words. May import core and
ops. Knows no model.
"""

from torchkeras.losses import from_scores
from torchkeras.losses.alignment import CTC, ctc
from torchkeras.losses.crossentropy import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    sparse_categorical_crossentropy,
)
from torchkeras.losses.divergence import KLDivergence, Poisson, kl_divergence, poisson
from torchkeras.losses.lookup import deserialize, get, serialize
from torchkeras.losses.loss import Loss, LossFunctionWrapper
from torchkeras.losses.margins import CategoricalHinge, Hinge, SquaredHinge, categorical_hinge, hinge, squared_hinge
from torchkeras.losses.overlap import Dice, Tversky, dice, tversky
from torchkeras.losses.reduction import reduce_weighted_values
from torchkeras.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from torchkeras.losses.similarity import Circle, circle
