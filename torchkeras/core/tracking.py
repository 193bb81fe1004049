"""What a layer holds is what its attributes hold now.

May import torch and core's containers and scopes. `register` is the one function that says so to torch: it walks an
attribute and brings `_modules` and `_parameters` in step, under the keys `<attribute>_<index>` (`blocks_0`,
`heads_left`), so that `parameters()`, `state_dict()`, `to()` and `functional_call` find everything. Metrics and seed
generators are found by walking, whenever someone asks.
"""

import torch

from torchkeras.core.containers import exchanged, leaves, tracked
from torchkeras.core.scopes import process


def held_states(layer, flag):
    """The metrics (`_is_metric`) or seed generators (`_is_seed_generator`) in a layer's attributes, each once."""
    found = {}
    for attribute in layer._held:
        for _, item in leaves(layer.__dict__.get(attribute)):
            if getattr(type(item), flag, False):
                found[id(item)] = item
    return list(found.values())


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

    def forget(self, item):
        """What comes back after this comes last."""
        item.__dict__["_met"].pop(self._token)

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
            d[attribute] = tracked(exchanged(d[attribute], fresh), layer, attribute)


def _table(d, item):
    """Where torch keeps a thing of its kind; None for what is none of torch's."""
    if isinstance(item, torch.nn.Module):
        return d["_modules"]
    return d["_parameters"] if isinstance(item, torch.nn.Parameter) else None
