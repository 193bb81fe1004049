"""The arithmetic of fully connected layers: one matrix product over the last axes.

May import torch and activations. Knows no layer.
"""

import torch

from torchkeras.activations import in_place


def affine(inputs, kernel, bias, activation, sizes, bound=1):
    """`activation(inputs @ kernel + bias)`.

    The product is of matrices, whatever the ranks: torch's `linear` makes more views on the way, each of which has a
    place in the graph of a training step.

    Args:
        inputs: `(..., *bound sizes)`.
        kernel: matrix `(inputs, outputs)`.
        bias: `(outputs,)` or None.
        activation: function, applied elementwise or over the last axis of the result.
        sizes: what the last axis of the result is split into, a tuple.
        bound: number of the inputs' axes that the product sums over.
    """
    flat = inputs.dim() == 2 and bound == 1
    rows = inputs if flat else inputs.reshape(-1, kernel.shape[0])
    outputs = torch.mm(rows, kernel) if bias is None else torch.addmm(bias, rows, kernel)
    writes = in_place(activation)
    if writes is not None:
        outputs, activation = writes(outputs), None
    if not flat or len(sizes) > 1:
        outputs = outputs.view(*inputs.shape[: inputs.dim() - bound], *sizes)
    return outputs if activation is None else activation(outputs)
