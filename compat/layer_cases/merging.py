"""Layers of several inputs."""

from compat.layer_cases.case import case, ints, mask

_PAIR = [(4, 5, 3), (4, 5, 3)]
_MASKS = (mask(5, 3, 0, 1, size=5), mask(2, 4, 1, 0, size=5))
_THIRD = mask(1, 5, 0, 2, size=5)
_NUMBERS = [ints(9, 4, 5), ints(4, 4, 5) + 1]


def _pointwise(name):
    """Of a layer that combines equal shapes, entry by entry."""
    several = [] if name == "Subtract" else [_PAIR * 2, _PAIR + [(4, 5, 3)]]
    ranks = [(4, 3), (4, 5, 3), (4, 1, 3)] if several else [(4, 3), (4, 5, 3)]
    return [
        case(name, _PAIR),
        *[case(name, inputs) for inputs in several],
        case(name, ranks),
        case(name, [(4, 5, 3), (4, 1, 3)]),
        case(name, [(4, 2, 1, 3), (4, 5, 1)]),
        case(name, _PAIR, masks=_MASKS),
        case(name, _PAIR, masks=(None, _MASKS[1])),
        case(name, _PAIR, masks=(_MASKS[0], None)),
        *[case(name, inputs, masks=(*_MASKS, _THIRD)) for inputs in several[1:]],
        *[case(name, inputs, masks=(None, *_MASKS)) for inputs in several[1:]],
        case(name, _NUMBERS),
        case(name, _PAIR, activity_regularizer="l2"),
        *[case(name, _PAIR, dtype=dtype) for dtype in ("mixed_float16", "bfloat16")],
    ]


CASES = [
    *[each for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum") for each in _pointwise(name)],
    *[case(name, _PAIR, dtype="float64") for name in ("Add", "Subtract", "Multiply", "Average")],
    case("Concatenate", [(4, 5, 3), (4, 5, 2), (4, 5, 1)]),
    case("Concatenate", [(4, 5, 3), (4, 2, 3)], axis=1),
    case("Concatenate", [(4, 5, 3), (4, 2, 3)], axis=-2),
    case("Concatenate", [(4, 5, 3), (2, 5, 3)], axis=0, shapes=None),
    case("Concatenate", [(4, 3), (4, 2)]),
    case("Concatenate", [(2, 3, 4, 2), (2, 3, 4, 5)], axis=3),
    case("Concatenate", [(1, 2, 3), (1, 2, 3)]),
    case("Concatenate", [(4, 5, 3), (4, 5, 3)], axis=1, masks=_MASKS),
    case("Concatenate", [(4, 5, 3), (4, 5, 3)], masks=_MASKS),
    case("Concatenate", [(4, 5, 3), (4, 5, 3)], axis=1, masks=(None, _MASKS[0])),
    case("Concatenate", [(4, 5, 3), (4, 5, 2)], masks=(_MASKS[0], None)),
    case("Concatenate", [(4, 5, 3), (4, 5, 2), (4, 5, 1)], masks=(None, *_MASKS)),
    case("Concatenate", _NUMBERS),
    case("Concatenate", [(4, 3), (4, 2)], activity_regularizer="l1"),
    *[case("Concatenate", [(4, 3), (4, 2)], dtype=dtype) for dtype in ("mixed_float16", "bfloat16", "float64")],
    case("Dot", [(4, 3), (4, 3)], axes=1),
    case("Dot", [(4, 3), (4, 3)], axes=-1, normalize=True),
    case("Dot", [(4, 5, 3), (4, 6, 3)], axes=2),
    case("Dot", [(4, 5, 3), (4, 3, 6)], axes=(2, 1)),
    case("Dot", [(4, 5, 3), (4, 3, 6)], axes=(-1, -2)),
    case("Dot", [(4, 2, 5, 3), (4, 3, 6)], axes=[3, 1], normalize=True),
    case("Dot", [(4, 3), (4, 6, 3)], axes=(1, 2)),
    case("Dot", [(4, 5, 3), (4, 3)], axes=(2, 1)),
    case("Dot", [(1, 5, 3), (1, 5, 2)], axes=1),
    case("Dot", [(4, 5, 3), (4, 5, 3)], axes=1, masks=_MASKS),
    *[case("Dot", [(4, 5, 3), (4, 6, 3)], axes=2, dtype=dtype) for dtype in ("mixed_float16", "bfloat16")],
]
