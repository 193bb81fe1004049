"""How torch's own modules name and shape the weights that a Keras layer has: `nn.Linear.weight` `(out, in)` for a Dense
kernel `(in, out)`, `nn.Conv2d.weight` `(out, in, height, width)` for `(height, width, in, out)`.

May import core and layers. Layers that torch has no equal of keep Keras's names and shapes: recurrent ones too, whose
gates and biases torch keeps in another way.
"""

import math

from torchkeras.layers._convolution import Convolution
from torchkeras.layers.dense import Dense
from torchkeras.layers.depthwise_conv import DepthwiseFamily
from torchkeras.layers.einsum_dense import EinsumDense

LEAVES = {
    "kernel": "weight",
    "embeddings": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class Form:
    """Axes in torch's order, then a shape."""

    def __init__(self, shape, axes, torch_shape=None):
        self._axes = axes
        self._permuted = tuple(shape[axis] for axis in axes)
        self._inverse = [axes.index(axis) for axis in range(len(axes))]
        self.torch_shape = self._permuted if torch_shape is None else torch_shape

    def axes_of(self, tensor):
        """A view of a tensor of Keras's shape whose numbers, one after the other, are torch's."""
        return tensor.permute(self._axes)

    def to_torch(self, tensor):
        """A tensor of Keras's shape as torch has it."""
        return self.axes_of(tensor).reshape(self.torch_shape)

    def from_torch(self, tensor):
        """The way back. A tensor that does not fit comes as it is."""
        if tuple(tensor.shape) != self.torch_shape:
            return tensor
        return tensor.reshape(self._permuted).permute(self._inverse)

    def shape(self, shape):
        """The shape that `from_torch` gives; of what does not fit, its sizes in Keras's order where they have one."""
        if tuple(shape) == self.torch_shape:
            return tuple(self._permuted[axis] for axis in self._inverse)
        return tuple(shape[axis] for axis in self._inverse) if len(shape) == len(self._axes) else tuple(shape)


def form_of(layer, weight):
    """The form of a layer's weight in torch; None where it is the same."""
    if weight is None:
        return None
    shape, rank = tuple(weight.shape), weight.dim()
    if isinstance(layer, EinsumDense):
        return _einsum(layer, weight, shape)
    if isinstance(layer, Dense) and weight.name == "kernel":
        return Form(shape, (1, 0))
    if not isinstance(layer, Convolution) or rank < 3:
        return None
    window = range(rank - 2)
    if isinstance(layer, DepthwiseFamily) and weight.name != "pointwise_kernel":
        *sizes, channels, multiplier = shape
        return Form(shape, (rank - 2, rank - 1, *window), (channels * multiplier, 1, *sizes))
    return Form(shape, (rank - 1, rank - 2, *window))


def _einsum(layer, weight, shape):
    """A linear map is a matrix `(outputs, inputs)` and a vector, as in `nn.Linear`."""
    order, bound = layer._linear_order, layer._bound
    if order is None:
        return None
    if weight.name == "bias":
        return Form(shape, tuple(range(len(shape))), (math.prod(shape),)) if layer._bias_fits else None
    if weight.name != "kernel":
        return None
    axes = (*order[bound:], *order[:bound])
    sizes = [shape[axis] for axis in order]
    return Form(shape, axes, (math.prod(sizes[bound:]), math.prod(sizes[:bound])))


def name_of(path, root, weight):
    """`dense.weight` for `sequential/dense/kernel`: without the model's own name, with torch's word for the weight."""
    *parts, leaf = path.split("/")
    if parts[:1] == [getattr(root, "name", None)]:
        parts = parts[1:]
    return ".".join([*parts, leaf if weight is None else LEAVES.get(leaf, leaf)])
