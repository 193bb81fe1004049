"""FTRL: follow the regularized leader, for sparse linear models. Source: McMahan et al. 2013,
https://research.google/pubs/ad-click-prediction-a-view-from-the-trenches.

May import core, initializers and the optimizer base.
"""

import math

import torch

from torchkeras import initializers
from torchkeras.core.registry import published
from torchkeras.optimizers.groups import by_element
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, number_field


@published("optimizer", "keras.optimizers", aliases=("ftrl",))
class Ftrl(Optimizer):
    """The variable that would have been best so far, under L1 and L2 penalties.

    With `n += g**2` and `s(n) = n**-learning_rate_power / rate`:
    `z += g - (s(n) - s(n before)) * w; w = (clip(z, -l1, l1) - z) / (s(n) + 2 * l2 + beta / rate)`.

    Args:
        learning_rate: number, schedule or callable.
        learning_rate_power: not above 0; 0 keeps the rate, -0.5 divides it by the root of `n`.
        initial_accumulator_value: where `n` begins.
        l1_regularization_strength, l2_regularization_strength: `l1` and `l2` of the formula.
        l2_shrinkage_regularization_strength: an L2 penalty on the size of the variable: `2 * strength * w` is added to
            the gradient in `z`.
        beta: of the paper.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = Ftrl(learning_rate=0.1).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.584
    """

    learning_rate = learning_rate_field(0.001)
    learning_rate_power = number_field("learning_rate_power", -0.5, most=0.0)
    initial_accumulator_value = number_field("initial_accumulator_value", 0.1, least=0.0)
    l1_regularization_strength = number_field("l1_regularization_strength", 0.0, least=0.0)
    l2_regularization_strength = number_field("l2_regularization_strength", 0.0, least=0.0)
    l2_shrinkage_regularization_strength = number_field("l2_shrinkage_regularization_strength", 0.0, least=0.0)
    beta = number_field("beta", 0.0)

    def states(self):
        accumulator = ("accumulator", initializers.Constant(self.initial_accumulator_value))
        yield {"_accumulators": accumulator, "_linears": "linear"}

    @by_element
    def update_together(self, group, grads, learning_rate):
        if not learning_rate:
            raise ValueError("Ftrl divides by its learning rate, which is 0 now: let a warm-up start above it.")
        params, sums, linears = group.params, group.slots["accumulator"], group.slots["linear"]
        l1, l2 = self.l1_regularization_strength, self.l2_regularization_strength
        torch._foreach_add_(linears, grads)
        before = self._powers(sums)
        torch._foreach_addcmul_(sums, grads, grads)
        scales = self._powers(sums)
        torch._foreach_sub_(before, scales)
        if self.l2_shrinkage_regularization_strength:
            torch._foreach_add_(linears, params, alpha=2.0 * self.l2_shrinkage_regularization_strength)
        torch._foreach_addcmul_(linears, before, params, value=1.0 / learning_rate if learning_rate else math.inf)
        if l2 or self.beta:
            torch._foreach_add_(scales, 2.0 * l2 * learning_rate + self.beta)
        beyond = linears
        if l1:
            within = torch._foreach_clamp_max(linears, l1)
            torch._foreach_clamp_min_(within, -l1)
            beyond = torch._foreach_sub(linears, within)
        torch._foreach_zero_(params)
        torch._foreach_addcdiv_(params, beyond, scales, value=-learning_rate)

    def _powers(self, sums):
        power = -self.learning_rate_power
        return torch._foreach_sqrt(sums) if power == 0.5 else torch._foreach_pow(sums, power)
