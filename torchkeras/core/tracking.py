"""Layers, weights, metrics and seed generators inside lists, dicts, sets and tuples: seen by Keras and by torch.

May import torch and core's trees. What a layer holds is what its attributes hold now, and `register` is the one
function that says so to torch: it walks an attribute and brings `_modules` and `_parameters` in step, under the keys
`<attribute>_<index>` (`blocks_0`, `heads_left`), so that `parameters()`, `state_dict()`, `to()` and
`functional_call` find everything. A list, dict, set or deque in an attribute becomes a twin of its kind that reports
each change to the attributes in which it was seen. A report only asks to look again: a container that an attribute
holds no more may go on reporting without harm.
"""

import weakref
from collections import OrderedDict, defaultdict, deque

import torch

from torchkeras.core import tree
from torchkeras.core.scopes import process

CONTAINERS = (list, tuple, dict, set, deque)


class _Tracked:
    """What the twins share: the attributes in which they were seen, and telling those of changes."""

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
                register(layer, attribute)

    def __reduce_ex__(self, protocol):
        """Copies and pickles hold the contents; the layer around them makes itself known again."""
        reduced = super().__reduce_ex__(protocol)
        return (*reduced[:2], None, *reduced[3:])


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
    return type(f"Tracked{base.__name__.capitalize()}", (_Tracked, base), {"__module__": __name__, **members})


_ONE_ITEM = frozenset(("append", "appendleft", "insert", "add", "pop", "remove", "clear", "__setitem__", "__delitem__"))


def _tell_nothing(args):
    return not any(isinstance(each, slice) or matters(each) for each in args)


_ANY = ("clear", "pop", "remove", "__delitem__", "__setitem__", "__ior__")
_ROW = (*_ANY, "append", "extend", "insert", "reverse", "__iadd__", "__imul__")
_MAP = (*_ANY, "update", "popitem")

TrackedList = _twin(list, (*_ROW, "sort"))
TrackedDeque = _twin(deque, (*_ROW, "appendleft", "extendleft", "popleft", "rotate"))
TrackedSet = _twin(
    set,
    (
        *(*_ANY, "add", "discard", "update", "__isub__", "__iand__", "__ixor__"),
        *("difference_update", "intersection_update", "symmetric_difference_update"),
    ),
)


class _Reading:
    """A dict gives back the twin that stands in it, not what was put in."""

    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]


class TrackedDict(_Reading, _twin(dict, _MAP)):
    """A dict whose layers and weights belong to the layer that holds the dict."""


class TrackedOrderedDict(_Reading, _twin(OrderedDict, (*_MAP, "move_to_end"))):
    """The same for an OrderedDict."""


class TrackedDefaultDict(_Reading, _twin(defaultdict, _MAP)):
    """The same for a defaultdict."""

    def __missing__(self, key):
        super().__missing__(key)
        return self[key]


_TWINS = {
    list: TrackedList,
    dict: TrackedDict,
    set: TrackedSet,
    OrderedDict: TrackedOrderedDict,
    deque: lambda value: TrackedDeque(value, value.maxlen),
    defaultdict: lambda value: TrackedDefaultDict(value.default_factory, value),
}


# -- looking ----------------------------------------------------------------------------------------------------------


def matters(item):
    """Whether a layer must know of it: it is, or may come to hold, something with state."""
    if isinstance(item, (torch.nn.Module, list, dict, set, deque)):
        return True
    if isinstance(item, tuple):
        return any(map(matters, item))
    if isinstance(item, torch.Tensor):
        return isinstance(item, torch.nn.Parameter)
    kind = type(item)
    return getattr(kind, "_is_metric", False) or getattr(kind, "_is_seed_generator", False)


def _pairs(container):
    """`(key, item)` of a container; a set's in the order of names, since its own differs from run to run."""
    if isinstance(container, dict):
        return list(container.items())
    if isinstance(container, set):
        container = sorted(container, key=lambda item: str(getattr(item, "name", "")))
    return list(enumerate(container))


def tracked(value, layer, attribute, seen=()):
    """A value as `layer.attribute` holds it: every list, dict, set and deque in it is a twin that reports there."""
    if not isinstance(value, CONTAINERS) or id(value) in seen:
        return value
    if isinstance(value, tuple):
        parts = [tracked(item, layer, attribute, seen) for item in value]
        return value if all(a is b for a, b in zip(parts, value, strict=True)) else tree.rebuild(value, parts)
    if type(value) in _TWINS:
        value = _TWINS[type(value)](value)
    if isinstance(value, _Tracked):
        value._report_to(layer, attribute)
        value._plain = True
        for key, item in _pairs(value):
            if matters(item):
                value._plain = False
                twin = tracked(item, layer, attribute, (*seen, id(value)))
                if twin is not item:
                    super(_Tracked, value).__setitem__(key, twin)
    return value


def leaves(value, prefix="", seen=None):
    """`(key, item)` for everything inside the containers of a value that matters to a layer; each container once."""
    seen = set() if seen is None else seen
    if not isinstance(value, CONTAINERS):
        if matters(value):
            yield prefix, value
    elif id(value) not in seen and not getattr(value, "_plain", False):
        seen.add(id(value))
        for key, item in _pairs(value):
            if matters(item):
                yield from leaves(item, f"{prefix}_{str(key).replace('.', '_')}", seen)


def held_states(layer, flag):
    """The metrics (`_is_metric`) or seed generators (`_is_seed_generator`) in a layer's attributes, each once."""
    d = layer.__dict__
    found = {}
    for attribute in d["_held"]:
        for _, item in leaves(d.get(attribute)):
            if getattr(type(item), flag, False):
                found[id(item)] = item
    return list(found.values())


def reports(value):
    """Whether a value is, or is a tuple with, a container that reports its changes."""
    return isinstance(value, _Tracked) or (isinstance(value, tuple) and any(map(reports, value)))


# -- telling torch ----------------------------------------------------------------------------------------------------


class Places:
    """The order in which a layer met what it holds: what comes back takes its old place, as in Keras's lists.

    The numbers stand on the things themselves: torch swaps no parameter that anything refers to weakly.
    """

    def __init__(self):
        self._token, self._next = next(process.tokens), 0

    def meet(self, item):
        """Gives an item its number. True for one that has been here before."""
        numbers = item.__dict__.setdefault("_met", {})
        known = self._token in numbers
        if not known:
            numbers[self._token] = self._next
            self._next += 1
        return known

    def sort(self, table):
        """Puts the entries of `_modules` or `_parameters` in order; one without a number stays behind its neighbour."""
        last, numbers = -1, {}
        for key, item in table.items():
            number = None if item is None else item.__dict__.get("_met", {}).get(self._token)
            numbers[key] = last = last if number is None else number
        ordered = sorted(table, key=numbers.__getitem__)
        if ordered != list(table):
            items = {key: table[key] for key in ordered}
            table.clear()
            table.update(items)

    def __reduce__(self):
        return Places, ()  # a copy begins with the order of its tables


def register(layer, attribute):
    """Brings a layer's registered modules and parameters in step with what one of its attributes holds now.

    `_held` of the layer maps each attribute that holds anything to `{key: item}` of what is registered for it; its
    metrics and seed generators are found by walking those attributes.
    """
    d = layer.__dict__
    value = d.get(attribute)
    tracked(value, layer, attribute)
    found = list(leaves(value, attribute))
    wanted = {id(item): (key, item) for key, item in reversed(found) if _table(d, item) is not None}
    wanted = list(reversed(wanted.values()))
    before = d["_held"].get(attribute, {})
    now = before if _begins_with(wanted, before) else {}
    if now is not before:
        layer._children_changed()
        for key, item in before.items():
            if _table(d, item).get(key) is item:
                del _table(d, item)[key]
    came_back = [_enter(layer, key, item, now) for key, item in wanted[len(now) :]]
    if any(came_back):
        d["_places"].sort(d["_modules"])
        d["_places"].sort(d["_parameters"])
    if found:
        d["_held"][attribute] = now
    else:
        d["_held"].pop(attribute, None)


def _begins_with(wanted, before):
    """Whether things were only added at the end: then nothing that is registered need be touched."""
    pairs = zip(wanted, before.items(), strict=False)
    return len(wanted) >= len(before) and all(key == k and item is i for (key, item), (k, i) in pairs)


def _enter(layer, key, item, now):
    """Registers one thing under the next free key. True if the layer knew it already."""
    d = layer.__dict__
    table = _table(d, item)
    if table is d["_modules"]:
        layer._take_in(item)
    else:
        forget_provisional(layer, item)
    while key in d["_modules"] or key in d["_parameters"] or key in d["_buffers"] or key in d:
        key += "_"
    table[key] = now[key] = item
    return d["_places"].meet(item)


def forget_provisional(layer, parameter):
    """A weight that an attribute takes is no longer registered under its own name."""
    key, parameters = parameter.__dict__.get("_provisional"), layer.__dict__["_parameters"]
    if key is not None and parameters.get(key) is parameter:
        del parameters[key], parameter.__dict__["_provisional"]


def exchange(layer, fresh):
    """Puts parameters in the place of others that torch has replaced; `fresh` maps the old one's id to the new one."""
    d = layer.__dict__
    for attribute, keys in d["_held"].items():
        if any(id(item) in fresh for item in keys.values()):
            d["_held"][attribute] = {key: fresh.get(id(item), item) for key, item in keys.items()}
            d[attribute] = _exchanged(d[attribute], fresh, set())


def _exchanged(value, fresh, seen):
    if id(value) in fresh:
        return fresh[id(value)]
    if not isinstance(value, CONTAINERS) or id(value) in seen:
        return value
    seen.add(id(value))
    pairs = [(key, item, _exchanged(item, fresh, seen)) for key, item in _pairs(value)]
    if all(new is item for _, item, new in pairs):
        return value
    if isinstance(value, tuple):
        return tree.rebuild(value, [new for _, _, new in pairs])
    for key, item, new in pairs:
        if isinstance(value, set):
            set.discard(value, item)
            set.add(value, new)
        elif new is not item:
            super(_Tracked, value).__setitem__(key, new)
    return value


def _table(d, item):
    """Where torch keeps a thing of its kind; None for what is none of torch's."""
    if isinstance(item, torch.nn.Module):
        return d["_modules"]
    return d["_parameters"] if isinstance(item, torch.nn.Parameter) else None
