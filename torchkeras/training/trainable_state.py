"""Which layers learn: frozen when a model is compiled, put in force around each training call.

May import core. This makes the classic GAN recipe work: a discriminator compiled before it is frozen for the
combined model still learns in its own step.
"""

import contextlib

import torch

from torchkeras.core.scopes import process


class CompiledTrainable:
    """The `trainable` flags of a model's layers at one moment."""

    def __init__(self, model):
        self._flags = {layer: layer.trainable for layer in model._flatten_layers()}
        self._checked = process.trainable_changes

    @contextlib.contextmanager
    def in_force(self, model):
        """Restores the flags for a block of training, with gradients on; layers made since keep theirs.

        Costs one comparison when nothing changed.
        """
        changed = self._changes(model)
        for layer, now in changed:
            _set_flag(layer, not now)
        try:
            with torch.enable_grad():
                yield
        finally:
            for layer, now in changed:
                _set_flag(layer, now)

    def _changes(self, model):
        if self._checked == process.trainable_changes:
            return []
        changed = [
            (layer, layer.trainable)
            for layer in model._flatten_layers()
            if layer in self._flags and layer.trainable != self._flags[layer]
        ]
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
