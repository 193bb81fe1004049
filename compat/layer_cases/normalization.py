"""Normalization."""

from compat.layer_cases.case import case, ints, mask


def _spectral(*args, inner="Dense", power_iterations=1, training=None, dtype=None, loose=1.0, **options):
    """Of a wrapped layer."""

    def make(layers):
        wrapped = getattr(layers, inner)(**options, dtype=dtype)
        return {"layer": wrapped, "power_iterations": power_iterations, "dtype": dtype}

    return case("SpectralNormalization", *args, make=make, training=training, loose=loose)


_CONV = {"inner": "Conv2D", "filters": 4, "kernel_size": 2}

CASES = [
    case("BatchNormalization", (8, 3)),
    case("BatchNormalization", (8, 3), training=True),
    case("BatchNormalization", (4, 5, 6, 3)),
    case("BatchNormalization", (4, 5, 6, 3), training=True, momentum=0.8, epsilon=1e-2),
    case("BatchNormalization", (4, 5, 3), training=True, center=False),
    case("BatchNormalization", (4, 3, 5, 6), training=True, axis=1, scale=False),
    case("BatchNormalization", (4, 5, 3, 6), training=True, axis=2, center=False, scale=False),
    case("BatchNormalization", (4, 2, 3, 2, 3), training=True),
    case("BatchNormalization", (4, 5, 3), training=True, masks=(mask(5, 3, 0, 1, size=5),)),
    case("BatchNormalization", (8, 3), training=True, trainable=False),
    case("BatchNormalization", (8, 3), training=True, renorm=True),
    case(
        "BatchNormalization",
        (4, 5, 3),
        training=True,
        renorm=True,
        renorm_clipping={"rmin": 0.5, "rmax": 1.5, "dmax": 0.3},
        renorm_momentum=0.9,
        scale=False,
    ),
    case("BatchNormalization", (8, 3), renorm=True),
    case(
        "BatchNormalization",
        (8, 3),
        training=True,
        gamma_regularizer="l2",
        beta_initializer="ones",
        moving_variance_initializer="zeros",
    ),
    case("BatchNormalization", (4, 5, 6, 3), training=True, dtype="mixed_float16"),
    case("BatchNormalization", (4, 5, 6, 3), dtype="mixed_bfloat16"),
    case("BatchNormalization", (4, 5, 6, 3), training=True, dtype="float16", loose=3.0),
    case("BatchNormalization", (4, 3), training=True, dtype="float64"),
    case("LayerNormalization", (4, 3)),
    case("LayerNormalization", (4, 5, 3), axis=[1, 2], epsilon=1e-5, masks=(mask(5, 3, 0, 1, size=5),)),
    case("LayerNormalization", (4, 5, 3), axis=-1, center=False, gamma_regularizer="l2"),
    case("LayerNormalization", (4, 5, 6, 3), axis=(3, 1)),
    case("LayerNormalization", (4, 5, 3), scale=False),
    case("LayerNormalization", (4, 5, 3), rms_scaling=True),
    case("LayerNormalization", (4, 5, 3), dtype="mixed_float16"),
    case("LayerNormalization", (4, 5, 3), dtype="bfloat16"),
    case("LayerNormalization", (4, 5, 3), dtype="float64"),
    case("LayerNormalization", (4, 5, 3), epsilon=None, beta_initializer="ones", gamma_constraint="non_neg"),
    case("LayerNormalization", (4, 5, 3), dtype="float16", loose=3.0),
    case("LayerNormalization", (2, 5, 6, 3), beta_regularizer="l1", shapes=((None, None, None, 3),)),
    case("LayerNormalization", (1, 3)),
    case("GroupNormalization", (4, 6), groups=2),
    case("GroupNormalization", (2, 5, 6), groups=3, masks=(mask(5, 3, size=5),), shapes=((None, None, 6),)),
    case("GroupNormalization", (2, 4, 5, 32)),
    case("GroupNormalization", (2, 4, 5, 6), groups=-1, epsilon=1e-2, shapes=((None, None, None, 6),)),
    case("GroupNormalization", (2, 4, 5, 6), groups=1, center=False, gamma_regularizer="l2"),
    case("GroupNormalization", (2, 6, 4, 5), groups=2, axis=1, scale=False, beta_initializer="ones"),
    case("GroupNormalization", (2, 4, 6, 5), groups=2, axis=2, center=False, scale=False),
    case("GroupNormalization", (2, 4, 6, 5), groups=3, axis=-2, beta_constraint="non_neg"),
    case("GroupNormalization", (2, 3, 2, 3, 4), groups=2),
    case("GroupNormalization", (1, 4, 3, 2, 3), groups=2, axis=1),
    case("GroupNormalization", (2, 4, 5, 6), groups=2, dtype="mixed_float16"),
    case("GroupNormalization", (2, 4, 5, 6), groups=2, dtype="bfloat16"),
    case("GroupNormalization", (2, 5, 6), groups=2, dtype="float16"),
    case("GroupNormalization", (2, 5, 6), groups=2, dtype="float64"),
    case("RMSNormalization", (4, 3)),
    case("RMSNormalization", (4, 5, 3), epsilon=0.1, shapes=((None, None, 3),)),
    case("RMSNormalization", (4, 5, 3), epsilon=None),
    case("RMSNormalization", (4, 5, 3), axis=[1, 2]),
    case("RMSNormalization", (4, 5, 3), axis=(-1, -2)),
    case("RMSNormalization", (4, 3, 3), axis=1, why="Keras multiplies the last axis by the scale of the first"),
    case("RMSNormalization", (4, 5, 3), masks=(mask(5, 3, 0, 1, size=5),)),
    case("RMSNormalization", (1, 3), activity_regularizer="l2"),
    case("RMSNormalization", (4, 5, 3), dtype="mixed_float16"),
    case("RMSNormalization", (4, 5, 3), dtype="mixed_bfloat16"),
    case("RMSNormalization", (4, 5, 3), dtype="float16"),
    case("RMSNormalization", (4, 3), dtype="float64"),
    case("UnitNormalization", (4, 3)),
    case("UnitNormalization", (4, 5, 3), axis=1, masks=(mask(5, 3, 0, 1, size=5),)),
    case("UnitNormalization", (4, 5, 3), axis=[1, 2], shapes=((None, None, 3),)),
    case("UnitNormalization", (4, 5, 3), axis=(-1,)),
    case("UnitNormalization", (2, 4, 5, 3), axis=[3, 1]),
    case("UnitNormalization", ints(9, 4, 3)),
    case("UnitNormalization", (1, 3), activity_regularizer="l1"),
    *[
        case("UnitNormalization", (4, 5, 3), dtype=dtype)
        for dtype in ("mixed_float16", "bfloat16", "float16", "float64")
    ],
    _spectral((4, 3), units=5),
    _spectral((4, 3), units=5, training=True),
    _spectral((4, 3), units=5, training=True, power_iterations=4),
    _spectral((4, 6, 3), units=5, use_bias=False, activation="tanh", training=True),
    _spectral((4, 3), units=5, kernel_regularizer="l2", kernel_constraint="max_norm", training=True),
    _spectral((1, 3), units=1, training=True),
    _spectral((2, 5, 6, 3), **_CONV, training=True),
    _spectral((2, 5, 6, 3), **_CONV, padding="same", strides=2),
    _spectral((2, 5, 3), inner="EinsumDense", equation="abc,cde->abde", output_shape=(None, 2, 4), training=True),
    _spectral((2, 3, 4, 5), inner="Conv2DTranspose", filters=3, kernel_size=2, training=True),
    _spectral((4, 3), units=5, dtype="mixed_float16"),
    _spectral((4, 3), units=5, dtype="bfloat16", loose=2.0),
    _spectral((4, 3), units=5, dtype="float64"),
]
