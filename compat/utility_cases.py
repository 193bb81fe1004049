"""Calls of functions that give datasets. Imports numpy only: `k` is `keras.utils`, Keras's or ours.

`compat/recorded/record_utilities.py` writes down what Keras on TensorFlow makes of them, `test_utilities.py` compares.
"""

import numpy as np

X = np.arange(12, dtype="float32")
FEATURES = np.arange(24, dtype="int32").reshape(12, 2)


def windows(*args, **kwargs):
    return lambda k: k.timeseries_dataset_from_array(*args, **kwargs)


def split(*args, **kwargs):
    return lambda k: k.split_dataset(*args, **kwargs)


CASES = {
    "windows": windows(X, X * 10, 3, batch_size=4),
    "windows alone": windows(X, None, 3, batch_size=4),
    "windows of lists": windows(FEATURES.tolist(), None, 3, batch_size=4),
    "windows with strides": windows(X, X * 10, 3, sequence_stride=2, sampling_rate=2, batch_size=4),
    "windows with longer strides": windows(FEATURES, X, 2, sequence_stride=3, sampling_rate=3, batch_size=2),
    "windows of features": windows(FEATURES, FEATURES[:, 0], 4, batch_size=4),
    "windows with few targets": windows(X, X[:5], 3, batch_size=4),
    "windows of a part": windows(X, None, 3, batch_size=4, start_index=2, end_index=9),
    "windows of a part with targets": windows(X, X * 10, 3, batch_size=4, start_index=2, end_index=9),
    "single windows": windows(X, X, 3, batch_size=None, end_index=9),
    "one window": windows(X, X, 12, batch_size=4),
    "too long a window": windows(X, X, 20),
    "too long a stride": windows(X, X, 3, sequence_stride=13),
    "stride of 0": windows(X, X, 3, sequence_stride=0),
    "too large a rate": windows(X, X, 3, sampling_rate=13),
    "rate of 0": windows(X, X, 3, sampling_rate=0),
    "start before the data": windows(X, X, 3, start_index=-1),
    "start after the data": windows(X, X, 3, start_index=12),
    "end before the start": windows(X, X, 3, start_index=5, end_index=5),
    "end after the data": windows(X, X, 3, end_index=13),
    "split": split(FEATURES, left_size=0.3),
    "split from the right": split(X, right_size=3),
    "split into parts": split(X, left_size=0.3, right_size=2),
    "split into shares": split(X[:7], left_size=0.5, right_size=0.25),
    "split of a tuple": split((X, FEATURES), left_size=0.5),
    "split of a list": split([X, FEATURES], left_size=2),
    "split without sizes": split(X),
    "split with too much": split(X, left_size=3, right_size=10),
    "split with a share above 1": split(X, left_size=1.5),
    "split below 0": split(X, left_size=-1),
    "split at 0": split(X, left_size=0),
    "split at the end": split(X, left_size=12),
    "split at a word": split(X, left_size="a"),
    "split of a number": split(5, left_size=0.5),
    "split of a dict": split({"a": X}, left_size=0.5),
    "split of numbers": split([1, 2, 3], left_size=0.5),
    "split with an empty part": split(X[:3], left_size=0.1),
}
