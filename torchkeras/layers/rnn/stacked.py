"""StackedRNNCells: several cells as one, each fed by the output of the one before.

May import core. Knows cells only by their manners.
"""

import inspect

import torch

from torchkeras.core import scopes, tree
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.layers import _slots


def _cells(value):
    cells = list(value)
    for cell in cells:
        for needed in ("call", "state_size"):
            if not hasattr(cell, needed):
                raise ValueError(f"Every RNN cell needs `call` and `state_size`; {cell!r} has no `{needed}`.")
    return cells


def cell_output_size(cell):
    """Size of a cell's output: `output_size`, else the size of its first state."""
    size = getattr(cell, "output_size", None)
    return size if size is not None else tree.flatten(cell.state_size)[0]


def zero_states(sizes, batch_size, dtype):
    """Zeros `(batch_size, size)` in the structure of `sizes`."""
    kind, device = torch_dtype(dtype), scopes.default_device()
    return tree.map_structure(lambda size: torch.zeros((batch_size, size), dtype=kind, device=device), sizes)


@published("layer", "keras.layers")
class StackedRNNCells(Layer):
    """A stack of cells that behaves as one cell. Its states are those of the cells, in order, nested per cell.

    Args:
        cells: the cells, first one first.

    Example:
        >>> RNN(StackedRNNCells([LSTMCell(8), LSTMCell(4)]))(torch.ones(2, 5, 3)).shape
        torch.Size([2, 4])
    """

    cells = _slots.nested("layer", "cell", convert=_cells)

    def _configure(self):
        self._take_training = tuple("training" in inspect.signature(cell.call).parameters for cell in self.cells)

    @property
    def state_size(self):
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self):
        return cell_output_size(self.cells[-1])

    def build(self, input_shape):
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], cell_output_size(cell))

    def get_initial_state(self, batch_size=None):
        """The cells' own initial states, zeros where a cell has none."""
        states = []
        for cell in self.cells:
            make = getattr(cell, "get_initial_state", None)
            states.append(
                make(batch_size=batch_size) if make else zero_states(cell.state_size, batch_size, self.compute_dtype)
            )
        return states

    def call(self, inputs, states, training=False, **kwargs):
        after = []
        for cell, own, trains in zip(self.cells, states, self._take_training, strict=True):
            alone = not tree.is_nested(own)
            options = {**kwargs, "training": training} if trains else kwargs
            run = cell if callable(cell) else cell.call
            inputs, own = run(inputs, [own] if alone else list(own), **options)
            after.append(own[0] if alone and tree.is_nested(own) else own)
        return inputs, after
