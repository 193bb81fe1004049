"""Targets, predictions and weights on their way into a loss or metric: to tensors, to one dtype, to one rank.

May import core. Knows no loss.
"""

import numpy as np
import torch

from torchkeras.core import conversion, tree
from torchkeras.errors import LabelError

Tensor = torch.Tensor


def as_tensor(value, dtype=None, device=None):
    """`core.conversion.as_tensor`, but tensors move to `device` too.

    Args:
        value: what to convert. A tensor comes back as it is where dtype and device already fit.
        dtype: torch dtype; None keeps an array's own and gives Python numbers Keras's (float32, int32).
        device: where the result lies; None leaves a tensor where it is and puts the rest on the default device.
    """
    if not isinstance(value, Tensor):
        value = conversion.as_tensor(value, dtype, device)
    if dtype is not None and value.dtype != dtype:
        value = value.to(dtype)
    if device is not None and value.device != device:
        value = value.to(device)
    return value


def convert_structure(structure, dtype, device=None):
    """`as_tensor` for every leaf of a structure; a list that holds only numbers is one array, not a structure."""
    if not tree.is_nested(structure) or _is_array_like(structure):
        return as_tensor(structure, dtype, device)
    return tree.map_structure(lambda leaf: as_tensor(leaf, dtype, device), structure)


def _is_array_like(structure):
    if isinstance(structure, dict) or not isinstance(structure, (list, tuple)):
        return False
    return all(_is_array_like(item) if tree.is_nested(item) else np.isscalar(item) for item in structure)


def matched(y_true, y_pred):
    """Both as tensors of `y_pred`'s dtype."""
    if not isinstance(y_pred, Tensor):
        y_pred = as_tensor(y_pred)
    if not isinstance(y_true, Tensor) or y_true.dtype != y_pred.dtype:
        y_true = as_tensor(y_true, y_pred.dtype, y_pred.device)
    return y_true, y_pred


def matched_rank(y_true, y_pred):
    """Both as tensors of `y_pred`'s dtype and of one rank: what elementwise losses start from."""
    y_true, y_pred = matched(y_true, y_pred)
    return (y_true, y_pred) if y_true.shape == y_pred.shape else same_rank(y_true, y_pred)


def same_rank(a, b):
    """Where two ranks differ by one and the longer shape ends in 1, drops that axis or adds one to the other.

    `(B, 1)` against `(B,)` become `(B, 1)` both; `(B, T, 1)` against `(B, T)` become `(B, T)` both. Other pairs pass.
    """
    ranks = len(a.shape), len(b.shape)
    if ranks[0] == ranks[1] + 1 and a.shape[-1] == 1:
        return (a, b.unsqueeze(-1)) if ranks[1] == 1 else (a.squeeze(-1), b)
    if ranks[1] == ranks[0] + 1 and b.shape[-1] == 1:
        return (a.unsqueeze(-1), b) if ranks[0] == 1 else (a, b.squeeze(-1))
    return a, b


def at_least(values, bound):
    """`max(values, bound)`. At the bound half of the gradient passes, as in Keras, and NaN stays NaN in it: `clamp`
    lets all of the one pass and nothing of the other."""
    return torch.maximum(values, values.new_full((), bound))


def label_error(classes, count):
    """The error for labels among which torch found one that is no class of `count`."""
    strange = classes[((classes < 0) & (classes != -100)) | (classes >= count)].flatten()
    found = "NaN" if strange[0] == torch.iinfo(torch.int64).min else str(strange[0].item())
    return LabelError(
        f"Class labels must be whole numbers from 0 to {count - 1}, the prediction having {count} classes; got "
        f"{found}. Give the last layer more units, or number the labels anew (np.unique, return_inverse=True)."
    )
