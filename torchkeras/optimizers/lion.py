"""Lion: the sign of an average. Source: Chen et al. 2023, https://arxiv.org/abs/2302.06675.

May import core and the optimizer base.
"""

import torch

from torchkeras.core.arguments import number
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.optimizers.groups import by_element
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, number_field


def _decay(value):
    value = number("beta_1")(value)
    if not 0 < value <= 1:
        raise InvalidArgumentError(f"`beta_1` of Lion must lie above 0 and not above 1, got {value!r}.")
    return value


@published("optimizer", "keras.optimizers", aliases=("lion",))
class Lion(Optimizer):
    """`w -= rate * sign(beta_1 * m + (1 - beta_1) * g); m = beta_2 * m + (1 - beta_2) * g`.

    Every element moves by the rate, which should be three to ten times smaller than Adam's.

    Args:
        learning_rate: number, schedule or callable.
        beta_1: share of the mean in the direction of a step, above 0.
        beta_2: decay of the mean of gradients.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = Lion(learning_rate=0.1).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.9
    """

    learning_rate = learning_rate_field(0.001)
    beta_1 = field(0.9, convert=_decay)
    beta_2 = number_field("beta_2", 0.99)

    _settings_of_torch = {"betas": ("beta_1", "beta_2")}

    def states(self):
        yield {"_momentums": "momentum"}

    @by_element
    def update_together(self, group, grads, learning_rate):
        momentums = group.slots["momentum"]
        directions = torch._foreach_lerp(momentums, grads, 1.0 - self.beta_1)
        torch._foreach_sign_(directions)
        torch._foreach_add_(group.params, directions, alpha=-learning_rate)
        torch._foreach_lerp_(momentums, grads, 1.0 - self.beta_2)
