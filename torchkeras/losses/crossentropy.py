"""Crossentropies, plain and focal: binary, categorical, sparse categorical.

May import core and this folder. Knows no model; what a softmax or sigmoid was given is in losses/from_scores.py.

Probabilities are clipped to `[epsilon, 1 - epsilon]`; those of several classes are divided by their sum first.
"""

import math
import warnings

import numpy as np
import torch
from torch.nn import functional as F

from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.errors import AxisError
from torchkeras.losses.loss import FunctionLoss, fused_mean, published_function
from torchkeras.losses.regression import row_mean
from torchkeras.losses.tensors import as_tensor, label_error, matched

_MANY_CLASSES = 256  # from here on, picking the target's probability first beats a log over all of them


def _floating(y_true, y_pred):
    y_true, y_pred = matched(y_true, y_pred)
    if not y_pred.dtype.is_floating_point:
        dtype = torch_dtype(settings.floatx)
        y_true, y_pred = y_true.to(dtype), y_pred.to(dtype)
    return y_true, y_pred


def _require_same_shape(y_true, y_pred):
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_true and y_pred must have the same shape, got {tuple(y_true.shape)} and {tuple(y_pred.shape)}. "
            "For targets that are class indices use the sparse categorical crossentropy."
        )


def _require_axis(axis, rank):
    if isinstance(axis, bool):
        raise ValueError(f"`axis` must be an integer, got {axis!r}.")
    if type(axis) is int and not -rank <= axis < rank:
        raise AxisError(f"axis={axis} is no class axis of predictions with {rank} axes.")


def _clipped(probabilities):
    return torch.clamp(probabilities, settings.epsilon, 1.0 - settings.epsilon)


def _normalized(probabilities, axis):
    return _clipped(probabilities / probabilities.sum(dim=axis, keepdim=True))


def smoothed(y_true, label_smoothing, share):
    return y_true * (1.0 - label_smoothing) + label_smoothing * share if label_smoothing else y_true


def _as_logits(probabilities):
    """Logits of clipped probabilities: the loss on them is a fused kernel and takes targets outside [0, 1] too."""
    return torch.logit(probabilities, settings.epsilon)


def _binary(y_true, y_pred, from_logits=False):
    """Elementwise binary crossentropy."""
    _require_same_shape(y_true, y_pred)
    if from_logits:
        return F.binary_cross_entropy_with_logits(y_pred, y_true, reduction="none")
    if y_pred.dtype in (torch.float32, torch.float64):
        return F.binary_cross_entropy_with_logits(_as_logits(y_pred), y_true, reduction="none")
    return _binary_by_logarithms(y_true, y_pred)


def _binary_by_logarithms(y_true, y_pred):
    """Elementwise binary crossentropy of probabilities, exact near 0 and 1 too.

    In 16 bits `1 - epsilon` is 1: the logarithm of nothing is -100 there, as in torch's own kernel, and nothing has a
    slope.
    """
    y_pred = _clipped(y_pred)
    certain = y_pred >= 1.0
    log_q = torch.where(certain, -100.0, torch.log1p(-torch.where(certain, 0.0, y_pred)))
    return (y_true - 1.0) * log_q - y_true * torch.log(torch.where(certain, 1.0, y_pred))


@published_function("bce", "BCE")
def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Mean over `axis` of `-y_true·log(p) - (1 - y_true)·log(1 - p)`.

    Args:
        y_true: targets, same shape as `y_pred`; usually 0 or 1, any number is computed.
        y_pred: probabilities `(B, …, D)`, or logits.
        label_smoothing: moves targets this far towards 0.5.

    Torch: `F.binary_cross_entropy_with_logits(..., reduction="none").mean(axis)`.
    """
    y_true, y_pred = _floating(y_true, y_pred)
    values = _binary(smoothed(y_true, label_smoothing, 0.5), y_pred, from_logits)
    return values.mean(dim=axis) if axis != -1 else row_mean(values)


@fused_mean(binary_crossentropy)
def _mean_binary(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    if y_true.shape != y_pred.shape or y_pred.numel() == 0 or y_pred.dtype.itemsize < 4 or type(axis) is not int:
        return None
    y_true = smoothed(y_true, label_smoothing, 0.5)
    return F.binary_cross_entropy_with_logits(y_pred if from_logits else _as_logits(y_pred), y_true)


def _categorical_inputs(y_true, y_pred, label_smoothing, axis, name):
    y_true, y_pred = _floating(y_true, y_pred)
    _require_axis(axis, y_pred.ndim)
    axes = range(y_pred.ndim) if axis is None else axis if isinstance(axis, (list, tuple)) else (axis,)
    classes = math.prod([y_pred.shape[each] for each in axes])
    if classes == 1:
        warnings.warn(
            f"{name} was given predictions of shape {tuple(y_pred.shape)}: with one class it is always 0. "
            "For two classes in one unit use binary_crossentropy.",
            SyntaxWarning,
            stacklevel=3,
        )
    if label_smoothing:
        y_true = smoothed(y_true, label_smoothing, 1.0 / classes)
    return y_true, y_pred


@published_function()
def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """`-Σ y_true·log(p)` over `axis`.

    Args:
        y_true: one-hot or soft targets, same shape as `y_pred`.
        y_pred: probabilities `(B, …, C)`, or logits.
        label_smoothing: moves targets this far towards `1 / C`; `C` is the size of `axis` (Keras: of the last one).
        axis: the class axis.

    Torch: `F.cross_entropy(logits, y_true, reduction="none")`, class axis second.
    """
    y_true, y_pred = _categorical_inputs(y_true, y_pred, label_smoothing, axis, "categorical_crossentropy")
    _require_same_shape(y_true, y_pred)
    log_p = F.log_softmax(y_pred, dim=axis) if from_logits else torch.log(_normalized(y_pred, axis))
    return -(y_true * log_p).sum(dim=axis)


@fused_mean(categorical_crossentropy)
def _mean_categorical(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    served = from_logits and y_pred.ndim == 2 and axis in (-1, 1) and axis is not True and y_pred.shape[-1] > 1
    if not served or y_true.shape != y_pred.shape or y_pred.shape[0] == 0:
        return None
    return F.cross_entropy(y_pred, y_true, label_smoothing=label_smoothing)


def _class_indices(y_true, y_pred, axis):
    """Targets as indices without the class axis, and predictions as a tensor."""
    y_pred = as_tensor(y_pred)
    y_true = as_tensor(y_true, None, y_pred.device)
    if len(y_pred.shape) == 0:
        raise ValueError("y_pred must have a class axis, got a single number.")
    _require_axis(axis, y_pred.ndim)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[axis] == 1:
        y_true = y_true.squeeze(axis)
    wanted = list(y_pred.shape)
    del wanted[axis]
    if list(y_true.shape) != wanted:
        raise ValueError(
            f"y_true must hold one class index per prediction: y_pred of shape {tuple(y_pred.shape)} needs shape "
            f"{tuple(wanted)}, got {tuple(y_true.shape)}. For one-hot targets use the categorical crossentropy."
        )
    return y_true, y_pred


def _picked(y_true, y_pred, from_logits, reduction):
    """Sparse crossentropy of `(N, C)` against `(N,)`, reduced torch's way."""
    try:
        return _picked_by_torch(y_true, y_pred, from_logits, reduction)
    except IndexError:
        raise label_error(y_true, y_pred.shape[1]) from None


def _picked_by_torch(y_true, y_pred, from_logits, reduction):
    if from_logits:
        return F.cross_entropy(y_pred, y_true, reduction=reduction)
    if y_pred.shape[1] < _MANY_CLASSES:
        return F.nll_loss(torch.log(_normalized(y_pred, 1)), y_true, reduction=reduction)
    # A negative index is one that nll_loss leaves out: it picks class 0 and counts 0.
    picked = y_pred.gather(1, y_true.clamp(min=0).unsqueeze(1))
    log_p = torch.log(_clipped(picked / y_pred.sum(dim=1, keepdim=True)))
    return F.nll_loss(log_p, torch.where(y_true < 0, y_true, 0), reduction=reduction)


def of_class_indices(y_true, y_pred, ignore_class, axis, pick):
    """Values of `pick(classes (N,), predictions (N, C))` in the targets' shape; 0 and a mask for the ignored class."""
    y_true, y_pred = _class_indices(y_true, y_pred, axis)
    valid = None
    if ignore_class is not None:
        valid = y_true != ignore_class
        y_true = torch.where(valid, y_true, 0)
        y_pred = torch.where(valid.unsqueeze(axis), y_pred, 0.0)
    rows = y_pred.movedim(axis, -1) if axis not in (-1, y_pred.ndim - 1) else y_pred
    values = pick(y_true.reshape(-1).long(), rows.reshape(-1, rows.shape[-1])).reshape(y_true.shape)
    if valid is not None:
        values = torch.where(valid, values, 0.0)
        values._keras_mask = valid
    return values


@published_function()
def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None, axis=-1):
    """`-log(p)` of the target class.

    Args:
        y_true: class indices, integer or integral float, shape of `y_pred` without `axis` (or with it as 1).
        y_pred: probabilities `(B, …, C)`, or logits.
        ignore_class: an index whose steps give 0 and are masked out of means.
        axis: the class axis.

    Torch: `F.cross_entropy(logits, y_true, reduction="none", ignore_index=ignore_class)`, class axis second.
    """
    return of_class_indices(
        y_true, y_pred, ignore_class, axis, lambda classes, rows: _picked(classes, rows, from_logits, "none")
    )


sparse_categorical_crossentropy.keeps_labels = True  # integer targets need no trip through float32


@fused_mean(sparse_categorical_crossentropy)
def _mean_sparse(y_true, y_pred, from_logits=False, ignore_class=None, axis=-1):
    if ignore_class is not None or y_pred.ndim != 2 or axis not in (-1, 1) or y_pred.shape[0] == 0:
        return None
    if y_true.ndim == 2 and y_true.shape[1] == 1:
        y_true = y_true.squeeze(1)
    if y_true.shape != y_pred.shape[:1]:
        return None
    if y_true.dtype != torch.int64:
        y_true = y_true.long()
    return _picked(y_true, y_pred, from_logits, "sum") / y_pred.shape[0]


@published_function()
def binary_focal_crossentropy(
    y_true, y_pred, apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """Binary crossentropy times `(1 - p_t)^gamma`, `p_t` the probability given to the target (Lin et al. 2017).

    `apply_class_balancing` weighs positives by `alpha` and negatives by `1 - alpha`.
    """
    y_true, y_pred = _floating(y_true, y_pred)
    y_true = smoothed(y_true, label_smoothing, 0.5)
    if from_logits:
        y_pred = torch.sigmoid(y_pred)
    _require_same_shape(y_true, y_pred)
    of_target = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    values = torch.pow(1.0 - of_target, gamma) * _binary_by_logarithms(y_true, y_pred)
    if apply_class_balancing:
        values = values * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return values.mean(dim=axis)


@published_function()
def categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """Categorical crossentropy with each class's term times `alpha · (1 - p)^gamma` (Lin et al. 2017).

    `alpha` is a number, or a list of one for each class.
    """
    y_true, y_pred = _categorical_inputs(y_true, y_pred, label_smoothing, axis, "categorical_focal_crossentropy")
    if from_logits:
        y_pred = F.softmax(y_pred, dim=axis)
    p = _normalized(y_pred, axis)
    if isinstance(alpha, (list, tuple, np.ndarray)):
        alpha = as_tensor(alpha, p.dtype, p.device)
    return (torch.pow(1.0 - p, gamma) * alpha * (-y_true * torch.log(p))).sum(dim=axis)


@published("loss", "keras.losses")
class BinaryCrossentropy(FunctionLoss, function=binary_crossentropy):
    """Binary crossentropy of probabilities or logits. Torch: `nn.BCELoss`, `nn.BCEWithLogitsLoss`.

    Args:
        from_logits: whether predictions are logits; then no sigmoid belongs at the end of the model.
        label_smoothing, axis: as for `binary_crossentropy`.
        reduction, name, dtype: as for `Loss`.

    Targets and predictions `(batch, …, D)` of one shape; `ValueError` for different ones.

    Example:
        >>> BinaryCrossentropy()(torch.tensor([[1.0], [0.0]]), torch.tensor([[0.5], [0.5]]))
        tensor(0.6931)
    """


@published("loss", "keras.losses")
class BinaryFocalCrossentropy(FunctionLoss, function=binary_focal_crossentropy):
    """Binary crossentropy that counts easy examples less; see `binary_focal_crossentropy`."""


@published("loss", "keras.losses")
class CategoricalCrossentropy(FunctionLoss, function=categorical_crossentropy):
    """Crossentropy against one-hot or soft targets. Torch: `nn.CrossEntropyLoss` on logits.

    Args:
        from_logits: whether predictions are logits; then no softmax belongs at the end of the model.
        label_smoothing, axis: as for `categorical_crossentropy`.
        reduction, name, dtype: as for `Loss`.

    Targets and predictions `(batch, …, classes)` of one shape; `ValueError` for different ones.

    Example:
        >>> CategoricalCrossentropy()(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.5]]))
        tensor(0.6931)
    """


@published("loss", "keras.losses")
class CategoricalFocalCrossentropy(FunctionLoss, function=categorical_focal_crossentropy):
    """Categorical crossentropy that counts easy examples less; see `categorical_focal_crossentropy`."""


@published("loss", "keras.losses")
class SparseCategoricalCrossentropy(
    FunctionLoss,
    function=sparse_categorical_crossentropy,
    order=("from_logits", "ignore_class", "reduction", "axis", "name", "dtype"),
    unwritten=("axis",),
):
    """Crossentropy against class indices. Torch: `nn.CrossEntropyLoss` on logits.

    Args:
        from_logits: whether predictions are logits; then no softmax belongs at the end of the model.
        ignore_class: an index whose steps count neither in sums nor in means.
        reduction, axis, name, dtype: as for `Loss` and `sparse_categorical_crossentropy`.

    Targets `(batch, …)`, predictions `(batch, …, classes)`; `ValueError` where they do not fit. Integer targets stay
    integers. A target of -100 gives 0, as in torch and Keras; `ignore_class=-100` takes it out of means too.

    Example:
        >>> SparseCategoricalCrossentropy()(torch.tensor([0]), torch.tensor([[0.25, 0.75]]))
        tensor(1.3863)
    """


@published_function()
def categorical_generalized_cross_entropy(y_true, y_pred, q):
    """`(1 - p**q) / q` of the target class, robust against wrong labels. Source: Zhang and Sabuncu 2018,
    https://arxiv.org/abs/1805.07836.

    Args:
        y_true: class indices `(B,)` or `(B, 1)`.
        y_pred: probabilities `(B, C)`.
        q: between 0, where it is the crossentropy, and 1, where it is `1 - p`.
    """
    y_true, y_pred = _class_indices(y_true, y_pred, -1)
    y_true = y_true.long()
    return (1 - y_pred.gather(-1, y_true.unsqueeze(-1)).squeeze(-1).pow(q)) / q


categorical_generalized_cross_entropy.keeps_labels = True


def _noise(value):
    if not 0 < value < 1:
        raise ValueError(f"`q` must be between 0 and 1, got {value!r}.")
    return value


@published("loss", "keras.losses")
class CategoricalGeneralizedCrossEntropy(FunctionLoss, function=categorical_generalized_cross_entropy):
    """Crossentropy of class indices that withstands wrong labels; see `categorical_generalized_cross_entropy`."""

    q = field(0.5, convert=_noise)
