"""Adafactor: Adam's second moment kept as a row and a column. Source: Shazeer and Stern 2018,
https://arxiv.org/abs/1804.04235.

May import core and the optimizer base.
"""

import numpy as np
import torch

from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.variable import Variable
from torchkeras.optimizers.groups import by_tensor, refuse_complex
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, number_field


@published("optimizer", "keras.optimizers", aliases=("adafactor",))
class Adafactor(Optimizer):
    """Steps in the size of the variable, over the root of a mean square whose last two axes are factored.

    With `s = g**2 + epsilon_1` and `beta_2 = 1 - t**beta_2_decay`: `r` and `c` are moving means of the row and column
    means of `s`, `v = r * c / mean(r)`; variables of fewer than two axes keep `v` itself. Then `u = g / sqrt(v)`,
    divided by `rms(u) / clip_threshold` where that is above 1, and
    `w -= max(epsilon_2, rms(w)) * min(rate, 1 / sqrt(t)) * u`.

    Args:
        learning_rate: number, schedule or callable.
        beta_2_decay: power of the step, negative.
        epsilon_1: added to squared gradients.
        epsilon_2: smallest size of a variable.
        clip_threshold: largest root mean square of an update.
        relative_step: kept for configs: the rate never exceeds `1 / sqrt(t)` either way, as in Keras.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in `Optimizer`.

    Example:
        >>> v = keras.Variable(10.0)
        >>> counter = Adafactor(learning_rate=0.1).minimize(lambda: v ** 2 / 2.0, [v])
        >>> round(float(v), 4)
        9.0

    torch: `torch.optim.Adafactor`, which weighs its epsilons otherwise.
    """

    learning_rate = learning_rate_field(0.001)
    beta_2_decay = number_field("beta_2_decay", -0.8)
    epsilon_1 = number_field("epsilon_1", 1e-30)
    epsilon_2 = number_field("epsilon_2", 1e-3)
    clip_threshold = number_field("clip_threshold", 1.0)
    relative_step = field(True)

    def build(self, variables):
        """Binds the optimizer; each variable gets a row, a column and their product."""
        if self.built:
            return
        variables = list(variables)
        refuse_complex("Adafactor", variables, "use Adam")
        super().build(variables)
        self._r, self._c, self._v = [], [], []
        for variable in self._trainable_variables:
            if getattr(variable, "overwrite_with_gradient", False):
                row = column = whole = None
            else:
                row, column = self._factor(variable, -1, "row"), self._factor(variable, -2, "column")
                whole = self.add_variable_from_reference(variable, "velocity")
            self._r.append(row)
            self._c.append(column)
            self._v.append(whole)

    def _derived(self):
        """The places that stay 0."""
        states = [*self._r, *self._c] if self.built else []
        return [each for each in states if each is not None and not each.dim()]

    def _state_by_kind(self):
        found = {"row": self._r, "column": self._c, "velocity": self._v}
        return {
            kind: [
                (variable, each)
                for variable, each in zip(self._trainable_variables, states)
                if each is not None and each.dim()
            ]
            for kind, states in found.items()
        }

    def _factor(self, variable, axis, kind):
        """State for the means over an axis; for variables of fewer than two axes a place that stays 0, as in files."""
        if variable.dim() < 2:
            made = Variable(0, trainable=False, name=variable.name)
            self._track(made)
            return made
        shape = list(variable.shape)
        del shape[axis]
        made = self.add_variable(shape, dtype=variable.dtype, name=variable.name)
        made.data = made.to(variable.device)
        self.state[variable][kind] = made
        return made

    @by_tensor
    def update_together(self, group, grads, learning_rate):
        step = np.float32(self._updates_done() + 1)
        rate = min(learning_rate, float(1 / np.sqrt(step)))
        self._update_squares(group, grads, new=float(step ** np.float32(self.beta_2_decay)))
        updates = torch._foreach_rsqrt(group.slots["velocity"])
        torch._foreach_mul_(updates, grads)
        excess = _sizes(group, updates) / self.clip_threshold
        factors = _sizes(group, group.params).clamp_(min=self.epsilon_2) / excess.clamp_(min=1.0)
        torch._foreach_addcmul_(group.params, updates, list(factors.unbind()), value=-rate)

    def _update_squares(self, group, grads, new):
        """Moves the mean squares; `new` is the share of the gradients' own."""
        squares, velocities = torch._foreach_mul(grads, grads), group.slots["velocity"]
        if "row" not in group.slots:
            torch._foreach_add_(squares, self.epsilon_1)
            torch._foreach_lerp_(velocities, squares, new)
            return
        rows, columns = group.slots["row"], group.slots["column"]
        for means, axis in ((rows, -1), (columns, -2)):
            seen = [square.mean(axis) for square in squares]
            torch._foreach_add_(seen, self.epsilon_1)
            torch._foreach_lerp_(means, seen, new)
        for velocity, row, column in zip(velocities, rows, columns, strict=True):
            torch.mul((row / row.mean(-1, keepdim=True)).unsqueeze(-1), column.unsqueeze(-2), out=velocity)


def _sizes(group, tensors):
    """Root mean squares of tensors shaped as the parameters, in one tensor."""
    if "roots" not in group.memo:
        counts = torch.tensor([float(p.numel()) for p in group.params], dtype=torch.float64)
        group.memo["roots"] = counts.sqrt().to(group.device, group.dtype)
    return torch.stack(torch._foreach_norm(tensors)) / group.memo["roots"]
