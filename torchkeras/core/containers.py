"""Lists, dicts, sets, deques and tuples that layers hold: twins of Python's own that report changes and read weights.

May import torch and core's trees and scopes. Knows of a layer only three things: `_look_again(attribute)` takes a
report, `_held` says under which key a weight is registered, and reading that key gives the weight as the layer reads
it. A twin reports to every attribute in which it was seen. A report only asks to look again: a container that an
attribute holds no more may go on reporting without harm.

A container with weights gives each as the attribute of its key would: in the compute dtype inside a mixed-precision
layer, as a given value under `torch.func.functional_call`, pruned or parametrized where torch's tools did that.
"""

import weakref
from collections import OrderedDict, defaultdict, deque

import torch
from torch.utils import _pytree as pytree

from torchkeras.core import tree
from torchkeras.core.scopes import state

CONTAINERS = (list, tuple, dict, set, deque)


class Tracked:
    """What the twins share: the attributes in which they were seen, telling those of changes, and reading weights."""

    _owners = ()  # pairs (weak reference to a layer, attribute)
    _plain = False  # whether nothing inside matters to a layer: numbers may come and go unreported

    def _report_to(self, layer, attribute):
        if not any(owner() is layer and name == attribute for owner, name in self._owners):
            alive = [(owner, name) for owner, name in self._owners if owner() is not None]
            self._owners = (*alive, (weakref.ref(layer), attribute))

    def _changed(self):
        for owner, attribute in self._owners:
            layer = owner()
            if layer is not None:
                layer._look_again(attribute)

    def _read(self, item):
        """A weight as the layer reads it that holds the container; of several the one that computes now."""
        if not isinstance(item, torch.nn.Parameter):
            return item
        found = None
        for owner, attribute in self._owners:
            layer = owner()
            for key, held in () if layer is None else layer.__dict__["_held"].get(attribute, {}).items():
                if held is item and (found is None or layer is state.casting):
                    found = layer, key
        return item if found is None else getattr(*found)

    def __reduce_ex__(self, protocol):
        """Copies and pickles hold the contents; the layer around them makes itself known again."""
        function, arguments, *_ = super().__reduce_ex__(protocol)
        if isinstance(self, dict):
            return function, arguments, None, None, iter(pairs_of(self))
        rows = None if isinstance(self, (set, tuple)) else iter([item for _, item in pairs_of(self)])
        return function, arguments, None, rows


def _twin(base, changes):
    """A subclass of `base` whose methods named in `changes` report."""

    def reporting(name):
        method = getattr(base, name)

        def changed(self, *args, **kwargs):
            try:
                return method(self, *args, **kwargs)
            finally:  # what raised half way may have changed something too
                if self._owners and not (self._plain and name in _ONE_ITEM and _tell_nothing(args)):
                    self._changed()

        changed.__name__, changed.__doc__ = name, method.__doc__
        return changed

    members = {name: reporting(name) for name in changes if hasattr(base, name)}
    return type(f"Tracked{base.__name__.capitalize()}", (Tracked, base), {"__module__": __name__, **members})


_ONE_ITEM = frozenset(("append", "appendleft", "insert", "add", "pop", "remove", "clear", "__setitem__", "__delitem__"))


def _tell_nothing(args):
    return not any(isinstance(each, slice) or matters(each) for each in args)


_ANY = ("clear", "pop", "remove", "__delitem__", "__setitem__", "__ior__")
_ROW = (*_ANY, "append", "extend", "insert", "reverse", "__iadd__", "__imul__")
_MAP = (*_ANY, "update", "popitem")
_SET = (*_ANY, "add", "discard", "update", "__isub__", "__iand__", "__ixor__", "difference_update")

TrackedList = _twin(list, (*_ROW, "sort"))
TrackedDeque = _twin(deque, (*_ROW, "appendleft", "extendleft", "popleft", "rotate"))
TrackedSet = _twin(set, (*_SET, "intersection_update", "symmetric_difference_update"))


class _GivesTwins:
    """A dict gives back the twin that stands in it, not what was put in."""

    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]


class TrackedDict(_GivesTwins, _twin(dict, _MAP)):
    """A dict whose layers and weights belong to the layer that holds the dict."""


class TrackedOrderedDict(_GivesTwins, _twin(OrderedDict, (*_MAP, "move_to_end"))):
    """The same for an OrderedDict."""


class TrackedDefaultDict(_GivesTwins, _twin(defaultdict, _MAP)):
    """The same for a defaultdict."""

    def __missing__(self, key):
        super().__missing__(key)
        return self[key]


# -- containers with weights: they cost a look-up for each item read, so that only they have it ------------------------


class _RowOfWeights:
    def __getitem__(self, index):
        found = super().__getitem__(index)
        return type(found)(map(self._read, found)) if isinstance(index, slice) else self._read(found)

    def __iter__(self):
        return map(self._read, super().__iter__())

    def __reversed__(self):
        return map(self._read, super().__reversed__())


class _MapOfWeights:
    def __getitem__(self, key):
        return self._read(super().__getitem__(key))

    def get(self, key, default=None):
        return self._read(super().get(key, default))

    def values(self):
        return [self._read(item) for item in super().values()]

    def items(self):
        return [(key, self._read(item)) for key, item in super().items()]


class WeightList(_RowOfWeights, TrackedList):
    """A list with weights in it."""


class WeightDeque(_RowOfWeights, TrackedDeque):
    """A deque with weights in it."""


class WeightTuple(_RowOfWeights, Tracked, tuple):
    """A tuple with weights in it."""

    def __reversed__(self):
        return reversed(list(self))


class WeightDict(_MapOfWeights, TrackedDict):
    """A dict with weights in it."""


class WeightOrderedDict(_MapOfWeights, TrackedOrderedDict):
    """An OrderedDict with weights in it."""


class WeightDefaultDict(_MapOfWeights, TrackedDefaultDict):
    """A defaultdict with weights in it."""


_TWINS = {
    list: TrackedList,
    dict: TrackedDict,
    set: TrackedSet,
    OrderedDict: TrackedOrderedDict,
    deque: lambda value: TrackedDeque(value, value.maxlen),
    defaultdict: lambda value: TrackedDefaultDict(value.default_factory, value),
}
_WITH_WEIGHTS = {
    TrackedList: WeightList,
    TrackedDeque: WeightDeque,
    TrackedDict: WeightDict,
    TrackedOrderedDict: WeightOrderedDict,
    TrackedDefaultDict: WeightDefaultDict,
}
_WITHOUT = {with_weights: without for without, with_weights in _WITH_WEIGHTS.items()}


# -- looking inside ---------------------------------------------------------------------------------------------------


def matters(item):
    """Whether a layer must know of it: it is, or may come to hold, something with state."""
    if isinstance(item, (torch.nn.Module, list, dict, set, deque)):
        return True
    if isinstance(item, tuple):
        return any(map(matters, tuple.__iter__(item)))
    if isinstance(item, torch.Tensor):
        return isinstance(item, torch.nn.Parameter)
    kind = type(item)
    return getattr(kind, "_is_metric", False) or getattr(kind, "_is_seed_generator", False)


def reports(value):
    """Whether a value is, or is a tuple with, a container that reports its changes."""
    return isinstance(value, Tracked) or (isinstance(value, tuple) and any(map(reports, value)))


def pairs_of(container):
    """`(key, item)` as they stand in a container; a set's in the order of names, since its own differs between runs."""
    if isinstance(container, dict):
        return list((OrderedDict if isinstance(container, OrderedDict) else dict).items(container))
    if isinstance(container, set):
        return list(enumerate(sorted(container, key=lambda item: str(getattr(item, "name", "")))))
    base = next(kind for kind in (list, tuple, deque) if isinstance(container, kind))
    return list(enumerate(base.__iter__(container)))


def tracked(value, layer, attribute, seen=()):
    """A value as `layer.attribute` holds it: every list, dict, set and deque in it is a twin that reports there."""
    if not isinstance(value, CONTAINERS) or id(value) in seen:
        return value
    if isinstance(value, tuple):
        return _tracked_tuple(value, layer, attribute, seen)
    if type(value) in _TWINS:
        value = _TWINS[type(value)](value)
    if isinstance(value, Tracked):
        value._report_to(layer, attribute)
        plain, weights = True, False
        for key, item in pairs_of(value):
            if matters(item):
                plain, weights = False, weights or isinstance(item, torch.nn.Parameter)
                twin = tracked(item, layer, attribute, (*seen, id(value)))
                if twin is not item:
                    _put(value, key, item, twin)
        value._plain = plain
        kind = (_WITH_WEIGHTS if weights else _WITHOUT).get(type(value))
        if kind is not None:
            value.__class__ = kind
    return value


def _tracked_tuple(value, layer, attribute, seen):
    items = list(tuple.__iter__(value))
    parts = [tracked(item, layer, attribute, seen) for item in items]
    if any(a is not b for a, b in zip(parts, items, strict=True)):
        value = tree.rebuild(value, parts)
    if type(value) is tuple and any(isinstance(item, torch.nn.Parameter) for item in value):
        value = WeightTuple(value)
    if isinstance(value, WeightTuple):
        value._report_to(layer, attribute)
    return value


def _put(container, key, old, new):
    """Puts something in the place of another, without a report."""
    if isinstance(container, set):
        set.discard(container, old)
        set.add(container, new)
    else:
        super(Tracked, container).__setitem__(key, new)


def leaves(value, prefix="", seen=None):
    """`(key, item)` for everything inside the containers of a value that matters to a layer; each container once."""
    seen = set() if seen is None else seen
    if not isinstance(value, CONTAINERS):
        if matters(value):
            yield prefix, value
    elif id(value) not in seen and not getattr(value, "_plain", False):
        seen.add(id(value))
        for key, item in pairs_of(value):
            if matters(item):
                yield from leaves(item, f"{prefix}_{str(key).replace('.', '_')}", seen)


def exchanged(value, fresh, seen=()):
    """A value with things in the place of others: `fresh` maps the id of an old one to the new one."""
    if id(value) in fresh:
        return fresh[id(value)]
    if not isinstance(value, CONTAINERS) or id(value) in seen:
        return value
    pairs = [(key, item, exchanged(item, fresh, (*seen, id(value)))) for key, item in pairs_of(value)]
    if all(new is item for _, item, new in pairs):
        return value
    if isinstance(value, tuple):
        return tree.rebuild(value, [new for _, _, new in pairs])
    for key, item, new in pairs:
        if new is not item:
            _put(value, key, item, new)
    return value


def _enter_in_pytrees():
    """torch's function transforms and exports take a twin apart as they do its plain kind."""
    for kind in (*_WITHOUT, *_WITH_WEIGHTS, WeightTuple):
        if issubclass(kind, dict):
            pytree.register_pytree_node(kind, _dict_parts, lambda values, keys: dict(zip(keys, values, strict=True)))
        else:
            pytree.register_pytree_node(kind, _row_parts, lambda items, plain: plain(items))


def _dict_parts(value):
    return list(value.values()), list(value)


def _row_parts(value):
    return list(value), next(plain for plain in (list, tuple, deque) if isinstance(value, plain))


_enter_in_pytrees()
