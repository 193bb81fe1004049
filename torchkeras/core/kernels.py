"""What a layer says of its kernels: where the fast one cannot serve, and why.

May import scopes only. A layer that has a choice of kernels gives it in `explain_kernel(...)` as `(kernel, reason)`,
and says so in `call` next to taking the slower path: what `model.explain()` shows is what ran.
"""

from torchkeras.core.scopes import state


def slow_path(layer, *facts):
    """Notes that `layer` takes its slow path; `facts` of the call are what its `explain_kernel` takes. Costs nothing
    unless somebody listens."""
    if state.slow_paths is not None:
        state.slow_paths.append((layer, layer.explain_kernel(*facts)[1]))
