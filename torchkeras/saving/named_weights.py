"""Weights under names in flat files (safetensors, npz): which tensor of a model a name means.

May import core and this room. A name is the weight's path, `sequential/dense/kernel`. Two weights of one path are told
apart by `_1`, `_2`… in the order of the walk; one weight in two places is written once. Knows no format: a file is a
source of arrays by name.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import torch

from torchkeras.core import scopes
from torchkeras.core.conversion import as_tensor, to_numpy
from torchkeras.core.layer_saving import LayerSaving
from torchkeras.core.variable import Variable
from torchkeras.errors import CorruptFileError
from torchkeras.saving import torch_layout
from torchkeras.saving.state import load_state
from torchkeras.saving.state_walk import save_variables, walk

LAYOUTS = ("keras", "torch")
OPTIMIZER = "optimizer"  # what names of optimizers' variables begin with
_NUMBER = re.compile(r"_\d{1,9}$")
_FROM_LIST = re.compile(r"arr_\d+")  # what `numpy.savez(file, *arrays)` calls its arrays
_COUNTERS = "num_batches_tracked"  # of torch's BatchNorm: nothing of Keras's has it
_SHOWN = 50


class Place:
    """One tensor of a model: whose it is, under which key its owner saves it, and what files call it."""

    __slots__ = ("path", "key", "value", "name", "path_of_weight", "form")

    def __init__(self, path, key, value, name, path_of_weight, form):
        self.path, self.key, self.value, self.name = path, key, value, name
        self.path_of_weight, self.form = path_of_weight, form  # how it lies in torch's layout; None: as it is


def places(root, layout="keras", skip=()):
    """Every tensor below `root` that files have, in the order of the walk; not those of the objects in `skip`."""
    skipped = {id(obj) for each in skip for _, obj in walk(each)}
    found, names, taken = [], {}, set()
    for path, obj in walk(root):
        if id(obj) in skipped:
            continue
        store = {}
        save_variables(obj, store)
        known = obj._variables_to_save() if isinstance(obj, LayerSaving) else {}
        for key, value in store.items():
            weight = value if isinstance(value, Variable) else known.get(key)
            whole = _path_of(path, obj, key, weight)
            torch_like = layout == "torch" and not whole.startswith(OPTIMIZER + "/")
            name = torch_layout.name_of(whole, root, weight) if torch_like else whole
            form = torch_layout.form_of(obj, weight) if torch_like else None
            same = _identity(value)
            if same not in names:
                names[same] = unique(name, taken)
                taken.add(names[same])
            found.append(Place(path, key, value, names[same], whole, form))
    return found


def _path_of(path, obj, key, weight):
    if path.split("/")[0] == OPTIMIZER:
        return f"{path}/{key}"  # the paths of its variables have those of the model's in them
    return getattr(weight, "path", None) or f"{getattr(obj, 'path', None) or path}/{key}".lstrip("/")


def unique(name, taken):
    """The name, or with the first number that makes it free."""
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _identity(value):
    """What two tensors share that are the same numbers in the same memory."""
    if isinstance(value, torch.Tensor) and value.numel() and not value.is_meta:
        return value.data_ptr(), value.dtype, tuple(value.shape), value.stride(), str(value.device)
    return id(value)


def written(root, layout="keras", include_optimizer=False):
    """`{name: (tensor, form)}` of what a file gets. Raises `ValueError` for what is no number."""
    skip = () if include_optimizer or getattr(root, "optimizer", None) is None else (root.optimizer,)
    found = {}
    for place in places(root, _layout(layout), skip):
        if place.name not in found:
            found[place.name] = _numbers(place), place.form
    return found


def _numbers(place):
    if isinstance(place.value, torch.Tensor):
        return place.value.detach()
    array = np.asarray(place.value)
    if array.dtype.kind not in "biufcV":
        raise ValueError(
            f"{place.name!r} is saved as {array.dtype}, and flat files hold numbers only: use `.weights.h5`."
        )
    return as_tensor(array, None, "cpu")


# -- reading ----------------------------------------------------------------------------------------------------------


def _layout(word):
    if word not in LAYOUTS:
        raise ValueError(f"layout={word!r} is not known: 'keras' or 'torch'.")
    return word


def load(root, source, what, skip_mismatch=False, skip=(), key_map=None, layout=None):
    """Gives the weights below `root` the values of a file.

    Args:
        source: `names`, `layout`, `in_order` (whether the names stand as in the model that was saved), and by name
            `shape(name)`, `tensor(name)` and `read(name, view)`.
        what: how errors call the file.
        skip_mismatch: whether what does not fit is left as it is, with a warning.
        skip: objects that stay as they are.
        key_map: from names in the file to those of the model; see `formats.load_weights`.
        layout: `"keras"` or `"torch"`, in which the shapes of the file are to be understood; None: as the file says of
            itself, else `"keras"`.
    """
    layout = _layout(layout or (source.layout if source.layout in LAYOUTS else "keras"))
    optimizer = getattr(root, "optimizer", None)
    mine = {name for name in source.names if name.startswith(f"{OPTIMIZER}/")}
    skip = [*skip, *([optimizer] if optimizer is not None and not mine else [])]
    wanted = places(root, layout, skip)
    others = [name for name in source.names if name not in mine or optimizer is not None]
    if key_map is not None:
        found, rest = _mapped(wanted, others, key_map, what)
    elif others and all(_FROM_LIST.fullmatch(name) for name in others):
        found, rest = _in_order(root, wanted, others), []
    else:
        found, rest = _by_name(wanted, others, root, source, what)
    rest = [name for name in rest if not _is_counter(name)]
    if not found and layout == "keras" and any(name.endswith(".weight") for name in rest):
        raise ValueError(
            f"{what} has names as torch's modules have them, such as {rest[0]!r}: pass layout='torch', and key_map "
            f"where they differ from the model's. {_Index(wanted).explain('')}"
        )
    reader = _Reader(wanted, found, rest, source, what)
    missing = [place.name for place in wanted if place.name not in found]
    advice = ""
    if key_map is None and missing and rest:
        advice = f" Where only names differ: key_map={{{rest[0]!r}: {missing[0]!r}, ...}}."
    load_state(root, reader, what, skip_mismatch, skip, complete=True, advice=advice)


def _is_counter(name):
    return name.rpartition(".")[2] == _COUNTERS


def _by_name(wanted, names, root, source, what):
    """`({name of the model: (name in the file, function or None)}, names that nothing takes)`.

    Equal names belong together. Numbers that stand for nothing but the order in which layers were made (`dense_3`) are
    left out of account: what is alike then goes by its place in the model, where the file has the places of its own
    model, as in Keras's files; else by these numbers. Where the two say different things and both fit, a warning says
    so.
    """
    ours, theirs = {place.name: place for place in wanted}, dict.fromkeys(names)
    equal = {name: name for name in ours if name in theirs}
    automatic, by_number, by_place = _automatic(root), {}, {}
    groups, their_groups = _grouped(ours, automatic), _grouped(theirs, automatic)
    for plain, group in groups.items():
        others = their_groups.get(plain, ())
        if len(others) == len(group):
            by_number.update(zip(_numbered(group), _numbered(others)))
            by_place.update(zip(group, others if source.in_order else _numbered(others)))
    choices = (by_place, by_number) if source.in_order else (by_number, by_place)
    fitting = [each for each in choices if _fits(each, ours, source)]  # as a whole: a layer's weights stay together
    if len(fitting) == 2 and by_place != by_number:
        _tell_doubtful([name for name in by_place if by_place[name] != by_number[name]], source, what)
    pairs = equal | (fitting[0] if fitting else by_number)
    used = set(pairs.values())
    return {ours: (theirs, None) for ours, theirs in pairs.items()}, [name for name in names if name not in used]


def _fits(pairs, ours, source):
    for mine, other in pairs.items():
        shape, form = source.shape(other), ours[mine].form
        if tuple(shape if form is None else form.shape(shape)) != tuple(np.shape(ours[mine].value)):
            return False
    return True


def _tell_doubtful(names, source, what):
    taken = "the order of the layers" if source.in_order else "the numbers in the names"
    warnings.warn(
        f"{what}: for {', '.join(names[:_SHOWN])} the numbers in the names and the order of the layers mean different "
        f"weights of equal shapes. Loaded by {taken}; give the layers names, or pass key_map to say which is which.",
        stacklevel=6,
    )


def _automatic(root):
    """Names, without their numbers, that objects below `root` have because nobody gave them one."""
    found = set()
    for _, obj in walk(root):
        name = getattr(obj, "name", None)
        plain = scopes.snake_case(type(obj).__name__)
        if isinstance(name, str) and (obj is root or _NUMBER.sub("", name) == plain):
            found.add(_NUMBER.sub("", name))
    return found | {f"{side}_{name}" for side in ("forward", "backward") for name in found}


def _grouped(names, automatic):
    """`{name without automatic numbers: [names]}`."""
    groups = defaultdict(list)
    for name in names:
        plain = [bare if (bare := _NUMBER.sub("", part)) in automatic else part for part in re.split("([/.])", name)]
        groups["".join(plain)].append(name)
    return groups


def _numbered(names):
    """Names that differ in numbers, by these."""
    return sorted(
        names,
        key=lambda name: [
            int(match[0][1:]) if (match := _NUMBER.search(part)) else 0 for part in re.split("([/.])", name)
        ],
    )


def _in_order(root, wanted, names):
    """Arrays of `get_weights()` that were written one after the other."""
    by_value = {_identity(place.value): place.name for place in wanted}
    ours = [by_value[_identity(weight)] for weight in root.weights if _identity(weight) in by_value]
    if len(ours) != len(names):
        raise ValueError(f"The file has {len(names)} arrays without names, the model has {len(ours)} weights.")
    return {name: (f"arr_{number}", None) for number, name in enumerate(ours)}


def _mapped(wanted, names, key_map, what):
    """The same as `_by_name` through a dict or function of the user's."""
    index = _Index(wanted)
    found, rest = {}, []
    for name in names:
        target = key_map(name) if callable(key_map) else _through(key_map, name)
        if target is name and index.find(name) is None:
            rest.append(name)
            continue
        for one in target if isinstance(target, list) else [] if target is None else [target]:
            path, function = one if isinstance(one, tuple) else (one, None)
            ours = index.find(path)
            if ours is None and _is_counter(name):
                continue
            if ours is None:
                raise ValueError(f"{what}: key_map leads {name!r} to {path!r}. {index.explain(path)}")
            if ours in found:
                raise ValueError(f"{what}: both {found[ours][0]!r} and {name!r} are to be the model's {ours!r}.")
            found[ours] = (name, function)
    return found, rest


def _through(mapping, name):
    """What a dict says of a name, or of its beginning up to a dot or slash; the name itself where it says nothing."""
    if name in mapping:
        return mapping[name]
    for cut in reversed([match.start() for match in re.finditer("[./]", name)]):
        if name[:cut] in mapping:
            prefix = mapping[name[:cut]]
            return None if prefix is None else prefix + name[cut:]
    return name


class _Index:
    """Finds a weight of the model by its path or the end of it, in Keras's words or torch's."""

    def __init__(self, wanted):
        self._found, self._names = {}, [place.name for place in wanted]
        for place in wanted:
            for whole in {place.name.replace(".", "/"), place.path_of_weight}:
                parts = whole.split("/")
                for start in range(len(parts)):
                    end = "/".join(parts[start:])
                    known = self._found.setdefault(end, place.name)
                    if known != place.name:
                        self._found[end] = None if start else place.name

    def find(self, path):
        return self._found.get(path.replace(".", "/"))

    def explain(self, path):
        if path.replace(".", "/") in self._found:
            return "Several weights of the model end so: give the whole path."
        return f"The model has {', '.join(self._names[:_SHOWN])}{', …' if len(self._names) > _SHOWN else ''}."


# -- stores for state.py ----------------------------------------------------------------------------------------------


class _Reader:
    """Stores by the paths of the walk, each over those names of the file that belong to its object."""

    def __init__(self, wanted, found, rest, source, what):
        self._stores, self._rest = defaultdict(dict), rest
        self._source, self._what = source, what
        for place in wanted:
            if place.name in found:
                name, function = found[place.name]
                self._stores[place.path][place.key] = (name, function, place.form)

    def store(self, path):
        return _Store(self._stores.get(path, {}), self._source)

    def paths(self):
        """Where there are arrays, and the names that nothing takes."""
        return set(self._stores) | set(self._rest)


class _Store(Mapping):
    """Arrays by key, in Keras's shapes, read when they are asked for."""

    def __init__(self, entries, source):
        self._entries, self._source = entries, source

    def __iter__(self):
        return iter(self._entries)

    def __len__(self):
        return len(self._entries)

    def shape(self, key):
        """The shape of an array, without reading it where nothing has to be computed."""
        name, function, form = self._entries[key]
        if function is not None:
            return tuple(self._tensor(key).shape)
        shape = self._source.shape(name)
        return shape if form is None else form.shape(shape)

    def __getitem__(self, key):
        return to_numpy(self._tensor(key))

    def _tensor(self, key):
        name, function, form = self._entries[key]
        tensor = self._source.tensor(name)
        if function is not None:
            return torch.as_tensor(function(tensor))
        return tensor if form is None else form.from_torch(tensor)

    def read_into(self, key, tensor):
        """Copies straight into a tensor. Returns whether that was possible."""
        name, function, form = self._entries[key]
        target = tensor.detach()
        if function is not None:
            target.copy_(self._tensor(key))
        else:
            self._source.read(name, target if form is None else form.axes_of(target))
        return True


def fill(view, tensor):
    """Copies a tensor into a view of as many values. Where a matrix is turned over it goes by the order in which the
    view lies in memory: torch does that in blocks, many times faster than the other way round."""
    if tensor.is_complex() and not view.is_complex():
        raise CorruptFileError(f"Complex numbers are saved for a weight of {view.dtype}.")
    order = sorted(range(view.dim()), key=view.stride, reverse=True)
    view.permute(order).copy_(tensor.reshape(view.shape).permute(order))
