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


class ModuleAttention(nn.Module):
    """torch's own module, as most programs write self-attention."""

    def __init__(self, width, heads):
        super().__init__()
        self.inner = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x):
        return self.inner(x, x, x, need_weights=False)[0]


class GroupedAttention(nn.Module):
    """Three projections and torch's kernel, which lets two heads of queries share one of keys and values."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key, self.value = nn.Linear(width, width // 2), nn.Linear(width, width // 2)

    def forward(self, x):
        query, key, value = (
            part(x).view(*x.shape[:2], -1, self.size).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        attended = nn.functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)
        return self.out(attended.transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    """Self-attention and a feed-forward pair, each with a residual and a normalization after it."""

    def __init__(self, attention, width):
        super().__init__()
        self.attention = attention
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x):
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.feed(x))


class Attention(Workload):
    batch, shape = 32, (64, 64)

    def attention_by_hand(self):
        return SelfAttention(64, 4)

    def attention(self, layers):
        return layers.MultiHeadAttention(num_heads=4, key_dim=16)

    def by_hand(self):
        blocks = [Block(self.attention_by_hand(), 64) for _ in range(2)]
        return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(64 * 64, 10))

    def in_keras(self, keras):
        layers = keras.layers
        inputs = x = keras.Input(self.shape)
        for _ in range(2):
            attended = self.attention(layers)(x, x)
            x = layers.LayerNormalization()(layers.add([x, attended]))
            fed = layers.Dense(64)(layers.Dense(128, activation="relu")(x))
            x = layers.LayerNormalization()(layers.add([x, fed]))
        model = keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.Flatten()(x)))
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
        return model


class AttentionModule(Attention):
    def attention_by_hand(self):
        return ModuleAttention(64, 4)


class Grouped(Attention):
    def attention_by_hand(self):
        return GroupedAttention(64, 4)

    def attention(self, layers):
        return layers.GroupQueryAttention(head_dim=16, num_query_heads=4, num_key_value_heads=2)


WORKLOADS = {"attention": Attention(), "attention_module": AttentionModule(), "grouped": Grouped()}
