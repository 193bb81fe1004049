"""Functions of keras.utils that give datasets, beside what Keras on TensorFlow made of the same calls."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import torchkeras as keras
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
