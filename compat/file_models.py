"""Models of all forms for the tests of files: `FORMS[name](k)` gives a model made with the library `k`.

May import numpy only. Classes of the user's own are made per library by `own(k)`.
"""

import functools

import numpy as np

FORMS = {}


def form(function):
    """Lists a maker under its function's name."""
    FORMS[function.__name__] = function
    return function


@functools.cache
def own(k):
    """Classes that a user would write, by name."""

    class Block(k.layers.Layer):
        """A weight of its own, layers in attributes, lists and dicts, built by `build`."""

        def __init__(self, units, **options):
            super().__init__(**options)
            self.units = units
            self.first = k.layers.Dense(units)
            self._hidden = [k.layers.Dense(units), k.layers.Dense(units)]
            self.named = {"norm": k.layers.LayerNormalization()}

        def build(self, shape):
            self.first.build(shape)
            for layer in (*self._hidden, self.named["norm"]):
                layer.build((None, self.units))
            self.scale = self.add_weight(shape=(1,), name="scale", initializer="ones")
            self.count = self.add_weight(shape=(), name="count", dtype="int32", initializer="zeros", trainable=False)

        def call(self, x):
            x = self._hidden[1](self._hidden[0](self.first(x)))
            return self.named["norm"](x) * self.scale

        def compute_output_shape(self, shape):
            return (*shape[:-1], self.units)

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    class Net(k.Model):
        """A subclassed model with layers everywhere, weights at its top and a metric."""

        def __init__(self, units=3, **options):
            super().__init__(**options)
            self.units = units
            self.blocks = [Block(units), [Block(units)], k.layers.Dense(units)]
            self.by_name = {"b": k.layers.Dense(units), "a": k.layers.Dense(units)}
            self.pair = (k.layers.Dense(units), k.layers.BatchNormalization())
            self.head = k.layers.Dense(2)
            self.tracker = k.metrics.Mean(name="tracked")
            self.free = self.add_weight(shape=(2,), name="free", initializer="ones")

        def call(self, x):
            x = self.blocks[2](self.blocks[1][0](self.blocks[0](x)))
            x = self.by_name["a"](self.by_name["b"](x))
            return self.head(self.pair[1](self.pair[0](x))) + self.free

        def get_config(self):
            return {"name": self.name, "units": self.units}

    class Nets(k.Model):
        """A subclassed model that holds models."""

        def __init__(self, inner=None, **options):
            super().__init__(**options)
            self.inner = inner or k.Sequential([k.layers.Dense(3), k.layers.Dense(3)])
            self.net = Net(3)

        def call(self, x):
            return self.net(self.inner(x))

        def get_config(self):
            return {**super().get_config(), "inner": k.saving.serialize_keras_object(self.inner)}

        @classmethod
        def from_config(cls, config):
            return cls(k.saving.deserialize_keras_object(config.pop("inner")), **config)

    class Graph(k.Model):
        """`super().__init__(inputs, outputs)`, with a step of its own and a weight beside the graph."""

        def __init__(self, *args, **kwargs):  # by these names Keras knows that it takes a graph
            super().__init__(*args, **kwargs)
            self.extra = self.add_weight(shape=(2,), name="extra", initializer="ones")

        def train_step(self, data):
            return super().train_step(data)

    class Given(k.Model):
        """`super().__init__(inputs, outputs)` of what the constructor is told."""

        def __init__(self, units, **options):
            inputs = k.Input((4,))
            outputs = k.layers.Dense(units)(k.layers.Dense(units, activation="relu")(inputs))
            super().__init__(inputs, outputs, **options)
            self.units = units

        def get_config(self):
            return {"units": self.units, "name": self.name}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    class Scaled(k.layers.Dense):
        """A subclass of a published layer: another initial value, a constant made in the constructor."""

        def __init__(self, units, factor=2.0, **options):
            super().__init__(units, **options)
            self.factor = factor
            self.constant = k.ops.convert_to_tensor(np.array(factor, "float32"))

        def call(self, x):
            return super().call(x) * self.constant

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    return {each.__name__: each for each in (Block, Net, Nets, Graph, Given, Scaled)}


# -- Sequential -------------------------------------------------------------------------------------------------------


@form
def unbuilt(k):
    return k.Sequential([k.layers.Dense(3), k.layers.Dense(2)])


@form
def built_by_shape(k):
    model = k.Sequential([k.layers.Dense(3), k.layers.Dense(2)])
    model.build((None, 4))
    return model


@form
def built_by_a_call(k):
    model = k.Sequential([k.layers.Dense(3), k.layers.BatchNormalization()], name="called")
    model(np.ones((2, 4), "float32"))
    return model


@form
def sequential_of_models(k):
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(3), k.layers.Dropout(0.5, seed=3)], name="inner")
    x = k.Input((3,))
    graph = k.Model(x, k.layers.Dense(3)(x))
    return k.Sequential([inner, graph, k.layers.Dense(2)])


@form
def sequential_of_own_layers(k):
    return k.Sequential([k.Input((4,)), own(k)["Block"](3), own(k)["Scaled"](2, 3.0)])


# -- graphs -----------------------------------------------------------------------------------------------------------


@form
def models_called_twice(k):
    x = k.Input((4,))
    y = k.Input((4,))
    graph = k.Model(y, k.layers.Dense(4)(k.layers.Dense(4)(y)), name="graph")
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(4), k.layers.Dense(4)], name="inner")
    return k.Model(x, graph(inner(graph(inner(x)))))


@form
def own_layers_in_a_graph(k):
    x = k.Input((4,))
    block = own(k)["Block"](4)
    return k.Model(x, [own(k)["Net"](3)(block(block(x))), own(k)["Scaled"](2)(x)])


@form
def frozen_parts(k):
    x = k.Input((4,))
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(3), k.layers.BatchNormalization()], name="inner")
    inner.layers[0].trainable = False
    frozen = k.layers.Dense(2, trainable=False)
    block = own(k)["Block"](2)
    outputs = block(frozen(inner(x)))
    return k.Model(x, outputs)


@form
def wholly_frozen(k):
    x = k.Input((4,))
    model = k.Model(x, k.layers.BatchNormalization()(k.layers.Dense(3)(x)))
    model.trainable = False
    return model


@form
def precisions(k):
    x = k.Input((4,))
    h = k.layers.Dense(4, dtype="mixed_float16")(x)
    h = k.layers.Dense(4, dtype="mixed_bfloat16")(h)
    h = k.layers.Dense(4, dtype="float16")(h)
    h = k.layers.Dense(4, dtype="bfloat16")(h)
    return k.Model(x, [k.layers.Dense(2, dtype="float64")(h), k.layers.Dense(2, dtype="float32")(h)])


@form
def channels_first(k):
    x = k.Input((3, 6, 6))
    h = k.layers.Conv2D(4, 3, data_format="channels_first")(x)
    h = k.layers.SeparableConv2D(2, 2, data_format="channels_first")(h)
    h = k.layers.BatchNormalization(axis=1)(h)
    h = k.layers.Conv2DTranspose(2, 2, data_format="channels_first")(h)
    return k.Model(x, k.layers.GlobalAveragePooling2D(data_format="channels_first")(h))


@form
def seeds(k):
    x = k.Input((5, 4))
    h = k.layers.Dropout(0.5, seed=1)(x)
    h = k.layers.GaussianNoise(0.1)(h)
    h = k.layers.LSTM(3, dropout=0.2, recurrent_dropout=0.2, seed=5)(h)
    return k.Model(x, k.layers.AlphaDropout(0.1, seed=2)(h))


@form
def wrapped(k):
    layers = k.layers
    x = k.Input((5, 4))
    h = layers.Bidirectional(layers.LSTM(2, return_sequences=True), merge_mode="sum")(x)
    h = layers.Bidirectional(
        layers.GRU(2, return_sequences=True),
        backward_layer=layers.SimpleRNN(2, go_backwards=True, return_sequences=True),
    )(h)
    h = layers.TimeDistributed(layers.TimeDistributed(layers.Dense(1)))(layers.Reshape((5, 4, 1))(h))
    h = layers.Reshape((5, 4))(h)
    h = layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)], return_sequences=True)(h)
    h = layers.TimeDistributed(k.Sequential([layers.Dense(3), layers.Dense(2)]))(h)
    h = layers.Bidirectional(layers.RNN(layers.GRUCell(2), return_sequences=True))(h)
    h = layers.TimeDistributed(layers.SpectralNormalization(layers.Dense(3)))(h)
    h = layers.TimeDistributed(own(k)["Block"](2))(h)
    return k.Model(x, layers.SpectralNormalization(layers.Conv1D(2, 2))(h))


@form
def starting_values(k):
    initializers, x = k.initializers, k.Input((4,))
    h = k.layers.Dense(4, kernel_initializer="identity", bias_initializer=initializers.Constant(0.5))(x)
    h = k.layers.Dense(3, kernel_initializer="orthogonal", bias_initializer=initializers.RandomUniform(seed=1))(h)
    h = k.layers.BatchNormalization(gamma_initializer="random_normal", renorm=False)(h)
    return k.Model(x, k.layers.PReLU(alpha_initializer=initializers.Constant(0.2))(h))


# -- subclasses -------------------------------------------------------------------------------------------------------


def called(model):
    model(np.ones((2, 4), "float32"))
    return model


@form
def subclass(k):
    return called(own(k)["Net"](3))


@form
def subclass_unbuilt(k):
    return own(k)["Net"](3)


@form
def subclass_of_models(k):
    return called(own(k)["Nets"]())


@form
def subclass_of_a_graph(k):
    x = k.Input((4,))
    return called(own(k)["Graph"](x, k.layers.Dense(2)(x)))


@form
def subclass_that_makes_its_graph(k):
    return own(k)["Given"](3)


# -- layers that stand in several models of one: Keras cannot read its own files of these -----------------------------

SHARED = {}


def shared(function):
    """Lists a maker under its function's name."""
    SHARED[function.__name__] = function
    return function


def _around(k, *layers):
    x = y = k.Input((4,))
    for layer in layers:
        y = layer(y)
    return k.Model(x, y)


@shared
def before_the_submodel(k):
    one = k.layers.Dense(4)
    return _around(k, one, _around(k, one))


@shared
def after_the_submodel(k):
    one = k.layers.Dense(4)
    return _around(k, _around(k, one), one)


@shared
def in_two_submodels(k):
    one = k.layers.Dense(4)
    return _around(k, _around(k, one), k.Sequential([k.Input((4,)), one, k.layers.Dense(4)]))


@shared
def a_model_in_two_models(k):
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(4), k.layers.Dense(4)])
    return _around(k, _around(k, inner, k.layers.Dense(4)), inner)


@shared
def like_named_ones_apart(k):
    one, two = k.layers.Dense(4, name="same"), k.layers.Dense(4, name="same", activation="relu")
    return _around(k, _around(k, one), _around(k, two), _around(k, one, k.layers.Dense(4)))
