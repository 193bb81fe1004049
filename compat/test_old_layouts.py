"""Weights as older layers had them turn into those of today as in tf.keras (`compat/files/write_old_layouts.py`)."""

from pathlib import Path

import numpy as np
import pytest

from torchkeras import layers
from torchkeras.saving import old_weights

IMAGES = "channels_first"
CASES = {  # the layer, the shape of its input, the version of the file
    "lstm of gates": (lambda: layers.LSTM(3), (5, 2), "1"),
    "gru of gates": (lambda: layers.GRU(3, reset_after=False), (5, 2), "1.2.2"),
    "conv_lstm of gates": (lambda: layers.ConvLSTM2D(3, 2), (5, 6, 6, 2), "1"),
    "cudnn lstm": (lambda: layers.LSTM(3), (5, 2), "2.2"),
    "cudnn gru": (lambda: layers.GRU(3), (5, 2), "2.2"),
    "cudnn both ways": (lambda: layers.Bidirectional(layers.LSTM(3)), (5, 2), "2.2"),
    "conv1d": (lambda: layers.Conv1D(4, 3), (9, 2), "1"),
    "conv1d of keras 1.0": (lambda: layers.Conv1D(4, 3), (9, 2), "1"),
    "conv2d th": (lambda: layers.Conv2D(4, (3, 2), data_format=IMAGES), (2, 9, 9), "1"),
    "conv3d th": (lambda: layers.Conv3D(4, (3, 2, 1), data_format=IMAGES), (2, 9, 9, 9), "1"),
    "transposed tf": (lambda: layers.Conv2DTranspose(4, (3, 2)), (9, 9, 2), "1"),
    "transposed th": (lambda: layers.Conv2DTranspose(4, (3, 2), data_format=IMAGES), (2, 9, 9), "1"),
    "conv2d over time": (
        lambda: layers.TimeDistributed(layers.Conv2D(4, (3, 2), data_format=IMAGES)),
        (5, 2, 9, 9),
        "1",
    ),
}
ARRAYS = np.load(Path(__file__).parent / "files" / "old_layouts.npz")


def arrays(name, side):
    prefix = f"{name}/{side}/"
    keys = sorted((key for key in ARRAYS.files if key.startswith(prefix)), key=lambda key: int(key.rpartition("/")[2]))
    return [ARRAYS[key] for key in keys]


def test_every_layout_that_was_written_is_compared():
    assert {key.partition("/")[0] for key in ARRAYS.files} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_layout(name):
    make, shape, version = CASES[name]
    layer = make()
    layer.build((None, *shape))
    found = old_weights.converted(layer, arrays(name, "in"), version)
    assert [each.shape for each in found] == [tuple(weight.shape) for weight in layer.weights]
    for ours, theirs in zip(found, arrays(name, "out"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_theano_convolved_and_the_others_correlate():
    layer = layers.Conv2D(2, (3, 2))
    layer.build((None, 9, 9, 1))
    kernel = np.arange(12.0).reshape(3, 2, 1, 2)
    found, _ = old_weights.converted(layer, [kernel, np.zeros(2)], "2.0.8", "theano")
    np.testing.assert_array_equal(found, kernel[::-1, ::-1])


def test_what_has_no_older_form_stays():
    layer = layers.Dense(2)
    layer.build((None, 3))
    kept = [np.ones((3, 2)), np.zeros(2)]
    assert old_weights.converted(layer, kept, "1") == kept
