"""The state of an optimizer as the files of all generations have it, HDF5 and `.keras`.

May import core; knows optimizers by what they say of themselves: `variables`, and `_state_by_kind()`, which has the
state of a kind by model variable. What files have, after a counter:

- Keras 3: the learning rate, then the variables in our order: `adam/iteration`, `adam/dense_kernel_momentum`.
- tf.keras 2.11 and later: no rate; `Adam/m/dense/kernel:0`. Without names the order is ours.
- tf.keras 2 before, and `legacy`: `Adam/dense/kernel/m:0`, all of one kind first.
- Keras 2 and 1: `training/Adam/Variable_3:0`, all of one kind first; some without a counter, which stands first and in
  Keras 1 has no name either.
"""

import warnings

import numpy as np

from torchkeras.core.layer_saving import give
from torchkeras.core.matching import matched

_COUNTERS = ("iteration", "iterations", "iter")
_RATES = ("learning_rate", "_learning_rate")
_SCALES = {"dynamic_scale": "dynamic_scale", "current_loss_scale": "dynamic_scale"}
_SCALES |= {"step_counter": "step_counter", "good_steps": "step_counter"}
_KINDS = {
    "m": ("momentum",),
    "v": ("velocity", "norm"),
    "vhat": ("velocity_hat",),
    "u": ("norm",),
    "rms": ("velocity",),
    "mg": ("average_gradient",),
    "accum_grad": ("accumulated_grad",),
    "accum_var": ("accumulated_delta_var",),
    "r": ("row",),
    "c": ("column",),
}
_SAME = ("momentum", "velocity", "average_gradient", "accumulator", "linear", "average")
_SAME += ("accumulated_grad", "accumulated_delta_var")
_KINDS |= {name: (name,) for name in _SAME}
_SHOWN = 20  # differences that a warning lists


class _Entry:
    """One array of a file, read when it is needed: the state of a large model would not fit into memory twice."""

    def __init__(self, store, key):
        self.store, self.key = store, key
        self.shape = tuple(store.shape(key)) if hasattr(store, "shape") else np.shape(store[key])

    def give(self, variable):
        if variable.dim():
            give(variable, self.store, self.key)
        else:  # may be known on the host
            variable.assign(np.asarray(self.store[self.key]))


def load(optimizer, store, keys, names=None):
    """Gives a built optimizer the state of a file.

    Args:
        store: a mapping of arrays, which may tell shapes.
        keys: of the arrays, in the file's order.
        names: what the arrays are called, where the file says so.

    Returns whether it could be read; a warning with both numbers says where not, and the state is as before.
    """
    entries = [_Entry(store, key) for key in keys]
    plan = _in_our_order(optimizer, entries, names)
    if plan is None and hasattr(optimizer, "inner_optimizer"):  # tf.keras wrote the inner one's, and no scale
        plan = _in_our_order(optimizer.inner_optimizer, entries, names)
    if plan is None and names is not None and optimizer.built:
        plan = _by_kind(optimizer, entries, names) or _by_columns(optimizer, entries, names)
    if plan is None:
        warnings.warn(
            f"The state of optimizer {optimizer.name!r} is not loaded: {_difference(optimizer, entries, keys)}",
            stacklevel=3,
        )
        return False
    for variable, entry in plan:
        entry.give(variable)
    optimizer._recall([variable for variable, _ in plan])
    return True


def _difference(optimizer, entries, keys):
    """What an optimizer has and a file has not."""
    if len(optimizer.variables) != len(entries):
        hint = "" if optimizer.built else " Build it first: optimizer.build(model.trainable_variables)."
        return f"it has {len(optimizer.variables)} variables, the file {len(entries)}.{hint}"
    texts = [
        f"{variable.path} has shape {tuple(variable.shape)}, what is saved as {key!r} has {entry.shape}"
        for variable, entry, key in zip(optimizer.variables, entries, keys)
        if tuple(variable.shape) != entry.shape
    ]
    return f"{'; '.join(texts[:_SHOWN]) or 'the names in the file are those of another kind of optimizer'}."


def _in_our_order(optimizer, entries, names):
    """`(variable, entry)` pairs where the file has our variables in our order, or None."""
    if names is not None and not _is_of_keras_3(names):
        return None
    every = list(optimizer.variables)
    rate, derived = optimizer._rate_variable(), optimizer._derived()
    choices = [every, _without(every, derived), _without(every, [rate]), _without(every, [rate, *derived])]
    head = every[: 1 + (rate is not None)]
    for variables in (*choices, head):  # an optimizer that had made no step has no more than a counter and a rate
        if _fit(variables, entries):
            return list(zip(variables, entries))
    more = len(optimizer._trainable_variables) if optimizer.built else 0
    if names is None and more and len(head) == len(every) and _fit(optimizer._trainable_variables, entries[-more:]):
        if _fit(every[:1], entries[:-more]):  # SGD of tf.keras keeps momentums without using any
            return [(every[0], entries[0])]
    return None


def _is_of_keras_3(names):
    """A schedule has no variable for the rate. tf.keras wrote `iteration:0`, without the optimizer before it."""
    ends = ("/iteration", "/learning_rate")
    return any(name.endswith(ends) for name in names[:2]) or [name.count("/") for name in names] == [1]


def _without(variables, left_out):
    return [each for each in variables if all(each is not other for other in left_out)]


def _fit(variables, entries):
    return len(variables) == len(entries) and all(
        tuple(variable.shape) == entry.shape for variable, entry in zip(variables, entries)
    )


# -- by the names of tf.keras 2 ---------------------------------------------------------------------------------------


def _by_kind(optimizer, entries, names):
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    parts = [name.split(":")[0].split("/") for name in names]
    kind_last = any(path[-1] == "iter" for path in parts)
    plan, columns = [], {}
    for path, entry in zip(parts, entries):
        if path[-1] in _COUNTERS:
            plan.append((inner.iterations, entry))
        elif path[-1] in _RATES and inner._rate_variable() is not None:
            plan.append((inner._rate_variable(), entry))
        elif path[-1] in _SCALES and inner is not optimizer:
            plan.append((getattr(optimizer, _SCALES[path[-1]]), entry))
        else:
            kind, path = _kind_and_path(path, kind_last)
            if kind is None:
                if entry.shape:
                    return None
                continue  # what follows from the counter
            columns.setdefault(kind, []).append(("/".join(path), entry))
    found = _fill(inner, columns)
    return None if found is None else [*plan, *found]


def _kind_and_path(path, kind_last):
    """What a state is, and of which variable."""
    if kind_last:
        return (path[-1], path[1:-1]) if path[-1] in _KINDS else (None, path)
    place = next((place for place in (1, 0) if len(path) > place and path[place] in _KINDS), None)
    return (None, path) if place is None else (path[place], path[place + 1 :])


def _fill(optimizer, columns):
    """Pairs for all kinds of state that the optimizer has. A kind that it does not keep says nothing to it; None where
    one that it keeps is missing."""
    pairs = []
    for kind, slots in optimizer._state_by_kind().items():
        found = next((column for name, column in columns.items() if kind in _KINDS[name]), None)
        if found is None or len(found) != len(slots):
            return None
        shapes = [entry.shape for _, entry in found]
        wanted = [tuple(state.shape) for _, state in slots]
        paths = [getattr(variable, "path", None) or "" for variable, _ in slots]
        places = matched(paths, [name for name, _ in found], wanted, shapes)
        if [shapes[place] for place in places] != wanted:
            return None
        pairs += [(state, found[place][1]) for (_, state), place in zip(slots, places)]
    return pairs


# -- without names that say anything ----------------------------------------------------------------------------------


def _by_columns(optimizer, entries, names):
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    kinds, count = inner._state_by_kind(), len(inner._trainable_variables)
    start, has_scalars = 0, any(not variable.dim() for variable in inner._trainable_variables)
    while start < len(entries) and entries[start].shape == () and not (has_scalars and start):
        start += 1
    head, rest = entries[:start], entries[start:]
    if len(rest) < count * len(kinds):
        return None
    counter = next((entry for name, entry in zip(names, head) if "iter" in name), head[0] if head else None)
    pairs = [] if counter is None else [(inner.iterations, counter)]
    for place, slots in enumerate(kinds.values()):
        column = rest[place * count : (place + 1) * count]
        if not _fit([state for _, state in slots], column):
            return None
        pairs += [(state, entry) for (_, state), entry in zip(slots, column)]
    return pairs
