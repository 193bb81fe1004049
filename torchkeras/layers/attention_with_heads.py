"""What attention layers with projections share: fields, projections, masks, the choice of the kernel, scores.

May import core and the families below layers, and the layers that they are made of. Its subclasses say how many heads
there are and which weights.
"""

import functools
import inspect
import math
import string

import torch

from torchkeras.core.arguments import between, positive_int
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.kernels import slow_path
from torchkeras.core.layer import Layer
from torchkeras.core.masks import mask_of
from torchkeras.core.transforms import runs_plainly
from torchkeras.layers import _slots
from torchkeras.layers.activation import Softmax
from torchkeras.layers.einsum_dense import EinsumDense
from torchkeras.layers.regularization import Dropout
from torchkeras.ops.nn_statistics import attend

_PARTS = {f"_{part}_dense": f"{part}_dense" for part in ("query", "key", "value", "gate", "output")}
_HOOKS = ("_compute_attention", "_compute_attention_mask", "_compute_causal_mask", "_masked_softmax")


class AttentionWithHeads(Layer, own_first=True):
    """Attention between projections of queries, keys and values.

    A subclass has `query_dense`, `key_dense`, `value_dense`, `output_dense` and, with `use_gate`, `gate_dense` after
    `build`, which ends with `_build_attention`. Users' subclasses know them by Keras's names, with a line in front, and
    override what `_HOOKS` lists: `call` then goes by it.
    """

    dropout = field(0.0, convert=between("dropout", 0, 1))
    use_bias = field(True)
    sliding_window = field(None, convert=positive_int("sliding_window"), optional=True)
    flash_attention = field(None, in_config=False)
    kernel_initializer = _slots.initializer("glorot_uniform")
    bias_initializer = _slots.initializer("zeros")
    kernel_regularizer = _slots.regularizer()
    bias_regularizer = _slots.regularizer()
    activity_regularizer = _slots.regularizer(attribute="_penalty")  # of the projections' outputs, not the whole's
    kernel_constraint = _slots.constraint()
    bias_constraint = _slots.constraint()
    use_gate = field(False)
    seed = field(None)

    attention_axes = None

    _query_dense = property(lambda self: self.query_dense)
    _key_dense = property(lambda self: self.key_dense)
    _value_dense = property(lambda self: self.value_dense)
    _gate_dense = property(lambda self: self.gate_dense)
    _output_dense = property(lambda self: self.output_dense)
    _dropout = property(lambda self: self.dropout)
    _use_bias = property(lambda self: self.use_bias)
    _use_gate = property(lambda self: self.use_gate)
    _flash_attention = property(lambda self: self.flash_attention)
    _sliding_window = property(lambda self: self.sliding_window)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "call" in cls.__dict__ and "compute_output_spec" not in cls.__dict__ and not _takes_ours(cls.call):
            cls.compute_output_spec = Layer.compute_output_spec

    def __setattr__(self, name, value):
        super().__setattr__(_PARTS.get(name, name), value)

    def _configure(self):
        ours = AttentionWithHeads
        self._overridden = {name for name in _HOOKS if getattr(type(self), name) is not getattr(ours, name)}
        self.supports_masking = True
        if self.flash_attention and self.dropout > 0:
            raise ValueError("flash_attention=True knows no dropout: make one of the two 0 or None.")

    @property
    def _heads(self):
        """Numbers of heads `(of queries, of keys and values)`."""
        raise NotImplementedError

    # -- weights ------------------------------------------------------------------------------------------------------

    def _check_lengths(self, value_shape, key_shape):
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                f"Layer {self.name!r}: key and value must agree in all axes between batch and features, got shapes "
                f"{tuple(key_shape)} and {tuple(value_shape)}."
            )

    def _projection(self, name, shape, heads, size, **options):
        """Features to `(heads, size)`."""
        free = string.ascii_lowercase[: len(shape) - 1]
        equation = f"{free}x,xyz->{free}yz"
        sizes = (*[None] * (len(shape) - 2), heads, size)
        options |= {"trainable": self.trainable, **self._get_common_kwargs_for_sublayer()}
        layer = EinsumDense(equation, sizes, bias_axes=self._bias("yz"), name=name, **options)
        layer.build(shape)
        return layer

    def _output_projection(self, query_shape, size, sizes):
        """`(heads, size)` to the output's features."""
        letters = string.ascii_lowercase
        count = len(query_shape) - 1
        free, new = letters[:count], letters[count : count + len(sizes)]
        equation = f"{free}yz,yz{new}->{free}{new}"
        layer = EinsumDense(
            equation,
            (*[None] * (count - 1), *sizes),
            bias_axes=self._bias(new),
            name="attention_output",
            trainable=self.trainable,
            **self._get_common_kwargs_for_sublayer(),
        )
        layer.build((*query_shape[:-1], self._heads[0], size))
        return layer

    def _bias(self, axes):
        return axes if self.use_bias else None

    def _get_common_kwargs_for_sublayer(self):
        """Arguments of every projection, under the name by which subclasses ask for them. Initializers are cloned: one
        instance gives the same numbers each time."""
        return {
            "kernel_initializer": _clone(self.kernel_initializer),
            "bias_initializer": _clone(self.bias_initializer),
            "kernel_regularizer": self.kernel_regularizer,
            "bias_regularizer": self.bias_regularizer,
            "activity_regularizer": self._penalty,
            "kernel_constraint": self.kernel_constraint,
            "bias_constraint": self.bias_constraint,
            "dtype": self.dtype_policy,
        }

    def _build_attention(self, rank):
        """The equations for projected tensors of this rank, `(batch, ..., heads, size)`."""
        if self.attention_axes is None:
            self.attention_axes = tuple(range(1, rank - 2))
        else:
            self.attention_axes = tuple(axis if axis >= 0 else rank - 1 + axis for axis in self.attention_axes)
        axes = self.attention_axes
        if len(set(axes)) < len(axes):
            raise ValueError(f"Layer {self.name!r}: attention_axes={axes} names an axis twice.")
        target = string.ascii_lowercase[:rank]
        source = list(target)
        for position, axis in enumerate(axes):
            source[axis] = string.ascii_lowercase[rank + position]
        source = "".join(source)
        kept = "".join(target[axis] for axis in range(rank - 1) if axis not in axes)
        scores = kept + "".join(target[axis] for axis in axes) + "".join(source[axis] for axis in axes)
        self._dot_product_equation = f"{source},{target}->{scores}"
        self._combine_equation = f"{scores},{source}->{target}"
        self._scores_rank = len(scores)
        self._softmax = Softmax(axis=tuple(range(len(scores) - len(axes), len(scores))), dtype=self.dtype_policy)
        self._dropout_layer = Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)
        for layer in (self._softmax, self._dropout_layer):  # compiled, nothing is left for a first call
            layer.build((None,) * self._scores_rank)

    # -- call ---------------------------------------------------------------------------------------------------------

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        key = value if key is None else key
        masks = {"query_mask": query_mask, "value_mask": value_mask, "key_mask": key_mask}
        query, value, key = (_without_mask(each) for each in (query, value, key))
        only_causal = (
            use_causal_mask
            and attention_mask is None
            and all(mask is None for mask in masks.values())
            and self.sliding_window is None
            and not self._overridden
        )
        options = {"use_causal_mask": True} if only_causal else {}
        if not only_causal:
            given = {**masks, "attention_mask": attention_mask, "use_causal_mask": use_causal_mask}
            attention_mask = self._compute_attention_mask(query, value, **given)
        projected = self.query_dense(query), self.key_dense(key), self.value_dense(value)
        outputs, scores = self._compute_attention(
            *(self._with_equal_heads(*projected) if "_compute_attention" in self._overridden else projected),
            attention_mask,
            training,
            return_attention_scores,
            **options,
        )
        del projected  # the allocator has their memory for the output
        if self.use_gate:
            outputs = outputs * self.gate_dense(query)
        outputs = self.output_dense(outputs)
        return (outputs, scores) if return_attention_scores else outputs

    def _compute_attention_mask(
        self,
        query,
        value,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        use_causal_mask=False,
    ):
        """All masks as one, true where a step may look, or None: `(batch, [axes not attended over], T…, S…)`. May be
        overridden."""
        found = []
        if query_mask is not None:
            found.append(self._mask_of_steps(query_mask, query.dim(), of_queries=True))
        for mask in (value_mask, key_mask):
            if mask is not None:
                found.append(self._mask_of_steps(mask, value.dim(), of_queries=False))
        if use_causal_mask:
            found.append(self._compute_causal_mask(query, value))
        if self.sliding_window is not None:
            found.append(self._mask_of_places(query, value, lambda distance: distance.abs() < self.sliding_window))
        if attention_mask is not None:
            found.append(attention_mask.bool())
        if not found:
            return None
        rank = max(mask.dim() for mask in found)
        return functools.reduce(torch.logical_and, [self._to_rank(mask, rank) for mask in found])

    def _mask_of_steps(self, mask, rank, of_queries):
        """A mask of single steps, over all axes of tensors of that rank or over the attended ones, among the masks of
        pairs."""
        axes, mask = self.attention_axes, mask.bool()
        if mask.dim() == rank - 1:
            mask = mask.permute(0, *(axis for axis in range(1, rank - 1) if axis not in axes), *axes)
        for _ in axes:
            mask = mask.unsqueeze(mask.dim() if of_queries else mask.dim() - len(axes))
        return mask

    def _compute_causal_mask(self, query, value=None):
        """True where a step does not look ahead, `(1, T…, S…)`. May be overridden."""
        return self._mask_of_places(query, query if value is None else value, lambda distance: distance >= 0)

    def _mask_of_places(self, query, value, allowed):
        """What the distances between steps say, counted through the attended axes."""
        sizes = [[x.shape[axis] for axis in self.attention_axes] for x in (query, value)]
        queries, keys = (torch.arange(math.prod(each), device=query.device) for each in sizes)
        return allowed(queries.unsqueeze(1) - keys).reshape(1, *sizes[0], *sizes[1])

    def _masked_softmax(self, attention_scores, attention_mask=None):
        """Scores `(batch, heads, T, S)` as weights; a mask of pairs may lack the heads. May be overridden."""
        mask = None if attention_mask is None else self._to_rank(attention_mask, self._scores_rank)
        return self._softmax(attention_scores, mask=mask)

    def _compute_attention(
        self,
        query,
        key,
        value,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        """Attention of projected tensors `(batch, T, heads, size)`: `(outputs, scores or None)`. May be overridden."""
        if self.flash_attention and return_attention_scores:
            raise ValueError(
                "The flash kernel forms no attention scores: leave flash_attention None to have them returned."
            )
        facts = attention_mask is not None, training, return_attention_scores
        if self._obstacle(query, *facts) is None:
            dropout = self.dropout if training else 0.0
            return self._run_kernel(query, key, value, attention_mask, use_causal_mask, dropout), None
        slow_path(self, *facts)
        if use_causal_mask:
            causal = self._compute_causal_mask(query, value)
            attention_mask = causal if attention_mask is None else attention_mask.bool() & causal
        query, key, value = self._with_equal_heads(query, key, value)
        scores = torch.einsum(self._dot_product_equation, key, query / math.sqrt(query.shape[-1]))
        scores = self._masked_softmax(scores, attention_mask)
        kept = self._dropout_layer(scores, training=training) if self.dropout > 0 else scores
        return torch.einsum(self._combine_equation, kept, value), scores

    def _with_equal_heads(self, query, key, value):
        """A head of keys and values for each head of queries: copies, where heads of queries share one."""
        heads, others = self._heads
        if heads != others:
            key, value = (each.repeat_interleave(heads // others, -2) for each in (key, value))
        return query, key, value

    def _to_rank(self, mask, rank):
        """A mask of pairs with axes of size 1 for what it lacks between the batch and the attended axes."""
        place = -2 * len(self.attention_axes) - 1
        for _ in range(rank - mask.dim()):
            mask = mask.unsqueeze(place)
        return mask

    def _run_kernel(self, query, key, value, mask, causal, dropout):
        flash = self.flash_attention
        if mask is not None:
            # A finite number, as in Keras: a step that may look nowhere gets the mean of all values, not NaN.
            low = torch.finfo(query.dtype).min / 2  # kernels multiply by log2(e): still finite
            mask = self._to_rank(mask.bool(), self._scores_rank)
            mask = torch.zeros(mask.shape, dtype=query.dtype, device=query.device).masked_fill(mask.logical_not(), low)
            if causal:
                mask = mask.masked_fill(self._compute_causal_mask(query, key).logical_not(), low)
                causal = False
            if not flash and _some_look_nowhere(mask, value):
                slow_path(self, True, dropout > 0, False, True)
                flash = False
        heads, others = self._heads
        steps = query.dim() == 4
        sides = [each.transpose(1, 2) if steps else self._in_rows(each) for each in (query, key, value)]
        outputs = attend(*sides, mask, dropout, causal, flash_attention=flash, grouped=heads != others)
        return outputs.transpose(1, 2) if steps else self._from_rows(outputs, query.shape)

    def _in_rows(self, x):
        """A projected tensor as `(batch and axes not attended over, heads, attended axes, size)`."""
        axes = self.attention_axes
        kept = x.dim() - 2 - len(axes)
        return x.permute(self._row_order(x.dim())).flatten(kept + 1, -2).flatten(0, kept - 1)

    def _from_rows(self, rows, shape):
        order = self._row_order(len(shape))
        sizes = [*(shape[axis] for axis in order[:-1]), rows.shape[-1]]
        return rows.reshape(sizes).permute([order.index(axis) for axis in range(len(shape))])

    def _row_order(self, rank):
        kept = [axis for axis in range(rank - 2) if axis not in self.attention_axes]
        return (*kept, rank - 2, *self.attention_axes, rank - 1)

    def _obstacle(self, query=None, masked=False, training=False, scores=False):
        """Why torch's attention kernel cannot serve, or None."""
        if scores:
            return "the attention scores are asked for"
        if "_masked_softmax" in self._overridden:
            return f"{type(self).__name__} has a softmax of its own"
        if masked and (query is not None and query.dim() != 4 or self.built and self.attention_axes != (1,)):
            return "masks over other axes than the steps"
        if self.dropout > 0 and masked:
            return "with dropout, Keras gives steps that may look nowhere zeros instead of a mean"
        if self.dropout > 0 and self.seed is not None and training:
            return "dropout with a seed takes Keras's numbers"
        return None

    def explain_kernel(self, masked=False, training=False, return_attention_scores=False, blind=False):
        """`(kernel, reason)` for such a call; `blind`: with gradients, through steps that may look nowhere."""
        obstacle = self._obstacle(None, masked, training, return_attention_scores)
        if obstacle is None and blind:
            return "torch attention, not fused", "the fused kernel rounds gradients of steps that may look nowhere"
        if obstacle is None:
            return "torch scaled_dot_product_attention", "the same arithmetic"
        return "einsum and softmax", obstacle

    # -- shapes -------------------------------------------------------------------------------------------------------

    def compute_output_spec(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        shape = self.compute_output_shape(query.shape, value.shape, None if key is None else key.shape)
        output = KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        axes, (query_heads, _) = self.attention_axes, self._heads
        kept = [query.shape[axis] for axis in range(len(query.shape) - 1) if axis not in axes]
        ends = [query.shape[axis] for axis in axes] + [value.shape[axis] for axis in axes]
        return output, KerasTensor((*kept, query_heads, *ends), dtype=self.compute_dtype)


def _some_look_nowhere(added, value):
    """Whether gradients go through a row to which low numbers only are added. There torch's kernel for the CPU, which
    keeps the logarithm of a row's sum, rounds the number of entries away from it, and weighs each by 1. On other
    devices nobody asks: it would be a wait for them."""
    if not (value.requires_grad and value.device.type == "cpu" and runs_plainly() and added.numel()):
        return False
    return float(added.amax(-1).min()) < 0.0


def _takes_ours(call):
    """Whether a `call` takes what ours does, so that shapes follow from its arguments as from ours."""
    return {"query", "value", "return_attention_scores"} <= set(inspect.signature(call).parameters)


def _clone(initializer):
    if not hasattr(initializer, "get_config"):
        return initializer  # a plain function
    return type(initializer).from_config(initializer.get_config())


def _without_mask(tensor):
    """The same tensor, without the Keras mask that it carries: the projections have no use for it."""
    return tensor if mask_of(tensor) is None else tensor.view_as(tensor)
