"""Attention and AdditiveAttention: attention between given tensors, without projections.

May import core, random and the families below layers.
"""

import torch
import torch.nn.functional as F

from torchkeras import random
from torchkeras.core.arguments import between, one_of
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor, Shape, is_shape
from torchkeras.core.kernels import slow_path
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.ops.nn_statistics import attend


@published("layer", "keras.layers")
class Attention(Layer):
    """Dot-product attention (Luong et al. 2015): `softmax(query · keyᵀ) · value`.

    Args:
        use_scale: multiply the scores by one learned number.
        score_mode: "dot" for the scores `query · key`, "concat" for `sum(tanh(query + key))` times a learned number.
        dropout: fraction of attention weights dropped in training.
        seed: integer for reproducible dropout (Keras's own numbers).

    Called on a list `[query, value]` or `[query, value, key]` of shapes `(batch, T, size)`, `(batch, S, value size)`,
    `(batch, S, size)`; without a key the value serves. Call arguments: `mask`, a list `[query mask, value mask]` of
    `(batch, T)` and `(batch, S)` or None, by default what the tensors carry: masked values are not looked at, masked
    rows of the output are zero; `use_causal_mask` (no step sees those after it); `return_attention_scores`, then the
    output is `(output, weights)` with weights `(batch, T, S)`; `training`. Output: `(batch, T, value size)`.

    Weights: `scale` with `use_scale`, `concat_score_weight` with "concat"; both single numbers.

    Raises `ValueError` where inputs or masks are no lists of two or three.

    Which kernel runs, and why: `explain_kernel()`.

    Example:
        >>> query, value = torch.ones(2, 5, 8), torch.ones(2, 7, 8)
        >>> Attention()([query, value]).shape
        torch.Size([2, 5, 8])

    In torch: `F.scaled_dot_product_attention(query, key, value, scale=1.0)`.
    """

    use_scale = field(False)
    score_mode = field("dot", convert=one_of("score_mode", "dot", "concat"))
    dropout = field(0.0, convert=between("dropout", 0, 1))
    seed = field(None)
    use_causal_mask = field(False, shown=False, in_config=False)  # what calls do by default; Keras 2's `causal`

    _takes_several = True

    def _configure(self):
        self.supports_masking = True
        if self.dropout > 0:
            self.seed_generator = random.SeedGenerator(self.seed)

    def build(self, input_shape):
        self._check(None if is_shape(input_shape) else input_shape)
        self.scale = self._number("scale") if self.use_scale else None
        self.concat_score_weight = self._number("concat_score_weight") if self.score_mode == "concat" else None

    def _number(self, name):
        return self.add_weight(name=name, shape=(), initializer="ones")

    def _check(self, inputs, mask=None):
        for what, given, parts in (
            ("inputs", inputs, "[query, value] or [query, value, key]"),
            ("masks", mask if mask is not None else [None, None], "[query mask, value mask], each a tensor or None"),
        ):
            if not isinstance(given, list) or len(given) not in (2, 3):
                found = f"{len(given)} of them" if isinstance(given, list) else "no list"
                raise ValueError(f"Layer {self.name!r} takes its {what} as a list {parts}; got {found}.")

    # -- call ---------------------------------------------------------------------------------------------------------

    def call(self, inputs, mask=None, training=False, return_attention_scores=False, use_causal_mask=False):
        self._check(inputs, mask)
        inputs = [x if x.is_floating_point() else self._in_floats(x) for x in inputs]
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (None, None) if mask is None else mask[:2]
        causal = use_causal_mask or self.use_causal_mask
        if self._obstacle(query, value_mask is not None, training, return_attention_scores) is None:
            outputs, weights = self._run_kernel(query, key, value, causal, training), None
        else:
            if self.score_mode == "dot":  # else there is no other
                slow_path(self, value_mask is not None, training, return_attention_scores)
            scores = self._calculate_scores(query, key)
            allowed = self._allowed(scores, value_mask, causal)
            outputs, weights = self._apply_scores(scores, value, allowed, training)
        if query_mask is not None:
            outputs = outputs.masked_fill(query_mask.bool().logical_not().unsqueeze(-1), 0)
        return (outputs, weights) if return_attention_scores else outputs

    def _allowed(self, scores, value_mask, causal):
        """Where a step may look, to be broadcast to the scores; None for everywhere."""
        mask = None if value_mask is None else value_mask.bool().unsqueeze(-2)
        if not causal:
            return mask
        steps = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        return steps if mask is None else steps & mask

    def _calculate_scores(self, query, key):
        """Scores `(batch, T, S)` before the softmax. May be overridden."""
        if self.score_mode == "dot":
            return torch.matmul(self._scaled(query), key.transpose(-2, -1))
        sums = self._scaled(query.unsqueeze(-2) + key.unsqueeze(-3))
        return self.concat_score_weight * torch.tanh(sums).sum(-1)

    def _scaled(self, x):
        return x if self.scale is None else x * self.scale

    def _apply_scores(self, scores, value, scores_mask=None, training=False):
        """`(outputs, weights)` for scores, which count where the mask is true. May be overridden."""
        if scores_mask is not None:
            # A finite number, as in Keras: a step that may look nowhere gets the mean of all values, not NaN.
            far = 65504.0 if scores.dtype is torch.float16 else 1e9
            scores = scores - scores_mask.logical_not().to(scores.dtype) * far
        weights = F.softmax(scores, -1)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        return torch.matmul(weights, value), weights

    def _run_kernel(self, query, key, value, causal, training):
        query, key, value = (x.unsqueeze(1) for x in (self._scaled(query), key, value))
        return attend(query, key, value, None, self.dropout if training else 0.0, causal, scale=1.0).squeeze(1)

    def _obstacle(self, query=None, masked=False, training=False, scores=False):
        """Why torch's attention kernel cannot serve, or None."""
        if self.score_mode != "dot" or type(self)._calculate_scores is not Attention._calculate_scores:
            return "the scores are no products of queries and keys"
        if type(self)._apply_scores is not Attention._apply_scores:
            return "a subclass applies the scores"
        if scores:
            return "the attention scores are asked for"
        if query is not None and query.dim() != 3:
            return "more axes than batch, steps and features"
        if self.dropout > 0 and self.seed is not None and training:
            return "dropout with a seed takes Keras's numbers"
        if masked:
            return "with the care for steps that may look nowhere, torch's kernel is no faster here"
        return None

    def explain_kernel(self, masked=False, training=False, return_attention_scores=False):
        """`(kernel, reason)` for such a call."""
        obstacle = self._obstacle(None, masked, training, return_attention_scores)
        if obstacle is None:
            return "torch scaled_dot_product_attention", "the same arithmetic"
        return "matmul and softmax", obstacle

    # -- masks, shapes and configuration ------------------------------------------------------------------------------

    def compute_mask(self, inputs, mask=None):
        """The query's mask."""
        self._check(inputs, mask)
        return None if mask is None else mask[0]

    def compute_output_shape(self, input_shape):
        return Shape((*input_shape[0][:-1], input_shape[1][-1]))

    def compute_output_spec(
        self, inputs, mask=None, return_attention_scores=False, training=None, use_causal_mask=False
    ):
        self._check(inputs, mask)
        shapes = [x.shape for x in inputs]
        output = KerasTensor(self.compute_output_shape(shapes), dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        return output, KerasTensor(Shape((*shapes[0][:-1], shapes[-1][-2])), dtype=self.compute_dtype)

    def get_config(self):
        config = super().get_config()
        return {**config, "use_causal_mask": True} if self.use_causal_mask else config


@published("layer", "keras.layers")
class AdditiveAttention(Attention, without=["score_mode"]):
    """Additive attention (Bahdanau et al. 2015): scores are `sum(scale * tanh(query + key))`.

    Args:
        use_scale: learn a factor for each feature.
        dropout: fraction of attention weights dropped in training.
        seed: integer for reproducible dropout (Keras's own numbers).

    Called as `Attention` is; query and key have the same number of features.

    Weights: `scale` `(size,)` with `use_scale`.

    Example:
        >>> query, value = torch.ones(2, 5, 8), torch.ones(2, 7, 8)
        >>> AdditiveAttention()([query, value]).shape
        torch.Size([2, 5, 8])

    In torch: `(torch.tanh(query.unsqueeze(2) + key.unsqueeze(1)) @ scale).softmax(-1) @ value`, which holds
    `batch * T * S * size` numbers at a time.
    """

    use_scale = field(True)
    dropout = field(0.0, convert=between("dropout", 0, 1))
    seed = field(None, shown=False)

    score_mode = "additive"

    def build(self, input_shape):
        self._check(None if is_shape(input_shape) else input_shape)
        self.scale = None
        if self.use_scale:
            size = (input_shape[0][-1],)
            self.scale = self.add_weight(name="scale", shape=size, initializer="glorot_uniform")

    def _calculate_scores(self, query, key):
        sums = torch.tanh(query.unsqueeze(-2) + key.unsqueeze(-3))
        return sums.sum(-1) if self.scale is None else torch.matmul(sums, self.scale)
