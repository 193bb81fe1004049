"""Nadam: Adam with Nesterov's look ahead. Source: Dozat 2015, https://cs229.stanford.edu/proj2015/054_report.pdf.

May import core and the optimizer base.
"""

import math

import torch

from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.registry import published
from torchkeras.optimizers.adam import adam_update, number_of
from torchkeras.optimizers.groups import by_element
from torchkeras.optimizers.host_scalar import host_scalar
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, epsilon_field, number_field


@published("optimizer", "keras.optimizers", aliases=("nadam",))
class Nadam(Optimizer):
    """`w -= rate * m_hat / (sqrt(v_hat) + epsilon)`, where `m_hat` already counts this gradient as the next step will.

    With `u(t) = beta_1 * (1 - 0.96**t / 2)` and `U(t) = u(1) * … * u(t)`:
    `m_hat = u(t + 1) * m / (1 - U(t + 1)) + (1 - u(t)) * g / (1 - U(t))`; `v_hat` is Adam's.
    torch: `torch.optim.NAdam`.

    Args:
        learning_rate: number, schedule or callable.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of their squares.
        epsilon: added to the root.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = Nadam(learning_rate=0.1).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.8937
    """

    learning_rate = learning_rate_field(0.001)
    beta_1 = number_field("beta_1", 0.9)
    beta_2 = number_field("beta_2", 0.999)
    epsilon = epsilon_field()

    _settings_of_torch = {"betas": ("beta_1", "beta_2")}

    def states(self):
        yield {"_momentums": "momentum", "_velocities": "velocity"}

    def build(self, variables):
        was_built = self.built
        super().build(variables)
        if not was_built:
            self._u_product = host_scalar(1.0, torch_dtype(None), "variable")

    def _derived(self):
        return [self._u_product] if self.built else []

    def _recall(self, given):
        """The product that so many steps give."""
        if not self.built or any(self._u_product is variable for variable in given):
            return
        number = number_of(self._u_product.dtype)
        product, beta_1 = number(1.0), number(self.beta_1)
        for step in range(1, self._updates_done() + 1):
            product = product * _share(beta_1, step)
            if not product:
                break
        self._u_product.fill_(float(product))

    def begin_update(self):
        number = number_of(self._u_product.dtype)
        share = _share(number(self.beta_1), self._updates_done() + 1)
        self._u_product.fill_(float(number(self._u_product.host) * share))

    @by_element
    def update_together(self, group, grads, learning_rate):
        number, step = number_of(group.dtype), self._updates_done() + 1
        beta_1, beta_2 = number(self.beta_1), number(self.beta_2)
        product, now, ahead = number(self._u_product.host), _share(beta_1, step), _share(beta_1, step + 1)
        of_mean, of_gradient = float(ahead / (1 - product * ahead)), float((1 - now) / (1 - product))
        whole, scale = of_mean + of_gradient, math.sqrt(1 - beta_2 ** number(step))  # scale: of v's root, in the rate
        before = torch._foreach_mul(group.slots["momentum"], 1.0)
        torch._foreach_lerp_(group.slots["momentum"], grads, 1.0 - self.beta_1)
        # `m_hat` over `whole` is a mean of the old `m` and of `g`, only with another share than the new `m`.
        rate, share = learning_rate * whole * scale, self.beta_1 * of_mean / whole
        adam_update(group, grads, rate, share, self.beta_2, self.epsilon * scale, momentums=before)


def _share(beta_1, step):
    """`u(step)`, in the type of `beta_1`."""
    number = type(beta_1)
    return beta_1 * (1 - number(0.5) * number(0.96) ** number(step))
