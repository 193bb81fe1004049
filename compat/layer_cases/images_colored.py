"""Images whose colors change. Those of one seed are Keras's."""

from compat.layer_cases.case import case, ints

_BYTES = ints(256, 3, 6, 5, 3).astype("uint8")
_LAST, _FIRST, _ONE = (4, 6, 5, 3), (4, 3, 6, 5), (6, 5, 3)
_UNKNOWN = (None, None, None, 3)
_RANGE = {"value_range": (-3, 3)}

CASES = [
    case("RandomContrast", _LAST, factor=0.5, seed=3, **_RANGE, shapes=(_UNKNOWN, (None, None, 3))),
    case("RandomContrast", _LAST, factor=(0.2, 0.9), seed=3, **_RANGE, training=True),
    case("RandomContrast", _FIRST, factor=1.0, seed=3, **_RANGE, data_format="channels_first", training=True),
    case("RandomContrast", _BYTES, factor=0.5, seed=3),
    case("RandomContrast", _BYTES, factor=0.5, seed=3, training=False),
    case("RandomContrast", _ONE, factor=0.5, seed=3, value_range=(0, 1), dtype="float64"),
    case("RandomContrast", (1, 6, 5, 3), factor=0.5, seed=3, **_RANGE, dtype="mixed_float16"),
    case("RandomContrast", _LAST, factor=0.5, seed=3, **_RANGE, dtype="bfloat16", name="sun", trainable=False),
    case("RandomContrast", _LAST, factor=0.5, **_RANGE, training=True, repeatable=False),
]
