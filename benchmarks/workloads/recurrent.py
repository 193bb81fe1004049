"""Recurrent networks."""

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from .workload import Workload


class LastState(nn.Module):
    """A recurrent layer over a sequence, or several, and a head on the last output: ``LSTM(units)``, ``Dense(10)``."""

    def __init__(self, kind, features, units, **options):
        super().__init__()
        self.recurrent = getattr(nn, kind)(features, units, batch_first=True, **options)
        self.head = nn.Linear(units, 10)

    def forward(self, x):
        sequence, _ = self.recurrent(x)
        return self.head(sequence[:, -1])


class BothEnds(nn.Module):
    """The last outputs of both directions side by side."""

    def __init__(self, features, units):
        super().__init__()
        self.lstm = nn.LSTM(features, units, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * units, 10)

    def forward(self, x):
        _, (h, _) = self.lstm(x)
        return self.head(h.transpose(0, 1).flatten(1))


class Packed(nn.Module):
    """What ``Masking()`` before ``LSTM(units)`` is in torch: rows that end in zeros, packed."""

    def __init__(self, features, units):
        super().__init__()
        self.lstm = nn.LSTM(features, units, batch_first=True)
        self.head = nn.Linear(units, 10)

    def forward(self, x):
        lengths = (x != 0).any(-1).sum(1)
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(packed)
        return self.head(h[0])


class Lstm(Workload):
    batch, shape = 64, (40, 32)

    def by_hand(self):
        return LastState("LSTM", 32, 64)

    def layers(self, keras):
        return [keras.layers.LSTM(64), keras.layers.Dense(10, activation="softmax")]


class Gru(Lstm):
    def by_hand(self):
        return LastState("GRU", 32, 64)

    def layers(self, keras):
        return [keras.layers.GRU(64), keras.layers.Dense(10, activation="softmax")]


class StackedLstm(Lstm):
    def by_hand(self):
        return LastState("LSTM", 32, 64, num_layers=2)

    def layers(self, keras):
        first = keras.layers.LSTM(64, return_sequences=True)
        return [first, keras.layers.LSTM(64), keras.layers.Dense(10, activation="softmax")]


class BidirectionalLstm(Lstm):
    def by_hand(self):
        return BothEnds(32, 64)

    def layers(self, keras):
        both = keras.layers.Bidirectional(keras.layers.LSTM(64))
        return [both, keras.layers.Dense(10, activation="softmax")]


class MaskedLstm(Lstm):
    """Rows of random lengths, half of all steps padding at their ends."""

    def data(self, rows):
        x, y = super().data(rows)
        lengths = np.random.default_rng(1).integers(1, self.shape[0] + 1, (rows, 1))
        x[np.arange(self.shape[0]) >= lengths] = 0.0
        return x, y

    def by_hand(self):
        return Packed(32, 64)

    def layers(self, keras):
        return [keras.layers.Masking(), *super().layers(keras)]


class FrameLstm(nn.Module):
    """What ``ConvLSTM2D(filters, 3, padding="same")``, global averages and ``Dense(10)`` are in torch: the usual cell,
    one convolution over inputs and state side by side."""

    def __init__(self, channels, filters):
        super().__init__()
        self.filters = filters
        self.gates = nn.Conv2d(channels + filters, 4 * filters, 3, padding=1)
        self.head = nn.Linear(filters, 10)

    def forward(self, frames):
        frames = frames.permute(1, 0, 4, 2, 3)
        h = c = frames.new_zeros(frames.shape[1], self.filters, *frames.shape[3:])
        for frame in frames:
            i, f, g, o = self.gates(torch.cat([frame, h], dim=1)).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return self.head(h.mean((2, 3)))


class ConvLstm(Workload):
    batch, shape = 8, (8, 24, 24, 3)

    def by_hand(self):
        return FrameLstm(3, 16)

    def layers(self, keras):
        layers = keras.layers
        return [
            layers.ConvLSTM2D(16, 3, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]


WORKLOADS = {
    "lstm": Lstm(),
    "gru": Gru(),
    "stacked_lstm": StackedLstm(),
    "bidirectional": BidirectionalLstm(),
    "masked_lstm": MaskedLstm(),
    "conv_lstm": ConvLstm(),
}
