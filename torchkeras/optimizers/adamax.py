"""Adamax: Adam with the highest gradient in place of the mean square. Source: Kingma and Ba 2014, section 7,
https://arxiv.org/abs/1412.6980.

May import core and the optimizer base.
"""

import torch

from torchkeras.core.registry import published
from torchkeras.optimizers.adam import number_of
from torchkeras.optimizers.groups import by_element
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, epsilon_field, number_field


@published("optimizer", "keras.optimizers", aliases=("adamax",))
class Adamax(Optimizer):
    """`u = max(beta_2 * u, |g|); w -= rate / (1 - beta_1**t) * m / (u + epsilon)` with `m` the moving mean of `g`.

    torch: `torch.optim.Adamax`, which adds its `eps` before the maximum.

    Args:
        learning_rate: number, schedule or callable.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the highest gradient.
        epsilon: added to the highest gradient.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = Adamax(learning_rate=0.1).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.9
    """

    learning_rate = learning_rate_field(0.001)
    beta_1 = number_field("beta_1", 0.9)
    beta_2 = number_field("beta_2", 0.999)
    epsilon = epsilon_field()

    _settings_of_torch = {"betas": ("beta_1", "beta_2")}

    def states(self):
        yield {"_m": "momentum", "_u": "norm"}

    @by_element
    def update_together(self, group, grads, learning_rate):
        momentums, norms = group.slots["momentum"], group.slots["norm"]
        number = number_of(group.dtype)
        rate = float(number(learning_rate) / (1 - number(self.beta_1) ** number(self._updates_done() + 1)))
        torch._foreach_lerp_(momentums, grads, 1.0 - self.beta_1)
        torch._foreach_mul_(norms, self.beta_2)
        torch._foreach_maximum_(norms, torch._foreach_abs(grads))
        divisors = torch._foreach_add(norms, self.epsilon)
        torch._foreach_addcdiv_(group.params, momentums, divisors, value=-rate)
