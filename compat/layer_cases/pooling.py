"""Pooling over windows, over as many windows as asked for, and over everything."""

from compat.layer_cases.case import case, ints, mask

_EDGES = "Keras on torch averages replicated edges; the other backends count real entries"


def _of_windows(name):
    """What maxima and averages share, for one to three axes."""
    return [
        case(f"{name}Pooling1D", (2, 9, 3), pool_size=2, shapes=((None, None, 3),)),
        case(f"{name}Pooling1D", (2, 9, 3), pool_size=3, strides=2),
        case(f"{name}Pooling1D", (2, 9, 3), pool_size=3, strides=1, padding="same"),
        case(f"{name}Pooling1D", (2, 8, 3), pool_size=2, strides=2, padding="same", shapes=((None, None, 3),)),
        case(f"{name}Pooling1D", (2, 3, 9), pool_size=[4], strides=3, data_format="channels_first"),
        case(f"{name}Pooling1D", (1, 9, 3), pool_size=2, dtype="mixed_bfloat16"),
        case(f"{name}Pooling1D", (2, 9, 3), pool_size=9, dtype="float64"),
        case(f"{name}Pooling1D", (2, 9, 3), pool_size=2, masks=(mask(9, 4, size=9),)),
        case(f"{name}Pooling2D", (2, 8, 7, 3), pool_size=2, shapes=((None, None, None, 3),)),
        case(f"{name}Pooling2D", (2, 9, 9, 3), pool_size=3, strides=2, padding="same"),
        case(f"{name}Pooling2D", (2, 8, 7, 3), pool_size=(1, 7), strides=(3, 1)),
        case(f"{name}Pooling2D", (2, 8, 6, 3), pool_size=2, padding="same", shapes=((None, None, 7, 3),)),
        case(f"{name}Pooling2D", (2, 3, 8, 7), pool_size=3, strides=1, data_format="channels_first"),
        case(f"{name}Pooling2D", (2, 3, 9, 7), pool_size=3, padding="same", data_format="channels_first"),
        case(f"{name}Pooling2D", (1, 8, 7, 3), pool_size=2, dtype="float16"),
        case(f"{name}Pooling2D", (2, 8, 7, 3), pool_size=2, activity_regularizer="l2"),
        case(f"{name}Pooling3D", (2, 4, 5, 6, 3), pool_size=2, shapes=((None, None, 5, 6, 3),)),
        case(f"{name}Pooling3D", (2, 5, 5, 5, 3), pool_size=3, strides=2, padding="same"),
        case(f"{name}Pooling3D", (2, 4, 5, 6, 3), pool_size=[1, 3, 2], strides=[1, 2, 3]),
        case(f"{name}Pooling3D", (2, 4, 6, 2, 3), pool_size=2, padding="same", shapes=((None, None, 5, 6, 3),)),
        case(f"{name}Pooling3D", (2, 3, 4, 5, 6), pool_size=2, data_format="channels_first"),
        case(f"{name}Pooling3D", (2, 3, 4, 3, 3), pool_size=3, padding="same", data_format="channels_first"),
        case(f"{name}Pooling3D", (1, 4, 5, 6, 3), pool_size=2, strides=1, dtype="float64"),
        case(f"{name}Pooling3D", (2, 4, 5, 6, 3), pool_size=(4, 5, 6)),
    ]


def _of_everything(name):
    """Global pooling; `shapes` of what is unknown."""
    return [
        case(f"Global{name}Pooling1D", (2, 8, 3), shapes=((None, None, 3),)),
        case(f"Global{name}Pooling1D", (2, 8, 3), keepdims=True),
        case(f"Global{name}Pooling1D", (2, 3, 8), data_format="channels_first"),
        case(f"Global{name}Pooling1D", (2, 3, 8), data_format="channels_first", keepdims=True),
        case(f"Global{name}Pooling1D", (1, 1, 3), dtype="float64"),
        case(f"Global{name}Pooling1D", (2, 8, 3), dtype="mixed_float16"),
        case(f"Global{name}Pooling1D", ints(9, 2, 8, 3)),
        case(f"Global{name}Pooling1D", (2, 8, 3), activity_regularizer="l1"),
        case(f"Global{name}Pooling2D", (2, 8, 7, 3), shapes=((None, None, None, 3),)),
        case(f"Global{name}Pooling2D", (2, 8, 7, 3), keepdims=True, shapes=((None, None, None, 3),)),
        case(f"Global{name}Pooling2D", (2, 3, 8, 7), data_format="channels_first"),
        case(f"Global{name}Pooling2D", (2, 3, 8, 7), data_format="channels_first", keepdims=True),
        case(f"Global{name}Pooling2D", (1, 1, 1, 3), dtype="float16"),
        case(f"Global{name}Pooling2D", (2, 8, 7, 3), keepdims=True, dtype="mixed_bfloat16"),
        case(f"Global{name}Pooling2D", ints(9, 2, 8, 7, 3), keepdims=True),
        case(f"Global{name}Pooling2D", (2, 2, 2, 3), name="all", trainable=False),
        case(f"Global{name}Pooling3D", (2, 4, 5, 6, 3), shapes=((None, None, 5, None, 3),)),
        case(f"Global{name}Pooling3D", (2, 4, 5, 6, 3), keepdims=True),
        case(f"Global{name}Pooling3D", (2, 3, 4, 5, 6), data_format="channels_first"),
        case(f"Global{name}Pooling3D", (2, 3, 4, 5, 6), data_format="channels_first", keepdims=True),
        case(f"Global{name}Pooling3D", (1, 1, 1, 1, 3), dtype="float64"),
        case(f"Global{name}Pooling3D", (2, 2, 3, 2, 3), dtype="mixed_float16"),
        case(f"Global{name}Pooling3D", ints(9, 2, 2, 3, 2, 3)),
        case(f"Global{name}Pooling3D", (2, 2, 3, 2, 3), name="all", trainable=False),
    ]


def _of_as_many_as_asked(name):
    """Adaptive pooling to smaller, equal and larger sizes."""
    return [
        case(f"Adaptive{name}Pooling1D", (2, 9, 3), output_size=4, shapes=((None, None, 3),)),
        case(f"Adaptive{name}Pooling1D", (2, 9, 3), output_size=1),
        case(f"Adaptive{name}Pooling1D", (2, 9, 3), output_size=[3]),
        case(f"Adaptive{name}Pooling1D", (2, 5, 3), output_size=7),
        case(f"Adaptive{name}Pooling1D", (2, 3, 9), output_size=5, data_format="channels_first"),
        case(f"Adaptive{name}Pooling1D", (1, 9, 3), output_size=2, dtype="mixed_bfloat16"),
        case(f"Adaptive{name}Pooling1D", (2, 9, 3), output_size=(2,), dtype="float64"),
        case(f"Adaptive{name}Pooling1D", (2, 9, 3), output_size=2, masks=(mask(9, 4, size=9),)),
        case(f"Adaptive{name}Pooling2D", (2, 8, 7, 3), output_size=4, shapes=((None, None, None, 3),)),
        case(f"Adaptive{name}Pooling2D", (2, 8, 7, 3), output_size=(1, 3)),
        case(f"Adaptive{name}Pooling2D", (2, 8, 6, 3), output_size=[8, 2]),
        case(f"Adaptive{name}Pooling2D", (2, 2, 3, 3), output_size=5),
        case(f"Adaptive{name}Pooling2D", (2, 3, 8, 7), output_size=3, data_format="channels_first"),
        case(f"Adaptive{name}Pooling2D", (1, 8, 7, 3), output_size=2, dtype="mixed_bfloat16"),
        case(f"Adaptive{name}Pooling2D", (2, 8, 7, 3), output_size=3, dtype="float64"),
        case(f"Adaptive{name}Pooling2D", (2, 8, 7, 3), output_size=2, activity_regularizer="l2"),
        case(f"Adaptive{name}Pooling3D", (2, 4, 5, 6, 3), output_size=2, shapes=((None, None, 5, 6, 3),)),
        case(f"Adaptive{name}Pooling3D", (2, 4, 5, 6, 3), output_size=(1, 3, 2)),
        case(f"Adaptive{name}Pooling3D", (2, 4, 5, 6, 3), output_size=[4, 2, 6]),
        case(f"Adaptive{name}Pooling3D", (2, 2, 1, 3, 3), output_size=3),
        case(f"Adaptive{name}Pooling3D", (2, 3, 4, 5, 6), output_size=2, data_format="channels_first"),
        case(f"Adaptive{name}Pooling3D", (2, 3, 4, 5, 6), output_size=(2, 1, 3), data_format="channels_first"),
        case(f"Adaptive{name}Pooling3D", (1, 4, 5, 6, 3), output_size=2, dtype="float64"),
        case(f"Adaptive{name}Pooling3D", (2, 4, 5, 6, 3), output_size=1, name="few", trainable=False),
    ]


CASES = [
    *_of_windows("Max"),
    case("MaxPooling1D", (2, 9, 3), pool_size=2, strides=1, padding="same"),
    case("MaxPooling1D", (2, 3, 9), pool_size=4, strides=3, padding="same", data_format="channels_first"),
    case("MaxPooling2D", (2, 8, 7, 3), pool_size=(2, 4), strides=1, padding="same", shapes=((None, None, 7, 3),)),
    case("MaxPooling2D", (2, 9, 10, 3), pool_size=(4, 3), strides=(2, 4), padding="same"),
    case("MaxPooling2D", (2, 3, 8, 7), pool_size=(3, 2), strides=(1, 3), data_format="channels_first"),
    case("MaxPooling2D", (2, 8, 7, 3), dtype="mixed_float16"),
    case("MaxPooling3D", (2, 4, 5, 6, 3), pool_size=(2, 3, 2), strides=(1, 2, 1), padding="same"),
    *_of_windows("Average"),
    case("AveragePooling1D", (2, 9, 3), pool_size=2, strides=1, padding="same"),
    case("AveragePooling2D", (2, 8, 7, 3), pool_size=(2, 3), strides=(1, 2), padding="same", why=_EDGES),
    case("AveragePooling2D", (2, 9, 10, 3), pool_size=4, strides=3, padding="same", why=_EDGES),
    case("AveragePooling3D", (2, 4, 5, 6, 3), pool_size=2, strides=1, padding="same"),
    case(
        "AveragePooling1D", (2, 3, 9), pool_size=4, strides=3, padding="same", data_format="channels_first", why=_EDGES
    ),
    case("AveragePooling3D", (2, 5, 5, 4, 3), pool_size=(3, 4, 2), strides=3, padding="same", why=_EDGES),
    *_of_everything("Max"),
    *_of_everything("Average"),
    case("GlobalAveragePooling1D", (2, 8, 3), masks=(mask(8, 3, size=8),)),
    case("GlobalAveragePooling1D", (2, 3, 8), masks=(mask(8, 3, size=8),), data_format="channels_first", keepdims=True),
    case("GlobalAveragePooling1D", (2, 8, 3), masks=(mask(8, 0, size=8),), dtype="mixed_float16"),
    *_of_as_many_as_asked("Max"),
    *_of_as_many_as_asked("Average"),
]
