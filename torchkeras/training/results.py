"""What the loops give back: numbers and numpy arrays of tensors.

May import core.
"""

import numpy as np
import torch

from torchkeras.core import conversion, tree


def number(value):
    """A Python float of what holds one number; arrays of the rest."""
    if isinstance(value, torch.Tensor):
        return float(value) if value.numel() == 1 else to_numpy(value)
    return float(value) if isinstance(value, (np.generic, int, float)) else value


def to_numpy(value):
    """A numpy array of a tensor; anything else unchanged."""
    return conversion.to_numpy(value) if isinstance(value, torch.Tensor) else value


def joined(outputs):
    """The predictions of all batches as arrays, in the structure of one."""
    if len(outputs) > 1:
        if not tree.is_nested(outputs[0]):
            return to_numpy(torch.cat(outputs))
        return tree.map_structure(lambda *parts: to_numpy(torch.cat(parts)), *outputs)
    # Copied: a model may return a view of its input, and so of the user's array.
    if not tree.is_nested(outputs[0]):
        return to_numpy(outputs[0]).copy()
    return tree.map_structure(lambda part: to_numpy(part).copy(), outputs[0])
