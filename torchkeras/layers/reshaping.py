"""Layers that move or repeat entries without changing them: Flatten, Reshape, Permute, RepeatVector.

May import core.
"""

import math

from torchkeras.core.arguments import as_number
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers._following import FollowsFields


class _Reshaping(Layer):
    """What these layers share: outputs have the dtype of the inputs, integers too."""

    def compute_output_spec(self, inputs):
        return KerasTensor(Shape(self.compute_output_shape(inputs.shape)), dtype=self._dtype_inside(inputs.dtype))


@published("layer", "keras.layers")
class Flatten(_Reshaping):
    """`(batch, a, b, …)` -> `(batch, a * b * …)`; `(batch,)` -> `(batch, 1)`.

    Args:
        data_format: with `"channels_first"` the channels axis moves last before flattening, so that weights after the
            layer serve both formats.

    Example:
        >>> Flatten()(torch.zeros(2, 3, 4)).shape
        torch.Size([2, 12])

    In torch: `nn.Flatten()`.
    """

    data_format = _slots.data_format()

    def _configure(self):
        self.input_spec = InputSpec(min_ndim=1)
        self._channels_first = self.data_format == "channels_first"

    def call(self, inputs):
        if self._channels_first and inputs.dim() > 2:
            inputs = inputs.movedim(1, -1)
        return inputs.flatten(1) if inputs.dim() > 1 else inputs.unsqueeze(1)

    def compute_output_shape(self, input_shape):
        rest = input_shape[1:]
        return (input_shape[0], None if None in rest else math.prod(rest))


def _target_shape(value):
    """A tuple of sizes, at most one of them -1 (or None, which means the same)."""
    if not hasattr(value, "__iter__"):
        raise TypeError(f"`target_shape` must be a tuple of integers, got {value!r}.")
    value = tuple(value)
    for size in value:
        if size is not None and (not hasattr(size, "__index__") or size < -1):
            raise ValueError(f"`target_shape` must hold sizes >= 0, or -1 for the one to infer; got {value!r}.")
    if sum(size in (-1, None) for size in value) > 1:
        raise ValueError(f"`target_shape` may leave one size open (-1), got {value!r}.")
    return value


@published("layer", "keras.layers")
class Reshape(_Reshaping):
    """Gives the axes after the batch new sizes.

    Args:
        target_shape: tuple of sizes without the batch; one may be -1 and is inferred.

    Example:
        >>> Reshape((-1, 2))(torch.zeros(5, 6)).shape
        torch.Size([5, 3, 2])

    Raises `ValueError` where the number of entries does not fit. In torch: `x.reshape(len(x), *target_shape)`.
    """

    target_shape = field(convert=_target_shape)

    def _configure(self):
        self.built = True
        self._known = math.prod(size for size in self.target_shape if size not in (-1, None))
        self._open = [axis for axis, size in enumerate(self.target_shape) if size in (-1, None)]

    def call(self, inputs):
        shape = inputs.shape
        return inputs.reshape(shape[0], *self._resolve(shape[1:]))

    def _resolve(self, sizes):
        """The target with its open size filled in, for known input sizes."""
        total = math.prod(sizes)
        if not self._open:
            if total != self._known:
                self._refuse(sizes)
            return self.target_shape
        if self._known == 0 or total % self._known:
            self._refuse(sizes)
        target = list(self.target_shape)
        target[self._open[0]] = total // self._known
        return target

    def _refuse(self, sizes):
        raise ValueError(
            f"Layer {self.name!r} cannot reshape {math.prod(sizes)} entries (input shape {tuple(sizes)} without batch) "
            f"to target_shape={self.target_shape}: the number of entries must stay the same."
        )

    def compute_output_shape(self, input_shape):
        if None in input_shape[1:]:
            return (input_shape[0], *(None if size == -1 else size for size in self.target_shape))
        return (input_shape[0], *self._resolve(input_shape[1:]))


@published("layer", "keras.layers")
class Permute(FollowsFields, _Reshaping):
    """Reorders the axes after the batch.

    Args:
        dims: the input axes in their new order, counted from 1: `(2, 1)` swaps the first two.

    Example:
        >>> Permute((2, 1))(torch.zeros(5, 3, 4)).shape
        torch.Size([5, 4, 3])

    In torch: `x.permute(0, *dims)`.
    """

    dims = field(convert=lambda dims: tuple(each if as_number(each) is None else as_number(each) for each in dims))

    def _configure(self):
        if set(self.dims) != set(range(1, len(self.dims) + 1)):
            raise InvalidArgumentError(f"`dims` must be the axes 1 to n in some order, got {self.dims}.")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)
        self._order = (0, *self.dims)

    def call(self, inputs):
        return inputs.permute(self._order)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[axis] for axis in self._order)


def _repetitions(value):
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"`n` must be an integer, got {value!r}.")
    if value <= 0:
        raise ValueError(f"`n` must be positive, got {value}.")
    return value


@published("layer", "keras.layers")
class RepeatVector(Layer):
    """`(batch, features)` -> `(batch, n, features)`.

    Args:
        n: number of repetitions.

    Example:
        >>> RepeatVector(3)(torch.zeros(2, 4)).shape
        torch.Size([2, 3, 4])

    In torch: `x[:, None].expand(-1, n, -1)`, which copies nothing.
    """

    n = field(convert=_repetitions)

    def _configure(self):
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs):
        return inputs.unsqueeze(1).expand(-1, self.n, -1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.n, input_shape[1])
