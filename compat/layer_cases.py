"""Configurations under which every layer is compared with Keras and tried as a torch module.

May import torchkeras and numpy, not Keras. One line per configuration; the first line of a layer is its plainest. The
loops in compat/test_layers.py and tests/layers/test_citizenship.py fail for a published layer that has no line here.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from torchkeras import layers
from torchkeras.core import registry

assert layers  # imported for what it publishes


@dataclass
class Case:
    """One configuration of one layer and one call of it.

    Attributes:
        layer: class name.
        args: positional arguments of the call; a tuple of integers stands for random floats of that shape (batch
            first), an array for itself, a list for a list of inputs.
        config: constructor arguments, or a function of the `layers` module that gives them.
        training: the call's `training`; None leaves it out.
        masks: one mask per tensor in `args` (None where there is none).
        shapes: further input shapes for `compute_output_shape`; None where Keras has no such method.
        values: False where the numbers must differ from Keras's (`why` says for what reason).
        repeatable: False where the call draws unseeded numbers.
        loose: factor on the tolerances.
    """

    layer: str
    args: tuple
    config: Any = field(default_factory=dict)
    training: Any = None
    masks: tuple = ()
    kwargs: dict = field(default_factory=dict)
    shapes: tuple = ()
    values: bool = True
    why: str = ""
    repeatable: bool = True
    loose: float = 1.0

    @property
    def title(self):
        config = self.config if isinstance(self.config, dict) else {"config": "nested"}
        parts = [f"{key}={_short(value)}" for key, value in config.items()]
        if self.training is not None:
            parts.append(f"training={self.training}")
        if self.masks:
            parts.append("masked")
        return f"{self.layer}({', '.join(parts)})@{_short(self.args[0])}"

    def constructor_arguments(self, module):
        """Keyword arguments for a class of `module` (our layers or Keras's)."""
        return self.config(module) if callable(self.config) else dict(self.config)


def _short(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}".replace(" ", "")
    return str(value).replace(" ", "")


def case(
    layer,
    *args,
    training=None,
    masks=(),
    kwargs=None,
    shapes=(),
    why="",
    repeatable=True,
    loose=1.0,
    make=None,
    **config,
):
    """A `Case`; what is not a word of the case itself is a constructor argument. `make` gives nested ones."""
    return Case(
        layer,
        args,
        make or config,
        training,
        tuple(masks),
        kwargs or {},
        shapes,
        not why,
        why,
        repeatable,
        loose,
    )


def ints(high, *shape):
    """Random integers below `high`, the same each time."""
    return np.random.default_rng(7).integers(0, high, shape).astype("int32")


def mask(*lengths, size):
    """A boolean mask `(len(lengths), size)` that is True up to each length."""
    return np.arange(size)[None, :] < np.asarray(lengths)[:, None]


CORE = [
    case("Dense", (4, 3), units=5),
    case("Dense", (2, 6, 3), units=4, activation="relu", use_bias=False, kernel_regularizer="l2"),
    case("Dense", (4, 3), units=5, activation="softmax", dtype="mixed_float16"),
    case("Dense", (4, 3), units=5, dtype="mixed_bfloat16"),
    case("Dense", (4, 3), units=5, dtype="float16"),
    case("Dense", (4, 3), units=5, dtype="float64"),
    case(
        "Dense", (4, 3), units=5, activity_regularizer="l1", bias_constraint="non_neg", kernel_initializer="he_normal"
    ),
    case("Embedding", ints(10, 4, 3), input_dim=10, output_dim=5),
    case("Embedding", ints(10, 4, 3), input_dim=10, output_dim=5, mask_zero=True, embeddings_regularizer="l2"),
    case("Embedding", ints(10, 4), input_dim=10, output_dim=5, dtype="mixed_float16"),
]

RECURRENT = [
    case("LSTM", (4, 5, 3), units=2),
    case("LSTM", (4, 5, 3), units=2, return_sequences=True, masks=(mask(5, 3, 0, 1, size=5),)),
    case("LSTM", (4, 5, 3), units=2, return_state=True, go_backwards=True, unit_forget_bias=False),
    case("LSTM", (4, 5, 3), units=2, activation="relu", recurrent_activation="hard_sigmoid", kernel_regularizer="l2"),
    case("LSTM", (4, 5, 3), units=2, dtype="mixed_bfloat16", loose=3.0),
    case("LSTMCell", (4, 3), [(4, 2), (4, 2)], units=2, shapes=None),
    case("RNN", (4, 5, 3), make=lambda layers: {"cell": layers.LSTMCell(2), "return_sequences": True}),
    case(
        "StackedRNNCells",
        (4, 3),
        [[(4, 2), (4, 2)], [(4, 3), (4, 3)]],
        shapes=None,
        make=lambda layers: {"cells": [layers.LSTMCell(2), layers.LSTMCell(3)]},
    ),
    case("GRU", (4, 5, 3), units=2, return_sequences=True, masks=(mask(5, 3, 0, 1, size=5),)),
    case("GRU", (4, 5, 3), [(4, 2)], units=2, return_state=True, reset_after=False, recurrent_regularizer="l2"),
    case("GRUCell", (4, 3), [(4, 2)], units=2, shapes=None),
    case("SimpleRNN", (4, 5, 3), units=2, go_backwards=True, return_sequences=True),
    case("SimpleRNN", (4, 5, 3), units=2, activation="relu", masks=(mask(5, 3, 0, 1, size=5),)),
    case("SimpleRNNCell", (4, 3), [(4, 2)], units=2, shapes=None),
]

ATTENTION = [
    case("EinsumDense", (4, 5, 3), equation="abc,cd->abd", output_shape=(None, 6), bias_axes="d"),
    case("EinsumDense", (4, 5, 3), equation="abc,cde->abde", output_shape=(None, 2, 6), bias_axes="de"),
    case("MultiHeadAttention", (4, 5, 3), (4, 6, 3), num_heads=2, key_dim=4),
    case("MultiHeadAttention", (4, 5, 3), (4, 5, 3), num_heads=2, key_dim=4, masks=(mask(5, 3, 0, 1, size=5),) * 2),
]

ACTIVATIONS = [
    case("Activation", (4, 3), activation="relu"),
    case("Activation", (2, 5, 3), activation="softmax", masks=(mask(5, 2, size=5),)),
    case("Activation", (4, 3), activation=None),
    case("Activation", (4, 3), activation="tanh", dtype="float16"),
    case("ReLU", (4, 3)),
    case("ReLU", (4, 30), max_value=0.8, negative_slope=0.2, threshold=0.3),
    case("ReLU", (4, 30), max_value=1),
    case("LeakyReLU", (4, 3)),
    case("LeakyReLU", (4, 3), negative_slope=0.1, dtype="bfloat16"),
    case("LeakyReLU", (4, 3), alpha=0.2),
    case("ELU", (4, 3)),
    case("ELU", (4, 3), alpha=0.5),
    case("PReLU", (4, 3)),
    case("PReLU", (2, 5, 6, 3), shared_axes=[1, 2], alpha_regularizer="l1"),
    case("PReLU", (2, 5, 3), shared_axes=1, alpha_initializer="ones"),
    case("Softmax", (4, 3)),
    case("Softmax", (2, 4, 3), axis=1),
    case("Softmax", (2, 4, 3), axis=[1, 2]),
    case("Softmax", (2, 4, 3), axis=[-1]),
    case("Softmax", (3, 4), masks=(mask(4, 2, 0, size=4),)),
    case("Softmax", (3, 4), masks=(mask(4, 2, 0, size=4),), dtype="float16"),
]

REGULARIZATION = [
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

RESHAPING = [
    case("Flatten", (4, 2, 3), shapes=((None, None, 3),)),
    case("Flatten", (4,)),
    case("Flatten", (4, 2, 3, 5), data_format="channels_first"),
    case("Flatten", ints(9, 4, 2, 3)),
    case("Reshape", (4, 6), target_shape=(2, 3)),
    case("Reshape", (4, 6, 2), target_shape=(-1, 3), shapes=((None, None, 2),)),
    case("Reshape", (4, 6), target_shape=[6, 1]),
    case("Reshape", (4, 1), target_shape=()),
    case("Reshape", ints(9, 4, 6), target_shape=(3, 2)),
    case("Permute", (4, 2, 3), dims=(2, 1)),
    case("Permute", (4, 2, 3, 5), dims=[3, 1, 2]),
    case("RepeatVector", (4, 3), n=5),
]

CONV = [
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

POOLING = [
    case("MaxPooling1D", (2, 9, 3), shapes=((None, None, 3),)),
    case("MaxPooling1D", (2, 9, 3), pool_size=3, strides=2, padding="same"),
    case("MaxPooling1D", (2, 9, 3), pool_size=2, strides=1, padding="same"),
    case("MaxPooling1D", (2, 3, 9), pool_size=4, strides=3, padding="same", data_format="channels_first"),
    case("MaxPooling2D", (2, 8, 7, 3), shapes=((None, None, None, 3),)),
    case("MaxPooling2D", (2, 8, 7, 3), pool_size=3, strides=2, padding="same"),
    case("MaxPooling2D", (2, 8, 7, 3), pool_size=(2, 4), strides=1, padding="same", shapes=((None, None, 7, 3),)),
    case("MaxPooling2D", (2, 9, 10, 3), pool_size=(4, 3), strides=(2, 4), padding="same"),
    case("MaxPooling2D", (2, 3, 8, 7), pool_size=(3, 2), strides=(1, 3), data_format="channels_first"),
    case("MaxPooling2D", (2, 8, 7, 3), dtype="mixed_float16"),
    case("MaxPooling3D", (2, 4, 5, 6, 3), shapes=((None, None, 5, 6, 3),)),
    case("MaxPooling3D", (2, 4, 5, 6, 3), pool_size=(2, 3, 2), strides=(1, 2, 1), padding="same"),
    case("AveragePooling1D", (2, 9, 3), pool_size=2),
    case("AveragePooling1D", (2, 9, 3), pool_size=3, strides=1, padding="same"),
    case("AveragePooling2D", (2, 8, 7, 3), pool_size=2),
    case("AveragePooling2D", (2, 9, 9, 3), pool_size=3, strides=2, padding="same"),
    case(
        "AveragePooling2D",
        (2, 8, 7, 3),
        pool_size=(2, 3),
        strides=(1, 2),
        padding="same",
        why="Keras on torch averages replicated edges; the other backends count real entries",
    ),
    case("AveragePooling2D", (2, 3, 8, 7), pool_size=3, strides=1, data_format="channels_first"),
    case("AveragePooling3D", (2, 4, 5, 6, 3), pool_size=2),
    case("AveragePooling3D", (2, 5, 5, 5, 3), pool_size=3, strides=2, padding="same"),
    case("GlobalMaxPooling1D", (2, 8, 3)),
    case("GlobalMaxPooling1D", (2, 3, 8), data_format="channels_first", keepdims=True),
    case("GlobalMaxPooling2D", (2, 8, 7, 3), shapes=((None, None, None, 3),)),
    case("GlobalMaxPooling2D", (2, 8, 7, 3), keepdims=True),
    case("GlobalMaxPooling2D", (2, 3, 8, 7), data_format="channels_first"),
    case("GlobalMaxPooling3D", (2, 4, 5, 6, 3)),
    case("GlobalMaxPooling3D", (2, 3, 4, 5, 6), data_format="channels_first", keepdims=True),
    case("GlobalAveragePooling1D", (2, 8, 3), shapes=((None, None, 3),)),
    case("GlobalAveragePooling1D", (2, 8, 3), masks=(mask(8, 3, size=8),)),
    case("GlobalAveragePooling1D", (2, 3, 8), masks=(mask(8, 3, size=8),), data_format="channels_first", keepdims=True),
    case("GlobalAveragePooling2D", (2, 8, 7, 3)),
    case("GlobalAveragePooling2D", (2, 8, 7, 3), keepdims=True, dtype="mixed_bfloat16"),
    case("GlobalAveragePooling2D", (2, 3, 8, 7), data_format="channels_first"),
    case("GlobalAveragePooling3D", (2, 4, 5, 6, 3)),
    case("GlobalAveragePooling3D", (2, 3, 4, 5, 6), data_format="channels_first", keepdims=True),
]

NORMALIZATION = [
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
]

_PAIR = [(4, 5, 3), (4, 5, 3)]
_MASKS = (mask(5, 3, 0, 1, size=5), mask(2, 4, 1, 0, size=5))
MERGING = [
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

CASES = [
    *CORE,
    *RECURRENT,
    *ATTENTION,
    *ACTIVATIONS,
    *REGULARIZATION,
    *RESHAPING,
    *CONV,
    *POOLING,
    *NORMALIZATION,
    *MERGING,
]

# Layers that no single call describes; each has a test file of its own.
ELSEWHERE = {
    "InputLayer": "a graph's source",
    "TorchModuleWrapper": "holds a module that Keras saves with pickle",
}


def published_layers():
    """Names of all layer classes that torchkeras publishes."""
    return sorted({entry.name for entry in registry._by_object.values() if entry.kind == "layer"})


def first_cases():
    """The plainest case of each layer."""
    found = {}
    for each in CASES:
        found.setdefault(each.layer, each)
    return list(found.values())
