"""Layers of generative models: sampling, code books, noise, statistics of a batch."""

import torch

from compat.custom_layers.program import program


@program((6,))
def variational_autoencoder(k, x):
    """Sampling with a seed generator, and a layer that adds the divergence to the losses."""

    class Sampling(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.seed_generator = k.random.SeedGenerator(1337)

        def call(self, inputs):
            z_mean, z_log_var = inputs
            batch = k.ops.shape(z_mean)[0]
            dim = k.ops.shape(z_mean)[1]
            epsilon = k.random.normal(shape=(batch, dim), seed=self.seed_generator)
            return z_mean + k.ops.exp(0.5 * z_log_var) * epsilon

    class Divergence(k.layers.Layer):
        def __init__(self, weight=0.1, **kwargs):
            super().__init__(**kwargs)
            self.weight = weight

        def call(self, inputs):
            mean, log_var = inputs
            kl = -0.5 * (1 + log_var - k.ops.square(mean) - k.ops.exp(log_var))
            self.add_loss(self.weight * k.ops.mean(k.ops.sum(kl, axis=1)))
            return inputs

    h = k.layers.Dense(4, activation="relu")(x)
    mean, log_var = Divergence()([k.layers.Dense(2, name="z_mean")(h), k.layers.Dense(2, name="z_log_var")(h)])
    return k.layers.Dense(6)(Sampling()([mean, log_var]))


@program((3, 4), compiled=True)
def vector_quantizer(k, x):
    """A code book as weight without trainable flag games: straight-through gradients, two losses in `call`."""

    class VectorQuantizer(k.layers.Layer):
        def __init__(self, num_embeddings, embedding_dim, beta=0.25, **kwargs):
            super().__init__(**kwargs)
            self.embedding_dim = embedding_dim
            self.num_embeddings = num_embeddings
            self.beta = beta
            self.embeddings = self.add_weight(
                shape=(embedding_dim, num_embeddings),
                initializer=k.initializers.RandomUniform(),
                trainable=True,
                name="embeddings_vqvae",
            )

        def call(self, x):
            shape = k.ops.shape(x)
            flattened = k.ops.reshape(x, [-1, self.embedding_dim])
            similarity = k.ops.matmul(flattened, self.embeddings)
            distances = (
                k.ops.sum(flattened**2, axis=1, keepdims=True) + k.ops.sum(self.embeddings**2, axis=0) - 2 * similarity
            )
            encodings = k.ops.one_hot(k.ops.argmin(distances, axis=1), self.num_embeddings)
            quantized = k.ops.matmul(encodings, k.ops.transpose(self.embeddings))
            quantized = k.ops.reshape(quantized, shape)
            commitment = k.ops.mean((k.ops.stop_gradient(quantized) - x) ** 2)
            codebook = k.ops.mean((quantized - k.ops.stop_gradient(x)) ** 2)
            self.add_loss(self.beta * commitment + codebook)
            return x + k.ops.stop_gradient(quantized - x)

        def get_config(self):
            own = {"num_embeddings": self.num_embeddings, "embedding_dim": self.embedding_dim, "beta": self.beta}
            return {**super().get_config(), **own}

    return k.layers.Flatten()(VectorQuantizer(5, 4)(k.layers.Dense(4)(x)))


@program((4, 4, 3), compiled=True)
def progressive_discriminator(k, x):
    """PixelNorm, a statistic over the batch, a convolution with equalized learning rate."""

    class PixelNormalization(k.layers.Layer):
        def call(self, inputs):
            mean = k.ops.mean(k.ops.square(inputs), axis=-1, keepdims=True)
            return inputs / k.ops.sqrt(mean + 1.0e-8)

        def compute_output_shape(self, input_shape):
            return input_shape

    class MinibatchStdev(k.layers.Layer):
        def call(self, inputs):
            deviation = torch.std(inputs, dim=0, keepdim=True, correction=0).mean()
            extra = deviation.expand(*inputs.shape[:-1], 1)
            return torch.cat([inputs, extra], dim=-1)

        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], input_shape[-1] + 1)

    class EqualizedConv(k.layers.Layer):
        def __init__(self, out_channels, kernel=3, gain=2, **kwargs):
            super().__init__(**kwargs)
            self.kernel, self.out_channels, self.gain = kernel, out_channels, gain
            self.pad = kernel != 1

        def build(self, input_shape):
            self.in_channels = input_shape[-1]
            initializer = k.initializers.RandomNormal(mean=0.0, stddev=1.0)
            self.w = self.add_weight(
                shape=[self.kernel, self.kernel, self.in_channels, self.out_channels],
                initializer=initializer,
                trainable=True,
                name="kernel",
            )
            self.b = self.add_weight(shape=(self.out_channels,), initializer="zeros", trainable=True, name="bias")
            fan_in = self.kernel * self.kernel * self.in_channels
            self.scale = k.ops.sqrt(self.gain / fan_in)

        def call(self, inputs):
            x = k.ops.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect") if self.pad else inputs
            return k.ops.conv(x, self.scale * self.w, strides=1, padding="valid") + self.b

        def get_config(self):
            own = {"out_channels": self.out_channels, "kernel": self.kernel, "gain": self.gain}
            return {**super().get_config(), **own}

    y = k.layers.LeakyReLU(0.2)(EqualizedConv(4)(x))
    return k.layers.Flatten()(EqualizedConv(2, kernel=1)(MinibatchStdev()(PixelNormalization()(y))))


@program((4, 4, 3), (5,))
def style_modulation(k, x, style):
    """Adaptive instance normalization: two inputs as a list, sublayers by `build` from two shapes."""

    class AdaIN(k.layers.Layer):
        def __init__(self, gamma_bias=1.0, **kwargs):
            super().__init__(**kwargs)
            self.gamma_bias = gamma_bias

        def build(self, input_shapes):
            image, style = input_shapes
            self.to_scale = k.layers.Dense(image[-1])
            self.to_bias = k.layers.Dense(image[-1])
            self.to_scale.build(style)
            self.to_bias.build(style)

        def call(self, inputs):
            image, style = inputs
            mean, variance = k.ops.moments(image, axes=(1, 2), keepdims=True)
            scale = k.ops.reshape(self.to_scale(style), (-1, 1, 1, image.shape[-1])) + self.gamma_bias
            bias = k.ops.reshape(self.to_bias(style), (-1, 1, 1, image.shape[-1]))
            return scale * (image - mean) * k.ops.rsqrt(variance + 1e-5) + bias

    return k.layers.GlobalMaxPooling2D()(k.layers.Conv2D(2, 3)(AdaIN(gamma_bias=0.5)([x, style])))


@program((6,))
def noise_and_gradient_reversal(k, x):
    """Noise in training only, by `training` as keyword; a torch autograd function inside a layer."""

    class Reverse(torch.autograd.Function):
        @staticmethod
        def forward(ctx, inputs, strength):
            ctx.strength = strength
            return inputs.view_as(inputs)

        @staticmethod
        def backward(ctx, gradient):
            return -ctx.strength * gradient, None

    class GradientReversal(k.layers.Layer):
        def __init__(self, strength=1.0, **kwargs):
            super().__init__(**kwargs)
            self.strength = strength

        def call(self, inputs):
            return Reverse.apply(inputs, self.strength)

        def compute_output_shape(self, input_shape):
            return input_shape

    class ScaledNoise(k.layers.Layer):
        def __init__(self, stddev=0.5, seed=None, **kwargs):
            super().__init__(**kwargs)
            self.stddev, self.seed = stddev, seed
            self.seed_generator = k.random.SeedGenerator(seed)

        def build(self, input_shape):
            self.strength = self.add_weight(name="strength", shape=(input_shape[-1],), initializer="ones")

        def call(self, inputs, *, training=False):
            if not training:
                return inputs
            noise = k.random.normal(k.ops.shape(inputs), stddev=self.stddev, seed=self.seed_generator)
            return inputs + noise * self.strength

    return k.layers.Dense(2)(GradientReversal(0.5)(ScaledNoise(seed=3)(k.layers.Dense(4, "tanh")(x))))
