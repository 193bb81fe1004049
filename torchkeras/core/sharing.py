"""One layer stays one, however often a config names it.

May import torch and core/scopes only. Knows neither layers nor configs: it numbers what it is shown.

A layer that stands in a submodel and outside of it is described twice. Both descriptions carry the same
`shared_object_id`, as they do in Keras's `.keras` files, and reading the second gives the layer that the first made.
"""

import contextlib

import torch

from torchkeras.core import scopes


class _Described:
    """What one description has met so far. `numbers` is None while repeated objects are being looked for."""

    def __init__(self, numbers=None):
        self.numbers = numbers
        self.met, self.repeated, self.named = {}, [], {}

    def meet(self, obj, config):
        key = id(obj)
        if self.numbers is None:
            if key in self.met:
                self.repeated.append(key)
            self.met[key] = obj  # held, so that no other object can get its id
        elif key in self.numbers:
            config["shared_object_id"] = self.numbers[key]


class _ById(_Described):
    """Numbers every object by its `id`: for copies made at once, while the originals live."""

    def meet(self, obj, config):
        self.met[id(obj)] = obj
        config["shared_object_id"] = id(obj)


def described(describe):
    """`describe()`; where it is the outermost description, what it meets twice is numbered in the order of meeting.

    Nothing is numbered in most models, and then nothing is done twice.
    """
    if scopes.state.described is not None:
        return describe()
    with scopes.override(described=_Described()):
        config = describe()
        found = scopes.state.described
    if not found.repeated:
        return config
    repeated = set(found.repeated)
    numbers = {key: number for number, key in enumerate((key for key in found.met if key in repeated), 1)}
    with scopes.override(described=_Described(numbers)):
        return describe()


def note(obj, config):
    """An object was described as `config`."""
    if scopes.state.described is not None:
        scopes.state.described.meet(obj, config)


@contextlib.contextmanager
def rebuilding():
    """What is read inside shares its objects; part of the block around it, where there is one."""
    with scopes.override(rebuilt={} if scopes.state.rebuilt is None else scopes.state.rebuilt):
        yield


def known(config, cls):
    """The object that an earlier description of the same number became, or None. It is of the class asked for."""
    number = config.get("shared_object_id")
    if number is None:
        return None
    found = scopes.state.rebuilt.get(number)
    if found is None and issubclass(cls, torch.nn.Module):
        found = _first_without_number(config, cls)
    return found if type(found) is cls else None


def _first_without_number(config, cls):
    """The layer of this name: Keras leaves the number out of the first description of several where that one stands
    in a submodel."""
    inner = config.get("config")
    met = scopes.state.rebuilt.get(_kind(config, cls), ()) if isinstance(inner, dict) else ()
    return next((obj for earlier, obj in met if _plain(earlier) == _plain(inner)), None)


def _kind(config, cls):
    inner = config.get("config")
    return cls, str(inner.get("name")) if isinstance(inner, dict) else None


def _plain(config):
    """A config without numbers of shared objects."""
    if isinstance(config, dict):
        return {key: _plain(value) for key, value in config.items() if key != "shared_object_id"}
    return [_plain(value) for value in config] if isinstance(config, (list, tuple)) else config


def keep(config, obj):
    """An object was made from a description that others may share."""
    if "shared_object_id" in config:
        scopes.state.rebuilt[config["shared_object_id"]] = obj
    elif isinstance(obj, torch.nn.Module):
        scopes.state.rebuilt.setdefault(_kind(config, type(obj)), []).append((config.get("config"), obj))


def name(target, written):
    """A class or function of the user's was described by a name."""
    if scopes.state.described is not None:
        scopes.state.described.named[written] = target


@contextlib.contextmanager
def copying(copies):
    """Descriptions that are made and read inside are of the same objects: `copies` maps `id(original)` to its copy. The
    users' classes and functions that they name are known."""
    described = _ById()
    known = (*scopes.state.custom_objects, described.named)
    with scopes.override(described=described, rebuilt=copies, custom_objects=known):
        yield
