"""Recurrent layers and cells."""

from compat.layer_cases.case import case, mask

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
