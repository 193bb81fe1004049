"""`keras.tree`: nested structures. May import core."""

from torchkeras.core.tree import (
    assert_same_structure,
    flatten,
    is_nested,
    map_structure,
    map_up_to,
    pack_sequence_as,
    traverse,
)

map_structure_up_to = map_up_to

__all__ = [
    "assert_same_structure",
    "flatten",
    "is_nested",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]
