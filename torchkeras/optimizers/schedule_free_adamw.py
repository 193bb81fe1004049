"""ScheduleFreeAdamW: Adam that averages its own iterates instead of lowering its rate. Source: Defazio et al. 2024,
https://arxiv.org/abs/2405.15682.

May import core and the optimizer base.
"""

import math

import torch

from torchkeras.core.registry import published
from torchkeras.optimizers.adam import adam_update, number_of
from torchkeras.optimizers.groups import by_element, zeros_like
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, epsilon_field, number_field


@published("optimizer", "keras.optimizers", aliases=("schedulefreeadamw",))
class ScheduleFreeAdamW(Optimizer):
    """A fast sequence `z` takes Adam's steps, the variable `w` follows it and the mean of all `z`.

    `z -= rate * g / (sqrt(v_hat) + epsilon)`, with `v_hat` Adam's corrected mean of `g**2`, and
    `w = (1 - beta_1) * z + beta_1 * x`, with `x` the mean of all `z`. Neither Keras nor this class keeps `x`: it is
    what `w` says of it.

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
        fast, step = group.slots["momentum"], self._updates_done() + 1
        if self.warmup_steps > 0:
            learning_rate *= min(step / self.warmup_steps, 1.0)
        number = number_of(group.dtype)
        beta_2 = number(self.beta_2)
        scale = math.sqrt(1 - beta_2 ** number(step))  # of the roots; out of them, it is in the rate
        rate, epsilon = learning_rate * scale, self.epsilon * scale
        if self.beta_1:
            torch._foreach_lerp_(group.params, fast, 1.0 - 1.0 / self.beta_1)  # the mean x
        means = zeros_like(grads)  # of the gradients: with a `beta_1` of zero they are the gradients themselves
        adam_update(group, grads, rate, 0.0, float(beta_2), epsilon, moving=fast, momentums=means)
        torch._foreach_lerp_(group.params, fast, 1.0 - (1.0 - 1.0 / step) * self.beta_1)
