"""The manifest of Keras's public names beside what torchkeras has: what is missing, and whether signatures agree.

May import torchkeras. Does not need Keras: the manifest is checked in.
"""

import inspect
import json
from pathlib import Path

import torchkeras

MANIFEST = Path(__file__).parent / "manifests" / "keras-3.15.1.json"
# What an object has that no `__init__` of its own is written for.
_EMPTY = "(self, /, *args, **kwargs)"


def manifest():
    """Public names of Keras with kind and signature, as `{"keras.ops.add": {"kind": …, "signature": …}}`."""
    return json.loads(MANIFEST.read_text(encoding="utf-8"))["names"]


def room_of(name):
    """`keras.ops.numpy.add` is in `keras.ops.numpy`."""
    return name.rpartition(".")[0]


def find(name):
    """Our object of that public name, or None."""
    found = torchkeras
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
        if found is None:
            return None
    return found


def kind_of(value):
    return "class" if inspect.isclass(value) else "function" if callable(value) else "value"


def parsed(text):
    """Parameters of a signature written as text: `[(name, kind, default as text or None)]`, without `self`."""
    if text == _EMPTY:
        return []
    # Defaults are compared as text: those that are no literals (functions, classes) cannot be evaluated.
    return [one for one in _split(text.strip()[1:-1]) if one[0] != "self"]


def _split(text):
    parts, depth, quote, current = [], 0, "", ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{<":
            depth += 1
        elif character in ")]}>":
            depth -= 1
        if character == "," and not depth and not quote:
            parts.append(current)
            current = ""
        else:
            current += character
    kind, parameters = "positional", []
    for part in filter(None, (part.strip() for part in [*parts, current])):
        if part == "*":
            kind = "keyword"
        elif part.startswith("**"):
            parameters.append((part[2:], "**", None))
        elif part.startswith("*"):
            parameters.append((part[1:], "*", None))
            kind = "keyword"
        elif part != "/":
            name, _, default = part.partition("=")
            parameters.append((name.partition(":")[0].strip(), kind, default.strip() or None))
    return parameters


def disagreement(ours, theirs):
    """Why a call written for Keras's signature might mean something else to ours; None where it does not.

    Ours may have more: parameters with defaults after Keras's own, `*args`, `**kwargs`, and defaults where Keras asks
    for a value.
    """
    ours, theirs = parsed(ours), parsed(theirs)
    named = [one for one in theirs if one[1] in ("positional", "keyword")]
    for number, (name, kind, default) in enumerate(named):
        match = next((one for one in ours if one[0] == name), None)
        if match is None:
            return f"`{name}` is missing"
        if kind == "positional" and (number >= len(ours) or ours[number][0] != name or match[1] != "positional"):
            return f"`{name}` is not at position {number + 1}"
        if default is not None and match[2] != default:
            return f"`{name}` is {match[2]} by default, not {default}"
    rest = [one for one in ours if one[0] not in {name for name, *_ in named}]
    required = [name for name, kind, default in rest if kind in ("positional", "keyword") and default is None]
    if required:
        return f"`{required[0]}` is asked for"
    if any(kind == "**" for _, kind, _ in theirs) and not any(kind == "**" for _, kind, _ in ours):
        return "further keywords are refused"
    return None


def signature_of(value):
    return str(inspect.signature(value))
