"""Activations as layers: Activation, ReLU, LeakyReLU, ELU, PReLU, Softmax.

May import core and the families below layers. Every curve itself is in `torchkeras.activations`.
"""

import math

import torch
import torch.nn.functional as F

from torchkeras import activations
from torchkeras.core.arguments import as_number, between
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers._following import FollowsFields
from torchkeras.ops.nn_activations import told_softmax


class _Pointwise(FollowsFields, Layer):
    """What activation layers share: no weights, the input's shape, masks go through."""

    def _configure(self):
        self.supports_masking = True
        self.built = True

    def compute_output_shape(self, input_shape):
        return input_shape


@published("layer", "keras.layers")
class Activation(_Pointwise):
    """Applies an activation function.

    Args:
        activation: name, function, layer or None (linear).

    Example:
        >>> Activation("relu")(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    activation = field(convert=activations.get, save=activations.serialize)

    def call(self, inputs):
        return self.activation(inputs)


@published("layer", "keras.layers")
class ReLU(_Pointwise):
    """Rectified linear unit with bounds.

    `max_value` from `max_value` up, `x` between `threshold` and `max_value`, `negative_slope * (x - threshold)` below.

    Args:
        max_value: upper bound >= 0, or None.
        negative_slope: slope below the threshold, >= 0.
        threshold: where the identity begins, >= 0.

    Example:
        >>> ReLU(max_value=1.0)(torch.tensor([-1.0, 0.5, 3.0]))
        tensor([0.0000, 0.5000, 1.0000])

    In torch: `nn.ReLU()`; `nn.LeakyReLU(negative_slope)` with a slope.
    """

    max_value = field(None, convert=between("max_value", 0), optional=True)
    negative_slope = field(0.0, convert=between("negative_slope", 0))
    threshold = field(0.0, convert=between("threshold", 0))

    def _configure(self):
        super()._configure()
        self._plain = not self.negative_slope and not self.threshold and self.max_value is None

    def call(self, inputs):
        if self._plain:
            return torch.relu(inputs)
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


@published("layer", "keras.layers")
class LeakyReLU(_Pointwise):
    """`x` from 0 up, `negative_slope * x` below.

    Args:
        negative_slope: a number >= 0 (`alpha` is accepted for it).

    Example:
        >>> LeakyReLU(0.5)(torch.tensor([-1.0, 2.0]))
        tensor([-0.5000,  2.0000])

    In torch: `nn.LeakyReLU(negative_slope)`, whose default slope is 0.01.
    """

    negative_slope = field(0.3, convert=between("negative_slope", 0))

    def call(self, inputs):
        return activations.leaky_relu(inputs, self.negative_slope)


@published("layer", "keras.layers")
class ELU(_Pointwise):
    """Exponential linear unit: `x` from 0 up, `alpha * (exp(x) - 1)` below (Clevert et al. 2016).

    Example:
        >>> ELU()(torch.tensor([0.0, 2.0]))
        tensor([0., 2.])

    In torch: `nn.ELU(alpha)`.
    """

    alpha = field(1.0)

    def call(self, inputs):
        return activations.elu(inputs, self.alpha)


@published("layer", "keras.layers")
class PReLU(Layer):
    """Leaky ReLU whose slopes `alpha` are learned: one for each input element but the batch (He et al. 2015).

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: of the weight `alpha`.
        shared_axes: input axes along which one slope serves all, e.g. `[1, 2]` after a 2D convolution.

    Example:
        >>> PReLU(alpha_initializer="ones")(torch.tensor([[-1.0, 2.0]]))
        tensor([[-1.,  2.]], grad_fn=<PermuteBackward0>)
    """

    alpha_initializer = _slots.initializer("Zeros")
    alpha_regularizer = _slots.regularizer()
    alpha_constraint = _slots.constraint()
    shared_axes = field(
        None,
        convert=lambda value: None if value is None else list(value) if isinstance(value, (list, tuple)) else [value],
        save=lambda value: None if value is None else list(value),
    )

    def _configure(self):
        self.supports_masking = True

    def build(self, input_shape):
        shared = set(self.shared_axes or ())
        rank = len(input_shape)
        if not all(1 <= axis < rank for axis in shared):
            raise ValueError(
                f"`shared_axes` must be axes from 1 to {rank - 1} of the input {input_shape}, got {sorted(shared)}."
            )
        shape = tuple(1 if axis in shared else input_shape[axis] for axis in range(1, rank))
        self.alpha = _slots.weight(self, "alpha", shape)
        free = {axis: input_shape[axis] for axis in range(1, rank) if axis not in shared} if shared else {}
        self.input_spec = InputSpec(ndim=rank, axes=free)
        of_one = [axis for axis in range(1, rank) if axis not in shared]
        self._keep(_only_axis=of_one[0] if len(of_one) == 1 else None)

    def call(self, inputs):
        alpha = self.alpha
        if inputs.dtype is not alpha.dtype or inputs.dim() == 1:  # beyond the kernel
            return torch.relu(inputs) - alpha * torch.relu(-inputs)
        if self._only_axis is None:
            return F.prelu(inputs.flatten(1), alpha.expand(inputs.shape[1:]).flatten()).view(inputs.shape)
        return F.prelu(inputs.movedim(self._only_axis, 1), alpha.flatten()).movedim(1, self._only_axis)

    def compute_output_shape(self, input_shape):
        return input_shape


def _axis(value):
    number = as_number(value)
    return value if number is None else number


def _whole(axis):
    number = as_number(axis)
    if number is None or not math.isfinite(number):
        raise InvalidArgumentError(f"`axis` must be an integer, a list of them or None, got {axis!r}.")
    return int(number)


@published("layer", "keras.layers")
class Softmax(_Pointwise):
    """Softmax over one axis or several together.

    Args:
        axis: axis or list of axes whose entries sum to 1; None for all of them together.

    Call arguments: `inputs`; `mask`, broadcastable to them: False entries get probability 0, and so does a row without
    any True.

    Example:
        >>> Softmax()(torch.tensor([1.0, 1.0]))
        tensor([0.5000, 0.5000])

    In torch: `nn.Softmax(dim=axis)`.
    """

    axis = field(-1, convert=_axis)

    def _configure(self):
        super()._configure()
        axes = self.axis if isinstance(self.axis, (list, tuple)) or self.axis is None else (self.axis,)
        self._axes = None if axes is None else tuple(map(_whole, axes))

    def call(self, inputs, mask=None):
        if mask is not None:
            mask = _boolean_mask(mask, inputs)
            low = -3e4 if inputs.dtype == torch.float16 else -1e9
            inputs = inputs.masked_fill(~mask, low)
        axes = tuple(range(inputs.dim())) if self._axes is None else self._axes
        if len(axes) > 1:
            outputs = torch.exp(inputs - torch.logsumexp(inputs, axes, keepdim=True))
        elif inputs.is_floating_point():
            outputs = told_softmax(inputs, axes[0])
        else:
            outputs = activations.softmax(inputs, axes[0])
        return outputs if mask is None else outputs.masked_fill(~mask, 0.0)


def _boolean_mask(mask, inputs):
    """The mask as booleans; it must broadcast to the inputs."""
    sizes = zip(mask.shape[::-1], inputs.shape[::-1], strict=False)
    if mask.dim() > inputs.dim() or any(m not in (1, size) for m, size in sizes):
        raise ValueError(
            f"`mask` must be broadcastable to `inputs`: got a mask of shape {tuple(mask.shape)} for inputs of shape "
            f"{tuple(inputs.shape)}."
        )
    return mask if mask.dtype == torch.bool else mask > 0.5
