"""Functions of keras.utils that give datasets, beside what Keras on TensorFlow made of the same calls."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import torchkeras as keras
from compat.curves import SIDES
from compat.test_datasets import plain
from compat.utility_cases import CASES, FEATURES, X

RECORDED = json.loads(Path(__file__).with_name("recorded").joinpath("utilities.json").read_text())
ERRORS = {"ValueError": ValueError, "TypeError": TypeError}


def test_every_case_is_recorded():
    assert list(RECORDED) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_datasets(name):
    recorded = RECORDED[name]
    if isinstance(recorded, str):
        with pytest.raises(ERRORS[recorded]):
            CASES[name](keras.utils)
        return
    made = CASES[name](keras.utils)
    datasets = made if isinstance(made, tuple) else (made,)
    found = [[plain(element) for element in dataset.as_numpy_iterator()] for dataset in datasets]
    assert found == recorded


def test_shuffled_windows_are_all_there_with_their_targets():
    dataset = keras.utils.timeseries_dataset_from_array(FEATURES, X, 3, batch_size=4, shuffle=True, seed=1)
    seen = [(window[0, 0].item(), target.item()) for w, t in dataset for window, target in zip(w, t, strict=True)]
    assert sorted(seen) == [(2 * i, i) for i in range(10)] != seen
    assert all((target * 2 == first) for first, target in seen)


def test_split_of_datasets():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return X[index : index + 2], X[index : index + 1]

    from_numbers = torch.utils.data.TensorDataset(torch.arange(6))
    for data in (Batches(), from_numbers, keras.utils.split_dataset(X, left_size=10)[0]):
        left, right = keras.utils.split_dataset(data, left_size=0.5)
        assert len(left) == len(right) == len(data) // 2
        assert len(list(left)) == len(list(right)) == len(data) // 2
    left, right = keras.utils.split_dataset(X, left_size=0.5, shuffle=True, seed=1)
    found = [float(n) for n in left], [float(n) for n in right]
    assert sorted(found[0] + found[1]) == list(range(12)) and found[0] != sorted(found[0])
    again = keras.utils.split_dataset(X, left_size=0.5, shuffle=True, seed=1)[0]
    assert [float(n) for n in again] == found[0]


def test_windows_are_no_copies_of_the_data():
    series = np.zeros((200_000, 8), "float32")
    dataset = keras.utils.timeseries_dataset_from_array(series, None, 500, batch_size=2)  # 3 GB of windows
    assert next(iter(dataset)).shape == (2, 500, 8) and len(dataset) == 99751


PADDED = {
    "plain": ([[1], [2, 3], [4, 5, 6]], {}),
    "cut": ([[1], [2, 3], [4, 5, 6]], {"maxlen": 2}),
    "cut behind": ([[1], [2, 3], [4, 5, 6]], {"maxlen": 2, "truncating": "post"}),
    "filled behind": ([[1], [2, 3], [4, 5, 6]], {"maxlen": 5, "padding": "post", "value": 9}),
    "empty ones": ([[1], [], [2]], {}),
    "only empty ones": ([[], []], {"maxlen": 2}),
    "floats": ([[1.7], [2.2, 3]], {"dtype": "float32", "value": -1}),
    "floats as integers": ([[1.7], [2.2, 3]], {}),
    "words": ([["a"], ["b", "c"]], {"dtype": object, "value": "-"}),
    "words of one size": ([["a"], ["b", "c"]], {"dtype": "U3", "value": "-"}),
    "words as numbers": ([["a"]], {"value": "-"}),
    "vectors": ([[[1, 2]], [[3, 4], [5, 6]]], {"padding": "post"}),
    "vectors of different sizes": ([[[1, 2]], [[3], [5]]], {}),
    "array": (np.ones((2, 3)), {"maxlen": 2}),
    "ranges": ([range(3), (1, 2)], {"maxlen": 4}),
    "numbers": ([1, 2], {}),
    "a number": (5, {}),
    "no such padding": ([[1]], {"padding": "x"}),
    "no such truncating": ([[1]], {"truncating": "x"}),
    "negative length": ([[1]], {"maxlen": -1}),
}


@pytest.mark.parametrize("case", PADDED)
def test_pad_sequences(case):
    sequences, arguments = PADDED[case]
    found = []
    for side in SIDES:
        try:
            padded = side.utils.pad_sequences(sequences, **arguments)
            found.append((padded.dtype, padded.shape, padded.tolist()))
        except ValueError:
            found.append(ValueError)
    assert found[0] == found[1]


def test_no_sequences_and_no_length():
    assert keras.utils.pad_sequences([]).shape == (0, 0)
    assert keras.utils.pad_sequences([[1], [2, 3]], maxlen=0).shape == (2, 0)
