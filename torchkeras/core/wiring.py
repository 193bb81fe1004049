"""Plain torch modules called on symbolic tensors.

May import torch. Knows neither KerasTensors nor layers: both are handed in.

`nn.Linear(3, 4)(x)` on a KerasTensor must become one node that owns the module, not a record of the functions that its
forward happens to use. torch has no hook that may answer in place of a module, so a function stands around
`nn.Module._call_impl` from the first KerasTensor on, for good. It is not `__call__` that is exchanged: programs and
tools (torch.fx, quantization) put their own in its place and take it out again, and neither side notices the other.
Layers keep torch's own `_call_impl`; a plain module's call pays one look at its arguments (numbers: docs/design.md).
"""

import torch

torchs_own = torch.nn.Module._call_impl
_to_layer = None


def set_wrapper(to_layer):
    """Says how a module becomes a layer. Called once by the layers room."""
    global _to_layer
    _to_layer = to_layer


def begin(any_symbolic):
    """From here on plain modules take symbolic tensors.

    Called for each KerasTensor: a program that exchanges `_call_impl` too, and puts back what was there before us, does
    not end it."""
    if not hasattr(torch.nn.Module._call_impl, "takes_symbolic"):
        torch.nn.Module._call_impl = _around(torch.nn.Module._call_impl, any_symbolic)


def _around(call, any_symbolic):
    def _call_impl(self, *args, **kwargs):
        if any_symbolic(args, kwargs):
            return _to_layer(self)(*args, **kwargs)
        return call(self, *args, **kwargs)

    _call_impl.takes_symbolic = True
    # torch.compile steps over torch's function and compiles each module's forward on its own. It knows that function by
    # its file: ours would be compiled instead, once for all modules, and reach the limit of recompilations.
    there = torchs_own.__code__
    _call_impl.__code__ = _call_impl.__code__.replace(
        co_filename=there.co_filename, co_firstlineno=there.co_firstlineno
    )
    return _call_impl
