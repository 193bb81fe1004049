"""Classes and functions that a description names and nobody knows: all of them at once, with the line to type.

May import errors and core's registry. Looks at a description only after reading it has failed.
"""

import contextlib

from torchkeras.core import registry
from torchkeras.errors import UnknownObjectError

_MOST = 20  # that an error lists


class Missing:
    """One class or function that is not known."""

    of_compile = False  # whether only `compile` was given it

    def __init__(self, described, what):
        self.what = what
        is_function = described["class_name"] == "function"
        name = function_name(described) if is_function else described["class_name"]
        registered = name if is_function else described.get("registered_name") or name
        self.key = registered if isinstance(registered, str) else name
        self.name = str(name).split(">")[-1]
        self.kind = "function" if is_function else "class"
        self.module = None if is_function else described.get("module")
        self.near = _near(self)  # now: scopes close on the way out

    @property
    def headline(self):
        return f"Unknown function {self} for {self.what}" if self.kind == "function" else f"Unknown {self.what}: {self}"

    def __str__(self):
        where = f" of module {self.module!r}" if self.module else ""
        as_what = f", registered as {self.key!r}" if self.key != self.name else ""
        return f"{self.name!r}{where}{as_what}"


def function_name(described):
    """The name that the description of a function gives."""
    inner = described["config"]
    return inner.get("name") if isinstance(inner, dict) else inner


def unknown(described, what):
    """The error for one class or function that is not known."""
    name = str(described["class_name"])
    others = [registry.entry_of(each).kind for each in registry.all_named(name.rpartition(">")[2])]
    if others and registry.is_published_module(described.get("module")):
        return UnknownObjectError(f"Unknown {what}: {name!r} is a {' and a '.join(sorted(set(others)))}.")
    error = UnknownObjectError()
    error.missing = [Missing(described, what)]
    tell(error)
    return error


def tell(error, config=None, line="{}", compiled=True):
    """Completes an error on its way out: what else `config` names in vain, and the line that the caller should type.

    Args:
        line: the call that reads, with `{}` where `custom_objects=...` belongs.
        compiled: whether what `compile` was given counts.
    """
    known = {(each.kind, each.key) for each in error.missing}
    for each in _found_missing(config, compiled) if config is not None and error.missing else ():
        if (each.kind, each.key) not in known:
            known.add((each.kind, each.key))
            error.missing.append(each)
    if error.missing:
        error.args = (error.place + _text(error.missing, line),)


@contextlib.contextmanager
def told(line, config=None):
    """An error that leaves the block shows `line`; see `tell`."""
    try:
        yield
    except UnknownObjectError as error:
        tell(error, config, line)
        raise


def _text(missing, line):
    first, *more = missing[:_MOST]
    text = f"{first.headline}."
    if more:
        text += f" Neither are known: {', '.join(map(str, more))}."
    table = ", ".join(f"{each.name!r}: {each.name}" for each in missing[:_MOST])
    typed = line.replace("{}", f"custom_objects={{{table}}}")
    package = first.key.rpartition(">")[0]
    decorator = f"@keras.saving.register_keras_serializable({repr(package) if package else ''})"
    text += f" If it is yours, pass it:\n    {typed}\nor decorate it with {decorator} and import it before."
    if "load_model(" in line and all(each.of_compile for each in missing):
        text += " With compile=False the model is read without it."
    return text + "".join(each.near for each in missing[:_MOST])


def _near(missing):
    """What the caller probably meant: the object under another key."""
    for table in registry.custom_tables():
        for key, value in table.items():
            if getattr(value, "__name__", type(value).__name__) == missing.name:
                return f"\n{missing.name} is known as {key!r}, but the key must be {missing.key!r}" + (
                    f" or {missing.name!r}." if missing.key != missing.name else "."
                )
    return ""


def _found_missing(config, compiled, of_compile=False):
    if isinstance(config, (list, tuple)):
        for each in config:
            yield from _found_missing(each, compiled, of_compile)
    if not isinstance(config, dict):
        return
    if isinstance(config.get("class_name"), str) and "config" in config and not _is_known(config):
        found = Missing(config, "object")
        found.of_compile = of_compile
        yield found
    for key, value in config.items():
        if compiled or key != "compile_config":
            yield from _found_missing(value, compiled, of_compile or key == "compile_config")


def _is_known(described):
    name = described["class_name"]
    if name.startswith("__") or not isinstance(described.get("registered_name") or "", str):
        return True
    if name == "function":
        name = function_name(described)
        return not isinstance(name, str) or registry.find_function(described, name) is not None
    if "module" not in described and not isinstance(described["config"], dict):
        return True  # a dict of the user's own
    return registry.find_class(described) is not None
