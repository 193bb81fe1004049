"""Recurrent networks."""

import torch
from torch import nn

from .workload import Workload


class LastState(nn.Module):
    """What ``LSTM(units)`` followed by ``Dense(10)`` is in torch."""

    def __init__(self, features, units):
        super().__init__()
        self.lstm = nn.LSTM(features, units, batch_first=True)
        self.head = nn.Linear(units, 10)

    def forward(self, x):
        sequence, _ = self.lstm(x)
        return self.head(sequence[:, -1])


class Lstm(Workload):
    batch, shape = 64, (40, 32)

    def by_hand(self):
        return LastState(32, 64)

    def layers(self, keras):
        return [keras.layers.LSTM(64), keras.layers.Dense(10, activation="softmax")]


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


WORKLOADS = {"lstm": Lstm(), "conv_lstm": ConvLstm()}
