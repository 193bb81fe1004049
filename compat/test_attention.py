"""MultiHeadAttention and EinsumDense beside the installed Keras: masks, axes, scores, dropout's numbers, equations."""

import random

import keras
import numpy as np
import pytest
import torch

from compat.harness import compare
from compat.layer_cases import case, mask
from torchkeras import layers

Q, V, K = (4, 5, 3), (4, 6, 3), (4, 6, 2)
LONG = (2, 3, 5, 4), (2, 3, 6, 4)
PAIRS = np.random.default_rng(5).random((4, 5, 6)) > 0.4
PAIRS[0] = False  # rows that may look nowhere
SQUARE = PAIRS[:, :, :5]
STEPS = mask(6, 3, 0, 1, size=6)


def attention(*args, why="", **options):
    return case("MultiHeadAttention", *args, num_heads=2, key_dim=4, shapes=None, why=why, **options)


CASES = [
    attention(Q, V, K),
    attention(Q, Q, value_dim=3, use_bias=False),
    attention(Q, V, output_shape=7),
    attention(Q, V, output_shape=(3, 2), use_gate=True, value_dim=5),
    attention(
        Q, V, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2", kernel_constraint="max_norm"
    ),
    attention(Q, V, bias_initializer="ones", kernel_initializer="he_normal", flash_attention=False),
    attention(Q, V, kwargs={"attention_mask": PAIRS}),
    attention(Q, V, kwargs={"attention_mask": PAIRS[0:1]}),
    attention(Q, V, kwargs={"attention_mask": PAIRS.astype("int32")}),
    attention(Q, V, kwargs={"attention_mask": PAIRS, "use_causal_mask": True}),
    attention(Q, V, kwargs={"value_mask": STEPS}),
    attention(Q, V, K, kwargs={"key_mask": STEPS, "attention_mask": PAIRS}),
    attention(Q, V, masks=(mask(5, 3, 0, 1, size=5), STEPS)),
    attention(Q, V, K, masks=(None, None, STEPS)),
    attention(Q, Q, kwargs={"use_causal_mask": True}),
    attention(Q, V, kwargs={"use_causal_mask": True}, dropout=0.3),
    attention(Q, V, sliding_window=2),
    attention(Q, Q, sliding_window=2, kwargs={"use_causal_mask": True}),
    attention(Q, V, kwargs={"return_attention_scores": True}),
    attention(Q, V, kwargs={"return_attention_scores": True, "attention_mask": PAIRS, "use_causal_mask": True}),
    attention(Q, V, dropout=0.3, kwargs={"attention_mask": PAIRS}),
    attention(Q, V, dropout=0.3, training=False),
    attention(Q, V, dropout=0.3, seed=3, training=True),
    attention(Q, V, dropout=0.3, seed=3, training=True, kwargs={"attention_mask": PAIRS}),
    attention(Q, V, dropout=0.3, training=True, repeatable=False),
    attention(*LONG),
    attention(*LONG, attention_axes=2),
    attention(*LONG, attention_axes=[1, 2]),
    attention(*LONG, attention_axes=(-2,), kwargs={"attention_mask": np.ones((2, 5, 6), dtype=bool)}),
    *[
        attention(Q, V, dtype=dtype, kwargs={"attention_mask": PAIRS}, loose=2.0)
        for dtype in ("mixed_float16", "mixed_bfloat16", "float16", "float64")
    ],
]


@pytest.mark.parametrize("each", CASES, ids=lambda each: f"{each.title}{list(each.kwargs)}")
def test_attention(each):
    differences = compare(each)
    assert not differences, "\n".join(differences)


EQUATIONS = [
    ("ab,bc->ac", (4, 3), 5, "c"),
    ("abc,cd->abd", (4, 5, 3), (None, 6), None),
    ("abc,cde->abde", (4, 5, 3), (None, 2, 6), "de"),
    ("abc,cde->abde", (4, 5, 3), (None, 2, 6), "e"),
    ("abc,ced->abde", (4, 5, 3), (None, 2, 6), "d"),
    ("abcd,cde->abe", (4, 5, 3, 2), (None, 6), "e"),
    ("abc,dc->abd", (4, 5, 3), (None, 6), "d"),
    ("abc,cd->abd", (4, 5, 3), (5, 6), "bd"),
    ("abc,bcd->abd", (4, 5, 3), (5, 6), "d"),
    ("abc,bde->ade", (4, 5, 3), (2, 6), "e"),
    ("...x,xy->...y", (4, 3), 5, "y"),
    ("...x,xy->...y", (4, 5, 3), 6, "y"),
    ("ab...,bc->ac...", (4, 3, 5, 2), 6, "c"),
]


@pytest.mark.parametrize(("equation", "inputs", "output_shape", "bias_axes"), EQUATIONS)
def test_einsum_dense(equation, inputs, output_shape, bias_axes):
    options = {"equation": equation, "output_shape": output_shape, "bias_axes": bias_axes}
    for more in ({"activation": "relu"}, {"dtype": "mixed_float16", "kernel_regularizer": "l2"}):
        differences = compare(case("EinsumDense", inputs, **options, **more))
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
@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_attention_in_float64_narrows(name):
    assert not compare(case(name, [Q, V], dtype="float64"))
