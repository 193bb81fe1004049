"""get_file beside Keras's: paths, folders, what is fetched, and the kinds of errors. The files are local."""

import hashlib
import io
import itertools
import pathlib
import tarfile
import warnings
import zipfile

import pytest

from compat.curves import SIDES

MD5, SHA256 = hashlib.md5(b"hello").hexdigest(), hashlib.sha256(b"hello").hexdigest()
deviation = pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)


@pytest.fixture
def site(tmp_path):
    """A folder with a file and archives; one of them holds a path that leads out."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    for name, inner in (("a.tar.gz", "in/a.txt"), ("bad.tar.gz", "../a.txt")):
        with tarfile.open(folder / name, "w:gz") as archive:
            member = tarfile.TarInfo(inner)
            member.size = 5
            archive.addfile(member, io.BytesIO(b"hello"))
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("in/a.txt", "hello")
    return folder


FETCHED = {
    "plain": ("b.txt", "a.txt", {}),
    "no name": (None, "a.txt", {}),
    "empty name": ("", "a.txt", {}),
    "a path as the name": (pathlib.Path("b.txt"), "a.txt", {}),
    "subfolder": ("b", "a.txt", {"cache_subdir": "one/two"}),
    "no subfolder": ("b", "a.txt", {"cache_subdir": ""}),
    "md5": ("b", "a.txt", {"file_hash": MD5}),
    "sha256": ("b", "a.txt", {"file_hash": SHA256}),
    "md5 by name": ("b", "a.txt", {"file_hash": MD5, "hash_algorithm": "md5"}),
    "sha256 by name": ("b", "a.txt", {"file_hash": SHA256, "hash_algorithm": "sha256"}),
    "md5 as in Keras 2": ("b", "a.txt", {"md5_hash": MD5}),
    "both sums": ("b", "a.txt", {"md5_hash": "0" * 32, "file_hash": SHA256}),
    "anew": ("b", "a.txt", {"force_download": True}),
    "tar": ("b", "a.tar.gz", {"extract": True}),
    "tar with an ending": ("b.tar.gz", "a.tar.gz", {"extract": True}),
    "tar with its own name": (None, "a.tar.gz", {"extract": True}),
    "tar as in Keras 2": ("b", "a.tar.gz", {"untar": True}),
    "tar as tar": ("b", "a.tar.gz", {"extract": True, "archive_format": "tar"}),
    "tar as zip": ("b", "a.tar.gz", {"extract": True, "archive_format": "zip"}),
    "tar as nothing": ("b", "a.tar.gz", {"extract": True, "archive_format": None}),
    "tar as one of a list": ("b", "a.tar.gz", {"extract": True, "archive_format": ["zip", "tar"]}),
    "zip": ("b", "a.zip", {"extract": True}),
    "zip as tar": ("b.zip", "a.zip", {"untar": True}),
    "text as an archive": ("b", "a.txt", {"extract": True}),
}
REFUSED = {
    "no origin": ("b", None, {}),
    "no name in the URL": (None, "", {}),
    "folder in the name": ("b/c", "a.txt", {}),
    "wrong sum": ("b", "a.txt", {"file_hash": "0" * 64}),
    "wrong md5": ("b", "a.txt", {"md5_hash": "0" * 32}),
    "a sum of another length": ("b", "a.txt", {"file_hash": "0" * 10}),
    "question mark in a file's name": (None, "a.txt?x=1", {}),
    "no such file": ("b", "none.txt", {}),
    "no such format": ("b", "a.zip", {"extract": True, "archive_format": "rar"}),
}


def run(k, case, site, cache):
    """The path or the error, relative to the cache, and what lies in there."""
    name, origin, arguments = case
    cache.mkdir()
    url = None if origin is None else f"{site.as_uri()}/{origin}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            path = k.utils.get_file(name, url, cache_dir=str(cache), **arguments)
            path = pathlib.Path(path).relative_to(cache).as_posix()
        except Exception as error:  # noqa: BLE001 - Keras raises a plain Exception where it cannot fetch
            path = error
    files = {each.relative_to(cache).as_posix(): each.read_bytes() for each in cache.rglob("*") if each.is_file()}
    return path, files, len(caught)


@pytest.mark.parametrize("name", FETCHED)
def test_what_is_fetched(name, site, tmp_path, capsys):
    seen = []
    for side, folder in zip(SIDES, ("theirs", "ours"), strict=True):
        found = run(side, FETCHED[name], site, tmp_path / folder)
        assert not isinstance(found[0], Exception)
        printed = capsys.readouterr().out
        seen.append((found, printed.splitlines()[0]))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name, site, tmp_path):
    theirs, ours = (run(side, REFUSED[name], site, tmp_path / str(n))[0] for n, side in enumerate(SIDES))
    assert isinstance(theirs, Exception) and isinstance(ours, type(theirs))


@deviation
def test_a_wrong_sum_leaves_the_file(site, tmp_path):
    case = ("b", "a.txt", {"file_hash": "0" * 64})
    theirs, ours = (run(side, case, site, tmp_path / str(n))[1] for n, side in enumerate(SIDES))
    assert theirs == ours


@deviation
def test_what_leads_out_of_an_archive_is_left_out(site, tmp_path):
    case = ("b", "bad.tar.gz", {"extract": True})
    theirs, ours = (run(side, case, site, tmp_path / str(n))[0] for n, side in enumerate(SIDES))
    assert theirs == ours


@deviation
def test_a_folder_that_is_not_there_is_not_made(site, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = []
    for number, side in enumerate(SIDES):
        cache, name = tmp_path / str(number), f"{tmp_path.name}-{number}.txt"
        path = pathlib.Path(side.utils.get_file(name, f"{site.as_uri()}/a.txt", cache_dir=str(cache)))
        found.append(cache.exists())
        path.unlink()
    assert found[0] == found[1]


def test_the_cases_differ():
    for one, other in itertools.combinations([*FETCHED.values(), *REFUSED.values()], 2):
        assert one != other
