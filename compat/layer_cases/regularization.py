"""Dropout, noise, penalties."""

from compat.layer_cases.case import case, ints, mask

_STEPS = (mask(5, 3, 0, 1, size=5),)
_SEEDED = {"seed": 3, "training": True}


def _of_maps(name, *sizes):
    """Dropout of whole channels; `sizes` are the spatial ones."""
    last, first = (4, *sizes, 3), (4, 3, *sizes)
    return [
        case(name, last, rate=0.5, shapes=((None, *(None for _ in sizes), 3),)),
        case(name, last, rate=0.5, **_SEEDED),
        case(name, last, rate=0.2, **_SEEDED, dtype="mixed_float16"),
        case(name, last, rate=0.5, training=True, repeatable=False),
        case(name, last, rate=0, training=True),
        case(name, last, rate=1, **_SEEDED),
        case(name, (1, *sizes, 8), rate=0.3, seed=2**31 - 1, training=True, name="maps", dtype="float64"),
        *(
            [case(name, last, rate=0.3, **_SEEDED, masks=_STEPS), case(name, last, rate=0.5, seed=3, training=False)]
            if len(sizes) == 1
            else [
                case(name, first, rate=0.5, **_SEEDED, data_format="channels_first"),
                case(name, first, rate=0.3, training=False, data_format="channels_first"),
            ]
        ),
    ]


CASES = [
    case("Dropout", (4, 3), rate=0.5, shapes=((None, None, 2),)),
    case("Dropout", (40, 30), rate=0.5, **_SEEDED),
    case("Dropout", (4, 5, 3), rate=0.3, **_SEEDED, noise_shape=(None, 1, None)),
    case("Dropout", (4, 5, 3), rate=0.5, **_SEEDED, noise_shape=[4, 1, 1], masks=_STEPS),
    case("Dropout", (4, 3), rate=0.5, training=True, repeatable=False),
    case("Dropout", (4, 3), rate=0, training=True),
    case("Dropout", (4, 3), rate=1, training=True),
    case("Dropout", (4, 3), rate=0.5, **_SEEDED, dtype="mixed_float16"),
    case("Dropout", (1, 30), rate=0.9, seed=12345, training=True, dtype="float64"),
    case("Dropout", (4, 3), rate=0.5, seed=3, training=False, activity_regularizer="l2"),
    case("Dropout", ints(9, 4, 3), rate=0.5),
    *_of_maps("SpatialDropout1D", 5),
    *_of_maps("SpatialDropout2D", 5, 2),
    *_of_maps("SpatialDropout3D", 5, 2, 2),
    case("GaussianNoise", (4, 3), stddev=0.5, shapes=((None, None, 2),)),
    case("GaussianNoise", (4, 3), stddev=0.5, **_SEEDED),
    case("GaussianNoise", (4, 3), stddev=0.5, **_SEEDED, dtype="float16"),
    case("GaussianNoise", (4, 3), stddev=1, **_SEEDED, dtype="float64"),
    case("GaussianNoise", (4, 3), stddev=0, training=True),
    case("GaussianNoise", (4, 3), stddev=0.5, training=True, repeatable=False),
    case("GaussianNoise", (4, 5, 3), stddev=0.1, **_SEEDED, masks=_STEPS),
    case("GaussianNoise", (1, 3), stddev=0.5, seed=7, training=False, activity_regularizer="l1", name="noise"),
    case("GaussianDropout", (4, 3), rate=0.5, shapes=((None, None, 2),)),
    case("GaussianDropout", (4, 3), rate=0.5, **_SEEDED),
    case("GaussianDropout", (4, 3), rate=0.9, **_SEEDED, dtype="float64"),
    case("GaussianDropout", (4, 3), rate=0.1, **_SEEDED, dtype="mixed_bfloat16"),
    case("GaussianDropout", (4, 3), rate=0, training=True),
    case("GaussianDropout", (4, 3), rate=0.5, training=True, repeatable=False),
    case("GaussianDropout", (4, 5, 3), rate=0.3, **_SEEDED, masks=_STEPS),
    case("GaussianDropout", (1, 3), rate=0.5, seed=7, training=False, activity_regularizer="l1", name="noise"),
    case("AlphaDropout", (4, 3), rate=0.5, shapes=((None, None, 2),)),
    case("AlphaDropout", (4, 3), rate=0.5, **_SEEDED),
    case("AlphaDropout", (4, 5, 3), rate=0.2, **_SEEDED, noise_shape=(None, 1, None)),
    case("AlphaDropout", (4, 5, 3), rate=0.2, **_SEEDED, noise_shape=(4, 5, 1), masks=_STEPS),
    case("AlphaDropout", (4, 3), rate=0.5, **_SEEDED, dtype="float16"),
    case("AlphaDropout", (4, 3), rate=0.9, **_SEEDED, dtype="float64"),
    case("AlphaDropout", (4, 3), rate=0, training=True),
    case("AlphaDropout", (4, 3), rate=0.5, training=True, repeatable=False),
    case("AlphaDropout", (1, 3), rate=0.5, seed=7, training=False, activity_regularizer="l1", name="selu"),
    case("ActivityRegularization", (4, 3), shapes=((None, None, 2),)),
    case("ActivityRegularization", (4, 3), l1=0.1, l2=0.2),
    case("ActivityRegularization", (4, 3), l1=1, training=True),
    case("ActivityRegularization", (2, 5, 3), l2=0.5, masks=(mask(5, 2, size=5),)),
    case("ActivityRegularization", (4, 3), l2=0.5, dtype="mixed_float16"),
    case("ActivityRegularization", (4, 3), l1=0.5, l2=1, dtype="float64"),
    case("ActivityRegularization", (1, 3), l2=0.5, dtype="bfloat16"),
    case("ActivityRegularization", (4, 2, 2, 3), l1=0.01, name="cost", trainable=False),
]
