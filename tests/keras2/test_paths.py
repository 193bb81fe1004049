"""Names under which tf.keras 2 had what stands elsewhere today, and older spellings in `keras.utils`."""

import importlib

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.keras2.layer_paths import PREPROCESSING


def test_preprocessing_layers_have_their_older_path():
    older = importlib.import_module("torchkeras.layers.experimental.preprocessing")
    here = [name for name in PREPROCESSING if hasattr(keras.layers, name)]
    assert "Normalization" in here and all(getattr(older, name) is getattr(keras.layers, name) for name in here)
    assert {"PreprocessingLayer", *PREPROCESSING} <= set(dir(older))
    with pytest.raises(AttributeError, match="has no 'Dense'"):
        older.Dense  # noqa: B018
    assert issubclass(older.Normalization, older.PreprocessingLayer)
    layer = keras.layers.experimental.preprocessing.Normalization()
    layer.adapt(np.array([[1.0], [3.0]]))
    assert layer(np.array([[3.0]])).tolist() == [[1.0]]


def test_experimental_layers():
    assert keras.layers.experimental.EinsumDense is keras.layers.EinsumDense
    layer = keras.layers.experimental.SyncBatchNormalization(axis=1)
    assert isinstance(layer, keras.layers.BatchNormalization) and layer.synchronized
    described = keras.layers.serialize(layer)
    assert (described["module"], described["class_name"]) == ("keras.layers.experimental", "SyncBatchNormalization")
    del described["config"]["synchronized"]  # tf.keras 2 does not write it
    again = keras.layers.deserialize(described)
    assert type(again) is type(layer) and again.axis == 1 and again.synchronized
    values = torch.randn(4, 3)
    assert torch.equal(again(values, training=True), keras.layers.BatchNormalization(axis=1)(values, training=True))


def test_grey_images_by_a_bool(tmp_path):
    keras.utils.save_img(tmp_path / "image.png", np.zeros((4, 6, 3)))
    load = keras.preprocessing.image.load_img
    for call in (
        lambda: load(tmp_path / "image.png", grayscale=True),
        lambda: load(tmp_path / "image.png", True),
        lambda: load(tmp_path / "image.png", True, "rgb", (4, 6)),
    ):
        with pytest.warns(DeprecationWarning, match="color_mode") as told:
            assert call().mode == "L"
        assert told[0].filename == __file__
    assert load(tmp_path / "image.png", False, "rgba").mode == "RGBA"
    assert load(tmp_path / "image.png", grayscale=False).mode == "RGB"
