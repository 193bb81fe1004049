"""Layers of several inputs."""

from compat.layer_cases.case import case, mask

_PAIR = [(4, 5, 3), (4, 5, 3)]

_MASKS = (mask(5, 3, 0, 1, size=5), mask(2, 4, 1, 0, size=5))

CASES = [
    *[case(name, _PAIR) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")],
    *[case(name, _PAIR, masks=_MASKS) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")],
    *[case(name, _PAIR, masks=(None, _MASKS[1])) for name in ("Add", "Multiply", "Maximum")],
    *[case(name, [(4, 3), (4, 5, 3), (4, 1, 3)]) for name in ("Add", "Multiply", "Average", "Minimum")],
    case("Add", _PAIR, dtype="mixed_float16"),
    case("Concatenate", [(4, 5, 3), (4, 5, 2), (4, 5, 1)]),
    case("Concatenate", [(4, 5, 3), (4, 2, 3)], axis=1),
    case("Concatenate", [(4, 5, 3), (4, 5, 3)], axis=1, masks=_MASKS),
    case("Concatenate", [(4, 5, 3), (4, 5, 3)], masks=_MASKS),
    case("Concatenate", [(4, 5, 3), (4, 5, 3)], axis=1, masks=(None, _MASKS[0])),
    case("Concatenate", [(4, 3), (4, 2)], dtype="bfloat16"),
    case("Dot", [(4, 3), (4, 3)], axes=1),
    case("Dot", [(4, 3), (4, 3)], axes=-1, normalize=True),
    case("Dot", [(4, 5, 3), (4, 6, 3)], axes=2),
    case("Dot", [(4, 5, 3), (4, 3, 6)], axes=(2, 1)),
    case("Dot", [(4, 2, 5, 3), (4, 3, 6)], axes=[3, 1], normalize=True),
    case("Dot", [(4, 3), (4, 6, 3)], axes=(1, 2)),
    case("Dot", [(4, 5, 3), (4, 3)], axes=(2, 1)),
]
