"""`.keras` zips that lead out, lie or swell, and names of layers that would."""

import os
import stat
import struct
import zipfile

import pytest

import torchkeras as keras
from torchkeras.errors import CorruptFileError, ResourceLimitError, UnsafeFileError
from torchkeras.saving import guards

U, R, C = UnsafeFileError, ResourceLimitError, CorruptFileError


@keras.saving.register_keras_serializable(package="hostile")
class Vocabulary(keras.layers.Layer):
    """A layer with a file beside its weights."""

    seen = ()

    def save_assets(self, directory):
        with open(os.path.join(directory, "words.txt"), "w") as file:
            file.write("a b")

    def load_assets(self, directory):
        Vocabulary.seen = sorted(os.listdir(directory))
        with open(os.path.join(directory, "words.txt")) as file:
            self.words = file.read()

    def call(self, x):
        return x


def with_assets(name="vocabulary"):
    return keras.Sequential([keras.Input((4,)), Vocabulary(name=name)])


@pytest.fixture
def saved(place):
    path = place.own / "m.keras"
    with_assets().save(path)
    return path


def parts_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def entry(name, kind=stat.S_IFREG, method=zipfile.ZIP_STORED):
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    info.external_attr, info.compress_type = (kind | 0o644) << 16, method
    return info


def rewritten(path, *more, without=(), method=zipfile.ZIP_STORED):
    """The same parts with further entries: pairs of a ZipInfo or name and a content."""
    parts = parts_of(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            if name not in without:
                archive.writestr(entry(name, method=method), content)
        for info, content in more:
            archive.writestr(entry(info) if isinstance(info, str) else info, content)
    return path


ASSETS = "assets/layers/vocabulary/"


def test_assets_come_back(saved):
    assert ASSETS + "words.txt" in parts_of(saved)
    assert keras.models.load_model(saved).layers[0].words == "a b"


# -- names ------------------------------------------------------------------------------------------------------------

LEADING_OUT = (
    "../marker",
    "assets/../../marker",
    ASSETS + "../../../marker",
    ASSETS + "..",
    "/marker",
    "//marker",
    "C:/marker",
    "C:marker",
    "\\marker",
    "assets\\..\\..\\marker",
    ASSETS + "a\\..\\..\\b",
    ASSETS + "./words.txt",
    ASSETS + "/double",
    ASSETS + "n" * 300,
    ASSETS + "/".join("d" * 300),
    ".",
    "..",
)


@pytest.mark.parametrize("name", LEADING_OUT, ids=lambda name: name[:40])
def test_names_that_lead_out(place, saved, name):
    rewritten(saved, (name, b"owned"))
    for read in (keras.models.load_model, with_assets().load_weights):
        assert "m.keras" in str(place.refused(read, saved, types=U))


def test_names_with_a_zero(place, saved):
    """zipfile itself reads such a name up to the zero only."""
    rewritten(saved, (ASSETS + "xQy", b"owned"))
    saved.write_bytes(saved.read_bytes().replace(b"xQy", b"x\0y"))
    place.refused(keras.models.load_model, saved, types=U)


@pytest.mark.parametrize("kind", ["S_IFLNK", "S_IFIFO", "S_IFCHR", "S_IFBLK", "S_IFSOCK"])
def test_links_and_devices(place, saved, kind):
    rewritten(saved, (entry(ASSETS + "words", getattr(stat, kind)), os.fspath(place.canary)))
    place.refused(keras.models.load_model, saved, types=U)


def test_a_link_and_a_file_behind_it(place, saved):
    link = entry(ASSETS + "out", stat.S_IFLNK)
    rewritten(saved, (link, os.fspath(place.folder)), (ASSETS + "out/marker", b"owned"))
    place.refused(keras.models.load_model, saved, types=U)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", ASSETS + "words.txt"])
def test_two_of_one_name(place, saved, name):
    parts = parts_of(saved)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(saved, "a") as archive:
        archive.writestr(name, parts[name])
    place.refused(keras.models.load_model, saved, types=U)


def test_a_file_where_a_folder_is_needed(place, saved):
    rewritten(saved, (ASSETS + "words.txt/inner", b""))
    place.refused(keras.models.load_model, saved, types=U)


def test_more_entries_than_there_may_be(place, saved, monkeypatch):
    monkeypatch.setattr(guards, "MAX_MEMBERS", 3)
    place.refused(keras.models.load_model, saved, types=R)


# -- sizes ------------------------------------------------------------------------------------------------------------


def _bomb(name, size):
    """An entry of zeros, packed to a thousandth."""
    return entry(name, method=zipfile.ZIP_DEFLATED), bytes(size)


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_a_bomb_for_a_config(place, saved, name):
    rewritten(saved, _bomb(name, guards.MAX_CONFIG + 1), without=(name,))
    place.refused(keras.models.load_model, saved, types=R, mib=100)


@pytest.mark.parametrize("name", ["model.weights.h5", ASSETS + "words.txt", "assets/nobody/asks"])
def test_a_bomb_for_weights_and_assets(place, saved, name, monkeypatch):
    monkeypatch.setattr(guards, "FREE_BYTES", 4 * guards.MIB)
    rewritten(saved, _bomb(name, 8 * guards.MIB), without=(name,))
    place.refused(keras.models.load_model, saved, types=R, mib=100)


def test_many_small_bombs(place, saved, monkeypatch):
    monkeypatch.setattr(guards, "FREE_BYTES", 4 * guards.MIB)
    rewritten(saved, *(_bomb(f"assets/{number}", guards.MIB) for number in range(5)))
    place.refused(keras.models.load_model, saved, types=R, mib=100)


def _patched(path, name, **fields):
    """Changes fields of an entry in the table of contents, and in its own header where they are there too."""
    data = bytearray(path.read_bytes())
    places = {"method": (10, "<H"), "sum": (16, "<I"), "packed": (20, "<I"), "size": (24, "<I"), "offset": (42, "<I")}
    places.update(flags=(8, "<H"))
    at = data.rfind(name.encode()) - 46
    assert data[at : at + 4] == b"PK\1\2"
    for field, value in fields.items():
        offset, form = places[field]
        struct.pack_into(form, data, at + offset, value)
    path.write_bytes(data)


def test_lies_about_sizes(place, saved):
    original = saved.read_bytes()
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for name in ("config.json", "model.weights.h5", ASSETS + "words.txt"):
            for fields in ({"size": 1}, {"packed": 1}, {"packed": 2**31}, {"size": 2**32 - 2}, {"size": 0}, {"sum": 7}):
                saved.write_bytes(original)
                rewritten(saved, method=method)
                _patched(saved, name, **fields)
                place.refused(keras.models.load_model, saved, types=(C, R, U))


def test_other_kinds_of_entries(place, saved):
    original = saved.read_bytes()
    for fields in ({"flags": 1}, {"method": 12}, {"method": 14}, {"method": 99}):  # encrypted, bzip2, lzma, unknown
        saved.write_bytes(original)
        _patched(saved, "config.json", **fields)
        place.refused(keras.models.load_model, saved, types=C)


def test_entries_within_entries(place, saved):
    names = [info.filename for info in zipfile.ZipFile(saved).infolist()]
    offset = {info.filename: info.header_offset for info in zipfile.ZipFile(saved).infolist()}
    original = saved.read_bytes()
    for name, other in zip(names[1:], names):
        saved.write_bytes(original)
        _patched(saved, name, offset=offset[other])
        place.refused(keras.models.load_model, saved, types=(U, C))
    saved.write_bytes(original)
    _patched(saved, "config.json", offset=offset["config.json"] + 1)
    place.refused(keras.models.load_model, saved, types=(U, C))


def test_another_name_in_the_header_of_an_entry(place, saved):
    data = saved.read_bytes()
    for name in (b"config.json", b"model.weights.h5"):
        saved.write_bytes(data.replace(name, name[:-1] + b"X", 1))
        place.refused(keras.models.load_model, saved, types=C)


def test_a_flipped_bit(place, saved):
    data = saved.read_bytes()
    for info in zipfile.ZipFile(saved).infolist():
        if info.filename == "metadata.json":
            continue
        middle = info.header_offset + 30 + len(info.filename) + info.file_size // 2
        saved.write_bytes(data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :])
        assert info.filename in str(place.refused(keras.models.load_model, saved, types=C))


def test_large_fields_of_zip64(place, saved):
    """A table of contents that says `see the field for large files`, which says 2**62."""
    data = saved.read_bytes()
    at = data.rfind(b"config.json") - 46
    extra = struct.pack("<HHQ", 1, 8, 2**62)
    (end,) = struct.unpack_from("<I", data, len(data) - 6)
    table = bytearray(data[end:])
    inner = at - end
    struct.pack_into("<I", table, inner + 24, 2**32 - 1)
    struct.pack_into("<H", table, inner + 30, len(extra))
    place_of_extra = inner + 46 + len("config.json")
    table[place_of_extra:place_of_extra] = extra
    (size,) = struct.unpack_from("<I", table, len(table) - 10)
    struct.pack_into("<I", table, len(table) - 10, size + len(extra))
    saved.write_bytes(data[:end] + table)
    place.refused(keras.models.load_model, saved, types=(R, C))


def test_parts_that_are_missing(place, saved):
    for name in ("config.json", "model.weights.h5"):
        path = place.own / "part.keras"
        path.write_bytes(saved.read_bytes())
        rewritten(path, without=(name,))
        assert name in str(place.refused(keras.models.load_model, path, types=C))


def test_packed_files_are_read(saved):
    rewritten(saved, method=zipfile.ZIP_DEFLATED)
    assert keras.models.load_model(saved).layers[0].words == "a b"


# -- names of layers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["..", "a\\..\\b", "...", ".", "C:", "a:b", "n" * 300, "nul\0", "~", "$HOME", "-rf"])
def test_names_of_layers_are_no_paths(place, name):
    path = place.own / "m.keras"
    for zipped in (True, False):
        with place.unharmed():
            try:
                with_assets(name).save(path.with_suffix(f".{zipped}.keras"), zipped=zipped)
                again = keras.models.load_model(path.with_suffix(f".{zipped}.keras"))
                assert again.layers[0].words == "a b" and again.layers[0].name == name
            except ValueError:
                assert name == "nul\0"  # which HDF5 cannot write


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x"])
def test_names_with_a_slash(name):
    with pytest.raises(ValueError, match="/"):
        with_assets(name)


def test_attributes_are_no_paths(place):
    """What a layer holds is found under the names of its attributes, which can be any text."""
    layer = keras.layers.Layer()
    setattr(layer, "../../marker", Vocabulary())
    layer.build(None)
    model = keras.Sequential([keras.Input((4,)), layer])
    place.refused(model.save, place.own / "m.keras", types=(U, NotImplementedError))
    assert os.listdir(place.own) == []


def test_links_in_a_folder(place):
    path = place.own / "folder.keras"
    with_assets().save(path, zipped=False)
    words = path / ASSETS / "words.txt"
    words.unlink()
    words.symlink_to(place.canary)
    place.refused(keras.models.load_model, path, types=U)
    words.unlink()
    os.mkfifo(words)
    place.refused(keras.models.load_model, path, types=(U, C))
    words.unlink()
    (path / "config.json").unlink()
    (path / "config.json").symlink_to(place.canary)
    place.refused(keras.models.load_model, path, types=U)


def test_a_folder_behind_a_link(place):
    """A folder of assets that leads elsewhere is not followed."""
    path = place.own / "folder.keras"
    with_assets().save(path, zipped=False)
    inner = path / ASSETS
    (inner / "words.txt").unlink()
    inner.rmdir()
    (place.folder / "words.txt").write_text("not to be read")
    inner.symlink_to(place.folder)
    with place.unharmed():
        again = keras.models.load_model(path)
    assert not hasattr(again.layers[0], "words")
