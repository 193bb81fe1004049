"""MultiHeadAttention and EinsumDense beside the installed Keras: masks, axes, scores, dropout's numbers, equations."""

import random

import keras
import numpy as np
import pytest
import torch
from keras import tree

import torchkeras
from compat.harness import compare, random_weights
from compat.layer_cases import case, mask
from torchkeras import layers

Q, V, K = (4, 5, 3), (4, 6, 3), (4, 6, 2)
LONG = (2, 3, 5, 4), (2, 3, 6, 4)
PAIRS = np.random.default_rng(5).random((4, 5, 6)) > 0.4
PAIRS[0] = False  # rows that may look nowhere
SQUARE = PAIRS[:, :, :5]
STEPS = mask(6, 3, 0, 1, size=6)


def attention(*args, **options):
    return case("MultiHeadAttention", *args, num_heads=2, key_dim=4, shapes=None, **options)


def grouped(*args, **options):
    sizes = {"head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 2}
    return case("GroupQueryAttention", *args, **sizes, shapes=None, **options)


CASES = [
    attention(*LONG, attention_axes=(-2,), kwargs={"attention_mask": np.ones((2, 5, 6), dtype=bool)}),
]
for make in (attention, grouped):
    CASES += [
        make(Q, V, kwargs={"attention_mask": PAIRS}),
        make(Q, V, kwargs={"attention_mask": PAIRS[0:1]}),
        make(Q, V, kwargs={"attention_mask": PAIRS.astype("int32")}),
        make(Q, V, kwargs={"attention_mask": PAIRS, "use_causal_mask": True}),
        make(Q, V, kwargs={"value_mask": STEPS}),
        make(Q, V, K, kwargs={"key_mask": STEPS, "attention_mask": PAIRS}),
        make(Q, V, K, masks=(None, None, STEPS)),
        make(Q, V, sliding_window=2, kwargs={"attention_mask": PAIRS}),
        make(Q, V, kwargs={"return_attention_scores": True, "attention_mask": PAIRS, "use_causal_mask": True}),
        make(Q, V, dropout=0.3, kwargs={"attention_mask": PAIRS}),
        make(Q, V, dropout=0.3, kwargs={"use_causal_mask": True}),
        make(Q, V, dropout=0.3, seed=3, training=True, kwargs={"attention_mask": PAIRS}),
        *[
            make(Q, V, dtype=dtype, kwargs={"attention_mask": PAIRS}, loose=2.0)
            for dtype in ("mixed_float16", "mixed_bfloat16", "float16", "float64")
        ],
    ]


@pytest.mark.parametrize("each", CASES, ids=lambda each: f"{each.title}{list(each.kwargs)}")
def test_attention(each):
    differences = compare(each)
    assert not differences, "\n".join(differences)


def test_equal_seeds_give_equal_first_weights():
    values, after = [], []
    for module in (keras.layers, layers):
        random.seed(3)
        layer = module.MultiHeadAttention(2, 4, dropout=0.2, use_gate=True, bias_initializer="glorot_normal")
        layer.build(Q, V)
        dense = module.EinsumDense("abc,cde->abde", (None, 2, 6), kernel_initializer="he_uniform")
        dense.build(Q)
        values.append(layer.get_weights() + dense.get_weights())
        after.append(random.random())
    for a, b in zip(*values, strict=True):
        np.testing.assert_array_equal(a, b)
    assert after[0] == after[1]


def test_weights_of_one_part_keep_their_place():
    """Names of everything below, in order: what weight files are keyed by."""
    names = []
    for module, clear in ((keras.layers, keras.utils.clear_session), (layers, None)):
        if clear:
            clear()
        layer = module.MultiHeadAttention(2, 4, dropout=0.1, use_gate=True, name="mha")
        layer.build(Q, V, K)
        names.append([w.path for w in layer.weights])
    assert names[0] == names[1]


@pytest.mark.parametrize(
    "options", [{"num_heads": 0}, {"key_dim": -1}, {"value_dim": 0}, {"sliding_window": 0}, {"attention_axes": "a"}]
)
def test_bad_arguments(options):
    for module in (keras.layers, layers):
        with pytest.raises(ValueError):
            module.MultiHeadAttention(**{"num_heads": 2, "key_dim": 4, **options})


def test_flash_and_dropout_exclude_each_other():
    for module in (keras.layers, layers):
        with pytest.raises(ValueError):
            module.MultiHeadAttention(2, 4, dropout=0.1, flash_attention=True)
        layer = module.MultiHeadAttention(2, 4, flash_attention=True)
        with pytest.raises(ValueError):
            layer(torch.ones(Q), torch.ones(V), return_attention_scores=True)


def test_lengths_of_key_and_value_must_agree():
    for module in (keras.layers, layers):
        with pytest.raises(ValueError):
            module.MultiHeadAttention(2, 4)(torch.ones(Q), torch.ones(V), torch.ones(4, 5, 3))


@pytest.mark.parametrize(
    ("equation", "output_shape", "bias_axes"),
    [
        ("abc->abd", 4, None),
        ("abc,cd->abe", (None, 4), None),
        ("abc,cde->abd", (None, 4), None),
        ("abc,cd->abd", (7, 4), None),
        ("abc,cd->abd", (None, 4), "x"),
    ],
)
def test_bad_equations(equation, output_shape, bias_axes):
    for module in (keras.layers, layers):
        with pytest.raises(ValueError):
            module.EinsumDense(equation, output_shape, bias_axes=bias_axes)(torch.ones(4, 5, 3))


@pytest.mark.parametrize(
    ("shape", "axes", "masks"),
    [
        ((4, 5, 3), None, {}),
        ((4, 5, 3), (1,), {"value_mask": (4, 5)}),
        ((4, 5, 3), (-2,), {"value_mask": (4, 5), "key_mask": (4, 5), "attention_mask": (4, 5, 5)}),
        ((4, 5, 2, 3), (1,), {}),
        ((4, 5, 2, 3), (1,), {"value_mask": (4, 5)}),
        ((4, 5, 2, 3), (1,), {"attention_mask": (4, 5, 5), "key_mask": (4, 5)}),
        ((4, 2, 5, 3), (2,), {"attention_mask": (4, 5, 5)}),
        ((4, 2, 5, 3), (2,), {"attention_mask": (4, 2, 5, 5), "value_mask": (4, 2, 5)}),
        ((4, 2, 3, 3), None, {"attention_mask": (4, 2, 3, 2, 3)}),
    ],
)
@pytest.mark.parametrize("kind", ["bool", "float32", "int32"])
def test_masks_with_attention_axes(shape, axes, masks, kind):
    rng = np.random.default_rng(5)
    given = {name: (rng.random(size) > 0.3).astype(kind) for name, size in masks.items()}
    causal = shape[1] == 5  # with other axes, Keras takes the steps from axis 1 all the same
    differences = compare(attention(shape, shape, attention_axes=axes, kwargs={**given, "use_causal_mask": causal}))
    assert not differences


# -- subclasses and the names that they know --------------------------------------------------------------------------


def cached(k):
    """Attention whose keys and values are kept between calls, as language models write it."""

    class Cached(k.layers.MultiHeadAttention):
        def call(self, query, value, key=None, attention_mask=None, cache=None, place=None, training=None):
            query, key, new = self._query_dense(query), self._key_dense(value), self._value_dense(value)
            if cache is not None:
                key = k.ops.slice_update(cache[:, 0], [0, place, 0, 0], key)
                new = k.ops.slice_update(cache[:, 1], [0, place, 0, 0], new)
            out, _ = self._compute_attention(query, key, new, attention_mask=attention_mask, training=training)
            out = self._output_dense(out)
            return out if cache is None else (out, k.ops.stack([key, new], axis=1))

    return Cached, [{"attention_mask": SQUARE}, {"cache": torch.ones(4, 2, 5, 2, 4), "place": 0}]


def own_softmax(k):
    class Own(k.layers.MultiHeadAttention):
        def _masked_softmax(self, attention_scores, attention_mask=None):
            return super()._masked_softmax(attention_scores * 0.5, attention_mask)

    scores = {"return_attention_scores": True}
    return Own, [scores, {**scores, "attention_mask": SQUARE}, {**scores, "use_causal_mask": True}]


def own_attention(k):
    class Own(k.layers.MultiHeadAttention):
        def _compute_attention(self, query, key, value, attention_mask=None, training=None, return_scores=False):
            scores = k.ops.einsum(self._dot_product_equation, key, query * self._inverse_sqrt_key_dim)
            weights = self._dropout_layer(self._masked_softmax(scores, attention_mask), training=training)
            return k.ops.einsum(self._combine_equation, weights, value), scores

    return Own, [{}, {"attention_mask": SQUARE}, {"use_causal_mask": True}]


def own_mask(k):
    class Own(k.layers.MultiHeadAttention):
        def _compute_attention_mask(self, query, value, **masks):
            return k.ops.tril(k.ops.ones((1, query.shape[1], value.shape[1]), "bool"))

    return Own, [{}, {"use_causal_mask": True}]


def own_causal_mask(k):
    class Own(k.layers.MultiHeadAttention):
        def _compute_causal_mask(self, query, value=None):
            return k.ops.logical_not(super()._compute_causal_mask(query, value))

    return Own, [{"use_causal_mask": True, "return_attention_scores": True}]


@pytest.mark.parametrize("recipe", [cached, own_softmax, own_attention, own_mask, own_causal_mask])
def test_subclasses_by_keras_names(recipe):
    for theirs, ours in zip(*outputs_of(recipe), strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-5, 1e-5)


def outputs_of(recipe, more=()):
    """The outputs of every call in both libraries; `more` are further arguments of each call."""
    x = torch.tensor(np.random.default_rng(3).standard_normal(Q), dtype=torch.float32)
    found = []
    for k in (keras, torchkeras):
        cls, calls = recipe(k)
        layer = cls(2, 4, name="attention")
        layer(x, x, **calls[0])
        layer.set_weights(random_weights(layer))
        outputs = [tree.flatten(layer(x, x, **{**call, **dict(more)})) for call in calls]
        found.append([out.detach().numpy() for each in outputs for out in each])
    return found


PRIVATE = {
    "MultiHeadAttention": ["_num_heads", "_key_dim", "_value_dim", "_attention_axes", "_output_shape", "_use_bias"],
    "GroupQueryAttention": ["num_repeats", "feature_dim", "_inverse_sqrt_head_dim"],
}
SHARED = ["_query_dense", "_key_dense", "_value_dense", "_gate_dense", "_output_dense", "_softmax", "_dropout_layer"]


@pytest.mark.parametrize("make", [attention, grouped])
def test_attributes_that_packages_touch(make):
    found, each = [], make(Q, Q, dropout=0.1, use_gate=True)
    for module in (keras.layers, layers):
        layer = getattr(module, each.layer)(**each.config)
        layer.build(Q, Q)
        values = [getattr(layer, name) for name in PRIVATE[each.layer]]
        parts = [(getattr(layer, name).name, type(getattr(layer, name)).__name__) for name in SHARED]
        common = layer._get_common_kwargs_for_sublayer()
        found.append([values, [name for name, _ in parts[:5]], [kind for _, kind in parts], sorted(common)])
    assert found[0] == found[1]


def test_a_part_may_be_exchanged_under_its_private_name():
    layer, x = layers.MultiHeadAttention(2, 4), torch.ones(Q)
    layer(x, x)
    layer._output_dense = layers.EinsumDense("abyz,yzc->abc", (None, 7))
    assert layer(x, x).shape == (4, 5, 7) and layer.output_dense is layer._output_dense
    assert "output_dense.kernel" in layer.state_dict() and not any(key.startswith("_") for key in layer.state_dict())


def test_a_subclass_with_a_call_of_its_own_enters_graphs():
    class SelfAttention(layers.MultiHeadAttention):
        def build(self, shape):
            super().build(shape, shape)

        def call(self, x, training=None):
            return super().call(x, x, training=training)

        def compute_output_shape(self, shape):
            return shape

    inputs = layers.Input(Q[1:])
    assert SelfAttention(2, 4)(inputs).shape == (None, 5, 3)


def test_a_call_without_what_build_asks_for():
    for module in (keras.layers, layers):

        class SelfAttention(module.MultiHeadAttention):
            def call(self, x, training=None):
                return super().call(x, x, training=training)

        with pytest.raises(ValueError, match=r"build\(\)"):
            SelfAttention(2, 4)(torch.ones(Q))


# -- lines of compat/deviations.md ------------------------------------------------------------------------------------

deviation = pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)


@deviation
def test_einsum_dense_turns_axes_under_leading_dots():
    theirs, ours = (
        m.EinsumDense("...x,xy->...y", 6).compute_output_shape((2, 3, 4, 5)) for m in (keras.layers, layers)
    )
    assert tuple(ours) == tuple(theirs)


@deviation
def test_symbolic_scores_are_square():
    shapes = []
    for module in (keras.layers, layers):
        query, value = module.Input((5, 6)), module.Input((7, 6))
        shapes.append(tuple(module.MultiHeadAttention(2, 4)(query, value, return_attention_scores=True)[1].shape))
    assert shapes[0] == shapes[1]


@deviation
def test_query_mask_given_by_name_is_ignored():
    differences = compare(attention(Q, V, kwargs={"query_mask": mask(5, 3, 0, 1, size=5)}))
    assert not differences


@deviation
@pytest.mark.parametrize("recipe", [own_softmax, own_causal_mask])
def test_overridden_parts_of_fused_attention_are_ignored(recipe):
    for theirs, ours in zip(*outputs_of(recipe, {"return_attention_scores": False}.items()), strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-3, 1e-3)


@deviation
@pytest.mark.parametrize("name", ["MultiHeadAttention", "GroupQueryAttention"])
def test_gradients_where_nothing_is_seen_are_those_of_the_fused_kernel(name):
    heads = {"num_heads": 2, "key_dim": 4} if name.startswith("Multi") else {"head_dim": 4, "num_query_heads": 4}
    heads |= {"num_key_value_heads": 2} if name.startswith("Group") else {}
    gradients = []
    for module in (keras.layers, layers):
        value = torch.tensor(np.random.default_rng(3).standard_normal(V), dtype=torch.float32, requires_grad=True)
        layer = getattr(module, name)(**heads)
        layer(value, value)
        layer.set_weights(random_weights(layer))
        layer(value, value, attention_mask=torch.zeros(4, 6, 6, dtype=torch.bool)).sum().backward()
        gradients.append(value.grad)
    np.testing.assert_allclose(gradients[1], gradients[0], 1e-3, 1e-3)


@deviation
@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention", "Maximum", "Minimum"])
def test_layers_in_float64_narrow(name):
    assert not compare(case(name, [Q, Q], dtype="float64"))
