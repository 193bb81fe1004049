"""Convolutions."""

from compat.layer_cases.case import case

CASES = [
    case("Conv2D", (2, 8, 7, 3), filters=4, kernel_size=3, shapes=((None, None, None, 3),)),
    case("Conv2D", (2, 8, 7, 3), filters=4, kernel_size=3, padding="same", activation="relu"),
    case("Conv2D", (2, 8, 7, 3), filters=4, kernel_size=(2, 3), padding="same", shapes=((None, None, 9, 3),)),
    case("Conv2D", (2, 8, 7, 3), filters=4, kernel_size=3, strides=2, padding="same"),
    case("Conv2D", (2, 9, 8, 3), filters=4, kernel_size=(4, 2), strides=(2, 3), padding="same", use_bias=False),
    case("Conv2D", (2, 9, 8, 3), filters=4, kernel_size=1, strides=3, padding="same"),
    case("Conv2D", (2, 9, 8, 3), filters=4, kernel_size=3, strides=(2, 1)),
    case("Conv2D", (2, 9, 8, 3), filters=4, kernel_size=3, dilation_rate=2),
    case("Conv2D", (2, 9, 8, 3), filters=4, kernel_size=(2, 3), dilation_rate=(3, 2), padding="same"),
    case("Conv2D", (2, 9, 8, 4), filters=6, kernel_size=3, groups=2),
    case("Conv2D", (2, 3, 9, 8), filters=4, kernel_size=3, data_format="channels_first"),
    case("Conv2D", (2, 3, 9, 8), filters=4, kernel_size=2, strides=2, padding="same", data_format="channels_first"),
    case("Conv2D", (2, 8, 7, 3), filters=4, kernel_size=3, kernel_regularizer="l2", bias_regularizer="l1"),
    case("Conv2D", (2, 8, 7, 3), filters=4, kernel_size=3, activity_regularizer="l2", kernel_constraint="max_norm"),
    case("Conv2D", (2, 8, 7, 3), filters=4, kernel_size=3, dtype="mixed_bfloat16", loose=3.0),
    case("Conv2D", (2, 8, 7, 3), filters=4, kernel_size=3, dtype="float16", loose=3.0),
    case("Conv2D", (2, 8, 7, 3), filters=4, kernel_size=3, dtype="float64"),
    case("Conv1D", (2, 8, 3), filters=4, kernel_size=3, shapes=((None, None, 3),)),
    case("Conv1D", (2, 8, 3), filters=4, kernel_size=3, padding="causal", dilation_rate=2),
    case("Conv1D", (2, 9, 3), filters=4, kernel_size=2, padding="causal", strides=2),
    case("Conv1D", (2, 3, 9), filters=4, kernel_size=2, padding="causal", data_format="channels_first"),
    case("Conv1D", (2, 9, 3), filters=4, kernel_size=4, padding="same", strides=2),
    case("Conv1D", (2, 9, 4), filters=4, kernel_size=[4], padding="same", groups=4),
    case("Conv1D", (2, 8, 3), filters=4, kernel_size=3, dtype="mixed_float16", loose=3.0),
    case("Conv3D", (2, 5, 6, 4, 3), filters=4, kernel_size=3, shapes=((None, None, 6, None, 3),)),
    case("Conv3D", (2, 5, 6, 4, 3), filters=4, kernel_size=(2, 3, 2), strides=(1, 2, 2), padding="same"),
    case("Conv3D", (2, 4, 5, 6, 4), filters=4, kernel_size=2, groups=2, data_format="channels_first"),
]
