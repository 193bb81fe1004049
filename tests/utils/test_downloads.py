"""get_file, with servers of this test only."""

import contextlib
import functools
import hashlib
import http.server
import io
import multiprocessing
import os
import pathlib
import tarfile
import threading
import time
import zipfile

import pytest

import torchkeras as keras
from torchkeras.errors import CorruptFileError, DownloadError, UnsafeFileError

CONTENT = bytes(range(256)) * 400
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()


class Site(http.server.BaseHTTPRequestHandler):
    """Files of a dict, and paths that misbehave."""

    files, asked = {}, []

    def do_GET(self):
        self.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path == "/gone":
            return self.send_error(410, "Gone for good")
        if path in ("/moved", "/away", "/round"):
            self.send_response(302)
            self.send_header("Location", {"/moved": "/data.bin", "/away": "file:///etc/passwd"}.get(path, path))
            return self.end_headers()
        if path not in self.files and path not in ("/cut", "/untold", "/silent", "/huge"):
            return self.send_error(404)
        content = self.files.get(path, CONTENT)
        self.send_response(200)
        if path != "/untold":
            size = {"/cut": len(content) + 10, "/huge": 10**18}.get(path, len(content))
            self.send_header("Content-Length", str(size))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content)
            if path == "/silent":
                self.wfile.flush()
                time.sleep(1)

    def log_message(self, *args):
        pass


@pytest.fixture
def site():
    handler = type("Here", (Site,), {"files": {"/data.bin": CONTENT, "/sub/a.txt": b"a"}, "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        handler.url = f"http://127.0.0.1:{server.server_port}"
        yield handler
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def names(folder):
    return sorted(path.name for path in pathlib.Path(folder).iterdir())


def test_a_file_is_fetched_once(site, home):
    path = keras.utils.get_file("mine.bin", f"{site.url}/data.bin")
    assert path == str(home / "datasets" / "mine.bin") and pathlib.Path(path).read_bytes() == CONTENT
    assert keras.utils.get_file("mine.bin", f"{site.url}/data.bin") == path and site.asked == ["/data.bin"]
    keras.utils.get_file("mine.bin", f"{site.url}/data.bin", force_download=True)
    assert site.asked == ["/data.bin"] * 2 and names(home / "datasets") == ["mine.bin"]


def test_the_order_of_arguments(site, tmp_path):
    path = keras.utils.get_file(
        "mine", f"{site.url}/data.bin", False, MD5, None, "sub", "auto", False, "auto", tmp_path / "x", True
    )
    assert path == str(tmp_path / "x" / "sub" / "mine")


def test_the_name_comes_from_the_url(site, home):
    path = keras.utils.get_file(origin=f"{site.url}/sub/a.txt?version=1/2#here", cache_subdir="")
    assert path == str(home / "a.txt")


@pytest.mark.parametrize(
    "arguments",
    [
        {"origin": "{}/"},
        {"origin": "{}/sub/.."},
        {"origin": "{}/sub/."},
        {"origin": "{}/..\\evil"},
        {"fname": ".."},
        {"fname": "."},
        {"fname": "a/b"},
        {"fname": "/etc/x"},
        {"fname": "a\\b"},
        {"fname": "..\\b"},
        {"fname": "a\0b"},
        {"fname": pathlib.Path("a/b")},
        {"origin": None},
        {"origin": "/etc/passwd"},
        {"origin": "data.bin"},
        {"origin": 5},
        {"file_hash": "abc"},
        {"file_hash": "x" * 64},
        {"file_hash": SHA256, "hash_algorithm": "md5"},
        {"hash_algorithm": "sha1", "file_hash": "a" * 40},
        {"md5_hash": SHA256},
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_fetched(arguments, site, home):
    arguments = {"origin": "{}/data.bin", **arguments}
    if isinstance(arguments["origin"], str):
        arguments["origin"] = arguments["origin"].format(site.url)
    with pytest.raises(ValueError):
        keras.utils.get_file(**arguments)
    assert not site.asked and not [path for path in home.rglob("*") if path.is_file()]


def test_unknown_archive_formats(site):
    for wanted in ("rar", ["tar", "rar"]):
        with pytest.raises(NotImplementedError, match="rar"):
            keras.utils.get_file("a", f"{site.url}/data.bin", extract=True, archive_format=wanted)
    assert not site.asked


@pytest.mark.parametrize(
    "arguments",
    [
        {"file_hash": MD5},
        {"file_hash": SHA256},
        {"file_hash": SHA256.upper()},
        {"file_hash": SHA256, "hash_algorithm": "sha256"},
        {"file_hash": MD5, "hash_algorithm": "md5"},
        {"md5_hash": MD5},
        {"md5_hash": "0" * 32, "file_hash": SHA256},
    ],
)
def test_the_right_sum(arguments, site):
    for _ in range(2):
        path = keras.utils.get_file(origin=f"{site.url}/data.bin", **arguments)
    assert pathlib.Path(path).read_bytes() == CONTENT and len(site.asked) == 1


@pytest.mark.parametrize("arguments", [{"file_hash": "0" * 64}, {"file_hash": "0" * 32}, {"md5_hash": "0" * 32}])
def test_a_wrong_sum(arguments, site, home):
    with pytest.raises(ValueError, match=r"sum is .*, not 000"):
        keras.utils.get_file(origin=f"{site.url}/data.bin", **arguments)
    assert names(home / "datasets") == []


def test_a_file_that_changed_on_the_disk_is_fetched_again(site, capsys):
    path = pathlib.Path(keras.utils.get_file(origin=f"{site.url}/data.bin", file_hash=SHA256))
    path.write_bytes(b"half")
    capsys.readouterr()
    keras.utils.get_file(origin=f"{site.url}/data.bin", file_hash=SHA256)
    assert path.read_bytes() == CONTENT and "it is fetched again" in capsys.readouterr().out
    path.write_bytes(b"half")
    assert keras.utils.get_file(origin=f"{site.url}/data.bin") == str(path) and path.read_bytes() == b"half"


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("/none", "404"),
        ("/gone", "410 Gone for good"),
        ("/cut", r"ended after 102,400 of 102,410 bytes"),
        ("/away", "302|not allowed"),
        ("/round", "redirect"),
    ],
)
def test_errors_name_the_url_and_the_cause(path, cause, site, home):
    old = home / "datasets" / "old.bin"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    with pytest.raises(DownloadError, match=cause) as caught:
        keras.utils.get_file("old.bin", f"{site.url}{path}", force_download=True)
    assert f"{site.url}{path}" in str(caught.value) and caught.value.__cause__ is not None
    assert names(old.parent) == ["old.bin"] and old.read_bytes() == b"old"


def test_a_server_that_is_not_there():
    with pytest.raises(DownloadError, match=r"http://127.0.0.1:1/x could not be fetched: .*refused"):
        keras.utils.get_file("x", "http://127.0.0.1:1/x")
    with pytest.raises(DownloadError, match="unknown url type"):
        keras.utils.get_file("x", "gs://bucket/x")


def test_a_server_that_falls_silent(site, home, monkeypatch):
    monkeypatch.setattr("torchkeras.utils.downloads._SILENCE", 0.2)

    class Longer(bytes):
        def __len__(self):
            return super().__len__() + 1

    site.files["/silent"] = Longer(CONTENT)
    with pytest.raises(DownloadError, match=r"Timeout|timed out"):
        keras.utils.get_file("x", f"{site.url}/silent")
    assert names(home / "datasets") == []


def test_redirects_are_followed(site):
    assert pathlib.Path(keras.utils.get_file("x", f"{site.url}/moved")).read_bytes() == CONTENT


def test_more_than_the_disk_has_room_for(site, home):
    with pytest.raises(OSError, match=r"1,000,000,000,000,000,000 bytes; in .* there is room for"):
        keras.utils.get_file("x", f"{site.url}/huge")
    assert names(home / "datasets") == []


def test_interrupted_downloads_leave_nothing(site, home, monkeypatch):
    class Stopped(keras.utils.Progbar):
        def update(self, current, *args, **kwargs):
            raise KeyboardInterrupt

    monkeypatch.setattr("torchkeras.utils.downloads.Progbar", Stopped)
    with pytest.raises(KeyboardInterrupt):
        keras.utils.get_file("x", f"{site.url}/data.bin")
    assert names(home / "datasets") == []


def test_what_is_printed(site, capsys):
    keras.utils.get_file("a", f"{site.url}/data.bin")
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"Downloading data from {site.url}/data.bin" and second.startswith("102400/102400 ━━━━━")
    keras.utils.get_file("b", f"{site.url}/untold")
    assert "102400/Unknown" in capsys.readouterr().out
    keras.utils.get_file("b", f"{site.url}/untold")
    assert capsys.readouterr().out == ""


def test_without_interactive_logging_nothing_is_printed(site, capsys, caplog):
    keras.utils.disable_interactive_logging()
    try:
        with caplog.at_level("INFO", logger="keras"):
            keras.utils.get_file("a", f"{site.url}/data.bin")
    finally:
        keras.utils.enable_interactive_logging()
    assert capsys.readouterr().out == "" and "Downloading data from" in caplog.text


def test_local_files(tmp_path, home):
    there = tmp_path / "ünder way.txt"
    there.write_text("hello")
    assert pathlib.Path(keras.utils.get_file("here.txt", there.as_uri())).read_text() == "hello"
    with pytest.raises(DownloadError, match="No such file"):
        keras.utils.get_file("none.txt", (tmp_path / "none.txt").as_uri())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnsafeFileError, match="no regular file"):
        keras.utils.get_file("pipe.txt", (tmp_path / "pipe").as_uri())
    with pytest.raises(DownloadError):
        keras.utils.get_file("far.txt", "file://elsewhere.invalid/etc/passwd")
    assert names(home / "datasets") == ["here.txt"]


def test_folders(site, tmp_path, monkeypatch):
    url = f"{site.url}/data.bin"
    assert keras.utils.get_file("x", url, cache_subdir=str(tmp_path / "own")) == str(tmp_path / "own" / "x")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("KERAS_HOME")
    assert keras.utils.get_file("x", url) == str(tmp_path / "user" / ".keras" / "datasets" / "x")
    assert keras.utils.get_file("x", url, cache_dir="~/other") == str(tmp_path / "user" / "other" / "datasets" / "x")


def test_a_folder_that_cannot_be_written(site, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    path = pathlib.Path(keras.utils.get_file("x", f"{site.url}/data.bin", cache_dir=str(tmp_path / "file")))
    own = path.parents[1]
    assert own.parent == tmp_path / "temporary" and own.stat().st_mode & 0o777 == 0o700
    path.unlink()
    path.parent.rmdir()
    own.rmdir()
    (tmp_path / "planted").mkdir()
    own.symlink_to(tmp_path / "planted")
    with pytest.raises(PermissionError, match="cache_dir"):
        keras.utils.get_file("x", f"{site.url}/data.bin", cache_dir=str(tmp_path / "file"))
    assert names(tmp_path / "planted") == []


def _fetch(url, start, results):
    start.wait()
    results.put(pathlib.Path(keras.utils.get_file("both", url, extract=True)).joinpath("a.txt").read_bytes())


def test_two_processes_at_once(site, home):
    site.files["/both.tar.gz"] = tar({"a.txt": CONTENT, **{f"d/{n}": b"x" * n for n in range(50)}}, "gz")
    fork = multiprocessing.get_context("fork")
    start, results = fork.Event(), fork.Queue()
    workers = [fork.Process(target=_fetch, args=(f"{site.url}/both.tar.gz", start, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    start.set()
    assert [results.get(timeout=30) for _ in workers] == [CONTENT] * 3
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert names(home / "datasets") == ["both", "both_archive"] and len(names(home / "datasets" / "both" / "d")) == 50


# -- archives ---------------------------------------------------------------------------------------------------------


def tar(files, packed=""):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=f"w:{packed}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1_600_000_000
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def zipped(files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


FILES = {"top/a.txt": b"hello", "top/deep/b.txt": b"", "ü.txt": CONTENT}
ARCHIVES = {
    "a.tar": tar(FILES), "a.tar.gz": tar(FILES, "gz"), "a.tgz": tar(FILES, "gz"), "a.tar.bz2": tar(FILES, "bz2"),
    "a.tar.xz": tar(FILES, "xz"), "a.zip": zipped(FILES),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_are_unpacked_and_their_folder_is_given(name, site, home):
    site.files[f"/{name}"] = ARCHIVES[name]
    folder = pathlib.Path(keras.utils.get_file(origin=f"{site.url}/{name}", extract=True))
    assert folder == home / "datasets" / name
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == FILES and names(home / "datasets") == [name, f"{name}_archive"]


def test_names_of_folders_and_archives(site, home):
    site.files["/a.tar.gz"] = ARCHIVES["a.tar.gz"]
    url = f"{site.url}/a.tar.gz"
    assert keras.utils.get_file("mine.tar.gz", url, extract=True) == str(home / "datasets" / "mine_extracted")
    assert keras.utils.get_file("mine", url, extract=True) == str(home / "datasets" / "mine")
    assert keras.utils.get_file("old", url, untar=True) == str(home / "datasets" / "old")
    assert names(home / "datasets") == ["mine", "mine.tar.gz", "mine_archive", "mine_extracted", "old", "old_archive"]


def test_the_wanted_format_only(site, home):
    site.files["/a.zip"] = ARCHIVES["a.zip"]
    for arguments in ({"untar": True}, {"extract": True, "archive_format": "tar"}):
        with pytest.warns(UserWarning, match="no archive of the format"):
            keras.utils.get_file("a.zip", f"{site.url}/a.zip", **arguments)
    for nothing in (None, [], ()):
        with pytest.warns(UserWarning, match="no archive"):
            folder = keras.utils.get_file("a.zip", f"{site.url}/a.zip", extract=True, archive_format=nothing)
    assert not os.path.exists(folder)
    folder = keras.utils.get_file("a.zip", f"{site.url}/a.zip", extract=True, archive_format=["tar", "zip"])
    assert sorted(names(folder)) == ["top", "ü.txt"]
    with pytest.warns(UserWarning, match="no archive"):
        keras.utils.get_file("no", f"{site.url}/data.bin", extract=True)


def test_a_folder_that_is_there(site):
    site.files["/a.tgz"] = ARCHIVES["a.tgz"]
    call = functools.partial(keras.utils.get_file, "mine", f"{site.url}/a.tgz", extract=True)
    folder = pathlib.Path(call())
    (folder / "own.txt").write_text("mine")
    before = (folder / "ü.txt").stat().st_ino
    call()
    assert (folder / "ü.txt").stat().st_ino == before  # nothing was written
    (folder / "top/a.txt").write_text("changed")
    (folder / "ü.txt").unlink()
    call()
    assert (folder / "top/a.txt").read_text() == "hello" and (folder / "ü.txt").read_bytes() == CONTENT
    assert (folder / "own.txt").read_text() == "mine"
    site.files["/a.tgz"] = tar({"top/a.txt": b"HELLO"}, "gz")
    call(force_download=True)
    assert (folder / "top/a.txt").read_text() == "HELLO"


def test_a_damaged_archive(site, home):
    for name in ("a.tgz", "a.tar", "a.tar.bz2", "a.tar.xz"):
        site.files["/cut.archive"] = ARCHIVES[name][: len(ARCHIVES[name]) * 2 // 3]
        with pytest.raises(CorruptFileError, match="cut_archive"):
            keras.utils.get_file("cut", f"{site.url}/cut.archive", extract=True, force_download=True)
        assert names(home / "datasets") == ["cut_archive"]


def test_an_archive_with_the_wrong_sum_is_not_opened(site, home):
    site.files["/a.tgz"] = ARCHIVES["a.tgz"]
    with pytest.raises(ValueError, match="sum is"):
        keras.utils.get_file("mine", f"{site.url}/a.tgz", extract=True, file_hash="0" * 64)
    assert names(home / "datasets") == []
