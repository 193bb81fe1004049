"""MultiHeadAttention.

May import core, the families below layers, and what attention layers with projections share.
"""

import math

from torchkeras.core.arguments import positive_int
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.layers.attention_with_heads import AttentionWithHeads


def _output_shape(value):
    if not value:
        return value
    if not isinstance(value, int) and not hasattr(value, "__iter__"):
        raise ValueError(f"`output_shape` must be an integer, a tuple of them or None, got {value!r}.")
    return (value,) if isinstance(value, int) else tuple(value)


def _axes(value):
    if value is not None and not isinstance(value, (int, list, tuple)):
        raise ValueError(f"`attention_axes` must be an integer, or a list or tuple of them, got {value!r}.")
    return (value,) if isinstance(value, int) else value


@published("layer", "keras.layers")
class MultiHeadAttention(AttentionWithHeads):
    """Attention with several heads (Vaswani et al. 2017).

    Args:
        num_heads, key_dim: number of heads, and size of a head's queries and keys.
        value_dim: size of a head's values; `key_dim` if None.
        dropout: fraction of attention scores dropped in training.
        use_bias: of the projections.
        output_shape: sizes of the output behind the steps; by default the size of the query.
        attention_axes: axes of the query to attend over; None for all between batch and features.
        sliding_window: let a step see only those less than this many steps away.
        flash_attention: True insists on torch's flash kernel (an error where it cannot run); else torch chooses.
        kernel_*, bias_*: initializer, regularizer and constraint of the projections' weights.
        activity_regularizer: of the projections' outputs.
        use_gate: multiply the heads' outputs by a sigmoid of a projection of the query.
        seed: for dropout.

    Call arguments: `query` `(batch, T, features)`, `value` `(batch, S, features)`, `key` (by default the value);
    `attention_mask` `(batch, T, S)`, true where a step may look; `query_mask`, `value_mask`, `key_mask`
    `(batch, steps)`, by default those that the tensors carry; `use_causal_mask` (no step sees those after it,
    counted through the attended axes); `return_attention_scores`, then the output is `(output, scores)` with scores
    `(batch, heads, T, S)`; `training`. With `attention_axes`, T and S are the sizes of these axes; masks may also have
    the axes that are not attended over, between the batch and T.

    Which kernel runs, and why: `explain_kernel()`.

    Example:
        >>> x = torch.ones(2, 5, 8)
        >>> MultiHeadAttention(num_heads=2, key_dim=4)(x, x).shape
        torch.Size([2, 5, 8])

    In torch: `nn.MultiheadAttention(features, heads, batch_first=True)`, whose projections are stacked into one weight.
    """

    num_heads = field(convert=positive_int("num_heads"))
    key_dim = field(convert=positive_int("key_dim"))
    value_dim = field(None, convert=positive_int("value_dim"), optional=True)
    output_shape = field(
        None, convert=_output_shape, attribute="_output_shape", after="use_bias"
    )  # a call's is on every layer
    attention_axes = field(None, convert=_axes, after="use_bias")

    _saved_as = {"gate_dense": "_gate_dense"}

    def _configure(self):
        super()._configure()
        self.value_dim = self.value_dim or self.key_dim

    _kernel_initializer = property(lambda self: self.kernel_initializer)
    _bias_initializer = property(lambda self: self.bias_initializer)
    _kernel_regularizer = property(lambda self: self.kernel_regularizer)
    _bias_regularizer = property(lambda self: self.bias_regularizer)
    _kernel_constraint = property(lambda self: self.kernel_constraint)
    _bias_constraint = property(lambda self: self.bias_constraint)
    _num_heads = property(lambda self: self.num_heads)
    _key_dim = property(lambda self: self.key_dim)
    _value_dim = property(lambda self: self.value_dim)
    _attention_axes = property(lambda self: self.attention_axes)
    _inverse_sqrt_key_dim = property(lambda self: 1.0 / math.sqrt(self.key_dim))

    @property
    def _heads(self):
        return self.num_heads, self.num_heads

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        self._check_lengths(value_shape, key_shape)
        heads = self.num_heads
        self.query_dense = self._projection("query", query_shape, heads, self.key_dim)
        self.key_dense = self._projection("key", key_shape, heads, self.key_dim)
        if self.use_gate:
            self.gate_dense = self._projection("gate", query_shape, heads, self.value_dim, activation="sigmoid")
        self.value_dense = self._projection("value", value_shape, heads, self.value_dim)
        self._build_attention(len(value_shape) + 1)
        sizes = self._output_shape or (query_shape[-1],)
        self.output_dense = self._output_projection(query_shape, self.value_dim, sizes)

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        self._check_lengths(value_shape, value_shape if key_shape is None else key_shape)
        return (*query_shape[:-1], *(self._output_shape or (query_shape[-1],)))
