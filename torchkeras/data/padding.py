"""Elements of different sizes put together: each axis is filled up at its end.

May import core.
"""

import numpy as np
import torch

from torchkeras.core import tree


class Padded:
    """Puts elements together in one batch.

    Args:
        shapes: wanted shape of each part, in the structure of an element; None, or a size of None or -1, for the
            largest there is.
        values: what is filled in, likewise; None for zeros and empty strings.
    """

    def __init__(self, shapes=None, values=None):
        self.shapes, self.values = shapes, values

    def __call__(self, elements):
        first = elements[0]
        columns = zip(*[tree.flatten(element) for element in elements], strict=True)
        shapes, values = self._for_each(self.shapes, first), self._for_each(self.values, first)
        made = [_padded(column, shapes[i], values[i]) for i, column in enumerate(columns)]
        return tree.pack_sequence_as(first, made) if tree.is_nested(first) else made[0]

    def _for_each(self, wanted, element):
        """What is wanted of each leaf, in flattening order."""
        if wanted is None:
            return [None] * len(tree.flatten(element))
        if not tree.is_nested(element):
            return [wanted]
        found = []
        tree.map_up_to(element, found.append, wanted)
        return found


def _padded(leaves, shape, value):
    ranks = {leaf.ndim for leaf in leaves}
    if len(ranks) > 1:
        raise ValueError(f"Elements with {sorted(ranks)} axes do not make a batch.")
    largest = [max(sizes) for sizes in zip(*[leaf.shape for leaf in leaves], strict=True)]
    wanted = [size if want in (None, -1) else want for size, want in zip(largest, shape or largest, strict=True)]
    if any(size > want for size, want in zip(largest, wanted, strict=True)):
        raise ValueError(f"Elements of sizes up to {tuple(largest)} are larger than padded_shapes={tuple(shape)}.")
    first = leaves[0]
    if isinstance(first, torch.Tensor):
        batch = first.new_full((len(leaves), *wanted), 0 if value is None else value)
    else:
        batch = np.full((len(leaves), *wanted), "" if value is None else value, dtype=object)
    for row, leaf in enumerate(leaves):
        batch[(row, *[slice(size) for size in leaf.shape])] = leaf
    return batch if isinstance(batch, torch.Tensor) else batch.astype(str)
