"""Losses by name and config.

May import core. The names are those that the loss files publish.
"""

from torchkeras.core.family import Family

_losses = Family("loss", "mean_squared_error")
get = _losses.get


def serialize(loss, use_legacy_format=False):
    """The description of a loss that goes into files; `use_legacy_format=True` gives Keras 2's short form."""
    return _losses.serialize(loss, use_legacy_format)


def deserialize(name, custom_objects=None, use_legacy_format=False):
    """A loss from what `serialize` gave, or from a name."""
    return _losses.deserialize(name, custom_objects, use_legacy_format)
