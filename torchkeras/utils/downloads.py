"""get_file: files from the net, kept in Keras's folder.

May import callbacks' bar, config, errors, saving and this room. A file gets its name only when it is whole and its sum
is right; what is under that name is whole.
"""

import contextlib
import getpass
import hashlib
import http.client
import os
import re
import shutil
import socket
import stat
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import warnings

from torchkeras.callbacks import console
from torchkeras.callbacks.progress import Progbar
from torchkeras.config import keras_home
from torchkeras.errors import DownloadError
from torchkeras.saving import guards
from torchkeras.saving.replacing import replacing
from torchkeras.utils import archives

_SILENCE = 60  # seconds after which a server that says nothing is given up
_CHUNK = 2**16
_DIGITS = {"md5": 32, "sha256": 64}
_FORMATS = {"auto": ("tar", "zip"), "tar": ("tar",), "zip": ("zip",), None: ()}


def get_file(
    fname=None,
    origin=None,
    untar=False,
    md5_hash=None,
    file_hash=None,
    cache_subdir="datasets",
    hash_algorithm="auto",
    extract=False,
    archive_format="auto",
    cache_dir=None,
    force_download=False,
):
    """The path of a file from the net, which is fetched if it is not there yet.

    Args:
        fname: its name on the disk; the last part of the URL by default. With `extract` the name of the folder, if it
            has no ending.
        origin: URL: `https:`, `http:`, `ftp:` or `file:`.
        untar: Keras 2's word for `extract` with `archive_format="tar"`.
        md5_hash: Keras 2's word for `file_hash` with `hash_algorithm="md5"`.
        file_hash: MD5 or SHA256 sum that the file must have, in hexadecimal digits. It is compared before the file
            gets its name, and again with a file that is there already, which is fetched anew if it differs.
        cache_subdir: folder in `cache_dir`, or an absolute path.
        hash_algorithm: "md5", "sha256", or "auto" to tell by the number of digits.
        extract: unpack the archive. Entries whose paths or links lead out of the folder, devices and bombs are
            refused, and nothing is unpacked then.
        archive_format: "tar" (also packed by gzip, bzip2 or xz), "zip", "auto" for both, or a list of these.
        cache_dir: `KERAS_HOME` of the environment by default, or `~/.keras`; a folder of your own in the system's
            folder for temporary files where that cannot be written.
        force_download: fetch it even if it is there.

    Returns the path of the file; with `extract` that of the folder.

    Raises `ValueError` for a wrong sum and arguments that make no sense, `DownloadError` (an `OSError`) with the URL
    and the cause where the file cannot be fetched, `UnsafeFileError`, `ResourceLimitError` or `CorruptFileError` for
    archives. What is not whole is not kept.

    Example:
        >>> import hashlib, pathlib
        >>> there = pathlib.Path("there.txt").absolute()
        >>> _ = there.write_text("hello")
        >>> path = get_file(
        ...     "here.txt", there.as_uri(), file_hash=hashlib.sha256(b"hello").hexdigest(), cache_dir=str(there.parent)
        ... )
        Downloading data from file:...
        >>> pathlib.Path(path).read_text()
        'hello'

    In torch: `torch.hub.download_url_to_file`.
    """
    expected = _expected(file_hash, md5_hash, hash_algorithm)
    formats = _formats("tar" if untar else archive_format)
    name, folder = _name(fname, origin), _folder(cache_dir, cache_subdir)
    unpacked = None
    if extract or untar:
        named = bool(fname) and "." in name
        unpacked = os.path.join(folder, name.partition(".")[0] + "_extracted" if named else name)
        name = name if named else f"{name}_archive"
    target = os.path.join(folder, name)
    fetch = force_download or not os.path.exists(target)
    if not fetch and expected is not None and not _has_sum(target, *expected):
        algorithm, digits = expected
        console.write(f"{target} is there, but its {algorithm} sum is not {digits}: it is fetched again.\n")
        fetch = True
    if fetch:
        _fetch(origin, target, expected)
    if unpacked is None:
        return target
    if not archives.extract(target, unpacked, formats, again=force_download):
        warnings.warn(
            f"{target} could not be unpacked: it is no archive of the format {archive_format!r}.", stacklevel=2
        )
    return unpacked


# -- arguments --------------------------------------------------------------------------------------------------------


def _expected(file_hash, md5_hash, algorithm):
    """`(algorithm, digits)` of the sum that a file must have, or None."""
    if algorithm not in (*_DIGITS, "auto"):
        raise ValueError(f'`hash_algorithm` must be "md5", "sha256" or "auto", got {algorithm!r}.')
    if file_hash is None and md5_hash is None:
        return None
    if file_hash is None:
        file_hash, algorithm = md5_hash, "md5"
    digits = str(file_hash).strip().lower()
    if algorithm == "auto":
        algorithm = next((name for name, length in _DIGITS.items() if length == len(digits)), "auto")
    if len(digits) != _DIGITS.get(algorithm) or not re.fullmatch("[0-9a-f]*", digits):
        raise ValueError(
            f"`file_hash` must be an MD5 sum (32 hexadecimal digits) or a SHA256 sum (64), got {file_hash!r} with "
            f"hash_algorithm={algorithm!r}."
        )
    return algorithm, digits


def _formats(wanted):
    if isinstance(wanted, (list, tuple)):
        return tuple(each for one in wanted for each in _formats(one))
    if wanted not in _FORMATS:
        raise NotImplementedError(
            f'`archive_format` must be "tar", "zip", "auto", None or a list of them, got {wanted!r}.'
        )
    return _FORMATS[wanted]


def _name(fname, origin):
    """The name of the file. It must be one: a path could lead anywhere."""
    if origin is None:
        raise ValueError("get_file needs `origin`, the URL of the file.")
    if not isinstance(origin, str) or not re.match("[A-Za-z][A-Za-z0-9+.-]+:", origin):
        raise ValueError(
            "`origin` must be a URL, https://… for instance; pathlib.Path(…).as_uri() makes one of a local path. Got "
            f"{origin!r}."
        )
    name = os.fspath(fname) if fname else os.path.basename(urllib.parse.urlsplit(origin).path)
    if not name:
        raise ValueError(f"The URL {origin!r} has no file name at its end: give `fname`.")
    if name in (".", "..") or set("/\\\0") & set(name):
        which = "`fname`" if fname else "The end of `origin`"
        raise ValueError(
            f"{which} must be the name of a file, without a folder, got {name!r}. The folder is `cache_dir` and "
            "`cache_subdir`."
        )
    return name


def _folder(cache_dir, cache_subdir):
    base = keras_home() if cache_dir is None else os.path.expanduser(os.fspath(cache_dir))
    try:
        os.makedirs(base, exist_ok=True)
    except OSError:
        writable = False
    else:
        writable = os.access(base, os.W_OK)
    folder = os.path.join(base if writable else _own_temporary(), cache_subdir)
    os.makedirs(folder, exist_ok=True)
    return folder


def _own_temporary():
    """A folder for downloads that no other user can have prepared."""
    path = os.path.join(tempfile.gettempdir(), f".keras-{getpass.getuser()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        raise PermissionError(f"{path} does not belong to you: give a `cache_dir` that you can write.")
    return path


# -- fetching ---------------------------------------------------------------------------------------------------------


def _has_sum(path, algorithm, digits):
    summed = hashlib.new(algorithm, usedforsecurity=False)
    with guards.readable(path) as file:
        while chunk := file.read(_CHUNK):
            summed.update(chunk)
    return summed.hexdigest() == digits


def _fetch(origin, target, expected):
    console.write(f"Downloading data from {origin}\n")
    with replacing(target) as file:
        with _failures(origin), _opened(origin) as (answer, size):
            _require_room(size, os.path.dirname(target), origin)
            digits = _copy(answer, file, size, expected[0] if expected else "sha256")
        if expected is not None and digits != expected[1]:
            raise ValueError(
                f"The file from {origin} is not the expected one: its {expected[0]} sum is {digits}, not {expected[1]}."
            )


@contextlib.contextmanager
def _failures(origin):
    """What the network raises becomes an error with the URL. A full disk stays what it is."""
    try:
        yield
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{origin} could not be fetched: {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise DownloadError(f"{origin} could not be fetched: {error.reason}") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError, EOFError) as error:
        raise DownloadError(f"{origin} could not be fetched: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _opened(origin):
    """`(stream, size)` of what a URL leads to; None for a size that is not told."""
    parts = urllib.parse.urlsplit(origin)
    if parts.scheme.lower() == "file" and parts.netloc in ("", "localhost"):
        try:
            with guards.readable(urllib.request.url2pathname(urllib.request.Request(origin).selector)) as file:
                yield file, os.fstat(file.fileno()).st_size
        except FileNotFoundError as error:
            raise urllib.error.URLError(error) from error
        return
    timeout = _SILENCE if socket.getdefaulttimeout() is None else socket.getdefaulttimeout()
    with urllib.request.urlopen(origin, timeout=timeout) as answer:
        told = answer.headers.get("Content-Length", "")
        yield answer, int(told) if told.isdecimal() else None


def _require_room(size, folder, origin):
    free = shutil.disk_usage(folder).free
    if size is not None and size > free:
        raise OSError(f"{origin} has {size:,} bytes; in {folder} there is room for {free:,}.")


def _copy(answer, file, size, algorithm):
    """Copies a stream, shows how far it is, and gives its sum. Raises `EOFError` for one that ends too early."""
    summed, bar, done = hashlib.new(algorithm, usedforsecurity=False), Progbar(size or None), 0
    while chunk := answer.read(_CHUNK):
        file.write(chunk)
        summed.update(chunk)
        done += len(chunk)
        if done != size:
            bar.update(done)
    if size is not None and done < size:
        raise EOFError(f"it ended after {done:,} of {size:,} bytes")
    bar.update(done, finalize=True)
    return summed.hexdigest()
