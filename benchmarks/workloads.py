"""The models, each in the two forms compared: plain torch as a good user writes it, and a Keras script.

A Keras form is a function of the ``keras`` module it is given: torchkeras and Keras run the same text. Each side keeps
its own world's habits: torch losses take logits and images are NCHW; the Keras scripts end in softmax and use NHWC.
May import torch and numpy; runs inside a worker only; knows nothing of timing.
"""

import numpy as np
import torch
from torch import nn


class Workload:
    """Random rows of ``shape`` with ten classes, unless a workload says otherwise."""

    batch: int
    shape: tuple[int, ...]  # one row as Keras lays it out

    def data(self, rows):
        """``rows`` inputs in Keras's layout, float32, and their targets."""
        rng = np.random.default_rng(0)
        return rng.random((rows, *self.shape), dtype=np.float32), rng.integers(0, 10, rows)

    def torch_data(self, rows):
        """The same rows as torch tensors in torch's layout."""
        x, y = self.data(rows)
        return torch.from_numpy(x), torch.from_numpy(y)

    def torch_loss(self):
        return nn.CrossEntropyLoss()

    def by_hand(self):
        """The plain ``nn.Module``."""
        raise NotImplementedError(f"{type(self).__name__} has no hand-written form")

    def layers(self, keras):
        """The layers of a ``keras.Sequential``; a workload with branches overrides ``in_keras`` instead."""
        raise NotImplementedError(f"{type(self).__name__} has no Keras form")

    def in_keras(self, keras):
        """The compiled Keras model."""
        model = keras.Sequential([keras.Input(self.shape), *self.layers(keras)])
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
        return model


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


class SelfAttention(nn.Module):
    """One projection for query, key and value, then torch's kernel: trains about 15 % faster than
    ``nn.MultiheadAttention`` with ``need_weights=False``, so it is the form to be measured against."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        rows, length, width = x.shape
        qkv = self.qkv(x).view(rows, length, 3, self.heads, width // self.heads)
        attended = nn.functional.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4))
        return self.out(attended.transpose(1, 2).reshape(rows, length, width))


class Block(nn.Module):
    """Self-attention and a feed-forward pair, each with a residual and a normalization after it."""

    def __init__(self, width, heads):
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x):
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.feed(x))


class Attention(Workload):
    batch, shape = 32, (64, 64)

    def by_hand(self):
        return nn.Sequential(Block(64, 4), Block(64, 4), nn.Flatten(), nn.Linear(64 * 64, 10))

    def in_keras(self, keras):
        layers = keras.layers
        inputs = x = keras.Input(self.shape)
        for _ in range(2):
            attended = layers.MultiHeadAttention(num_heads=4, key_dim=16)(x, x)
            x = layers.LayerNormalization()(layers.add([x, attended]))
            fed = layers.Dense(64)(layers.Dense(128, activation="relu")(x))
            x = layers.LayerNormalization()(layers.add([x, fed]))
        model = keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.Flatten()(x)))
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
        return model


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

    def by_hand(self):
        return nn.Sequential(*(nn.Linear(16, 16) for _ in range(10)))

    def layers(self, keras):
        return [keras.layers.Dense(16) for _ in range(10)]


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


WORKLOADS = {
    "residual": Residual(),
    "xor": Xor(),
    "mlp": Mlp(),
    "cnn": Cnn(),
    "lstm": Lstm(),
    "attention": Attention(),
    "small": Small(),
    "chain": Chain(),
}
