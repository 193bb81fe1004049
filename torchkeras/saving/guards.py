"""What a file may not do: every door through which bytes of a stranger come in is here.

May import core and errors. Knows no model. A file is judged before anything in it is used: where its links lead, how
much memory it asks for in all, which dtypes and filters it has. `UnsafeFileError`: it reaches for something outside of
itself. `ResourceLimitError`: it asks for more than its size can justify. `CorruptFileError`: it is cut short or
damaged.
"""

import contextlib
import json
import os
import stat
import zipfile

from torchkeras.errors import CorruptFileError, ResourceLimitError, UnsafeFileError

MIB = 2**20
MAX_DEPTH = 100
MAX_MEMBERS = 100_000  # entries of one zip
MAX_CONFIG = 256 * MIB  # bytes of a config
FREE_BYTES = 256 * MIB  # what a file may unpack to, however small it is
MAX_RATIO = 20  # beyond that: how many times its own size
_OURS = (CorruptFileError, ResourceLimitError, UnsafeFileError)


class Budget:
    """How much one file may still unpack to. Cumulative: many parts just below a limit count together."""

    def __init__(self, file_size, name):
        self.name, self.limit, self.spent = name, max(FREE_BYTES, MAX_RATIO * file_size), 0

    def spend(self, size, what):
        """Raises `ResourceLimitError` where `size` more bytes are too many."""
        self.spent += size
        if self.spent > self.limit:
            raise ResourceLimitError(
                f"{self.name}: {what} asks for {self.spent:,} bytes in all; a file of this size may unpack to "
                f"{self.limit:,} at most."
            )


@contextlib.contextmanager
def readable(path):
    """An open regular file. A pipe, device or folder is refused before it is opened: that could wait for ever."""
    path = os.fspath(path)
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{path} is a folder, not a file.")
    if not stat.S_ISREG(mode):
        raise UnsafeFileError(f"{path} is no regular file but a device, pipe or socket.")
    with open(path, "rb", buffering=0) as file:
        yield file


@contextlib.contextmanager
def damage(name):
    """What a library raises at damaged bytes becomes a `CorruptFileError` that names the file and the part."""
    try:
        yield
    except _OURS:
        raise
    except (
        OSError,
        RuntimeError,
        KeyError,
        ValueError,
        TypeError,
        OverflowError,
        EOFError,
        zipfile.BadZipFile,
    ) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise CorruptFileError(f"{name} is damaged or cut short: {text}") from error


# -- JSON -------------------------------------------------------------------------------------------------------------


def read_json(text, name="The text"):
    """The object of a JSON text (str or bytes). Refuses what no writer of configs writes: duplicate keys, endless
    nesting or digits."""
    if len(text) > MAX_CONFIG:
        raise ResourceLimitError(f"{name} has {len(text):,} bytes; a config may have {MAX_CONFIG:,}.")
    try:
        if isinstance(text, (bytes, bytearray)):
            text = bytes(text).decode("utf-8")
        _refuse_depth(text, name)
        return json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, name))
    except _OURS:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise CorruptFileError(f"{name} is no JSON: {error}") from None


def _refuse_depth(text, name):
    """A quick look before the parser: brackets inside of strings count too, so this is only a first bound."""
    depth = deepest = 0
    if text.count("[") + text.count("{") < 10 * MAX_DEPTH:
        return
    inside = escaped = False
    for char in text:
        if inside:
            inside = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            inside = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
        if deepest > 10 * MAX_DEPTH:
            raise CorruptFileError(f"{name} is nested more than {10 * MAX_DEPTH} deep.")


def _unique(pairs, name):
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise CorruptFileError(f"{name} has the key {next(key for key in keys if keys.count(key) > 1)!r} twice.")
    return found


# -- zip --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def open_zip(file, budget, name):
    """A zip whose table of contents is judged whole: no links, no names that lead out, no name twice, no bombs."""
    with damage(name):
        opened = zipfile.ZipFile(file)
    with opened:
        members = opened.infolist()
        if len(members) > MAX_MEMBERS:
            raise ResourceLimitError(f"{name} holds {len(members):,} entries; at most {MAX_MEMBERS:,} are read.")
        names = set()
        for member in members:
            require_inner_path(member.filename, name)
            if member.filename in names:
                raise UnsafeFileError(f"{name} holds {member.filename!r} twice.")
            names.add(member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UnsafeFileError(f"{name}: {member.filename!r} is a link or a device.")
            if member.flag_bits & 1:
                raise CorruptFileError(f"{name}: {member.filename!r} is encrypted.")
            budget.spend(member.file_size, repr(member.filename))
        yield opened


def require_inner_path(path, name):
    """Raises `UnsafeFileError` for a path that could lead out of the folder it is meant for."""
    parts = path.replace("\\", "/").split("/")
    if not path or "\0" in path or path[0] in "/\\" or ".." in parts or ":" in parts[0] or "\\" in path:
        raise UnsafeFileError(f"{name}: the path {path!r} leads out of the file.")


def read_member(opened, member, name):
    """The bytes of a small member, checked by its sum."""
    with damage(f"{name}: {member}"):
        facts = opened.getinfo(member)
        if facts.file_size > MAX_CONFIG:
            raise ResourceLimitError(
                f"{name}: {member} has {facts.file_size:,} bytes; at most {MAX_CONFIG:,} are read."
            )
        return opened.read(member)
