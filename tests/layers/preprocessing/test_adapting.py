"""`adapt`: every kind of data gives the same, and what fails leaves what was learned."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import torchkeras as keras
from torchkeras.data import Dataset

_ROWS = np.random.default_rng(0).normal(3, 2, (11, 3)).astype("float32")


class _Batches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, place):
        return _ROWS[3 * place : 3 * place + 3]


class _InAFile:
    """Rows that are read where they are asked for, as HDF5's are."""

    chunks, shape = (2, 3), _ROWS.shape

    def __getitem__(self, rows):
        return _ROWS[rows]

    def __array__(self, *args, **kwargs):
        raise AssertionError("all rows were read at once")


_KINDS = {
    "array": lambda: _ROWS,
    "tensor": lambda: torch.tensor(_ROWS),
    "list": lambda: _ROWS.tolist(),
    "batches": lambda: _Batches(),
    "loader": lambda: DataLoader(torch.tensor(_ROWS), batch_size=4),
    "generator": lambda: (_ROWS[start : start + 2] for start in range(0, 11, 2)),
    "dataset": lambda: Dataset.from_tensor_slices(_ROWS).batch(5),
    "file": lambda: _InAFile(),
}


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("batch_size", [None, 2])
def test_every_kind_of_data_gives_the_same(kind, batch_size):
    layer = keras.layers.Normalization()
    layer.adapt(_KINDS[kind](), batch_size=batch_size)
    np.testing.assert_allclose(layer.mean[0], _ROWS.mean(0), rtol=1e-6)
    np.testing.assert_allclose(layer.variance[0], _ROWS.var(0), rtol=1e-6)


def test_steps_limit_what_is_taken():
    layer = keras.layers.Normalization()
    endless = Dataset.from_tensor_slices(_ROWS).batch(2).repeat()
    layer.adapt(endless, steps=2)
    np.testing.assert_allclose(layer.mean[0], _ROWS[:4].mean(0), rtol=1e-6)


def test_adapting_again_forgets():
    layer = keras.layers.Normalization()
    layer.adapt(_ROWS)
    layer.adapt(_ROWS[:4])
    np.testing.assert_allclose(layer.mean[0], _ROWS[:4].mean(0), rtol=1e-6)


def test_states_merge():
    parts = [keras.layers.Normalization() for _ in range(3)]
    for layer, rows in zip(parts, np.split(_ROWS, [2, 7]), strict=True):
        layer.adapt(rows)
    parts[0].merge_state(parts[1:])
    np.testing.assert_allclose(parts[0].mean[0], _ROWS.mean(0), rtol=1e-6)
    np.testing.assert_allclose(parts[0].variance[0], _ROWS.var(0), rtol=1e-6)


def _breaks():
    yield _ROWS[:2]
    raise KeyError("gone")


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (lambda: _breaks(), KeyError, "gone"),
        (lambda: iter([_ROWS[:2], _ROWS[:2, :2]]), ValueError, "of shape"),
        (lambda: iter([(_ROWS, _ROWS)]), ValueError, "tuples"),
        (lambda: iter([{"a": _ROWS}]), ValueError, "dicts"),
        (lambda: iter([]), ValueError, "without a batch"),
        (lambda: _ROWS[:0], ValueError, "without a row"),
        (lambda: 3, ValueError, "adapt\\(\\) takes arrays"),
        (lambda: ["a", "b"], ValueError, "strings"),
        (lambda: keras.Input((3,)), ValueError, "symbolic"),
    ],
)
def test_what_fails_leaves_what_was_learned(data, error, text):
    layer = keras.layers.Normalization()
    layer.adapt(_ROWS)
    with pytest.raises(error, match=text):
        layer.adapt(data())
    np.testing.assert_allclose(layer.mean[0], _ROWS.mean(0), rtol=1e-6)


@pytest.mark.parametrize("options", [{"steps": 0}, {"steps": 1.5}, {"batch_size": -1}, {"batch_size": True}])
def test_counts_are_positive(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        keras.layers.Normalization().adapt(_ROWS, **options)


def test_nan_is_said():
    rows = _ROWS.copy()
    rows[0, 1] = np.nan
    with pytest.warns(UserWarning, match="NaN"):
        keras.layers.Normalization().adapt(rows)


@pytest.mark.parametrize("box", [list, tuple])
def test_batches_of_one_tensor_are_that_tensor(box):
    """As a TensorDataset gives them: the features keep their axes."""
    rows, layer = torch.arange(12.0).reshape(6, 2), keras.layers.Normalization()
    layer.adapt(box([part]) for part in rows.split(2))
    assert layer.mean.tolist() == [[5.0, 6.0]]
