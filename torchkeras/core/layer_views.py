"""Names that Keras keeps private and that programs use all the same: views of what stands elsewhere.

May import core. A mixin of `core.layer.Layer`. Nothing in the package reads these names.
"""


class View:
    """An attribute that is computed when read. Unlike a property it may be assigned: the object's own value then
    counts, as for a subclass that uses the name for something of its own."""

    def __init__(self, read, doc=None):
        self.read, self.__doc__ = read, doc

    def __get__(self, obj, owner=None):
        return self if obj is None else self.read(obj)


class LayerViews:
    """What custom layers and training loops written for Keras read of a layer."""

    _call_has_training_arg = View(lambda layer: layer._call_info.training, "Whether `call` takes `training`.")
    _call_has_mask_arg = View(lambda layer: layer._call_info.mask, "Whether `call` takes `mask`.")
    _trainable_variables = View(
        lambda layer: [v for v in layer._own_variables() if _made_trainable(v)], "Own weights made to learn."
    )
    _non_trainable_variables = View(
        lambda layer: [v for v in layer._own_variables() if not _made_trainable(v)], "Own weights made to stay."
    )
    _losses = View(lambda layer: list(layer._added), "Losses that the last call added to this layer alone.")

    def _get_own_losses(self):
        return self._losses

    def _get_regularization_losses(self):
        return self._regularization_losses()

    def _clear_losses(self):
        """Drops the losses that calls have added here and below."""
        self._forget_losses()


def _made_trainable(variable):
    return getattr(variable, "_made_trainable", variable.requires_grad)
