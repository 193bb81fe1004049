"""Images mirrored, turned, moved, cut and resized. Those of one seed are Keras's."""

from compat.layer_cases.case import case, ints

_BYTES = ints(256, 3, 6, 5, 3).astype("uint8")
_LAST, _FIRST, _ONE = (4, 6, 5, 3), (4, 3, 6, 5), (6, 5, 3)
_UNKNOWN = (None, None, None, 3)

_FIELDS = {"repeatable": False}  # Keras on torch draws them from torch's own generator, whatever the seed


def _affine(name, *factors):
    """A layer that reads images at other places; `factors` are its arguments that say how far."""
    plain, *others = factors
    return [
        case(name, _LAST, **plain, seed=3, loose=10.0, shapes=(_UNKNOWN, (None, None, 3))),
        *(case(name, _LAST, **each, seed=4, loose=10.0) for each in others),
        case(name, _LAST, **plain, seed=5, fill_mode="constant", fill_value=1.5, loose=10.0, training=True),
        case(name, _LAST, **plain, seed=5, fill_mode="wrap", interpolation="nearest"),
        case(name, _FIRST, **plain, seed=6, fill_mode="nearest", data_format="channels_first", loose=10.0),
        case(name, _BYTES, **plain, seed=7, loose=30.0, bounding_box_format="xyxy"),
        case(name, _ONE, **plain, seed=8, loose=10.0),
        case(name, (1, 6, 5, 3), **plain, seed=8, loose=10.0, name="moved", trainable=False),
        case(name, _LAST, **plain, seed=8, training=False, dtype="mixed_float16"),
    ]


CASES = [
    case("RandomFlip", _LAST, seed=3, shapes=(_UNKNOWN, (None, None, 3))),
    case("RandomFlip", (9, 4, 4, 1), seed=1, mode="horizontal", training=True),
    case("RandomFlip", (9, 4, 5, 2), seed=2, mode="vertical"),
    case("RandomFlip", _FIRST, seed=3, data_format="channels_first"),
    case("RandomFlip", _BYTES, seed=4, mode="horizontal"),
    case("RandomFlip", _BYTES, seed=5, dtype="uint8"),
    case("RandomFlip", _BYTES.astype("int32"), seed=5, dtype="mixed_float16", bounding_box_format="xyxy"),
    case("RandomFlip", _ONE, seed=8, dtype="float64"),
    case("RandomFlip", (1, 6, 5, 3), seed=8, dtype="bfloat16", name="mirror", trainable=False),
    case("RandomFlip", _LAST, seed=8, training=False),
    case("RandomFlip", _LAST, repeatable=False),
    case("Resizing", _LAST, height=4, width=7, shapes=(_UNKNOWN, (None, None, 3))),
    case("Resizing", _LAST, height=12, width=9, interpolation="nearest"),
    case("Resizing", _FIRST, height=3, width=3, antialias=True, data_format="channels_first"),
    case("Resizing", _LAST, height=4, width=7, crop_to_aspect_ratio=True, training=True),
    case("Resizing", _LAST, height=4, width=7, pad_to_aspect_ratio=True, fill_value=1.5),
    case("Resizing", _BYTES, height=4, width=7, pad_to_aspect_ratio=True, fill_mode="constant", fill_value=9),
    case("Resizing", _BYTES, height=9, width=3, dtype="uint8", bounding_box_format="xywh"),
    case("Resizing", _BYTES.astype("int32"), height=9, width=3),
    case("Resizing", _ONE, height=4, width=7, dtype="float64"),
    case("Resizing", (1, 6, 5, 3), height=4, width=7, dtype="mixed_float16", name="small", trainable=False),
    case("Resizing", _LAST, height=4, width=7, interpolation="bicubic", antialias=True, loose=10.0),
    case("CenterCrop", _LAST, height=4, width=3, shapes=(_UNKNOWN, (None, None, 3))),
    case("CenterCrop", _LAST, height=3, width=4, training=True),
    case("CenterCrop", _FIRST, height=4, width=2, data_format="channels_first"),
    case("CenterCrop", _LAST, height=7, width=3),
    case("CenterCrop", _FIRST, height=7, width=9, data_format="channels_first", training=False),
    case("CenterCrop", _BYTES, height=4, width=3),
    case("CenterCrop", _BYTES, height=4, width=3, dtype="uint8", bounding_box_format="xywh"),
    case("CenterCrop", _ONE, height=6, width=5, dtype="float64"),
    case("CenterCrop", (1, 6, 5, 3), height=9, width=5, dtype="mixed_float16", name="middle", trainable=False),
    case("RandomCrop", _LAST, height=4, width=3, seed=3, shapes=(_UNKNOWN, (None, None, 3))),
    case("RandomCrop", _LAST, height=3, width=4, seed=4, training=True),
    case("RandomCrop", _LAST, height=3, width=4, seed=4, training=False),
    case("RandomCrop", _FIRST, height=4, width=2, seed=5, data_format="channels_first"),
    case("RandomCrop", _LAST, height=7, width=3, seed=3),
    case("RandomCrop", _LAST, height=9, width=8, seed=3),
    case("RandomCrop", _BYTES, height=4, width=3, seed=6),
    case("RandomCrop", _BYTES, height=4, width=3, seed=6, dtype="uint8", bounding_box_format="xywh"),
    case("RandomCrop", _ONE, height=4, width=3, seed=6, dtype="float64"),
    case("RandomCrop", (1, 6, 5, 3), height=4, width=3, seed=6, dtype="bfloat16", name="part", trainable=False),
    *_affine("RandomRotation", {"factor": 0.3}, {"factor": (-0.5, -0.1)}, {"factor": 1}),
    *_affine("RandomZoom", {"height_factor": 0.4}, {"height_factor": (0.1, 0.5), "width_factor": 0.3}),
    *_affine(
        "RandomTranslation",
        {"height_factor": 0.4, "width_factor": 0.3},
        {"height_factor": (-1, 0.5), "width_factor": 1},
    ),
    *_affine(
        "RandomShear", {"x_factor": (0, 0.3), "y_factor": (0.1, 0.2)}, {"x_factor": (0.1, 0.5)}, {"y_factor": (0, 1)}
    ),
    case("RandomPerspective", _LAST, seed=3, loose=30.0, shapes=(_UNKNOWN, (None, None, 3))),
    case("RandomPerspective", _LAST, seed=3, loose=30.0, factor=0.5, scale=0.3, training=True),
    case("RandomPerspective", _LAST, seed=3, loose=30.0, factor=(0.5, 0.9), interpolation="nearest"),
    case("RandomPerspective", _FIRST, seed=3, loose=30.0, fill_value=1.5, data_format="channels_first"),
    case("RandomPerspective", _BYTES, seed=3, scale=0.5, bounding_box_format="xywh", loose=30.0),
    case("RandomPerspective", _ONE, seed=3, loose=30.0),
    case("RandomPerspective", (1, 6, 5, 3), seed=3, name="side", trainable=False, loose=30.0),
    case("RandomPerspective", _LAST, seed=3, training=False),
    case("RandomElasticTransform", _LAST, value_range=(-3, 3), **_FIELDS, shapes=(_UNKNOWN, (None, None, 3))),
    case("RandomElasticTransform", _LAST, factor=0.5, scale=0.5, **_FIELDS, training=True),
    case("RandomElasticTransform", _LAST, fill_mode="mirror", interpolation="nearest", **_FIELDS),
    case("RandomElasticTransform", _FIRST, data_format="channels_first", fill_mode="wrap", **_FIELDS),
    case("RandomElasticTransform", _BYTES, fill_mode="constant", fill_value=3.0, **_FIELDS),
    case("RandomElasticTransform", _LAST, seed=3, scale=0),
    case("RandomElasticTransform", _LAST, training=False),
    case("RandomElasticTransform", (1, 6, 5, 3), **_FIELDS, name="jelly", dtype="float64", trainable=False),
    case("MaxNumBoundingBoxes", _LAST, max_number=3, shapes=(_UNKNOWN,)),
    case("MaxNumBoundingBoxes", _LAST, max_number=1, training=True),
    case("MaxNumBoundingBoxes", _LAST, max_number=7, training=False),
    case("MaxNumBoundingBoxes", _FIRST, max_number=3, data_format="channels_first", bounding_box_format="xyxy"),
    case("MaxNumBoundingBoxes", _BYTES, max_number=3),
    case("MaxNumBoundingBoxes", _ONE, max_number=3, dtype="float64"),
    case("MaxNumBoundingBoxes", _BYTES, max_number=3, dtype="uint8"),
    case("MaxNumBoundingBoxes", (1, 6, 5, 3), max_number=3, dtype="mixed_float16", name="boxes", trainable=False),
]
