"""Which layers learn: frozen when a model is compiled, put in force around each training call.

May import core. This makes the classic GAN recipe work: a discriminator compiled before it is frozen for the
combined model still learns in its own step.
"""

import contextlib

import torch

from torchkeras.core.scopes import process


class TrainableNow:
    """The flags of a model that is not compiled: as they are at any moment."""

    def release(self):
        """Nothing was put in force."""


class CompiledTrainable:
    """The `trainable` flags of a model's layers at one moment."""

    def __init__(self, model):
        self.renew(model)
        self._checked = process.trainable_changes
        self._forced = []

    @contextlib.contextmanager
    def in_force(self, model):
        """Restores the flags for a block of training, with gradients on; layers made since keep theirs.

        Costs one comparison when nothing changed. What a callback sets inside the block holds from then on.
        """
        outermost = not self._forced
        if outermost:
            self._forced = self._changes(model)
            for layer, now in self._forced:
                _set_flag(layer, not now)
        try:
            with torch.enable_grad():
                yield
        finally:
            if outermost:
                self.release()

    def release(self):
        """Puts the flags back that are in force, but for those that were set anew meanwhile."""
        forced, self._forced = self._forced, []
        for layer, now in forced:
            if layer.trainable != now:
                _set_flag(layer, now)

    def renew(self, model):
        """Takes the flags as they are now for the compiled ones."""
        self._models_own = model.trainable  # not under the model as a key: it holds this object, and would hold itself
        self._flags = {layer: layer.trainable for layer in model._flatten_layers(include_self=False)}

    def _changes(self, model):
        if self._checked == process.trainable_changes:
            return []
        changed = [
            (layer, layer.trainable)
            for layer in model._flatten_layers(include_self=False)
            if layer in self._flags and layer.trainable != self._flags[layer]
        ]
        if model.trainable != self._models_own:
            changed.insert(0, (model, model.trainable))
        if not changed:
            self._checked = process.trainable_changes
        return changed


def _set_flag(layer, value):
    """One layer alone, without its sublayers and without counting as a change."""
    layer.__dict__["_trainable"] = value
    for variable in layer._own_variables():
        if variable.__dict__.get("_made_trainable", variable.is_floating_point()):
            variable.requires_grad_(value)
            variable.__dict__["_trainable"] = value
