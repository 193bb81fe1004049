"""BatchNormalization.

May import core and the families below layers. Statistics are computed in float32 at least, whatever the inputs' dtype,
as Keras does; torch's fused kernels serve wherever they compute the same.
"""

import torch
import torch.distributed
import torch.nn.functional as F

from torchkeras.core import scopes
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.keras_tensor import Shape
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.transforms import beyond_kernels, runs_plainly, write
from torchkeras.layers import _slots
from torchkeras.layers._normalized import affine, check_axes, inverse, wide
from torchkeras.layers._renorm import Renorm, clipping


def _single_axis(value):
    """One axis, or a list of several; a list of one is that one (Keras 2 wrote lists)."""
    if isinstance(value, (list, tuple)):
        axes = [int(axis) for axis in value]
        return axes[0] if len(axes) == 1 else axes
    return int(value)


@published("layer", "keras.layers")
class BatchNormalization(Layer):
    """Normalizes each channel by the mean and variance of the batch, then scales and shifts it (Ioffe & Szegedy 2015).

    In training the batch's own statistics serve and the moving ones follow them,
    `moving = momentum * moving + (1 - momentum) * batch`, with the biased variance for every rank. Otherwise, and
    always while `trainable` is False, the moving statistics serve.

    Args:
        axis: the channels axis, or a list of several.
        momentum: of the moving statistics.
        epsilon: added to the variance.
        center, scale: whether there are `beta` and `gamma`.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: of
            these.
        moving_mean_initializer, moving_variance_initializer: of the moving statistics.
        renorm, renorm_clipping, renorm_momentum: batch renormalization (Ioffe 2017); clipping has the keys `rmin`,
            `rmax`, `dmax`.
        synchronized: statistics over all processes of `torch.distributed`; with a single process the same as without.

    Call arguments: `inputs` of any rank; `training`; `mask`, one axis less than the inputs: masked positions do not
    count in the statistics.

    Weights: `gamma`, `beta`, `moving_mean`, `moving_variance`, each `(channels,)`.

    Example:
        >>> BatchNormalization()(torch.tensor([[1.0], [3.0]]), training=True)
        tensor([[-0.9995],
                [ 0.9995]], grad_fn=<NativeBatchNormBackward0>)

    In torch: `nn.BatchNorm2d(channels, eps=epsilon, momentum=1 - momentum)`, which keeps the unbiased variance.
    """

    axis = field(-1, convert=_single_axis, save=lambda axis: list(axis) if isinstance(axis, list) else axis)
    momentum = field(0.99, convert=float)
    epsilon = field(1e-3, convert=float)
    center = field(True)
    scale = field(True)
    beta_initializer = _slots.initializer("zeros")
    gamma_initializer = _slots.initializer("ones")
    moving_mean_initializer = _slots.initializer("zeros")
    moving_variance_initializer = _slots.initializer("ones")
    beta_regularizer = _slots.regularizer()
    gamma_regularizer = _slots.regularizer()
    beta_constraint = _slots.constraint()
    gamma_constraint = _slots.constraint()
    renorm = field(False)
    renorm_clipping = field(None)
    renorm_momentum = field(0.99)
    synchronized = field(False)

    def _configure(self):
        self.supports_masking = True
        self.gamma = self.beta = self.moving_mean = self.moving_variance = None  # until it is built
        if self.renorm:
            self.renorm_clipping = clipping(self.renorm_clipping)

    def build(self, input_shape):
        rank = len(input_shape)
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        check_axes(self.name, axes, input_shape)
        axes = sorted(axis % rank for axis in axes)
        if len(axes) == 1:
            shape = (input_shape[axes[0]],)
        else:
            shape = tuple(input_shape[axis] if axis in axes else 1 for axis in range(rank))
        affine(self, shape, self.scale, self.center)
        self.moving_mean = self._statistic("moving_mean", self.moving_mean_initializer, shape)
        self.moving_variance = self._statistic("moving_variance", self.moving_variance_initializer, shape)
        if self.renorm:
            Renorm.build(self, shape)
        self.input_spec = InputSpec(ndim=rank, axes={axis: input_shape[axis] for axis in axes})
        self._reduction_axes = tuple(axis for axis in range(rank) if axis not in axes)
        self._broadcast_shape = tuple(input_shape[axis] if axis in axes else 1 for axis in range(rank))
        self._order, self._as_rows = _layout(rank, axes)
        self._inverse = inverse(self._order)

    def _statistic(self, name, initializer, shape):
        return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False, autocast=False)

    def call(self, inputs, training=None, mask=None):
        if mask is not None and mask.dim() != inputs.dim() - 1:
            raise ValueError(
                f"The mask of layer {self.name!r} must have one axis less than its inputs: got a mask of shape "
                f"{tuple(mask.shape)} for inputs of shape {tuple(inputs.shape)}."
            )
        learning = bool(training) and self.trainable and inputs.numel() > 0
        if learning and (mask is not None or self.renorm or (self.synchronized and _world_size() > 1)):
            outputs = self._normalize_by_formula(wide(inputs), mask)
        else:
            outputs = self._normalize_by_kernel(inputs, learning)
        dtype = self.dtype_policy.torch_compute
        return outputs if outputs.dtype is dtype else outputs.to(dtype)

    # -- torch's kernel -----------------------------------------------------------------------------------------------

    def _normalize_by_kernel(self, inputs, learning):
        if not inputs.is_floating_point():
            exact = self.moving_mean.dtype is torch.float64
            inputs = self._in_floats(inputs, torch.float64 if exact else torch.float32)
        x = inputs if self._order is None else inputs.permute(self._order)
        shape = x.shape
        gamma, beta = self._flat(self.gamma), self._flat(self.beta)
        if self._as_rows:
            x = x.reshape(-1, self.moving_mean.numel())
        if learning:
            outputs = self._by_batch(x, gamma, beta)
        else:
            mean, variance = self._flat(self.moving_mean), self._flat(self.moving_variance)
            if mean.requires_grad or variance.requires_grad or beyond_kernels():  # derivatives by statistics too
                outputs = _by_statistics(x, mean, variance, gamma, beta, self.epsilon)
            else:
                outputs = F.batch_norm(x, mean, variance, gamma, beta, False, 0.0, self.epsilon)
        if self._as_rows:
            outputs = outputs.reshape(shape)
        return outputs if self._order is None else outputs.permute(self._inverse)

    @staticmethod
    def _flat(weight):
        return (
            weight
            if weight is None or (weight.dim() == 1 and weight.dtype is torch.float32)
            else wide(weight).flatten()
        )

    def _by_batch(self, x, gamma, beta):
        """One pass over the batch; torch hands out the statistics that it used, from which the moving ones follow."""
        if gamma is None and beta is not None:  # torch has no second derivative of a bias without a weight
            gamma = torch.ones_like(beta, requires_grad=False)
        moving = self.moving_mean, self.moving_variance
        count = x.numel() // moving[0].numel()
        if count > 1 and runs_plainly() and all(each.dim() == 1 and each.dtype is torch.float32 for each in moving):
            return self._by_batch_in_one_kernel(x, gamma, beta, *moving, count)
        outputs, mean, deviation = torch.native_batch_norm(x, gamma, beta, None, None, True, 0.0, self.epsilon)
        with torch.no_grad():
            variance = deviation.pow(-2).sub_(self.epsilon).clamp_(min=0.0)
            self._follow(mean, variance)
        return outputs

    def _by_batch_in_one_kernel(self, x, gamma, beta, moving_mean, moving_variance, count):
        """torch's kernel moves the statistics too, but towards the unbiased variance: it gets the moving one in the
        same measure.

        They are handed over as data, because autograd keeps them although their values serve nothing in the backward
        pass: another batch may come before it.
        """
        biased = (count - 1) / count
        variance = moving_variance.data / biased
        outputs, _, _ = torch.native_batch_norm(
            x, gamma, beta, moving_mean.data, variance, True, 1.0 - self.momentum, self.epsilon
        )
        torch.mul(variance, biased, out=moving_variance.data)
        return outputs

    def _follow(self, mean, variance):
        """Moves the moving statistics towards the batch's."""
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            write(torch.Tensor.lerp_, moving, batch.reshape(moving.shape).to(moving.dtype), 1.0 - self.momentum)

    # -- written out --------------------------------------------------------------------------------------------------

    def _normalize_by_formula(self, inputs, mask):
        mean, variance = self._moments(inputs, mask)
        gamma, beta = self.gamma, self.beta
        shape = self._broadcast_shape
        gain = torch.rsqrt(variance + self.epsilon)
        if self.renorm:
            gamma, beta = Renorm.correct(self, mean, variance, gamma, beta)
            with torch.no_grad():
                Renorm.follow(self, mean, variance)
        else:
            with torch.no_grad():
                self._follow(mean, variance)
        if gamma is not None:
            gain = gain * gamma.to(gain.dtype)
        outputs = (inputs - mean.reshape(shape)) * gain.reshape(shape)
        return outputs if beta is None else outputs + beta.to(gain.dtype).reshape(shape)

    def _moments(self, inputs, mask):
        """Mean and biased variance of each channel, in the shape of the weights."""
        axes, shape = self._reduction_axes, self.moving_mean.shape
        if mask is not None:
            mask = mask.unsqueeze(-1).to(torch.bool).expand(inputs.shape)
            count = mask.to(inputs.dtype).sum(axes, keepdim=True) + scopes.settings.epsilon
            total = torch.where(mask, inputs, 0)
        else:
            count = inputs.new_full((), inputs.numel() / self.moving_mean.numel())
            total = inputs
        total = total.sum(axes, keepdim=True)
        if self.synchronized and _world_size() > 1:
            count, total = _over_processes(count), _over_processes(total)
        mean = total / count
        difference = inputs - mean if mask is None else torch.where(mask, inputs - mean, 0)
        squares = difference.square().sum(axes, keepdim=True)
        if self.synchronized and _world_size() > 1:
            squares = _over_processes(squares)
        return mean.reshape(shape), (squares / count).reshape(shape)

    def compute_output_shape(self, input_shape):
        check_axes(self.name, self.axis if isinstance(self.axis, list) else [self.axis], input_shape)
        return Shape(input_shape)


def _by_statistics(x, mean, variance, gamma, beta, epsilon):
    """torch's batch normalization by given statistics, written out: its kernel has no derivative by them."""
    shape = (-1, *[1] * (x.dim() - 2))
    gain = torch.rsqrt(variance + epsilon)
    gain = gain if gamma is None else gain * gamma
    outputs = (x - mean.reshape(shape)) * gain.reshape(shape)
    return outputs if beta is None else outputs + beta.reshape(shape)


def _layout(rank, axes):
    """`(axis order or None, whether to flatten to rows)`: how torch's kernel gets to see the channels at axis 1.

    Images and volumes with channels last are permuted views, which the kernel takes as `channels_last` memory.
    Everything else with channels last, and several channel axes as one, becomes a matrix.
    """
    rest = [axis for axis in range(rank) if axis not in axes]
    if len(axes) > 1:
        order = (*rest, *axes)
        return None if order == tuple(range(rank)) else order, True
    if axes == [1]:
        return None, False
    if axes == [rank - 1] and rank not in (4, 5):
        return None, True
    return (rest[0], axes[0], *rest[1:]), False


def _world_size():
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if ready else 1


def _over_processes(value):
    """The sum over all processes, with gradients."""
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(value)
