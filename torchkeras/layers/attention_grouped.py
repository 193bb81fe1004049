"""GroupedQueryAttention, which Keras's users know as `GroupQueryAttention`.

May import core, the families below layers, and what attention layers with projections share.
"""

import math

from torchkeras.core.arguments import positive_int
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers.attention_with_heads import AttentionWithHeads


@published("layer", "keras.layers", name="GroupQueryAttention", aliases=("GroupedQueryAttention",))
class GroupedQueryAttention(AttentionWithHeads):
    """Attention in which several heads of queries share one head of keys and values (Ainslie et al. 2023).

    With one head of keys and values it is multi-query attention, with as many as of queries multi-head attention.

    Args:
        head_dim: size of a head.
        num_query_heads: number of heads of queries, a multiple of the next.
        num_key_value_heads: number of heads of keys and values.
        dropout: fraction of attention scores dropped in training.
        use_bias: of the projections.
        sliding_window: let a step see only those less than this many steps away.
        flash_attention: True insists on torch's flash kernel (an error where it cannot run); else torch chooses.
        kernel_*, bias_*: initializer, regularizer and constraint of the projections' weights.
        activity_regularizer: of the projections' outputs and of the layer's.
        use_gate: multiply the heads' outputs by a sigmoid of a projection of the query.
        seed: for dropout.

    Call arguments: `query` `(batch, T, features)`, `value` `(batch, S, features)`, `key` (by default the value);
    `attention_mask` `(batch, T, S)`, true where a step may look; `query_mask`, `value_mask`, `key_mask`
    `(batch, steps)`, by default those that the tensors carry; `use_causal_mask` (no step sees those after it);
    `return_attention_scores`, then the output is `(output, scores)` with scores `(batch, query heads, T, S)`;
    `training`. The output has the shape of the query.

    Raises `ValueError` where the numbers of heads or the lengths of keys and values do not fit.

    Which kernel runs, and why: `explain_kernel()`.

    Example:
        >>> x = torch.ones(2, 5, 8)
        >>> GroupedQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)(x, x).shape
        torch.Size([2, 5, 8])

    In torch: `F.scaled_dot_product_attention(query, key, value, enable_gqa=True)` between `nn.Linear`s.
    """

    head_dim = field(convert=positive_int("head_dim"))
    num_query_heads = field(convert=positive_int("num_query_heads"))
    num_key_value_heads = field(convert=positive_int("num_key_value_heads"))
    activity_regularizer = _slots.activity_regularizer(always=True, after="bias_regularizer")

    attention_axes = (1,)
    _saved_as = {f"{part}_dense": f"_{part}_dense" for part in ("query", "key", "value", "gate", "output")}

    def _configure(self):
        super()._configure()
        if self.num_query_heads % self.num_key_value_heads:
            raise InvalidArgumentError(
                f"`num_query_heads` must be a multiple of `num_key_value_heads`, got {self.num_query_heads} and "
                f"{self.num_key_value_heads}."
            )

    num_repeats = property(lambda self: self.num_query_heads // self.num_key_value_heads)
    _inverse_sqrt_head_dim = property(lambda self: 1.0 / math.sqrt(self.head_dim))

    @property
    def _heads(self):
        return self.num_query_heads, self.num_key_value_heads

    @property
    def _penalty(self):
        return self.activity_regularizer

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        queries, others = self._heads
        size, self.feature_dim = self.head_dim, query_shape[-1]
        self.query_dense = self._projection("query", query_shape, queries, size)
        self.key_dense = self._projection("key", key_shape, others, size)
        if self.use_gate:
            self.gate_dense = self._projection("gate", query_shape, queries, size, activation="sigmoid")
        self.value_dense = self._projection("value", value_shape, others, size)
        self._build_attention(4)
        self.output_dense = self._output_projection(query_shape, size, (query_shape[-1],))

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        if query_shape[-1] != value_shape[-1]:
            raise ValueError(
                f"Layer {self.name!r}: query and value must have the same number of features, got shapes "
                f"{tuple(query_shape)} and {tuple(value_shape)}."
            )
        self._check_lengths(value_shape, value_shape if key_shape is None else key_shape)
        return query_shape
