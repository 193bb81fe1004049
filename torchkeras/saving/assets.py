"""Files beside the weights, such as vocabularies: what an object's `save_assets(folder)` puts down, under its path.

May import core and this room.
"""

import math
import os
import tempfile

from torchkeras.saving import guards
from torchkeras.saving.state_walk import walk

_FOLDER = "assets"


def written(root):
    """`(name, content)` of each file that the objects of `root` put down, ready for a zip or folder."""
    for path, obj in walk(root):
        if not hasattr(obj, "save_assets"):
            continue
        guards.require_inner_path(path or _FOLDER, f"Saving {type(obj).__name__}")
        with tempfile.TemporaryDirectory() as folder:
            obj.save_assets(folder)
            for below, _, files in os.walk(folder):
                for file in files:
                    full = os.path.join(below, file)
                    inner = os.path.relpath(full, folder).replace(os.sep, "/")
                    with guards.readable(full) as opened:
                        yield "/".join(part for part in (_FOLDER, path, inner) if part), opened.read()


def load(root, parts):
    """Gives each object that reads assets a folder with its own files. The folder is gone afterwards."""
    if not any(name.startswith(f"{_FOLDER}/") for name in parts.names):
        return
    for path, obj in walk(root):
        prefix = f"{_FOLDER}/{path}/" if path else f"{_FOLDER}/"
        mine = [name for name in sorted(parts.names) if name.startswith(prefix) and not name.endswith("/")]
        if not mine or not hasattr(obj, "load_assets"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            for name in mine:
                inner = name[len(prefix) :]
                guards.require_inner_path(inner, parts.name)
                target = os.path.join(folder, *inner.split("/"))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "xb") as file:
                    file.write(parts.content(name, math.inf))  # the budget bounds them all
            obj.load_assets(folder)
