"""Dense, embeddings, functions as layers and kin."""

import numpy as np

from compat.layer_cases.case import case, ints, mask
from torchkeras.core import registry


def case_scaled(x, factor=2):
    return x * factor


def case_mean_of_steps(x, mask=None, training=None):
    return x.mean(1) * (2 if training else 1)


def case_swapped(pair):
    return [pair[1], pair[0] * 2]


def case_shape(shape):
    return (*shape[:-1], shape[-1])


def case_mask(inputs, mask=None):
    return None if mask is None else ~mask


# Found by their names in configs; compat/conftest.py says the same to Keras.
FUNCTIONS = {each.__name__: each for each in (case_scaled, case_mean_of_steps, case_swapped, case_shape, case_mask)}
registry.get_custom_objects().update(FUNCTIONS)


def _padded(dtype="float32"):
    """Three sequences of 4 steps with 4, 2 and 0 that are not -1 throughout; some entries are -1 elsewhere too."""
    x = np.random.default_rng(3).integers(-1, 9, (3, 4, 2)).astype(dtype)
    x[:, :, 0] += x[:, :, 0] < 0
    x[1, 2:], x[2] = -1, -1
    return x


_VECTORS = {"input_dim": 10, "output_dim": 5}
_SHARED = {"input_dim": 6, "output_dim": 3}

CASES = [
    case("Dense", (4, 3), units=5, shapes=((None, None, 3),)),
    case("Dense", (2, 6, 3), units=4, activation="relu", use_bias=False, kernel_regularizer="l2"),
    case("Dense", (2, 2, 1, 3), units=4, activation="tanh"),
    case("Dense", (4, 3), units=5, activation="softmax", dtype="mixed_float16"),
    case("Dense", (4, 3), units=5, dtype="mixed_bfloat16"),
    case("Dense", (4, 3), units=5, dtype="float16"),
    case("Dense", (4, 3), units=5, dtype="float64"),
    case(
        "Dense", (4, 3), units=5, activity_regularizer="l1", bias_constraint="non_neg", kernel_initializer="he_normal"
    ),
    case("Dense", (1, 1), units=1, bias_regularizer="l2", kernel_constraint="unit_norm", bias_initializer="ones"),
    case("Dense", ints(9, 4, 3), units=5),
    case("Dense", (3, 4, 2), units=5, masks=(mask(4, 2, 0, size=4),)),
    case("Dense", (4, 3), units=5, name="head", trainable=False),
    case("Dense", (4, 3), units=5, lora_rank=2, kernel_regularizer="l2"),
    case("Dense", (2, 6, 3), units=5, lora_rank=2, dtype="mixed_bfloat16", loose=2.0),
    case("Embedding", ints(10, 4, 3), **_VECTORS, lora_rank=2),
    case("Embedding", ints(10, 4, 3), **_VECTORS, shapes=((None, None), (None,))),
    case("Embedding", ints(10, 4, 3), **_VECTORS, mask_zero=True, embeddings_regularizer="l2"),
    case("Embedding", ints(10, 4), **_VECTORS, dtype="mixed_float16"),
    case("Embedding", ints(10, 1, 2, 3), **_VECTORS, embeddings_initializer="glorot_normal", dtype="float64"),
    case("Embedding", ints(10, 4, 3).astype("float32"), **_VECTORS),
    case("Embedding", ints(10, 4, 3).astype("int64"), **_VECTORS, embeddings_constraint="max_norm"),
    case("Embedding", ints(10, 4, 3).astype("uint8"), **_VECTORS, mask_zero=True),
    case("Embedding", ints(10, 4, 3), **_VECTORS, activity_regularizer="l1", name="words"),
    case("Embedding", ints(10, 4, 3), **_VECTORS, dtype="bfloat16", trainable=False),
    case("Embedding", ints(10, 4, 3), **_VECTORS, masks=(mask(3, 1, 0, 2, size=3),)),
    case("ReversibleEmbedding", ints(6, 4, 2), **_SHARED, shapes=((None, None),)),
    case("ReversibleEmbedding", ints(6, 4, 2), **_SHARED, mask_zero=True, embeddings_regularizer="l2"),
    case("ReversibleEmbedding", (4, 2, 3), **_SHARED, kwargs={"reverse": True}),
    case("ReversibleEmbedding", (4, 3), **_SHARED, tie_weights=False, kwargs={"reverse": True}),
    case("ReversibleEmbedding", (4, 3), **_SHARED, logit_soft_cap=0.5, kwargs={"reverse": True}),
    case("ReversibleEmbedding", (4, 3), **_SHARED, reverse_dtype="float16", loose=3.0, kwargs={"reverse": True}),
    case("ReversibleEmbedding", (4, 3), **_SHARED, reverse_dtype="bfloat16", loose=3.0, kwargs={"reverse": True}),
    case("ReversibleEmbedding", ints(6, 4, 2), **_SHARED, tie_weights=False, dtype="mixed_float16"),
    case(
        "ReversibleEmbedding",
        (4, 2, 3),
        **_SHARED,
        mask_zero=True,
        kwargs={"reverse": True},
        masks=(mask(2, 1, 0, 2, size=2),),
    ),
    case("ReversibleEmbedding", ints(6, 4), **_SHARED, embeddings_initializer="ones", embeddings_constraint="max_norm"),
    case("Identity", (4, 3), shapes=((None, None, None), (None,))),
    case("Identity", ints(9, 4, 3)),
    case("Identity", [(4, 3), (4, 2, 2)]),
    case("Identity", (4, 3, 2), masks=(mask(3, 1, 0, 2, size=3),)),
    case("Identity", (4, 3), dtype="mixed_float16"),
    case("Identity", (4, 3), dtype="float64"),
    case("Identity", (1,), name="same", trainable=False),
    case("Identity", (4, 3), activity_regularizer="l2"),
    case("Masking", (3, 4, 2), shapes=((None, None, 2),)),
    case("Masking", _padded()),
    case("Masking", _padded(), mask_value=-1.0),
    case("Masking", _padded("int32"), mask_value=-1),
    case("Masking", _padded(), mask_value=[-1.0, -1.0]),
    case("Masking", _padded(), mask_value=-1, masks=(mask(4, 4, 4, size=4),)),
    case("Masking", _padded(), mask_value=-1, dtype="mixed_float16"),
    case("Masking", _padded("float64"), mask_value=-1, dtype="float64"),
    case("Masking", _padded()[:1, :, :1], mask_value=3),
    case("Masking", _padded()[0], mask_value=4),
    case("Masking", (2, 3, 4, 2), mask_value=0.5, activity_regularizer="l1"),
    case("Lambda", (4, 3), function=case_scaled, shapes=((None, None),)),
    case("Lambda", (4, 3), function=case_scaled, arguments={"factor": 5}),
    case("Lambda", (4, 3), function=case_scaled, output_shape=(3,)),
    case("Lambda", (4, 3), function=case_scaled, output_shape=case_shape),
    case("Lambda", (4, 3), function=case_scaled, dtype="mixed_float16"),
    case("Lambda", (4, 3), function=case_scaled, arguments={"factor": 0.5}, dtype="float64"),
    case("Lambda", (4, 5, 3), function=case_mean_of_steps, shapes=((None, None, 3),)),
    case("Lambda", (4, 5, 3), function=case_mean_of_steps, training=True),
    case("Lambda", (4, 5, 3), function=case_mean_of_steps, masks=(mask(5, 3, 0, 1, size=5),)),
    case("Lambda", (4, 5, 3), function=case_scaled, mask=case_mask, masks=(mask(5, 3, 0, 1, size=5),)),
    case("Lambda", [(4, 3), (4, 2)], function=case_swapped),
    case("Lambda", (1, 3), function=case_scaled, activity_regularizer="l2", name="twice", trainable=False),
]
