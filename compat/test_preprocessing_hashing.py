"""Hashing and HashedCrossing beside what Keras on TensorFlow answered to the same calls."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import torchkeras as keras
from compat.hashing_cases import CASES
from compat.recorded.shown import answer

RECORDED = json.loads(Path(__file__).with_name("recorded").joinpath("hashing.json").read_text())


def test_every_case_is_recorded():
    assert list(RECORDED) == list(CASES)


DEVIATIONS = ("graph of rows in one_hot", "graph of three crossed")  # lines of compat/deviations.md
deviation = pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)


@pytest.mark.parametrize("name", [name for name in CASES if name not in DEVIATIONS])
def test_answers(name):
    recorded = RECORDED[name]
    if recorded == "ValueError":
        with pytest.raises(ValueError, match=r"`|Layer"):
            CASES[name](keras)
        return
    assert answer(CASES[name], keras) == recorded


@deviation
@pytest.mark.parametrize("name", DEVIATIONS)
def test_static_shapes(name):
    assert answer(CASES[name], keras) == RECORDED[name]


WORDS = ["A", "B", "", "ünï", "a longer one than all others"]
CONTAINERS = {
    "list": lambda words: words,
    "tuple": tuple,
    "U": np.array,
    "S": lambda words: np.array([word.encode() for word in words]),
    "T": lambda words: np.array(words, np.dtypes.StringDType()),
    "objects": lambda words: np.array(words, object),
    "bytes": lambda words: [word.encode() for word in words],
    "arrays in a list": lambda words: [np.array(word) for word in words],
    "pandas": lambda words: pytest.importorskip("pandas").Series(words),
    "pandas strings": lambda words: pytest.importorskip("pandas").Series(words, dtype="string"),
    "pandas categories": lambda words: pytest.importorskip("pandas").Series(words, dtype="category"),
    "Arrow": lambda words: pytest.importorskip("pyarrow").array(words),
    "Arrow chunks": lambda words: pytest.importorskip("pyarrow").chunked_array([words]),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_containers_of_strings(kind):
    words = CONTAINERS[kind](WORDS)
    plain = keras.layers.Hashing(1000)(np.array(WORDS))
    assert torch.equal(keras.layers.Hashing(1000)(words), plain)
    crossed = keras.layers.HashedCrossing(1000)([words, list(range(5))])
    assert torch.equal(crossed, keras.layers.HashedCrossing(1000)([np.array(WORDS), np.arange(5)]))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "float64", "bool"])
def test_containers_of_numbers(dtype):
    numbers = np.array([[0, 1], [3, 100]]).astype(dtype)
    words = numbers.astype(int).astype(str) if dtype != "bool" else np.where(numbers, "true", "false")
    wanted = keras.layers.Hashing(1000)(words)
    assert torch.equal(keras.layers.Hashing(1000)(numbers), wanted)
    if dtype not in ("uint16", "uint32"):
        assert torch.equal(keras.layers.Hashing(1000)(torch.from_numpy(numbers)), wanted)
    assert torch.equal(keras.layers.Hashing(1000)(numbers.tolist()), wanted)


def test_crossed_features_are_whole_numbers_below_the_bins():
    colours, sizes = np.array(["red", "blue", "red"]), np.array([1, 2, 1])
    crossed = keras.layers.HashedCrossing(7)([colours, sizes])
    assert crossed.dtype == torch.int64 and crossed.min() >= 0 and crossed.max() < 7
    assert crossed[0] == crossed[2]
    hot = keras.layers.HashedCrossing(7, output_mode="one_hot")([colours, sizes])
    assert torch.equal(hot.argmax(-1), crossed) and torch.equal(hot.sum(-1), torch.ones(3))


def test_crossings_of_crossings_in_a_functional_model():
    a, b, c = (keras.Input((1,), dtype=dtype, name=name) for name, dtype in zip("abc", ("string", "int64", "string")))
    first = keras.layers.HashedCrossing(50)([a, b])
    second = keras.layers.HashedCrossing(20)([first, c])
    fixed = keras.Input(batch_shape=(3, 1), dtype="int64")
    assert keras.layers.HashedCrossing(20)([first, fixed]).shape == (3, 1)
    model = keras.Model([a, b, c], second)
    x, y, z = np.array([["r"], ["s"], ["r"]]), np.array([[1], [2], [1]]), np.array([["u"], ["v"], ["u"]])
    apart = keras.layers.HashedCrossing(20)([keras.layers.HashedCrossing(50)([x, y]), z])
    assert torch.equal(model([x, y, z]), apart) and apart.shape == (3, 1)
    assert np.array_equal(model.predict([x, y, z], verbose=0), apart.numpy())


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
def test_static_shapes_are_those_of_the_values(mode):
    for shape in ((4,), (4, 1), (4, 3), (2, 3, 4)):
        layer = keras.layers.Hashing(5, output_mode=mode)
        symbolic = layer(keras.Input(batch_shape=(None, *shape[1:]), dtype="int64"))
        values = layer(np.zeros(shape, int))
        assert len(symbolic.shape) == values.dim()
        if shape != (4,) or mode in ("int", "one_hot"):
            assert tuple(symbolic.shape[1:]) == tuple(values.shape[1:])
        assert symbolic.dtype == str(values.dtype).removeprefix("torch.")


def test_errors():
    with pytest.raises(ValueError, match="mask_value='x'"):
        keras.layers.Hashing(5, mask_value="x")([1, 2])
    with pytest.raises(ValueError, match="mask_value=3"):
        keras.layers.Hashing(5, mask_value=3)(["a"])
    with pytest.raises(ValueError, match="missing values"):
        keras.layers.Hashing(5)(np.array(["a", None], object))
    with pytest.raises(ValueError, match="float32: use Discretization"):
        keras.layers.HashedCrossing(5)([["a"], np.zeros(1, "float32")])
    with pytest.raises(ValueError, match="sparse=True"):
        keras.layers.HashedCrossing(5, sparse=True)
    with pytest.raises(ValueError, match="ragged"):
        keras.layers.Hashing(5)([["a"], ["b", "c"]])
