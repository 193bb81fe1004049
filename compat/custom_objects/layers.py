"""Custom layers: what their constructors take, and what their configs hold."""

import numpy as np

from compat.custom_objects.program import named, program, stack


@program((5, 4))
def attention_over_time(k):
    """Weights made in `build`, a config written by hand."""

    class TimeAttention(k.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units

        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="glorot_uniform", name="w")
            self.v = self.add_weight(shape=(self.units, 1), initializer="glorot_uniform", name="v")

        def call(self, x):
            scores = k.ops.matmul(k.ops.tanh(k.ops.matmul(x, self.w)), self.v)
            return k.ops.sum(k.ops.softmax(scores, axis=1) * x, axis=1)

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    return stack(k, TimeAttention(3), k.layers.Dense(1), shape=(5, 4)), named(TimeAttention)


@program((6,), whole=10)
def transformer_block(k):
    """Registered under a package; sublayers in the constructor; token and place embeddings."""

    @k.saving.register_keras_serializable(package="nlp")
    class TokenAndPosition(k.layers.Layer):
        def __init__(self, length, vocabulary, width, **kwargs):
            super().__init__(**kwargs)
            self.length, self.vocabulary, self.width = length, vocabulary, width
            self.tokens = k.layers.Embedding(vocabulary, width)
            self.places = k.layers.Embedding(length, width)

        def call(self, x):
            return self.tokens(x) + self.places(k.ops.arange(self.length))

        def get_config(self):
            config = super().get_config()
            config.update({"length": self.length, "vocabulary": self.vocabulary, "width": self.width})
            return config

    @k.saving.register_keras_serializable(package="nlp")
    class Block(k.layers.Layer):
        def __init__(self, width, heads, **kwargs):
            super().__init__(**kwargs)
            self.width, self.heads = width, heads
            self.attention = k.layers.MultiHeadAttention(heads, width)
            self.feed = k.Sequential([k.layers.Dense(8, activation="relu"), k.layers.Dense(width)])
            self.norms = [k.layers.LayerNormalization() for _ in range(2)]

        def build(self, input_shape):
            self.attention.build(input_shape, input_shape)
            self.feed.build(input_shape)
            for norm in self.norms:
                norm.build(input_shape)

        def call(self, x):
            x = self.norms[0](x + self.attention(x, x))
            return self.norms[1](x + self.feed(x))

        def get_config(self):
            return {**super().get_config(), "width": self.width, "heads": self.heads}

    inputs = k.Input((6,), dtype="int32")
    x = Block(4, 2)(TokenAndPosition(6, 10, 4)(inputs))
    model = k.Model(inputs, k.layers.Dense(1)(k.layers.GlobalAveragePooling1D()(x)))
    model.compile("adam", "mse")
    return model, None


@program((4,))
def residual_around_a_layer(k):
    """A layer in the constructor; `from_config` reads it."""

    class Residual(k.layers.Layer):
        def __init__(self, inner, **kwargs):
            super().__init__(**kwargs)
            self.inner = inner

        def build(self, input_shape):
            if not self.inner.built:
                self.inner.build(input_shape)

        def call(self, x):
            return x + self.inner(x)

        def get_config(self):
            return {**super().get_config(), "inner": k.saving.serialize_keras_object(self.inner)}

        @classmethod
        def from_config(cls, config):
            config["inner"] = k.saving.deserialize_keras_object(config["inner"])
            return cls(**config)

    return stack(k, Residual(Residual(k.layers.Dense(4, "tanh"))), k.layers.Dense(1)), named(Residual)


@program((4,))
def wrapper_of_the_library(k):
    """`keras.layers.Wrapper` with an argument more."""

    class Scaled(k.layers.Wrapper):
        def __init__(self, layer, scale=1.0, **kwargs):
            super().__init__(layer, **kwargs)
            self.scale = scale

        def call(self, x):
            return self.scale * self.layer(x)

        def get_config(self):
            return {**super().get_config(), "scale": self.scale}

    return stack(k, Scaled(k.layers.Dense(3, "relu"), scale=2.0), k.layers.Dense(1)), named(Scaled)


@program((4,))
def initializer_as_an_argument(k):
    """`initializers.get` in the constructor, `serialize` in the config; an initializer of one's own among them."""

    class Near(k.initializers.Initializer):
        def __init__(self, value=0.1):
            self.value = value

        def __call__(self, shape, dtype=None):
            return k.ops.full(shape, self.value, dtype=dtype)

        def get_config(self):
            return {"value": self.value}

    class Linear(k.layers.Layer):
        def __init__(self, units, kernel_initializer="glorot_uniform", activation=None, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.kernel_initializer = k.initializers.get(kernel_initializer)
            self.activation = k.activations.get(activation)

        def build(self, input_shape):
            self.kernel = self.add_weight(
                shape=(input_shape[-1], self.units), initializer=self.kernel_initializer, name="kernel"
            )

        def call(self, x):
            return self.activation(k.ops.matmul(x, self.kernel))

        def get_config(self):
            return {
                **super().get_config(),
                "units": self.units,
                "kernel_initializer": k.initializers.serialize(self.kernel_initializer),
                "activation": k.activations.serialize(self.activation),
            }

    shared = Near(0.3)
    layers = Linear(3, shared, "softplus"), k.layers.Dense(3, kernel_initializer=shared), Linear(1, "he_normal")
    return stack(k, *layers), named(Near, Linear)


@program((4,))
def values_that_are_no_json(k):
    """A dtype, a tuple, an array, bytes and a slice in the config: each has a description."""

    class Odd(k.layers.Layer):
        def __init__(self, sizes, table, mark, part, **kwargs):
            super().__init__(**kwargs)
            self.sizes, self.table, self.mark, self.part = tuple(sizes), np.asarray(table), mark, part

        def call(self, x):
            assert self.mark == b"mark" and self.sizes == (1, 2)
            return x[:, self.part] * k.ops.cast(self.table, x.dtype)

        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], len(self.table))

        def get_config(self):
            given = {"sizes": self.sizes, "table": self.table, "mark": self.mark, "part": self.part}
            return {**super().get_config(), **given}

        @classmethod
        def from_config(cls, config):
            for key in ("table", "mark", "part"):
                config[key] = k.saving.deserialize_keras_object(config[key])
            return cls(**config)

    odd = Odd((1, 2), np.array([1.0, 2.0], "float32"), b"mark", slice(0, 4, 2))
    return stack(k, odd, k.layers.Dense(1)), named(Odd)


@program((4,))
def automatic_config(k):
    """No `get_config`: the plain arguments of the constructor."""

    class Mlp(k.layers.Layer):
        def __init__(self, sizes=(3,), activation="relu", **kwargs):
            super().__init__(**kwargs)
            self.parts = [k.layers.Dense(size, activation) for size in sizes]

        def build(self, input_shape):
            for part in self.parts:
                part.build(input_shape)
                input_shape = part.compute_output_shape(input_shape)

        def call(self, x):
            for part in self.parts:
                x = part(x)
            return x

    return stack(k, Mlp([3, 2], "tanh"), k.layers.Dense(1)), named(Mlp)


@program((4,))
def layers_in_dicts_and_lists(k):
    """Sublayers in nested containers, built in `build`."""

    class Branches(k.layers.Layer):
        def __init__(self, widths, **kwargs):
            super().__init__(**kwargs)
            self.widths = widths
            self.branches = {name: [k.layers.Dense(width), k.layers.Dense(2)] for name, width in widths.items()}

        def build(self, input_shape):
            for name, (first, second) in self.branches.items():
                first.build(input_shape)
                second.build((*input_shape[:-1], self.widths[name]))

        def call(self, x):
            return sum(second(first(x)) for first, second in self.branches.values())

        def get_config(self):
            return {**super().get_config(), "widths": self.widths}

    return stack(k, Branches({"a": 3, "b": 5}), k.layers.Dense(1)), named(Branches)


@program((4,))
def built_from_a_config(k):
    """`get_build_config` and `build_from_config`: a layer that no shape can build."""

    class Sized(k.layers.Layer):
        def build_for(self, rows):
            self.rows = rows
            self.table = self.add_weight(shape=(rows, 2), initializer="ones", name="table")
            self.built = True

        def build(self, input_shape):
            self.build_for(input_shape[-1])

        def call(self, x):
            return k.ops.matmul(x, self.table)

        def get_build_config(self):
            return {"rows": self.rows}

        def build_from_config(self, config):
            self.build_for(config["rows"])

    return stack(k, Sized(), k.layers.Dense(1)), named(Sized)


@program((4,))
def variables_of_its_own(k):
    """`save_own_variables` and `load_own_variables`: other keys, and one value computed from others."""

    class Keyed(k.layers.Layer):
        def build(self, input_shape):
            self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gain")
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

        def call(self, x):
            return x * self.gain

        def save_own_variables(self, store):
            store["gain"] = k.ops.convert_to_numpy(self.gain)

        def load_own_variables(self, store):
            self.gain.assign(store["gain"])
            self.calls.assign(len(store.keys()) - 1)

    return stack(k, Keyed(), k.layers.Dense(1)), named(Keyed)


@program((1,))
def assets_beside_the_weights(k):
    """`save_assets` and `load_assets`: a vocabulary in a text file."""
    import os

    class Lookup(k.layers.Layer):
        def __init__(self, words=(), **kwargs):
            super().__init__(**kwargs)
            self.words = list(words)

        def call(self, x):
            return x * len(self.words)

        def get_config(self):
            return super().get_config()

        def save_assets(self, folder):
            with open(os.path.join(folder, "words.txt"), "w") as file:
                file.write("\n".join(self.words))

        def load_assets(self, folder):
            with open(os.path.join(folder, "words.txt")) as file:
                self.words = file.read().split()

    return stack(k, Lookup(["a", "b", "c"]), k.layers.Dense(1), shape=(1,)), named(Lookup)


@program((6, 3))
def recurrent_cell(k):
    """A cell of one's own in `RNN`."""

    @k.utils.register_keras_serializable("cells", name="Minimal")
    class MinimalCell(k.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = units

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
            self.again = self.add_weight(shape=(self.units, self.units), name="again")

        def call(self, x, states):
            output = k.ops.tanh(k.ops.matmul(x, self.kernel) + k.ops.matmul(states[0], self.again))
            return output, [output]

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    return stack(k, k.layers.RNN(MinimalCell(3)), k.layers.Dense(1), shape=(6, 3)), None


@program((4,))
def subclass_of_a_published_layer(k):
    """A subclass of Dense that adds an argument; another one that has Dense's own name."""

    class Twice(k.layers.Dense):
        def __init__(self, units, times=2, **kwargs):
            super().__init__(units, **kwargs)
            self.times = times

        def call(self, x):
            return self.times * super().call(x)

        def get_config(self):
            return {**super().get_config(), "times": self.times}

    class Dense(k.layers.Dense):
        def call(self, x):
            return super().call(x) - 1.0

    return stack(k, Twice(3, 3, activation="relu"), Dense(2), k.layers.Activation("tanh")), named(Twice, Dense)


@program((4,))
def nested_class(k):
    """A class inside another, which is called as a published one."""

    class Library:
        class Dropout(k.layers.Layer):
            def call(self, x, training=False):
                return x * 0.5 if training else x

    return stack(k, Library.Dropout(), k.layers.Dense(1)), {"Dropout": Library.Dropout}
