"""Answers imports of Keras's and TensorFlow's names with modules of torchkeras that are already there.

Lives here: the table of names, the finder on `sys.meta_path`, `install()` and `uninstall()`.
May import: the standard library. Must not know: what any module contains. A module answered here is the same object
under both names; it is neither executed again nor given another `__name__` or `__spec__`.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = __name__.partition(".")[0]
TENSORFLOW = f"{PACKAGE}.shim.tf"

# Import name -> the package that answers it; the longest match wins. Everything below a name follows it.
ALIASES = {
    "keras": PACKAGE,
    "keras.api": PACKAGE,
    "keras._tf_keras": PACKAGE,
    "keras._tf_keras.keras": PACKAGE,
    "tf_keras": PACKAGE,
    "tf_keras.api": PACKAGE,
    "tensorflow": TENSORFLOW,
    "tensorflow.keras": PACKAGE,
    "tensorflow.python.keras": PACKAGE,
}
# Rooms of torchkeras that are no module of Keras: not offered under its names unless a program asks for one.
_OUR_OWN = frozenset({"core", "errors", "port", "shim", "training"})
ROOTS = tuple(sorted({name.partition(".")[0] for name in ALIASES}))


def target_of(name: str) -> str | None:
    """The torchkeras module that answers the import name `name`, or None when the name is not ours to answer."""
    prefix = name
    while prefix:
        if prefix in ALIASES:
            return ALIASES[prefix] + name[len(prefix) :]
        prefix = prefix.rpartition(".")[0]
    return None


class _Answer(Loader):
    """Puts an existing module into `sys.modules` under a second name.

    The import system makes an empty module for the spec and, after `exec_module`, takes whatever then stands in
    `sys.modules`. Replacing it there leaves the answering module untouched; handing it out from `create_module` would
    have its `__spec__` overwritten.
    """

    def __init__(self, module: ModuleType, aliases: dict[str, ModuleType]):
        self._module = module
        self._aliases = aliases

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        self._publish(module.__name__, self._module)
        if module.__name__ == "tensorflow":
            importlib.import_module("tensorflow.keras")

    def _publish(self, name, module):
        sys.modules[name] = self._aliases[name] = module
        # Real Keras has its public submodules in sys.modules as soon as the package is imported.
        for attribute, child in list(vars(module).items()):
            child_name = f"{name}.{attribute}"
            if child_name not in sys.modules and _is_public_submodule(module, attribute, child):
                self._publish(child_name, child)


def _is_public_submodule(module: ModuleType, attribute: str, child: object) -> bool:
    if not isinstance(child, ModuleType) or attribute.startswith("_"):
        return False
    if module.__name__ == PACKAGE and attribute in _OUR_OWN:
        return False
    if child.__name__ == f"{module.__name__}.{attribute}":
        return True
    # The package may publish a room under another name; inside a room such an attribute is only an import.
    return module.__name__ == PACKAGE and child.__name__.startswith(PACKAGE + ".")


class KerasFinder(MetaPathFinder):
    """Finds `keras`, `tf_keras`, `tensorflow` and everything below them in torchkeras."""

    def __init__(self):
        self.aliases: dict[str, ModuleType] = {}
        self.displaced: dict[str, ModuleType] = {}

    def find_spec(self, fullname, path=None, target=None):
        answer = target_of(fullname)
        if answer is None:
            return None
        module = _existing(answer)
        if module is None:
            # Not None: the path finder would go on to look for the name in torchkeras's own folder.
            raise ModuleNotFoundError(_missing(fullname), name=fullname)
        return ModuleSpec(fullname, _Answer(module, self.aliases), is_package=hasattr(module, "__path__"))


def _existing(name: str) -> ModuleType | None:
    """The module `name` of torchkeras: a file, or a module published as an attribute of its parent."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Any other name is a requirement that is missing inside torchkeras: that error is the user's to see.
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise
    parent, _, leaf = name.rpartition(".")
    if not parent:
        return None
    value = getattr(_existing(parent), leaf, None)
    return value if isinstance(value, ModuleType) else None


def _missing(name: str) -> str:
    root = name.partition(".")[0]
    if target_of(name).startswith(TENSORFLOW):
        hint = (
            "torchkeras answers for tensorflow and has only what Keras scripts commonly use; "
            "use torch or keras.ops for this part, or run the program with TensorFlow itself"
        )
    else:
        hint = f"torchkeras answers for {root} and has no such module"
    return f"No module named {name!r} ({hint})"


def _installed() -> KerasFinder | None:
    return next((finder for finder in sys.meta_path if isinstance(finder, KerasFinder)), None)


def _foreign_modules() -> dict[str, ModuleType]:
    """Modules of the real Keras and TensorFlow that this process has already imported."""
    return {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] in ROOTS}


def install(force: bool = False) -> None:
    """Answer `import keras`, `import tensorflow` and `import tf_keras` with torchkeras from here on.

    Calling it again changes nothing. Modules that were imported before stay as they are wherever a program
    already holds them, so call it first.

    Args:
        force: also when the real Keras or TensorFlow is already imported. Its modules leave `sys.modules` (and come
            back with `uninstall()`); objects made from them keep working but do not mix with torchkeras's.

    Raises:
        RuntimeError: the real Keras or TensorFlow is already imported, and `force` is False.

    Example:
        >>> import torchkeras
        >>> torchkeras.install()
        >>> from tensorflow import keras
        >>> keras is torchkeras
        True
    """
    if _installed() is not None:
        return
    foreign = _foreign_modules()
    if foreign and not force:
        name = next(iter(foreign)).partition(".")[0]
        origin = getattr(sys.modules.get(name), "__file__", None) or "unknown place"
        raise RuntimeError(
            f"torchkeras.install() came too late: {name!r} ({origin}) is already imported in this process. Call "
            "torchkeras.install() before the first import of keras or tensorflow (in a notebook: restart the kernel), "
            "or pass force=True to replace it for the imports that follow."
        )
    finder = KerasFinder()
    for name in foreign:
        finder.displaced[name] = sys.modules.pop(name)
    sys.meta_path.insert(0, finder)


def uninstall() -> None:
    """Undo `install()`: later imports of keras and tensorflow find the real packages, or nothing, again.

    Names that a program has already imported keep pointing at torchkeras. Without an `install()` it does nothing.
    """
    finder = _installed()
    if finder is None:
        return
    sys.meta_path.remove(finder)
    for name, module in finder.aliases.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    sys.modules.update(finder.displaced)
