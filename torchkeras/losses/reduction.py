"""From one loss value per sample or step to the value that is minimised: weights, masks, reduction words.

May import core and losses/tensors. Knows no loss.
"""

import torch

from torchkeras.core.dtypes import torch_dtype
from torchkeras.losses.tensors import as_tensor, same_rank

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)
MEANS = frozenset({"sum_over_batch_size", "mean", "mean_with_sample_weight"})  # the same where there are no weights


def standardize_reduction(reduction):
    """The reduction word itself. Raises `ValueError` for a word that is none of `REDUCTIONS`."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"`reduction` must be one of {', '.join(map(repr, REDUCTIONS))}; got {reduction!r}.")
    return reduction


def divide_no_nan(a, b):
    """`a / b`, and 0 where `b` is 0."""
    zero = b == 0
    return torch.where(zero, 0.0, a / torch.where(zero, 1.0, b))


def reduce_values(values, sample_weight=None, reduction="sum_over_batch_size"):
    """Reduces weighted values by a reduction word.

    Args:
        values: tensor of any shape, weights already multiplied in. Rank 0 and an empty vector come back unchanged.
        sample_weight: the weights, for `"mean_with_sample_weight"`.
        reduction: one of `REDUCTIONS`.
    """
    if reduction is None or reduction == "none" or len(values.shape) == 0 or tuple(values.shape) == (0,):
        return values
    total = values.sum()
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        return divide_no_nan(total, sample_weight.sum().to(total.dtype))
    return total / max(values.numel(), 1)


def reduce_weighted_values(values, sample_weight=None, mask=None, reduction="sum_over_batch_size", dtype=None):
    """Weights, masks and reduces the values of a loss function.

    Args:
        values: one value per sample `(B,)` or step `(B, T, …)`.
        sample_weight: None, a number, or an array whose shape is the values', a leading part of it (`(B,)` weighs
            whole samples), or broadcastable to it.
        mask: bool tensor; false steps count neither in the sum nor in the divisor.
        reduction: `"sum_over_batch_size"` or `"mean"`: sum over the number of values (of valid ones under a mask);
            `"mean_with_sample_weight"`: sum over the sum of weights; `"sum"`; `"none"` or None: the values.
        dtype: dtype of the computation; by default the values' own.

    Raises `ValueError` for an unknown word or weights that fit no leading shape.

    Example:
        >>> reduce_weighted_values(torch.tensor([1.0, 3.0]), sample_weight=[1.0, 2.0])
        tensor(3.5000)
    """
    reduction = standardize_reduction(reduction)
    dtype = torch_dtype(dtype) if dtype is not None else None
    values = as_tensor(values, dtype)
    if sample_weight is None and mask is None:
        if reduction in MEANS and len(values.shape) and values.numel():
            return values.mean()
        return reduce_values(values, None, reduction)
    device, what = values.device, "Masks" if sample_weight is None else "Weights"
    if sample_weight is not None:
        sample_weight = as_tensor(sample_weight, values.dtype, device)
    if mask is not None:
        mask = as_tensor(mask, None, device)
        sample_weight = apply_mask(sample_weight, mask, values.dtype, reduction)
    values, sample_weight = weighable(values, sample_weight, what)
    return reduce_values(values * sample_weight, sample_weight, reduction)


def apply_mask(sample_weight, mask, dtype, reduction):
    """Merges a mask (a tensor or an array) into weights; None where both are None.

    For means, valid steps weigh `total / valid`: dividing by all steps then divides by the valid ones.
    """
    if mask is None:
        return sample_weight
    mask = as_tensor(mask)
    weights = mask.to(dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        valid = weights.sum()
        # An all-false mask has only zeros to scale: 1 keeps it free of 0/0 with no look at the value.
        weights = (mask != 0).to(dtype) * (mask.numel() / torch.where(valid == 0, 1.0, valid))
    if sample_weight is None:
        return weights
    sample_weight = as_tensor(sample_weight, dtype, mask.device)
    if len(sample_weight.shape) > len(weights.shape):  # a mask of samples, weights of steps
        sample_weight, weights = weighable(sample_weight, weights)
    else:
        weights, sample_weight = weighable(weights, sample_weight)
    return sample_weight * weights


def weighable(values, sample_weight, what="Weights"):
    """Brings values and weights to shapes that multiply: same rank, or weights with trailing axes of 1.

    Weights `(B,)` weigh the samples of values `(B, T, …)`, also where T equals B. One value for a whole batch is
    weighed by each weight, as in Keras; other values are never spread over weights of more axes.
    """
    values, sample_weight = same_rank(values, sample_weight)
    shape, given = tuple(values.shape), tuple(sample_weight.shape)
    rank = len(given)
    if 0 < rank < len(shape) and given == shape[:rank]:
        return values, sample_weight.reshape(*given, *(1,) * (len(shape) - rank))
    try:
        product = torch.broadcast_shapes(shape, given)
    except RuntimeError:
        product = None
    # (4, 1) and (1, 4) would make 16 products of 4 values: each against each other's weight.
    if product is None or (shape and rank > len(shape)) or tuple(product) not in (shape, given):
        raise ValueError(
            f"{what} of shape {given} do not fit values of shape {shape}: pass one per sample, shape (batch,), or one "
            "per value. A loss averages the last axis, so predictions (batch, n) have one value per sample."
        )
    return values, sample_weight
