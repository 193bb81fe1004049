"""LossScaleOptimizer: keeps float16 gradients from vanishing by scaling the loss.

May import core and the optimizer base.
"""

import torch

from torchkeras.core import scopes
from torchkeras.core.conversion import as_tensor
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.core.transforms import outside_graphs
from torchkeras.errors import UnknownArgumentError
from torchkeras.optimizers import gradients
from torchkeras.optimizers.host_scalar import host_scalar
from torchkeras.optimizers.optimizer import Optimizer

# Older files hold these for the wrapper too; anything but the default belongs to the inner optimizer.
_INNER_ONLY = {
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


def _optimizer(config):
    """An optimizer that stands in a config, as an object."""
    return deserialize_keras_object(config, kinds=("optimizer", "torch optimizer"), printable_name="optimizer")


@published("optimizer", "keras.optimizers", aliases=("lossscaleoptimizer",))
class LossScaleOptimizer(Optimizer):
    """Wraps an optimizer and scales the loss by a factor that adapts itself.

    A step with a gradient that is not finite is left out and halves the scale; after `dynamic_growth_steps` good steps
    in a row it is doubled. Each step waits for the device once, to know whether its gradients are finite.

    Args:
        inner_optimizer: the optimizer that does the updates.
        initial_scale: the first scale.
        dynamic_growth_steps: number of good steps after which the scale is doubled.
        name: by default `loss_scale_optimizer`, made unique.

    Keras 2's `dynamic=False` is accepted: the scale then stays `initial_scale`.

    torch's equivalent is `torch.amp.GradScaler`.
    """

    inner_optimizer = field(load=_optimizer)

    def __init__(self, inner_optimizer, initial_scale=2.0**15, dynamic_growth_steps=2000, name=None, **kwargs):
        if isinstance(initial_scale, bool):  # Keras 2 had `dynamic` in this place
            kwargs["dynamic"], initial_scale = initial_scale, 2.0**15
        dynamic = bool(kwargs.pop("dynamic", True))
        for key in list(kwargs):
            if key not in _INNER_ONLY:
                raise UnknownArgumentError(f"LossScaleOptimizer got the unknown argument `{key}`.")
            if kwargs[key] != _INNER_ONLY[key]:
                raise ValueError(f"LossScaleOptimizer does not support `{key}`: set it on the inner optimizer.")
        super().__init__(inner_optimizer, learning_rate=0.0, name=name)
        self.dynamic = dynamic
        self.initial_scale = 2.0**15 if initial_scale is None else initial_scale
        self.dynamic_growth_steps = 2000 if dynamic_growth_steps is None else dynamic_growth_steps
        inner_optimizer.loss_scale_factor = None  # or gradients would be scaled twice
        # What torch's schedulers look at and write to.
        self.param_groups, self.defaults = inner_optimizer.param_groups, inner_optimizer.defaults

    def build(self, variables):
        """Builds the inner optimizer, and the counter and the scale."""
        if self.built:
            return
        variables = list(variables)  # may be model.parameters(), which is gone through once
        with scopes.name_scope(self.name):
            self.step_counter = host_scalar(0, torch.int32, "step_counter")
            self.dynamic_scale = host_scalar(float(self.initial_scale), torch.float32, "dynamic_scale")
        super().build(variables)
        inner = self.inner_optimizer
        inner._lists_derived = inner.built and inner._lists_derived
        inner.build(variables)
        self.state, self.param_groups = inner.state, inner.param_groups  # one truth for torch's tools

    @property
    def variables(self):
        """The wrapper's own variables, then those of the inner optimizer."""
        return type(self.inner_optimizer.variables)([*self._variables, *self.inner_optimizer.variables])

    def _derived(self):
        return self.inner_optimizer._derived()

    def _recall(self, given):
        self.inner_optimizer._recall(given)

    @property
    def learning_rate(self):
        """The inner optimizer's learning rate."""
        return self.inner_optimizer.learning_rate if "inner_optimizer" in self.__dict__ else self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.inner_optimizer.learning_rate = value

    lr = learning_rate

    @property
    def iterations(self):
        """The inner optimizer's counter: left-out steps do not count."""
        return self.inner_optimizer.iterations

    @iterations.setter
    def iterations(self, value):
        self.inner_optimizer.iterations = value

    @property
    def loss_scale(self):
        """The current scale, under Keras 2's name."""
        return self.dynamic_scale if self.built else self.initial_scale

    def _scale(self):
        return self.dynamic_scale.host if self.built else float(self.initial_scale)

    def scale_loss(self, loss):
        """The loss times the current scale, to be differentiated instead of the loss."""
        if torch.compiler.is_compiling():  # a number would be part of the graph
            return loss * self.dynamic_scale.to(loss.device)
        return loss * self._scale()

    def check_finite(self, grads):
        """Whether no gradient holds an infinity or a NaN."""
        return gradients.all_finite([as_tensor(grad) for grad in grads if grad is not None])

    def get_scaled_loss(self, loss):
        """`scale_loss` under Keras 2's name."""
        return self.scale_loss(loss)

    def get_unscaled_gradients(self, grads):
        """Gradients over the current scale; `None` stays."""
        return [None if g is None else g / self._scale() for g in grads]

    # -- steps ----------------------------------------------------------------------------------------------------

    @outside_graphs
    def apply(self, grads, trainable_variables=None):
        """One update from gradients of the scaled loss, or none if they are not finite."""
        if not self.built and trainable_variables is not None:
            self.build(list(trainable_variables))
        self._guarded([as_tensor(g, what="a gradient") if g is not None else None for g in grads], trainable_variables)

    def apply_gradients(self, grads_and_vars, name=None, **old):
        """As in `Optimizer`; returns the inner optimizer's counter."""
        super().apply_gradients(grads_and_vars, name, **old)
        return self.iterations

    def _step_from_params(self):
        variables = [v for v in self._trainable_variables if v.grad is not None and v.requires_grad]
        if variables:
            self._guarded([v.grad for v in variables], variables)

    def _guarded(self, grads, variables):
        if self.dynamic and not gradients.all_finite([g for g in grads if g is not None]):
            self.step_counter.assign(0)
            self.dynamic_scale.assign(self.dynamic_scale.host * 0.5)
            return
        self.inner_optimizer.apply(self.get_unscaled_gradients(grads), variables)
        if not self.dynamic:
            return
        if self.step_counter.host == self.dynamic_growth_steps - 1:
            self.step_counter.assign(0)
            self.dynamic_scale.assign(self.dynamic_scale.host * 2.0)
        else:
            self.step_counter.advance()

    def finalize_variable_values(self, var_list):
        """Ends training of the inner optimizer."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Passed to the inner optimizer."""
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    # -- state and configuration ----------------------------------------------------------------------------------

    def state_dict(self):
        """The inner optimizer's state dict with the scale and its counter."""
        scale = {"scale": self._scale(), "counter": self.step_counter.host} if self.built else {}
        return {**self.inner_optimizer.state_dict(), "loss_scale": scale}

    def load_state_dict(self, state_dict):
        """Copies what `state_dict` gave."""
        self.inner_optimizer.load_state_dict(state_dict)
        scale = state_dict.get("loss_scale")
        if scale:
            self.dynamic_scale.assign(scale["scale"])
            self.step_counter.assign(scale["counter"])

    def get_config(self):
        """Name, inner optimizer, scale and growth; `dynamic` only where it is off, which Keras 3 does not know."""
        config = {
            "name": self.name,
            "inner_optimizer": serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }
        return config if self.dynamic else {**config, "dynamic": False}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """An optimizer from what `get_config` gave; the rate that older files hold is the inner optimizer's."""
        return super().from_config({k: v for k, v in config.items() if k != "learning_rate"}, custom_objects)
