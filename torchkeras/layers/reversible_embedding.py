"""ReversibleEmbedding: a table of vectors that leads from integers to vectors and back to scores of integers.

May import core and the families below layers.
"""

import torch
import torch.nn.functional as F

from torchkeras.core.arguments import number
from torchkeras.core.dtypes import standardize_dtype, torch_dtype
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.registry import published
from torchkeras.layers.embedding import Embedding


@published("layer", "keras.layers")
class ReversibleEmbedding(Embedding, hidden=["weights", "lora_rank", "lora_alpha", "quantization_config"]):
    """An `Embedding` that can be called the other way round: `(…, output_dim)` -> `(…, input_dim)`, one score per row.

    Args:
        input_dim, output_dim, embeddings_initializer, embeddings_regularizer, embeddings_constraint, mask_zero: as for
            `Embedding`.
        tie_weights: whether both directions share the table; else the way back has a weight of its own,
            `reverse_embeddings` `(output_dim, input_dim)`.
        reverse_dtype: dtype to compute the scores in; by default the layer's compute dtype.
        logit_soft_cap: scores become `cap * tanh(scores / cap)`.

    Call arguments: `inputs`; `reverse`, False by default. Scores have no mask.

    Example:
        >>> layer = ReversibleEmbedding(10, 4)
        >>> vectors = layer(torch.tensor([[1, 2, 3]]))
        >>> layer(vectors, reverse=True).shape
        torch.Size([1, 3, 10])

    In torch: `nn.Embedding(input_dim, output_dim)`, and `F.linear(vectors, embedding.weight)` back.
    """

    tie_weights = field(True, after="output_dim")
    reverse_dtype = field(None, after="mask_zero", convert=standardize_dtype, optional=True)
    logit_soft_cap = field(None, after="mask_zero", convert=number("logit_soft_cap"), optional=True)

    def build(self, input_shape=None):
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
                memory_order=(1, 0),
                autocast=False,
            )

    def call(self, inputs, reverse=False):
        if not reverse:
            outputs = super().call(inputs)
            if self.mask_zero:
                outputs._keras_mask = inputs != 0
            return outputs
        dtype = torch_dtype(self.reverse_dtype) if self.reverse_dtype else self.dtype_policy.torch_compute
        table = self.embeddings if self.tie_weights else self.reverse_embeddings.t()
        scores = F.linear(inputs.to(dtype), table.to(dtype))
        cap = self.logit_soft_cap
        return scores if cap is None else torch.tanh(scores / cap) * cap

    def compute_mask(self, inputs, mask=None):
        """None: `call` knows the direction and puts the mask on what it gives."""
        return None

    def compute_output_shape(self, input_shape, reverse=False):
        return (*input_shape[:-1], self.input_dim) if reverse else (*input_shape, self.output_dim)

    def compute_output_spec(self, inputs, reverse=False):
        dtype = self.reverse_dtype if reverse and self.reverse_dtype else self.compute_dtype
        return KerasTensor(Shape(self.compute_output_shape(inputs.shape, reverse)), dtype=dtype)
