"""LAMB: Adam's direction, as long as a share of the variable. Source: You et al. 2019, https://arxiv.org/abs/1904.00962.

May import core and the optimizer base.
"""

import math

import torch

from torchkeras.core.registry import published
from torchkeras.optimizers.adam import adam_update, corrected_rate, number_of
from torchkeras.optimizers.groups import by_tensor, zeros_like
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

    @by_tensor
    def update_together(self, group, grads, learning_rate):
        number, step = number_of(group.dtype), self._updates_done() + 1
        rate = corrected_rate(1.0, step, self.beta_1, self.beta_2, group.dtype)
        epsilon = self.epsilon * math.sqrt(1 - number(self.beta_2) ** number(step))
        directions = zeros_like(group.params)
        adam_update(group, grads, -rate, self.beta_1, self.beta_2, epsilon, moving=directions)
        sizes, lengths = (torch.stack(torch._foreach_norm(each)) for each in (group.params, directions))
        factors = torch.where((sizes > 0) & (lengths > 0), sizes / lengths, 1.0)
        torch._foreach_addcmul_(group.params, directions, list(factors.unbind()), value=-learning_rate)
