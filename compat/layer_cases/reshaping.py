"""Layers that move values."""

from compat.layer_cases.case import case, ints

CASES = [
    case("Flatten", (4, 2, 3), shapes=((None, None, 3),)),
    case("Flatten", (4,)),
    case("Flatten", (4, 2, 3, 5), data_format="channels_first"),
    case("Flatten", ints(9, 4, 2, 3)),
    case("Reshape", (4, 6), target_shape=(2, 3)),
    case("Reshape", (4, 6, 2), target_shape=(-1, 3), shapes=((None, None, 2),)),
    case("Reshape", (4, 6), target_shape=[6, 1]),
    case("Reshape", (4, 1), target_shape=()),
    case("Reshape", ints(9, 4, 6), target_shape=(3, 2)),
    case("Permute", (4, 2, 3), dims=(2, 1)),
    case("Permute", (4, 2, 3, 5), dims=[3, 1, 2]),
    case("RepeatVector", (4, 3), n=5),
]
