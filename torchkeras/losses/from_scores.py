"""Crossentropies of a softmax or sigmoid whose scores are known (core/scores.py).

May import core and this folder. Values and slopes are Keras's, those of probabilities clipped to
`[epsilon, 1 - epsilon]`: what is clipped has no slope. In 32 bits the gradient of a softmax over many classes goes
straight to its scores, `p - target`, past the kernels in between (softmax, sum, quotient, clip and logarithm backwards)
and their rounding; a sigmoid gains nothing there. A small softmax, and any on a GPU, is computed by torch's functions
of scores, in half the kernels. In 16 bits probabilities near 1 cannot be told apart, so both are computed from the
scores in 32.

A form takes the target, what was told, and the arguments of its function; it gives None where it does not serve.
"""

import math

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from torchkeras.core.scopes import settings
from torchkeras.losses import crossentropy
from torchkeras.losses.loss import mean_of_scores, of_scores
from torchkeras.losses.tensors import label_error

_MANY = 2**14  # numbers from which on a walk through them costs more than a kernel's call, on a CPU
_NOTHING = -100  # the label that torch's crossentropy leaves out


_rounded = {}  # epsilon -> the bounds in float32


def _bounds():
    """The bounds of clipped probabilities as they are in float32."""
    epsilon = settings.epsilon
    bounds = _rounded.get(epsilon)
    if bounds is None:
        bounds = epsilon, 1.0 - epsilon
        if not torch.compiler.is_compiling():  # steps become graphs after a first one that did not
            bounds = _rounded[epsilon] = tuple(torch.tensor(bounds, dtype=torch.float32).tolist())
    return bounds


class _PickedFromSoftmax(torch.autograd.Function):
    """`-log(p)` of the class in each row of `(N, C)` probabilities, with its gradient for the scores."""

    @staticmethod
    def forward(ctx, scores, probabilities, classes, bounds):
        try:
            picked = -F.nll_loss(probabilities, classes, reduction="none")
        except IndexError:
            raise label_error(classes, probabilities.shape[1]) from None
        ctx.save_for_backward(probabilities, classes, picked)
        ctx.bounds = bounds
        return torch.where(classes == _NOTHING, 0.0, -torch.log(picked.clamp(*bounds)))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        probabilities, classes, picked = ctx.saved_tensors
        low, high = ctx.bounds
        grad = torch.where((picked >= low) & (picked <= high), grad, 0.0).unsqueeze(1)
        return (probabilities * grad).scatter_add_(1, classes.clamp(min=0).unsqueeze(1), -grad), None, None, None


class _WeighedFromSoftmax(torch.autograd.Function):
    """`-Σ target·log(p)` over an axis, with its gradient for the scores."""

    @staticmethod
    def forward(ctx, scores, probabilities, target, axis, bounds):
        clipped = probabilities.clamp(*bounds)
        ctx.save_for_backward(probabilities, target, clipped)
        ctx.axis = axis
        return -(target * torch.log(clipped)).sum(axis)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        probabilities, target, clipped = ctx.saved_tensors
        target = torch.where(clipped == probabilities, target, 0.0)
        slope = (probabilities * target.sum(ctx.axis, keepdim=True)).sub_(target)
        return slope.mul_(grad.unsqueeze(ctx.axis)), None, None, None, None


def _in_16_bits(told):
    return told.probabilities.dtype.itemsize == 2


def _in_few_kernels(told):
    """Whether torch's own functions of scores serve: where calling a kernel costs more than what it computes, and under
    torch.compile, which makes one of them."""
    called = torch.compiler.is_compiling() or told.scores.is_cuda or told.scores.numel() < _MANY
    return called or _in_16_bits(told)


def _serves(y_true, told, axis):
    """Whether the softmax went over the loss's axis, in 32 bits with a gradient or in 16 bits."""
    rank = told.scores.dim()
    if told.axis is None or type(axis) is not int or axis % rank != told.axis % rank or y_true.requires_grad:
        return False
    return _in_16_bits(told) or (told.scores.dtype == torch.float32 and told.scores.requires_grad)


@of_scores(crossentropy.binary_crossentropy)
def _binary(y_true, told, from_logits=False, label_smoothing=0.0, axis=-1):
    if from_logits or told.axis is not None or not _in_16_bits(told) or y_true.shape != told.scores.shape:
        return None
    low, high = (math.log(p) - math.log1p(-p) for p in _bounds())
    y_true = crossentropy.smoothed(y_true, label_smoothing, 0.5)
    scores = told.scores.float().clamp(low, high)
    return F.binary_cross_entropy_with_logits(scores, y_true, reduction="none").mean(dim=axis)


@of_scores(crossentropy.categorical_crossentropy)
def _categorical(y_true, told, from_logits=False, label_smoothing=0.0, axis=-1):
    shape = told.scores.shape
    if from_logits or y_true.shape != shape or not _serves(y_true, told, axis) or shape[axis] == 1:
        return None
    y_true = crossentropy.smoothed(y_true, label_smoothing, 1.0 / shape[axis])
    if _in_few_kernels(told):
        low, high = map(math.log, _bounds())
        return -(y_true * F.log_softmax(told.scores.float(), axis).clamp(low, high)).sum(dim=axis)
    return _WeighedFromSoftmax.apply(told.scores, told.probabilities.detach(), y_true, axis, _bounds())


@of_scores(crossentropy.sparse_categorical_crossentropy)
def _sparse(y_true, told, from_logits=False, ignore_class=None, axis=-1):
    last = axis in (-1, told.scores.dim() - 1)
    if from_logits or not last or not _serves(y_true, told, axis):
        return None

    def pick(classes, rows):
        if _in_few_kernels(told):
            # No lower bound: what it would take away is within its own size, epsilon, of nothing.
            return F.cross_entropy(rows.float(), classes, reduction="none").clamp(max=-math.log(_bounds()[0]))
        return _PickedFromSoftmax.apply(rows, told.probabilities.detach().reshape(rows.shape), classes, _bounds())

    return crossentropy.of_class_indices(y_true, told.scores, ignore_class, axis, pick)


@mean_of_scores(crossentropy.sparse_categorical_crossentropy)
def _mean_sparse(y_true, told, from_logits=False, ignore_class=None, axis=-1):
    scores = told.scores
    if from_logits or ignore_class is not None or scores.dim() != 2 or _in_16_bits(told) or not _in_few_kernels(told):
        return None
    if y_true.dim() == 2 and y_true.shape[1] == 1:
        y_true = y_true.squeeze(1)
    if y_true.shape != scores.shape[:1] or scores.shape[0] == 0 or not _serves(y_true, told, axis):
        return None
    logarithms = F.log_softmax(scores, 1).clamp(min=math.log(_bounds()[0]))
    try:
        return F.nll_loss(logarithms, y_true.long(), reduction="sum") / scores.shape[0]
    except IndexError:
        raise label_error(y_true.long(), scores.shape[1]) from None
