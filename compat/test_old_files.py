"""Files that tf.keras 2 wrote (`compat/files/`) open here: they predict what they predicted there, and train on."""

import warnings

import numpy as np
import pytest

import torchkeras as keras
from compat import files


def three_more(t):
    return t + 3.0


def loaded(written, file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return keras.models.load_model(written.path(file), safe_mode=False)


def flat(values):
    if isinstance(values, dict):
        return [np.asarray(values[key]) for key in sorted(values)]
    return [np.asarray(value) for value in values] if isinstance(values, (list, tuple)) else [np.asarray(values)]


def compare(model, written, tolerance=1e-6):
    found = flat(model.predict_on_batch(written.x))
    wanted = flat(written.p)
    assert [value.shape for value in found] == [value.shape for value in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours.astype("float64"), theirs, rtol=tolerance, atol=tolerance)


WITH_KERAS_FILE = [name for name in files.names() if name not in ("slices", "attention")]


@pytest.mark.parametrize("name", WITH_KERAS_FILE)
def test_keras_files_predict_the_same(name, tmp_path):
    written = files.Written(name, tmp_path)
    compare(loaded(written, "model.keras"), written)
