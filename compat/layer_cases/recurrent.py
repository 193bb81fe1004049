"""Recurrent layers and cells."""

import sys

import numpy as np

from compat.layer_cases.case import case, ints, mask

CASES = [
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

RAGGED = mask(5, 3, 0, 1, size=5)
WORDS = np.random.default_rng(5).integers(0, 2, (4, 5, 6)).astype(bool)  # of sentences


def each_step(name, *args, **options):
    """Arguments of a TimeDistributed around a layer of that name."""
    return lambda layers: {"layer": getattr(layers, name)(*args, **options)}


def small_model(layers):
    """Arguments of a TimeDistributed around a functional model."""
    x = layers.Input((3,), name="x")
    layer = layers.BatchNormalization(name="b")(layers.Dense(4, "relu", name="d")(x))
    return {"layer": model_of(layers)(x, layer, name="m")}


def model_of(layers):
    return sys.modules[layers.__name__.removesuffix(".layers")].Model


def both_ways(layer, units, merge_mode="concat", **options):
    """Arguments of a Bidirectional around a layer of that name."""
    return lambda layers: {"layer": getattr(layers, layer)(units, **options), "merge_mode": merge_mode}


def given_backward(layers):
    return {
        "layer": layers.LSTM(2, return_sequences=True, return_state=True, name="there"),
        "backward_layer": layers.LSTM(
            2, activation="relu", return_sequences=True, return_state=True, go_backwards=True, name="back"
        ),
        "merge_mode": None,
    }


def in_both(dtype):
    """Arguments with that policy for the wrapper and for its layer."""
    return lambda layers: {"layer": layers.LSTM(2, dtype=dtype, return_state=True), "dtype": dtype}


CASES += [
    case("Bidirectional", (4, 5, 3), make=both_ways("LSTM", 2)),
    case("Bidirectional", (4, 5, 3), make=both_ways("LSTM", 2, "sum", return_sequences=True), masks=(RAGGED,)),
    case("Bidirectional", (4, 5, 3), make=both_ways("LSTM", 2, "mul", return_state=True), masks=(RAGGED,)),
    case("Bidirectional", (4, 5, 3), make=both_ways("LSTM", 2, "ave", return_state=True, return_sequences=True)),
    case("Bidirectional", (4, 5, 3), make=both_ways("GRU", 2, None, return_sequences=True), masks=(RAGGED,)),
    case("Bidirectional", (4, 5, 3), make=both_ways("GRU", 2, None, return_state=True, return_sequences=True)),
    case("Bidirectional", (4, 5, 3), make=both_ways("GRU", 2, return_state=True), masks=(RAGGED,)),
    case("Bidirectional", (4, 5, 3), make=both_ways("SimpleRNN", 2, return_sequences=True), masks=(RAGGED,)),
    case("Bidirectional", (4, 5, 3), make=both_ways("SimpleRNN", 2, activation="relu", use_bias=False)),
    case("Bidirectional", (4, 5, 3), [(4, 2)] * 4, make=both_ways("LSTM", 2, return_sequences=True)),
    case("Bidirectional", (4, 5, 3), [(4, 2)] * 4, make=both_ways("LSTM", 2), kwargs={"mask": RAGGED}),
    case("Bidirectional", (4, 5, 3), [(4, 2)] * 2, make=both_ways("GRU", 2, return_state=True)),
    case("Bidirectional", (2, 5, 4, 3), make=both_ways("ConvLSTM1D", 2, kernel_size=3, return_sequences=True)),
    case("Bidirectional", (4, 5, 3), make=given_backward, masks=(RAGGED,)),
    case(
        "Bidirectional", (4, 5, 3), make=both_ways("LSTM", 2, dropout=0.3, recurrent_dropout=0.2, seed=4), training=True
    ),
    case("Bidirectional", (4, 5, 3), make=both_ways("LSTM", 2, dropout=0.3, seed=4), training=True),
    case("Bidirectional", (4, 5, 3), make=both_ways("LSTM", 2, dropout=0.3, seed=4), training=False),
    case(
        "Bidirectional", (4, 5, 3), make=both_ways("GRU", 2, reset_after=False, return_sequences=True), masks=(RAGGED,)
    ),
    case("Bidirectional", (4, 5, 3), make=in_both("mixed_bfloat16"), loose=3.0),
    case("Bidirectional", (4, 5, 3), make=both_ways("GRU", 2, dtype="float64"), masks=(RAGGED,)),
    case("Bidirectional", (1, 5, 3), make=both_ways("LSTM", 2, kernel_regularizer="l2", go_backwards=False)),
    case(
        "Bidirectional",
        (4, 5, 3),
        make=lambda layers: {"layer": layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)], return_sequences=True)},
        masks=(RAGGED,),
    ),
]

CASES += [
    case("TimeDistributed", (4, 5, 3), make=each_step("Dense", 2)),
    case("TimeDistributed", (4, 5, 3), make=each_step("Dense", 2, "relu", kernel_regularizer="l2"), masks=(RAGGED,)),
    case(
        "TimeDistributed",
        (4, 5, 6, 6, 2),
        make=each_step("Conv2D", 3, 3, strides=2),
        shapes=((None, None, 7, None, 2),),
    ),
    case("TimeDistributed", (4, 5, 6, 3), make=each_step("LSTM", 2, return_sequences=True), masks=(WORDS,)),
    case("TimeDistributed", (4, 5, 6, 3), make=each_step("GRU", 2), training=True),
    case("TimeDistributed", (4, 5, 3), make=each_step("BatchNormalization"), training=True),
    case("TimeDistributed", (4, 5, 3), make=each_step("BatchNormalization"), training=False),
    case("TimeDistributed", (4, 5, 3), make=each_step("Dropout", 0.4, seed=3), training=True),
    case("TimeDistributed", (4, 5, 3), make=each_step("GaussianNoise", 0.4, seed=3), training=True),
    case("TimeDistributed", ints(7, 4, 5, 6), make=each_step("Embedding", 7, 2)),
    case("TimeDistributed", (4, 5, 3), make=small_model, training=True),
    case("TimeDistributed", (4, 5, 3), make=small_model),
    case("TimeDistributed", (4, 5, 6, 2), make=each_step("Flatten")),
    case("TimeDistributed", (4, 5, 6, 2), make=each_step("GlobalAveragePooling1D"), shapes=((None, None, 6, 2),)),
    case("TimeDistributed", (4, 5, 3), make=each_step("Dense", 2, dtype="float64")),
    case(
        "TimeDistributed",
        (4, 5, 3),
        make=lambda layers: {"layer": layers.LayerNormalization(dtype="mixed_bfloat16"), "dtype": "mixed_bfloat16"},
    ),
    case("TimeDistributed", (1, 5, 4, 3), make=lambda layers: {"layer": layers.TimeDistributed(layers.Dense(2))}),
    case("TimeDistributed", (4, 5, 6, 3), make=lambda layers: {"layer": layers.Bidirectional(layers.LSTM(2))}),
]

INITIALIZERS = {"kernel_initializer": "he_normal", "recurrent_initializer": "zeros", "bias_initializer": "ones"}
PENALTIES = {f"{part}_regularizer": "l2" for part in ("kernel", "recurrent", "bias")}
BOUNDS = {f"{part}_constraint": "max_norm" for part in ("kernel", "recurrent", "bias")}
SPELT_OUT = {**INITIALIZERS, **PENALTIES, **BOUNDS}
STATES = {"LSTM": [(4, 2)] * 2, "GRU": [(4, 2)], "SimpleRNN": [(4, 2)]}
RATES = {"dropout": 0.4, "recurrent_dropout": 0.3, "seed": 5}

for _name, _states in STATES.items():
    CASES += [
        case(_name, (4, 5, 3), units=2, shapes=((None, None, 3), (None, 5, 3))),
        case(_name, (1, 5, 3), units=2, use_bias=False, unroll=True, return_state=True),
        case(_name, ints(4, 4, 5, 3), units=2, return_sequences=True, **SPELT_OUT),
        case(_name, (4, 5, 3), _states, units=2, return_sequences=True, return_state=True, go_backwards=True),
        case(_name, (4, 5, 3), units=2, activation="softsign", return_sequences=True, masks=(RAGGED,)),
        case(_name, (4, 5, 3), units=2, return_sequences=True, zero_output_for_mask=True, masks=(RAGGED,)),
        case(_name, (4, 5, 3), units=2, training=True, **RATES),
        case(_name, (4, 5, 3), units=2, dtype="mixed_float16", loose=3.0, masks=(RAGGED,)),
        case(_name, (4, 5, 3), units=2, dtype="float64", go_backwards=True, masks=(RAGGED,)),
        case(f"{_name}Cell", (4, 3), _states, units=2, shapes=None, **SPELT_OUT),
        case(f"{_name}Cell", (4, 3), _states, units=2, shapes=None, use_bias=False),
        case(f"{_name}Cell", (4, 3), _states, units=2, shapes=None, activation="relu"),
        case(f"{_name}Cell", (4, 3), _states, units=2, shapes=None, training=True, **RATES),
        case(f"{_name}Cell", (4, 3), _states, units=2, shapes=None, training=False, **RATES),
        case(f"{_name}Cell", (4, 3), _states, units=2, shapes=None, training=True, dropout=0.5, seed=2),
        case(f"{_name}Cell", (3, 3), [(3, 2)] * len(_states), units=2, shapes=None, dtype="float64"),
    ]


def driven(*cells, **options):
    """Arguments of an RNN over cells of these names, with 2, 3... units."""

    def make(layers):
        made = [getattr(layers, f"{name}Cell")(units) for units, name in enumerate(cells, 2)]
        return {"cell": made if len(made) > 1 else made[0], **options}

    return make


def stack(*cells, **options):
    return lambda layers: {"cells": [getattr(layers, f"{name}Cell")(2, **options) for name in cells]}


CASES += [
    case("RNN", (4, 5, 3), make=driven("GRU")),
    case("RNN", (4, 5, 3), make=driven("SimpleRNN", return_sequences=True, go_backwards=True)),
    case("RNN", (4, 5, 3), make=driven("LSTM", return_state=True, unroll=True), masks=(RAGGED,)),
    case("RNN", (4, 5, 3), [(4, 2), (4, 2)], make=driven("LSTM", return_state=True, return_sequences=True)),
    case("RNN", (4, 5, 3), make=driven("LSTM", "GRU", "SimpleRNN", return_sequences=True), masks=(RAGGED,)),
    case("RNN", (4, 5, 3), make=driven("GRU", zero_output_for_mask=True, return_sequences=True), masks=(RAGGED,)),
    case("RNN", (4, 5, 3), make=driven("GRU", dtype="float64"), loose=100.0),
    case("RNN", (4, 5, 3), make=driven("SimpleRNN", activity_regularizer="l2")),
    case("StackedRNNCells", (4, 3), [[(4, 2)], [(4, 2)]], shapes=None, make=stack("GRU", "SimpleRNN")),
    case("StackedRNNCells", (4, 3), [[(4, 2)] * 2], shapes=None, make=stack("LSTM", use_bias=False)),
    case("StackedRNNCells", (4, 3), [[(4, 2)]] * 3, shapes=None, make=stack("GRU", "GRU", "GRU", activation="relu")),
    case("StackedRNNCells", (1, 3), [[(1, 2)]] * 2, shapes=None, make=stack("GRU", "GRU", kernel_regularizer="l2")),
    case("StackedRNNCells", (4, 3), [[(4, 2)]] * 2, shapes=None, make=stack("GRU", "GRU", reset_after=False)),
    case("StackedRNNCells", (4, 3), [[(4, 2)]] * 2, shapes=None, make=stack("SimpleRNN", "SimpleRNN"), training=True),
    case("RNN", (4, 5, 3), make=lambda layers: {"cell": layers.GRUCell(2, **RATES)}, training=True),
    case("StackedRNNCells", (4, 3), [[(4, 2)]] * 2, shapes=None, make=stack("SimpleRNN", "GRU", **RATES)),
]
