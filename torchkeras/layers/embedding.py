"""Embedding: a table of vectors, looked up by integers.

May import core and the families below layers.
"""

import torch
import torch.nn.functional as F

from torchkeras.core.arguments import positive_int
from torchkeras.core.conversion import as_tensor_or_symbolic
from torchkeras.core.fields import field
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers._low_rank import LowRank


def _table(weights):
    """The array itself or a list of one."""
    return weights[0] if isinstance(weights, (list, tuple)) and len(weights) == 1 else weights


@published("layer", "keras.layers")
class Embedding(LowRank, Layer, low_rank="embeddings"):
    """Turns integers from 0 to `input_dim - 1` into vectors of `output_dim` learned numbers.

    Args:
        input_dim: number of rows of the table.
        output_dim: size of a vector.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the weight `embeddings`
            `(input_dim, output_dim)`.
        mask_zero: whether 0 is padding: later layers that know masks skip those steps.
        lora_rank, lora_alpha: learn the table through two factors from the start: `enable_lora`.
        weights: first values of the table, an array or a list of one; the layer is then built at once.

    Input: integers of any shape (other numbers are cut to int32); output `(*input_shape, output_dim)`.
    `input_length=n` (Keras 2) declares the input of a first layer as `(n,)`.

    Raises `IndexError` for an index outside the table (on CUDA torch reports it when the device is next waited for).

    Example:
        >>> Embedding(10, 4)(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3, 4])

    In torch: `nn.Embedding(input_dim, output_dim)`; `embeddings` is its `weight`.
    """

    input_dim = field(convert=positive_int("input_dim"))
    output_dim = field(convert=positive_int("output_dim"))
    embeddings_initializer = _slots.initializer("uniform")
    embeddings_regularizer = _slots.regularizer()
    embeddings_constraint = _slots.constraint()
    mask_zero = field(False)
    weights = field(None, in_config=False, convert=_table, attribute="_first_table")  # `layer.weights` are all of them
    lora_rank = _slots.lora()
    lora_alpha = _slots.lora()
    quantization_config = field(None)
    activity_regularizer = _slots.activity_regularizer(always=True, shown=False)

    def _configure(self):
        self.supports_masking = bool(self.mask_zero)
        self.autocast = False  # indices in floats must not be rounded to 16 bits
        if self._first_table is not None:
            self.__dict__["_initial_weights"] = [self._first_table]
            self._first_table = None
            self.build(None)

    def build(self, input_shape=None):
        if self.built:
            return
        # Not cast: the few rows that are looked up are, not the table.
        self.embeddings = _slots.weight(self, "embeddings", (self.input_dim, self.output_dim), autocast=False)

    def call(self, inputs):
        if inputs.dtype is not torch.int32 and inputs.dtype is not torch.int64:
            inputs = inputs.to(torch.int32)
        try:
            outputs = F.embedding(inputs, self.embeddings)
        except IndexError:
            raise IndexError(
                f"Embedding {self.name!r} has rows 0 to {self.input_dim - 1}, the inputs hold {int(inputs.min())} to "
                f"{int(inputs.max())}: make `input_dim` greater than the largest index, and no index negative."
            ) from None
        policy = self.dtype_policy
        return outputs.to(policy.torch_compute) if policy.mixed else outputs

    def compute_mask(self, inputs, mask=None):
        return as_tensor_or_symbolic(inputs) != 0 if self.mask_zero else None

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.output_dim)
