"""Losses by name and config.

May import core. The names are those that the loss files publish.
"""

from torchkeras.core.family import Family

_losses = Family("loss", "mean_squared_error")
get, serialize, deserialize = _losses.get, _losses.serialize, _losses.deserialize
