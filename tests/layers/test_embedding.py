"""Embedding: what it does that Keras does not, and Keras 2's ways to make one."""

import numpy as np
import pytest
import torch

from torchkeras import layers


@pytest.mark.parametrize("index", [-1, 10])
def test_index_outside_the_table(index):
    layer = layers.Embedding(10, 4)
    with pytest.raises(IndexError, match=f"rows 0 to 9, the inputs hold {min(index, 1)} to {max(index, 1)}"):
        layer(np.array([[index, 1]]))
    assert layer(np.array([[9, 1]])).shape == (1, 2, 4)


def test_mask_of_zeros_reaches_the_next_layer():
    x = torch.tensor([[3, 1, 0], [2, 0, 0]])
    embedded = layers.Embedding(10, 4, mask_zero=True)(x)
    assert torch.equal(embedded._keras_mask, x != 0)
    assert getattr(layers.Embedding(10, 4)(x), "_keras_mask", None) is None
    lstm = layers.LSTM(3)
    torch.testing.assert_close(lstm(embedded)[1:], lstm(embedded[1:, :1].clone()))


def test_declared_input_length():
    assert layers.Embedding(10, 4, input_length=5)._declared_input == (None, 5)
    assert layers.Embedding(10, 4, input_shape=(7,))._declared_input == (None, 7)
    assert layers.Embedding(10, 4, batch_input_shape=(2, 7))._declared_input == (2, 7)
    assert layers.Embedding(10, 4)._declared_input is None


def test_hint_for_sparse_gradients_is_accepted():
    layer = layers.Embedding(10, 4, sparse=True)
    layer(torch.tensor([[1]])).sum().backward()
    assert layer.embeddings.grad.sum() == 4 and "sparse" not in layer.get_config()


def test_weights_come_from_an_array():
    table = np.arange(8.0).reshape(4, 2)
    layer = layers.Embedding(4, 2, weights=[table], trainable=False, name="fixed")
    np.testing.assert_array_equal(layer(np.array([3])).numpy(), [[6.0, 7.0]])
    assert layer.weights[0] is layer.embeddings and layer.weights[0].path == "fixed/embeddings"
    assert not layer.embeddings.requires_grad and layer.trainable_weights == []
    again = layers.Embedding.from_config(layer.get_config())
    assert again.weights == [] and not again.built


def test_large_indices_in_floats_survive_half_precision():
    layer = layers.Embedding(3000, 1, dtype="mixed_float16", embeddings_initializer=np.arange(3000.0).reshape(3000, 1))
    found = layer(torch.tensor([2049.0, 2047.0]))
    assert found.dtype == torch.float16
    assert found.flatten().tolist() == [2048.0, 2047.0]  # float16 rounds the value 2049, not the index


@pytest.mark.parametrize("sizes", [(0, 4), (4, 0), (-1, 4), ("a", 4), (2.5, 4)])
def test_bad_sizes(sizes):
    with pytest.raises(ValueError, match="positive integer"):
        layers.Embedding(*sizes)


def test_subclass_keeps_the_argument():
    class Scaled(layers.Embedding):
        def call(self, inputs):
            return 2 * super().call(inputs)

    found = Scaled(2, 1, weights=np.array([[1.0], [3.0]]))(torch.tensor([1]))
    assert found.item() == 6.0


def test_compiles_and_reports_the_index():
    layer = layers.Embedding(10, 4)
    x = torch.tensor([[1, 2]])
    expected = layer(x)
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), expected)
    with pytest.raises(IndexError):
        compiled(torch.tensor([[1, 12]]))


def test_the_way_back_shares_the_table():
    layer = layers.ReversibleEmbedding(10, 4)
    x = torch.tensor([[1, 2]])
    scores = layer(layer(x), reverse=True)
    torch.testing.assert_close(scores, layer.embeddings[x] @ layer.embeddings.t())
    assert len(layer.weights) == 1
    scores.sum().backward()
    assert layer.embeddings.grad.abs().sum() > 0


def test_the_way_back_computes_in_its_own_dtype():
    layer = layers.ReversibleEmbedding(10, 4, dtype="mixed_bfloat16", reverse_dtype="float32", logit_soft_cap=0.01)
    vectors = layer(torch.tensor([[1, 2]]))
    scores = layer(vectors, reverse=True)
    assert (vectors.dtype, scores.dtype) == (torch.bfloat16, torch.float32) and scores.abs().max() <= 0.01
    assert layer(layers.Input((2, 4)), reverse=True).dtype == "float32"
    assert layers.ReversibleEmbedding(9, 4, dtype="mixed_bfloat16")(vectors, reverse=True).dtype == torch.bfloat16
    assert layers.ReversibleEmbedding(9, 4)(layers.Input((2, 4)), reverse=True).shape == (None, 2, 9)


def test_a_table_of_its_own_for_the_way_back():
    layer = layers.ReversibleEmbedding(10, 4, tie_weights=False)
    vectors = layer(torch.tensor([[1, 2]]))
    torch.testing.assert_close(layer(vectors, reverse=True), vectors @ layer.reverse_embeddings)
    assert [weight.name for weight in layer.weights] == ["embeddings", "reverse_embeddings"]


def test_scores_have_no_mask():
    layer = layers.ReversibleEmbedding(10, 4, mask_zero=True)
    vectors = layer(torch.tensor([[1, 0]]))
    assert vectors._keras_mask.tolist() == [[True, False]]
    assert getattr(layer(vectors, reverse=True), "_keras_mask", None) is None


@pytest.mark.parametrize(
    "arguments", [{"reverse_dtype": "no dtype"}, {"logit_soft_cap": "high"}, {"tie_weights": True, "output_dim": 0}]
)
def test_refusals_of_the_way_back(arguments):
    with pytest.raises(ValueError):
        layers.ReversibleEmbedding(**{"input_dim": 10, "output_dim": 4, **arguments})
