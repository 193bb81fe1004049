"""Adam: adaptive moments. Source: Kingma and Ba 2014, https://arxiv.org/abs/1412.6980; AMSGrad: Reddi et al. 2018.

May import core and the optimizer base.
"""

import math

import numpy as np
import torch

from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.optimizers.groups import by_element
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, epsilon_field, number_field


@published("optimizer", "keras.optimizers", aliases=("adam",))
class Adam(Optimizer):
    """Moving averages of the gradient and of its square: `w -= alpha * m / (sqrt(v) + epsilon)`.

    `alpha = rate * sqrt(1 - beta_2**t) / (1 - beta_1**t)`. This epsilon is the paper's "epsilon hat"; torch's Adam has
    it under another correction, so that its `eps` equals `epsilon / sqrt(1 - beta_2**t)` here.

    Args:
        learning_rate: number, schedule or callable.
        beta_1: decay of the average of gradients.
        beta_2: decay of the average of their squares.
        epsilon: added to the root; None for the global `keras.config.epsilon()`.
        amsgrad: whether the highest `v` so far divides instead of the current one.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = Adam(learning_rate=0.1).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.9
    """

    learning_rate = learning_rate_field(0.001)
    beta_1 = number_field("beta_1", 0.9)
    beta_2 = number_field("beta_2", 0.999)
    epsilon = epsilon_field()
    amsgrad = field(False)

    _settings_of_torch = {"betas": ("beta_1", "beta_2")}

    def states(self):
        yield {"_momentums": "momentum", "_velocities": "velocity"}
        if self.amsgrad:
            yield {"_velocity_hats": "velocity_hat"}

    def _unit(self, group):
        return None if group.fused else super()._unit(group)  # one kernel

    def _decay_weights(self, group, rate):
        if group.fused and self.weight_decay and self._update_arity is None and self._all_decay():
            group.decay = self.weight_decay * rate  # the kernel does it on its way
        else:
            super()._decay_weights(group, rate)

    @by_element
    def update_together(self, group, grads, learning_rate):
        rate = corrected_rate(learning_rate, self._updates_done() + 1, self.beta_1, self.beta_2, group.dtype)
        adam_update(group, grads, rate, self.beta_1, self.beta_2, self.epsilon, bool(self.amsgrad))


def number_of(dtype):
    """The type in which Keras computes factors for variables of a dtype. Shorter ones than float32 would round beta_2
    to 1: they are computed in float32."""
    return np.float64 if dtype is torch.float64 else np.float32


def corrected_rate(rate, step, beta_1, beta_2, dtype):
    """`rate * sqrt(1 - beta_2**step) / (1 - beta_1**step)`, rounded as Keras rounds it.

    Keras computes this in the variables' own type; in float32 that moves the first updates by some parts in 100,000,
    and a training curve is to follow Keras's.
    """
    number = number_of(dtype)
    step, beta_1, beta_2 = number(step), number(beta_1), number(beta_2)
    return float(number(rate) * np.sqrt(1 - beta_2**step) / (1 - beta_1**step))


def adam_update(group, grads, rate, beta_1, beta_2, epsilon, amsgrad=False, moving=None, momentums=None):
    """Adam's step at a corrected rate, for a group with the slots "momentum" and "velocity".

    Args:
        moving: what moves instead of the parameters: tensors that lie in memory as they do.
        momentums: what is the mean of gradients instead of the slot "momentum", likewise.
    """
    update = _fused if group.fused else _by_foreach
    update(group, grads, rate, beta_1, beta_2, epsilon, amsgrad, moving, momentums)


def _fused(group, grads, rate, beta_1, beta_2, epsilon, amsgrad, moving, momentums):
    """torch's fused kernel. At an infinite step its own bias corrections are exactly 1; ours is part of the rate."""
    if "steps" not in group.memo:
        group.memo["steps"] = [torch.tensor(math.inf, device=group.device)] * len(group.params)
    params, grads, slots = group.stored(grads)
    decay, group.decay = group.decay, 0.0
    kernel = torch._fused_adamw_ if decay and rate else torch._fused_adam_  # it takes off `lr * weight_decay`
    kernel(
        params if moving is None else group.in_memory_order(moving),
        grads,
        slots["momentum"] if momentums is None else group.in_memory_order(momentums),
        slots["velocity"],
        slots["velocity_hat"] if amsgrad else [],
        group.memo["steps"],
        lr=rate,
        beta1=beta_1,
        beta2=beta_2,
        weight_decay=decay / rate if decay and rate else 0.0,
        eps=epsilon,
        amsgrad=bool(amsgrad),
        maximize=False,
        grad_scale=None,
        found_inf=None,
    )


def _by_foreach(group, grads, rate, beta_1, beta_2, epsilon, amsgrad, moving, momentums):
    momentums = group.slots["momentum"] if momentums is None else momentums
    velocities = group.slots["velocity"]
    torch._foreach_lerp_(momentums, grads, 1.0 - beta_1)
    torch._foreach_mul_(velocities, beta_2)
    torch._foreach_addcmul_(velocities, grads, grads, value=1.0 - beta_2)
    if amsgrad:
        torch._foreach_maximum_(group.slots["velocity_hat"], velocities)
        velocities = group.slots["velocity_hat"]
    roots = torch._foreach_sqrt(velocities)
    torch._foreach_add_(roots, epsilon)
    torch._foreach_addcdiv_(group.params if moving is None else moving, momentums, roots, value=-rate)
