"""Layers over rows of features, and the small layers of first tutorials."""

import torch

from compat.custom_layers.program import program


@program((4,))
def first_layers(k, x):
    """Linear in its three forms: weights in `__init__`, in `build`, and nested in a block without `build`."""

    class Simple(k.layers.Layer):
        def __init__(self, units=3, input_dim=4, **kwargs):
            super().__init__(**kwargs)
            self.w = self.add_weight(shape=(input_dim, units), initializer="random_normal", trainable=True)
            self.b = self.add_weight(shape=(units,), initializer="zeros", trainable=True)

        def call(self, inputs):
            return k.ops.matmul(inputs, self.w) + self.b

    class Linear(k.layers.Layer):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.units = units

        def build(self, input_shape):
            self.w = self.add_weight(
                shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True, name="w"
            )
            self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True, name="b")

        def call(self, inputs):
            return torch.matmul(inputs, self.w) + self.b

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    class MLPBlock(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.linear_1, self.linear_2 = Linear(5), Linear(3)

        def call(self, inputs):
            return self.linear_2(k.activations.relu(self.linear_1(inputs)))

    return MLPBlock()(Simple()(x))


@program((4,), compiled=True)
def counting_state(k, x):
    """State that is not trained, moved in each call; weights with every argument of `add_weight`."""

    class ComputeSum(k.layers.Layer):
        def __init__(self, input_dim, **kwargs):
            super().__init__(**kwargs)
            self.total = self.add_weight(initializer="zeros", shape=(input_dim,), trainable=False)

        def call(self, inputs):
            self.total.assign_add(k.ops.sum(inputs, axis=0))
            return inputs + 0.01 * self.total

    class Standardize(k.layers.Layer):
        def __init__(self, momentum=0.9, **kwargs):
            super().__init__(**kwargs)
            self.momentum = momentum

        def build(self, input_shape):
            self.scale = self.add_weight(
                name="scale",
                shape=(input_shape[-1],),
                initializer="ones",
                dtype="float32",
                trainable=True,
                autocast=False,
                regularizer="l2",
                constraint="non_neg",
                aggregation="mean",
                overwrite_with_gradient=False,
            )
            self.mean = self.add_weight(
                name="mean", shape=(input_shape[-1],), initializer="zeros", trainable=False, aggregation="mean"
            )
            self.seen = self.add_weight(name="seen", shape=(), dtype="int32", initializer="zeros", trainable=False)

        def call(self, inputs, training=None):
            if training:
                self.mean.assign(self.momentum * self.mean + (1 - self.momentum) * k.ops.mean(inputs, axis=0))
                self.seen.assign_add(1)
            return (inputs - self.mean) * self.scale

    return k.layers.Dense(2)(Standardize()(ComputeSum(4)(x)))


@program((4,))
def sparsity_loss(k, x):
    """`add_loss` in `call`, an `activity_regularizer` given to the base layer, and one of a nested layer."""

    class ActivityPenalty(k.layers.Layer):
        def __init__(self, rate=1e-2, **kwargs):
            super().__init__(**kwargs)
            self.rate = rate

        def call(self, inputs):
            self.add_loss(self.rate * k.ops.mean(k.ops.abs(inputs)))
            self.add_loss(self.rate * k.ops.mean(k.ops.square(inputs)))
            return inputs

    class SparseMLP(k.layers.Layer):
        def __init__(self, output_dim, **kwargs):
            super().__init__(**kwargs)
            self.output_dim = output_dim
            self.dense_1 = k.layers.Dense(6, activation="relu", kernel_regularizer="l1")
            self.regularization = ActivityPenalty(1e-2)
            self.dense_2 = k.layers.Dense(output_dim)

        def call(self, inputs):
            return self.dense_2(self.regularization(self.dense_1(inputs)))

        def get_config(self):
            return {**super().get_config(), "output_dim": self.output_dim}

    class Pass(k.layers.Layer):
        def call(self, inputs):
            return inputs

    return Pass(activity_regularizer="l2")(SparseMLP(3)(x))


@program((4,))
def antirectifier(k, x):
    """Output twice as wide as the input; sample-wise normalization."""

    class Antirectifier(k.layers.Layer):
        def __init__(self, initializer="he_normal", **kwargs):
            super().__init__(**kwargs)
            self.initializer = k.initializers.get(initializer)

        def build(self, input_shape):
            output_dim = input_shape[-1]
            self.kernel = self.add_weight(
                shape=(output_dim * 2, output_dim), initializer=self.initializer, name="kernel", trainable=True
            )

        def call(self, inputs):
            inputs = inputs - k.ops.mean(inputs, axis=-1, keepdims=True)
            pos = k.ops.relu(inputs)
            neg = k.ops.relu(-inputs)
            return k.ops.matmul(k.ops.concatenate([pos, neg], axis=-1), self.kernel)

        def get_config(self):
            base_config = super().get_config()
            config = {"initializer": k.initializers.serialize(self.initializer)}
            return dict(**base_config, **config)

    return Antirectifier()(x)


@program((4,))
def mixture_of_experts(k, x):
    """Experts in a list, a gate; softmax over experts, and a loss that balances their loads."""

    class MixtureOfExperts(k.layers.Layer):
        def __init__(self, experts=3, units=2, top=2, **kwargs):
            super().__init__(**kwargs)
            self.count, self.units, self.top = experts, units, top
            self.experts = [
                k.Sequential([k.layers.Dense(4, "relu"), k.layers.Dense(units)], name=f"expert_{i}")
                for i in range(experts)
            ]
            self.gate = k.layers.Dense(experts, use_bias=False, name="gate")

        def call(self, inputs):
            scores = k.ops.softmax(self.gate(inputs), axis=-1)
            values, _ = k.ops.top_k(scores, self.top)
            kept = k.ops.where(scores >= values[:, -1:], scores, k.ops.zeros_like(scores))
            kept = kept / k.ops.sum(kept, axis=-1, keepdims=True)
            outputs = k.ops.stack([expert(inputs) for expert in self.experts], axis=1)
            load = k.ops.mean(scores, axis=0)
            self.add_loss(0.01 * self.count * k.ops.sum(load * load))
            return k.ops.einsum("be,bed->bd", kept, outputs)

    return MixtureOfExperts()(x)


@program((5,))
def crossing_features(k, x):
    """Deep and cross: a list of weights made in a loop; a factorization machine; a maxout."""

    class CrossNetwork(k.layers.Layer):
        def __init__(self, layers=2, **kwargs):
            super().__init__(**kwargs)
            self.depth = layers

        def build(self, input_shape):
            dim = int(input_shape[-1])
            self.kernels = [self.add_weight(name=f"kernel{i}", shape=(dim, 1)) for i in range(self.depth)]
            self.bias = [
                self.add_weight(name="bias" + str(i), shape=(dim, 1), initializer="zeros") for i in range(self.depth)
            ]
            super().build(input_shape)

        def call(self, inputs):
            x_0 = k.ops.expand_dims(inputs, axis=2)
            x_l = x_0
            for i in range(self.depth):
                xl_w = k.ops.tensordot(x_l, self.kernels[i], axes=(1, 0))
                x_l = k.ops.matmul(x_0, xl_w) + self.bias[i] + x_l
            return k.ops.squeeze(x_l, axis=2)

        def get_config(self):
            return {**super().get_config(), "layers": self.depth}

    class FactorizationMachine(k.layers.Layer):
        def __init__(self, factors, **kwargs):
            super().__init__(**kwargs)
            self.factors = factors

        def build(self, input_shape):
            self.v = self.add_weight(shape=(input_shape[-1], self.factors), initializer="uniform", name="v")
            self.w = self.add_weight(shape=(input_shape[-1], 1), initializer="uniform", name="w")

        def call(self, inputs):
            first = inputs @ self.w
            second = 0.5 * k.ops.sum((inputs @ self.v) ** 2 - (inputs**2) @ (self.v**2), axis=1, keepdims=True)
            return first + second

    class Maxout(k.layers.Layer):
        def __init__(self, units, pieces=2, **kwargs):
            super().__init__(**kwargs)
            self.units, self.pieces = units, pieces
            self.dense = k.layers.Dense(units * pieces)

        def call(self, inputs):
            return k.ops.max(k.ops.reshape(self.dense(inputs), (-1, self.units, self.pieces)), axis=-1)

    return k.layers.Concatenate()([CrossNetwork()(x), FactorizationMachine(3)(x), Maxout(2)(x)])


@program((3,))
def radial_basis(k, x):
    """An initializer of the user's own class, and one that is a function."""

    class Centers(k.initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return k.ops.reshape(k.ops.linspace(-1.0, 1.0, shape[0] * shape[1]), shape)

    def wide(shape, dtype=None):
        return k.ops.ones(shape, dtype=dtype) * 0.5

    class RBFLayer(k.layers.Layer):
        def __init__(self, output_dim, **kwargs):
            self.output_dim = output_dim
            super().__init__(**kwargs)

        def build(self, input_shape):
            self.centers = self.add_weight(
                name="centers", shape=(self.output_dim, input_shape[1]), initializer=Centers(), trainable=True
            )
            self.betas = self.add_weight(name="betas", shape=(self.output_dim,), initializer=wide, trainable=True)
            super().build(input_shape)

        def call(self, x):
            c = k.ops.expand_dims(self.centers, axis=-1)
            h = k.ops.transpose(c - k.ops.transpose(x))
            return k.ops.exp(-self.betas * k.ops.sum(h**2, axis=1))

        def compute_output_shape(self, input_shape):
            return (input_shape[0], self.output_dim)

        def get_config(self):
            config = {"output_dim": self.output_dim}
            base_config = super().get_config()
            return dict(list(base_config.items()) + list(config.items()))

    return k.layers.Dense(1)(RBFLayer(4)(x))


@program((4,), (3,), compiled=True)
def inputs_as_dict(k, x, y):
    """A dict goes in, a dict comes out; optional tensors; arguments that are no tensors."""

    class Fuse(k.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.left, self.right = k.layers.Dense(units), k.layers.Dense(units)

        def call(self, inputs, extra=None, scale=1.0, reverse=False):
            total = self.left(inputs["left"]) + self.right(inputs["right"])
            if extra is not None:
                total = total + extra
            return {"sum": total * scale, "product": self.left(inputs["left"]) * (-1 if reverse else 1)}

    fuse = Fuse(2)
    first = fuse({"left": x, "right": y})
    second = fuse({"left": x, "right": y}, extra=first["sum"], scale=0.5, reverse=True)
    return k.layers.Add()([first["product"], second["sum"], second["product"]])


@program((5,))
def tied_autoencoder(k, x):
    """A layer that holds another and reads its kernel; the held layer stands in the model too."""

    class DenseTranspose(k.layers.Layer):
        def __init__(self, dense, activation=None, **kwargs):
            super().__init__(**kwargs)
            self.dense = dense
            self.activation = k.activations.get(activation)

        def build(self, batch_input_shape):
            self.biases = self.add_weight(name="bias", shape=(5,), initializer="zeros")
            super().build(batch_input_shape)

        def call(self, inputs):
            return self.activation(k.ops.matmul(inputs, k.ops.transpose(self.dense.kernel)) + self.biases)

        def get_config(self):
            config = {"dense": k.layers.serialize(self.dense), "activation": k.activations.serialize(self.activation)}
            return {**super().get_config(), **config}

        @classmethod
        def from_config(cls, config):
            config = dict(config, dense=k.layers.deserialize(config["dense"]))
            return cls(**config)

    encoder = k.layers.Dense(3, activation="tanh")
    return DenseTranspose(encoder, activation="sigmoid")(encoder(x))


@program((4,))
def shared_twice(k, x):
    """One custom layer called three times, within another one and in the graph; a residual wrapper around any layer."""

    class Residual(k.layers.Layer):
        def __init__(self, layer, **kwargs):
            super().__init__(**kwargs)
            self.layer = layer

        def build(self, input_shape):
            if not self.layer.built:
                self.layer.build(input_shape)

        def call(self, inputs):
            return inputs + self.layer(inputs)

        def get_config(self):
            return {**super().get_config(), "layer": k.saving.serialize_keras_object(self.layer)}

        @classmethod
        def from_config(cls, config):
            layer = k.saving.deserialize_keras_object(config.pop("layer"))
            return cls(layer, **config)

    shared = Residual(k.layers.Dense(4, activation="tanh"))
    return shared(shared(shared(x)))


@program((4,))
def subclassed_dense(k, x):
    """Subclasses of Dense: a mask on the kernel, spectral scaling with own state, Monte-Carlo dropout beside them."""

    class MaskedDense(k.layers.Dense):
        def __init__(self, units, every=2, **kwargs):
            super().__init__(units, **kwargs)
            self.every = every

        def build(self, input_shape):
            super().build(input_shape)
            self.keep = self.add_weight(name="keep", shape=self.kernel.shape, initializer="ones", trainable=False)

        def call(self, inputs):
            y = k.ops.matmul(inputs, self.kernel * self.keep)
            return self.activation(y + self.bias if self.use_bias else y)

        def get_config(self):
            config = super().get_config()
            config["every"] = self.every
            return config

    class ScaledDense(k.layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.u = self.add_weight(name="u", shape=(1, self.units), initializer="ones", trainable=False)

        def call(self, inputs, training=None):
            if training:
                v = k.ops.normalize(self.u @ k.ops.transpose(self.kernel), axis=-1, order=2)
                self.u.assign(k.ops.normalize(v @ self.kernel, axis=-1, order=2))
            return super().call(inputs) / (1.0 + k.ops.norm(self.u))

    class MCDropout(k.layers.Dropout):
        def call(self, inputs, training=False):
            return super().call(inputs, training=True)

    y = MaskedDense(3, activation="relu", kernel_regularizer="l2")(x)
    return ScaledDense(2, use_bias=False)(MCDropout(0.5, seed=2)(y))
