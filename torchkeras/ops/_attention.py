"""torch's attention kernels: which of them may run, what masks add to scores, steps that may look nowhere.

May import core. The operation `dot_product_attention` and the attention layers go through `attend`.
"""

import contextlib

import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from torchkeras.core.scopes import settings
from torchkeras.core.transforms import beyond_kernels, runs_plainly


def attend(
    query,
    key,
    value,
    *,
    bias=None,
    mask=None,
    dropout=0.0,
    causal=False,
    scale=None,
    flash_attention=None,
    grouped=False,
):
    """torch's attention over `(batch, heads, steps, size)`: by a kernel, or by plain functions where derivatives are
    asked for that no kernel has.

    `bias` is added to the scores. A boolean `mask`, instead of bias, causal and dropout (with which layers take their
    slow path), is true where a step may look; one that may look nowhere gets the mean of all values, as in Keras (which
    in float16 lets it look everywhere; here too). `grouped`: keys and values have fewer heads, each for a group of the
    query's.
    """
    bias = bias if mask is None else _added(mask, query.dtype)
    options = {"dropout_p": dropout, "is_causal": causal, "scale": scale, "enable_gqa": grouped}
    with _kernels(bias, flash_attention):
        seeing = None if mask is None else _judged(query, key, value, bias, options, mask)
        if seeing is None:
            return F.scaled_dot_product_attention(query, key, value, bias, **options)
        # Without a mask, a query of zeros attends evenly, and all gradients are right but the keys', which it scales.
        bias, blind = bias.masked_fill(seeing.logical_not(), 0), query.detach().masked_fill(seeing, 0)
        outputs = F.scaled_dot_product_attention(query - blind, key, value, bias, **options)
    return outputs + _for_keys(blind, key, value.detach(), scale)


def _added(mask, dtype):
    """Zeros where the mask is true, else a number that hides scores. It is finite, so that a row of nothing else has a
    softmax, of equal shares; kernels multiply by log2(e), after which it still is."""
    hidden = mask.logical_not()
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(hidden, torch.finfo(dtype).min / 2)


def _judged(query, key, value, bias, options, mask):
    """Which steps may look somewhere, `(…, steps, 1)`, if a fused kernel would get the gradients of the others wrong;
    else None.

    Such a kernel keeps a row's sum as its logarithm. Beside a number that hides all of the row, log(n) is rounded away,
    and backwards each value counts whole instead of as one of n.
    """
    parts = query, key, value
    if not (torch.is_grad_enabled() and any(part.requires_grad for part in parts)) or beyond_kernels():
        return None
    if query.dtype is torch.float16 or 0 in key.shape:
        return None  # its number hides so little that float32 has room for both; without keys there are no shares
    asked = not torch.compiler.is_compiling() and query.device.type in ("cpu", "cuda")  # else torch does not say
    if asked and torch._fused_sdp_choice(*parts, bias, **options) == SDPBackend.MATH.value:
        return None
    seeing = mask.any(-1, keepdim=True)
    look = mask.device.type == "cpu" and runs_plainly()  # elsewhere a look would be a wait for the device
    return None if look and seeing.all() else seeing


def _for_keys(query, key, value, scale):
    """Zeros with the gradients of keys at which these queries look evenly; other queries are zeros.

    There the score of key j has the gradient g · (v_j - mean) / n, if g is that of the output. So it has in the sum
    over j of score_j * (v_j - mean) / n, which takes `size * size` numbers for each head, and no scores.
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    weights = key.transpose(-2, -1) @ ((value - value.mean(-2, keepdim=True)) * (scale / key.shape[-2]))
    weights = weights - weights.detach()
    if key.shape[1] != query.shape[1]:
        weights = weights.repeat_interleave(query.shape[1] // key.shape[1], 1)
    return query @ weights


def _kernels(bias, flash_attention):
    """The context in which attention runs: True holds torch to its flash kernel, False keeps it away from that, None
    asks `keras.config` and else leaves the choice to torch."""
    learned_on_cpu = bias is not None and bias.requires_grad and bias.device.type == "cpu"  # no kernel there has it
    if learned_on_cpu or not flash_attention and beyond_kernels():
        return sdpa_kernel(SDPBackend.MATH)
    if flash_attention is None:
        flash_attention = settings.flash_attention
    if flash_attention is None:
        return contextlib.nullcontext()
    others = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel([SDPBackend.FLASH_ATTENTION] if flash_attention else others)
