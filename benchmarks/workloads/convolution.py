"""Convolutional networks."""

from torch import nn

from .workload import Workload


class Cnn(Workload):
    batch, shape = 64, (28, 28, 1)

    def torch_data(self, rows):
        x, y = super().torch_data(rows)
        return x.permute(0, 3, 1, 2).contiguous(), y

    def by_hand(self):
        return nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(1600, 64), nn.ReLU(), nn.Linear(64, 10),
        )  # fmt: skip

    def layers(self, keras):
        layers = keras.layers
        return [
            layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(),
            layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax"),
        ]  # fmt: skip


class Residual(Workload):
    """A residual network of 172 small layers: its cost is that of its structure."""

    batch, shape = 4, (16, 16, 3)

    def in_keras(self, keras):
        layers = keras.layers
        inputs = keras.Input(self.shape)
        x = layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
        for _ in range(24):
            block = x
            for _ in range(2):
                block = layers.Conv2D(8, 3, padding="same", use_bias=False)(block)
                block = layers.Activation("relu")(layers.BatchNormalization()(block))
            x = layers.Add()([x, block])
        return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


WORKLOADS = {"cnn": Cnn(), "residual": Residual()}
