"""KerasFileEditor beside Keras's: the same methods do the same to the same file."""

import inspect
import io
from contextlib import redirect_stdout

import keras
import numpy as np
import pytest

import torchkeras

LIBRARIES = (torchkeras, keras)


def network(library, units=2):
    layers, norm = library.layers, library.layers.BatchNormalization(name="batch_normalization")
    parts = [layers.Dense(units, name="dense"), norm, layers.Dense(4, name="dense_1")]  # as they are called in files
    return library.Sequential([library.Input((3,)), *parts])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "k.weights.h5"
    network(keras).save_weights(path)
    return str(path)


def editors(file):
    with redirect_stdout(io.StringIO()):
        return [library.saving.KerasFileEditor(file) for library in LIBRARIES]


def shapes(objects):
    return {key: shapes(value) if isinstance(value, dict) else np.shape(value) for key, value in objects.items()}


def printed(function):
    stream = io.StringIO()
    with redirect_stdout(stream):
        result = function()
    return [line.rstrip() for line in stream.getvalue().splitlines()], result


EDITS = {
    "nothing": lambda editor: None,
    "rename by name": lambda editor: editor.rename_object("dense_1", "dense_7"),
    "rename by path": lambda editor: editor.rename_object(object_name="layers/dense", new_name="first"),
    "delete": lambda editor: editor.delete_object("layers/batch_normalization"),
    "add": lambda editor: editor.add_object("layers/new", {"0": np.ones((2, 2)), "1": np.ones(2)}),
    "add at the root": lambda editor: editor.add_object("new", {"0": np.ones((2, 2))}),
    "delete a weight": lambda editor: editor.delete_weight("batch_normalization", "3"),
    "add weights": lambda editor: editor.add_weights("layers/dense", {"1": np.ones(9), "2": np.ones(3)}),
}
MISTAKES = {
    "unknown name": lambda editor: editor.rename_object("x", "y"),
    "unknown path": lambda editor: editor.delete_object("layers/x"),
    "a path for a name": lambda editor: editor.rename_object("layers/dense", "a/b"),
    "ambiguous": lambda editor: editor.delete_object("0"),
    "unknown weight": lambda editor: editor.delete_weight("layers/dense", "7"),
    "unknown parent": lambda editor: editor.add_object("a/b/c", {}),
    "no dict": lambda editor: editor.add_object("layers/a", 3),
    "no dict of weights": lambda editor: editor.add_weights("dense", [3]),
    "ending": lambda editor: editor.save("x.h5"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edits(file, tmp_path, edit):
    found = []
    for editor, path in zip(editors(file), ("o.weights.h5", "k.weights.h5")):
        EDITS[edit](editor)
        editor.save(str(tmp_path / path))
        with redirect_stdout(io.StringIO()):
            again = [library.saving.KerasFileEditor(str(tmp_path / path)) for library in LIBRARIES]
        found += [shapes(each.weights_dict) for each in (editor, *again)]
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(file, mistake):
    for editor in editors(file):
        with pytest.raises(ValueError):
            MISTAKES[mistake](editor)


def test_the_same_text(file):
    ours, theirs = (printed(editor.summary)[0] for editor in editors(file))
    assert ours == theirs


@pytest.mark.parametrize("units", [2, 5])
def test_comparison(file, units):
    (mine, found), (theirs, expected) = (
        printed(lambda editor=editor, library=library: editor.compare(network(library, units)))
        for editor, library in zip(editors(file), LIBRARIES)
    )
    assert found["status"] == expected["status"]
    # Keras adds what it has counted so far once more for each object: both counts are too high
    assert found["error_count"] <= expected["error_count"] and found["match_count"] <= expected["match_count"]
    assert found["error_count"] + found["match_count"] == 8
    assert [line for line in mine if line.startswith(("...", " "))][: found["error_count"]] == [
        line for line in theirs if line.startswith(("...", " "))
    ][: found["error_count"]]


def test_the_same_methods():
    public = [
        name for name, _ in inspect.getmembers(keras.saving.KerasFileEditor, inspect.isfunction) if name[0] != "_"
    ]
    for name in public:
        ours, theirs = (inspect.signature(getattr(each.saving.KerasFileEditor, name)) for each in LIBRARIES)
        assert list(ours.parameters) == list(theirs.parameters)


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
def test_cells_are_left_out_and_counts_grow(tmp_path):
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(2), keras.layers.Dense(1)])
    model.save_weights(tmp_path / "m.weights.h5")
    ours, theirs = editors(str(tmp_path / "m.weights.h5"))
    assert shapes(ours.weights_dict) == shapes(theirs.weights_dict)
