"""Adagrad: each element's own rate, which sinks with the gradients seen. Source: Duchi et al. 2011,
https://jmlr.org/papers/v12/duchi11a.html.

May import core, initializers and the optimizer base.
"""

import torch

from torchkeras import initializers
from torchkeras.core.registry import published
from torchkeras.optimizers.groups import by_element
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, epsilon_field, number_field


@published("optimizer", "keras.optimizers", aliases=("adagrad",))
class Adagrad(Optimizer):
    """`a += g**2; w -= rate * g / sqrt(a + epsilon)`.

    torch's `Adagrad` adds its `eps` outside of the root, and begins its sums at 0.

    Args:
        learning_rate: number, schedule or callable.
        initial_accumulator_value: where the sums of squares begin.
        epsilon: added under the root.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = Adagrad(learning_rate=0.1).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.9001
    """

    learning_rate = learning_rate_field(0.001)
    initial_accumulator_value = number_field("initial_accumulator_value", 0.1)
    epsilon = epsilon_field()

    def states(self):
        yield {"_accumulators": ("accumulator", initializers.Constant(self.initial_accumulator_value))}

    def _zero_is_nothing(self):
        return True

    @by_element
    def update_together(self, group, grads, learning_rate):
        accumulators = group.slots["accumulator"]
        torch._foreach_addcmul_(accumulators, grads, grads)
        roots = torch._foreach_add(accumulators, self.epsilon)
        torch._foreach_sqrt_(roots)
        torch._foreach_addcdiv_(group.params, grads, roots, value=-learning_rate)
