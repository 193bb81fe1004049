"""Dropout, noise, penalties."""

from compat.layer_cases.case import case

CASES = [
    case("Dropout", (4, 3), rate=0.5),
    case("Dropout", (40, 30), rate=0.5, seed=3, training=True),
    case("Dropout", (4, 5, 3), rate=0.3, seed=3, noise_shape=(None, 1, None), training=True),
    case("Dropout", (4, 3), rate=0.5, training=True, repeatable=False),
    case("Dropout", (4, 3), rate=0, training=True),
    case("Dropout", (4, 3), rate=1, training=True),
    case("Dropout", (4, 3), rate=0.5, seed=3, training=True, dtype="mixed_float16"),
    case("SpatialDropout1D", (4, 5, 3), rate=0.5),
    case("SpatialDropout1D", (4, 5, 3), rate=0.5, seed=1, training=True),
    case("SpatialDropout2D", (4, 5, 2, 3), rate=0.5),
    case("SpatialDropout2D", (4, 5, 2, 3), rate=0.5, seed=1, training=True),
    case("SpatialDropout2D", (4, 3, 5, 2), rate=0.5, seed=1, training=True, data_format="channels_first"),
    case("SpatialDropout3D", (4, 5, 2, 2, 3), rate=0.5),
    case("SpatialDropout3D", (4, 5, 2, 2, 3), rate=0.5, seed=1, training=True),
    case("GaussianNoise", (4, 3), stddev=0.5),
    case("GaussianNoise", (4, 3), stddev=0.5, seed=1, training=True),
    case("GaussianNoise", (4, 3), stddev=0.5, seed=1, training=True, dtype="float16"),
    case("GaussianDropout", (4, 3), rate=0.5),
    case("GaussianDropout", (4, 3), rate=0.5, seed=1, training=True),
    case("AlphaDropout", (4, 3), rate=0.5),
    case("AlphaDropout", (4, 3), rate=0.5, seed=1, training=True),
    case("AlphaDropout", (4, 5, 3), rate=0.2, seed=1, noise_shape=(None, 1, None), training=True),
    case("ActivityRegularization", (4, 3)),
    case("ActivityRegularization", (4, 3), l1=0.1, l2=0.2),
]
