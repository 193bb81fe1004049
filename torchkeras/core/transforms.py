"""What torch does to a function besides running it: transforms of torch.func and forward-mode derivatives.

May import torch and scopes. Some of torch's kernels know no such thing, and no transform lets a function write into a
tensor from outside. Layers ask here, so that a kernel is chosen where it can serve and state moves as in a plain call.
"""

import contextlib
import functools

import torch
from torch.autograd import forward_ad

from torchkeras.core.scopes import state

_stack = torch._C._functorch.get_interpreter_stack
_level = torch._C._functorch.maybe_get_level


def beyond_kernels():
    """Whether more than plain differentiation (or one `torch.func.grad`) is under way, which torch's recurrent and
    attention kernels may not know: `vmap`, `jvp`, nested transforms, dual numbers."""
    if not torch._C._are_functorch_transforms_active():
        return forward_ad._current_level >= 0
    if torch.compiler.is_compiling():  # torch.compile cannot follow the question for which
        return True
    running = _stack()
    return len(running) > 1 or running[0].key() != torch._C._functorch.TransformType.Grad


def runs_plainly():
    """Whether torch just runs: not compiled or traced, under no transform and no mode that stands in front of its
    functions, and not to be run again for its gradients. What a kernel writes into state by the way is nobody's
    business then."""
    return not (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or state.drawn is not None
        or state.redrawn is not None
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_function_stack()
    )


def write(function, target, *values):
    """`function(target, *values)`, which writes into `target`, from within any transform of torch.func.

    The write happens at the level at which `target` was made, with the values as they are there. Raises `RuntimeError`
    where a value differs along an axis that `vmap` runs over: one state cannot follow all of them.
    """
    if torch.compiler.is_compiling():  # which forgets the methods of a Variable that it saw written
        return function(target.detach(), *values)
    if not torch._C._are_functorch_transforms_active():
        return function(target, *values)
    running = _stack()
    own = _own_level(target)
    with torch.no_grad(), contextlib.ExitStack() as lowered:
        for interpreter in reversed(running):
            if interpreter.level() <= own:
                break
            values = [_one_level_down(value, interpreter.level()) for value in values]
            lowered.enter_context(torch._functorch.pyfunctorch.retrieve_current_functorch_interpreter().lower())
        return function(target, *values)


def _own_level(tensor):
    level = _level(tensor)
    return 0 if level is None else level


def _one_level_down(value, level):
    if not isinstance(value, torch.Tensor) or _own_level(value) != level:
        return value
    if torch._C._functorch.is_batchedtensor(value):
        raise RuntimeError(
            "A layer's state (moving statistics, counters) would have to follow every entry that torch.vmap runs over. "
            "Call the layer with training=False, or give each entry a state of its own with torch.func.functional_call."
        )
    return torch._C._functorch.get_unwrapped(value)


def outside_graphs(method):
    """Decorator: a function under `torch.compile` calls the method as it is, between two graphs.

    Fused kernels of optimizers, numbers on the host and strings are not for graphs; `fullgraph=True` refuses them.
    """

    @functools.wraps(method)
    def call(self, *args, **kwargs):
        if torch.compiler.is_dynamo_compiling():
            return torch._dynamo.disable(method)(self, *args, **kwargs)
        return method(self, *args, **kwargs)

    return call
