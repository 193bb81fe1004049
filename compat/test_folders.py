"""Folders of images, texts and sounds as datasets, beside what Keras on TensorFlow made of the same folders."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import torchkeras as keras
from compat import folder_cases
from compat.folder_cases import CASES, SOUNDS, outcome


def recorded(name):
    return json.loads(Path(__file__).with_name("recorded").joinpath(name).read_text(encoding="utf-8"))


RECORDED = recorded("folders.json")
RECORDED_SOUNDS = recorded("sounds.json")
# The libraries that decode weigh red, green and blue alike up to a rounding.
LOOSE = {"grey": 1.01}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    folder_cases.make(path)
    return path


def test_every_case_is_recorded():
    assert list(RECORDED) == list(CASES) and list(RECORDED_SOUNDS) == list(SOUNDS)


@pytest.mark.parametrize("name", CASES)
def test_folders(name, root):
    recorded, found = RECORDED[name], outcome(CASES[name], keras.utils, root)
    if isinstance(recorded, str):
        assert found == recorded
        return
    assert len(found) == len(recorded)
    for ours, theirs in zip(found, recorded, strict=True):
        assert [ours[key] for key in ("classes", "length", "kinds")] == [
            theirs[key] for key in ("classes", "length", "kinds")
        ]
        assert not theirs["files"] or ours["files"] == theirs["files"]
        assert len(ours["rows"]) == len(theirs["rows"])
        if "text" in name:
            assert (
                ours["rows"] == [tuple(row) for row in map(list, theirs["rows"])]
                or [list(row) for row in ours["rows"]] == theirs["rows"]
            )
            continue
        for one, other in zip(_by_pixels(ours["rows"]), _by_pixels(theirs["rows"]), strict=True):
            np.testing.assert_allclose(np.asarray(one[0]), np.asarray(other[0]), atol=LOOSE.get(name, 2e-3))
            assert list(one[1:]) == list(other[1:])


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds(name, root):
    there, found = RECORDED_SOUNDS[name], outcome(SOUNDS[name], keras.utils, root)
    if isinstance(there, str):
        assert found == there
        return
    for ours, theirs in zip(found, there, strict=True):
        one, other = ours.pop("rows"), theirs.pop("rows")
        assert theirs.pop("files") == [] and ours.pop("files") and ours == theirs
        one, other = [sorted(rows, key=lambda row: (str(row[1:]), row[0][0])) for rows in (one, other)]
        for ours_row, theirs_row in zip(one, other, strict=True):
            np.testing.assert_allclose(ours_row[0], theirs_row[0], atol=6e-5)
            assert list(ours_row[1:]) == theirs_row[1:]


def _by_pixels(rows):
    """In the order of labels and mean values, which rounding does not change."""
    return sorted(rows, key=lambda row: (str(row[1:]), round(float(np.mean(row[0])), 1)))


def test_what_is_printed(root, capsys):
    CASES["both"](keras.utils, root)
    printed = capsys.readouterr().out
    assert (
        printed == "Found 9 files belonging to 3 classes.\nUsing 7 files for training.\nUsing 2 files for validation.\n"
    )
    CASES["no labels"](keras.utils, root)
    assert capsys.readouterr().out == "Found 9 files.\n"
    keras.utils.image_dataset_from_directory(root / "images", verbose=False)
    assert capsys.readouterr().out == ""


def test_a_file_that_is_no_image_is_named(tmp_path):
    folder_cases.make(tmp_path)
    (tmp_path / "images" / "cats" / "broken.png").write_bytes(b"not an image")
    dataset = keras.utils.image_dataset_from_directory(tmp_path / "images", verbose=False)
    with pytest.raises(OSError, match=r"broken\.png could not be read as an image"):
        list(dataset)


def test_training_in_random_order_sees_each_file_once_a_pass(root):
    dataset = keras.utils.text_dataset_from_directory(root / "texts", seed=1, verbose=False, batch_size=2)
    passes = [[str(text) for texts, _ in dataset for text in texts] for _ in range(2)]
    assert sorted(passes[0]) == sorted(passes[1]) and passes[0] != passes[1] and len(set(passes[0])) == 9


def test_a_text_is_cut(root):
    dataset = keras.utils.text_dataset_from_directory(root / "texts", max_length=6, verbose=False)
    assert {len(str(text)) for texts, _ in dataset for text in texts} == {6}


def test_models_train_on_folders(root):
    training, validation = keras.utils.image_dataset_from_directory(
        root / "images", image_size=(8, 8), batch_size=4, validation_split=0.3, subset="both", seed=1, verbose=False
    )
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(training.map(lambda x, y: (x / 255, y)), validation_data=validation, epochs=2, verbose=0)
    assert history.params["steps"] == 2 and len(history.history["val_loss"]) == 2
    assert all(isinstance(images, torch.Tensor) for images, _ in training)
