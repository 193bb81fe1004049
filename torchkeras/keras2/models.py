"""Keras 2's further names in `keras.models`.

May import models and saving. Registers itself with them.
"""

from torchkeras import models
from torchkeras.saving.json import model_from_config

models.model_from_config = model_from_config
