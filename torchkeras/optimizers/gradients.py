"""What happens to gradients before an update: scaling and clipping, over whole lists, without a wait for the device.

May import torch only. Works on lists of equal device and dtype, leaves its arguments unchanged and returns new lists.
Formulas: Keras's `clipnorm`, `clipvalue`, `global_clipnorm`.
"""

import torch


def divided(grads, scale):
    """The gradients over a number."""
    return torch._foreach_div(grads, scale)


def clipped_by_value(grads, limit):
    """Each element brought into [-limit, limit]."""
    grads = torch._foreach_clamp_min(grads, -limit)
    torch._foreach_clamp_max_(grads, limit)
    return grads


def clipped_by_norm(grads, limit):
    """Each gradient scaled down to the L2 norm `limit` if its own is larger."""
    norms = torch.stack(torch._foreach_norm(grads))
    return torch._foreach_mul(grads, list((limit / norms.clamp_(min=limit)).unbind()))


def global_norm(lists):
    """The L2 norm of all gradients of several lists together: a scalar tensor on the first list's device."""
    device = lists[0][0].device
    norms = [torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads))).to(device) for grads in lists]
    return norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack([n.float() for n in norms]))


def clipped_by_global_norm(lists, limit):
    """All gradients of several lists scaled by one factor so that their common norm is at most `limit`.

    A norm that is not finite turns all of them into NaN: a step that cannot be right is seen.
    """
    norm = global_norm(lists)
    scale = limit * torch.minimum(1.0 / norm, torch.full_like(norm, 1.0 / limit)) + (norm - norm)
    return [torch._foreach_mul(grads, scale.to(grads[0].device, grads[0].dtype)) for grads in lists]


def all_finite(grads):
    """Whether no gradient holds an infinity or a NaN. One wait for the device."""
    if not grads:
        return True
    device = grads[0].device
    grads = [g._values() if g.is_sparse else g for g in grads]
    peaks = [torch.linalg.vector_norm(g, float("inf")).to(device, torch.float32) for g in grads if g.numel()]
    return not peaks or bool(torch.isfinite(torch.stack(peaks)).all())
