"""Embedding beside the installed Keras."""

import keras
import numpy as np
import pytest
import torch

from compat.harness import compare
from compat.layer_cases import case, ints
from torchkeras import layers

CASES = [
    case("Embedding", ints(10, 4, 3).astype(kind), input_dim=10, output_dim=2, mask_zero=True)
    for kind in ("int64", "uint8", "int16", "float32", "bool")
]
CASES += [
    case("Embedding", ints(10, 4, 3), input_dim=10, output_dim=2, dtype=dtype)
    for dtype in ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")
]
CASES += [
    case("Embedding", ints(10, 4, 3, 2), input_dim=10, output_dim=2),
    case("Embedding", ints(3000, 4, 3).astype("float32"), input_dim=3000, output_dim=2, dtype="mixed_float16"),
    case("Embedding", ints(10, 4), input_dim=10, output_dim=2, embeddings_initializer="he_normal", trainable=False),
    case("Embedding", ints(10, 4), input_dim=10, output_dim=2, embeddings_constraint="unit_norm"),
    case("Embedding", ints(10, 4), input_dim=10, output_dim=2, activity_regularizer="l2"),
    case("Embedding", ints(10, 4), input_dim=10, output_dim=2, embeddings_regularizer="l1"),
]


@pytest.mark.parametrize("each", CASES, ids=lambda each: each.title)
def test_layer(each):
    differences = compare(each)
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("listed", [False, True])
def test_given_weights(listed):
    table = np.arange(6, dtype="float32").reshape(3, 2)
    pair = [m.Embedding(3, 2, weights=[table] if listed else table) for m in (keras.layers, layers)]
    for layer in pair:
        assert layer.built
        np.testing.assert_array_equal(layer.get_weights()[0], table)
        assert [w.path.rsplit("/", 1)[-1] for w in layer.weights] == ["embeddings"]
    x = torch.tensor([[0, 2]])
    torch.testing.assert_close(pair[1](x).detach(), pair[0](x).detach())
    for layer in pair:
        with pytest.raises(ValueError):
            type(layer)(3, 2, weights=table.T)


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=IndexError)
def test_negative_index_counts_from_the_end():
    differences = compare(case("Embedding", np.array([[-1, 2]]), input_dim=10, output_dim=2))
    assert not differences
