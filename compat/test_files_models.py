"""Models of all forms in `.keras` and `.weights.h5` files: Keras's are read here, ours there, and all hold the same."""

import keras
import numpy as np
import pytest
from keras import tree

import torchkeras
from compat.file_cases import array, compare_files, crossing, facts, load, made, scatter, weights_in
from compat.file_models import FORMS, SHARED, own
from compat.model_cases import GRAPHS

MAKERS = {**GRAPHS, **FORMS}
# A layer of the user's whose own layers are numbered by what was made before; a Sequential that its first caller built.
NUMBERED = {"sequential_nested", "own_layers_in_a_graph", "sequential_of_own_layers", "subclass_of_models", "wrapped"}
NUMBERED |= {"frozen_parts", "subclass", "subclass_unbuilt"}
TOLERANCES = {"precisions": 3e-2}


def data_for(model):
    """Random inputs; 6 for unknown sizes."""
    rng = np.random.default_rng(3)

    def fill(tensor):
        shape = [6 if size is None else size for size in (2, *tensor.shape[1:])]
        return rng.integers(0, 5, shape).astype(tensor.dtype) if "int" in tensor.dtype else rng.random(shape, "float32")

    if not getattr(model, "inputs", None):
        return rng.random((2, 4), "float32")
    return tree.map_structure(fill, getattr(model, "_inputs_struct", model.inputs[0]))


@pytest.mark.parametrize("name", MAKERS)
def test_every_form(name, tmp_path):
    model = made(keras, MAKERS[name])
    crossing(
        MAKERS[name],
        tmp_path,
        data_for(model) if model.built else None,
        custom=own,
        automatic=name in NUMBERED,
        tolerance=TOLERANCES.get(name, 1e-6),
    )


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("unbuilt", "subclass_unbuilt")])
def test_weights_alone(name, tmp_path):
    """`.weights.h5`: Keras's fills a model that was made here, ours one that was made there."""
    theirs, ours = made(keras, MAKERS[name]), made(torchkeras, MAKERS[name])
    scatter(theirs)
    theirs.save_weights(tmp_path / "keras.weights.h5")
    ours.load_weights(tmp_path / "keras.weights.h5")
    assert facts(ours) == facts(theirs)
    ours.save_weights(tmp_path / "ours.weights.h5")
    assert weights_in(tmp_path / "ours.weights.h5") == weights_in(tmp_path / "keras.weights.h5")


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_layer_stays_one(name, tmp_path):
    theirs = made(keras, SHARED[name])
    scatter(theirs)
    theirs.save(tmp_path / "keras.keras")
    ours = load(torchkeras, tmp_path / "keras.keras")
    assert facts(ours, paths=False) == facts(theirs, paths=False)
    data = np.random.default_rng(1).random((4, 4), "float32")
    np.testing.assert_allclose(array(ours(data)), array(theirs(data)), 1e-5)
    fresh = made(torchkeras, SHARED[name])
    fresh.set_weights(ours.get_weights())
    models = fresh, again(ours, tmp_path), ours
    for model in models:
        model.compile("sgd", "mse")
        model.fit(data, data, epochs=3, verbose=0, shuffle=False)
        assert facts(model, paths=False) == facts(fresh, paths=False)


def again(model, folder):
    model.save(folder / "ours.keras")
    found = load(torchkeras, folder / "ours.keras")
    found.save(folder / "again.keras")
    assert not compare_files("written twice", folder / "ours.keras", folder / "again.keras")
    assert facts(found) == facts(model)
    return found
