"""`keras.tree`: nested structures of lists, tuples, named tuples and dicts.

May import core. Dicts are flattened in the order of their sorted keys.
"""

from torchkeras.core import tree as _tree
from torchkeras.core.symbolic import is_shape
from torchkeras.core.tree import flatten, is_nested, pack_sequence_as

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
    """What a function given to `traverse` returns to put None in a place."""


def flatten_with_path(structure):
    """Pairs `(path, leaf)`, a path being the tuple of indices and keys that leads to the leaf.

    >>> flatten_with_path([{"foo": 42}])
    [((0, 'foo'), 42)]
    """
    if not is_nested(structure):
        return [((), structure)]
    keys = _tree.sorted_keys(structure) if isinstance(structure, dict) else range(len(structure))
    return [((key, *path), leaf) for key in keys for path, leaf in flatten_with_path(structure[key])]


def map_structure(func, *structures, none_is_leaf=True):
    """`func` applied to the leaves of structures of one form. Without `none_is_leaf` None stays None.

    Raises `TypeError` without structures or a function, `ValueError` where the forms differ.
    """
    _check_function(func)
    if not structures:
        raise TypeError("map_structure needs at least one structure.")
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    if none_is_leaf:
        return _tree.map_structure(func, *structures)
    return _tree.map_structure(lambda leaf, *rest: None if leaf is None else func(leaf, *rest), *structures)


def map_structure_up_to(shallow_structure, func, *structures):
    """As `map_structure`, but what lies below the leaves of `shallow_structure` is passed to `func` whole."""
    _check_function(func)
    columns = [_tree.map_up_to(shallow_structure, _Whole, structure) for structure in structures]
    return _tree.map_structure(lambda *parts: func(*(part.value for part in parts)), *columns)


class _Whole:
    """Keeps a substructure from being looked into."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


def assert_same_structure(a, b, check_types=None):
    """Raises `ValueError` where two structures differ in form. Lists and tuples are not the same."""
    _tree.assert_same_structure(a, b)
    for (path, left), (_, right) in zip(_containers(a), _containers(b), strict=True):
        if not isinstance(left, dict) and type(left) is not type(right):
            raise ValueError(f"The structures differ at {path}: {type(left).__name__} against {type(right).__name__}.")


def _containers(structure, path=()):
    if is_nested(structure):
        yield path, structure
        keys = _tree.sorted_keys(structure) if isinstance(structure, dict) else range(len(structure))
        for key in keys:
            yield from _containers(structure[key], (*path, key))


def assert_same_paths(a, b):
    """Raises `ValueError` where two structures differ in the paths to their leaves; lists and tuples may stand in."""
    first, second = ({path for path, _ in flatten_with_path(one)} for one in (a, b))
    if first != second:
        raise ValueError(f"Paths only in the first: {first - second}; only in the second: {second - first}.")


def lists_to_tuples(structure):
    """The structure with tuples in place of lists."""
    if isinstance(structure, dict):
        return {key: lists_to_tuples(value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)) and not hasattr(structure, "_fields"):
        return tuple(lists_to_tuples(value) for value in structure)
    return structure


def map_shape_structure(func, structure):
    """As `map_structure` for structures of shapes: a tuple or list of integers and None is a leaf."""
    _check_function(func)
    if isinstance(structure, (tuple, list)) and is_shape(structure):
        return func(tuple(structure))
    if isinstance(structure, dict):
        return {key: map_shape_structure(func, value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_shape_structure(func, value) for value in structure)
    raise ValueError(f"Expected shapes or structures of shapes, got {structure!r}.")


def traverse(func, structure, top_down=True):
    """Visits every part of a structure, containers too; what `func` returns replaces the part unless it is None.

    From the top, a replaced container is not entered; from the bottom (`top_down=False`), children come first.
    To put None in a place return `MAP_TO_NONE`.
    """
    _check_function(func)
    if top_down:
        result = func(structure)
        if result is not None:
            return None if result is MAP_TO_NONE else result
    if is_nested(structure):
        structure = _tree.map_up_to(_outer(structure), lambda child: traverse(func, child, top_down), structure)
    if top_down:
        return structure
    result = func(structure)
    return structure if result is None else None if result is MAP_TO_NONE else result


def _outer(structure):
    """The container alone, with None in place of its children."""
    if isinstance(structure, dict):
        return dict.fromkeys(structure)
    children = [None] * len(structure)
    return type(structure)(*children) if hasattr(structure, "_fields") else type(structure)(children)


def _check_function(func):
    if not callable(func):
        raise TypeError(f"`func` must be callable, got {func!r}.")
