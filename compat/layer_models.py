"""Models around a layer under test: the same four kinds of model for a case of layer_cases/, made with either library.

May import the harness and the cases; knows no particular layer. `k` is a module: Keras or torchkeras.
"""

import inspect

import numpy as np
from keras import tree

from compat.harness import arrays_of
from compat.layer_cases import CASES
from torchkeras import layers

_MOST = 3  # cases of one layer


def chosen_cases(most=_MOST):
    """Few cases of each layer: its plainest, then one for each argument, mask, mode or rank not seen before."""
    seen, found, count = {}, [], {}
    for case in CASES:
        traits = _traits(case)
        known = seen.setdefault(case.layer, set())
        if (traits - known or not known) and count.get(case.layer, 0) < most:
            known |= traits
            count[case.layer] = count.get(case.layer, 0) + 1
            found.append(case)
    return found


def _traits(case):
    config = case.config if isinstance(case.config, dict) else {"nested": True}
    traits = {"masked"} if any(mask is not None for mask in case.masks) else set()
    return traits | set(config) | set(case.kwargs) | {f"training={bool(case.training)}", f"{len(case.args)} arguments"}


class Setting:
    """A case as models need it: its arrays as a flat list, what masks them, arguments with a seed."""

    def __init__(self, case):
        self.case, self.structure = case, arrays_of(case)
        self.arrays = tree.flatten(self.structure)
        self.masked = [self._hide(index, mask) for index, mask in enumerate(case.masks)]
        self.masked += [False] * (len(self.arrays) - len(self.masked))

    def _hide(self, index, mask):
        """Zeros the masked steps, which `Masking` then finds; True if that says all that the mask says."""
        array = self.arrays[index]
        if mask is None or mask.shape != array.shape[:2] or array.ndim < 3 or not hasattr(layers, "Masking"):
            return False
        array[~mask] = 0.0
        return True

    @property
    def alone(self):
        """Whether one tensor comes in, as Sequential demands."""
        return len(self.arrays) == 1 and not self.case.kwargs and not isinstance(self.structure[0], (list, tuple))

    @property
    def data(self):
        return self.arrays if len(self.arrays) > 1 else self.arrays[0]

    def layer(self, k):
        arguments = self.case.constructor_arguments(k.layers)
        cls = getattr(k.layers, self.case.layer)
        if "seed" in inspect.signature(getattr(layers, self.case.layer)).parameters:
            arguments.setdefault("seed", 3)
        return cls(**arguments)

    def inputs(self, k):
        return [k.Input(a.shape[1:], dtype=str(a.dtype), batch_size=self._batch) for a in self.arrays]

    @property
    def _batch(self):
        stateful = isinstance(self.case.config, dict) and self.case.config.get("stateful")
        return len(self.arrays[0]) if stateful else None

    def masking(self, k, index):
        """What masks an input, as a row of layers."""
        return [k.layers.Masking()] if self.masked[index] else []

    def learning(self, k, index):
        """What learns through the layer under test, as a row of layers."""
        array = self.arrays[index]
        learns = array.ndim > 1 and np.issubdtype(array.dtype, np.floating)
        return [k.layers.Dense(array.shape[-1])] if learns else []

    def before(self, k, index):
        return [*self.masking(k, index), *self.learning(k, index)]

    def arguments(self, tensors):
        return tree.pack_sequence_as(self.structure, list(tensors))


def _through(layers_in_a_row, tensor):
    for layer in layers_in_a_row:
        tensor = layer(tensor)
    return tensor


def _flat(outputs):
    leaves = tree.flatten(outputs)
    return leaves[0] if len(leaves) == 1 else leaves


def _single(tensors):
    return tensors[0] if len(tensors) == 1 else tensors


def sequential(k, setting):
    return k.Sequential([*setting.inputs(k), *setting.before(k, 0), setting.layer(k)])


def functional(k, setting):
    inputs = setting.inputs(k)
    hidden = [_through(setting.before(k, index), tensor) for index, tensor in enumerate(inputs)]
    outputs = setting.layer(k)(*setting.arguments(hidden), **setting.case.kwargs)
    return k.Model(_single(inputs), _flat(outputs))


def subclassed(k, setting):
    class Around(k.Model):
        def __init__(self):
            super().__init__()
            self.before = [setting.before(k, index) for index in range(len(setting.arrays))]
            self.inner = setting.layer(k)

        def call(self, inputs, training=None):
            tensors = [_through(row, x) for row, x in zip(self.before, tree.flatten(inputs), strict=True)]
            return _flat(self.inner(*setting.arguments(tensors), **setting.case.kwargs))

    model = Around()
    model(setting.data)
    return model


def nested(k, setting):
    """A model in a model; the outer one masks, so that masks cross the border."""
    inputs = setting.inputs(k)
    if setting.alone:
        # Keras writes the call of a Sequential that it builds at its first call otherwise for whole numbers.
        door = setting.inputs(k) if np.issubdtype(setting.arrays[0].dtype, np.integer) else []
        inside = k.Sequential([*door, *setting.learning(k, 0), setting.layer(k)], name="inside")
    else:
        doors = setting.inputs(k)
        hidden = [_through(setting.learning(k, index), door) for index, door in enumerate(doors)]
        outputs = setting.layer(k)(*setting.arguments(hidden), **setting.case.kwargs)
        inside = k.Model(doors, _flat(outputs), name="inside")
    masked = [_through(setting.masking(k, index), tensor) for index, tensor in enumerate(inputs)]
    return k.Model(_single(inputs), inside(_single(masked)))


KINDS = {"sequential": sequential, "functional": functional, "subclassed": subclassed, "nested": nested}
