"""Images mirrored, turned, moved, cut and resized. Those of one seed are Keras's."""

from compat.layer_cases.case import case, ints

_BYTES = ints(256, 3, 6, 5, 3).astype("uint8")
_LAST, _FIRST, _ONE = (4, 6, 5, 3), (4, 3, 6, 5), (6, 5, 3)
_UNKNOWN = (None, None, None, 3)

CASES = [
    case("RandomFlip", _LAST, seed=3, shapes=(_UNKNOWN, (None, None, 3))),
    case("RandomFlip", (9, 4, 4, 1), seed=1, mode="horizontal", training=True),
    case("RandomFlip", (9, 4, 5, 2), seed=2, mode="vertical", training=True),
    case("RandomFlip", _FIRST, seed=3, data_format="channels_first", training=True),
    case("RandomFlip", _BYTES, seed=4, mode="horizontal"),
    case("RandomFlip", _BYTES, seed=5, dtype="uint8"),
    case("RandomFlip", _BYTES.astype("int32"), seed=5, dtype="mixed_float16", bounding_box_format="xyxy"),
    case("RandomFlip", _ONE, seed=8, dtype="float64", training=True),
    case("RandomFlip", (1, 6, 5, 3), seed=8, dtype="bfloat16", name="mirror", trainable=False),
    case("RandomFlip", _LAST, seed=8, training=False),
    case("RandomFlip", _LAST, repeatable=False, training=True),
]
