"""What a file may not do: every door through which bytes of a stranger come in is here.

May import core and errors. Knows no model. A file is judged before anything in it is used: where its links lead, how
much memory it asks for in all, which dtypes and filters it has. `UnsafeFileError`: it reaches for something outside of
itself. `ResourceLimitError`: it asks for more than its size can justify. `CorruptFileError`: it is cut short or
damaged.
"""

import contextlib
import json
import os
import re
import stat
import struct
import tokenize
import zipfile
import zlib
from collections import Counter

from torchkeras.errors import CorruptFileError, ResourceLimitError, UnsafeFileError

MIB = 2**20
MAX_DEPTH = 250  # of JSON and of groups; a model in a model is four levels of JSON
MAX_MEMBERS = 100_000  # entries of one zip
MAX_NAME = 255  # bytes of one part of a path
MAX_CONFIG = 64 * MIB  # bytes of a config
MAX_OBJECTS = 1_000_000  # objects in the sense of JSON in one config; a layer has about ten
FREE_BYTES = 256 * MIB  # what a file may unpack to, however small it is
MAX_RATIO = 20  # beyond that: how many times its own size
_OURS = (CorruptFileError, ResourceLimitError, UnsafeFileError)
_RAISED_AT_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, ArithmeticError, EOFError, IndexError)
_RAISED_AT_DAMAGE += (AttributeError, SyntaxError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError)


class Budget:
    """How much one file may still unpack to. Cumulative: many parts just below a limit count together."""

    def __init__(self, file_size, name, free=None, ratio=None):
        free, ratio = FREE_BYTES if free is None else free, MAX_RATIO if ratio is None else ratio
        self.name, self.limit, self.spent = name, max(free, ratio * file_size), 0

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
    except MemoryError as error:
        raise _too_much(name) from error
    except _RAISED_AT_DAMAGE as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise CorruptFileError(f"{name} is damaged or cut short: {text}") from error


@contextlib.contextmanager
def description(name):
    """What classes raise when they are made from a config that makes no sense becomes a `CorruptFileError` that is of
    their type too. Errors that are ValueErrors stay: they say what is wrong."""
    try:
        yield
    except ValueError:
        raise
    except MemoryError as error:
        raise _too_much(name) from error
    except (TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError, AssertionError) as error:
        if isinstance(error, RuntimeError) and "not enough memory" in str(error):  # torch's words
            raise _too_much(name) from error
        text = f"{name} describes what cannot be made: {type(error).__name__}: {error}"
        raise CorruptFileError.like(error, text) from error


def _too_much(name):
    return ResourceLimitError(f"{name} asks for more memory than there is.")


# -- JSON -------------------------------------------------------------------------------------------------------------


def read_json(text, name="The text"):
    """The object of a JSON text (str or bytes). Refuses what no writer of configs writes: duplicate keys, endless
    nesting or digits. NaN and infinities are numbers of configs: Keras writes them, for masks filled with `-inf`."""
    try:
        require_size(len(text), MAX_CONFIG, name)
        if isinstance(text, (bytes, bytearray)):
            text = bytes(text).decode("utf-8")
        _refuse_depth(text, name)
        return json.loads(text, object_pairs_hook=_Objects(name))
    except _OURS:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise CorruptFileError(f"{name} is no JSON: {error}") from None


def _refuse_depth(text, name):
    """A look before the parser, whose own depth is the stack's."""
    left = text.encode("utf-8", "surrogatepass").replace(b"\\\\", b"").replace(b'\\"', b"")  # no escaped quotes
    left = left.translate(_PAIRS, _NEITHER).replace(b'""', b"")  # two in a row: what follows stays inside or outside
    left = re.sub(b'"[^"]*"', b"", left)
    for _ in range(MAX_DEPTH):
        if b"[]" not in left:
            return  # no level is left, or brackets that do not match: the parser says where
        left = left.replace(b"[]", b"")  # the innermost level
    if left:
        raise CorruptFileError(f"{name} is nested more than {MAX_DEPTH} deep.")


_PAIRS = bytes.maketrans(b"{}", b"[]")
_NEITHER = bytes(set(range(256)) - set(b'[]{}"'))


class _Objects:
    """Makes the dicts of one text."""

    def __init__(self, name):
        self.name, self.left = name, MAX_OBJECTS

    def __call__(self, pairs):
        self.left -= 1
        if self.left < 0:
            raise ResourceLimitError(f"{self.name} describes more than {MAX_OBJECTS:,} objects.")
        found = dict(pairs)
        if len(found) != len(pairs):
            raise CorruptFileError(f"{self.name} has the key {_most_common(key for key, _ in pairs)!r} twice.")
        return found


def _most_common(items):
    return Counter(items).most_common(1)[0][0]


# -- zip --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def open_zip(file, budget, name, most=None):
    """A zip whose table of contents is judged whole: no links, no names that lead out, no name twice, no bombs, no more
    than `most` entries."""
    with damage(name):
        opened = zipfile.ZipFile(file)
    with opened:
        members, most = opened.infolist(), MAX_MEMBERS if most is None else most
        if len(members) > most:
            raise ResourceLimitError(f"{name} holds {len(members):,} entries; at most {most:,} are read.")
        _judge_names([member.orig_filename for member in members], name)
        for member in members:
            _judge_member(member, budget, f"{name}: {member.filename!r}")
        _refuse_overlaps(opened, name)
        yield opened


def _judge_names(names, name):
    """Each a path of its own, none inside of what is a file."""
    files = {each for each in names if not each.endswith("/")}
    if len(set(names)) != len(names):
        raise UnsafeFileError(f"{name} holds {_most_common(names)!r} twice.")
    for each in names:
        require_inner_path(each.removesuffix("/"), name)
        parts = each.removesuffix("/").split("/")
        if any("/".join(parts[:depth]) in files for depth in range(1, len(parts) + each.endswith("/"))):
            raise UnsafeFileError(f"{name} holds a file where the path {each!r} needs a folder.")


def _judge_member(member, budget, what):
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UnsafeFileError(f"{what} is a link or a device.")
    if member.flag_bits & 1:
        raise CorruptFileError(f"{what} is encrypted.")
    stored = member.compress_type == zipfile.ZIP_STORED
    if not stored and member.compress_type != zipfile.ZIP_DEFLATED:
        raise CorruptFileError(f"{what} is packed by method {member.compress_type}; Keras stores or deflates.")
    if stored and member.compress_size != member.file_size:
        raise CorruptFileError(f"{what} has two sizes.")
    budget.spend(member.file_size, what)


def _refuse_overlaps(opened, name):
    """Entries that share their data unpack to many times the file."""
    end = 0
    for member in sorted(opened.infolist(), key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise UnsafeFileError(f"{name}: {member.filename!r} lies inside of another entry.")
        end = member.header_offset + 30 + len(member.orig_filename.encode("utf-8", "surrogateescape"))
        end += member.compress_size
    if end > opened.start_dir:
        raise CorruptFileError(f"{name} is damaged or cut short: its entries do not end where their table begins.")


def require_inner_path(path, name):
    """Raises `UnsafeFileError` for a path that could lead out of the folder it is meant for, or is no plain one."""
    parts = path.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in path or "\\" in path or ":" in parts[0]:
        raise UnsafeFileError(f"{name}: the path {path!r} leads out of the file.")
    if len(parts) > MAX_DEPTH or max(len(part.encode("utf-8", "replace")) for part in parts) > MAX_NAME:
        raise UnsafeFileError(f"{name}: the path {path[:300]!r} is longer than paths may be.")


def data_of(file, member, name):
    """`(start, size)` of a stored member's data in the file. Its own header must say what the table of contents said.

    Raises `CorruptFileError` where it does not.
    """
    with damage(f"{name}: {member.filename}"):
        file.seek(member.header_offset)
        signature, flags, method, name_length, extra_length = struct.unpack("<4s2xHH16xHH", file.read(30))
        raw = file.read(name_length).decode("utf-8" if flags & 0x800 else "cp437")
        if signature != b"PK\3\4" or method != member.compress_type or raw != member.orig_filename:
            raise ValueError("its header is not the one that the table of contents names")
        start = member.header_offset + 30 + name_length + extra_length
        if start + member.compress_size > os.fstat(file.fileno()).st_size:
            raise ValueError("it ends before its data")
    return start, member.compress_size


def read_member(opened, member, name, most=MAX_CONFIG):
    """The bytes of a member, checked by its sum. Raises `ResourceLimitError` for more than `most`."""
    with damage(f"{name}: {member}"):
        require_size(opened.getinfo(member).file_size, most, f"{name}: {member}")
        return opened.read(member)


def require_size(size, most, name):
    """Raises `ResourceLimitError` for a part of more than `most` bytes."""
    if size > most:
        raise ResourceLimitError(f"{name} has {size:,} bytes; at most {most:,} are read.")
