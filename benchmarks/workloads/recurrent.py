"""Recurrent networks."""

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


WORKLOADS = {"lstm": Lstm()}
