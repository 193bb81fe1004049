"""Masks that ride on tensors: which steps are data and which are padding.

May import torch and core/tree. The only place that knows the attribute's name for reading; `Layer` reads it in line on
its short path.
"""

import torch

from torchkeras.core import tree


def mask_of(value):
    """The mask that a tensor carries, or None."""
    return getattr(value, "_keras_mask", None)


def masks_in(structure):
    """The masks of the tensors in a structure, in its form; None for what is no tensor."""
    if tree.is_nested(structure):
        return tree.map_structure(masks_in, structure)
    return mask_of(structure) if isinstance(structure, torch.Tensor) else None


def any_mask(masks):
    """Whether a structure of masks holds one."""
    return masks is not None and (isinstance(masks, torch.Tensor) or any(m is not None for m in tree.flatten(masks)))
