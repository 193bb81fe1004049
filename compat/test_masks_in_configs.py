"""Graphs that Keras 3 writes with its masks as nodes (`NotEqual`, `Any`) are read, compute the same and go back."""

import keras as reference
import numpy as np
import pytest

import torchkeras


def words(k):
    inputs = k.Input((5,), dtype="int32")
    x = k.layers.Embedding(7, 3, mask_zero=True)(inputs)
    return k.Model(inputs, k.layers.LSTM(3)(x))


def several_layers(k):
    inputs = k.Input((5,), dtype="int32")
    x = k.layers.Embedding(7, 3, mask_zero=True)(inputs)
    x = k.layers.LSTM(3, return_sequences=True)(k.layers.Dropout(0.0)(x))
    x = k.layers.Bidirectional(k.layers.GRU(2, return_sequences=True))(x)
    return k.Model(inputs, k.layers.GlobalAveragePooling1D()(k.layers.TimeDistributed(k.layers.Dense(2))(x)))


def masking(k):
    inputs = k.Input((5,), dtype="int32")
    x = k.layers.Masking(0.0)(
        k.layers.Embedding(7, 3, embeddings_initializer="ones")(inputs) * k.ops.cast(inputs, "float32")[:, :, None]
    )
    return k.Model(inputs, k.layers.SimpleRNN(2)(x))


def two_inputs(k):
    left, right = k.Input((5,), dtype="int32"), k.Input((5,), dtype="int32")
    table = k.layers.Embedding(7, 3, mask_zero=True)
    x = k.layers.Concatenate(axis=1)([table(left), table(right)])
    return k.Model([left, right], k.layers.GRU(2)(x))


def attention(k):
    inputs = k.Input((5,), dtype="int32")
    x = k.layers.Embedding(7, 4, mask_zero=True)(inputs)
    x = k.layers.MultiHeadAttention(2, 2)(x, x)
    return k.Model(inputs, k.layers.LSTM(2)(x))


@pytest.mark.parametrize("make", [words, several_layers, masking, two_inputs, attention])
def test_masks_that_are_nodes(make):
    theirs = make(reference)
    text = theirs.to_json()
    assert "NotEqual" in text
    mine = torchkeras.models.model_from_json(text)
    mine.set_weights(theirs.get_weights())
    x = np.array([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0], [6, 5, 4, 3, 2]], "int32")
    x = [x, x[::-1].copy()] if len(theirs.inputs) == 2 else x
    wanted = theirs.predict_on_batch(x)
    np.testing.assert_allclose(mine.predict_on_batch(x), wanted, rtol=1e-6, atol=1e-6)
    back = reference.models.model_from_json(mine.to_json())
    back.set_weights(mine.get_weights())
    np.testing.assert_allclose(back.predict_on_batch(x), wanted, rtol=1e-6, atol=1e-6)
