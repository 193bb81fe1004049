"""The engine beside the installed Keras's: masks, dtype policies, weights, configs of objects, input specs, names."""

import json
import warnings

import keras
import numpy as np
import pytest
import torch

import torchkeras

POLICIES = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64", "float32")
LAYERS = {
    "dense": lambda k, **kw: k.layers.Dense(3, kernel_initializer="ones", **kw),
    "layer_norm": lambda k, **kw: k.layers.LayerNormalization(**kw),
    "softmax": lambda k, **kw: k.layers.Activation("softmax", **kw),
    "dropout": lambda k, **kw: k.layers.Dropout(0.3, **kw),
    "flatten": lambda k, **kw: k.layers.Flatten(**kw),
}


def both(build):
    """What `build(k)` gives for Keras and for torchkeras, with automatic names from the start."""
    keras.utils.clear_session(free_memory=False)
    torchkeras.backend.clear_session()
    return build(keras), build(torchkeras)


def plain(value):
    """As JSON has it: tuples are lists."""
    return json.loads(json.dumps(value))


def dtype_name(k, tensor):
    return k.backend.standardize_dtype(tensor.dtype)


# -- dtypes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["float32", "float64", "float16", "int32"])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("policy", POLICIES)
def test_policy(policy, layer, given):
    """Output, weight and declared dtypes of a layer under every policy, for every type of data."""
    if (layer, given) == ("softmax", "int32"):
        pytest.skip("torch has no softmax of integers, so Keras has none either")
    x = torch.linspace(-1, 1, 8).reshape(2, 4).to(getattr(torch, given))

    def build(k):
        made = LAYERS[layer](k, dtype=policy)
        output = made(x)
        weights = [dtype_name(k, weight) for weight in made.weights]
        return [str(output.dtype), made.compute_dtype, made.variable_dtype, made.dtype, weights]

    theirs, ours = both(build)
    assert ours == theirs


def test_policies_in_a_graph():
    x = torch.linspace(-1, 1, 8).reshape(2, 4)

    def build(k):
        model = k.Sequential(
            [
                k.Input((4,)),
                k.layers.Dense(3, dtype="mixed_float16"),
                k.layers.Dense(2, dtype="float64"),
                k.layers.Dense(1),
            ]
        )
        outputs = [str(layer.output.dtype) for layer in model.layers]
        return [str(model(x).dtype), outputs, [dtype_name(k, weight) for weight in model.weights]]

    theirs, ours = both(build)
    assert ours == theirs


def test_global_policy():
    x = torch.linspace(-1, 1, 8).reshape(2, 4)

    def build(k):
        class Scale(k.layers.Layer):
            def build(self, shape):
                self.scale = self.add_weight(shape=(shape[-1],))
                self.exact = self.add_weight(shape=(shape[-1],), autocast=False)

            def call(self, inputs):
                self.saw = [str(inputs.dtype), str((inputs * self.scale).dtype), str((0 * self.exact).dtype)]
                return inputs * self.scale

        k.config.set_dtype_policy("mixed_bfloat16")
        try:
            inputs = k.Input((4,))
            hidden = k.ops.softmax(k.layers.Dense(3, activation="relu")(inputs))
            model = k.Model(inputs, k.layers.Dense(2, dtype="float32")(hidden))
            scale = Scale()
            output = scale(x)
            dtypes = [model.dtype, model.compute_dtype, *(layer.compute_dtype for layer in model.layers)]
            return [
                dtypes,
                str(model(x).dtype),
                hidden.dtype,
                scale.saw,
                str(output.dtype),
                k.layers.Dense(1).get_config(),
            ]
        finally:
            k.config.set_dtype_policy("float32")

    theirs, ours = both(build)
    assert plain(ours) == plain(theirs)


def test_unknown_policies():
    def build(k):
        found = []
        for bad in ("foo", 3, "mixed_foo"):
            with pytest.raises((ValueError, TypeError)) as caught:
                k.layers.Dense(2, dtype=bad)
            found.append(caught.type in (ValueError, TypeError))
        return found

    theirs, ours = both(build)
    assert ours == theirs


# -- masks -------------------------------------------------------------------------------------------------------------


def mask_of(tensor):
    mask = getattr(tensor, "_keras_mask", None)
    return None if mask is None else mask.tolist()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [
        lambda k: k.layers.Dense(2),
        lambda k: k.layers.Dropout(0.5),
        lambda k: k.layers.BatchNormalization(),
        lambda k: k.layers.LayerNormalization(),
        lambda k: k.layers.Activation("relu"),
        lambda k: k.layers.LSTM(2, return_sequences=True),
        lambda k: k.layers.LSTM(2),
        lambda k: k.layers.Flatten(),
        lambda k: k.layers.Reshape((9,)),
    ],
)
def test_mask_through(make):
    x = torch.tensor([[1, 2, 0], [3, 0, 0]])
    theirs, ours = both(lambda k: mask_of(make(k)(k.layers.Embedding(5, 3, mask_zero=True)(x))))
    assert ours == theirs


@pytest.mark.filterwarnings("ignore")
def test_masks_of_own_layers():
    x = torch.tensor([[1, 2, 0], [3, 0, 0]])

    def build(k):
        class New(k.layers.Layer):
            def call(self, inputs):
                return inputs + 1

        class Same(k.layers.Layer):
            def call(self, inputs):
                return inputs

        class Supports(k.layers.Layer):
            def __init__(self):
                super().__init__()
                self.supports_masking = True

            def call(self, inputs, mask=None):
                self.saw = None if mask is None else mask.tolist()
                return inputs + 1

        class Own(k.layers.Layer):
            def compute_mask(self, inputs, mask=None):
                return None if mask is None else ~mask

            def call(self, inputs):
                return inputs * 2

        class Several(k.layers.Layer):
            def call(self, a, b, a_mask=None, b_mask=None):
                self.saw = [None if m is None else m.tolist() for m in (a_mask, b_mask)]
                return a

        hidden = k.layers.Embedding(5, 3, mask_zero=True)(x)
        supports, several = Supports(), Several()
        found = [mask_of(layer(hidden)) for layer in (New(), Same(), supports, Own())] + [supports.saw]
        several(hidden, hidden + 1)
        found.append(several.saw)
        several(hidden, b=hidden)
        found.append(several.saw)
        inputs = k.Input((3,), dtype="int64")
        last = Supports()
        chain = k.layers.Dropout(0.1)(k.layers.Embedding(5, 3, mask_zero=True)(inputs))
        output = k.Model(inputs, last(chain))(x)
        return [*found, last.saw, mask_of(output)]

    theirs, ours = both(build)
    assert ours == theirs


def test_mask_stoppers_warn():
    hidden = torchkeras.layers.Embedding(5, 3, mask_zero=True)(torch.tensor([[1, 0]]))
    with pytest.warns(UserWarning, match="mask"):
        torchkeras.layers.Flatten()(hidden)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torchkeras.layers.Dense(2)(hidden)


# -- weights and configs ----------------------------------------------------------------------------------------------


def test_add_weight():
    def build(k):
        class Holder(k.layers.Layer):
            def __init__(self):
                super().__init__()
                self.a = self.add_weight(shape=(2,), name="a")
                self.b = self.add_weight((3,), "ones", name="b")
                self.c = self.add_weight()
                self.d = self.add_weight(shape=(2,), dtype="int32", trainable=False)
                self.e = self.add_weight(shape=(), initializer=k.initializers.Constant(3.0))
                self.f = self.add_weight(shape=(2, 2), trainable=False, initializer="zeros")
                self.g = self.add_weight(shape=(5,), initializer="ones", regularizer="l2", constraint="non_neg")

        holder = Holder()
        described = [
            (w.name, w.path, tuple(w.shape), dtype_name(k, w), w.trainable)
            for group in (holder.weights, holder.trainable_weights, holder.non_trainable_weights)
            for w in group
        ]
        return [described, float(np.asarray(holder.e.numpy())), len(holder.losses)]

    theirs, ours = both(build)
    assert ours == theirs


def test_order_of_variables():
    def build(k):
        class Block(k.layers.Layer):
            def __init__(self):
                super().__init__()
                self.norm = k.layers.BatchNormalization()
                self.dense = k.layers.Dense(2)
                self.drop = k.layers.Dropout(0.3)

            def call(self, x, training=None):
                return self.drop(self.dense(self.norm(x, training=training)))

        block = Block()
        block(torch.ones(2, 3))
        groups = (block.weights, block.variables, block.trainable_variables, block.non_trainable_variables)
        return [[v.path for v in group] for group in groups]

    theirs, ours = both(build)
    assert ours == theirs


def test_automatic_configs():
    """A layer without `get_config` writes the plain arguments it was made with."""

    def build(k):
        class Units(k.layers.Layer):
            def __init__(self, units, act="relu", **others):
                super().__init__(**others)
                self.units = units

        class Few(k.layers.Layer):
            def __init__(self, units=3):
                super().__init__()

        class Function(k.layers.Layer):
            def __init__(self, function):
                super().__init__()

        found = [
            Units(4).get_config(),
            Units(4, act="tanh", name="zz").get_config(),
            Units(4, dtype="float16", trainable=False).get_config(),
            Units.from_config(Units(4, "tanh").get_config()).units,
            Few().get_config(),
            Few(5).get_config(),
        ]
        with pytest.raises(NotImplementedError):
            Function(lambda x: x).get_config()
        return plain(found)

    theirs, ours = both(build)
    assert ours == theirs


OBJECTS = {
    "integer": lambda k: 1,
    "text": lambda k: "a",
    "none": lambda k: None,
    "nested": lambda k: {"a": [1, (2, 3)]},
    "numpy number": lambda k: np.float32(2),
    "array": lambda k: np.arange(3),
    "scalar array": lambda k: np.array(2.0),
    "slice": lambda k: slice(1, 2),
    "ellipsis": lambda k: Ellipsis,
    "bytes": lambda k: b"ab",
    "tensor": lambda k: torch.ones(2),
    "layer": lambda k: k.layers.Dense(2, name="d"),
    "initializer": lambda k: k.initializers.GlorotUniform(seed=2),
    "regularizer": lambda k: k.regularizers.L2(0.1),
    "loss": lambda k: k.losses.MeanSquaredError(),
    "metric": lambda k: k.metrics.Mean(name="m"),
    "activation": lambda k: k.activations.relu,
    "loss function": lambda k: k.losses.mean_squared_error,
    "operation": lambda k: k.ops.relu,
    "policy": lambda k: k.DTypePolicy("mixed_float16"),
    "symbolic tensor": lambda k: k.KerasTensor((None, 2), name="z"),
    "model": lambda k: k.Sequential([k.layers.Dense(2, name="q")], name="s"),
}


@pytest.mark.parametrize("what", OBJECTS)
def test_serialized(what):
    theirs, ours = both(lambda k: plain(k.saving.serialize_keras_object(OBJECTS[what](k))))
    assert ours == theirs


def test_serialized_objects_of_users():
    def build(k):
        @k.saving.register_keras_serializable("pkg", "Nm")
        class Registered:
            def get_config(self):
                return {"x": 1}

        class Units(k.layers.Layer):
            def __init__(self, units=2, **others):
                super().__init__(**others)
                self.units = units

            def get_config(self):
                return {**super().get_config(), "units": self.units}

        def function(x):
            return x

        objects = (Registered(), Units(3, name="u"), function)
        found = [{**k.saving.serialize_keras_object(each), "module": None} for each in objects]
        with k.saving.custom_object_scope({"Units": Units}):
            read = k.saving.deserialize_keras_object(k.saving.serialize_keras_object(Units(7)))
        name = k.saving.get_registered_name(Registered)
        return [found, read.units, name, k.saving.get_registered_object(name) is Registered]

    theirs, ours = both(build)
    assert ours == theirs


def test_unknown_class():
    for error in (TypeError, ValueError):
        with pytest.raises(error, match="Nope"):
            torchkeras.saving.deserialize_keras_object({"class_name": "Nope", "config": {}})
    with pytest.raises(TypeError):
        keras.saving.deserialize_keras_object({"class_name": "Nope", "config": {}})


# -- names and specs --------------------------------------------------------------------------------------------------


def test_names():
    def build(k):
        class MyHTTPLayer(k.layers.Layer):
            pass

        class _Private(k.layers.Layer):
            pass

        makers = (
            lambda: k.layers.Dense(1),
            lambda: k.layers.Dense(1),
            lambda: k.layers.Conv2D(1, 1),
            lambda: k.layers.MaxPooling2D(),
            lambda: k.layers.LSTM(1),
            lambda: k.layers.ReLU(),
            lambda: k.Input((1,)),
            lambda: k.Input((1,))._keras_history.operation,
            lambda: k.Sequential(),
            MyHTTPLayer,
            _Private,
            lambda: k.layers.Dense(1, name="dense"),
            lambda: k.layers.Dense(1),
        )
        return [make().name for make in makers]

    theirs, ours = both(build)
    assert ours == theirs


@pytest.mark.parametrize(
    "options, shapes",
    [
        ({"ndim": 2}, [(2, 3), (2,)]),
        ({"min_ndim": 2}, [(2,), (2, 3, 4)]),
        ({"max_ndim": 2}, [(2, 3, 4), (2,)]),
        ({"shape": (None, 3)}, [(2, 3), (2, 4), (2,)]),
        ({"axes": {-1: 3}}, [(2, 3), (2, 4)]),
        ({"shape": (None, 3, 1), "allow_last_axis_squeeze": True}, [(2, 3), (2, 3, 1), (2, 4)]),
    ],
)
def test_input_spec(options, shapes):
    def build(k):
        class Holder(k.layers.Layer):
            def __init__(self):
                super().__init__()
                self.input_spec = k.InputSpec(**options)

            def call(self, x):
                return x

        found = [k.InputSpec(**options).get_config(), str(k.InputSpec(**options))]
        for shape in shapes:
            try:
                Holder()(torch.ones(shape))
                found.append("accepted")
            except ValueError:
                found.append("refused")
        return found

    theirs, ours = both(build)
    assert ours == theirs


@pytest.mark.parametrize("given", [(), (None,), ((None, 3),)])
def test_build_config_of_layers_that_need_no_shape(given):
    """What `build_from_config` makes them again with, as an Embedding that another layer builds with `build()`."""
    found = []
    for library in (keras, torchkeras):

        class Table(library.layers.Layer):
            def build(self, input_shape=None):
                self.table = self.add_weight(shape=(4, 2), name="table")

        for make in (Table, lambda library=library: library.layers.Embedding(4, 2)):
            layer, twin = make(), make()
            assert layer.get_build_config() is None
            layer.build(*given)
            twin.build_from_config(layer.get_build_config())
            found.append((layer.get_build_config(), twin.built, len(twin.weights)))
    assert found[2:] == found[:2]
