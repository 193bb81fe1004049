"""Input and InputLayer: where a graph begins.

May import core.
"""

from torchkeras.core import scopes
from torchkeras.core.dtypes import standardize_dtype
from torchkeras.core.fields import with_rules
from torchkeras.core.keras_tensor import KerasTensor, standardize_shape
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.symbolic import Node


@published("layer", "keras.layers")
class InputLayer(Layer):
    """The source node of a functional model; `Input` makes one and gives its tensor.

    Args:
        shape: shape without the batch axis.
        batch_size: fixed batch size.
        dtype: dtype of the data; `floatx()` by default.
        batch_shape: shape with the batch axis, instead of `shape`.
        input_tensor: a KerasTensor to use as the output.
        optional: whether None may be passed.
        name: layer name.
    """

    def __init__(
        self,
        shape=None,
        batch_size=None,
        dtype=None,
        sparse=None,
        ragged=None,
        batch_shape=None,
        input_tensor=None,
        optional=False,
        name=None,
        **kwargs,
    ):
        shape = kwargs.pop("input_shape", shape)
        batch_shape = kwargs.pop("batch_input_shape", batch_shape)
        super().__init__(name=name or scopes.unique_name("input_layer"), **kwargs)
        if sparse or ragged:
            raise ValueError("Sparse and ragged inputs are not supported on torch: pass dense tensors (sparse=False).")
        self.batch_shape = _batch_shape(shape, batch_size, batch_shape, input_tensor)
        self._input_dtype = standardize_dtype(dtype or getattr(input_tensor, "dtype", None))
        self.sparse, self.ragged, self.optional = False, False, bool(optional)
        self.built = True
        self.supports_masking = True
        output = input_tensor if isinstance(input_tensor, KerasTensor) else self._fresh_tensor(name)
        Node(self, (), {}, output)

    def _fresh_tensor(self, name):
        return KerasTensor(self.batch_shape, dtype=self._input_dtype, name=name)

    def call(self, inputs=None):
        return inputs

    @property
    def dtype(self):
        return self._input_dtype

    @property
    def input(self):
        return self.output

    def get_config(self):
        return {
            "batch_shape": tuple(self.batch_shape),
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            "optional": self.optional,
        }


@with_rules
def Input(
    shape=None,
    batch_size=None,
    dtype=None,
    sparse=None,
    ragged=None,
    batch_shape=None,
    name=None,
    tensor=None,
    optional=False,
    **kwargs,
):
    """A symbolic tensor to build a functional model from.

    Args:
        shape: tuple without the batch axis; None for unknown sizes. An integer means `(n,)`.
        batch_size: fixed batch size, unknown by default.
        dtype: dtype of the data; `floatx()` by default. Data of another type is cast.
        batch_shape: shape with the batch axis, instead of `shape` and `batch_size` (`batch_input_shape` in Keras 2).
        name: name of the input, used as key for dict inputs.
        tensor: a KerasTensor to use.
        optional: whether None may be passed.

    Returns a KerasTensor. Raises `ValueError` for missing or doubly given shapes.

    Example:
        >>> Input((3,)).shape
        (None, 3)
    """
    type_spec = kwargs.pop("type_spec", None)
    if type_spec is not None:
        batch_shape, dtype = tuple(type_spec.shape), type_spec.dtype
    batch_shape = kwargs.pop("batch_input_shape", batch_shape)
    if kwargs:
        raise TypeError(f"Input got unknown arguments {sorted(kwargs)}.")
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    )
    return layer.output


def _batch_shape(shape, batch_size, batch_shape, tensor):
    if tensor is not None:
        if not isinstance(tensor, KerasTensor):
            raise ValueError(f"Input(tensor=...) needs a KerasTensor, got {type(tensor).__name__}.")
        return tensor.shape
    if batch_shape is not None:
        if shape is not None or batch_size is not None:
            raise ValueError("Give `batch_shape` alone, or `shape` with an optional `batch_size`, not both.")
        return standardize_shape(batch_shape)
    if shape is None:
        raise ValueError("You must pass a `shape` argument, such as Input(shape=(28, 28)).")
    return standardize_shape((batch_size, *standardize_shape(shape)))
