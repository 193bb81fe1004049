"""Losses between distributions and on counts: Kullback-Leibler divergence, Poisson.

May import core and this folder. Knows no model.
"""

import torch

from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.losses.loss import FunctionLoss, published_function
from torchkeras.losses.regression import row_mean
from torchkeras.losses.tensors import matched


@published_function("kld", "KLD")
def kl_divergence(y_true, y_pred):
    """`Σ y_true·log(y_true / y_pred)` over the last axis, both clipped to `[epsilon, 1]`."""
    y_true, y_pred = (torch.clamp(y, settings.epsilon, 1.0) for y in matched(y_true, y_pred))
    return (y_true * torch.log(y_true / y_pred)).sum(dim=-1)


@published_function()
def poisson(y_true, y_pred):
    """Mean of `y_pred - y_true·log(y_pred + epsilon)` per row. Torch: `F.poisson_nll_loss(log_input=False)`."""
    y_true, y_pred = matched(y_true, y_pred)
    return row_mean(y_pred - y_true * torch.log(y_pred + settings.epsilon))


@published("loss", "keras.losses")
class KLDivergence(FunctionLoss, function=kl_divergence):
    """Kullback-Leibler divergence of the target from the prediction. Torch: `nn.KLDivLoss` on logarithms."""


@published("loss", "keras.losses")
class Poisson(FunctionLoss, function=poisson):
    """Negative log likelihood of counts under predicted rates."""
