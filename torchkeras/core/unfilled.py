"""Weights that wait for their values: while a model is made from a file, nothing is initialized that the file fills.

May import core. Knows no file. Inside `unfilled()` the weights of published layers are made without memory (on `meta`);
`allocate` gives one its memory, and what nothing has filled at the end is initialized as if it had been made so.
"""

import contextlib

import torch

from torchkeras.core import registry, scopes
from torchkeras.core.conversion import is_array_like
from torchkeras.errors import ResourceLimitError

FREE_NUMBERS = 2**26  # what a config may have made that the file does not hold


class Unfilled:
    """What one reading has made without values: weights, and models whose `compile` needs weights first."""

    compiling = True  # whether they will be compiled

    def __init__(self):
        self.weights, self.compiles, self.room = {}, [], FREE_NUMBERS
        self.saved_as = {}  # id of an object -> name of the class in whose place its own stands
        self.device = scopes.default_device()

    def add(self, variable, initializer, shape, dtype):
        self.weights[id(variable)] = (variable, initializer, shape, dtype)

    def finish(self):
        """Weights that nothing filled get the values of their initializers."""
        for variable, initializer, shape, dtype in list(self.weights.values()):
            afford(variable.numel(), f"weight {variable.path!r}")
            allocate(variable)
            variable.assign(initializer(shape, dtype=dtype))


@contextlib.contextmanager
def unfilled():
    """The block in which weights may wait. What waits when it ends well is initialized, and for good: a StatelessScope
    around it takes no values of it."""
    with scopes.override(unfilled=Unfilled(), stateless=None):
        yield scopes.state.unfilled
        scopes.state.unfilled.finish()


def afford(count, what):
    """Raises `ResourceLimitError` where, while a file is read, more numbers are made from its config than its weights
    justify: a few bytes of a config could ask for all memory there is. Nothing happens outside of a reading."""
    waiting = scopes.state.unfilled
    if waiting is None:
        return
    waiting.room -= count
    if waiting.room < 0:
        raise ResourceLimitError(
            f"The config asks for {count:,} numbers ({what}) that the file does not hold, and its weights do not "
            "justify so many."
        )


def may_wait(layer, initializer):
    """Whether a new weight of this layer can do without values: a class of ours does nothing else with it."""
    waiting = scopes.state.unfilled
    return waiting is not None and registry.entry_of(type(layer)) is not None and not is_array_like(initializer)


def without_memory():
    """The block in which a weight is made that waits."""
    return scopes.override(device=torch.device("meta"))


def zeros_beside(value):
    """Zeros for what was made on the device of a weight that waits: no file fills them. Anything else as it is."""
    waiting = scopes.state.unfilled
    return torch.zeros_like(value, device=waiting.device) if waiting is not None and value.is_meta else value


def allocate(variable):
    """Gives a waiting weight memory, without values; it stays the same object. Returns it."""
    waiting = scopes.state.unfilled
    if waiting is not None and waiting.weights.pop(id(variable), None) is not None:
        waiting.room += variable.numel()
        real = torch.empty_strided(
            tuple(variable.shape), variable.stride(), dtype=variable.dtype, device=waiting.device
        )
        fresh = torch.Tensor._make_subclass(type(variable), real, variable.requires_grad)
        fresh.__dict__.update(variable.__dict__)
        torch.utils.swap_tensors(variable, fresh)
    return variable
