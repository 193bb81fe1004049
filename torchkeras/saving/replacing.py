"""The one way in which files are written: whole or not at all.

May import nothing of the package. What was there stays until the new file is complete on the disk; a program that is
killed, or a disk that is full, leaves the old one.
"""

import contextlib
import io
import os
import secrets
import threading

_MOMENT = 0.005  # seconds
_LARGE = 2**20  # bytes
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


@contextlib.contextmanager
def replacing(path):
    """A new binary file, open to be written and read, that takes the place of `path` when the block ends well.

    The temporary file lies in the same folder. A link is followed; the mode of a file that was there is kept. Where the
    block fails the temporary file is removed and the old one is as before.
    """
    given = os.fspath(path)
    path = os.path.realpath(given)
    if not os.path.isdir(os.path.dirname(given) or os.curdir):  # "x/.." without an x has no real path either
        raise _no_folder(given)
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder: give the path of a file.")
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{path} is a device, pipe or socket, whose place no file may take.")
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        descriptor = os.open(temporary, _FLAGS, 0o666)  # the umask has its say
    except FileNotFoundError:
        if os.path.isdir(folder):
            raise
        raise _no_folder(path) from None  # where a link leads
    try:
        with _Whole(descriptor, "w+") as file:
            yield file
            if os.path.exists(path):
                os.chmod(temporary, os.stat(path).st_mode & 0o7777)
            os.fsync(file.fileno())
        with _freeing(path):
            os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = path  # a full disk does not say what was being written
        raise
    _sync_folder(folder)


def _no_folder(path):
    folder, name = os.path.split(path)
    return FileNotFoundError(f"The folder {folder} does not exist: make it before saving {name}.")


class _Whole(io.FileIO):
    """Writes all that it is given. The system writes a part where the disk is nearly full, and most callers, zipfile
    for one, do not look."""

    def write(self, data):
        view = memoryview(data).cast("B")
        size = len(view)
        while view:
            view = view[super().write(view) :]
        return size


@contextlib.contextmanager
def _freeing(path):
    """What the block replaces gives its place on the disk back while the program goes on: for a large file that takes a
    fifth of the time of writing it."""
    old = _held(path)
    try:
        yield
    finally:
        if old is not None:
            threading.Thread(target=os.close, args=(old,)).start()


def _held(path):
    """A descriptor of a large file that keeps it from going, or None."""
    try:
        if hasattr(os, "O_NOFOLLOW") and os.path.getsize(path) >= _LARGE:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # nothing is there, or nobody may read it
        pass
    return None


def _sync_folder(folder):
    """The new name reaches the disk too. Not every system can do that with folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some network file systems refuse
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def flushing(file):
    """What the block writes goes to the disk while it runs, if it takes longer than a moment. An error of the disk is
    told once only, to whoever flushes first: it is raised when the block ends."""
    errors, ended = [], threading.Event()

    def flush():
        while not errors and not ended.wait(_MOMENT):
            try:
                os.fsync(file.fileno())
            except OSError as error:
                errors.append(error)

    thread = threading.Thread(target=flush)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if errors:
        raise errors[0]
