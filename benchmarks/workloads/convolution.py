"""Convolutional networks."""

import torch
from torch import nn

from .workload import Workload


class Images(Workload):
    """Rows are images: NHWC in Keras, NCHW in torch."""

    batch, shape = 32, (32, 32, 3)

    def torch_data(self, rows):
        """Copied into fresh NCHW memory: of one channel, `contiguous()` would keep strides that mean channels_last."""
        x, y = super().torch_data(rows)
        x = x.permute(0, 3, 1, 2)
        return torch.empty(x.shape).copy_(x), y


class Cnn(Images):
    batch, shape = 64, (28, 28, 1)

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


class Separable(Images):
    """A convolution and three depthwise-separable ones."""

    def by_hand(self):
        def separable(inputs, outputs):
            return (
                nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False), nn.Conv2d(inputs, outputs, 1),
                nn.ReLU(),
            )  # fmt: skip

        return nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(),
            *separable(32, 64), *separable(64, 64), nn.MaxPool2d(2), *separable(64, 128),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10),
        )  # fmt: skip

    def layers(self, keras):
        layers = keras.layers
        same = {"padding": "same", "activation": "relu"}
        return [
            layers.Conv2D(32, 3, **same),
            layers.SeparableConv2D(64, 3, **same), layers.SeparableConv2D(64, 3, **same),
            layers.MaxPooling2D(), layers.SeparableConv2D(128, 3, **same),
            layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax"),
        ]  # fmt: skip


class TorchBlock(nn.Module):
    """Two convolutions with batch normalization beside a short cut."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = nn.functional.relu(self.first_norm(self.first(x)))
        return nn.functional.relu(x + self.second_norm(self.second(y)))


class ResidualBlocks(Images):
    """A convolution and two residual blocks."""

    def by_hand(self):
        return nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), TorchBlock(32), TorchBlock(32),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
        )  # fmt: skip

    def in_keras(self, keras):
        layers = keras.layers

        def normalized(x):
            return layers.BatchNormalization()(layers.Conv2D(32, 3, padding="same", use_bias=False)(x))

        inputs = keras.Input(self.shape)
        x = layers.ReLU()(normalized(inputs))
        for _ in range(2):
            y = layers.ReLU()(normalized(x))
            x = layers.ReLU()(layers.Add()([x, normalized(y)]))
        outputs = layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x))
        model = keras.Model(inputs, outputs)
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
        return model


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


WORKLOADS = {"cnn": Cnn(), "separable": Separable(), "resnet": ResidualBlocks(), "residual": Residual()}
