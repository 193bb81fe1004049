"""Which class or function a Keras name stands for, and of which kind it is.

Imports core/scopes only. A config names objects by module and class name; a slot of a config accepts its own kind only
(layer, initializer, loss…), so that a file can never name something that does not belong there.
"""

import contextlib

from torchkeras.core.scopes import custom_objects, state

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
            "metric_function", "optimizer", "optimizer map", "torch optimizer", "schedule", "policy", "operation" or
            "seed generator".
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

    Example:
        >>> @register_keras_serializable(package="lab")
        ... def swish_ish(x): return x
        >>> get_registered_name(swish_ish)
        'lab>swish_ish'
    """

    def decorate(target):
        if isinstance(target, type) and not hasattr(target, "get_config"):
            raise ValueError(f"Cannot register {target.__name__}: it has no get_config() method.")
        full = f"{package}>{name or target.__name__}"
        custom_objects[full] = target
        _package_names[target] = full
        return target

    return decorate


def get_registered_name(obj):
    """`package>name` of a registered class or function, else its plain name."""
    return _package_names.get(obj, getattr(obj, "__name__", None))


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
            if not isinstance(table, dict):
                raise TypeError(f"custom_object_scope needs dicts of name -> object, got {table!r}.")
        self.table = {key: value for table in tables for key, value in table.items()}

    def __enter__(self):
        self._old = state.custom_objects
        state.custom_objects = (*self._old, self.table)
        return self

    def __exit__(self, *error):
        state.custom_objects = self._old


custom_object_scope = CustomObjectScope


def find_custom(*names, custom=None):
    """The first user object known under one of these names, or None."""
    for name in names:
        if name:
            found = get_registered_object(name, custom)
            if found is not None:
                return found
    return None


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
