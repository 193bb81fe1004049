"""Preprocessing of numbers: encodings, rescaling, bins."""

import numpy as np

from compat.layer_cases.case import case, ints, mask

_FLOATS = np.array([[0.0, 1.7], [2.0, 3.2]], dtype="float32")
_WEIGHTS = np.array([[0.5, 1.0, 2.0], [0.1, 0.2, 0.3]], dtype="float32")
_CHANNELS = [0.5, 1.0, 2.0]

_BINS = {"bin_boundaries": [-0.5, 0.0, 0.7]}
_ODD = np.array([[np.nan, np.inf, -np.inf, 0.7, 0.0]], dtype="float32")

CASES = [
    case("Discretization", (3, 4), **_BINS, shapes=((None, None), (None,))),
    case("Discretization", (3, 4), **_BINS, output_mode="one_hot", shapes=((None, 3), (None, 1), (3,))),
    case("Discretization", (3, 1), **_BINS, output_mode="one_hot", shapes=((None, 2, 1),)),
    case("Discretization", (3, 4), **_BINS, output_mode="multi_hot", shapes=((None, None), (None, 2, 3), (3,))),
    case("Discretization", (3, 4), **_BINS, output_mode="count", shapes=((None, None), (None, 2, 3), (None,))),
    case("Discretization", (2, 3, 4), **_BINS, output_mode="count", dtype="mixed_float16"),
    case("Discretization", (2, 3, 4), **_BINS, output_mode="one_hot", dtype="bfloat16", name="bins"),
    case("Discretization", ints(9, 3, 4), bin_boundaries=[2, 5]),
    case("Discretization", ints(9, 3, 4), bin_boundaries=[2.5, 5], output_mode="multi_hot", epsilon=0.1),
    case("Discretization", ints(9, 3, 4).astype("uint8"), bin_boundaries=[1.0], output_mode="count", dtype="int32"),
    case("Discretization", _ODD, **_BINS),
    case("Discretization", _ODD, **_BINS, output_mode="count", dtype="float64"),
    case("Discretization", (5,), **_BINS),
    case("Discretization", (5,), bin_boundaries=[0.0], output_mode="multi_hot"),
    case("Discretization", (2, 3), bin_boundaries=[]),
    case("CategoryEncoding", ints(4, 3, 2), num_tokens=4, shapes=((None, None), (None, 1), (None,))),
    case("CategoryEncoding", ints(4, 3, 2), num_tokens=4, output_mode="one_hot", shapes=((None, None), (None, 1))),
    case("CategoryEncoding", ints(4, 3, 1), num_tokens=5, output_mode="one_hot", shapes=((None, 3, 1), (None,))),
    case("CategoryEncoding", ints(4, 3), num_tokens=4, output_mode="one_hot"),
    case("CategoryEncoding", ints(4, 3, 5), num_tokens=4, output_mode="count", shapes=((None, 1), (3,))),
    case("CategoryEncoding", ints(3, 2, 3), num_tokens=3, output_mode="count", kwargs={"count_weights": _WEIGHTS}),
    case("CategoryEncoding", ints(3, 1, 6), num_tokens=3, output_mode="count", dtype="float16"),
    case("CategoryEncoding", ints(3, 2, 6), num_tokens=3, output_mode="count", dtype="int32"),
    case("CategoryEncoding", ints(3, 2, 3, 2), num_tokens=3, output_mode="one_hot", dtype="bfloat16"),
    case("CategoryEncoding", ints(3, 2, 6), num_tokens=3, output_mode="multi_hot", dtype="float64", name="ones"),
    case("CategoryEncoding", _FLOATS, num_tokens=4),
    case("CategoryEncoding", np.array([[True, False]]), num_tokens=2, output_mode="one_hot"),
    case("CategoryEncoding", np.array([[-1, 0], [1, -2]]), num_tokens=2, output_mode="count"),
    case("CategoryEncoding", ints(3, 2, 6).astype("uint8"), num_tokens=3, output_mode="binary"),
    case("Rescaling", (2, 3), scale=0.5, shapes=((None, None, 3),)),
    case("Rescaling", (2, 4, 4, 3), scale=2, offset=-1.5, shapes=((None, None, None, 3),)),
    case("Rescaling", ints(255, 2, 4, 4, 3).astype("uint8"), scale=1 / 127.5, offset=-1),
    case("Rescaling", ints(255, 2, 4, 4, 3).astype("uint8"), scale=_CHANNELS, offset=[1, 2, 3]),
    case("Rescaling", (2, 4, 3), scale=np.array(_CHANNELS), offset=0.5),
    case("Rescaling", (2, 3), scale=[1, 2, 3], offset=np.array([1, 2, 3])),
    case("Rescaling", (2, 4, 3), scale=1, offset=_CHANNELS),
    case("Rescaling", (2, 2, 3), scale=[[1.0], [2.0]], offset=[[0.0, 1.0, 2.0]]),
    case("Rescaling", (2, 3), scale=np.float32(0.5), offset=True),
    case("Rescaling", (1, 4, 4, 3), scale=0.25, offset=1.0, dtype="mixed_float16"),
    case("Rescaling", ints(9, 2, 4, 4, 3), scale=_CHANNELS, dtype="bfloat16"),
    case("Rescaling", (2, 3), scale=0.1, offset=0.2, dtype="float64"),
    case("Rescaling", ints(9, 2, 3), scale=2.5, offset=1, dtype="int32", name="whole"),
    case("Rescaling", (2, 4, 3), scale=0.5, masks=(mask(4, 2, size=4),)),
    case("Rescaling", np.array([[True, False]]), scale=0.5, offset=1.0, trainable=False),
]
