"""Weights in Keras 2's layout of HDF5: a group for each layer of a model, which lists its weights by name.

May import core and this room's files of HDF5. A file of `save_weights` has it at its root, one of `save` under
`model_weights`. Nothing of a model changes before everything of the file is known to fit.
"""

import warnings

import numpy as np

from torchkeras.core.conversion import to_numpy
from torchkeras.core.layer_saving import give
from torchkeras.core.layer_state import LayerState
from torchkeras.core.matching import matched
from torchkeras.saving import guards, hdf5, old_weights
from torchkeras.saving.old_graphs import without_slash
from torchkeras.saving.weights_h5 import Stored

TOP = "top_level_model_weights"
_HEADER = 64_000  # bytes that one attribute may have; HDF5 takes a little more
_SHOWN = 50  # lines that an error lists


# -- a file of this layout --------------------------------------------------------------------------------------------


class Layers:
    """The layers that a group lists, each with its weights in order."""

    def __init__(self, file, groups, root, budget, name):
        self._file, self._groups, self._budget, self.name = file, groups, budget, name
        self.version, self.backend = self.text(root, "keras_version") or "1", self.text(root, "backend")
        self.weights = {each: self.listed(f"{root}/{each}" if root else each) for each in self._names(root)}
        top = f"{root}/{TOP}" if root else TOP
        self.top = self.listed(top) if top in groups else None

    @staticmethod
    def are_at(file, groups, root, budget, name):
        """Whether a group has this layout."""
        return root in groups and any(
            hdf5.read_attribute(file, root, key, budget, name) is not None for key in ("layer_names", "layer_names0")
        )

    def text(self, path, key):
        """An attribute that is one text."""
        return hdf5.read_attribute(self._file, path, key, self._budget, self.name)

    def texts(self, path, key):
        """A list of names, which may have been too long for one attribute."""
        found = self.text(path, key)
        if found is None:
            found, place = [], 0
            while (part := self.text(path, f"{key}{place}")) is not None:
                found, place = [*found, *part], place + 1
        for text in found:
            if ".." in text.split("/") or text.startswith("/"):
                raise guards.UnsafeFileError(f"{self.name}: the name {text!r} leads out of its group.")
        return found

    def _names(self, root):
        names = self.texts(root, "layer_names")
        if len(set(names)) != len(names):
            raise guards.CorruptFileError(f"{self.name} lists a layer twice.")
        return names

    def listed(self, path):
        """`{name: dataset}` of the weights that a group lists, in this order."""
        if path not in self._groups:
            raise guards.CorruptFileError(f"{self.name} lists {path!r}, but holds nothing of this name.")
        found = {}
        for name in self.texts(path, "weight_names"):
            group, _, leaf = f"{path}/{name}".rpartition("/")
            if leaf not in self._groups.get(group, {}):
                raise guards.CorruptFileError(f"{self.name}: {path!r} lists a weight {name!r} that it does not hold.")
            found[name] = self._groups[group][leaf]
        return found


# -- reading ----------------------------------------------------------------------------------------------------------


def load(model, saved, by_name=False, skip_mismatch=False, skip=(), same_model=False):
    """Loads what a file lists into a built model.

    Args:
        saved: `Layers`.
        by_name: whether layers take what has their name, and the others stay as they are; else in order.
        skip_mismatch: whether what does not fit is left as it is, with a warning. Otherwise `ValueError` lists all of
            it, and nothing has changed.
        skip: layers that are left as they are.
        same_model: whether the names of the layers are those of the file, so that they go before the order.
    """
    targets = [(layer, weights) for layer in model.layers if (weights := weights_of(layer))]
    filled = {name: weights for name, weights in saved.weights.items() if weights}
    states = _states(model, filled, saved)
    if by_name:
        pairs = [(target, target[0].name) for target in targets if target[0].name in filled]
        ours = {layer.name for layer, _ in targets}
        _tell_unmatched([name for name in filled if name not in ours], saved.name)
    else:
        pairs = _pairs(targets, filled, saved, same_model)
    plan, faults = [], []
    for (layer, weights), name in pairs:
        if all(layer is not each for each in skip):
            _judge(layer, weights, filled[name], saved, plan, faults)
    if saved.top is not None:
        _judge(model, LayerState._own_variables(model), saved.top, saved, plan, faults)
    if faults:
        _tell(faults, saved.name, skip_mismatch)
    for weight, store, key in plan:
        give(weight, store, key)
    for layer, store in states:
        layer.load_own_variables(store)


def _states(model, filled, saved):
    """Layers that keep in a state what tf.keras made a weight, with that state, which leaves `filled`."""
    holders = {layer.name: layer for layer in model.layers if getattr(layer, "_old_weight", None)}
    names = [name for name, weights in filled.items() if [_leaf(each) for each in weights] == ["summary"]]
    if len(names) != len(holders):
        return []
    in_order = dict(zip(names, holders.values(), strict=True))
    found = []
    for name in names:
        entries = filled.pop(name)
        store = Stored(entries, f"{saved.name}: {name}")
        layer = holders[name] if holders.keys() == set(names) else in_order[name]
        found.append((layer, {"0": store[next(iter(entries))]}))
    return found


def _leaf(path):
    return path.rpartition("/")[2].partition(":")[0]


def weights_of(layer):
    """What the file keeps of a layer, in its order: those that train first, whatever order they were made in."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _pairs(targets, filled, saved, same_model):
    """`((layer, weights), name in the file)` of each layer: by order, or where that does not fit by equal names."""
    if len(targets) != len(filled):
        raise ValueError(_explain_count(targets, filled, saved))
    in_order, ours = list(zip(targets, filled)), {layer.name: (layer, weights) for layer, weights in targets}
    if ours.keys() != {without_slash(name) for name in filled}:
        return in_order
    named = [(ours[without_slash(name)], name) for name in filled]
    choices = (named, in_order) if same_model else (in_order, named)
    for pairs in choices:
        faults = []
        for target, name in pairs:
            _judge(*target, filled[name], saved, [], faults)
        if not faults:
            return pairs
    return choices[0]


def _judge(layer, weights, entries, saved, plan, faults):
    """Adds `(weight, store, key)` for each weight of a layer to the plan, and to the faults why one does not fit."""
    store = Stored(entries, f"{saved.name}: {layer.name}")
    shapes, keys = [tuple(dataset.shape) for dataset in entries.values()], None
    if len(weights) == len(entries):
        places = matched([_path(weight) for weight in weights], list(entries), _shapes(weights), shapes)
        keys = [list(entries)[place] for place in places]
    if old_weights.may_differ(layer, saved.version, saved.backend) or keys is None or _misfits(weights, keys, store):
        arrays = old_weights.converted(layer, [store[key] for key in entries], saved.version, saved.backend)
        if arrays is not None and [tuple(each.shape) for each in arrays] == [tuple(each.shape) for each in weights]:
            store = {str(place): array for place, array in enumerate(arrays)}
            plan.extend((weight, store, str(place)) for place, weight in enumerate(weights))
            return
    if keys is None:
        faults.append((layer, [f"it has {_shapes(weights)}, what is saved has {shapes}"]))
        return
    plan.extend((weight, store, key) for weight, key in zip(weights, keys) if not _misfits([weight], [key], store))
    texts = [
        f"weight {_path(weight)!r} has shape {tuple(weight.shape)}, what is saved has {store.shape(key)}"
        for weight, key in zip(weights, keys)
        if _misfits([weight], [key], store)
    ]
    if texts:
        faults.append((layer, texts))


def _misfits(weights, keys, store):
    return any(tuple(weight.shape) != tuple(store.shape(key)) for weight, key in zip(weights, keys))


def _path(weight):
    return getattr(weight, "path", None) or "parameter"  # of a torch module


def _shapes(weights):
    return [tuple(weight.shape) for weight in weights]


def _explain_count(targets, filled, saved):
    ours = [f"    {layer.name}: {_shapes(weights)}" for layer, weights in targets]
    theirs = [f"    {name}: {[tuple(each.shape) for each in weights.values()]}" for name, weights in filled.items()]
    lines = [
        f"{saved.name} does not fit the model, which is unchanged: layer count mismatch.",
        f"  The file has {len(filled)} layers with weights:",
        *theirs[:_SHOWN],
        f"  The model has {len(targets)}:",
        *ours[:_SHOWN],
        "With by_name=True layers take what has their name and the rest is left as it is.",
    ]
    return "\n".join(lines)


def _tell_unmatched(names, what):
    if names:
        warnings.warn(
            f"{what}: no layer of the model took what the file has for {names[:_SHOWN]}. by_name looks at the model's "
            "own layers, not into models inside of it.",
            stacklevel=6,
        )


def _tell(faults, what, skip_mismatch):
    lines = [f"  {layer.name} ({type(layer).__name__}): {'; '.join(texts)}" for layer, texts in faults[:_SHOWN]]
    if len(faults) > _SHOWN:
        lines.append(f"  and {len(faults) - _SHOWN} more")
    text = "\n".join(lines)
    if skip_mismatch:
        warnings.warn(f"{what} does not fit the model everywhere. Left as they are:\n{text}", stacklevel=6)
        return
    raise ValueError(
        f"{what} does not fit the model, which is unchanged:\n{text}\n"
        "With skip_mismatch=True what fits is loaded and the rest left as it is."
    )


# -- writing ----------------------------------------------------------------------------------------------------------


def write(model, group, version, backend):
    """Writes the weights of a model into an open HDF5 group."""
    names = _unique([layer.name for layer in model.layers])
    write_names(group, "layer_names", names)
    group.attrs["backend"], group.attrs["keras_version"] = backend.encode(), version.encode()
    for name, layer in zip(names, model.layers):
        write_list(group.create_group(name), [(_path(each), each) for each in weights_of(layer)])
    write_list(group.create_group(TOP), [(_path(each), each) for each in LayerState._own_variables(model)])


def write_list(group, pairs):
    """Writes `(name, weight)` pairs and the list of their names. A name that comes twice gets a number."""
    names = _unique([name for name, _ in pairs])
    write_names(group, "weight_names", names)
    for name, (_, weight) in zip(names, pairs):
        group.create_dataset(name, data=to_numpy(weight))


def _unique(names):
    taken = set()
    for place, name in enumerate(names):
        number = 0
        while names[place] in taken:
            number += 1
            names[place] = f"{name}_{number}"
        taken.add(names[place])
    return names


def write_names(group, key, names):
    """A list of names as an attribute, or as several where it is too long for one."""
    data = np.array([name.encode() for name in names], dtype="S") if names else np.zeros((0,))
    parts = np.array_split(data, -(-data.nbytes // _HEADER)) if data.nbytes > _HEADER else [data]
    if len(parts) == 1:
        group.attrs[key] = [name.encode() for name in names] if names else []
        return
    for place, part in enumerate(parts):
        group.attrs[f"{key}{place}"] = part
