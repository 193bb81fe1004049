"""LAMB: Adam's direction, as long as a share of the variable. Source: You et al. 2019, https://arxiv.org/abs/1904.00962.

May import core and the optimizer base.
"""

import torch

from torchkeras.core.registry import published
from torchkeras.optimizers.adam import number_of
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, epsilon_field, number_field


@published("optimizer", "keras.optimizers", aliases=("lamb",))
class Lamb(Optimizer):
    """`d = m_hat / (sqrt(v_hat) + epsilon); w -= rate * |w| / |d| * d`, with norms over a whole variable.

    `m_hat` and `v_hat` are Adam's means, corrected for their beginning at 0. Where a norm is 0, the factor is 1.

    Args:
        learning_rate: number, schedule or callable.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of their squares.
        epsilon: added to the root.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = Lamb(learning_rate=0.1).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.0
    """

    learning_rate = learning_rate_field(0.001)
    beta_1 = number_field("beta_1", 0.9)
    beta_2 = number_field("beta_2", 0.999)
    epsilon = epsilon_field()

    _settings_of_torch = {"betas": ("beta_1", "beta_2")}

    def states(self):
        yield {"_momentums": "momentum", "_velocities": "velocity"}

    def update_together(self, group, grads, learning_rate):
        momentums, velocities = group.slots["momentum"], group.slots["velocity"]
        number = number_of(group.dtype)
        step = number(self._updates_done() + 1)
        torch._foreach_lerp_(momentums, grads, 1.0 - self.beta_1)
        torch._foreach_mul_(velocities, self.beta_2)
        torch._foreach_addcmul_(velocities, grads, grads, value=1.0 - self.beta_2)
        roots = torch._foreach_div(velocities, float(1 - number(self.beta_2) ** step))
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, self.epsilon)
        directions = torch._foreach_div(momentums, float(1 - number(self.beta_1) ** step))
        torch._foreach_div_(directions, roots)
        sizes, lengths = torch._foreach_norm(group.params), torch._foreach_norm(directions)
        factors = [
            torch.where((size > 0) & (length > 0), size / length, 1.0)
            for size, length in zip(sizes, lengths, strict=True)
        ]
        torch._foreach_mul_(directions, factors)
        torch._foreach_add_(group.params, directions, alpha=-learning_rate)
