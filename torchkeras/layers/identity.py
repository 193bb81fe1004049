"""Identity: what comes in goes out.

May import core.
"""

from torchkeras.core import tree
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published


@published("layer", "keras.layers")
class Identity(Layer, fields_from=[]):
    """Gives its inputs back: a tensor or a structure of tensors, cast as every layer casts its inputs.

    Example:
        >>> Identity()(torch.ones(2))
        tensor([1., 1.])

    In torch: `nn.Identity()`.
    """

    def _configure(self):
        self.supports_masking = True
        self.built = True

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, inputs):
        return tree.map_structure(lambda x: KerasTensor(Shape(x.shape), dtype=self._dtype_inside(x.dtype)), inputs)
