"""What a layer itself writes into a file, and reads back: its own weights, not those of its sublayers.

May import core. A mixin of `core.layer.Layer`; knows no file. A store is a mapping from keys to arrays, made and read
by the saving room. Classes override the pairs `save_own_variables`/`load_own_variables` and, for files beside the
weights (vocabularies), define `save_assets(directory)`/`load_assets(directory)`, which no layer has by itself.
"""

import numpy as np
import torch

from torchkeras.core import unfilled
from torchkeras.core.layer_state import LayerState
from torchkeras.core.variable import Variable
from torchkeras.errors import CorruptFileError


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
        """Reads what `save_own_variables` wrote. Raises `ValueError` for another number of weights or other shapes, and
        has changed nothing then."""
        faults = self._faults_of(store)
        if faults:
            raise ValueError(f"Layer {self.name!r}: {'; '.join(faults)}.")
        self._take(store)

    def _take(self, store):
        """Copies saved values that fit."""
        wanted, found = self._variables_to_save(), set(store.keys())
        for key, weight in wanted.items():
            if key in found:
                give(weight, store, key)

    def _faults_of(self, store):
        """Why what is saved does not fit this layer, a text each; none where it fits."""
        wanted, found = self._variables_to_save(), list(store.keys())
        numbered = [key for key in wanted if key not in self._buffers]
        if len(found) not in (len(wanted), len(numbered)):  # Keras's files know no buffers
            return [self._explain_count(len(found), len(numbered))]
        keys = wanted if len(found) == len(wanted) else numbered
        missing = [key for key in keys if key not in found]
        if missing:
            return [f"there is no {missing[0]!r} among what is saved for it: {found}"]
        shapes = ((key, tuple(wanted[key].shape), _shape_of(store, key)) for key in keys)
        return [
            f"{self._label(key)} has shape {ours}, what is saved has {theirs}"
            for key, ours, theirs in shapes
            if ours != theirs
        ]

    def _label(self, key):
        weight = self._variables_to_save()[key]
        return f"weight {getattr(weight, 'name', None) or key!r}"

    def _explain_count(self, found, wanted):
        if not wanted and not self.built:
            return (
                f"it is not built, so it has no weights yet, but {found} are saved for it. Build it in the build() of "
                "the layer that holds it, or define build_from_config() on that layer"
            )
        return f"it has {wanted} weights of its own, but {found or 'none'} are saved for it"


def _shape_of(store, key):
    """The shape of what is saved, without reading it where the store can tell."""
    return tuple(store.shape(key) if hasattr(store, "shape") else store[key].shape)


def give(weight, store, key):
    """Copies a saved value into a weight: straight into its memory where the store can do that."""
    unfilled.allocate(weight)
    if weight.is_meta:
        raise ValueError(
            f"Weight {getattr(weight, 'path', key)!r} has no memory (torch.device('meta')), so nothing can be loaded "
            "into it: model.to_empty(device='cpu') gives it some."
        )
    with torch.no_grad():
        if hasattr(store, "read_into") and store.read_into(key, weight):
            return
        value = store[key]
        if getattr(value, "dtype", None) in _COMPLEX and not weight.is_complex():
            raise CorruptFileError(f"Complex numbers are saved under {key!r}, for a weight of {weight.dtype}.")
        if isinstance(weight, Variable):
            weight.assign(value)
        else:
            weight.copy_(torch.as_tensor(value))


_COMPLEX = (torch.complex64, torch.complex128, np.dtype("complex64"), np.dtype("complex128"))
