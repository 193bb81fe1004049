"""torch's lazy modules inside layers: their parameters are made real by whatever calls them first.

May import torch and core's probe. That first call may be a search for shapes, in which every tensor is made without
data: torch's own hook would leave the module half made.
"""

from torch.nn.modules.lazy import LazyModuleMixin

from torchkeras.core.shape_probe import pause


class _MakesParameters:
    """A hook that comes before torch's own, once; that one finds nothing left to make and ends the laziness."""

    def __init__(self, module):
        self.handle = module.register_forward_pre_hook(self, prepend=True, with_kwargs=True)

    def __call__(self, module, args, kwargs):
        self.handle.remove()
        with pause():
            module.initialize_parameters(*args, **kwargs)


def make_parameters_outside_probes(module):
    """Sees to the lazy modules in a torch module that a layer takes in."""
    for each in module.modules():
        if isinstance(each, LazyModuleMixin) and each.has_uninitialized_params():
            _MakesParameters(each)
