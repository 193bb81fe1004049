"""Plain torch modules called on symbolic tensors.

May import torch and core. `nn.Linear(3, 4)(x)` on a KerasTensor must become one node that owns the module, not a
record of the functions that its forward happens to use. `nn.Module.__call__` gives no place to stand in, so while a
graph is being wired — from the first Input until a model runs — it is replaced by a version that looks for symbolic
arguments, and put back afterwards: running models never pay.
"""

import torch

from torchkeras.core.layer_state import LayerState
from torchkeras.core.symbolic import any_symbolic

_plain_call = torch.nn.Module.__call__
_wrap = None  # set by the layers room: module -> layer


def set_wrapper(wrap):
    """Says how a module becomes a layer. Called once by the layers room."""
    global _wrap
    _wrap = wrap


def _call_while_wiring(self, *args, **kwargs):
    if not isinstance(self, LayerState) and any_symbolic(args, kwargs):
        return _wrap(self)(*args, **kwargs)
    return _plain_call(self, *args, **kwargs)


class Wiring:
    """Whether a graph is being wired."""

    on = False


def begin():
    """From here on plain modules accept symbolic tensors."""
    if not Wiring.on:
        Wiring.on = True
        torch.nn.Module.__call__ = _call_while_wiring


def end():
    """Puts torch's own call back."""
    if Wiring.on:
        Wiring.on = False
        torch.nn.Module.__call__ = _plain_call
