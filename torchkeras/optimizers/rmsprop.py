"""RMSprop: gradients over the root of their mean square. Source: Hinton 2012, lecture 6 of "Neural Networks for Machine
Learning".

May import core and the optimizer base.
"""

import torch

from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.optimizers.groups import by_element
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, epsilon_field, number_field


@published("optimizer", "keras.optimizers", aliases=("rmsprop",))
class RMSprop(Optimizer):
    """`v = rho * v + (1 - rho) * g**2; w -= rate * g / sqrt(v + epsilon)`.

    torch's `RMSprop` adds its `eps` outside of the root, and its momentum keeps the learning rate outside.

    Args:
        learning_rate: number, schedule or callable.
        rho: decay of the mean square.
        momentum: share of the last update that is added to this one.
        epsilon: added under the root.
        centered: whether the square of the mean gradient is taken off the mean square.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = RMSprop(learning_rate=0.1).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.6838
    """

    learning_rate = learning_rate_field(0.001)
    rho = number_field("rho", 0.9)
    momentum = number_field("momentum", 0.0)
    epsilon = epsilon_field()
    centered = field(False)

    _settings_of_torch = {"momentum": ("momentum",)}

    def states(self):
        yield {"_velocities": "velocity"}
        if self.momentum > 0:
            yield {"_momentums": "momentum"}
        if self.centered:
            yield {"_average_gradients": "average_gradient"}

    @by_element
    def update_together(self, group, grads, learning_rate):
        velocities, momentums = group.slots["velocity"], group.slots.get("momentum")
        torch._foreach_mul_(velocities, self.rho)
        torch._foreach_addcmul_(velocities, grads, grads, value=1.0 - self.rho)
        roots = torch._foreach_add(velocities, self.epsilon)
        if self.centered:
            averages = group.slots["average_gradient"]
            torch._foreach_lerp_(averages, grads, 1.0 - self.rho)
            torch._foreach_addcmul_(roots, averages, averages, value=-1.0)
        torch._foreach_sqrt_(roots)
        if momentums is None:
            torch._foreach_addcdiv_(group.params, grads, roots, value=-learning_rate)
        else:
            torch._foreach_mul_(momentums, self.momentum)
            torch._foreach_addcdiv_(momentums, grads, roots, value=learning_rate)
            torch._foreach_sub_(group.params, momentums)
