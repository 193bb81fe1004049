"""FeatureSpace beside what Keras on TensorFlow answered to the same calls, and files of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import torchkeras as keras
from compat.feature_space_cases import ALL, CASES, DATA, NEW, file_data, file_space
from compat.recorded.shown import answer, shown
from compat.text_cases import CORPUS

FOLDER = Path(__file__).with_name("recorded")
RECORDED = json.loads((FOLDER / "feature_space.json").read_text())
COLUMNS = {name: np.array(column) for name, column in DATA.items()}
ROWS = {name: np.array(column) for name, column in NEW.items()}


def test_every_case_is_recorded():
    assert list(RECORDED) == [*CASES, "file", "texts"]


OWN = "a layer of one's own"  # holds a TextVectorization, whose static shape Keras gets wrong


@pytest.mark.parametrize("name", [name for name in CASES if name != OWN])
def test_answers(name):
    recorded = RECORDED[name]
    if recorded == "ValueError":
        with pytest.raises(ValueError, match=r"`|adapt\(data\)|Feature"):
            CASES[name](keras)
        return
    assert answer(CASES[name], keras) == recorded


def test_a_layer_of_ones_own():
    (rows, one, static, _), recorded = answer(CASES[OWN], keras), RECORDED[OWN]
    assert [rows, one] == recorded[:2] and static == {"dtype": "float32", "shape": [None, 4]}


def test_a_file_of_keras():
    space = keras.models.load_model(FOLDER / "feature_space.keras")
    assert shown(space(file_data(ROWS))) == RECORDED["file"]


def test_a_text_model_of_keras():
    model = keras.models.load_model(FOLDER / "text.keras")
    assert shown(model(np.array(CORPUS)[:, None])) == RECORDED["texts"]


def test_a_file_of_ours(tmp_path):
    space = file_space(keras)
    space.save(tmp_path / "space.keras")
    again = keras.models.load_model(tmp_path / "space.keras")
    assert torch.equal(again(file_data(ROWS)), space(file_data(ROWS)))
    assert shown(again(file_data(ROWS))) == RECORDED["file"]
    assert again.get_config().keys() == space.get_config().keys()


KINDS = {
    "dict": lambda: COLUMNS,
    "lists": lambda: DATA,
    "rows": lambda: keras.data.Dataset.from_tensor_slices(COLUMNS),
    "batches": lambda: keras.data.Dataset.from_tensor_slices(COLUMNS).batch(3),
    "data frame": lambda: pytest.importorskip("pandas").DataFrame(DATA),
    "table": lambda: pytest.importorskip("pyarrow").table(DATA),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_learns_from(kind):
    plain = keras.utils.FeatureSpace(ALL, crosses=[("colour", "shop")], crossing_dim=8)
    plain.adapt(COLUMNS)
    space = keras.utils.FeatureSpace(ALL, crosses=[("colour", "shop")], crossing_dim=8)
    space.adapt(KINDS[kind]())
    assert torch.allclose(space(ROWS), plain(ROWS))
    if not kind.startswith(("rows", "batches")):
        assert torch.allclose(space(KINDS[kind]()), plain(COLUMNS))


def adapted(**kwargs):
    space = keras.utils.FeatureSpace(ALL, **kwargs)
    space.adapt(COLUMNS)
    return space


def test_datasets_through_it():
    space = adapted()
    rows = keras.data.Dataset.from_tensor_slices((COLUMNS, np.arange(4)))
    single = rows.map(lambda x, y: (space(x), y)).batch(4)
    batches = rows.batch(2).map(lambda x, y: (space(x), y))
    assert torch.equal(next(iter(single))[0], space(COLUMNS))
    assert torch.equal(torch.cat([x for x, _ in batches]), space(COLUMNS))


def test_a_model_of_the_encoded_and_of_the_raw_columns():
    space = adapted(crosses=[("colour", "shop")], crossing_dim=8)
    encoded = space.get_encoded_features()
    outputs = keras.layers.Dense(1, activation="sigmoid")(encoded)
    training = keras.Model(inputs=encoded, outputs=outputs)
    inference = keras.Model(inputs=space.get_inputs(), outputs=outputs)
    training.compile("adam", "binary_crossentropy")
    training.fit(space(COLUMNS), np.array([0.0, 1.0, 1.0, 0.0]), epochs=1, verbose=0)
    columns = {name: column[:, None] for name, column in COLUMNS.items()}
    found = inference.predict(columns, verbose=0)
    assert np.allclose(found, training.predict(space(COLUMNS), verbose=0), atol=1e-6)


def test_errors():
    space = adapted()
    with pytest.raises(KeyError, match="no features"):
        space({**COLUMNS, "weight": [1, 2, 3, 4]})
    with pytest.raises(ValueError, match="misses the columns"):
        space({"size": [1.0]})
    with pytest.raises(ValueError, match="leave labels out"):
        keras.utils.FeatureSpace(ALL).adapt(keras.data.Dataset.from_tensor_slices((COLUMNS, np.arange(4))))
    own = keras.utils.FeatureSpace.feature("float32", keras.layers.Lambda(lambda x: x.long()), "one_hot")
    with pytest.raises(ValueError, match="not known"):
        keras.utils.FeatureSpace({"size": own})({"size": [1.0]})


def test_layers_that_are_given_what_they_would_learn_learn_nothing():
    make = keras.utils.FeatureSpace
    features = {
        "size": make.feature("float32", keras.layers.Normalization(mean=0.0, variance=4.0), "float"),
        "price": make.float_discretized(None, bin_boundaries=[3.0]),
        "colour": make.feature("string", keras.layers.StringLookup(vocabulary=["red", "blue"]), "one_hot"),
    }
    space = make(features)
    columns = {name: COLUMNS[name] for name in features}
    before = space(columns)
    space.adapt(columns)
    assert torch.equal(space(columns), before) and before.shape == (4, 6)
