"""Adadelta: steps in the units of earlier steps. Source: Zeiler 2012, https://arxiv.org/abs/1212.5701.

May import core and the optimizer base.
"""

import torch

from torchkeras.core.registry import published
from torchkeras.optimizers.groups import by_element
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, epsilon_field, number_field


@published("optimizer", "keras.optimizers", aliases=("adadelta",))
class Adadelta(Optimizer):
    """`d = g * sqrt(s + epsilon) / sqrt(a + epsilon); w -= rate * d`; `a`, `s`: moving means of `g**2`, `d**2`.

    The paper's rate is 1. torch: `torch.optim.Adadelta(params, lr, rho, eps)`, the same numbers.

    Args:
        learning_rate: number, schedule or callable.
        rho: decay of both means.
        epsilon: added under both roots.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = Adadelta(learning_rate=1.0).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.9986
    """

    learning_rate = learning_rate_field(0.001)
    rho = number_field("rho", 0.95)
    epsilon = epsilon_field()

    def states(self):
        yield {"_accumulated_grads": "accumulated_grad", "_accumulated_delta_vars": "accumulated_delta_var"}

    @by_element
    def update_together(self, group, grads, learning_rate):
        squares, steps = group.slots["accumulated_grad"], group.slots["accumulated_delta_var"]
        torch._foreach_mul_(squares, self.rho)
        torch._foreach_addcmul_(squares, grads, grads, value=1.0 - self.rho)
        deltas = torch._foreach_add(steps, self.epsilon)
        torch._foreach_div_(deltas, torch._foreach_add(squares, self.epsilon))
        torch._foreach_sqrt_(deltas)
        torch._foreach_mul_(deltas, grads)
        torch._foreach_mul_(steps, self.rho)
        torch._foreach_addcmul_(steps, deltas, deltas, value=1.0 - self.rho)
        torch._foreach_add_(group.params, deltas, alpha=-learning_rate)
