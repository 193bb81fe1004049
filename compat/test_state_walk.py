"""The walk over what has state visits what Keras's `.weights.h5` files hold, under the same paths."""

import h5py
import keras as real
import numpy as np
import pytest

import torchkeras as ours
from compat import harness, layer_cases
from torchkeras.saving.state_walk import save_variables, walk


def in_keras_file(model, path):
    """`{path: shape}` of every array, and the path of every object, in what Keras writes."""
    model.save_weights(path)
    arrays, objects = {}, set()

    def visit(name, node):
        if isinstance(node, h5py.Dataset):
            arrays[name] = tuple(node.shape)
        elif name.rpartition("/")[2] == "vars":
            objects.add(name)

    with h5py.File(path) as file:
        file.visititems(visit)
    return arrays, objects


def in_our_walk(model):
    arrays, objects = {}, set()
    for path, obj in walk(model):
        store = {}
        save_variables(obj, store)
        prefix = f"{path}/vars" if path else "vars"
        if hasattr(obj, "save_own_variables"):
            objects.add(prefix)
        arrays.update({f"{prefix}/{key}": tuple(value.shape) for key, value in store.items()})
    return arrays, objects


def sequential(keras):
    layers = keras.layers
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dropout(0.5, seed=1), layers.Dense(3)])
    model.add(layers.BatchNormalization())
    return model


def compiled(keras):
    model = sequential(keras)
    model.compile("adam", "mse", metrics=["mae"], weighted_metrics=["mse"])
    model.train_on_batch(np.ones((2, 4), "float32"), np.ones((2, 3), "float32"))
    return model


def optimizer_with_a_schedule(keras):
    model = sequential(keras)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9, use_ema=True), keras.losses.MeanSquaredError())
    model.train_on_batch(np.ones((2, 4), "float32"), np.ones((2, 3), "float32"))
    return model


def mixed_precision(keras):
    layers = [keras.layers.Dense(3, dtype="mixed_float16"), keras.layers.Dense(2, dtype="mixed_float16")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()), "mse")
    model.train_on_batch(np.ones((2, 4), "float32"), np.ones((2, 2), "float32"))
    return model


def functional(keras):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    dense = keras.layers.Dense(4)
    return keras.Model([a, b], [dense(a) + dense(b) * 2.0, keras.layers.Dense(2)(b)])


def nested(keras):
    shared, inputs = keras.layers.Dense(4), keras.Input((4,))
    inner = keras.Sequential([shared, keras.layers.Dense(4)])
    deep = keras.Model(inputs, inner(shared(inputs)))
    outer = keras.Input((4,))
    return keras.Model(outer, deep(inner(outer)))


def recurrent(keras):
    layers = keras.layers
    inputs = x = keras.Input((5, 4))
    for layer in (
        layers.LSTM(3, return_sequences=True),
        layers.GRU(3, return_sequences=True, dropout=0.1),
        layers.SimpleRNN(3, return_sequences=True),
        layers.RNN([layers.LSTMCell(2), layers.GRUCell(2), layers.LSTMCell(2)], return_sequences=True),
    ):
        x = layer(x)
    return keras.Model(inputs, x)


def attention(keras):
    inputs = keras.Input((5, 4))
    x = keras.layers.MultiHeadAttention(2, 3, dropout=0.1)(inputs, inputs)
    return keras.Model(inputs, x)


def activations_that_are_layers(keras):
    layers = keras.layers
    stack = [layers.Activation(layers.PReLU()), layers.Dense(2, activation=layers.PReLU()), layers.LayerNormalization()]
    return keras.Sequential([keras.Input((3,)), *stack])


def subclassed(keras):
    class Block(keras.layers.Layer):
        def __init__(self, units):
            super().__init__()
            self.first = keras.layers.Dense(units)
            self._hidden = [keras.layers.Dense(units), keras.layers.Dense(units)]

        def build(self, shape):
            self.first.build(shape)
            for layer in self._hidden:
                layer.build((None, self.first.units))
            self.scale = self.add_weight(shape=(1,), name="scale")

        def call(self, x):
            return self._hidden[1](self._hidden[0](self.first(x))) * self.scale

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [Block(4), Block(4), [Block(4), keras.layers.Dense(4)]]
            self.by_name = {"b": keras.layers.Dense(4), "a": keras.layers.Dense(4), "more": {"c": Block(4)}}
            self.pair = (keras.layers.Dense(4), keras.layers.LayerNormalization())
            self.again = self.blocks[0]
            self.z_last = keras.layers.Dense(2)
            self.tracker = keras.metrics.Mean()
            self.seeds = keras.random.SeedGenerator(1)
            self.free = self.add_weight(shape=(2,), name="free")
            self.more_free = [self.add_weight(shape=(3,), name="more_free", trainable=False)]

        @property
        def a_view(self):
            return self.blocks[1]

        @property
        def broken(self):
            raise KeyError("not here")

        def call(self, x):
            for layer in (*self.blocks[:2], *self.blocks[2], *self.pair):
                x = layer(x)
            x = self.by_name["more"]["c"](self.by_name["a"](self.by_name["b"](x)))
            return self.z_last(x) + self.free

    model = Net()
    model(np.ones((2, 4), "float32"))
    return model


def subclassed_and_compiled(keras):
    model = subclassed(keras)
    model.compile("adam", "mse", metrics=["mae"])
    model.train_on_batch(np.ones((2, 4), "float32"), np.ones((2, 2), "float32"))
    return model


def functional_subclass(keras):
    class Net(keras.Model):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.extra = keras.layers.Dense(2)
            self.extra.build((None, 2))
            self.own = self.add_weight(shape=(3,), name="own")

    inputs = keras.Input((4,))
    return Net(inputs, keras.layers.Dense(2)(inputs))


def own_variables(keras):
    class Table(keras.layers.Layer):
        def build(self, shape):
            self.rows = self.add_weight(shape=(3, 2), name="rows")

        def call(self, x):
            return x

        def save_own_variables(self, store):
            super().save_own_variables(store)
            store["size"] = np.array([3, 2, 1])

        def load_own_variables(self, store):
            self.rows.assign(store["0"])

    model = keras.Sequential([keras.Input((4,)), Table(), keras.layers.Dense(1)])
    return model


MODELS = (
    sequential,
    compiled,
    optimizer_with_a_schedule,
    mixed_precision,
    functional,
    nested,
    recurrent,
    attention,
    activations_that_are_layers,
    subclassed,
    subclassed_and_compiled,
    functional_subclass,
    own_variables,
)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_paths_and_shapes(make, tmp_path):
    arrays, objects = in_keras_file(make(real), tmp_path / "model.weights.h5")
    our_arrays, our_objects = in_our_walk(make(ours))
    assert our_arrays == arrays
    assert our_objects == objects


def holding(keras, layer):
    """A model that has nothing but a built layer."""

    class Holder(keras.Model):
        def __init__(self):
            super().__init__()
            self.held = layer
            self.built = True

        def call(self, x):
            return self.held(x)

    return Holder()


@pytest.mark.parametrize("case", layer_cases.first_cases(), ids=lambda case: case.title)
def test_every_published_layer(case, tmp_path):
    both = harness.Comparison(case)
    for side in both.sides:
        side.call(both.arrays)
    arrays, objects = in_keras_file(holding(real, both.theirs.layer), tmp_path / "layer.weights.h5")
    our_arrays, our_objects = in_our_walk(holding(ours, both.ours.layer))
    assert our_arrays == arrays
    assert our_objects == objects
