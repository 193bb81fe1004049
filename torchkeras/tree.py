"""`keras.tree`: nested structures of lists, tuples, named tuples, deques and dicts.

May import core. The layers and models use `core.tree`, which is laxer (a list matches a tuple); the checks here are
Keras's.
"""

import warnings

from torchkeras.core.keras_tensor import is_shape
from torchkeras.core.tree import children, flatten, is_nested, rebuild, sorted_keys
from torchkeras.core.tree import pack_sequence_as as _pack

__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]


class MAP_TO_NONE:
    """What a function given to `traverse` returns for a part that is to become None."""


def _kind(structure):
    """What must be equal for two structures to match at one level: the kind, and its length, keys or class."""
    if not is_nested(structure):
        return "leaf"
    if isinstance(structure, dict):
        return "dict", frozenset(structure)
    return "list" if isinstance(structure, list) else type(structure), len(structure)


def _require_same_level(first, *others):
    for other in others:
        if _kind(other) != _kind(first):
            raise ValueError(f"The structures differ: {first!r} against {other!r}.")


def _map(function, structures, leaf):
    """`function` on the parts of several structures where the first one has a leaf."""
    first = structures[0]
    if leaf(first):
        return function(*structures)
    _require_same_level(*structures)
    columns = zip(*map(children, structures), strict=True)
    return rebuild(first, [_map(function, column, leaf) for column in columns])


def _require_callable(function):
    if not callable(function):
        raise TypeError(f"`func` must be callable, got {function!r}.")


def map_structure(func, *structures, none_is_leaf=True):
    """Applies `func` to the leaves of structures of the same form.

    Args:
        none_is_leaf: False leaves None entries as they are, without calling `func`.

    Raises `ValueError` where the structures differ: a list and a tuple do.

    >>> map_structure(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 10, "y": [20]})
    {'x': 11, 'y': [22]}
    """
    _require_callable(func)
    if not structures:
        raise ValueError("map_structure needs at least one structure.")

    def on_leaves(*leaves):
        _require_same_level(*leaves)
        if none_is_leaf or leaves[0] is not None:
            return func(*leaves)
        if any(leaf is not None for leaf in leaves):
            raise ValueError(f"Some leaves are None and others at the same place are not: {leaves!r}.")
        return None

    return _map(on_leaves, structures, lambda part: not is_nested(part))


def map_structure_up_to(shallow_structure, func, *structures):
    """Applies `func` where `shallow_structure` has leaves; what lies deeper is passed whole.

    >>> map_structure_up_to([None, None], len, [[1, 1], [2]])
    [2, 1]
    """
    _require_callable(func)
    if not structures:
        raise ValueError("map_structure_up_to needs at least one structure beside the shallow one.")
    parts = (shallow_structure, *structures)
    return _map(lambda _, *rest: func(*rest), parts, lambda part: not is_nested(part))


def assert_same_structure(a, b, check_types=None):
    """Raises `ValueError` unless two structures have the same form: kinds, lengths and keys at every level.

    `check_types` has no effect any more, as in Keras; for a looser check take `assert_same_paths`.
    """
    if check_types is not None:
        warnings.warn(
            "`check_types` has no effect: leave it out; assert_same_paths() lets lists match tuples.",
            DeprecationWarning,
            stacklevel=2,
        )
    map_structure(lambda *leaves: None, a, b)


def flatten_with_path(structure):
    """Leaves in order, each as `(path, leaf)`: the path holds indices and dict keys, outermost first.

    >>> flatten_with_path({"b": 2, "a": [0, 1]})
    [(('a', 0), 0), (('a', 1), 1), (('b',), 2)]
    """
    if not is_nested(structure):
        return [((), structure)]
    keys = sorted_keys(structure) if isinstance(structure, dict) else range(len(structure))
    return [
        ((key, *path), leaf)
        for key, child in zip(keys, children(structure), strict=True)
        for path, leaf in flatten_with_path(child)
    ]


def assert_same_paths(a, b):
    """Raises `ValueError` unless two structures have leaves at the same places; a list may stand for a tuple."""
    first, second = ({path for path, _ in flatten_with_path(structure)} for structure in (a, b))
    if first != second:
        raise ValueError(
            f"The structures have leaves at different places. Only in `a`: {sorted(map(str, first - second))}; only in "
            f"`b`: {sorted(map(str, second - first))}."
        )


def pack_sequence_as(structure, flat_sequence):
    """The inverse of `flatten`: the leaves of a flat sequence in the form of `structure`.

    Raises `TypeError` for what is no sequence, `ValueError` where the number of leaves differs.

    >>> pack_sequence_as({"b": 0, "a": [0, 0]}, [1, 2, 3])
    {'b': 3, 'a': [1, 2]}
    """
    if not is_nested(flat_sequence):
        flat_sequence = list(flat_sequence) if getattr(flat_sequence, "shape", ()) else flat_sequence  # an array
    if not is_nested(flat_sequence):
        raise TypeError(f"`flat_sequence` must be a list or tuple, got {flat_sequence!r}.")
    return _pack(structure, flat_sequence)


def traverse(func, structure, top_down=True):
    """Visits a structure and all its parts; what `func` returns replaces a part, None keeps it.

    Args:
        func: called with each part, containers too. `MAP_TO_NONE` stands for a replacement by None.
        top_down: containers before their children (a replaced container is not entered), or after them.

    >>> traverse(lambda part: tuple(part) if isinstance(part, list) else None, [1, [2]], top_down=False)
    (1, (2,))
    """
    _require_callable(func)
    if top_down:
        result = func(structure)
        if result is None:
            return _traverse_children(func, structure, top_down)
    else:
        structure = _traverse_children(func, structure, top_down)
        result = func(structure)
        if result is None:
            return structure
    return None if result is MAP_TO_NONE else result


def _traverse_children(func, structure, top_down):
    if not is_nested(structure):
        return structure
    return rebuild(structure, [traverse(func, child, top_down) for child in children(structure)])


def lists_to_tuples(structure):
    """The structure with tuples for lists."""
    return traverse(lambda part: tuple(part) if isinstance(part, list) else None, structure, top_down=False)


def map_shape_structure(func, structure):
    """Applies `func` to the shapes (tuples or lists of integers and None) of a structure.

    >>> map_shape_structure(len, {"a": (None, 3), "b": [(1, 2, 3)]})
    {'a': 2, 'b': [3]}
    """
    _require_callable(func)
    return _map(func, (structure,), lambda part: is_shape(part) or not is_nested(part))
