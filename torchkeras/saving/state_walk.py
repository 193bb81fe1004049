"""The one walk over everything of a model that has state: `.keras`, `.weights.h5` and safetensors go by its paths.

May import core. Knows no class above core: what has state is published as a layer, model, metric, loss, optimizer or
operation, or is a torch module. Paths are those of Keras's files, so that files cross: attributes by name, members of
lists and dicts by their class in snake case (automatic layer names differ from one instance to the next).
"""

import types
import weakref
from collections import deque
from functools import cache

import torch

from torchkeras.core import containers, registry, scopes
from torchkeras.core.layer import Layer

_KINDS = frozenset(("layer", "model", "metric", "loss", "optimizer", "torch optimizer", "operation"))
_PLAIN = (str, bytes, int, float, type(None), torch.Tensor)
CONTAINERS = (list, tuple, dict, set, deque, torch.nn.ModuleList, torch.nn.ModuleDict)


def walk(root):
    """`(path, object)` for an object and all below it that may have state: parents first, each object once.

    A path is empty for the root, `layers/dense` or `optimizer` for what it holds. Objects without a state of their own
    come too: what they write down is for `save_variables` and their `save_assets` to say.
    """
    yield from _walk_object(root, "", set())


def _walk_object(obj, path, visited):
    if id(obj) in visited:
        return
    visited.add(id(obj))
    yield path, obj
    for name, child in children(obj):
        if isinstance(child, CONTAINERS):
            yield from _walk_container(child, _join(path, name), visited, set())
        elif has_state(child):
            yield from _walk_object(child, _join(path, name), visited)


def _walk_container(container, path, visited, open_containers):
    if id(container) in open_containers:
        return
    open_containers.add(id(container))
    counts = {}
    for item in members(container):
        if isinstance(item, CONTAINERS):
            yield from _walk_container(item, _join(path, numbered("container", counts)), visited, open_containers)
        elif has_state(item):
            name = numbered(scopes.snake_case(_class_name(item)), counts)
            yield from _walk_object(item, _join(path, name), visited)


def _join(path, name):
    return f"{path}/{name}" if path else name


def _class_name(obj):
    """The name of its class; while a file is read, that of the class in whose place it stands."""
    waiting = scopes.state.unfilled
    name = type(obj).__name__
    return name if waiting is None else waiting.saved_as.get(id(obj), name)


def numbered(name, counts):
    """`dense`, `dense_1`… in one container, whatever the layers' own names are."""
    counts[name] = counts.get(name, -1) + 1
    return f"{name}_{counts[name]}" if counts[name] else name


def members(container):
    if isinstance(container, (dict, torch.nn.ModuleDict)):
        return list(container.values())
    if isinstance(container, set):
        return [item for _, item in containers.pairs_of(container)]
    return list(container)


def has_state(obj):
    if isinstance(obj, (*_PLAIN, type)) and not isinstance(obj, torch.nn.Module):
        return False
    if isinstance(obj, torch.optim.Optimizer):  # the base of users' optimizers has no published name
        return hasattr(obj, "save_own_variables")
    return isinstance(obj, torch.nn.Module) or any(
        entry is not None and entry.kind in _KINDS for entry in map(registry.entry_of, type(obj).__mro__)
    )


def children(obj):
    """`(attribute, value)`: a graph's layers first, then public attributes by name, then private ones."""
    if isinstance(obj, torch.nn.Module) and not isinstance(obj, Layer):
        return  # a plain module is one object: its `state_dict` says everything
    first = getattr(obj, "_saved_first", ())
    cls = type(obj)
    if cls not in _names_of_classes:
        _names_of_classes[cls] = frozenset(_class_names(cls)) | set(getattr(obj, "_saved_too", ()))
    names = (_instance_names(obj) | _names_of_classes[cls]) - set(first)
    names -= set(getattr(obj, "_saved_never", ()))
    written = getattr(obj, "_saved_as", {})  # public here, private in Keras
    names = {written.get(name, name): name for name in names}
    for name in (*first, *sorted(names, key=lambda name: f"~{name}" if name.startswith("_") else name)):
        found, value = _attribute(obj, names.get(name, name))
        if found:
            yield name, value


_names_of_classes = weakref.WeakKeyDictionary()  # a model has thousands of layers of few classes


def _attribute(obj, name):
    """`(whether there is one, its value)`."""
    for table in (vars(obj), vars(obj).get("_modules", {})):
        if name in table:
            return True, table[name]
    try:
        return True, getattr(obj, name)
    except Exception:  # noqa: BLE001 - a property of a user's class that raises, whatever it raises, is no state
        return False, None


@cache
def _reserved():
    """Names that every layer has."""
    reference = Layer(name="reference")
    return frozenset(vars(reference)), frozenset(dir(reference))


def _instance_names(obj):
    names = {*vars(obj), *vars(obj).get("_modules", ())}
    return {name for name in names - _reserved()[0] if not name.startswith("__")}


def _class_names(cls):
    """Properties, and what stands in the class, of users' classes and of our layers: they may show what has state.

    What the other rooms define on their classes is machinery; a model says itself which of it counts.
    """
    names = set()
    for each in cls.__mro__:
        room = each.__module__
        if room.startswith(("torch.", "builtins")) or (
            room.startswith("torchkeras.") and not room.startswith("torchkeras.layers.")
        ):
            continue
        names |= {name for name, value in vars(each).items() if not isinstance(value, _FUNCTIONS)}
    return {name for name in names - _reserved()[1] if not name.startswith("__")}


_FUNCTIONS = (types.FunctionType, classmethod, staticmethod, *_PLAIN)


# -- what one object writes -------------------------------------------------------------------------------------------


def keeps_values(obj):
    """Whether an object writes anything; metrics do not."""
    return hasattr(obj, "save_own_variables") or isinstance(obj, torch.nn.Module)


def save_variables(obj, store):
    """Writes what `obj` itself, without its children, keeps: by its own method, for a plain module its `state_dict`."""
    if hasattr(obj, "save_own_variables"):
        obj.save_own_variables(store)
    elif isinstance(obj, torch.nn.Module):
        for key, value in obj.state_dict().items():
            store[key] = value


def load_variables(obj, store):
    """Reads what `save_variables` wrote."""
    if hasattr(obj, "load_own_variables"):
        obj.load_own_variables(store)
    elif isinstance(obj, torch.nn.Module):
        obj.load_state_dict({key: torch.as_tensor(store[key]) for key in list(store.keys())})
