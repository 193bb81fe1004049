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
@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention", "Maximum", "Minimum"])
def test_layers_in_float64_narrow(name):
    assert not compare(case(name, [Q, Q], dtype="float64"))
