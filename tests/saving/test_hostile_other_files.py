"""safetensors, npz, tables of several files, and weights that are no numbers."""

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

import torchkeras as keras
from tests.saving.harness import small_model
from torchkeras.errors import CorruptFileError, ResourceLimitError, UnsafeFileError

U, R, C = UnsafeFileError, ResourceLimitError, CorruptFileError


class Payload:
    """What pickle runs when it reads this."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (os.fspath(self.marker), "w")


# -- safetensors ------------------------------------------------------------------------------------------------------


def safetensors_file(place, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = place.own / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def tensor(shape, place, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": place}


ONE = {"a": tensor([2], [0, 8])}
BAD = {
    "a header behind the end": ((ONE, b"", 2**40), C),
    "a header of 2**64": ((ONE, b"", 2**64 - 1), C),
    "no JSON": ((b"{not json",), C),
    "duplicate keys": ((json.dumps({"a": ONE["a"], "b": ONE["a"]}).replace('"b"', '"a"').encode(), bytes(8)), C),
    "deep": ((b'{"a":' * 900 + b"1" + b"}" * 900,), C),
    "no UTF-8": ((b'{"\xff": 1}',), C),
    "an overlap": (({"a": tensor([2], [0, 8]), "b": tensor([2], [4, 12])}, bytes(12)), C),
    "a gap": (({"a": tensor([2], [4, 12])}, bytes(12)), C),
    "bytes behind": ((ONE, bytes(9)), C),
    "cut short": ((ONE, bytes(7)), C),
    "another size": (({"a": tensor([3], [0, 8])}, bytes(8)), C),
    "huge": (({"a": tensor([2**40, 2**20], [0, 8])}, bytes(8)), (R, C)),
    "zero and overflow": (({"a": tensor([0, 2**62, 2**62], [0, 0])},), (R, C)),
    "below zero": (({"a": tensor([-2], [0, 8])}, bytes(8)), C),
    "a float as size": (({"a": tensor([2.0], [0, 8])}, bytes(8)), C),
    "an unknown dtype": (({"a": tensor([2], [0, 8], "PICKLE")}, bytes(8)), C),
    "a list": (([],), C),
    "an entry that is none": (({"a": 3},), C),
    "a path": (({"../../marker": tensor([2], [0, 8])}, bytes(8)), ValueError),
}


@pytest.mark.parametrize("case", BAD)
def test_safetensors(place, case):
    arguments, types = BAD[case]
    path = safetensors_file(place, *arguments)
    place.refused(small_model().load_weights, path, types=types)


def test_complex_numbers_for_a_float(place):
    model = small_model()
    path = place.own / "m.safetensors"
    model.save_weights(path)
    from safetensors.torch import load_file, save_file

    save_file({name: value.to(torch.complex64) for name, value in load_file(path).items()}, path)
    place.refused(small_model().load_weights, path, types=ValueError)


# -- npz --------------------------------------------------------------------------------------------------------------


def npz_file(place, **parts):
    path = place.own / "m.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(f"{name}.npy", content)
    return path


def npy(text, data=b""):
    text = text.encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def test_pickles_in_npz(place):
    file = io.BytesIO()
    np.save(file, np.array([Payload(place.marker)], dtype=object), allow_pickle=True)
    place.refused(small_model().load_weights, npz_file(place, a=file.getvalue()), types=U)
    pickled = pickle.dumps(Payload(place.marker))
    place.refused(small_model().load_weights, npz_file(place, a=pickled), types=C)
    path = place.own / "m.weights.h5"
    path.write_bytes(pickled)
    place.refused(small_model().load_weights, path, types=ValueError)
    place.refused(keras.models.load_model, path, types=ValueError)


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (10**6, 10**6)}", C),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000)}", (R, C)),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", U),
        ("{'descr': '|V50000000', 'fortran_order': False, 'shape': (1000,)}", C),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", C),
        ("{'descr': '<U4', 'fortran_order': False, 'shape': (1,)}", C),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", C),
        ("{'descr': __import__('os').system('touch marker'), 'fortran_order': False, 'shape': ()}", C),
        ("(" * 5000, C),
        ("{'descr': '<f4'}", C),
    ],
    ids=lambda value: str(value)[:40],
)
def test_headers_in_npz(place, text, types):
    place.refused(small_model().load_weights, npz_file(place, a=npy(text, bytes(4))), types=types)


def test_a_bomb_in_npz(place, monkeypatch):
    monkeypatch.setattr("torchkeras.saving.guards.FREE_BYTES", 4 * 2**20)
    content = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2097152,)}", bytes(8 * 2**20))
    place.refused(small_model().load_weights, npz_file(place, a=content), types=R, mib=100)


# -- several files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../m.weights.h5", "..", ".", "", "a/b", "a\\b", "a\0b", "C:x", "../pipe.h5"]
)
def test_tables_that_lead_out(place, name):
    path = place.own / "m.weights.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": {"/layers/dense/vars": name}}))
    place.refused(small_model().load_weights, path, types=U)


@pytest.mark.parametrize("table", [{}, [], {"weight_map": 3}, {"weight_map": {"/a": 3}}, {"weight_map": {"a": [None]}}])
def test_tables_that_are_none(place, table):
    path = place.own / "m.weights.json"
    path.write_text(json.dumps(table))
    place.refused(small_model().load_weights, path, types=ValueError)


# -- cut --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0, 0.1, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".h5"])
def test_files_that_are_cut(place, ending, part):
    path = place.own / f"m{ending}"
    small_model().save_weights(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    model = small_model()
    before = model.get_weights()
    error = place.refused(model.load_weights, path, types=C if part else ValueError)
    assert f"m{ending}" in str(error)
    for ours, theirs in zip(model.get_weights(), before):
        np.testing.assert_array_equal(ours, theirs)


# -- NaN --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5", ".safetensors", ".npz"])
def test_numbers_that_are_none(place, ending):
    path, model = place.own / f"m{ending}", small_model()
    weights = model.get_weights()
    weights[0][0, 0], weights[1][0] = np.nan, np.inf
    model.set_weights(weights)
    whole = ending in (".keras", ".h5")
    (model.save if whole else model.save_weights)(path)
    if whole:
        assert np.isnan(keras.models.load_model(path).get_weights()[0][0, 0])
        with pytest.raises(ValueError, match=r"NaN.*first/kernel, first/bias"):
            keras.models.load_model(path, check_finite=True)
    other = small_model()
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"NaN.*first/kernel, first/bias"):
        other.load_weights(path, check_finite=True)
    for ours, theirs in zip(other.get_weights(), before):
        np.testing.assert_array_equal(ours, theirs)
    other.load_weights(path)
    assert np.isnan(other.get_weights()[0][0, 0])
