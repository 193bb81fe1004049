"""SGD: gradient descent, with momentum and Nesterov momentum.

May import core and the optimizer base.
"""

import torch

from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.optimizers.groups import SHORT, by_element
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, number_field


@published("optimizer", "keras.optimizers", aliases=("sgd",))
class SGD(Optimizer):
    """Gradient descent: `w -= rate * g`; with momentum `v = momentum * v - rate * g; w += v`.

    The learning rate is part of the velocity, so a rate that changes acts on later gradients only. torch's `SGD` keeps
    it outside: both agree as long as the rate is constant.

    Args:
        learning_rate: number, schedule or callable.
        momentum: share of the velocity that stays, between 0 and 1.
        nesterov: whether the update looks ahead: `w += momentum * v - rate * g`.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = SGD(learning_rate=0.1).minimize(lambda: v ** 2 / 2.0, [v])
        >>> float(v)
        9.0
    """

    learning_rate = learning_rate_field(0.01)
    momentum = number_field("momentum", 0.0, 0, 1)
    nesterov = field(False)

    momentums = ()  # the velocities, under Keras's name
    _settings_of_torch = {"momentum": ("momentum",)}

    def states(self):
        if self.momentum:
            yield {"momentums": "momentum"}

    def _zero_is_nothing(self):
        return not self.momentum

    def _unit(self, group):
        # One kernel, but for Nesterov's momentum; torch's with momentum does not move short floats (CPU, torch 2.13).
        several = self.nesterov or not group.fused or self.momentum and group.dtype in SHORT
        return super()._unit(group) if several else None

    @by_element
    def update_together(self, group, grads, learning_rate):
        params, velocities = group.params, group.slots.get("momentum")
        if velocities is None:
            torch._foreach_add_(params, grads, alpha=-learning_rate)
        elif self.nesterov:
            torch._foreach_mul_(velocities, self.momentum)
            torch._foreach_add_(velocities, grads, alpha=-learning_rate)
            torch._foreach_add_(params, velocities, alpha=self.momentum)
            torch._foreach_add_(params, grads, alpha=-learning_rate)
        elif group.fused:
            _fused_momentum(group, grads, self.momentum, learning_rate)
        else:
            torch._foreach_mul_(velocities, self.momentum)
            torch._foreach_add_(velocities, grads, alpha=-learning_rate)
            torch._foreach_add_(params, velocities)


def _fused_momentum(group, grads, momentum, rate):
    """Keras's formula by torch's fused kernel, which computes `v = momentum * v + (1 - dampening) * g; w -= lr * v`.

    A dampening of `1 + rate` puts the learning rate into the velocity, a learning rate of -1 adds the velocity as it
    is.
    """
    params, grads, slots = group.stored(grads)
    torch._fused_sgd_(
        params,
        grads,
        slots["momentum"],
        weight_decay=0.0,
        momentum=momentum,
        lr=-1.0,
        dampening=1.0 + rate,
        nesterov=False,
        maximize=False,
        is_first_step=False,
        grad_scale=None,
        found_inf=None,
    )
