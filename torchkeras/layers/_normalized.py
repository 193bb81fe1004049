"""What normalization layers share: their `gamma` and `beta`, their axes, their precision.

May import core and the families below layers.
"""

import torch

from torchkeras.layers import _slots


def wide(x):
    """`x` in float32 at least."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def affine(layer, shape, scale, center):
    """Makes `gamma` and `beta`, or None where they are not wanted."""
    layer.gamma = _slots.weight(layer, "gamma", shape, autocast=False) if scale else None
    layer.beta = _slots.weight(layer, "beta", shape, autocast=False) if center else None


def check_axes(owner, axes, shape):
    rank = len(shape)
    if any(not -rank <= axis < rank for axis in axes):
        raise ValueError(f"Layer {owner!r}: axis {axes} is out of range for inputs of shape {tuple(shape)}.")
    if len({axis % rank for axis in axes}) < len(axes):
        raise ValueError(f"Layer {owner!r}: axis {axes} names an axis of inputs of shape {tuple(shape)} twice.")


def inverse(order):
    return None if order is None else tuple(order.index(axis) for axis in range(len(order)))
