"""Optimizers, under the names of `keras.optimizers`.

May import core. Knows neither layers nor losses.
"""

from torchkeras.optimizers import schedules
from torchkeras.optimizers.adam import Adam
from torchkeras.optimizers.lookup import deserialize, get, serialize
from torchkeras.optimizers.loss_scale_optimizer import LossScaleOptimizer
from torchkeras.optimizers.optimizer import Optimizer
from torchkeras.optimizers.rmsprop import RMSprop
from torchkeras.optimizers.sgd import SGD
