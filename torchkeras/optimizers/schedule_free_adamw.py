"""ScheduleFreeAdamW: Adam that averages its own iterates instead of lowering its rate. Source: Defazio et al. 2024,
https://arxiv.org/abs/2405.15682.

May import core and the optimizer base.
"""

import math

import torch

from torchkeras.core.registry import published
from torchkeras.optimizers.adam import number_of
from torchkeras.optimizers.groups import by_element
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, epsilon_field, number_field


@published("optimizer", "keras.optimizers", aliases=("schedulefreeadamw",))
class ScheduleFreeAdamW(Optimizer):
    """A fast sequence `z` takes Adam's steps, the variable `w` follows it and the mean of all `z`.

    `d = rate * g / (sqrt(v_hat) + epsilon); z -= d; w += (z - w) / t - (1 - 1 / t) * (1 - beta_1) * d`, with `v_hat`
    Adam's corrected mean of `g**2` and `t` the number of the step. The paper computes the mean `x` apart; here it is
    `w = (1 - beta_1) * z + beta_1 * x` solved for the new `w`, which saves a copy of the variables.

    Args:
        learning_rate: number, schedule or callable.
        beta_1: share of the mean in the variable.
        beta_2: decay of the mean of squared gradients.
        epsilon: added to the root.
        warmup_steps: number of steps over which the rate rises to its value.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = ScheduleFreeAdamW(learning_rate=0.1).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.9
    """

    learning_rate = learning_rate_field(0.0025)
    beta_1 = number_field("beta_1", 0.9)
    beta_2 = number_field("beta_2", 0.999)
    epsilon = epsilon_field(1e-8)
    warmup_steps = number_field("warmup_steps", 0)

    def states(self):
        yield {"_momentums": "momentum", "_velocities": "velocity"}

    def build(self, variables):
        was_built = self.built
        super().build(variables)
        if not was_built:
            with torch.no_grad():
                for momentum, variable in zip(self._momentums, self._trainable_variables, strict=True):
                    if momentum is not None:
                        momentum.copy_(variable)

    @by_element
    def update_together(self, group, grads, learning_rate):
        momentums, velocities = group.slots["momentum"], group.slots["velocity"]
        step, number = self._updates_done() + 1, number_of(group.dtype)
        if self.warmup_steps > 0:
            learning_rate *= min(step / self.warmup_steps, 1.0)
        beta_2 = number(self.beta_2)
        torch._foreach_mul_(velocities, float(beta_2))
        torch._foreach_addcmul_(velocities, grads, grads, value=float(1 - beta_2))
        scale = math.sqrt(1 - beta_2 ** number(step))  # of the roots; out of the formula, it is in the rate
        learning_rate *= scale
        roots = torch._foreach_sqrt(velocities)
        torch._foreach_add_(roots, self.epsilon * scale)
        torch._foreach_addcdiv_(momentums, grads, roots, value=-learning_rate)
        torch._foreach_lerp_(group.params, momentums, 1.0 / step)
        share = (1.0 - 1.0 / step) * (1.0 - self.beta_1)
        torch._foreach_addcdiv_(group.params, grads, roots, value=-share * learning_rate)
