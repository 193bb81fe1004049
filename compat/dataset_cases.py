"""Pipelines that mean the same for `tf.data` and for `torchkeras.data`. Imports numpy only; `D` is the class.

`compat/recorded/record_datasets.py` writes down what TensorFlow makes of them, `test_datasets.py` compares.
"""

import numpy as np

X = np.arange(10, dtype="int64")
PAIRS = (X, X * X)
NAMED = {"a": X, "b": np.linspace(0, 1, 10).astype("float32")}
IMAGES = np.arange(6 * 2 * 3, dtype="uint8").reshape(6, 2, 3)
WORDS = np.array(["a", "bb", "ccc", "dd", "e"])


def growing():
    for size in range(1, 6):
        yield list(range(size))


def numbers(D):
    return D.range(10)


CASES = {
    "slices": lambda D: D.from_tensor_slices(X),
    "slices of pairs": lambda D: D.from_tensor_slices(PAIRS),
    "slices of a dict": lambda D: D.from_tensor_slices(NAMED),
    "slices of lists": lambda D: D.from_tensor_slices(([1, 2, 3], [0.5, 1.5, 2.5])),
    "slices of words": lambda D: D.from_tensor_slices(WORDS),
    "one": lambda D: D.from_tensors(PAIRS),
    "range": lambda D: D.range(3, 11, 2),
    "range backwards": lambda D: D.range(5, 0, -2),
    "generator": lambda D: D.from_generator(lambda: iter([1, 2, 3]), output_types="int32"),
    "generator with arguments": lambda D: D.from_generator(lambda n: iter(range(n)), output_types="int64", args=(3,)),
    "map": lambda D: numbers(D).map(lambda n: n * 2 + 1),
    "map of pairs": lambda D: D.from_tensor_slices(PAIRS).map(lambda a, b: (a + b, {"first": a})),
    "map of a dict": lambda D: D.from_tensor_slices(NAMED).map(lambda d: (d["a"], d["b"] * 2)),
    "map in threads": lambda D: numbers(D).map(lambda n: n * n, num_parallel_calls=3),
    "map, as many as it likes": lambda D: numbers(D).map(lambda n: n * n, num_parallel_calls=-1),
    "filter": lambda D: numbers(D).filter(lambda n: n % 3 == 0),
    "filter of pairs": lambda D: D.from_tensor_slices(PAIRS).filter(lambda a, b: a * 5 < b),
    "take": lambda D: numbers(D).take(3),
    "take more": lambda D: numbers(D).take(30),
    "take all": lambda D: numbers(D).take(-1),
    "skip": lambda D: numbers(D).skip(7),
    "skip more": lambda D: numbers(D).skip(20),
    "skip all": lambda D: numbers(D).skip(-1),
    "shard": lambda D: numbers(D).shard(3, 1),
    "repeat": lambda D: numbers(D).repeat(2),
    "repeat nothing": lambda D: numbers(D).repeat(0),
    "repeat without end": lambda D: D.range(3).repeat().take(7),
    "take while": lambda D: numbers(D).take_while(lambda n: n < 4),
    "concatenate": lambda D: D.range(3).concatenate(D.range(10, 12)),
    "zip": lambda D: D.zip((D.range(3), D.range(5, 9))),
    "zip of arguments": lambda D: D.zip(D.range(3), D.range(5, 9)),
    "zip of a dict": lambda D: D.zip({"a": D.range(3), "b": (D.range(4), D.range(2))}),
    "zip of zips": lambda D: D.zip((D.zip((D.range(3), D.range(3))), D.range(3).batch(2))),
    "enumerate": lambda D: D.from_tensor_slices(WORDS).enumerate(start=5),
    "batch": lambda D: numbers(D).batch(4),
    "batch of all": lambda D: numbers(D).batch(20),
    "batch, whole ones only": lambda D: numbers(D).batch(4, drop_remainder=True),
    "batch of too few": lambda D: D.range(3).batch(4, drop_remainder=True),
    "batch of pairs": lambda D: D.from_tensor_slices(PAIRS).batch(3),
    "batch of a dict": lambda D: D.from_tensor_slices(NAMED).batch(4),
    "batch of images": lambda D: D.from_tensor_slices((IMAGES, X[:6])).batch(4),
    "batch of words": lambda D: D.from_tensor_slices(WORDS).batch(2),
    "batches of batches": lambda D: numbers(D).batch(2).batch(2, drop_remainder=True),
    "batch of chosen": lambda D: D.from_tensor_slices(PAIRS).skip(1).shard(2, 0).repeat(2).batch(3),
    "padded": lambda D: D.from_generator(growing, output_types="int64", output_shapes=(None,)).padded_batch(2),
    "padded to a size": lambda D: D.from_generator(growing, output_types="int64", output_shapes=(None,)).padded_batch(
        2, padded_shapes=(6,), padding_values=np.int64(-1)
    ),
    "padded pairs": lambda D: (
        D.range(1, 5).map(lambda n: (n, n)).padded_batch(3, padded_shapes=((), ()), drop_remainder=True)
    ),
    "unbatch": lambda D: D.from_tensor_slices(PAIRS).batch(4).unbatch(),
    "unbatch of a dict": lambda D: D.from_tensor_slices(NAMED).batch(3).unbatch().batch(7),
    "rebatch": lambda D: numbers(D).batch(4).rebatch(3),
    "flat map": lambda D: D.range(1, 4).flat_map(lambda n: D.range(n).repeat(2)),
    "interleave": lambda D: D.range(1, 6).interleave(
        lambda n: D.range(n * 10, n * 10 + n), cycle_length=2, block_length=1
    ),
    "interleave in blocks": lambda D: D.range(1, 6).interleave(
        lambda n: D.range(n * 10, n * 10 + n), cycle_length=3, block_length=2
    ),
    "windows": lambda D: numbers(D).window(3).flat_map(lambda w: w.batch(3)),
    "windows that overlap": lambda D: numbers(D).window(3, shift=1, drop_remainder=True).flat_map(lambda w: w.batch(3)),
    "windows with gaps": lambda D: numbers(D).window(2, shift=4, stride=2).flat_map(lambda w: w.batch(2)),
    "windows with strides": lambda D: numbers(D).window(3, 2, 2, drop_remainder=True).flat_map(lambda w: w.batch(3)),
    "windows far apart": lambda D: numbers(D).window(2, shift=5).flat_map(lambda w: w.batch(2)),
    "scan": lambda D: numbers(D).scan(np.int64(0), lambda s, n: (s + n, s * 2)),
    "cache": lambda D: numbers(D).cache().repeat(2),
    "prefetch": lambda D: numbers(D).prefetch(2).batch(3),
    "prefetch nothing": lambda D: numbers(D).prefetch(0),
    "apply": lambda D: numbers(D).apply(lambda d: d.batch(5)),
    "empty": lambda D: D.range(0).batch(2),
    "long": lambda D: (
        D.from_tensor_slices(PAIRS)
        .map(lambda a, b: (a, b + 1))
        .filter(lambda a, b: b > 5)
        .batch(3)
        .map(lambda a, b: (a, a + b))
        .prefetch(1)
        .repeat(2)
        .skip(1)
    ),
    "shuffle of one": lambda D: numbers(D).shuffle(1),
    "shuffle of all, sorted": lambda D: numbers(D).shuffle(10, seed=3).batch(10).map(lambda n: n - n + 9),
}
