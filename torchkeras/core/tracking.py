"""Layers and weights inside lists and dicts: seen by torch as well.

May import torch. A list or dict assigned to a layer becomes a `TrackedList`/`TrackedDict`: still a list or dict for
the user. What it holds is registered in the owner under `<attribute>_<index>` (`blocks_0`, `heads_left`), so that
`parameters()`, `state_dict()`, `to()` and `functional_call` find it. Every change tells the owner, so layers
appended later count too.
"""

import torch


class _Tracked:
    """What lists and dicts share: knowing who holds them, and telling it of changes."""

    _owner, _key = None, None

    def _attach(self, owner, key):
        self._owner, self._key = owner, key
        self._wrap_new()
        self._changed()

    def _wrap_new(self):
        for key, item in self._pairs():
            wrapped = track(item, self, key)
            if wrapped is not item:
                self._put(key, wrapped)

    def _changed(self):
        tell = getattr(self._owner, "_child_changed", None)
        if tell is not None:
            tell(self._key, self)

    def _child_changed(self, key, child):
        self._changed()

    def _holdings(self, prefix):
        """`(key, module or parameter)` for everything inside, nested ones too."""
        for key, item in self._pairs():
            name = f"{prefix}_{str(key).replace('.', '_')}"
            if isinstance(item, _Tracked):
                yield from item._holdings(name)
            elif isinstance(item, (torch.nn.Module, torch.nn.Parameter)):
                yield name, item


def _mutator(base, name):
    method = getattr(base, name)

    def changed(self, *args, **kwargs):
        result = method(self, *args, **kwargs)
        if self._owner is not None:
            self._wrap_new()
            self._changed()
        return result

    changed.__name__ = name
    return changed


class TrackedList(_Tracked, list):
    """A list whose layers and variables belong to the layer that holds the list."""

    def _pairs(self):
        return list(enumerate(self))

    def _put(self, index, value):
        list.__setitem__(self, index, value)


class TrackedDict(_Tracked, dict):
    """A dict whose layers and variables belong to the layer that holds the dict."""

    def _pairs(self):
        return list(self.items())

    def _put(self, key, value):
        dict.__setitem__(self, key, value)


_LIST_CHANGES = (
    "append",
    "extend",
    "insert",
    "remove",
    "pop",
    "clear",
    "__setitem__",
    "__delitem__",
    "__iadd__",
    "reverse",
    "sort",
)
_DICT_CHANGES = ("update", "pop", "popitem", "clear", "setdefault", "__setitem__", "__delitem__", "__ior__")
for _name in _LIST_CHANGES:
    setattr(TrackedList, _name, _mutator(list, _name))
for _name in _DICT_CHANGES:
    setattr(TrackedDict, _name, _mutator(dict, _name))


def track(value, owner, key):
    """A tracked twin of a plain list or dict, or of a tuple with layers in it; anything else unchanged."""
    if type(value) is list:
        tracked = TrackedList(value)
    elif type(value) is dict:
        tracked = TrackedDict(value)
    elif type(value) is tuple and any(isinstance(item, (torch.nn.Module, torch.nn.Parameter)) for item in value):
        tracked = TrackedList(value)
    else:
        return value
    tracked._attach(owner, key)
    return tracked


def register(layer, attribute, tracked, held):
    """Brings a layer's registered modules and parameters in step with a tracked attribute.

    `held` maps attribute -> {key: object} of what is registered already. Kept entries keep their place in the order;
    new ones come last.
    """
    modules, parameters = layer.__dict__["_modules"], layer.__dict__["_parameters"]
    before, now = held.pop(attribute, {}), {}
    wanted = {id(item) for _, item in tracked._holdings(attribute)} if tracked is not None else set()
    for key, item in before.items():
        if id(item) not in wanted:
            (modules if isinstance(item, torch.nn.Module) else parameters).pop(key, None)
        else:
            now[key] = item
    present = {id(item) for item in now.values()}
    for key, item in tracked._holdings(attribute) if tracked is not None else ():
        if id(item) in present:
            continue
        present.add(id(item))
        table = modules if isinstance(item, torch.nn.Module) else parameters
        if table is modules:
            layer._take_in(item)
        else:
            provisional = item.__dict__.pop("_provisional", None)
            if provisional is not None and parameters.get(provisional) is item:
                del parameters[provisional]
        while key in table or key in layer.__dict__:
            key += "_"
        table[key] = now[key] = item
    if now:
        held[attribute] = now
