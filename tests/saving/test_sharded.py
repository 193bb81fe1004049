"""`.weights.json`: weights in several files, the table that tells of them, and names that say which format."""

import errno
import json
import os
import re

import h5py
import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.errors import CorruptFileError, ResourceLimitError, UnsafeFileError
from torchkeras.saving import sharded

LIMIT = 300 / 2**30  # 300 bytes, in GB


def network(units=4):
    model = keras.Sequential([keras.Input((3,)), *[layers.Dense(units) for _ in range(6)]])
    model.compile("adam", "mse")
    return model


def trained():
    model = network()
    model.fit(np.ones((4, 3)), np.ones((4, 4)), verbose=0)
    return model


def table(path):
    return json.loads(path.read_text())


def assert_equal(model, other):
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_several_files_and_back(tmp_path):
    model, path = trained(), tmp_path / "m.weights.json"
    model.save_weights(path, max_shard_size=LIMIT)
    names = sorted(set(os.listdir(tmp_path)) - {"m.weights.json"})
    assert names == [f"m_{number:05}.weights.h5" for number in range(len(names))] and len(names) > 3
    assert any(isinstance(files, list) for files in table(path)["weight_map"].values())
    other = trained()
    other.fit(np.zeros((4, 3)), np.ones((4, 4)), verbose=0)
    other.load_weights(path)
    assert_equal(other, model)
    for ours, theirs in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
        assert torch.equal(ours, theirs)


def test_the_new_table_leaves_the_files_of_the_old_one_alone(tmp_path):
    path = tmp_path / "m.weights.json"
    for _ in range(3):
        model = trained()
        model.save_weights(path, max_shard_size=LIMIT)
        used = {
            name
            for files in table(path)["weight_map"].values()
            for name in ([files] if isinstance(files, str) else files)
        }
        assert set(os.listdir(tmp_path)) == used | {"m.weights.json"}
        other = network()
        other.load_weights(path)
        assert_equal(other, model)


@pytest.mark.parametrize("overwrites", [False, True])
def test_a_disk_that_is_full_at_one_of_the_files(overwrites, tmp_path, monkeypatch):
    """Whichever of the files it is, the others go too."""
    model, path, replace = trained(), tmp_path / "m.weights.json", os.replace
    if overwrites:
        model.save_weights(path, max_shard_size=LIMIT)
    before, refused = sorted(os.listdir(tmp_path)), 0
    for number in range(100):
        calls = iter(range(200))

        def full(*names, calls=calls, number=number):
            if next(calls) == number:
                raise OSError(errno.ENOSPC, "No space left on device")
            replace(*names)

        monkeypatch.setattr(os, "replace", full)
        try:
            model.save_weights(path, max_shard_size=LIMIT)
            break
        except OSError as error:
            refused += 1
            assert "m_" in error.filename or error.filename.endswith("m.weights.json")
        assert sorted(os.listdir(tmp_path)) == before
    assert refused == len(os.listdir(tmp_path)) > 5


def test_an_error_half_way_leaves_the_old_ones(tmp_path):
    model, path = trained(), tmp_path / "m.weights.json"
    model.save_weights(path, max_shard_size=LIMIT)
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}

    class Broken(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(40,))

        def call(self, x):
            return x

        def save_own_variables(self, store):
            raise RuntimeError("no")

    broken = keras.Sequential([keras.Input((3,)), *[layers.Dense(4) for _ in range(6)], Broken()])
    with pytest.raises(RuntimeError, match="no"):
        broken.save_weights(path, max_shard_size=LIMIT)
    with pytest.raises(ValueError, match="raise max_shard_size"):
        model.save_weights(path, max_shard_size=LIMIT / 300)
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


def test_names_of_the_table(tmp_path):
    model = network()
    with pytest.warns(UserWarning, match="written to"):
        model.save_weights(tmp_path / "m.weights.h5", max_shard_size=1)
    assert sorted(os.listdir(tmp_path)) == ["m.weights.json", "m_00000.weights.h5"]
    with pytest.raises(ValueError, match=r"must end in `\.weights\.json`"):
        model.save_weights(tmp_path / "m.safetensors", max_shard_size=1)
    with pytest.raises(ValueError, match="max_shard_size"):
        model.save_weights(tmp_path / "n.weights.json")


def test_mismatches_and_skipped_objects(tmp_path):
    model, path = trained(), tmp_path / "m.weights.json"
    model.save_weights(path, max_shard_size=LIMIT, include_optimizer=False)
    assert not any("optimizer" in key for key in table(path)["weight_map"])
    with pytest.raises(ValueError, match=r"(?s)dense_5.*\(5, 5\).*\(4, 4\)"):
        network(5).load_weights(path)
    model.save_weights(path, max_shard_size=LIMIT, objects_to_skip=[model.layers[0]])
    assert "/layers/dense/vars" not in table(path)["weight_map"]


BAD = {
    "folder above": ("../m_00000.weights.h5", UnsafeFileError),
    "absolute": ("/etc/passwd", UnsafeFileError),
    "backslash": ("..\\x", UnsafeFileError),
    "nul": ("m\0.h5", UnsafeFileError),
    "itself": ("..", UnsafeFileError),
    "empty": ("", UnsafeFileError),
    "drive": ("C:x", UnsafeFileError),
    "number": (3, CorruptFileError),
    "missing": ("other.weights.h5", FileNotFoundError),
    "wrong file": ("m_00001.weights.h5", CorruptFileError),
    "twice": (["m_00000.weights.h5", "copy.weights.h5"], CorruptFileError),
    "no file": ("fifo", (FileNotFoundError, UnsafeFileError)),
    "table": ("m.weights.json", CorruptFileError),
}


@pytest.mark.parametrize("case", BAD)
def test_tables_that_lie(tmp_path, case):
    path = tmp_path / "m.weights.json"
    model = network()
    model.save_weights(path, max_shard_size=LIMIT)
    (tmp_path / "copy.weights.h5").write_bytes((tmp_path / "m_00000.weights.h5").read_bytes())
    os.mkfifo(tmp_path / "fifo")
    content = table(path)
    content["weight_map"]["/layers/dense/vars"], error = BAD[case]
    path.write_text(json.dumps(content))
    before = model.get_weights()
    with pytest.raises(error):
        model.load_weights(path)
    assert all((a == b).all() for a, b in zip(before, model.get_weights()))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 1, "a": 2}}', "{" * 3000])
def test_no_tables(tmp_path, text):
    (tmp_path / "m.weights.json").write_text(text)
    with pytest.raises(CorruptFileError):
        network().load_weights(tmp_path / "m.weights.json")


def test_links_inside_of_the_files(tmp_path):
    path = tmp_path / "m.weights.json"
    network().save_weights(path, max_shard_size=1)
    with h5py.File(tmp_path / "m_00000.weights.h5", "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(UnsafeFileError):
        network().load_weights(path)


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(sharded, "MAX_SHARDS", 10)
    content = {"weight_map": {f"/{number}/vars": f"{number}.h5" for number in range(11)}}
    (tmp_path / "m.weights.json").write_text(json.dumps(content))
    with pytest.raises(ResourceLimitError):
        network().load_weights(tmp_path / "m.weights.json")


# -- which format a name means ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["weights.ckpt", "weights", "w.tf", "epoch.03"])
def test_any_other_name_is_one_file_of_ours(tmp_path, name):
    model = trained()
    with pytest.warns(UserWarning, match=re.escape(name)):
        model.save_weights(tmp_path / name)
    assert os.listdir(tmp_path) == [name] and h5py.is_hdf5(tmp_path / name)
    other = network()
    other.load_weights(tmp_path / name)
    assert_equal(other, model)


def test_what_only_tensorflow_reads(tmp_path):
    (tmp_path / "cp.ckpt.index").touch()
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "checkpoint").touch()
    for name, kind in {"cp.ckpt": "checkpoint of", "saved": "SavedModel", "folder": "checkpoints"}.items():
        for read in (network().load_weights, keras.models.load_model):
            with pytest.raises(ValueError, match=rf"{kind}.*Convert it once.*save_weights"):
                read(tmp_path / name)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ValueError, match="holds no weights in a format"):
        network().load_weights(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        network().load_weights(tmp_path / "none.safetensors")
