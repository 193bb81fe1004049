"""Dense networks, among them those of the measures of calls and memory."""

import os

import numpy as np
from torch import nn

from .workload import Workload


class Xor(Workload):
    batch, shape = 4, (2,)

    def data(self, rows):
        x = np.random.default_rng(0).integers(0, 2, (rows, 2))
        return x.astype(np.float32), (x[:, :1] ^ x[:, 1:]).astype(np.float32)

    def torch_loss(self):
        return nn.BCEWithLogitsLoss()

    def by_hand(self):
        return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))

    def in_keras(self, keras):
        dense = keras.layers.Dense
        model = keras.Sequential([keras.Input((2,)), dense(4, activation="tanh"), dense(1, activation="sigmoid")])
        model.compile(optimizer="adam", loss="binary_crossentropy")
        return model


class Mlp(Workload):
    batch, shape = 32, (784,)

    def by_hand(self):
        return nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))

    def layers(self, keras):
        dense = keras.layers.Dense
        return [dense(300, activation="relu"), dense(100, activation="relu"), dense(10, activation="softmax")]


class MlpWithCallbacks(Mlp):
    """The same under the callbacks of a usual script."""

    def callbacks(self, keras):
        known = keras.callbacks
        return [
            known.EarlyStopping("loss", patience=10**6),
            known.ReduceLROnPlateau("loss", patience=10**6),
            known.LearningRateScheduler(lambda epoch, rate: rate),
            known.CSVLogger(os.devnull),
            known.TerminateOnNaN(),
        ]


class MlpOneHot(Mlp):
    """The same with targets as more metrics take them."""

    def data(self, rows):
        x, y = super().data(rows)
        return x, np.eye(10, dtype=np.float32)[y]

    def watched(self, metrics):
        """What ``compile`` gets as metrics."""

    def in_keras(self, keras):
        model = super().in_keras(keras)
        model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=self.watched(keras.metrics))
        return model


class MlpWithMetrics(MlpOneHot):
    """The same under ten metrics, as one may watch a classifier."""

    def watched(self, metrics):
        return [
            "accuracy", "mse", "mae", metrics.TopKCategoricalAccuracy(k=3), metrics.CategoricalCrossentropy(),
            metrics.Precision(), metrics.Recall(), metrics.AUC(), metrics.F1Score(average="macro"),
            metrics.BinaryAccuracy(),
        ]  # fmt: skip


class Small(Workload):
    """The network of ``predict`` and of the memory measure."""

    batch, shape = 4, (16,)

    def by_hand(self):
        return nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 10))

    def layers(self, keras):
        return [keras.layers.Dense(16, activation="relu"), keras.layers.Dense(10, activation="softmax")]


class Chain(Workload):
    """Ten equal layers with next to no arithmetic: what remains is the cost of calling a model."""

    batch, shape = 32, (16,)
    probabilities = False

    def by_hand(self):
        return nn.Sequential(*(nn.Linear(16, 16) for _ in range(10)))

    def layers(self, keras):
        return [keras.layers.Dense(16) for _ in range(10)]


WORKLOADS = {
    "xor": Xor(),
    "mlp": Mlp(),
    "mlp_with_callbacks": MlpWithCallbacks(),
    "mlp_one_hot": MlpOneHot(),
    "mlp_with_metrics": MlpWithMetrics(),
    "small": Small(),
    "chain": Chain(),
}
