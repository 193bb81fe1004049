"""Archives (tar, tar.gz, tar.bz2, tar.xz, zip) unpacked within a folder.

May import errors and saving. An archive is data from a stranger: it is unpacked into a folder of its own that is thrown
away where anything in it reaches outside, is a device, or asks for more than its size can justify. Links are made
last, so that nothing is written through one.
"""

import bz2
import contextlib
import errno
import gzip
import lzma
import os
import secrets
import shutil
import stat
import tarfile
import time
import zipfile
from typing import NamedTuple

from torchkeras.errors import ResourceLimitError, UnsafeFileError
from torchkeras.saving import guards

FREE_BYTES = 1024 * guards.MIB  # what an archive of data may unpack to, however small it is
MAX_RATIO = 200  # beyond that: how many times its own size. Masks and tables pack well
MAX_MEMBERS = 5_000_000
_AT_ONCE = 64 * guards.MIB  # what tarfile may read into memory: names and notes of one entry
_CHUNK = guards.MIB
_PACKED = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open), (b"]\0\0\x80", lzma.open))


class _Entry(NamedTuple):
    path: str  # within the archive, plain
    kind: str  # "file", "folder", "link", or "same" for a further name of a file
    size: int
    changed: float  # time
    executable: bool
    target: str | None  # of a link, as it stands there
    open: object  # gives the content of a file


def extract(archive, folder, formats=("tar", "zip"), again=False):
    """Unpacks an archive into a folder, whole or not at all. What lies there beside its entries stays.

    Args:
        archive, folder: paths. The folder is made if it does not exist.
        formats: "tar", "zip", in the order in which they are tried.
        again: unpack even where all entries lie there already, with their sizes and times.

    Returns whether the file is such an archive.

    Raises `UnsafeFileError` for paths and links that lead out, and devices; `ResourceLimitError` for bombs;
    `CorruptFileError` for damage.
    """
    look = {"tar": _is_tar, "zip": zipfile.is_zipfile}
    kind = next((each for each in formats if look[each](archive)), None)
    if kind is None:
        return False
    if not again and os.path.isdir(folder):
        with _entries(archive, kind) as entries:
            if all(_lies_there(entry, os.path.join(folder, entry.path)) for entry in entries):
                return True
    parent, name = os.path.split(os.path.abspath(folder))
    beside = os.path.join(parent, f".{name[:100]}.{secrets.token_hex(6)}.tmp")
    os.mkdir(beside)
    try:
        with _entries(archive, kind) as entries:
            _unpack(entries, beside, os.path.basename(archive))
        _move(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return True


@contextlib.contextmanager
def _entries(archive, kind):
    """An iterator over the entries of an archive, each judged as it comes."""
    name = os.path.basename(archive)
    with guards.readable(archive) as file, guards.damage(name):
        if kind == "zip":
            with guards.open_zip(file, _budget(file, name), name, MAX_MEMBERS) as opened:
                yield _of_zip(opened)
            return
        try:
            with _open_tar(file, name) as (opened, budget):
                yield _of_tar(opened, budget, name)
        except (tarfile.TarError, lzma.LZMAError) as error:
            raise ValueError(error) from error


def _budget(file, name):
    return guards.Budget(os.fstat(file.fileno()).st_size, name, FREE_BYTES, MAX_RATIO)


@contextlib.contextmanager
def _open_tar(file, name):
    """A tar, packed or not, that takes no more memory and place than it may. Opening it reads the first entry."""
    budget = _budget(file, name)
    with _unpacked(file) as stream, tarfile.open(fileobj=_Limited(stream, budget), mode="r:") as opened:
        yield opened, budget


def _is_tar(archive):
    name = os.path.basename(archive)
    with guards.readable(archive) as file, guards.damage(name):
        try:
            with _open_tar(file, name):
                return True
        except (tarfile.TarError, lzma.LZMAError):
            return False


def _of_zip(opened):
    for member in opened.infolist():
        kind, changed = "folder" if member.is_dir() else "file", time.mktime((*member.date_time, 0, 0, -1))
        executable = bool(member.external_attr >> 16 & stat.S_IXUSR)
        path = member.filename.removesuffix("/")
        yield _Entry(path, kind, member.file_size, changed, executable, None, _Opened(opened, member))


def _of_tar(opened, budget, name):
    for number, member in enumerate(opened):
        opened.members.clear()  # else a million entries stay in memory
        what = f"{name}: {member.name!r}"
        if number >= MAX_MEMBERS:
            raise ResourceLimitError(f"{name} holds more than {MAX_MEMBERS:,} entries.")
        path = _plain(member.name, name)
        if path == "":  # "./", the folder itself
            continue
        if member.isreg():
            budget.spend(member.size if member.sparse is not None else 0, what)  # others are counted as they are read
            entry = _Entry(path, "file", member.size, member.mtime, bool(member.mode & 0o100), None, None)
            yield entry._replace(open=_Opened(opened, member))
        elif member.isdir():
            yield _Entry(path, "folder", 0, member.mtime, False, None, None)
        elif member.issym():
            yield _Entry(path, "link", 0, member.mtime, False, member.linkname, None)
        elif member.islnk():
            yield _Entry(path, "same", 0, member.mtime, False, _plain(member.linkname, name), None)
        else:
            raise UnsafeFileError(f"{what} is a device or a pipe.")
    if opened.fileobj.last != bytes(tarfile.BLOCKSIZE):  # tarfile takes any other block for the end, too
        raise EOFError("it has no mark at its end")
    while opened.fileobj.read(_CHUNK):  # to the end, where the sum of what was packed is compared
        pass


class _Opened:
    """Opens the content of a member."""

    def __init__(self, archive, member):
        self.archive, self.member = archive, member

    def __call__(self):
        zipped = isinstance(self.archive, zipfile.ZipFile)
        return self.archive.open(self.member) if zipped else self.archive.extractfile(self.member)


def _plain(path, name):
    """The path without "./" at its beginning and "/" at its end. Raises `UnsafeFileError` for one that leads out."""
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    path = path.rstrip("/") if path.strip("/") else path
    if path not in ("", "."):
        guards.require_inner_path(path, name)
    return "" if path == "." else path


@contextlib.contextmanager
def _unpacked(file):
    begin = file.read(6)
    file.seek(0)
    opener = next((opener for sign, opener in _PACKED if begin.startswith(sign)), None)
    if opener is None:
        yield file
        return
    with opener(file, "rb") as stream:
        yield stream


class _Limited:
    """A stream that tarfile reads from. It neither unpacks more than the budget nor reads too much at once: tarfile
    takes the name of an entry into memory, however long it says it is."""

    def __init__(self, stream, budget):
        self.stream, self.budget, self.reached, self.last = stream, budget, 0, None

    def read(self, size):
        guards.require_size(size, _AT_ONCE, self.budget.name)
        self.last = self.stream.read(size)
        self._count(self.stream.tell())
        return self.last

    def seek(self, position, whence=0):
        self._count(position)
        return self.stream.seek(position, whence)

    def tell(self):
        return self.stream.tell()

    def _count(self, position):
        if position > self.reached:
            self.budget.spend(position - self.reached, "its content")
            self.reached = position


# -- writing ----------------------------------------------------------------------------------------------------------


def _unpack(entries, folder, name):
    """Writes the entries into a new folder: the links after all others."""
    links, written = {}, {""}
    for entry in entries:
        place = os.path.join(folder, entry.path)
        if entry.path in links or (entry.kind == "link" and entry.path in written):
            raise UnsafeFileError(f"{name} holds the link {entry.path!r} twice.")
        if entry.kind == "link":
            links[entry.path] = entry.target
            continue
        written.add(entry.path)
        if entry.kind == "folder":
            _make_folder(place, entry.path, name)
            continue
        _make_folder(os.path.dirname(place), entry.path, name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(place)  # of two entries of one name the last counts, as for tar
        if entry.kind == "same":
            _copy(folder, entry, name)
        else:
            _write(entry, place)
    for path, target in links.items():
        _require_inside(path, target, links, name)
        place = os.path.join(folder, path)
        if os.path.lexists(place):
            raise UnsafeFileError(f"{name}: an entry leads through the link {path!r}.")
        _make_folder(os.path.dirname(place), path, name)
        os.symlink(target, place)


def _make_folder(place, path, name):
    try:
        os.makedirs(place, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UnsafeFileError(f"{name} holds a file where the path {path!r} needs a folder.") from None


def _write(entry, place):
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(place, flags, 0o777 if entry.executable else 0o666), "wb") as file, entry.open() as content:
        while chunk := content.read(_CHUNK):
            file.write(chunk)
        if file.tell() != entry.size:
            raise EOFError(f"{entry.path} ends after {file.tell():,} of {entry.size:,} bytes")
    os.utime(place, (entry.changed, entry.changed))


def _copy(folder, entry, name):
    """A hard link, made as a file of its own: what it names must have come before."""
    source = os.path.join(folder, entry.target)
    if not os.path.isfile(source):
        raise UnsafeFileError(f"{name}: {entry.path!r} is a link to {entry.target!r}, which is no file before it.")
    shutil.copy2(source, os.path.join(folder, entry.path))


def _require_inside(path, target, links, name):
    """Raises `UnsafeFileError` for a link that leads out of the archive, or through another one of its links: then only
    the system could say where it ends."""
    inside, parts = path.split("/")[:-1], target.split("/")
    if any("/".join(inside[:depth]) in links for depth in range(1, len(inside) + 1)):
        raise UnsafeFileError(f"{name}: the link {path!r} lies behind another link.")
    for number, part in enumerate(parts, 1):
        if part == ".." and inside:
            inside.pop()
        elif part not in ("", ".", ".."):
            inside.append(part)
        elif part == ".." or (part == "" and number == 1):
            raise UnsafeFileError(f"{name}: the link {path!r} leads out, to {target!r}.")
        if number < len(parts) and "/".join(inside) in links:
            raise UnsafeFileError(f"{name}: the link {path!r} leads through the link {'/'.join(inside)!r}.")
    if "\\" in target or "\0" in target or ":" in parts[0]:
        raise UnsafeFileError(f"{name}: the link {path!r} leads to {target!r}, which is no plain path.")


# -- into its place ---------------------------------------------------------------------------------------------------


def _lies_there(entry, place):
    if entry.kind == "link":
        return os.path.islink(place) and os.readlink(place) == entry.target
    if entry.kind == "folder":
        return os.path.isdir(place)
    found = os.stat(place, follow_symlinks=False) if os.path.isfile(place) else None
    return found is not None and (
        entry.kind == "same" or (found.st_size, found.st_mtime) == (entry.size, entry.changed)
    )


def _move(made, folder):
    """A new folder takes its place at once; into one that is there each file goes by itself, in place of the old."""
    try:
        os.rename(made, folder)
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES):  # the last: what Windows says
            raise
    for parent, folders, files in os.walk(made):
        into = os.path.normpath(os.path.join(folder, os.path.relpath(parent, made)))
        os.makedirs(into, exist_ok=True)
        for name in [*files, *[each for each in folders if os.path.islink(os.path.join(parent, each))]]:
            os.replace(os.path.join(parent, name), os.path.join(into, name))
