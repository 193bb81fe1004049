"""Layers for texts and time series: transformers, attention, gates, positions."""

import numpy as np
import torch

from compat.custom_layers.program import program


@program((6,), whole=11, compiled=True)
def text_transformer(k, x):
    """TokenAndPositionEmbedding and TransformerBlock with a Sequential inside and `training` handed on."""

    class TokenAndPositionEmbedding(k.layers.Layer):
        def __init__(self, maxlen, vocab_size, embed_dim, **kwargs):
            super().__init__(**kwargs)
            self.config = (maxlen, vocab_size, embed_dim)
            self.token_emb = k.layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
            self.pos_emb = k.layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

        def call(self, x):
            maxlen = k.ops.shape(x)[-1]
            positions = k.ops.arange(start=0, stop=maxlen, step=1)
            return self.token_emb(x) + self.pos_emb(positions)

        def get_config(self):
            maxlen, vocab_size, embed_dim = self.config
            return {**super().get_config(), "maxlen": maxlen, "vocab_size": vocab_size, "embed_dim": embed_dim}

    class TransformerBlock(k.layers.Layer):
        def __init__(self, embed_dim, num_heads, ff_dim, rate=0.0, **kwargs):
            super().__init__(**kwargs)
            self.arguments = {"embed_dim": embed_dim, "num_heads": num_heads, "ff_dim": ff_dim, "rate": rate}
            self.att = k.layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
            self.ffn = k.Sequential([k.layers.Dense(ff_dim, activation="relu"), k.layers.Dense(embed_dim)])
            self.layernorm1 = k.layers.LayerNormalization(epsilon=1e-6)
            self.layernorm2 = k.layers.LayerNormalization(epsilon=1e-6)
            self.dropout1 = k.layers.Dropout(rate, seed=1)
            self.dropout2 = k.layers.Dropout(rate, seed=2)

        def call(self, inputs, training=False):
            attn_output = self.att(inputs, inputs)
            attn_output = self.dropout1(attn_output, training=training)
            out1 = self.layernorm1(inputs + attn_output)
            ffn_output = self.dropout2(self.ffn(out1), training=training)
            return self.layernorm2(out1 + ffn_output)

        def get_config(self):
            return {**super().get_config(), **self.arguments}

    y = TokenAndPositionEmbedding(6, 11, 4)(x)
    y = TransformerBlock(4, 2, 8, rate=0.3)(y)
    return k.layers.Dense(2)(k.layers.GlobalAveragePooling1D()(y))


@program((6,), whole=11, compiled=True)
def masked_translation(k, x):
    """`compute_mask` of an embedding, a causal mask made in `call`, masks as arguments of sublayers."""

    class PositionalEmbedding(k.layers.Layer):
        def __init__(self, vocab_size, d_model, **kwargs):
            super().__init__(**kwargs)
            self.vocab_size, self.d_model = vocab_size, d_model
            self.embedding = k.layers.Embedding(vocab_size, d_model, mask_zero=True)
            depth = d_model / 2
            positions = np.arange(32)[:, None]
            angles = positions / (10000 ** (np.arange(depth)[None, :] / depth))
            self.pos_encoding = k.ops.cast(np.concatenate([np.sin(angles), np.cos(angles)], axis=-1), "float32")

        def compute_mask(self, *args, **kwargs):
            return self.embedding.compute_mask(*args, **kwargs)

        def call(self, x):
            length = k.ops.shape(x)[1]
            x = self.embedding(x)
            x = x * k.ops.sqrt(k.ops.cast(self.d_model, "float32"))
            return x + self.pos_encoding[None, :length, :]

        def get_config(self):
            return {**super().get_config(), "vocab_size": self.vocab_size, "d_model": self.d_model}

    class DecoderLayer(k.layers.Layer):
        def __init__(self, embed_dim, **kwargs):
            super().__init__(**kwargs)
            self.embed_dim = embed_dim
            self.attention = k.layers.MultiHeadAttention(num_heads=1, key_dim=embed_dim)
            self.add = k.layers.Add()
            self.norm = k.layers.LayerNormalization()
            self.supports_masking = True

        def call(self, inputs, mask=None):
            if mask is not None:
                padding = k.ops.cast(mask[:, None, :], "int32")
                both = k.ops.minimum(padding, self.causal(inputs))
            else:
                both = self.causal(inputs)
            return self.norm(self.add([inputs, self.attention(inputs, inputs, attention_mask=both)]))

        def causal(self, inputs):
            length = k.ops.shape(inputs)[1]
            i, j = k.ops.arange(length)[:, None], k.ops.arange(length)
            return k.ops.cast(i >= j, "int32")[None]

        def get_config(self):
            return {**super().get_config(), "embed_dim": self.embed_dim}

    return k.layers.LSTM(2)(DecoderLayer(4)(PositionalEmbedding(11, 4)(x)))


@program((5, 4))
def attention_with_context(k, x):
    """Weights under their own names with regularizers; the mask as argument; `compute_mask` that ends it."""

    class AttentionWithContext(k.layers.Layer):
        def __init__(self, W_regularizer=None, bias=True, **kwargs):
            self.supports_masking = True
            self.init = k.initializers.get("glorot_uniform")
            self.W_regularizer = k.regularizers.get(W_regularizer)
            self.bias = bias
            super().__init__(**kwargs)

        def build(self, input_shape):
            self.W = self.add_weight(
                shape=(input_shape[-1], input_shape[-1]),
                initializer=self.init,
                name=f"{self.name}_W",
                regularizer=self.W_regularizer,
            )
            if self.bias:
                self.b = self.add_weight(shape=(input_shape[-1],), initializer="zero", name=f"{self.name}_b")
            self.u = self.add_weight(shape=(input_shape[-1],), initializer=self.init, name=f"{self.name}_u")
            super().build(input_shape)

        def compute_mask(self, input, input_mask=None):
            return None

        def call(self, x, mask=None):
            uit = k.ops.dot(x, self.W)
            if self.bias:
                uit = uit + self.b
            ait = k.ops.squeeze(k.ops.dot(k.ops.tanh(uit), k.ops.expand_dims(self.u, -1)), axis=-1)
            a = k.ops.exp(ait)
            if mask is not None:
                a = a * k.ops.cast(mask, a.dtype)
            a = a / (k.ops.sum(a, axis=1, keepdims=True) + 1e-7)
            return k.ops.sum(x * k.ops.expand_dims(a, -1), axis=1)

        def compute_output_shape(self, input_shape):
            return input_shape[0], input_shape[-1]

    y = k.layers.Masking(0.0)(k.layers.ReLU()(x))
    y = k.layers.GRU(3, return_sequences=True)(y)
    return AttentionWithContext(W_regularizer="l2")(y)


@program((5, 4), (3,))
def temporal_fusion(k, x, context):
    """GatedLinearUnit, GatedResidualNetwork and VariableSelection: layers of layers of layers, two inputs."""

    class GatedLinearUnit(k.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.linear = k.layers.Dense(units)
            self.sigmoid = k.layers.Dense(units, activation="sigmoid")

        def call(self, inputs):
            return self.linear(inputs) * self.sigmoid(inputs)

        def build(self, input_shape):
            self.built = True

    class GatedResidualNetwork(k.layers.Layer):
        def __init__(self, units, dropout_rate, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.elu_dense = k.layers.Dense(units, activation="elu")
            self.linear_dense = k.layers.Dense(units)
            self.dropout = k.layers.Dropout(dropout_rate, seed=4)
            self.gated_linear_unit = GatedLinearUnit(units)
            self.layer_norm = k.layers.LayerNormalization()
            self.project = k.layers.Dense(units)

        def call(self, inputs, context=None):
            x = self.elu_dense(inputs)
            x = self.dropout(self.linear_dense(x))
            if inputs.shape[-1] != self.units:
                inputs = self.project(inputs)
            x = inputs + self.gated_linear_unit(x)
            if context is not None:
                x = x + self.project(context)
            return self.layer_norm(x)

        def build(self, input_shape, *rest):
            self.built = True

    class VariableSelection(k.layers.Layer):
        def __init__(self, num_features, units, dropout_rate, **kwargs):
            super().__init__(**kwargs)
            self.grns = []
            for _ in range(num_features):
                self.grns.append(GatedResidualNetwork(units, dropout_rate))
            self.grn_concat = GatedResidualNetwork(units, dropout_rate)
            self.softmax = k.layers.Dense(units=num_features, activation="softmax")

        def call(self, inputs):
            v = k.layers.concatenate(inputs)
            v = k.ops.expand_dims(self.softmax(self.grn_concat(v)), axis=-1)
            x = k.ops.stack([self.grns[i](input) for i, input in enumerate(inputs)], axis=1)
            return k.ops.squeeze(k.ops.matmul(k.ops.transpose(v, axes=[0, 2, 1]), x), axis=1)

    y = k.layers.GlobalAveragePooling1D()(GatedResidualNetwork(4, 0.2)(x))
    return VariableSelection(2, 3, 0.1)([y, context])


@program((4, 6))
def spectral_mixing(k, x):
    """FNet: Fourier transforms in place of attention, by torch's own functions."""

    class FourierMixing(k.layers.Layer):
        def call(self, inputs):
            return torch.fft.fft2(inputs.to(torch.complex64) if not inputs.is_complex() else inputs).real

        def compute_output_shape(self, input_shape):
            return input_shape

    class FNetLayer(k.layers.Layer):
        def __init__(self, width, **kwargs):
            super().__init__(**kwargs)
            self.width = width
            self.mixing = FourierMixing()
            self.ffn = k.Sequential([k.layers.Dense(width, activation="gelu"), k.layers.Dense(width)])
            self.normalize1, self.normalize2 = (k.layers.LayerNormalization(epsilon=1e-6) for _ in range(2))

        def call(self, inputs):
            x = self.normalize1(self.mixing(inputs) + inputs)
            return self.normalize2(x + self.ffn(x))

        def get_config(self):
            return {**super().get_config(), "width": self.width}

    return k.layers.GlobalAveragePooling1D()(FNetLayer(6)(x))


@program((7, 3))
def temporal_convolution(k, x):
    """Blocks of dilated causal convolutions in a list of a list; spatial dropout; a shortcut only where needed."""

    class TemporalBlock(k.layers.Layer):
        def __init__(self, filters, dilations=(1, 2), kernel_size=2, **kwargs):
            super().__init__(**kwargs)
            self.filters, self.dilations, self.kernel_size = filters, list(dilations), kernel_size
            self.stages = [
                [
                    k.layers.Conv1D(filters, kernel_size, padding="causal", dilation_rate=rate),
                    k.layers.Activation("relu"),
                    k.layers.SpatialDropout1D(0.2, seed=int(rate)),
                ]
                for rate in dilations
            ]
            self.shortcut = None

        def build(self, input_shape):
            if input_shape[-1] != self.filters:
                self.shortcut = k.layers.Conv1D(self.filters, 1, name="matching")

        def call(self, inputs, training=None):
            x = inputs
            for stage in self.stages:
                for layer in stage:
                    x = layer(x, training=training) if "dropout" in layer.name else layer(x)
            residual = inputs if self.shortcut is None else self.shortcut(inputs)
            return k.ops.relu(x + residual)

        def get_config(self):
            own = {"filters": self.filters, "dilations": self.dilations, "kernel_size": self.kernel_size}
            return {**super().get_config(), **own}

    return k.layers.Flatten()(TemporalBlock(4)(TemporalBlock(4)(x)))


@program((6, 1), configs=False)
def time_to_vector(k, x):
    """Weights named and made in `build` one by one; a periodic and a linear part put together."""

    class Time2Vec(k.layers.Layer):
        def __init__(self, kernel_size=1, **kwargs):
            super().__init__(trainable=True, name="Time2VecLayer", **kwargs)
            self.k = kernel_size

        def build(self, input_shape):
            self.wb = self.add_weight(name="wb", shape=(input_shape[1],), initializer="uniform", trainable=True)
            self.bb = self.add_weight(name="bb", shape=(input_shape[1],), initializer="uniform", trainable=True)
            shape = (1, input_shape[1], self.k)
            self.wa = self.add_weight(name="wa", shape=shape, initializer="uniform", trainable=True)
            self.ba = self.add_weight(name="ba", shape=shape, initializer="uniform", trainable=True)
            super().build(input_shape)

        def call(self, inputs, **kwargs):
            bias = self.wb * inputs[..., 0] + self.bb
            wgts = k.ops.sin(inputs * self.wa + self.ba)
            return k.ops.concatenate([k.ops.expand_dims(bias, -1), wgts], -1)

        def compute_output_shape(self, input_shape):
            return (input_shape[0], input_shape[1], self.k + 1)

    return k.layers.LSTM(2)(Time2Vec(3)(x))


@program((6,), whole=9)
def masked_mean(k, x):
    """A layer that uses up the mask; one that hands it on changed; `supports_masking`."""

    class KeepFirst(k.layers.Layer):
        def __init__(self, steps, **kwargs):
            super().__init__(**kwargs)
            self.steps = steps

        def call(self, inputs):
            return inputs[:, : self.steps]

        def compute_mask(self, inputs, mask=None):
            return None if mask is None else mask[:, : self.steps]

        def get_config(self):
            return {**super().get_config(), "steps": self.steps}

    class Double(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, inputs):
            return inputs * 2

    class MaskedMean(k.layers.Layer):
        def call(self, inputs, mask=None):
            if mask is None:
                return k.ops.mean(inputs, axis=1)
            weights = k.ops.cast(mask, inputs.dtype)[:, :, None]
            return k.ops.sum(inputs * weights, axis=1) / (k.ops.sum(weights, axis=1) + 1e-7)

        def compute_mask(self, inputs, mask=None):
            return None

    y = k.layers.Embedding(9, 4, mask_zero=True)(x)
    return MaskedMean()(Double()(KeepFirst(4)(y)))


@program((5, 6))
def causal_self_attention(k, x):
    """torch's fused attention in a layer without `build`: the projections build themselves at the first call."""

    class CausalSelfAttention(k.layers.Layer):
        def __init__(self, heads, width, **kwargs):
            super().__init__(**kwargs)
            self.heads, self.width = heads, width
            self.qkv = k.layers.Dense(3 * width, use_bias=False, name="qkv")
            self.out = k.layers.Dense(width, name="out")

        def call(self, x):
            batch, length = x.shape[0], x.shape[1]
            parts = self.qkv(x).reshape(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            q, key, v = parts[0], parts[1], parts[2]
            mixed = torch.nn.functional.scaled_dot_product_attention(q, key, v, is_causal=True)
            return self.out(mixed.transpose(1, 2).reshape(batch, length, self.width))

        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], self.width)

        def get_config(self):
            return {**super().get_config(), "heads": self.heads, "width": self.width}

    return k.layers.Flatten()(CausalSelfAttention(2, 6)(x))


@program((8, 3))
def series_decomposition(k, x):
    """Moving average by a pooling layer made in `__init__`; two outputs of one layer."""

    class Decomposition(k.layers.Layer):
        def __init__(self, kernel_size=3, **kwargs):
            super().__init__(**kwargs)
            self.kernel_size = kernel_size
            self.pool = k.layers.AveragePooling1D(kernel_size, strides=1, padding="valid")

        def call(self, x):
            side = (self.kernel_size - 1) // 2
            first, last = k.ops.repeat(x[:, :1], side, axis=1), k.ops.repeat(x[:, -1:], side, axis=1)
            padded = k.ops.concatenate([first, x, last], axis=1)
            trend = self.pool(padded)
            return x - trend, trend

        def get_config(self):
            return {**super().get_config(), "kernel_size": self.kernel_size}

    seasonal, trend = Decomposition(3)(x)
    return k.layers.Dense(2)(k.layers.Flatten()(seasonal)) + k.layers.Dense(2)(k.layers.Flatten()(trend))
