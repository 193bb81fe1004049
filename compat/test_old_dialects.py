"""Files of Keras 1.2, 2.0, 2.2, 2.3 and of tf.keras 2.1 and 2.6, written by hand: they load, and predict the same as
the model in today's words with the same arrays."""

import json

import h5py
import numpy as np
import pytest

import torchkeras as keras
from compat.files.dialects import DIALECTS


@pytest.fixture(params=DIALECTS)
def written(request):
    return DIALECTS[request.param]()


def flat(values):
    if isinstance(values, dict):
        return [np.asarray(values[key]) for key in sorted(values)]
    return values if isinstance(values, list) else [values]


def same_predictions(model, written):
    ours, wanted = flat(model.predict_on_batch(written.x)), flat(written.twin.predict_on_batch(written.x))
    for each, other in zip(ours, wanted, strict=True):
        assert np.ptp(np.asarray(other, "float64")) > 1e-3  # there is something to see
        np.testing.assert_allclose(each, other, rtol=1e-6, atol=1e-6)


def test_whole_models(written, tmp_path):
    written.write(tmp_path / "model.h5")
    model = keras.models.load_model(tmp_path / "model.h5")
    same_predictions(model, written)
    if written.training is not None:
        assert model.compiled
        assert np.isfinite(model.train_on_batch(written.x, flat(written.twin.predict_on_batch(written.x))[0])[0])


def test_texts_and_weights(written, tmp_path):
    model = keras.models.model_from_json(json.dumps({**written.config, "keras_version": written.version}))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        written.write_weights(file)
    model.load_weights(tmp_path / "weights.h5")
    same_predictions(model, written)


def test_regularization_is_the_same(written):
    """It is part of what was trained, and nothing else shows it."""
    model = keras.models.model_from_json(json.dumps({**written.config, "keras_version": written.version}))
    model.set_weights(written.twin.get_weights())
    ours, wanted = sum(map(float, model.losses)), sum(map(float, written.twin.losses))
    if wanted:
        assert ours == pytest.approx(wanted, rel=1e-5)
