"""A transformer block as a layer of one's own, with a position embedding, and a classifier on top of it."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable(package="tutorial")
class TransformerBlock(layers.Layer):
    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.ff_dim = ff_dim
        self.rate = rate
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = keras.Sequential([layers.Dense(ff_dim, activation="gelu"), layers.Dense(embed_dim)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs, training=False):
        attn_output = self.att(inputs, inputs)
        attn_output = self.dropout1(attn_output, training=training)
        out1 = self.layernorm1(inputs + attn_output)
        ffn_output = self.ffn(out1)
        ffn_output = self.dropout2(ffn_output, training=training)
        return self.layernorm2(out1 + ffn_output)

    def get_config(self):
        config = super().get_config()
        config.update(
            {"embed_dim": self.embed_dim, "num_heads": self.num_heads, "ff_dim": self.ff_dim, "rate": self.rate}
        )
        return config


@keras.saving.register_keras_serializable(package="tutorial")
class TokenAndPositionEmbedding(layers.Layer):
    def __init__(self, maxlen, vocab_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.settings = {"maxlen": maxlen, "vocab_size": vocab_size, "embed_dim": embed_dim}
        self.token_emb = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def call(self, x):
        positions = ops.arange(start=0, stop=ops.shape(x)[-1], step=1)
        return self.token_emb(x) + self.pos_emb(positions)

    def get_config(self):
        return {**super().get_config(), **self.settings}


keras.utils.set_random_seed(17)
rng = np.random.default_rng(17)
tokens = rng.integers(0, 30, size=(128, 10))
target = (np.sort(tokens, axis=1)[:, :5].sum(axis=1) > 45).astype("int64")

inputs = layers.Input(shape=(10,))
x = TokenAndPositionEmbedding(10, 30, 16)(inputs)
x = TransformerBlock(16, 2, 24)(x)
x = layers.GlobalAveragePooling1D()(x)
x = layers.Dropout(0.1)(x)
outputs = layers.Dense(2, activation="softmax")(x)
model = keras.Model(inputs=inputs, outputs=outputs)
model.summary()
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(tokens, target, batch_size=32, epochs=3, validation_split=0.25, verbose=0)
for key, values in history.history.items():
    print(key, [f"{value:.5f}" for value in values])

copy = keras.models.model_from_json(model.to_json())
copy.set_weights(model.get_weights())
print(np.abs(copy.predict(tokens[:8], verbose=0) - model.predict(tokens[:8], verbose=0)).max())
print([(weight.path, tuple(weight.shape)) for weight in copy.weights])
out, scores = model.layers[2].att(x := ops.ones((1, 4, 16)), x, return_attention_scores=True, use_causal_mask=True)
print(tuple(out.shape), ops.convert_to_numpy(scores)[0, 0])
