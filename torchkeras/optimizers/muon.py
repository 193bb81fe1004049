"""Muon: momentum made orthogonal, for matrices; AdamW for everything else. Source: Jordan et al. 2024,
https://kellerjordan.github.io/posts/muon; scale of the update: Liu et al. 2025, https://arxiv.org/abs/2502.16982.

May import core, the optimizer base and Adam's update.
"""

import re

import torch

from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.optimizers.adam import adam_update, corrected_rate
from torchkeras.optimizers.groups import by_tensor, refuse_complex
from torchkeras.optimizers.learning_rate import learning_rate_field
from torchkeras.optimizers.optimizer import Optimizer, epsilon_field, number_field


def _patterns(value):
    patterns = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else value
    if value is None:
        return []
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise InvalidArgumentError(f"`exclude_layers` must be a list of regular expressions, got {value!r}.")
    return patterns


@published("optimizer", "keras.optimizers", aliases=("muon",))
class Muon(Optimizer):
    """`m = momentum * m + g; w -= rate * orthogonal(m) * sqrt(max(rows, columns)) * rms_rate` for matrices.

    `orthogonal` is a few Newton-Schulz iterations `x = a x + (b x x' + c (x x')**2) x`. Variables that have another
    number of axes than two, embeddings, and those that `exclude_layers` names take AdamW's steps. The last Dense layer
    of a model belongs to them too: name it.

    Args:
        learning_rate: number, schedule or callable.
        adam_beta_1, adam_beta_2, adam_weight_decay, epsilon: of AdamW.
        weight_decay: of the matrices.
        clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor,
            gradient_accumulation_steps, name: as in `Optimizer`.
        exclude_layers: regular expressions; a variable with one in its path takes AdamW's steps.
        exclude_embeddings: whether variables with "embedding" in their path do.
        muon_a, muon_b, muon_c: of the iterations.
        adam_lr_ratio: AdamW's rate over `learning_rate`.
        momentum: share of the mean that stays.
        ns_steps: number of iterations.
        nesterov: whether the step looks ahead: `orthogonal(g + momentum * m)`.
        rms_rate: size of an update's entries; None leaves out the scale.

    Example:
        >>> v = keras.Variable([[3.0, 0.0], [0.0, 1.0]])
        >>> counter = Muon(0.1, weight_decay=None).minimize(lambda: (v ** 2).sum() / 2.0, [v])
        >>> bool((v.diagonal() < torch.tensor([3.0, 1.0])).all())
        True

    torch: `torch.optim.Muon`, for matrices only.
    """

    learning_rate = learning_rate_field(0.001)
    adam_beta_1 = number_field("adam_beta_1", 0.9)
    adam_beta_2 = number_field("adam_beta_2", 0.999)
    adam_weight_decay = number_field("adam_weight_decay", 0.004, optional=True)
    epsilon = epsilon_field()
    weight_decay = number_field("weight_decay", 0.004, optional=True)
    exclude_layers = field(None, convert=_patterns, after="name")
    exclude_embeddings = field(True, after="name")
    muon_a = number_field("muon_a", 3.4445, after="name")
    muon_b = number_field("muon_b", -4.775, after="name")
    muon_c = number_field("muon_c", 2.0315, after="name")
    adam_lr_ratio = number_field("adam_lr_ratio", 1, after="name")
    momentum = number_field("momentum", 0.95, after="name")
    ns_steps = number_field("ns_steps", 5, after="name")
    nesterov = field(True, after="name")
    rms_rate = number_field("rms_rate", 0.2, after="name", optional=True)

    def build(self, variables):
        """Binds the optimizer: a momentum for each variable, AdamW's mean square where that one steps."""
        if self.built:
            return
        variables = list(variables)
        refuse_complex("Muon", variables, "use Adam")
        super().build(variables)
        self.momentums, self.adam_velocities = [], []
        for variable in self._trainable_variables:
            momentum = velocity = None
            if not getattr(variable, "overwrite_with_gradient", False):
                momentum = self.add_variable_from_reference(variable, "momentum")
                if self._should_use_adamw(variable):
                    velocity = self.add_variable_from_reference(variable, "velocity")
            self.momentums.append(momentum)
            self.adam_velocities.append(velocity)

    def _should_use_adamw(self, variable):
        path = getattr(variable, "path", None) or ""
        if variable.dim() != 2 or self.exclude_embeddings and "embedding" in path.lower():
            return True
        return any(re.search(pattern, path) for pattern in self.exclude_layers)

    def _has_extras(self):
        return bool(self.adam_weight_decay) or super()._has_extras()

    def _decay_weights(self, group, rate):
        self._shrink(group, self.adam_weight_decay if "velocity" in group.slots else self.weight_decay, rate)

    @by_tensor
    def update_together(self, group, grads, learning_rate):
        if "velocity" in group.slots:
            betas = self.adam_beta_1, self.adam_beta_2
            rate = learning_rate * self.adam_lr_ratio
            rate = corrected_rate(rate, self._updates_done() + 1, *betas, group.dtype)
            adam_update(group, grads, rate, *betas, self.epsilon)
            return
        momentums = group.slots["momentum"]
        torch._foreach_mul_(momentums, float(self.momentum))
        torch._foreach_add_(momentums, grads)
        directions = torch._foreach_add(grads, momentums, alpha=float(self.momentum)) if self.nesterov else momentums
        for members in _by_shape(group):
            params = [group.params[i] for i in members]
            moves = self._orthogonal(torch.stack([directions[i] for i in members]))
            scale = 1.0 if self.rms_rate is None else max(params[0].shape) ** 0.5 * self.rms_rate
            torch._foreach_add_(params, list(moves.unbind()), alpha=-learning_rate * scale)

    def _orthogonal(self, matrices):
        """Nearly the closest matrices with orthonormal rows or columns, of a stack."""
        tall = matrices.shape[-2] > matrices.shape[-1]
        x = matrices.mT if tall else matrices
        x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
        for _ in range(self.ns_steps):
            square = x @ x.mT
            mixed = torch.baddbmm(square, square, square, beta=self.muon_b, alpha=self.muon_c)
            x = torch.baddbmm(x, mixed, x, beta=self.muon_a)
        return x.mT if tall else x

    def get_config(self):
        """The arguments, in Keras's order, which differs from the constructor's."""
        config = super().get_config()
        for name in ("exclude_embeddings", "adam_weight_decay", "rms_rate"):
            config[name] = config.pop(name)
        return config


def _by_shape(group):
    """The positions of a group's matrices, those of one shape together: a stack of them is one multiplication."""
    if "shapes" not in group.memo:
        found = {}
        for i, param in enumerate(group.params):
            found.setdefault(param.shape, []).append(i)
        group.memo["shapes"] = list(found.values())
    return group.memo["shapes"]
