"""Masking: steps that hold one value throughout are padding.

May import core.
"""

import torch

from torchkeras.core.arguments import as_number
from torchkeras.core.conversion import as_tensor, as_tensor_or_symbolic, is_array_like, is_number_list
from torchkeras.core.fields import field
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.serialization import deserialize_keras_object
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers._following import FollowsFields


def _mask_value(value):
    """A number or an array of numbers, as it is; what configs hold for an array becomes one."""
    if isinstance(value, dict):
        value = deserialize_keras_object(value, kinds=(), printable_name="`mask_value`")
    if as_number(value) is None and not is_array_like(value) and not is_number_list(value):
        raise InvalidArgumentError(f"`mask_value` must be a number, or an array with one per feature; got {value!r}.")
    return value


@published("layer", "keras.layers")
class Masking(FollowsFields, Layer):
    """Masks the steps of `(batch, steps, features)` at which all features equal `mask_value`, and makes them zero.

    Later layers that know masks skip those steps.

    Args:
        mask_value: a number, or an array that broadcasts to the features.

    Example:
        >>> Masking(-1.0)(torch.tensor([[[-1.0, -1.0], [-1.0, 2.0]]]))._keras_mask
        tensor([[False,  True]])

    In torch: `(x != mask_value).any(-1)`, handed to whatever needs it.
    """

    mask_value = field(0.0, convert=_mask_value)

    def _configure(self):
        self.supports_masking = True
        self.built = True
        number = isinstance(self.mask_value, (int, float))
        self._value = self.mask_value if number else as_tensor(self.mask_value, what="`mask_value`")

    def call(self, inputs):
        kept = self._kept(inputs)
        outputs = inputs.where(kept.unsqueeze(-1) if inputs.dim() else kept, 0)
        outputs._keras_mask = kept
        return outputs

    def _kept(self, inputs):
        value = self._value
        return (inputs != (value.to(inputs.device) if isinstance(value, torch.Tensor) else value)).any(-1)

    def compute_mask(self, inputs, mask=None):
        return self._kept(as_tensor_or_symbolic(inputs))

    def _pass_mask(self, inputs, outputs, mask):
        """`call` has put the new mask on its output, unless a subclass has words of its own; the one that came in is
        forgotten."""
        own = type(self).compute_mask is not Masking.compute_mask
        return super()._pass_mask(inputs, outputs, mask) if own else outputs

    def compute_output_shape(self, input_shape):
        return input_shape
