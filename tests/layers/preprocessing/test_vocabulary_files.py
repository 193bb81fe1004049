"""Vocabularies in files of strangers: no other file is read, nothing beyond the file's own size is unpacked."""

import json
import stat
import zipfile

import numpy as np
import pytest

import torchkeras as keras
from torchkeras.errors import ResourceLimitError, UnsafeFileError

LAYERS = {
    "StringLookup": (np.array(["a", "b", "a"]), "string"),
    "IntegerLookup": (np.array([3, 4, 3]), "int64"),
    "TextVectorization": (np.array(["a b", "a"]), "string"),
}


def saved(kind, path):
    layer = getattr(keras.layers, kind)()
    layer.adapt(LAYERS[kind][0])
    keras.Sequential([keras.Input((1,), dtype=LAYERS[kind][1]), layer]).save(path)
    return path


def edited(path, change):
    """The file with each member as `change(name, content)` says: `(ZipInfo or name, content)`."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(*change(name, content))
    return path


def with_vocabulary(path, text):
    return edited(path, lambda name, content: (name, text if name.endswith("vocabulary.txt") else content))


@pytest.mark.parametrize("kind", LAYERS)
def test_a_file_as_vocabulary_is_not_read(kind, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("1\n2\n")

    def change(name, content):
        if name != "config.json":
            return name, content
        config = json.loads(content)
        for layer in config["config"]["layers"]:
            if layer["class_name"] == kind:
                layer["config"]["vocabulary"] = str(secret)
        return name, json.dumps(config)

    path = edited(saved(kind, tmp_path / "m.keras"), change)
    for read in (keras.models.load_model, lambda path: keras.models.load_model(path, safe_mode=False)):
        with pytest.raises(UnsafeFileError, match="secret"):
            read(path)
    with zipfile.ZipFile(path) as archive, pytest.raises(UnsafeFileError):
        keras.models.model_from_json(archive.read("config.json").decode())


def test_an_endless_vocabulary_is_not_unpacked(tmp_path):
    with pytest.raises(ResourceLimitError):
        keras.models.load_model(with_vocabulary(saved("StringLookup", tmp_path / "m.keras"), bytes(300_000_000)))


@pytest.mark.parametrize("kind", LAYERS)
def test_a_link_as_vocabulary_is_not_followed(kind, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("1\n2\n")

    def change(name, content):
        if not name.endswith("vocabulary.txt"):
            return name, content
        link = zipfile.ZipInfo(name)
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        return link, str(secret)

    with pytest.raises(UnsafeFileError):
        keras.models.load_model(edited(saved(kind, tmp_path / "m.keras"), change))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("text", [b"\xff\xfe\x00", "3\n4\n3"], ids=["no text", "repeated"])
def test_a_damaged_vocabulary(kind, text, tmp_path):
    with pytest.raises(ValueError):
        keras.models.load_model(with_vocabulary(saved(kind, tmp_path / "m.keras"), text))


def test_words_among_the_numbers(tmp_path):
    with pytest.raises(ValueError):
        keras.models.load_model(with_vocabulary(saved("IntegerLookup", tmp_path / "m.keras"), "no number"))
