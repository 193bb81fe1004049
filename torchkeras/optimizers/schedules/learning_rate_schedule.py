"""LearningRateSchedule: the learning rate as a function of the step.

May import core. Knows no optimizer.
"""

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.fields import Configured
from torchkeras.core.registry import published


@published("schedule", "keras.optimizers.schedules")
class LearningRateSchedule(Configured):
    """A learning rate that depends on the number of steps done.

    To write one, override `__call__(self, step)`, where `step` is an integer scalar, and `get_config` if it is to be
    saved. One that overrides `value_at(step)` instead, on Python numbers, costs next to nothing per step.

    Example:
        >>> class Halving(LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.1 * 0.5 ** step
        >>> optimizer = keras.optimizers.SGD(Halving())

    torch's equivalent is `torch.optim.lr_scheduler`, which also works on our optimizers once they are built.
    """

    value_at = None

    @property
    def on_host(self):
        """Whether `value_at` gives what a call gives; not where a subclass overrides the call."""
        return self.value_at is not None and type(self).__call__ is LearningRateSchedule.__call__

    def __call__(self, step):
        """The learning rate at `step`: a tensor of `step`'s shape, in `floatx()`."""
        if self.value_at is None:
            raise NotImplementedError(f"{type(self).__name__} must override `__call__(self, step)`.")
        dtype = torch_dtype(None)
        steps = as_tensor(step)
        if steps.ndim == 0:
            return torch.tensor(self.value_at(steps.item()), dtype=dtype)
        values = [self.value_at(each) for each in steps.flatten().tolist()]
        return torch.tensor(values, dtype=dtype).reshape(steps.shape)

    def get_config(self):
        """The constructor's arguments."""
        if not self._fields:
            raise NotImplementedError(f"{type(self).__name__} must override `get_config()` to be saved.")
        return super().get_config()


def positive_steps(name):
    """A field converter: refuses numbers of steps that are not positive."""

    def convert(value):
        if not value > 0:
            raise ValueError(f"`{name}` must be > 0, got {value!r}.")
        return value

    return convert
