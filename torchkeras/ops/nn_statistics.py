"""Normalization, attention, encodings and crossentropies of `keras.ops.nn`.

May import core and the makers.
"""

import contextlib
import operator

import torch
from torch.nn import functional as F

from torchkeras.core import transforms
from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import NAMES, result_type, standardize_dtype, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.scopes import settings
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import (
    as_float,
    axes_of,
    canonical_axis,
    joint_type,
    promoted,
    reduced_shape,
    same,
    shape_of,
)

__all__ = [
    "batch_normalization", "binary_crossentropy", "categorical_crossentropy", "dot_product_attention",
    "layer_normalization", "moments", "multi_hot", "normalize", "one_hot", "rms_normalization",
    "sparse_categorical_crossentropy",
]  # fmt: skip

_HALVES = (torch.float16, torch.bfloat16)


def _moments_spec(x, axes, keepdims):
    shape = reduced_shape(x.shape, axes, keepdims)
    return KerasTensor(shape, x.dtype), KerasTensor(shape, x.dtype)


@operation("Moments", "nn", output_spec=_moments_spec)
def moments(x, axes, keepdims=False, synchronized=False):
    """`(mean, variance)` over axes; half precision is computed in float32.

    Raises `NotImplementedError` for `synchronized=True`: use `torch.nn.SyncBatchNorm` for that.
    """
    if synchronized:
        raise NotImplementedError("moments(synchronized=True) is not supported on torch.")
    x = as_tensor(x)
    exact = x.float() if x.dtype in _HALVES else x
    variance, mean = torch.var_mean(exact, axes_of(axes, x.dim()), correction=0, keepdim=bool(keepdims))
    if x.dtype in _HALVES:
        low, high = torch.finfo(x.dtype).min, torch.finfo(x.dtype).max
        return mean.clamp(low, high).to(x.dtype), variance.clamp(low, high).to(x.dtype)
    return mean, variance


@operation("BatchNorm", "nn", ("x", "mean", "variance", "offset", "scale"))
def _batch_norm(x, mean, variance, offset=None, scale=None, axis=-1, epsilon=1e-3):
    x = as_tensor(x)
    shape = [1] * x.dim()
    shape[axis] = -1
    factor = (as_tensor(variance, device=x.device) + epsilon).rsqrt()
    if scale is not None:
        factor = factor * as_tensor(scale, device=x.device)
    result = (x - as_tensor(mean, device=x.device).reshape(shape)) * factor.reshape(shape)
    return result if offset is None else result + as_tensor(offset, device=x.device).reshape(shape)


def batch_normalization(x, mean, variance, axis, offset=None, scale=None, epsilon=1e-3):
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset`, statistics being vectors along `axis`."""
    return _batch_norm(x, mean, variance, offset, scale, axis=axis, epsilon=epsilon)


@operation("LayerNorm", "nn", ("x", "gamma", "beta"), output_spec=same)
def _layer_norm(x, gamma=None, beta=None, axis=-1, epsilon=None, rms_scaling=False):
    x = as_tensor(x)
    epsilon = settings.epsilon if epsilon is None else epsilon
    exact = x.to(torch_dtype(result_type(NAMES[x.dtype], "float32")))
    gamma, beta = (None if w is None else as_tensor(w, exact.dtype, x.device) for w in (gamma, beta))
    axes = sorted(axes_of(axis, x.dim()))
    trailing = axes == list(range(x.dim() - len(axes), x.dim()))
    if trailing and not rms_scaling:
        sizes = x.shape[axes[0] :]
        gamma, beta = (None if w is None else w.reshape(sizes) for w in (gamma, beta))
        return F.layer_norm(exact, sizes, gamma, beta, epsilon).to(x.dtype)
    shape = [x.shape[i] if i in axes else 1 for i in range(x.dim())]
    variance, mean = torch.var_mean(exact, axes, correction=0, keepdim=True)
    result = (exact if rms_scaling else exact - mean) * (variance + epsilon).rsqrt()
    result = result if gamma is None else result * gamma.reshape(shape)
    return (result if beta is None or rms_scaling else result + beta.reshape(shape)).to(x.dtype)


def layer_normalization(x, gamma=None, beta=None, axis=-1, epsilon=None, **kwargs):
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta` with statistics of each sample over `axis`.

    Computed in float32 at least. torch: `F.layer_norm(x, x.shape[-1:], gamma, beta, epsilon)`.
    """
    rms_scaling = kwargs.pop("rms_scaling", False)
    if kwargs:
        raise TypeError(f"layer_normalization got unknown arguments {sorted(kwargs)}.")
    return _layer_norm(x, gamma, beta, axis=axis, epsilon=epsilon, rms_scaling=rms_scaling)


@operation("RMSNorm", "nn", ("x", "scale"), output_spec=same)
def rms_normalization(x, scale=None, axis=-1, epsilon=None):
    """`x / sqrt(mean(x**2) + epsilon) * scale` over `axis` (Zhang and Sennrich 2019), in float32 at least."""
    x = as_tensor(x)
    epsilon = settings.epsilon if epsilon is None else epsilon
    exact = x.to(torch_dtype(result_type(NAMES[x.dtype], "float32")))
    mean_square = exact.square().mean(sorted(axes_of(axis, x.dim())), keepdim=True)
    result = exact * (mean_square + epsilon).rsqrt()
    return (result if scale is None else result * as_tensor(scale, exact.dtype, x.device)).to(x.dtype)


def _float_like(x, *args):
    return KerasTensor(x.shape, joint_type((x,), ints="floatx"))


@operation("Normalize", "nn", output_spec=_float_like)
def normalize(x, axis=-1, order=2, epsilon=None):
    """`x` divided by its norm of the given order along `axis`, which counts as `epsilon` at least.

    Raises `ValueError` unless `order` is a positive integer.
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"`order` must be a positive integer, got {order!r}.")
    x = as_float(x)
    x = x.unsqueeze(0) if x.dim() == 0 else x
    axes = axes_of(axis, x.dim())
    if order == 2:
        return unit_length(x, axes, epsilon)
    exact, least, _ = _limits(x.dtype, epsilon)
    wide = x.to(exact)
    norm = torch.linalg.vector_norm(wide, ord=order, dim=axes, keepdim=True) if axes else wide.abs()
    return (wide / norm.clamp(min=least)).to(x.dtype)


def unit_length(x, axes, epsilon=None):
    """A float tensor divided by its Euclidean length over axes, which counts as `epsilon` (None: the setting) at least.

    Limited before the root is taken, so that the gradient is finite where the length is zero.
    """
    exact, _, least_square = _limits(x.dtype, epsilon)
    wide = x.to(exact)
    squares = wide.square()
    squares = squares.sum(axes, keepdim=True) if axes != () else squares
    return (wide * squares.clamp(min=least_square).rsqrt()).to(x.dtype)


def _limits(dtype, epsilon):
    """A dtype whose powers neither vanish nor overflow, the least length, whose inverse fits into `dtype`, and its
    square."""
    key = dtype, settings.epsilon if epsilon is None else epsilon
    if key not in _known_limits:
        exact = torch.float32 if dtype in _HALVES else dtype
        least = max(key[1], 1.0 / torch.finfo(dtype).max)
        _known_limits[key] = exact, least, max(least**2, torch.finfo(exact).tiny)
    return _known_limits[key]


_known_limits = {}  # finfo costs more than the rest


# -- attention --------------------------------------------------------------------------------------------------------


def _attention_spec(query, key, value, bias=None, mask=None, scale=None, *, attn_logits_soft_cap):
    _check_attention(query, key, value, bias, mask, attn_logits_soft_cap)
    return KerasTensor((*shape_of(query)[:-1], shape_of(value)[-1]), joint_type((query, key, value)))


def _check_attention(query, key, value, bias, mask, attn_logits_soft_cap):
    shapes = [tuple(shape_of(x)) for x in (query, key, value)]
    if {len(shape) for shape in shapes} != {4}:
        raise ValueError(f"dot_product_attention needs shapes (batch, length, heads, size), got {shapes}.")
    if bias is not None and mask is not None:
        raise ValueError("dot_product_attention takes `bias` or `mask`, not both.")
    if attn_logits_soft_cap is not None:
        raise ValueError("attn_logits_soft_cap exists only on TPUs; leave it out.")


@operation(
    "DotProductAttention",
    "nn",
    ("query", "key", "value", "bias", "mask", "scale"),
    output_spec=_attention_spec,
)
def _attention(
    query,
    key,
    value,
    bias=None,
    mask=None,
    scale=None,
    is_causal=False,
    flash_attention=None,
    attn_logits_soft_cap=None,
):
    query, key, value = promoted(query, key, value)
    _check_attention(query, key, value, bias, mask, attn_logits_soft_cap)
    added = _added_to_logits(query, key, bias, mask, is_causal)
    is_causal = bool(is_causal) and added is None
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    if flash_attention:
        _require_flash(query, key, value, added, is_causal)
    result = attend(
        query,
        key,
        value,
        added,
        causal=is_causal,
        scale=scale,
        flash_attention=flash_attention,
        grouped=bool(query.shape[1] > key.shape[1]),
    )
    return result.transpose(1, 2)


def attend(query, key, value, added=None, dropout=0.0, causal=False, scale=None, flash_attention=None, grouped=False):
    """torch's attention over `(batch, heads, steps, size)`: by a kernel, or by plain functions where derivatives are
    asked for that no kernel has. `grouped`: keys and values have fewer heads, each for a group of the query's."""
    learned_on_cpu = added is not None and added.requires_grad and added.device.type == "cpu"  # no kernel there has it
    if learned_on_cpu or not flash_attention and transforms.beyond_kernels():
        kernels = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    else:
        kernels = attention_kernels(flash_attention)
    with kernels:
        return F.scaled_dot_product_attention(
            query, key, value, added, dropout, causal, scale=scale, enable_gqa=grouped
        )


def attention_kernels(flash_attention):
    """The context in which attention runs: True holds torch to its flash kernel, False keeps it away from that, None
    asks `keras.config` and else leaves the choice to torch."""
    if flash_attention is None:
        flash_attention = settings.flash_attention
    if flash_attention is None:
        return contextlib.nullcontext()
    kernels = torch.nn.attention.SDPBackend
    others = [kernels.EFFICIENT_ATTENTION, kernels.CUDNN_ATTENTION, kernels.MATH]
    return torch.nn.attention.sdpa_kernel([kernels.FLASH_ATTENTION] if flash_attention else others)


def _require_flash(query, key, value, added, is_causal):
    """Raises `RuntimeError` where torch's flash kernel cannot serve."""
    parameters = torch.backends.cuda.SDPAParams(query, key, value, added, 0.0, is_causal, query.shape[1] > key.shape[1])
    if not torch.backends.cuda.can_use_flash_attention(parameters, True):
        raise RuntimeError(
            f"flash_attention=True, but torch has no flash kernel for {query.dtype} on {query.device}, these shapes "
            "or this mask (the warnings say which). Leave the argument out to let torch choose."
        )


def _added_to_logits(query, key, bias, mask, is_causal):
    """What is added to the attention logits: the bias, or large negative numbers where the mask is false."""
    if bias is None and mask is None:
        return None
    # Not minus infinity: a row without any true entry attends evenly, as in Keras, instead of giving NaN.
    lowest = torch.full((), 0.5 * torch.finfo(query.dtype).min, dtype=query.dtype, device=query.device)
    causal = (
        torch.ones(query.shape[1], key.shape[1], dtype=torch.bool, device=query.device).tril() if is_causal else None
    )
    if bias is not None:
        bias = as_tensor(bias, query.dtype, query.device)
        return bias if causal is None else torch.where(causal, bias, lowest)
    mask = as_tensor(mask, "bool", query.device)
    return torch.where(mask if causal is None else mask & causal, torch.zeros_like(lowest), lowest)


def dot_product_attention(
    query,
    key,
    value,
    bias=None,
    mask=None,
    scale=None,
    is_causal=False,
    flash_attention=None,
    attn_logits_soft_cap=None,
):
    """Scaled dot product attention (Vaswani et al. 2017).

    Args:
        query: `(batch, length, heads, size)`.
        key, value: `(batch, keys, heads, size)`; fewer heads than the query has mean grouped attention.
        bias: added to the logits, broadcast to `(batch, heads, length, keys)`.
        mask: true where a query may look at a key, broadcast likewise.
        scale: factor on the logits, by default `1 / sqrt(size)`.
        is_causal: a query sees no later key.
        flash_attention: True raises `RuntimeError` where torch's flash kernel cannot serve; otherwise torch chooses the
            fastest kernel by itself.

    torch: `F.scaled_dot_product_attention` with heads before length.
    """
    return _attention(
        query,
        key,
        value,
        bias,
        mask,
        scale,
        is_causal=is_causal,
        flash_attention=flash_attention,
        attn_logits_soft_cap=attn_logits_soft_cap,
    )


# -- encodings --------------------------------------------------------------------------------------------------------


def _refuse_sparse(sparse):
    if sparse:
        raise ValueError("sparse=True is not supported on torch.")


@operation("OneHot", "nn", settle={"dtype": standardize_dtype})
def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False):
    """A new axis of size `num_classes` with a one at the place of each class; all zeros for classes out of range."""
    _refuse_sparse(sparse)
    classes = as_tensor(x).long().unsqueeze(-1)
    result = classes == torch.arange(num_classes, device=classes.device)
    result = result.to(torch_dtype(dtype))
    return result if axis == -1 else result.movedim(-1, operator.index(axis))


@operation("MultiHot", "nn", ("inputs",))
def _multi_hot(inputs, num_classes, axis, dtype, sparse):
    x = as_tensor(inputs)
    hot = one_hot.compute(x, num_classes, axis, dtype, sparse)
    return torch.amax(hot, 1 if x.dim() > 1 else 0)


def multi_hot(inputs, num_classes=None, axis=-1, dtype=None, sparse=False, **kwargs):
    """As `one_hot`, all classes of one sample together: `(batch, length)` -> `(batch, num_classes)`."""
    num_classes = kwargs.pop("num_tokens", num_classes)
    if num_classes is None or kwargs:
        raise ValueError(f"multi_hot needs `num_classes`; unknown arguments: {sorted(kwargs)}.")
    _refuse_sparse(sparse)
    return _multi_hot(inputs, num_classes, axis, standardize_dtype(dtype), sparse)


# -- crossentropies ---------------------------------------------------------------------------------------------------


def _same_shape(target, output):
    if target.shape != output.shape:
        raise ValueError(
            f"`target` and `output` must have the same shape, got {tuple(target.shape)} and {tuple(output.shape)}."
        )
    return target, output


def _clipped(output):
    return output.clamp(settings.epsilon, 1.0 - settings.epsilon)


@operation("BinaryCrossentropy", "nn", ("target", "output"))
def binary_crossentropy(target, output, from_logits=False):
    """`-target * log(output) - (1 - target) * log(1 - output)`, number by number.

    Args:
        from_logits: `output` holds logits, not probabilities.
    """
    target, output = _same_shape(*promoted(target, as_float(output)))
    if from_logits:
        return F.binary_cross_entropy_with_logits(output, target, reduction="none")
    output = _clipped(output)
    return -(target * torch.log(output) + (1 - target) * torch.log(1 - output))


def _without_axis(target, output, axis):
    return KerasTensor(reduced_shape(output.shape, axis, False), output.dtype)


@operation("CategoricalCrossentropy", "nn", ("target", "output"), output_spec=_without_axis)
def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """`-sum(target * log(output))` along `axis`; probabilities are scaled to sum to one first."""
    target, output = _same_shape(*promoted(target, as_float(output)))
    if output.dim() == 0:
        raise ValueError("categorical_crossentropy needs an axis of classes, got scalars.")
    if from_logits:
        return -(target * torch.log_softmax(output, axis)).sum(axis)
    output = _clipped(output / output.sum(axis, keepdim=True))
    return -(target * torch.log(output)).sum(axis)


@operation("SparseCategoricalCrossentropy", "nn", ("target", "output"), output_spec=_without_axis)
def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """`-log(output[target])` along `axis`, `target` holding class numbers."""
    output = as_float(output)
    target = as_tensor(target, device=output.device).long()
    axis = canonical_axis(axis, output.dim())
    if target.dim() == output.dim() and target.shape[axis] == 1:
        target = target.squeeze(axis)
    expected = (*output.shape[:axis], *output.shape[axis + 1 :])
    if tuple(target.shape) != expected:
        raise ValueError(
            f"`target` must have the shape of `output` without the classes, {expected}; got {tuple(target.shape)}."
        )
    if from_logits:
        logs = torch.log_softmax(output, axis)
    else:
        logs = torch.log(_clipped(output / output.sum(axis, keepdim=True)))
    return -logs.gather(axis, target.unsqueeze(axis)).squeeze(axis)
