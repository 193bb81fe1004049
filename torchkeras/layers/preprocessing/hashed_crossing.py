"""HashedCrossing: the number of a bin for each combination of several features.

May import core and this room. Bins are TensorFlow's, and so Keras's.
"""

import numpy as np
import torch

from torchkeras.core.arguments import one_of, positive_int
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.transforms import outside_graphs
from torchkeras.errors import InvalidArgumentError, UnsupportedInputError
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing import fingerprints
from torchkeras.layers.preprocessing.encoded import encoded, encoded_shape
from torchkeras.layers.preprocessing.hashing import Hashes

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def _sparse(value):
    if value:
        raise InvalidArgumentError("`sparse=True` of HashedCrossing is not supported on torch: leave it out.")
    return False


@published("layer", "keras.layers")
class HashedCrossing(Hashes, Layer):
    """The number of a bin for each combination of two or more categories.

    Args:
        num_bins: how many bins.
        output_mode: `"int"` (the numbers) or `"one_hot"` (vectors of `num_bins`).
        sparse: True is refused, as Keras does on torch.

    Input: a list of strings or whole numbers, each `(batch,)`, `(batch, 1)` or a scalar, all of one shape.
    Output: int64 of that shape, or vectors `(batch, num_bins)` in `floatx()`; `dtype` says otherwise.

    Raises `ValueError` for fewer than two features, other shapes, and floats.

    Example:
        >>> HashedCrossing(5)([["A", "B", "A"], [101, 101, 102]])
        tensor([1, 4, 3])
    """

    num_bins = field(convert=positive_int("num_bins"))
    output_mode = field("int", convert=one_of("output_mode", "int", "one_hot"))
    sparse = field(False, convert=_sparse)
    name = _slots.base()
    dtype = _slots.base()

    def _columns(self, value, name):
        if isinstance(value, (list, tuple)) and len(value) > 1:
            return [self._strings_or_numbers(each, name) for each in value]
        raise UnsupportedInputError(
            f"Layer {self.name!r} crosses features: call it on a list of two or more, got {value!r}."
        )

    @outside_graphs
    def call(self, inputs):
        self._refuse_unfit([tuple(each.shape) for each in inputs])
        columns = [self._numbers(each) for each in inputs]
        bins = (fingerprints.crossed(columns) % np.uint64(self.num_bins)).astype(np.int64)
        numbers = torch.from_numpy(bins).to(self._device_of(inputs[0])).reshape(inputs[0].shape)
        return encoded(numbers, self.output_mode, self.num_bins, self.dtype, owner=f"Layer {self.name!r}")

    def _numbers(self, values):
        """The fingerprints of strings; whole numbers as they are."""
        if not isinstance(values, torch.Tensor):
            return fingerprints.farmhash(values.ravel())
        if values.dtype not in _INTEGERS:
            kind = str(values.dtype).removeprefix("torch.")
            raise UnsupportedInputError(
                f"Layer {self.name!r} crosses strings and whole numbers, got {kind}: use Discretization first."
            )
        return values.detach().cpu().to(torch.int64).numpy().ravel().view(np.uint64)

    def _refuse_unfit(self, shapes):
        first = shapes[0]
        if any(len(shape) != len(first) or not all(map(_fit, shape, first)) for shape in shapes[1:]):
            raise InvalidArgumentError(f"Layer {self.name!r} takes features of one shape, got {shapes}.")
        if len(first) > 2 or (len(first) == 2 and first[1] not in (1, None)):
            raise InvalidArgumentError(
                f"Layer {self.name!r} takes features of shape (), (batch,) or (batch, 1), got {shapes}."
            )

    def compute_output_shape(self, input_shape):
        shapes = list(input_shape)
        if len(shapes) < 2 or not all(isinstance(shape, tuple) for shape in shapes):
            raise InvalidArgumentError(
                f"Layer {self.name!r} takes the shapes of two or more features, got {input_shape}."
            )
        self._refuse_unfit(shapes)
        known = (next((size for size in sizes if size is not None), None) for sizes in zip(*shapes, strict=True))
        return encoded_shape(Shape(known), self.output_mode, self.num_bins)

    def compute_output_spec(self, inputs):
        return KerasTensor(self.compute_output_shape([each.shape for each in inputs]), dtype=self.dtype)

    def get_config(self):
        config = super().get_config()
        config.pop("trainable")
        return {**config, "dtype": self.dtype}


def _fit(size, other):
    return size is None or other is None or size == other
