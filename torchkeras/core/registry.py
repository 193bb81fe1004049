"""Which class or function a Keras name stands for, and of which kind it is.

Imports errors and core/scopes only. A config names objects by module and class name; a slot of a config accepts its own
kind only (layer, initializer, loss…), so that a file can never name something that does not belong there.
"""

import contextlib

from torchkeras.core.scopes import custom_objects, state
from torchkeras.errors import UnsafeFileError

_by_name = {}  # class or function name -> [Entry]
_by_object = {}  # class or function -> Entry
_package_names = {}  # user-registered class or function -> "package>name"


class Entry:
    """One published object: where Keras has it, under which name, and its kind."""

    __slots__ = ("kind", "module", "name", "target")

    def __init__(self, target, kind, module, name):
        self.target, self.kind, self.module, self.name = target, kind, module, name


def register(target, kind, module, name=None, aliases=()):
    """Publishes a class or function of ours under Keras's module and name.

    Args:
        kind: "layer", "model", "initializer", "regularizer", "constraint", "activation", "loss", "metric",
            "metric_function", "optimizer", "optimizer map", "torch optimizer", "torch loss", "schedule", "policy",
            "operation", "seed generator" or "feature".
        module: the module that Keras writes into configs, such as "keras.layers".
        aliases: further names under which strings may ask for it.
    """
    entry = Entry(target, kind, module, name or target.__name__)
    _by_object.setdefault(target, entry)
    for key in (entry.name, *aliases):
        _by_name.setdefault(key, []).append(entry)
    return target


def published(kind, module, name=None, aliases=()):
    """Decorator form of `register`."""
    return lambda target: register(target, kind, module, name, aliases)


def entry_of(target):
    """The entry of a class or function, or None."""
    return _by_object.get(target)


def all_named(name, kinds=None, module=None):
    """The published classes and functions of that name whose kind is among `kinds`.

    Where several have the name (a loss and a metric, say), those published in `module` come first.
    """
    entries = [entry for entry in _by_name.get(name, ()) if kinds is None or entry.kind in kinds]
    entries.sort(key=lambda entry: entry.module != module)
    return [entry.target for entry in entries]


def find(name, kinds=None, module=None):
    """The first of `all_named`, or None."""
    return next(iter(all_named(name, kinds, module)), None)


def names_of_kind(kind):
    """All names published for a kind, sorted: for error texts and for the compatibility suite."""
    return sorted(name for name, entries in _by_name.items() if any(e.kind == kind for e in entries))


# -- objects of users -------------------------------------------------------------------------------------------------


def register_keras_serializable(package="Custom", name=None):
    """Decorator: lets configs name this class or function as `package>name`.

    What is registered later under the same name takes its place. Raises `ValueError` for a class without `get_config`.

    Example:
        >>> @register_keras_serializable(package="lab")
        ... def swish_ish(x): return x
        >>> get_registered_name(swish_ish)
        'lab>swish_ish'
    """
    if callable(package):
        raise TypeError(
            f"`package` must be a text, got {package!r}: write @register_keras_serializable() with its brackets."
        )

    def decorate(target):
        if isinstance(target, type) and not hasattr(target, "get_config"):
            raise ValueError(f"Cannot register {target.__name__}: it has no get_config() method.")
        full = f"{package}>{target.__name__ if name is None else name}"
        custom_objects[full] = target
        _package_names[target] = full
        return target

    return decorate


def get_registered_name(obj):
    """`package>name` of a registered class or function, else its plain name."""
    name = _package_names.get(obj)
    return obj.__name__ if name is None else name


def get_registered_object(name, custom_objects=None, module_objects=None):
    """The object registered as `name`: in open scopes, the global table, then the given dicts. None if unknown."""
    for table in (*reversed(state.custom_objects), get_custom_objects(), custom_objects or {}, module_objects or {}):
        if name in table:
            return table[name]
    return None


def get_custom_objects():
    """The global table of user objects; a plain dict that may be changed."""
    return custom_objects


class CustomObjectScope(contextlib.ContextDecorator):
    """Makes user objects known by name inside a block. Takes one dict or None, or several as Keras 2 does."""

    def __init__(self, custom_objects, *more):
        tables = [{} if table is None else table for table in (custom_objects, *more)]
        for table in tables:
            _require_table(table)
        self.table = {key: value for table in tables for key, value in table.items()}

    def __enter__(self):
        self._old = state.custom_objects
        state.custom_objects = (*self._old, self.table)
        return self

    def __exit__(self, *error):
        state.custom_objects = self._old


def _require_table(table):
    """Raises `TypeError` for custom objects that are no dict, with what was probably meant."""
    if isinstance(table, dict):
        return
    given = table if isinstance(table, (list, tuple, set)) else [table]
    names = ", ".join(f"{each.__name__!r}: {each.__name__}" for each in given if hasattr(each, "__name__"))
    raise TypeError(
        f"Custom objects must be a dict from names to classes and functions, got {table!r}: write {{{names}}}."
    )


custom_object_scope = CustomObjectScope


def find_custom(*names, custom=None):
    """The first user object known under one of these names, or None."""
    for name in names:
        if name:
            found = get_registered_object(name, custom)
            if found is not None:
                return found
    return None


def custom_tables():
    """The tables in which user objects are looked up: those of open scopes, innermost first, then the global one."""
    return (*reversed(state.custom_objects), custom_objects)


def find_in_any_package(name):
    """The user object that is registered as `package>name` in whatever package, or None.

    For descriptions that were written before it was registered. None too where packages differ in what the name means.
    """
    if not isinstance(name, str) or ">" in name:
        return None
    found = [target for table in custom_tables() for key, target in table.items() if str(key).endswith(f">{name}")]
    return found[0] if found and all(each is found[0] for each in found) else None


def kinds_of(cls):
    """The kinds of published classes from which a class derives; empty for one that derives from none. A base that has
    no entry of its own says its kind as `_published_kind`."""
    kinds = {_by_object[each].kind for each in getattr(cls, "__mro__", ()) if each in _by_object}
    return kinds | ({cls._published_kind} if hasattr(cls, "_published_kind") else set())


# -- what a description names -----------------------------------------------------------------------------------------

_OURS = ("keras", "tf_keras", "torchkeras", "builtins")  # roots of the modules that published classes are written with


def find_class(described, kinds=None):
    """The class (or what a user put in its place) that a description names, or None: user objects under the registered
    name, the class name or the plain name, then what is published, then what is registered in whatever package.

    Raises `UnsafeFileError` for a published class that goes by somebody else's registered name.
    """
    name, registered = described["class_name"], described.get("registered_name")
    short = name.rpartition(">")[2]
    published = None if _says_users(described) else _published_class(short, kinds, described.get("module"))
    _refuse_false_name(registered, (name, short), published)
    custom = find_custom(registered, name, short)
    if custom is not None or published is not None:
        return published if custom is None else custom
    return find_in_any_package(registered or name)


def find_function(described, name, kinds=None):
    """The function that a description names by `name`, or None."""
    registered, short = described.get("registered_name"), name.rpartition(">")[2]
    named = [each for each in all_named(name, kinds) if not isinstance(each, type)]  # a class may share the name
    _refuse_false_name(registered, ("function", name), named[0] if named else None)
    custom = find_custom(name, short)
    if custom is not None or named:
        return named[0] if custom is None else custom
    return find_in_any_package(name)


def _says_users(described):
    """Whether it was written for a class of a program of the user's, which may be called as a published one."""
    return "module" in described and described["module"] is None and described.get("registered_name") is not None


def is_published_module(module):
    """Whether published classes are written with such a module."""
    return str(module).partition(".")[0] in _OURS


def _published_class(name, kinds, module):
    if module is not None and not is_published_module(module):
        return None
    found = all_named(name, kinds, module)
    return next((each for each in found if isinstance(each, type)), found[0] if found and kinds else None)


def _refuse_false_name(registered, names, published):
    if published is None or registered is None or registered in names:
        return
    if str(registered).rpartition(">")[2] in names and find_custom(registered) in (None, published):
        return
    raise UnsafeFileError(
        f"A config names keras's own {names[-1]!r}, but under the registered name {registered!r} of something else."
    )


# -- resolvers --------------------------------------------------------------------------------------------------------

_resolvers = {}  # kind -> the family's `get`


def set_resolver(kind, get):
    """Called once by each family: how "glorot_uniform", a config, a class or a function becomes an object of the
    kind."""
    _resolvers[kind] = get


def resolve(kind, identifier):
    """What a family makes of an identifier. The rooms above core register themselves; core needs none of their
    names."""
    return _resolvers[kind](identifier)
