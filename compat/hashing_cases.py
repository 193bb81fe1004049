"""What layers that hash are asked. Imports numpy only: `k` is Keras or torchkeras.

`compat/recorded/record_hashing.py` writes down what Keras on TensorFlow answers,
`test_preprocessing_hashing.py` compares.
"""

import numpy as np

WORDS = np.array([["A"], ["B"], ["C"], ["D"], ["E"]])
TEXTS = np.array([["Frühling", "ein Satz, der länger als sechzehn Bytes ist"], ["", "日本語"]])
NUMBERS = np.array([[1, -5, 0], [2**31 - 1, 77, 5]])
SIZES = (*range(201), 256, 1000, 6400, 6401)  # of the strings whose fingerprints are recorded


def strings():
    """Strings of all sizes, and some that are not ASCII."""
    letters = np.random.default_rng(5).integers(33, 127, max(SIZES)).astype(np.uint8).tobytes().decode()
    return (
        [letters[:size] for size in SIZES] + ["ä" * size for size in range(1, 40)] + ["日本", "🙂🙂🙂", "a\tb\nc", " "]
    )


def hashing(inputs, *args, dtype=None, **kwargs):
    def case(k):
        layer = k.layers.Hashing(*args, dtype=dtype, **kwargs)
        return layer(inputs)

    return case


def graph(make, *inputs):
    """The static shape and dtype of a layer's output."""

    def case(k):
        tensors = [k.Input(batch_shape=shape, dtype=dtype) for shape, dtype in inputs]
        return make(k)(tensors if len(tensors) > 1 else tensors[0])

    return case


def config(make):
    return lambda k: {key: value for key, value in make(k).get_config().items() if key != "dtype"}


def crossing(*columns, **kwargs):
    return lambda k: k.layers.HashedCrossing(**kwargs)(list(columns))


A, B = np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, -102])


CASES = {
    "fast": lambda k: k.layers.Hashing(2**31 - 1)(np.array(strings())),
    "strong": lambda k: k.layers.Hashing(2**31 - 1, salt=[133, 2**40 + 137])(np.array(strings())),
    "words": hashing(WORDS, 3),
    "many bins": hashing(WORDS, 2**40),
    "one bin": hashing(WORDS, 1),
    "one bin and a mask": hashing(WORDS, 1, mask_value="A"),
    "a list": hashing([["A"], ["B"], ["C"]], 3),
    "a flat list": hashing(["A", "B", "C"], 3),
    "a list of numbers": hashing([[1, 2], [3, 4]], 3),
    "bytes": hashing(WORDS.astype("S"), 3),
    "objects": hashing(WORDS.astype(object), 3),
    "one word": hashing("A", 3),
    "one number": hashing(np.array(7), 30),
    "words with a mask": hashing(np.array([["A"], ["B"], [""], ["C"], ["D"]]), 3, mask_value=""),
    "salt": hashing(WORDS, 3, salt=[133, 137]),
    "one salt": hashing(WORDS, 3, salt=133),
    "salt in a tuple": hashing(WORDS, 30, salt=(133, 137), mask_value="C"),
    "texts": hashing(TEXTS, 1000),
    "salted texts": hashing(TEXTS, 1000, salt=7),
    "numbers": hashing(NUMBERS, 1000),
    "numbers in 32 bits": hashing(NUMBERS.astype("int32"), 1000),
    "numbers in 8 bits": hashing(np.array([[1, 200]], "uint8"), 1000),
    "salted numbers": hashing(NUMBERS, 1000, salt=7),
    "numbers with a mask": hashing(NUMBERS, 1000, mask_value=-5),
    "floats": hashing(np.array([[1.7, -2.9, 3.0]], "float32"), 1000),
    "floats with a mask": hashing(np.array([[1.5, -2.0, 3.0]], "float32"), 1000, mask_value=1.5),
    "int32": hashing(WORDS, 3, dtype="int32"),
    "one_hot": hashing(WORDS, 4, output_mode="one_hot"),
    "one_hot of rows": hashing(NUMBERS, 4, output_mode="one_hot"),
    "one_hot of a vector": hashing(np.array(["A", "B"]), 4, output_mode="one_hot"),
    "multi_hot": hashing(NUMBERS, 4, output_mode="multi_hot"),
    "multi_hot of a vector": hashing(np.array(["A", "B"]), 4, output_mode="multi_hot"),
    "count": hashing(np.array([["A", "B", "A"], ["C", "C", "C"]]), 4, output_mode="count"),
    "count in int32": hashing(np.array([["A", "B", "A"]]), 4, output_mode="count", dtype="int32"),
    "count with a mask": hashing(np.array([["A", "", "A"]]), 4, output_mode="count", mask_value="", salt=3),
    "count in three axes": hashing(np.array([[["A", "B", "A"]]]), 4, output_mode="count"),
    "no rows": hashing(np.zeros((0, 3), "U1"), 4),
    "zero bins": hashing(WORDS, 0),
    "no bins": hashing(WORDS, None),
    "bad salt": hashing(WORDS, 3, salt=(1, 2, 3)),
    "salt in words": hashing(WORDS, 3, salt="a"),
    "bad mode": hashing(WORDS, 3, output_mode="tf_idf"),
    "whole numbers in floats": hashing(WORDS, 3, dtype="float32"),
    "sparse whole numbers": hashing(WORDS, 3, sparse=True),
    "graph": graph(lambda k: k.layers.Hashing(3), ((None, 1), "string")),
    "graph of numbers": graph(lambda k: k.layers.Hashing(3, dtype="int32"), ((2, None), "int32")),
    "graph in one_hot": graph(lambda k: k.layers.Hashing(3, output_mode="one_hot"), ((None, 1), "string")),
    "graph of rows in one_hot": graph(lambda k: k.layers.Hashing(3, output_mode="one_hot"), ((None, 5), "string")),
    "graph in count": graph(lambda k: k.layers.Hashing(3, output_mode="count"), ((None, 7), "string")),
    "config": config(lambda k: k.layers.Hashing(3, name="h")),
    "full config": config(
        lambda k: k.layers.Hashing(3, mask_value="x", salt=5, output_mode="count", sparse=False, name="h")
    ),
    "config with two salts": config(lambda k: k.layers.Hashing(3, salt=(5, 6), name="h", trainable=False)),
    "output shape": lambda k: list(k.layers.Hashing(3, output_mode="count").compute_output_shape((2, 5))),
    # -- crossing
    "crossed": crossing(A, B, num_bins=5),
    "crossed columns": crossing(A[:, None], B[:, None], num_bins=500),
    "crossed scalars": crossing(np.array("A"), np.array(101), num_bins=500),
    "three crossed": crossing(A, B, B.astype("int32"), num_bins=500),
    "crossed numbers": crossing(B, B.astype("int32"), num_bins=2**40),
    "crossed texts": crossing(TEXTS[:, 0], TEXTS[:, 1], num_bins=2**40),
    "crossed lists": crossing(["A", "B"], [1, 2], num_bins=500),
    "crossed in one_hot": crossing(A, B, num_bins=5, output_mode="one_hot"),
    "crossed columns in one_hot": crossing(A[:, None], B[:, None], num_bins=5, output_mode="one_hot"),
    "crossed scalars in one_hot": crossing(np.array("A"), np.array(101), num_bins=5, output_mode="one_hot"),
    "crossed in int32": crossing(A, B, num_bins=5, dtype="int32"),
    "crossed in a tuple": lambda k: k.layers.HashedCrossing(5)((A, B)),
    "crossed floats": crossing(A, B.astype("float32"), num_bins=5),
    "crossed alone": crossing(A, num_bins=5),
    "crossed without a list": lambda k: k.layers.HashedCrossing(5)(A),
    "crossed with other shapes": crossing(A, B[:, None], num_bins=5),
    "crossed matrices": crossing(np.array([["A", "B"]]), np.array([[1, 2]]), num_bins=5),
    "crossed in a bad mode": crossing(A, B, num_bins=5, output_mode="count"),
    "graph of a cross": graph(lambda k: k.layers.HashedCrossing(5), ((None, 1), "string"), ((None, 1), "int64")),
    "graph of a cross in one_hot": graph(
        lambda k: k.layers.HashedCrossing(5, output_mode="one_hot"), ((None, 1), "string"), ((None, 1), "int64")
    ),
    "graph of a cross of known rows": graph(
        lambda k: k.layers.HashedCrossing(5), ((2, 1), "string"), ((2, 1), "int64")
    ),
    "graph of three crossed": graph(
        lambda k: k.layers.HashedCrossing(5), ((None, 1), "string"), ((None, 1), "int64"), ((None, 1), "int64")
    ),
    "graph of a cross of known and unknown rows": graph(
        lambda k: k.layers.HashedCrossing(5), ((2, 1), "string"), ((None, 1), "int64")
    ),
    "config of a cross": config(lambda k: k.layers.HashedCrossing(5, output_mode="one_hot", name="c")),
    "output shape of a cross": lambda k: list(
        k.layers.HashedCrossing(5, output_mode="one_hot").compute_output_shape(((2, 1), (2, 1)))
    ),
}  # fmt: skip
