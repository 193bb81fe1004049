"""Batch renormalization (Ioffe 2017): what it adds to BatchNormalization.

May import core; knows only the attributes of that layer. Training uses batch statistics corrected towards slow
averages of them, so that a small batch is normalized almost as inference will do it.
"""

import torch

from torchkeras.core.opaque import opaque
from torchkeras.core.transforms import write

_CLIPPING_KEYS = ("rmax", "rmin", "dmax")


def clipping(value):
    """The checked `renorm_clipping` dict."""
    value = dict(value or {})
    unknown = set(value) - set(_CLIPPING_KEYS)
    if unknown:
        raise ValueError(f"`renorm_clipping` has the keys {list(_CLIPPING_KEYS)}, got also {sorted(unknown)}.")
    if None not in (value.get("rmax"), value.get("rmin")) and value["rmax"] < value["rmin"]:
        raise ValueError(f"`renorm_clipping` needs rmin <= rmax, got {value}.")
    if value.get("dmax") is not None and value["dmax"] < 0:
        raise ValueError(f"`renorm_clipping` needs dmax >= 0, got {value}.")
    return value


# A copy that torch.compile cannot look into: the backward pass must not read a statistic that has moved since.
_snapshot = opaque("snapshot(Tensor value) -> Tensor", torch.clone, torch.empty_like)


class Renorm:
    """The three steps, each for a BatchNormalization layer with `renorm=True`."""

    @staticmethod
    def build(layer, shape):
        """Weights: the inference deviation and the slow averages of mean and deviation."""

        def deviation(shape, dtype=None):
            return torch.sqrt(layer.moving_variance_initializer(shape, dtype=dtype))

        layer.moving_stddev = layer._statistic("moving_stddev", deviation, shape)
        layer.renorm_mean = layer._statistic("renorm_mean", layer.moving_mean_initializer, shape)
        layer.renorm_stddev = layer._statistic("renorm_stddev", deviation, shape)

    @staticmethod
    def correct(layer, mean, variance, gamma, beta):
        """`gamma` and `beta` with the correction `x * r + d` folded in; r and d carry no gradient."""
        limits = layer.renorm_clipping
        mean, variance = mean.detach(), variance.detach()  # forward-mode derivatives too: `no_grad` would let them pass
        with torch.no_grad():
            slow = _snapshot(layer.renorm_stddev).to(mean.dtype).clamp(min=layer.epsilon**0.5)
            r = torch.sqrt(variance + layer.epsilon) / slow
            d = (mean - _snapshot(layer.renorm_mean).to(mean.dtype)) / slow
            if limits.get("rmin") is not None or limits.get("rmax") is not None:
                r = r.clamp(limits.get("rmin"), limits.get("rmax"))
            if limits.get("dmax") is not None:
                d = d.clamp(-limits["dmax"], limits["dmax"])
        if gamma is not None:
            gamma = gamma.to(mean.dtype)
            r, d = r * gamma, d * gamma
        return r, d if beta is None else d + beta.to(mean.dtype)

    @staticmethod
    def follow(layer, mean, variance):
        """Moves all moving statistics; the inference variance follows from the deviation."""
        stddev = torch.sqrt(variance + layer.epsilon)
        slow, fast = 1.0 - layer.renorm_momentum, 1.0 - layer.momentum
        for moving, batch, rate in (
            (layer.renorm_mean, mean, slow),
            (layer.renorm_stddev, stddev, slow),
            (layer.moving_mean, mean, fast),
            (layer.moving_stddev, stddev, fast),
        ):
            write(torch.Tensor.lerp_, moving, batch.to(moving.dtype), rate)
        variance = torch.relu(layer.moving_stddev.square() - layer.epsilon)
        write(torch.Tensor.copy_, layer.moving_variance, variance)
