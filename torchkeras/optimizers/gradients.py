"""What happens to gradients before an update: scaling and clipping, over whole lists, without a wait for the device.

May import torch only. Works on lists of equal device and dtype, leaves its arguments unchanged and returns new lists.
Formulas: Keras's `clipnorm`, `clipvalue`, `global_clipnorm`. A clip is a function of a portion of a group and of its
gradients (`groups.Group.run`), made from all gradients: what it returns need not leave the cache.
"""

import torch


def divided(grads, scale):
    """The gradients over a number."""
    return torch._foreach_div(grads, scale)


def value_clip(limit):
    """Brings each element into [-limit, limit]."""

    def clip(portion, grads):
        grads = torch._foreach_clamp_min(grads, -limit)
        torch._foreach_clamp_max_(grads, limit)
        return grads

    return clip


def norm_clip(grads, limit):
    """Scales each of these gradients down to the L2 norm `limit` if its own is larger."""
    norms = torch.stack(torch._foreach_norm(grads))
    factors = (limit / norms.clamp_(min=limit)).unbind()
    return lambda portion, grads: torch._foreach_mul(grads, [factors[i] for i in portion.members])


def global_norm(lists):
    """The L2 norm of all gradients of several lists together: a scalar tensor on the first list's device."""
    device = lists[0][0].device
    norms = [torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads))).to(device) for grads in lists]
    return norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack([n.float() for n in norms]))


def global_norm_clip(lists, limit):
    """Scales all gradients of several lists by one factor so that their common norm is at most `limit`.

    A norm that is not finite turns all of them into NaN: a step that cannot be right is seen.
    """
    norm = global_norm(lists)
    scale = limit * torch.minimum(1.0 / norm, torch.full_like(norm, 1.0 / limit)) + (norm - norm)
    return lambda portion, grads: torch._foreach_mul(grads, scale.to(grads[0].device, grads[0].dtype))


def all_finite(grads):
    """Whether no gradient holds an infinity or a NaN. One wait for the device."""
    if not grads:
        return True
    device = grads[0].device
    grads = [g._values() if g.is_sparse else g for g in grads]
    peaks = [torch.linalg.vector_norm(g, float("inf")).to(device, torch.float32) for g in grads if g.numel()]
    return not peaks or bool(torch.isfinite(torch.stack(peaks)).all())
