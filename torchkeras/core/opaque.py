"""Functions that torch.compile takes whole, as one operator it does not look into.

May import torch. `torch.library.custom_op` does the same, but its first use costs a tenth of the time of
`import torch`; defining the operator by its schema costs microseconds.
"""

import torch

_library = torch.library.Library("torchkeras", "FRAGMENT")


def opaque(schema, function, shape_only):
    """Registers an operator and returns it.

    Args:
        schema: torch's schema, such as `"draw(Tensor(a!) words, SymInt[] shape) -> Tensor"`; gradients do not pass.
        function: the computation on real tensors.
        shape_only: the same on tensors without data.
    """
    name = schema.split("(")[0]
    _library.define(schema)
    _library.impl(name, function, "CompositeExplicitAutograd")
    _library.impl(name, shape_only, "Meta")
    return getattr(torch.ops.torchkeras, name).default
