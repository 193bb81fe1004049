"""Plain torch modules called on symbolic tensors.

May import torch and core. `nn.Linear(3, 4)(x)` on a KerasTensor must become one node that owns the module, not a
record of the functions that its forward happens to use. `nn.Module.__call__` gives no place to stand in, so while a
graph is being wired it is replaced by a version that looks for symbolic arguments, and put back once models only run:
a trial run between two layers changes nothing, a training loop does not pay.
"""

import sys

import torch

from torchkeras.core.layer_state import LayerState
from torchkeras.core.scopes import process, state
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


_TRIAL_RUNS = 20


def model_ran():
    """Ends the wiring when it is not the first run in a row. Only called while wiring is on."""
    process.runs_while_wiring += 1
    if process.runs_while_wiring > _TRIAL_RUNS:
        end()


def begin():
    """From here on plain modules accept symbolic tensors."""
    process.runs_while_wiring = 0
    if not process.wiring:
        process.wiring = True
        torch.nn.Module.__call__ = _call_while_wiring


def require_no_module(func):
    """Raises where a torch function meets a symbolic tensor inside the forward of a plain module that was not wrapped.

    That is so when a training loop ran since the graph was begun. Going on would record what the module does, not the
    module: its train mode and its buffers would be frozen into the graph.
    """
    if process.wiring or state.probe is not None:
        return
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code is torch.nn.Module._call_impl.__code__:
            module = frame.f_locals["self"]
            if not isinstance(module, LayerState):
                begin()
                raise RuntimeError(
                    f"The torch module {type(module).__name__} was called on a symbolic tensor after a training loop. "
                    "Write keras.layers.TorchModuleWrapper(module)(x), or wire the whole graph before the first run. "
                    "(The same line works when it is executed again.)"
                )
        frame = frame.f_back


def end():
    """Puts torch's own call back."""
    if process.wiring:
        process.wiring = False
        torch.nn.Module.__call__ = _plain_call
