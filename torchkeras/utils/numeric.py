"""Small array helpers: one-hot targets, unit-norm rows.

May import numpy, torch, core and errors.
"""

import numpy as np
import torch

from torchkeras.core.conversion import as_array, as_tensor
from torchkeras.core.dtypes import torch_dtype
from torchkeras.errors import LabelError


def to_categorical(x=None, num_classes=None, dtype=None, **older):
    """One-hot rows for class indices.

    Args:
        x: integers of any shape (an axis of size 1 at the end is dropped); `y` in Keras 2.
        num_classes: number of classes; by default the largest index plus one.
        dtype: numpy dtype of the result, float64 by default.

    Returns an array of shape `x.shape + (num_classes,)`, a tensor if a tensor came.

    Raises `LabelError`, a `ValueError` and `IndexError`, for indices outside the range.

    >>> to_categorical([0, 2], num_classes=3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    x = older.pop("y", x)
    if older or x is None:
        raise TypeError(f"to_categorical needs `x` (or `y`); unknown arguments: {sorted(older)}.")
    if isinstance(x, torch.Tensor):
        labels = x.long()
        labels = labels.squeeze(-1) if labels.dim() > 1 and labels.shape[-1] == 1 else labels
        kind = torch.get_default_dtype() if dtype is None else torch_dtype(dtype)
        return torch.nn.functional.one_hot(labels, int(num_classes) if num_classes else -1).to(kind)
    labels = as_array(x, "`x`").astype("int64")
    shape = labels.shape[:-1] if labels.ndim > 1 and labels.shape[-1] == 1 else labels.shape
    labels = labels.reshape(-1)
    count = int(num_classes) if num_classes else int(labels.max()) + 1
    if labels.size and (labels.min() < 0 or labels.max() >= count):
        raise LabelError(f"Class indices must lie in 0..{count - 1}, got values from {labels.min()} to {labels.max()}.")
    result = np.zeros((labels.size, count), dtype=dtype)
    result[np.arange(labels.size), labels] = 1
    return result.reshape((*shape, count))


def normalize(x, axis=-1, order=2):
    """Divides along an axis by the norm of the given order; zero vectors stay zero.

    >>> normalize(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    if not isinstance(x, np.ndarray):
        x = as_tensor(x, what="`x`")
        x = x if x.is_floating_point() else x.to(torch.get_default_dtype())
        norm = torch.linalg.vector_norm(x, ord=order, dim=axis, keepdim=True)
        return x / torch.where(norm == 0, torch.ones_like(norm), norm)
    x = as_array(x, "`x`")
    norm = np.atleast_1d(np.linalg.norm(x, order, axis))
    norm[norm == 0] = 1
    return x / (norm if axis is None else np.expand_dims(norm, axis))
