"""LayerNormalization, GroupNormalization, RMSNormalization and UnitNormalization: each sample by its own numbers.

May import core and the families below layers. Statistics are computed in float32 at least, whatever the inputs' dtype,
as Keras does, and by torch's fused kernels.
"""

import warnings

import torch
import torch.nn.functional as F

from torchkeras.core import scopes
from torchkeras.core.arguments import number
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.keras_tensor import Shape
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.transforms import beyond_kernels
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers._normalized import affine, check_axes, inverse, wide
from torchkeras.ops.nn_statistics import normalize


def _axes(value):
    """An axis or a list of axes."""
    if isinstance(value, (list, tuple)) and all(isinstance(axis, int) for axis in value):
        return list(value)
    if isinstance(value, int):
        return value
    raise TypeError(f"`axis` must be an integer or a list of them, got {value!r}.")


class _OverAxes(Layer):
    """Normalization by a kernel that reads the last axes: others are moved there and back, as views."""

    def _settle_axes(self, input_shape):
        """The sizes of the axes, which is the shape of the weights; from here on `axis` is a list in order."""
        axes = sorted(self.axis) if isinstance(self.axis, (list, tuple)) else [self.axis]
        check_axes(self.name, axes, input_shape)
        self.axis = axes
        rank = len(input_shape)
        positive = [axis % rank for axis in axes]
        order = (*(axis for axis in range(rank) if axis not in positive), *positive)
        self._reduced = tuple(positive)
        self._order = None if order == tuple(range(rank)) else order
        self._inverse = inverse(order)
        self._sizes = tuple(input_shape[axis] for axis in axes)
        return self._sizes

    def compute_output_shape(self, input_shape):
        check_axes(self.name, self.axis if isinstance(self.axis, (list, tuple)) else [self.axis], input_shape)
        return Shape(input_shape)


@published("layer", "keras.layers")
class LayerNormalization(_OverAxes):
    """Normalizes each sample over some of its own axes, then scales and shifts it (Ba et al. 2016).

    Args:
        axis: axis or list of axes to normalize over.
        epsilon: added to the variance; None for the global `keras.config.epsilon()`.
        center, scale: whether there are `beta` and `gamma`.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: of
            these.
        rms_scaling: divides by the standard deviation without subtracting the mean, and has no `beta`; deprecated in
            Keras.

    Weights: `gamma` and `beta` with the sizes of `axis` in ascending order.

    Example:
        >>> LayerNormalization()(torch.tensor([[1.0, 3.0]]))
        tensor([[-0.9995,  0.9995]], grad_fn=<NativeLayerNormBackward0>)

    In torch: `nn.LayerNorm(sizes, eps=epsilon)`, whose default epsilon is 1e-5.
    """

    axis = field(-1, convert=_axes, save=lambda axis: list(axis) if isinstance(axis, list) else axis)
    epsilon = field(1e-3)
    center = field(True)
    scale = field(True)
    beta_initializer = _slots.initializer("zeros")
    gamma_initializer = _slots.initializer("ones")
    beta_regularizer = _slots.regularizer()
    gamma_regularizer = _slots.regularizer()
    beta_constraint = _slots.constraint()
    gamma_constraint = _slots.constraint()
    rms_scaling = field(False, shown=False)

    def _configure(self):
        self.supports_masking = True
        self.autocast = False
        if self.rms_scaling:
            warnings.warn(
                "rms_scaling=True scales by the standard deviation and not by the root mean square; for the latter use "
                "RMSNormalization.",
                stacklevel=4,
            )

    def build(self, input_shape):
        shape = self._settle_axes(input_shape)
        affine(self, shape, self.scale or self.rms_scaling, self.center and not self.rms_scaling)

    def call(self, inputs):
        x, gamma, beta = wide(inputs), self.gamma, self.beta
        epsilon = scopes.settings.epsilon if self.epsilon is None else self.epsilon
        if gamma is not None and gamma.dtype is not x.dtype:
            gamma = gamma.to(x.dtype)
        if beta is not None and beta.dtype is not x.dtype:
            beta = beta.to(x.dtype)
        if self.rms_scaling:
            outputs = self._scale_only(x, gamma)
        elif self._order is None:
            outputs = F.layer_norm(x, self._sizes, gamma, beta, epsilon)
        else:
            outputs = F.layer_norm(x.permute(self._order), self._sizes, gamma, beta, epsilon).permute(self._inverse)
        return outputs.to(self.dtype_policy.torch_compute)

    def _scale_only(self, x, gamma):
        outputs = x * torch.rsqrt(x.var(self._reduced, correction=0, keepdim=True) + self.epsilon)
        outputs = outputs if self._order is None else outputs.permute(self._order)
        outputs = outputs * gamma
        return outputs if self._order is None else outputs.permute(self._inverse)


def _groups(value):
    """A number of groups; -1 for one of each channel."""
    if not isinstance(value, int) or value < -1 or value == 0:
        raise InvalidArgumentError(f"`groups` must be a positive integer, or -1 for one per channel, got {value!r}.")
    return value


@published("layer", "keras.layers")
class GroupNormalization(Layer):
    """Normalizes groups of each sample's channels by their own mean and variance (Wu & He 2018).

    Args:
        groups: how many groups the channels make, a divisor of their number; -1 for one of each channel (instance
            normalization).
        axis: the channels axis.
        epsilon: added to the variance.
        center, scale: whether there are `beta` and `gamma`.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: of
            these.

    Weights: `gamma` and `beta`, `(channels,)`.

    Raises `ValueError` where the groups do not divide the channels.

    Example:
        >>> GroupNormalization(groups=2)(torch.tensor([[1.0, 3.0, 5.0, 9.0]])).round(decimals=2)
        tensor([[-1.,  1., -1.,  1.]], grad_fn=<RoundBackward1>)

    In torch: `nn.GroupNorm(groups, channels, eps=epsilon)`, which has channels at axis 1.
    """

    groups = field(32, convert=_groups)
    axis = field(-1)
    epsilon = field(1e-3, convert=number("epsilon"))
    center = field(True)
    scale = field(True)
    beta_initializer = _slots.initializer("zeros")
    gamma_initializer = _slots.initializer("ones")
    beta_regularizer = _slots.regularizer()
    gamma_regularizer = _slots.regularizer()
    beta_constraint = _slots.constraint()
    gamma_constraint = _slots.constraint()

    def _configure(self):
        self.supports_masking = True
        self.autocast = False

    def build(self, input_shape):
        check_axes(self.name, [self.axis], input_shape)
        channels, rank = input_shape[self.axis], len(input_shape)
        self._place = self.axis % rank
        if channels is None or self._place == 0:
            raise ValueError(
                f"Layer {self.name!r}: axis {self.axis} of its inputs must be of known size and not the batch, got "
                f"shape {tuple(input_shape)}."
            )
        self.groups = channels if self.groups == -1 else self.groups
        if channels % self.groups:
            raise ValueError(f"Layer {self.name!r}: {self.groups} groups do not divide {channels} channels.")
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: channels})
        affine(self, (channels,), self.scale, self.center)

    def call(self, inputs):
        x, rank, groups = wide(inputs), inputs.dim(), int(self.groups)
        gamma, beta = (None if weight is None else weight.to(x.dtype) for weight in (self.gamma, self.beta))
        if gamma is None and beta is not None:  # torch has no derivative of a bias without a weight
            gamma = torch.ones_like(beta, requires_grad=False)
        if self._place == 1:
            outputs = F.group_norm(x, groups, gamma, beta, self.epsilon)
        elif self._place == rank - 1:  # an image one pixel wide: its memory is torch's channels_last, nothing moves
            x = x.flatten(1, -2).unsqueeze(2).permute(0, 3, 1, 2)
            if beyond_kernels():
                x = x.contiguous()  # torch's rules for `vmap` and `jvp` take no other memory
            outputs = F.group_norm(x, groups, gamma, beta, self.epsilon)
            outputs = outputs.permute(0, 2, 3, 1).reshape(inputs.shape)
        else:
            x = x.movedim(self._place, 1)
            outputs = F.group_norm(x, groups, gamma, beta, self.epsilon).movedim(1, self._place)
        return outputs.to(self.dtype_policy.torch_compute)

    def compute_output_shape(self, input_shape):
        check_axes(self.name, [self.axis], input_shape)
        return Shape(input_shape)


@published("layer", "keras.layers")
class RMSNormalization(_OverAxes):
    """Divides each sample by the root of its mean square over some of its axes, then scales it (Zhang & Sennrich 2019).

    Args:
        axis: axis or list of axes to normalize over.
        epsilon: added to the mean square; None for the global `keras.config.epsilon()`.

    Weights: `scale` with the sizes of `axis` in ascending order.

    Example:
        >>> RMSNormalization()(torch.tensor([[1.0, 7.0]])).round(decimals=2)
        tensor([[0.2000, 1.4000]], grad_fn=<RoundBackward1>)

    In torch: `nn.RMSNorm(sizes, eps=epsilon)`.
    """

    axis = field(-1)
    epsilon = field(1e-6)

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=self._settle_axes(input_shape), initializer="ones")

    def call(self, x):
        exact = wide(x)
        scale = self.scale.to(exact.dtype)
        epsilon = scopes.settings.epsilon if self.epsilon is None else self.epsilon
        if self._order is None:
            return F.rms_norm(exact, self._sizes, scale, epsilon).to(x.dtype)
        return F.rms_norm(exact.permute(self._order), self._sizes, scale, epsilon).permute(self._inverse).to(x.dtype)


@published("layer", "keras.layers")
class UnitNormalization(Layer):
    """Scales each sample to length 1 over some of its axes.

    Args:
        axis: axis or list of axes whose squares sum to 1.

    Example:
        >>> UnitNormalization()(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])

    In torch: `F.normalize(x, dim=axis)`.
    """

    axis = field(-1, convert=_axes)

    def _configure(self):
        self.supports_masking = True
        self.built = True

    def call(self, inputs):
        return normalize.compute(inputs, self.axis, 2, 1e-12)

    def compute_output_shape(self, input_shape):
        check_axes(self.name, self.axis if isinstance(self.axis, list) else [self.axis], input_shape)
        return Shape(input_shape)
