"""Layers for images, as tutorials and model repositories write them."""

import torch

from compat.custom_layers.program import program


@program((8, 8, 6))
def squeeze_excite(k, x):
    """Sublayers made in `build`, from the number of channels."""

    class SqueezeExcite(k.layers.Layer):
        def __init__(self, ratio=4, **kwargs):
            super().__init__(**kwargs)
            self.ratio = ratio

        def build(self, input_shape):
            channels = input_shape[-1]
            self.pool = k.layers.GlobalAveragePooling2D(keepdims=True)
            self.down = k.layers.Dense(max(1, channels // self.ratio), activation="relu", use_bias=False)
            self.up = k.layers.Dense(channels, activation="sigmoid", use_bias=False)
            super().build(input_shape)

        def call(self, inputs):
            return inputs * self.up(self.down(self.pool(inputs)))

        def get_config(self):
            return {**super().get_config(), "ratio": self.ratio}

    return k.layers.Flatten()(SqueezeExcite(2, name="se")(x))


@program((8, 8, 3))
def patch_encoder(k, x):
    """Patches of a picture, projected, with a learned embedding of their places: the head of a vision transformer."""

    class Patches(k.layers.Layer):
        def __init__(self, patch_size, **kwargs):
            super().__init__(**kwargs)
            self.patch_size = patch_size

        def call(self, images):
            batch, height, width, channels = k.ops.shape(images)
            size = self.patch_size
            rows, cols = height // size, width // size
            patches = k.ops.reshape(images, (batch, rows, size, cols, size, channels))
            patches = k.ops.transpose(patches, (0, 1, 3, 2, 4, 5))
            return k.ops.reshape(patches, (batch, rows * cols, size * size * channels))

        def get_config(self):
            config = super().get_config()
            config.update({"patch_size": self.patch_size})
            return config

    class PatchEncoder(k.layers.Layer):
        def __init__(self, num_patches, projection_dim, **kwargs):
            super().__init__(**kwargs)
            self.num_patches = num_patches
            self.projection_dim = projection_dim
            self.projection = k.layers.Dense(units=projection_dim)
            self.position_embedding = k.layers.Embedding(input_dim=num_patches, output_dim=projection_dim)

        def call(self, patch):
            positions = k.ops.expand_dims(k.ops.arange(start=0, stop=self.num_patches, step=1), axis=0)
            return self.projection(patch) + self.position_embedding(positions)

        def get_config(self):
            config = super().get_config()
            config.update({"num_patches": self.num_patches, "projection_dim": self.projection_dim})
            return config

    return k.layers.GlobalAveragePooling1D()(PatchEncoder(4, 5)(Patches(4)(x)))


@program((3, 6, 5))
def standardized_kernels(k, x):
    """`convolution_op` overridden, the hook that Keras documents for weight standardization; channels first, groups."""

    class StandardizedConv2D(k.layers.Conv2D):
        def convolution_op(self, inputs, kernel):
            mean, variance = k.ops.moments(kernel, axes=[0, 1, 2], keepdims=True)
            return super().convolution_op(inputs, (kernel - mean) / k.ops.sqrt(variance + 1e-10))

    class BoundedConv3D(k.layers.Conv3D):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, k.ops.tanh(kernel))

    x = StandardizedConv2D(4, 2, strides=2, padding="same", data_format="channels_first", activation="relu")(x)
    x = StandardizedConv2D(4, 1, data_format="channels_first", use_bias=False)(x)
    return BoundedConv3D(6, 2, padding="same", groups=3, activation="tanh")(k.layers.Reshape((2, 2, 3, 3))(x))


@program((4,), (4,))
def merged_by_hand(k, x, y):
    """`_merge_function` overridden: the random interpolation of WGAN-GP, here with a fixed weight."""

    class WeightedAverage(k.layers.Average):
        def _merge_function(self, inputs):
            return 0.25 * inputs[0] + 0.75 * inputs[1]

    class Doubled(k.layers.Maximum):
        def _merge_function(self, inputs):
            return 2.0 * super()._merge_function(inputs)

    return Doubled()([WeightedAverage()([x, y]), x])


@program((8, 6, 3))
def spatial_pyramid_pooling(k, x):
    """No weights; output of one size for maps of any size; own `compute_output_shape`."""

    class SpatialPyramidPooling(k.layers.Layer):
        def __init__(self, bins, **kwargs):
            super().__init__(**kwargs)
            self.bins = tuple(bins)

        def call(self, maps):
            height, width = maps.shape[1:3]
            found = []
            for bins in self.bins:
                for row in range(bins):
                    for col in range(bins):
                        part = maps[
                            :,
                            row * height // bins : (row + 1) * height // bins,
                            col * width // bins : (col + 1) * width // bins,
                        ]
                        found.append(k.ops.max(part, axis=(1, 2)))
            return k.ops.concatenate(found, axis=-1)

        def compute_output_shape(self, input_shape):
            return (input_shape[0], input_shape[-1] * sum(bins**2 for bins in self.bins))

        def get_config(self):
            return {"bins": self.bins, **super().get_config()}

    return k.layers.Dense(2)(SpatialPyramidPooling([1, 2])(x))


@program((6, 6, 3), compiled=True)
def residual_block(k, x):
    """A block as a layer: sublayers in lists, a shortcut that only some blocks have."""

    class ResidualBlock(k.layers.Layer):
        def __init__(self, filters, strides=1, activation="relu", **kwargs):
            super().__init__(**kwargs)
            self.filters, self.strides = filters, strides
            self.activation = k.activations.get(activation)
            self.main_layers = [
                k.layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False),
                k.layers.BatchNormalization(),
                self.activation,
                k.layers.Conv2D(filters, 3, strides=1, padding="same", use_bias=False),
                k.layers.BatchNormalization(),
            ]
            self.skip_layers = []
            if strides > 1:
                self.skip_layers = [
                    k.layers.Conv2D(filters, 1, strides=strides, padding="same", use_bias=False),
                    k.layers.BatchNormalization(),
                ]

        def call(self, inputs):
            z = inputs
            for layer in self.main_layers:
                z = layer(z)
            skip = inputs
            for layer in self.skip_layers:
                skip = layer(skip)
            return self.activation(z + skip)

        def get_config(self):
            config = super().get_config()
            config["filters"], config["strides"] = self.filters, self.strides
            config["activation"] = k.activations.serialize(self.activation)
            return config

    return k.layers.GlobalAveragePooling2D()(ResidualBlock(3)(ResidualBlock(3, strides=2)(x)))


@program((6, 6, 4), compiled=True)
def conv_next_block(k, x):
    """LayerScale made in `build` with an initializer of its own, StochasticDepth with a seed and `training`."""

    class LayerScale(k.layers.Layer):
        def __init__(self, init_values, projection_dim, **kwargs):
            super().__init__(**kwargs)
            self.init_values, self.projection_dim = init_values, projection_dim

        def build(self, _):
            self.gamma = self.add_weight(
                shape=(self.projection_dim,),
                initializer=k.initializers.Constant(self.init_values),
                trainable=True,
                name="gamma",
            )

        def call(self, x):
            return x * self.gamma

        def get_config(self):
            config = super().get_config()
            config.update({"init_values": self.init_values, "projection_dim": self.projection_dim})
            return config

    class StochasticDepth(k.layers.Layer):
        def __init__(self, drop_path_rate, seed=None, **kwargs):
            super().__init__(**kwargs)
            self.drop_path_rate, self.seed = drop_path_rate, seed
            self.seed_generator = k.random.SeedGenerator(seed)

        def call(self, x, training=None):
            if training:
                keep = 1 - self.drop_path_rate
                shape = (x.shape[0],) + (1,) * (len(x.shape) - 1)
                noise = k.ops.floor(keep + k.random.uniform(shape, 0, 1, seed=self.seed_generator))
                return (x / keep) * noise
            return x

        def get_config(self):
            config = super().get_config()
            config.update({"drop_path_rate": self.drop_path_rate, "seed": self.seed})
            return config

    y = k.layers.LayerNormalization(epsilon=1e-6)(x)
    y = k.layers.Dense(8, activation="gelu")(y)
    y = LayerScale(0.1, 4)(k.layers.Dense(4)(y))
    return k.layers.GlobalAveragePooling2D()(k.layers.Add()([x, StochasticDepth(0.5, seed=7)(y)]))


@program((6, 6, 4))
def instance_normalization(k, x):
    """Initializers, regularizers and constraints by name; an `axis` argument; `input_spec` set by hand."""

    class InstanceNormalization(k.layers.Layer):
        def __init__(
            self,
            axis=-1,
            epsilon=1e-3,
            beta_initializer="zeros",
            gamma_initializer="ones",
            gamma_regularizer=None,
            gamma_constraint=None,
            **kwargs,
        ):
            super().__init__(**kwargs)
            self.supports_masking = True
            self.axis, self.epsilon = axis, epsilon
            self.beta_initializer = k.initializers.get(beta_initializer)
            self.gamma_initializer = k.initializers.get(gamma_initializer)
            self.gamma_regularizer = k.regularizers.get(gamma_regularizer)
            self.gamma_constraint = k.constraints.get(gamma_constraint)

        def build(self, input_shape):
            dim = input_shape[self.axis]
            self.input_spec = k.layers.InputSpec(ndim=len(input_shape), axes={self.axis: dim})
            self.gamma = self.add_weight(
                shape=(dim,),
                name="gamma",
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
            self.beta = self.add_weight(shape=(dim,), name="beta", initializer=self.beta_initializer)
            self.built = True

        def call(self, inputs, training=None):
            axes = tuple(range(1, len(inputs.shape) - 1))
            mean = k.ops.mean(inputs, axis=axes, keepdims=True)
            variance = k.ops.var(inputs, axis=axes, keepdims=True)
            return self.gamma * (inputs - mean) / k.ops.sqrt(variance + self.epsilon) + self.beta

        def get_config(self):
            config = {
                "axis": self.axis,
                "epsilon": self.epsilon,
                "beta_initializer": k.initializers.serialize(self.beta_initializer),
                "gamma_initializer": k.initializers.serialize(self.gamma_initializer),
                "gamma_regularizer": k.regularizers.serialize(self.gamma_regularizer),
                "gamma_constraint": k.constraints.serialize(self.gamma_constraint),
            }
            base_config = super().get_config()
            return dict(list(base_config.items()) + list(config.items()))

    y = InstanceNormalization(gamma_regularizer="l2", gamma_constraint="non_neg")(x)
    return k.layers.Flatten()(k.layers.Conv2D(2, 3)(y))


@program((6, 6, 6))
def group_convolution(k, x):
    """A list of convolutions over slices of the channels; ResNeXt before `groups=`."""

    class GroupConv2D(k.layers.Layer):
        def __init__(self, filters, kernel_size, groups=2, **kwargs):
            super().__init__(**kwargs)
            self.filters, self.kernel_size, self.groups = filters, kernel_size, groups
            self.convs = []
            for _ in range(groups):
                self.convs.append(k.layers.Conv2D(filters // groups, kernel_size, padding="same"))

        def build(self, input_shape):
            self.size = input_shape[-1] // self.groups
            for conv in self.convs:
                conv.build((*input_shape[:-1], self.size))

        def call(self, inputs):
            parts = [inputs[..., i * self.size : (i + 1) * self.size] for i in range(self.groups)]
            return k.ops.concatenate([conv(part) for conv, part in zip(self.convs, parts)], axis=-1)

        def get_config(self):
            own = {"filters": self.filters, "kernel_size": self.kernel_size, "groups": self.groups}
            return {**super().get_config(), **own}

    return k.layers.Flatten()(GroupConv2D(4, 3)(x))


@program((5, 3))
def capsules(k, x):
    """Routing by agreement: torch's einsum over a weight of rank four, a loop, `squash` as a function beside it."""

    def squash(vectors, axis=-1):
        norm = torch.sum(torch.square(vectors), dim=axis, keepdim=True)
        return norm / (1 + norm) * vectors / torch.sqrt(norm + 1e-7)

    class Capsule(k.layers.Layer):
        def __init__(self, num_capsule, dim_capsule, routings=3, **kwargs):
            super().__init__(**kwargs)
            self.num_capsule, self.dim_capsule, self.routings = num_capsule, dim_capsule, routings

        def build(self, input_shape):
            self.W = self.add_weight(
                shape=[self.num_capsule, input_shape[1], self.dim_capsule, input_shape[2]],
                name="W",
                initializer="glorot_uniform",
            )

        def call(self, inputs):
            votes = torch.einsum("jidk,bik->bjid", self.W, inputs)
            logits = torch.zeros_like(votes[..., 0])
            for step in range(self.routings):
                weights = torch.softmax(logits, dim=1)
                outputs = squash(torch.einsum("bji,bjid->bjd", weights, votes))
                if step < self.routings - 1:
                    logits = logits + torch.einsum("bjd,bjid->bji", outputs, votes)
            return outputs

        def compute_output_shape(self, input_shape):
            return (input_shape[0], self.num_capsule, self.dim_capsule)

        def get_config(self):
            config = {"num_capsule": self.num_capsule, "dim_capsule": self.dim_capsule, "routings": self.routings}
            return {**super().get_config(), **config}

    return Capsule(4, 2)(x)


@program((6, 6, 3))
def weight_standardization(k, x):
    """A subclass of Conv2D whose kernel is worked on before the parent's `call` runs."""

    class StandardizedConv2D(k.layers.Conv2D):
        def call(self, inputs):
            kernel = self.kernel
            mean = k.ops.mean(kernel, axis=(0, 1, 2), keepdims=True)
            deviation = k.ops.std(kernel, axis=(0, 1, 2), keepdims=True)
            outputs = k.ops.conv(
                inputs,
                (kernel - mean) / (deviation + 1e-5),
                strides=list(self.strides),
                padding=self.padding,
                dilation_rate=self.dilation_rate,
            )
            if self.use_bias:
                outputs = outputs + self.bias
            return self.activation(outputs)

    y = StandardizedConv2D(4, 3, activation="relu", padding="same", kernel_regularizer="l2")(x)
    return k.layers.GlobalAveragePooling2D()(y)


@program((6, 6, 3))
def coordinate_convolution(k, x):
    """A subclass of Conv2D that takes more channels than come in: `build` with another shape."""

    class CoordConv2D(k.layers.Conv2D):
        def build(self, input_shape):
            super().build((*input_shape[:-1], input_shape[-1] + 2))
            self.input_spec = k.layers.InputSpec(ndim=4, axes={-1: input_shape[-1]})

        def call(self, inputs):
            batch, height, width = k.ops.shape(inputs)[:3]
            rows = k.ops.broadcast_to(
                k.ops.reshape(k.ops.linspace(-1.0, 1.0, height), (1, -1, 1, 1)), (batch, height, width, 1)
            )
            cols = k.ops.broadcast_to(
                k.ops.reshape(k.ops.linspace(-1.0, 1.0, width), (1, 1, -1, 1)), (batch, height, width, 1)
            )
            return super().call(k.ops.concatenate([inputs, rows, cols], axis=-1))

    return k.layers.Flatten()(CoordConv2D(2, 3, name="coord")(x))


@program((6, 6, 4))
def spatial_attention(k, x):
    """Two custom layers, one inside the other, with reductions of `keras.ops` as lambdas would do."""

    class SpatialGate(k.layers.Layer):
        def __init__(self, kernel_size=3, **kwargs):
            super().__init__(**kwargs)
            self.kernel_size = kernel_size

        def build(self, input_shape):
            self.conv = k.layers.Conv2D(1, self.kernel_size, padding="same", activation="sigmoid", use_bias=False)
            self.conv.build((*input_shape[:-1], 2))

        def call(self, inputs):
            average = k.ops.mean(inputs, axis=-1, keepdims=True)
            largest = k.ops.amax(inputs, axis=-1, keepdims=True)
            return inputs * self.conv(k.ops.concatenate([average, largest], axis=-1))

    class ConvBlockAttention(k.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.shared = {"in": k.layers.Dense(units, "relu"), "out": k.layers.Dense(4)}
            self.gate = SpatialGate()

        def call(self, inputs):
            total = 0
            for reduced in (k.ops.mean(inputs, axis=(1, 2)), k.ops.max(inputs, axis=(1, 2))):
                total = total + self.shared["out"](self.shared["in"](reduced))
            return self.gate(inputs * k.ops.sigmoid(total)[:, None, None, :])

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    return k.layers.GlobalMaxPooling2D()(ConvBlockAttention(2)(x))
