"""Lining up what belongs to a model's outputs: targets, weights, losses, metrics — single, listed or by name.

May import core. Everything is brought into the flat order of the predictions.
"""

from torchkeras.core import tree


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
            last = self.prefix(index, given) or loss.name
        return "/".join(map(str, (*outer, last)))

    def order_of(self, given, y_pred):
        """Indices of the outputs in order; where they are a dict, in that of the dict `given` or else of `y_pred`."""
        listed = () if self.keys is None else given if isinstance(given, dict) else y_pred
        places = {alias: index for index, aliases in enumerate(self._aliases) for alias in aliases}
        return list(dict.fromkeys([places[name] for name in listed if name in places] + list(range(self.count))))

    def align(self, value, what, default=None, everywhere=False):
        """One entry for each output.

        Args:
            value: None, one entry, a list or tuple in order, or a dict by output name.
            what: what the entries are, for errors.
            default: entry of outputs that are not named.
            everywhere: whether one plain entry holds for all outputs.

        Raises `ValueError` for a wrong count or an unknown name.
        """
        if value is None:
            return [default] * self.count
        if self.deep and tree.is_nested(value) and not (everywhere and isinstance(value, dict) and not value):
            found = [_at(value, path, default) for path in self.paths]
            if _MISFIT not in found:
                return found
        if isinstance(value, dict):
            return self._align_dict(value, what, default)
        if isinstance(value, (list, tuple)):
            if self.single and len(value) == 1:
                return [value[0]]
            flat = list(value) if len(value) == self.count else tree.flatten(value)
            if len(flat) == self.count:
                return flat
            raise ValueError(f"{what} has {len(flat)} entries, but the model has {self.count} output(s): {self.names}.")
        if self.single or everywhere:
            return [value] * self.count
        raise ValueError(
            f"{what} is one entry, but the model has {self.count} outputs {self.names}: pass a list or a dict by name."
        )

    def _align_dict(self, value, what, default):
        entries, left = [default] * self.count, dict(value)
        for index, aliases in enumerate(self._aliases):
            for alias in aliases:
                if alias in left:
                    entries[index] = left.pop(alias)
                    break
        if left and self.single and len(value) == 1:
            return [next(iter(value.values()))]
        if left:
            raise ValueError(f"{what} names {sorted(map(str, left))}, but the outputs of the model are {self.names}.")
        return entries


_MISFIT = object()


def _paths(structure, path=()):
    """Keys and indices that lead to each leaf, in flat order."""
    if not tree.is_nested(structure):
        return [path]
    keys = tree.sorted_keys(structure) if isinstance(structure, dict) else range(len(structure))
    return [found for key in keys for found in _paths(structure[key], (*path, key))]


def _at(value, path, default):
    """The entry at a path of something built like the outputs; a name that a dict lacks gives the default."""
    for key in path:
        if isinstance(value, dict) and not isinstance(key, int):
            value = value.get(key)
        elif isinstance(value, (list, tuple)) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return _MISFIT
        if value is None:
            return default
    return value
