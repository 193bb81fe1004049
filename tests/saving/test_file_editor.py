"""KerasFileEditor: what it shows, changes and writes, and files that it must not trust."""

import h5py
import numpy as np
import pytest

import torchkeras as keras
from torchkeras import layers
from torchkeras.errors import CorruptFileError, UnsafeFileError


def network():
    return keras.Sequential([keras.Input((5, 4)), layers.LSTM(3), layers.Dense(2, dtype="bfloat16", name="last")])


@pytest.fixture
def path(tmp_path):
    network().save_weights(tmp_path / "m.weights.h5")
    return tmp_path / "m.weights.h5"


@pytest.mark.parametrize("ending", ["m.keras", "m.weights.h5"])
def test_what_is_read_is_written(tmp_path, ending):
    model = network()
    model.compile("adam", "mse")
    model.fit(np.ones((2, 5, 4)), np.ones((2, 2)), verbose=0)
    (model.save if ending == "m.keras" else model.save_weights)(tmp_path / ending)
    editor = keras.saving.KerasFileEditor(tmp_path / ending)
    assert (editor.config is not None) is (ending == "m.keras")
    assert editor.object_metadata["/layers/dense"] == {"name": "last"}
    editor.save(tmp_path / "again.weights.h5")
    other = network()
    other.compile("adam", "mse")
    other.optimizer.build(other.trainable_variables)
    other.load_weights(tmp_path / "again.weights.h5")
    for ours, theirs in zip(
        [*model.weights, *model.optimizer.variables], [*other.weights, *other.optimizer.variables], strict=True
    ):
        assert (ours == theirs).all() and ours.dtype == theirs.dtype


def test_summary(path, capsys):
    keras.saving.KerasFileEditor(path).summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == [
        "  > layers",
        "      ├─ dense ('last')",
        "      │   ├─ 0: shape=(3, 2), dtype=bfloat16",
        "      │   └─ 1: shape=(2,), dtype=bfloat16",
        "      └─ lstm",
        "          └─ cell ('lstm_cell')",
        "              ├─ 0: shape=(4, 12), dtype=float32",
        "              ├─ 1: shape=(3, 12), dtype=float32",
        "              └─ 2: shape=(12,), dtype=float32",
    ]


def test_changes_for_another_architecture(path, tmp_path):
    editor = keras.saving.KerasFileEditor(path)
    editor.rename_object("dense", "dense_1")
    editor.add_object("layers/dense", {"0": np.full((3, 3), 7.0)})
    editor.add_weights("dense", {"1": np.zeros(3)})
    editor.add_weights("dense", {"2": np.zeros(3)})
    editor.delete_weight("layers/dense", "2")
    editor.resave_weights(tmp_path / "new.weights.h5")
    model = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3), layers.Dense(3), layers.Dense(2, dtype="bfloat16")])
    model.load_weights(tmp_path / "new.weights.h5")
    assert (model.layers[1].kernel == 7).all()
    assert editor.compare(model) == {"status": "success", "error_count": 0, "match_count": 7}
    assert editor.compare(network())["status"] == "error"
    editor.delete_object("dense")
    assert list(editor.weights_dict["layers"]) == ["lstm", "dense_1"]


def test_names_that_lead_out_are_not_written(path, tmp_path):
    editor = keras.saving.KerasFileEditor(path)
    editor.weights_dict["layers"][".."] = {"0": np.zeros(1)}
    with pytest.raises(UnsafeFileError):
        editor.save(path)
    assert keras.saving.KerasFileEditor(path).weights_dict["layers"].keys() == {"dense", "lstm"}


def test_files_that_are_not_to_be_trusted(path, tmp_path):
    (tmp_path / "cut.weights.h5").write_bytes(path.read_bytes()[:300])
    with pytest.raises(CorruptFileError):
        keras.saving.KerasFileEditor(tmp_path / "cut.weights.h5")
    with h5py.File(path, "a") as file:
        file["layers/link"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(UnsafeFileError):
        keras.saving.KerasFileEditor(path)
    with pytest.raises(ValueError, match="must end in"):
        keras.saving.KerasFileEditor("m.h5")
