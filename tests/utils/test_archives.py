"""Hostile archives: nothing is written outside, nothing is left behind."""

import bz2
import gzip
import io
import os
import pathlib
import stat
import tarfile
import zipfile

import pytest

from torchkeras.errors import CorruptFileError, ResourceLimitError, UnsafeFileError
from torchkeras.utils import archives


def member(name, content=b"", kind=tarfile.REGTYPE, link="", size=None, mode=0o644):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, mode
    made.size = len(content) if size is None else size
    return made, content


def tar(*members, format=tarfile.PAX_FORMAT):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as archive:
        for each, content in members:
            archive.addfile(each, io.BytesIO(content))
    return made.getvalue()


def link(name, target):
    return member(name, kind=tarfile.SYMTYPE, link=target)


def hard(name, target):
    return member(name, kind=tarfile.LNKTYPE, link=target)


def zipped(*entries, mode=None):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            entry = zipfile.ZipInfo("placeholder")
            entry.filename = entry.orig_filename = name
            entry.compress_type = zipfile.ZIP_DEFLATED
            if mode is not None:
                entry.create_system, entry.external_attr = 3, mode << 16
            archive.writestr(entry, content)
    return made.getvalue()


GOOD = member("good.txt", b"good")
UNSAFE = {
    "parent": tar(GOOD, member("../evil.txt", b"x")),
    "parent in the middle": tar(GOOD, member("a/../../evil.txt", b"x")),
    "parent within": tar(GOOD, member("a/../evil.txt", b"x")),
    "absolute": tar(GOOD, member("/tmp/evil.txt", b"x")),
    "absolute behind a dot": tar(GOOD, member(".//../evil.txt", b"x")),
    "sibling with the same beginning": tar(GOOD, member("../out2/evil.txt", b"x")),
    "backslashes": tar(GOOD, member("a\\..\\..\\evil.txt", b"x")),
    "drive": tar(GOOD, member("C:/evil.txt", b"x")),
    "folder outside": tar(GOOD, member("../evil", kind=tarfile.DIRTYPE)),
    "the parent itself": tar(GOOD, member("..", kind=tarfile.DIRTYPE)),
    "link out": tar(GOOD, link("a", "../canary.txt")),
    "absolute link": tar(GOOD, link("a", "/etc/passwd")),
    "link out from below": tar(GOOD, link("a/b/c", "../../../canary.txt")),
    "link to the folder around": tar(GOOD, link("a", "..")),
    "link with backslashes": tar(GOOD, link("a", "..\\canary.txt")),
    "file through a link": tar(GOOD, link("a", "d"), member("a/evil.txt", b"x")),
    "file through a link that comes later": tar(GOOD, member("a/evil.txt", b"x"), link("a", "d")),
    "file over a link": tar(GOOD, link("evil.txt", "../canary.txt"), member("evil.txt", b"x")),
    "file over an inner link": tar(GOOD, link("evil.txt", "good.txt"), member("evil.txt", b"x")),
    "link over a file": tar(GOOD, link("good.txt", "other.txt")),
    "a link twice": tar(GOOD, link("a", "b"), link("a", "c")),
    "link through a link": tar(GOOD, link("a", "."), link("b", "a/../x")),
    "link through a link deep below": tar(GOOD, link("a", "."), link("b", "a/a/a/../../../../canary.txt")),
    "link behind a link": tar(GOOD, link("a", "."), link("a/b", "..")),
    "hard link out": tar(GOOD, hard("a", "../canary.txt")),
    "absolute hard link": tar(GOOD, hard("a", "/etc/passwd")),
    "hard link to a link": tar(GOOD, link("a", "good.txt"), hard("b", "a")),
    "hard link with a name that leads out": tar(GOOD, hard("../evil.txt", "good.txt")),
    "hard link to what comes later": tar(GOOD, hard("a", "b"), member("b", b"x")),
    "hard link to itself": tar(GOOD, hard("a", "a")),
    "device": tar(GOOD, member("null", kind=tarfile.CHRTYPE)),
    "disk": tar(GOOD, member("disk", kind=tarfile.BLKTYPE)),
    "pipe": tar(GOOD, member("pipe", kind=tarfile.FIFOTYPE)),
    "file as a folder": tar(GOOD, member("good.txt/below.txt", b"x")),
    "name that is too long": tar(GOOD, member("x" * 300, b"x")),
    "path that is too deep": tar(GOOD, member("x/" * 300 + "y", b"x")),
    "zip: parent": zipped(("good.txt", "good"), ("../evil.txt", "x")),
    "zip: absolute": zipped(("good.txt", "good"), ("/evil.txt", "x")),
    "zip: backslashes": zipped(("good.txt", "good"), ("..\\evil.txt", "x")),
    "zip: drive": zipped(("C:/evil.txt", "x")),
    "zip: link": zipped(("a", "../canary.txt"), mode=stat.S_IFLNK | 0o777),
    "zip: device": zipped(("a", ""), mode=stat.S_IFCHR | 0o666),
    "zip: file as a folder": zipped(("a", "x"), ("a/b", "y")),
    "zip: name that is too long": zipped(("x" * 300, "x")),
}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "canary.txt").write_text("alive")
    return tmp_path / "in"


def unpack(content, place, **arguments):
    (place / "archive").write_bytes(content)
    return archives.extract(str(place / "archive"), str(place / "out"), **arguments)


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("form", ["new", "there"])
@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe(name, form, place):
    if form == "there":
        (place / "out").mkdir()
        (place / "out" / "old.txt").write_text("old")
    before = everything(place.parent)
    with pytest.raises(UnsafeFileError, match="archive"):
        unpack(UNSAFE[name], place)
    assert everything(place.parent) == sorted([*before, "in/archive"])
    assert (place / "canary.txt").read_text() == "alive" and not os.path.exists("/tmp/evil.txt")


def test_links_within_are_kept(place):
    content = tar(
        GOOD, member("d/e/f.txt", b"f", mode=0o755), link("a", "d/e"), link("d/up.txt", "../good.txt"), link("b", "a"),
        hard("d/same.txt", "good.txt"), member("./", kind=tarfile.DIRTYPE), member("./dot.txt", b"dot"),
        member("gap/", kind=tarfile.DIRTYPE),
    )  # fmt: skip
    assert unpack(content, place)
    out = place / "out"
    assert (out / "a" / "f.txt").read_text() == (out / "b" / "f.txt").read_text() == "f"
    assert (out / "d" / "up.txt").read_text() == (out / "d" / "same.txt").read_text() == "good"
    assert (out / "dot.txt").read_text() == "dot" and (out / "gap").is_dir()
    assert os.access(out / "d/e/f.txt", os.X_OK) and not (out / "good.txt").stat().st_mode & 0o111
    before = {path: os.lstat(path).st_ino for path in out.rglob("*")}
    assert unpack(content, place)
    assert {path: os.lstat(path).st_ino for path in out.rglob("*")} == before
    assert unpack(content, place, again=True)
    assert os.lstat(out / "good.txt").st_ino != before[out / "good.txt"]
    assert everything(place) == sorted(["archive", "canary.txt", "out", *(f"out/{name}" for name in everything(out))])


def test_special_bits_are_not_kept(place):
    assert unpack(tar(member("a", b"x", mode=0o6777)), place)
    assert not (place / "out" / "a").stat().st_mode & 0o6022


def test_of_two_entries_of_one_name_the_last_counts(place):
    assert unpack(tar(member("a", b"old and longer"), member("a", b"new")), place)
    assert (place / "out" / "a").read_bytes() == b"new"


def _bomb(name, size):
    """A tar of one file of zeros, packed, whose content is never in memory whole."""
    made = io.BytesIO()
    with gzip.open(made, "wb", compresslevel=1) as file:
        file.write(member(name, size=size)[0].tobuf())
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    return made.getvalue()


def _huge_note():
    """The name of the entry is said to be 8 GB long."""
    made = tarfile.TarInfo("././@LongLink")
    made.type, made.size = tarfile.GNUTYPE_LONGNAME, 8 * 2**30 - 1
    return bz2.compress(made.tobuf(format=tarfile.GNU_FORMAT) + bytes(2**20))


def _sparse():
    """A file of holes."""
    size = str(2**50)
    made = tarfile.TarInfo("holes")
    made.pax_headers = {
        "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "holes", "GNU.sparse.size": size,
        "GNU.sparse.numblocks": "1", "GNU.sparse.map": f"{size},0",
    }  # fmt: skip
    return made.tobuf(format=tarfile.PAX_FORMAT) + bytes(1024)


def test_bombs(place, monkeypatch):
    monkeypatch.setattr(archives, "FREE_BYTES", 2**20)
    for content in (
        _bomb("zeros", 8 * 2**20),
        _huge_note(),
        _sparse(),
        zipped(("zeros", bytes(8 * 2**20))),
        zipped(*[(f"zeros{number}", bytes(2**19)) for number in range(8)]),
        member("a", size=2**40)[0].tobuf() + bytes(2048),
    ):
        with pytest.raises((ResourceLimitError, CorruptFileError)):
            unpack(content, place)
        assert everything(place) == ["archive", "canary.txt"]
    with pytest.raises(ResourceLimitError):
        unpack(_bomb("zeros", 8 * 2**20), place)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    for content in (tar(*[member(str(n)) for n in range(4)]), zipped(*[(str(n), "") for n in range(4)])):
        with pytest.raises(ResourceLimitError, match="entries"):
            unpack(content, place)
    assert everything(place) == ["archive", "canary.txt"]


@pytest.mark.parametrize("kept", [1, 10, 200, 511, 600, 1500, -8000])
def test_cut_archives(kept, place):
    content = tar(GOOD, member("b.txt", b"b" * 2000))
    for whole in (content, gzip.compress(content, mtime=0), bz2.compress(content), zipped(("a", "b" * 5000))):
        part = whole[:kept] if len(whole) > abs(kept) else whole[: len(whole) // 2]
        try:
            assert not unpack(part, place)  # no archive at all
        except CorruptFileError as error:
            assert "archive" in str(error)
        assert everything(place) == ["archive", "canary.txt"]


def test_a_flipped_bit(place):
    content = bytearray(zipped(("a", os.urandom(500))))
    content[100] ^= 4
    with pytest.raises(CorruptFileError):
        unpack(bytes(content), place)
    content = bytearray(gzip.compress(tar(member("a", os.urandom(500)))))
    content[-8] ^= 4  # of the sum
    with pytest.raises(CorruptFileError):
        unpack(bytes(content), place)
    assert everything(place) == ["archive", "canary.txt"]


def test_what_is_no_archive(place):
    for content in (b"", b"text", bytes(100), b"PK\3\4", b"\x1f\x8b"):
        try:
            assert not unpack(content, place)
        except CorruptFileError:
            pass
    pathlib.Path(place / "archive").unlink()
    os.mkfifo(place / "archive")
    with pytest.raises(UnsafeFileError):
        archives.extract(str(place / "archive"), str(place / "out"))
    assert everything(place) == ["archive", "canary.txt"]
