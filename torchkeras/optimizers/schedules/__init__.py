"""Learning-rate schedules, under the names of `keras.optimizers.schedules`.

May import core. Knows no optimizer.
"""

from torchkeras.core.serialization import deserialize_keras_object
from torchkeras.core.serialization import serialize_keras_object as _serialize
from torchkeras.optimizers.schedules.cosine import CosineDecay, CosineDecayRestarts
from torchkeras.optimizers.schedules.decays import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from torchkeras.optimizers.schedules.learning_rate_schedule import LearningRateSchedule


def serialize(learning_rate_schedule):
    """The config of a schedule as a dict."""
    return _serialize(learning_rate_schedule)


def deserialize(config, custom_objects=None):
    """A schedule from its dict; `custom_objects` names schedules of your own."""
    return deserialize_keras_object(
        config, custom_objects=custom_objects, kinds=("schedule",), printable_name="learning rate schedule"
    )
