"""Keras 2's windows over a series: kinds of data, in models, and as JSON."""

import json

import h5py
import numpy as np
import pandas
import pytest
import torch

import torchkeras as keras
from torchkeras.preprocessing.sequence import TimeseriesGenerator, make_sampling_table, skipgrams

SERIES = np.arange(24.0).reshape(12, 2)
OPTIONS = {"length": 4, "sampling_rate": 2, "stride": 2, "reverse": True, "batch_size": 3}


def stored(tmp_path):
    with h5py.File(tmp_path / "series.h5", "w") as file:
        file["series"] = SERIES
    return h5py.File(tmp_path / "series.h5")["series"]


@pytest.mark.parametrize("kind", ["frame", "tensor", "list", "HDF5"])
def test_kinds_of_series(kind, tmp_path):
    wanted = TimeseriesGenerator(SERIES, SERIES[:, 0], **OPTIONS)
    column = pandas.Series(SERIES[:, 0], index=range(100, 112))
    data, targets = {
        "frame": lambda: (pandas.DataFrame(SERIES, index=range(100, 112)), column),
        "tensor": lambda: (torch.tensor(SERIES), torch.tensor(SERIES[:, 0])),
        "list": lambda: (SERIES.tolist(), SERIES[:, 0].tolist()),
        "HDF5": lambda: (stored(tmp_path), SERIES[:, 0]),
    }[kind]()
    windows = TimeseriesGenerator(data, targets, **OPTIONS)
    assert len(windows) == len(wanted) == 2
    for index in range(2):
        for ours, theirs in zip(windows[index], wanted[index], strict=True):
            np.testing.assert_array_equal(np.asarray(ours), theirs)


def test_in_fit_evaluate_and_predict():
    series = np.sin(np.arange(60) / 3).astype("float32")[:, None]
    windows = TimeseriesGenerator(series, series, length=6, batch_size=16, workers=2)
    model = keras.Sequential([keras.Input((6, 1)), keras.layers.LSTM(4), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    history = model.fit(windows, epochs=2, validation_data=windows, shuffle=False, verbose=0)
    assert len(history.history["val_loss"]) == 2
    assert model.predict(windows, verbose=0).shape == (54, 1)
    assert model.evaluate(windows, verbose=0) == pytest.approx(history.history["val_loss"][-1], rel=1e-5)


def test_json():
    config = json.loads(TimeseriesGenerator(SERIES, SERIES[:, 0].tolist(), **OPTIONS).to_json())
    assert config["class_name"] == "TimeseriesGenerator"
    assert json.loads(config["config"].pop("data")) == SERIES.tolist()
    assert json.loads(config["config"].pop("targets")) == SERIES[:, 0].tolist()
    assert config["config"] == {"start_index": 4, "end_index": 11, "shuffle": False, **OPTIONS}
    with pytest.raises(TypeError, match="`data` has no form in JSON"):
        TimeseriesGenerator([{1}, {2}, {3}], [1, 2, 3], length=1).to_json()


def test_refusals():
    with pytest.raises(ValueError, match="equally long, got 12 and 3"):
        TimeseriesGenerator(SERIES, SERIES[:3], length=2)
    with pytest.raises(ValueError, match="is 15, and the last point 11"):
        TimeseriesGenerator(SERIES, SERIES, length=15)


def test_pairs_of_words():
    pairs, labels = skipgrams(np.arange(8), 8, sampling_table=np.ones(8), categorical=True)
    assert len(pairs) == len(labels) and sorted(map(tuple, labels)).count((0, 1)) == len(pairs) // 2
    assert {word for pair in pairs for word in pair} <= set(range(1, 8))
    assert len({id(label) for label in labels}) == len(labels)
    assert (np.diff(make_sampling_table(1000)[1:]) > 0).all()
