"""Whole numbers as vectors of ones, counts or weights: what the layers of categories share.

May import core and errors. All modes are one count of a kernel of torch's own (`scatter_add_`), which does not make the
one-hot vectors of a whole batch in between, and which refuses numbers that are too large by itself, on a GPU by its
assertion: nothing is read back to look at them.
"""

import torch

from torchkeras.core.dtypes import torch_dtype
from torchkeras.errors import UnfitInputError

MODES = ("one_hot", "multi_hot", "count", "tf_idf")
_EXACT = {torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.bool: torch.int32}  # where counts add up


def encoded(x, mode, depth, dtype="float32", weights=None, owner="The layer"):
    """What `output_mode` makes of whole numbers below `depth`.

    Args:
        x: a tensor; floats lose their fraction. `(..., length)`: the last axis of vectors and matrices is one sample.
            Of more axes Keras takes the second for it.
        mode: `"int"` (the numbers themselves), `"one_hot"` (a vector for each number; a last axis of 1 is not kept),
            `"multi_hot"` (1 for what a sample holds), `"count"`, or `"tf_idf"`.
        depth: size of the vectors.
        dtype: of the result; counts of weights have the dtype of these.
        weights: in mode `"count"` one for each number, in `"tf_idf"` one for each place of a vector.
        owner: what an error calls the layer.

    Negative numbers, and so NaN, count nowhere. Raises `ValueError`, which is a `RuntimeError` too, for numbers from
    `depth` up.

    >>> encoded(torch.tensor([[0, 2, 2]]), "count", 3)
    tensor([[1., 0., 2.]])
    """
    dtype = torch_dtype(dtype)
    if mode == "int":
        return x.to(dtype)
    if x.dim() == 0:
        x = x.unsqueeze(0)
    if mode == "one_hot":
        x = x if x.dim() > 1 and x.shape[-1] == 1 else x.unsqueeze(-1)
        return _counted(x, depth, dtype, None, owner)
    if x.dim() > 2:
        x = x.movedim(1, -1)
    if mode == "multi_hot":
        return _counted(x, depth, torch.int32, None, owner).ne(0).to(dtype)
    if mode == "tf_idf":
        return _counted(x, depth, weights.dtype, None, owner) * weights
    if weights is None:
        return _counted(x, depth, dtype, None, owner)
    weights = weights.unsqueeze(0) if weights.dim() == 0 else weights
    return _counted(x, depth, weights.dtype, weights.movedim(1, -1) if weights.dim() > 2 else weights, owner)


def _counted(x, depth, dtype, weights, owner):
    """How often each number below `depth` stands along the last axis: `(..., length)` -> `(..., depth)`."""
    kind = _EXACT.get(dtype, dtype)
    places = x.long()
    amounts = (places >= 0).to(kind)
    if weights is not None:
        amounts = amounts * weights.to(kind).expand(x.shape)
    result = amounts.new_zeros((*x.shape[:-1], depth))
    try:
        result.scatter_add_(-1, places.clamp(min=0), amounts)
    except RuntimeError as error:
        raise UnfitInputError.like(
            error, f"{owner} takes whole numbers from 0 to {depth - 1}, got numbers up to {int(places.max())}."
        ) from None
    return result.to(dtype)


def encoded_shape(shape, mode, depth):
    """The shape of `encoded`, from the shape of its input."""
    shape = tuple(shape)
    if mode == "int":
        return shape
    if mode == "one_hot":
        kept = shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape
        return (*(kept if shape else (1,)), depth)
    return (*shape[:1], *shape[2:], depth) if len(shape) > 1 else (depth,)
