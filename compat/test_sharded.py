"""`.weights.json` beside Keras: it reads ours and we read what it wrote, bit by bit."""

import json

import keras
import numpy as np
import pytest

import torchkeras

LIMIT = 400 / 2**30


def network(library):
    inputs = library.Input((6, 4))
    x = library.layers.LSTM(3, return_sequences=True)(inputs)
    x = library.layers.Bidirectional(library.layers.GRU(2))(x)
    inner = library.Sequential([library.Input((4,)), library.layers.Dense(5), library.layers.BatchNormalization()])
    model = library.Model(inputs, library.layers.Dense(2)(inner(x)))
    model.compile("adam", "mse")
    model.fit(np.ones((4, 6, 4)), np.ones((4, 2)), verbose=0)
    return model


def assert_equal(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    theirs = [np.asarray(keras.ops.convert_to_numpy(value)) for value in other.optimizer.variables]
    for a, b in zip(one.optimizer.variables, theirs, strict=True):
        np.testing.assert_array_equal(a.numpy(), b)


@pytest.mark.parametrize("size", [LIMIT, 1])
def test_both_ways(tmp_path, size):
    ours, theirs = network(torchkeras), network(keras)
    theirs.save_weights(tmp_path / "k.weights.json", max_shard_size=size)
    ours.load_weights(tmp_path / "k.weights.json")
    assert_equal(ours, theirs)
    ours.fit(np.ones((4, 6, 4)), np.zeros((4, 2)), verbose=0)
    ours.save_weights(tmp_path / "o.weights.json", max_shard_size=size)
    theirs.load_weights(tmp_path / "o.weights.json")
    assert_equal(ours, theirs)


def test_the_same_table(tmp_path):
    ours, theirs = network(torchkeras), network(keras)
    theirs.save_weights(tmp_path / "k.weights.json", max_shard_size=LIMIT)
    ours.save_weights(tmp_path / "o.weights.json", max_shard_size=LIMIT)
    mine, other = (json.loads((tmp_path / f"{name}.weights.json").read_text()) for name in "ok")
    assert mine["metadata"] == other["metadata"]
    text = json.dumps(mine["weight_map"]).replace("o_0", "k_0")
    assert json.loads(text) == other["weight_map"]
