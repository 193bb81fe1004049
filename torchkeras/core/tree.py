"""Nested structures: lists, tuples, named tuples, deques and dicts (keys sorted, as Keras flattens them).

Imports nothing of the package. `torch.utils._pytree` keeps insertion order of dicts and is private, hence these few
lines.
"""

from collections import OrderedDict, defaultdict, deque


def is_nested(structure):
    """Whether a value is a list, tuple, dict or deque."""
    return isinstance(structure, (list, tuple, dict, deque))


def children(structure):
    """Children in flattening order."""
    if isinstance(structure, dict):
        return [structure[key] for key in sorted_keys(structure)]
    return list(structure)


def sorted_keys(mapping):
    """Keys of a dict in flattening order: sorted where they can be compared, else (and in an OrderedDict) as
    inserted."""
    if isinstance(mapping, OrderedDict):
        return list(mapping)
    try:
        return sorted(mapping)
    except TypeError:
        return list(mapping)


def rebuild(like, parts):
    """A structure of `like`'s type from its children in flattening order; dicts keep their insertion order."""
    if isinstance(like, dict):
        values = dict(zip(sorted_keys(like), parts, strict=True))
        ordered = {key: values[key] for key in like}
        return ordered if type(like) is dict else _dict_like(like, ordered)
    if isinstance(like, tuple):
        if hasattr(like, "_fields"):
            return type(like)(*parts)
        return tuple(parts)
    return deque(parts, like.maxlen) if isinstance(like, deque) else list(parts)


def _dict_like(like, values):
    if isinstance(like, defaultdict):
        return type(like)(like.default_factory, values)
    try:
        return type(like)(values)
    except TypeError:  # a dict subclass with a constructor of its own
        return values


def flatten(structure):
    """Leaves in order. A value that is no structure is its own only leaf.

    >>> flatten({"b": 2, "a": [0, 1]})
    [0, 1, 2]
    """
    if not is_nested(structure):
        return [structure]
    leaves = []
    for child in children(structure):
        leaves.extend(flatten(child))
    return leaves


def map_structure(function, structure, *others):
    """Applies `function` leaf by leaf; further structures must have the same form.

    >>> map_structure(lambda a, b: a + b, {"x": 1}, {"x": 10})
    {'x': 11}
    """
    if not is_nested(structure):
        return function(structure, *others)
    for other in others:
        assert_same_structure(structure, other, deep=False)
    columns = zip(*(children(s) for s in (structure, *others)), strict=True)
    return rebuild(structure, [map_structure(function, *column) for column in columns])


def map_up_to(shallow, function, structure):
    """Like `map_structure`, but stops where `shallow` has a leaf: the rest is passed whole."""
    if not is_nested(shallow):
        return function(structure)
    assert_same_structure(shallow, structure, deep=False)
    pairs = zip(children(shallow), children(structure), strict=True)
    return rebuild(shallow, [map_up_to(a, function, b) for a, b in pairs])


def pack_sequence_as(structure, flat):
    """The inverse of `flatten`: the leaves in the form of `structure`."""
    flat = list(flat)
    size = len(flatten(structure))
    if size != len(flat):
        raise ValueError(f"The structure has {size} leaves, the flat sequence {len(flat)}.")
    leaves = iter(flat)
    return _fill(structure, leaves)


def _fill(structure, leaves):
    if not is_nested(structure):
        return next(leaves)
    return rebuild(structure, [_fill(child, leaves) for child in children(structure)])


def assert_same_structure(a, b, deep=True):
    """Raises `ValueError` where two structures differ in kind, length or keys."""
    if not (is_nested(a) or is_nested(b)):
        return
    same = isinstance(a, dict) == isinstance(b, dict) and is_nested(a) == is_nested(b)
    same = same and (set(a) == set(b) if isinstance(a, dict) else len(a) == len(b))
    if not same:
        raise ValueError(f"The structures differ: {_outline(a)} against {_outline(b)}.")
    if deep:
        for left, right in zip(children(a), children(b), strict=True):
            assert_same_structure(left, right)


def _outline(structure):
    if isinstance(structure, dict):
        return f"dict with keys {sorted_keys(structure)}"
    if is_nested(structure):
        return f"{type(structure).__name__} of {len(structure)}"
    return type(structure).__name__
