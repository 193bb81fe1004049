"""Lining up what belongs to a model's outputs: targets, weights, losses, metrics — single, listed or by name.

May import core. Everything is brought into the flat order of the predictions.
"""

from torchkeras.core import tree
from torchkeras.errors import OutputError


class Outputs:
    """The outputs of a model as its first prediction shows them.

    Args:
        y_pred: a prediction: tensor or structure of tensors.
        names: the model's output names in flat order, or None if it has none.
    """

    def __init__(self, y_pred, names=None):
        self.single = not tree.is_nested(y_pred)
        self.structure = None if self.single else tree.map_structure(lambda _: 0, y_pred)
        self.count = 1 if self.single else len(tree.flatten(y_pred))
        self.keys = None
        if isinstance(y_pred, dict) and all(not tree.is_nested(value) for value in y_pred.values()):
            self.keys = tree.sorted_keys(y_pred)
        self.paths = [()] if self.single else _paths(y_pred)
        self.deep = any(len(path) > 1 for path in self.paths)
        numbered = [f"output_{i + 1}" for i in range(self.count)]
        given = names if names is not None and len(names) == self.count else None
        self.names = self.keys or given or numbered
        self.named = self.names is not numbered
        self._in_order_of_outputs = given is None  # a Functional model goes through its outputs in flat order
        self._aliases = [{name, *((given or numbered)[i : i + 1]), numbered[i]} for i, name in enumerate(self.names)]

    def flat(self, structure):
        """Leaves of a prediction."""
        return [structure] if self.single else tree.flatten(structure)

    def prefix(self, index, given):
        """The output's name where logs begin with it: outputs in a plain list have none, unless `given` names them."""
        return self.names[index] if self.count > 1 and (self.named or isinstance(given, dict)) else None

    def loss_name(self, index, given, loss):
        """What the loss of an output is called in logs, without `_loss`: its path, ending in a name."""
        *outer, last = self.paths[index]
        if isinstance(last, int) or not self.deep:
            last = self.prefix(index, None if self.deep else given) or loss.name
        return "/".join(map(str, (*outer, last)))

    def order_of(self, given, y_pred):
        """Indices of the outputs in the order of their logs: where they are a dict, that of the dict `given`."""
        listed = ()
        if self.keys is not None and isinstance(given, dict):
            listed = given
        elif self.keys is not None and self._in_order_of_outputs and not tree.is_nested(given):
            listed = y_pred
        places = {alias: index for index, aliases in enumerate(self._aliases) for alias in aliases}
        return list(dict.fromkeys([places[name] for name in listed if name in places] + list(range(self.count))))

    def align(self, value, what, everywhere=False, only=None, lists=False):
        """One entry for each output, in flat order; None for outputs that have none.

        Args:
            value: None, one entry, a list or tuple in order, a dict by output name, or what is built like the outputs.
            what: what the entries are, for errors.
            everywhere: whether one plain entry holds for all outputs.
            only: indices of outputs for which alone a shorter list, or one entry, may be given.
            lists: whether an entry may be a list or dict itself.

        Raises `OutputError` for a wrong count or an unknown name.
        """
        if value is None:
            return [None] * self.count
        if self.count == 1:
            return [self._sole(value, what, lists)]
        if not tree.is_nested(value):
            if everywhere:
                return [value] * self.count
            return self._spread([value], what, only, "is one entry")
        entries = _like(value, self.structure) if self.deep else None
        if entries is None and isinstance(value, dict):
            entries = self._by_name(value, what)
        if entries is None:
            entries = list(value) if len(value) == self.count else tree.flatten(value)
            entries = self._spread(entries, what, only, f"has {len(entries)} entries")
        if not lists and any(tree.is_nested(entry) for entry in entries):
            raise OutputError(
                f"{what} holds lists or dicts where it should have one entry for each of the outputs {self.names}."
            )
        return entries

    def _sole(self, value, what, lists):
        """The entry of the only output: bare, or alone in lists and dicts."""
        while tree.is_nested(value):
            if isinstance(value, dict):
                known = self._aliases[0].union(*self.paths)
                if self.named and not known.issuperset(value):
                    raise OutputError(f"{what} names {sorted(map(str, value))}, but the output is {self.names[0]!r}.")
                value = list(value.values()) or [None]
            elif lists:
                return value
            if len(value) != 1:
                raise OutputError(f"{what} has {len(value)} entries, but the model has 1 output.")
            value = value[0]
        return value

    def _spread(self, entries, what, only, given):
        """A list in order, for all outputs or for those in `only`; `given` says in errors what came."""
        if len(entries) == self.count:
            return entries
        if only is None or len(entries) != len(only):
            raise OutputError(
                f"{what} {given}, but the model has {self.count} outputs {self.names}: pass a list in their order or a "
                "dict by name."
            )
        places = dict(zip(only, entries))
        return [places.get(index) for index in range(self.count)]

    def _by_name(self, value, what):
        entries, left = [None] * self.count, dict(value)
        for index, aliases in enumerate(self._aliases):
            for alias in aliases:
                if alias in left:
                    entries[index] = left.pop(alias)
                    break
        if left:
            raise OutputError(f"{what} names {sorted(map(str, left))}, but the outputs of the model are {self.names}.")
        return entries


def _paths(structure, path=()):
    """Keys and indices that lead to each leaf, in flat order."""
    if not tree.is_nested(structure):
        return [path]
    keys = tree.sorted_keys(structure) if isinstance(structure, dict) else range(len(structure))
    return [found for key in keys for found in _paths(structure[key], (*path, key))]


def _like(value, structure):
    """The entries of something built like the outputs, None where it has none; None if it is built in another way."""
    if not tree.is_nested(structure):
        return [value]
    if value is None:
        return [None] * len(tree.flatten(structure))
    if isinstance(structure, dict):
        if not isinstance(value, dict) or not set(structure).issuperset(value):
            return None
        parts = [_like(value.get(key), structure[key]) for key in tree.sorted_keys(structure)]
    else:
        if not isinstance(value, (list, tuple)) or len(value) != len(structure):
            return None
        parts = [_like(item, part) for item, part in zip(value, structure)]
    return None if any(part is None for part in parts) else [entry for part in parts for entry in part]
