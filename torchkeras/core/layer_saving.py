"""What a layer itself writes into a file, and reads back: its own weights, not those of its sublayers.

May import core. A mixin of `core.layer.Layer`; knows no file. A store is a mapping from keys to arrays, made and read
by the saving room. Classes override the pairs `save_own_variables`/`load_own_variables` and, for files beside the
weights (vocabularies), define `save_assets(directory)`/`load_assets(directory)`, which no layer has by itself.
"""

import torch

from torchkeras.core.layer_state import LayerState
from torchkeras.core.variable import Variable


class LayerSaving:
    """`save_own_variables` and `load_own_variables`."""

    def _variables_to_save(self):
        """Key -> weight or buffer: Keras's `"0"`, `"1"`… in the order of creation, then torch's buffers by name."""
        found = {str(place): weight for place, weight in enumerate(LayerState._own_variables(self))}
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                found[name] = buffer
        return found

    def save_own_variables(self, store):
        """Writes this layer's own weights into a mapping, under "0", "1"…

        Override it together with `load_own_variables` where a layer keeps more or less than that.
        """
        for key, value in self._variables_to_save().items():
            store[key] = value

    def load_own_variables(self, store):
        """Reads what `save_own_variables` wrote. Raises `ValueError` for another number of weights or other shapes."""
        wanted = self._variables_to_save()
        found = list(store.keys())
        numbered = [key for key in wanted if key not in self._buffers]
        if len(found) not in (len(wanted), len(numbered)):  # Keras's files know no buffers
            raise ValueError(self._explain_count(len(found), len(numbered)))
        for key in wanted if len(found) == len(wanted) else numbered:
            if key not in found:
                raise ValueError(f"Layer {self.name!r} finds no {key!r} among what is saved for it: {found}.")
            _assign(wanted[key], store[key], f"{self.name!r}, {key!r}")

    def _explain_count(self, found, wanted):
        if not wanted and not self.built:
            return (
                f"Layer {self.name!r} is not built, so it has no weights yet, but {found} are saved for it. Build it "
                "in the build() of the layer that holds it, or define build_from_config() on that layer."
            )
        return f"Layer {self.name!r} has {wanted} weights of its own, but {found} are saved for it."


def _assign(weight, value, where):
    shape = tuple(value.shape)
    if shape != tuple(weight.shape):
        raise ValueError(f"The weight of layer {where} has shape {tuple(weight.shape)}; what is saved has {shape}.")
    if isinstance(weight, Variable):
        weight.assign(value)
        return
    with torch.no_grad():
        weight.copy_(torch.as_tensor(value))
