"""Models beside the installed Keras's: structure, names, weights, configs, numbers, and JSON read by the other side."""

import copy
import json
import pickle

import keras
import numpy as np
import pytest
import torch
from keras import tree

import torchkeras
from compat.model_cases import GRAPHS

# Keras puts the making of masks into the graph; here masks travel with the data (compat/deviations.md).
_MASKED = {"embed_mask"}
# Keras computes a wrong length of keys for symbolic attention scores.
_OTHER_SHAPE = {"attention"}
# JSON has no tuples: after a round trip both libraries answer with lists.
_TUPLES = {"tuple_in"}


def both(build):
    """What `build(k)` gives for Keras and for torchkeras, with automatic names from the start."""
    keras.utils.clear_session(free_memory=False)
    torchkeras.backend.clear_session()
    return build(keras), build(torchkeras)


def plain(value):
    """As JSON has it: tuples are lists."""
    return json.loads(json.dumps(value))


def data_for(model, rng):
    """Random data in the structure of a Keras model's inputs."""

    def one(tensor):
        shape = [size if size is not None else (2 if axis == 0 else 9) for axis, size in enumerate(tensor.shape)]
        if "int" in tensor.dtype:
            return torch.as_tensor(rng.integers(0, 5, shape).astype(tensor.dtype))
        return torch.as_tensor(rng.standard_normal(shape).astype("float32"))

    return tree.map_structure(one, model.inputs[0] if isinstance(model, keras.Sequential) else model.input)


def assert_same_outputs(theirs, ours, data, containers=True):
    expected, found = theirs(data), ours(data)
    if containers:
        tree.assert_same_structure(expected, found)
    for a, b in zip(tree.flatten(expected), tree.flatten(found), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        torch.testing.assert_close(b, a, atol=2e-6, rtol=2e-5)


def layer_list(model):
    return [(layer.name, type(layer).__name__) for layer in model.layers]


@pytest.fixture(params=sorted(GRAPHS), scope="module")
def pair(request):
    theirs, ours = both(GRAPHS[request.param])
    ours.set_weights(theirs.get_weights())
    return request.param, theirs, ours


def test_structure(pair):
    name, theirs, ours = pair
    assert layer_list(ours) == layer_list(theirs)
    assert ours.name == theirs.name
    assert str(ours.input_shape) == str(theirs.input_shape)
    if name not in _OTHER_SHAPE:
        assert str(ours.output_shape) == str(theirs.output_shape)
    if hasattr(theirs, "operations") and name not in _MASKED:
        assert [each.name for each in ours.operations] == [each.name for each in theirs.operations]
        assert list(ours.output_names) == list(theirs.output_names)


def test_weights(pair):
    _, theirs, ours = pair
    described = [[(w.path, tuple(w.shape), w.trainable) for w in model.weights] for model in (theirs, ours)]
    assert described[1] == described[0]


def test_outputs(pair):
    _, theirs, ours = pair
    data = data_for(theirs, np.random.default_rng(3))
    assert_same_outputs(theirs, ours, data)
    assert_same_outputs(theirs, copy.deepcopy(ours), data)
    assert_same_outputs(theirs, pickle.loads(pickle.dumps(ours)), data)


def test_config(pair):
    name, theirs, ours = pair
    if name in _MASKED or name in _OTHER_SHAPE:
        pytest.skip("the graphs differ on purpose: masks, attention scores (deviations.md)")
    assert plain(ours.get_config()) == plain(theirs.get_config())
    assert json.loads(ours.to_json()) == json.loads(theirs.to_json())


@pytest.mark.parametrize("way", ["ours reads theirs", "theirs reads ours", "ours reads ours", "clone"])
def test_round_trip(pair, way):
    name, theirs, ours = pair
    made = {
        "ours reads theirs": lambda: torchkeras.models.model_from_json(theirs.to_json()),
        "theirs reads ours": lambda: keras.models.model_from_json(ours.to_json()),
        "ours reads ours": lambda: torchkeras.models.model_from_json(ours.to_json()),
        "clone": lambda: torchkeras.models.clone_model(ours),
    }[way]()
    assert layer_list(made) == layer_list(theirs)
    made.set_weights(theirs.get_weights())
    if name not in _TUPLES or way == "clone":
        assert_same_outputs(theirs, made, data_for(theirs, np.random.default_rng(3)))
    if name not in _MASKED | _OTHER_SHAPE and way != "theirs reads ours":
        assert plain(made.get_config()) == plain(ours.get_config())


def test_dropout_from_keras_file_drops():
    """Keras writes the default `training=False` of Dropout into the node; it must not pass for the user's word."""

    def build(k):
        x = k.Input((4,))
        return k.Model(x, k.layers.Dropout(0.5)(x))

    theirs, _ = both(build)
    config = theirs.get_config()
    assert config["layers"][1]["inbound_nodes"][0]["kwargs"] == {"training": False}
    ours = torchkeras.models.model_from_json(theirs.to_json())
    assert (ours(torch.ones(50, 4), training=True) == 0).any()


def test_frozen_layer_stays_frozen():
    def build(k):
        x = k.Input((4,))
        return k.Model(x, k.layers.Dense(2, trainable=False)(k.layers.Dense(2)(x)))

    theirs, ours = both(build)
    for model in (
        ours,
        torchkeras.models.model_from_json(ours.to_json()),
        torchkeras.models.model_from_json(theirs.to_json()),
    ):
        assert [layer.trainable for layer in model.layers] == [True, True, False]
        assert len(model.trainable_weights) == 2 == len(theirs.trainable_weights)


def test_layer_order_with_inputs_nobody_needs():
    def build(k):
        a, b, c = (k.Input((4,), name=name) for name in "abc")
        d = a
        for index in range(4):
            d = k.layers.Dense(4, name=f"d{index}")(d)
        e = k.layers.Dense(2, name="e")(c)
        models = [k.Model([b, a], d), k.Model([a, b], [a]), k.Model([a, b, c], [e, d])]
        return [[layer.name for layer in model.layers] for model in models]

    theirs, ours = both(build)
    assert ours == theirs


def test_layer_order_with_shared_layers():
    """By depth, where a shared layer counts as often as it is called; `get_weights` goes by it."""

    def build(k, seed):
        rng = np.random.default_rng(seed)
        inputs = [k.Input((3,), name=f"i{index}") for index in range(rng.integers(1, 4))]
        layers, tensors = [k.layers.Dense(3, name=f"d{index}") for index in range(4)], list(inputs)
        for index in range(rng.integers(3, 10)):
            if rng.random() < 0.25 and len(tensors) > 1:
                first, second = rng.choice(len(tensors), 2, replace=False)
                tensors.append(k.layers.Add(name=f"add{index}")([tensors[first], tensors[second]]))
            else:
                tensors.append(layers[rng.integers(4)](tensors[rng.integers(len(tensors))]))
        made = len(tensors) - len(inputs)
        outputs = rng.choice(made, rng.integers(1, min(made, 4)), replace=False)
        model = k.Model(inputs, [tensors[len(inputs) + index] for index in outputs])
        return [layer.name for layer in model.layers], [weight.path for weight in model.weights]

    for seed in range(25):
        theirs, ours = both(lambda k, seed=seed: build(k, seed))
        assert ours == theirs, seed


def test_automatic_names():
    """A Sequential takes a number of the functional models, as Keras's does."""

    def build(k):
        names = []
        for make in (
            lambda: k.Sequential([k.Input((3,)), k.layers.Dense(2)]),
            lambda: k.Sequential([k.layers.Dense(2)]),
        ):
            model = make()
            x = k.Input((3,))
            names += [model.name, k.Model(x, model(x)).name, x.name, model.layers[0].name]
        h = k.layers.Dense(3)(k.Input((4,)))
        names.append([layer.name for layer in k.Model(h, k.layers.Dense(2, name="o")(h)).layers])
        return names

    theirs, ours = both(build)
    assert ours == theirs


def test_single_outputs():
    """A list or tuple of one output is that output when called; a dict stays one."""

    def build(k):
        x = k.Input((3,), name="x")
        found = []
        for outputs in ([x * 2], (x * 2,), {"a": x * 2}):
            model = k.Model(x, outputs)
            found.append((type(model(torch.ones(1, 3))).__name__, type(model.output).__name__, str(model.output_shape)))
        return found

    theirs, ours = both(build)
    assert ours == theirs


def test_batch_size_is_no_demand():
    def build(k):
        x = k.Input((3,), batch_size=2)
        model = k.Model(x, k.layers.Dense(2)(x))
        lazy = k.Sequential([k.layers.Dense(2)])
        lazy(torch.ones(5, 3))
        return [tuple(model(torch.ones(4, 3)).shape), tuple(lazy(torch.ones(7, 3)).shape), tuple(lazy.input_shape)]

    theirs, ours = both(build)
    assert ours == theirs


def test_sequential_grows_and_shrinks():
    def build(k):
        model = k.Sequential([k.layers.Dense(3)])
        found = [model.built, len(model.layers), len(model.weights), model.name]
        model.add(k.layers.Dense(2))
        model(torch.ones(5, 4))
        found += [str(model.input_shape), str(model.output_shape), [w.path for w in model.weights]]
        model.add(k.layers.Dense(7))
        found += [model.built, str(model.output_shape), [w.path for w in model.weights]]
        model.pop()
        found += [str(model.output_shape), [layer.name for layer in model.layers]]
        model.pop()
        model.pop()
        return [*found, len(model.layers), model.built]

    theirs, ours = both(build)
    assert ours == theirs


def test_sequential_configs():
    def build(k):
        models = [
            k.Sequential([k.layers.Dense(2)]),
            k.Sequential([k.layers.Dense(2)], name="a", trainable=False),
            k.Sequential([k.Input((3,), batch_size=2), k.layers.Dense(2)]),
            k.Sequential([k.Sequential([k.layers.Dense(2)]), k.layers.Dense(1)]),
        ]
        models.append(k.Sequential([k.layers.Dense(2)]))
        models[-1](torch.ones(4, 3))
        return [[plain(model.get_config()), json.loads(model.to_json())] for model in models]

    theirs, ours = both(build)
    assert ours == theirs


def test_subclassed_paths():
    def build(k):
        class Block(k.layers.Layer):
            def __init__(self, n, **kwargs):
                super().__init__(**kwargs)
                self.dense = k.layers.Dense(n)
                self.norm = k.layers.BatchNormalization()

            def build(self, shape):
                self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale", trainable=False)
                self.shift = self.add_weight(shape=(shape[-1],), name="shift", initializer="zeros")
                super().build(shape)

            def call(self, x):
                return self.norm(self.dense(x * self.scale + self.shift))

        class Net(k.Model):
            def __init__(self):
                super().__init__()
                self.blocks = [Block(4), Block(4)]
                self.out = k.layers.Dense(1, name="out")

            def call(self, x):
                for block in self.blocks:
                    x = block(x)
                return self.out(x)

        net = Net()
        net(torch.ones(2, 4))
        return [
            [[w.path for w in group] for group in (net.weights, net.trainable_weights, net.non_trainable_weights)],
            [layer.name for layer in net.layers],
            net.name,
            net.count_params(),
        ]

    theirs, ours = both(build)
    assert ours == theirs


def test_losses():
    def build(k):
        class Sum(k.layers.Layer):
            def call(self, x):
                self.add_loss(k.ops.sum(x))
                return x

        class Outer(k.layers.Layer):
            def __init__(self):
                super().__init__()
                self.inner = Sum()
                self.dense = k.layers.Dense(
                    3, kernel_regularizer="l2", kernel_initializer="ones", activity_regularizer="l1"
                )

            def call(self, x):
                return self.dense(self.inner(x))

        def values(layer):
            return sorted(round(float(loss.detach()), 5) for loss in layer.losses)

        outer, x, shared = Outer(), k.Input((3,)), Sum()
        found = []
        for _ in range(2):  # a second call replaces the first one's losses
            outer(torch.ones(2, 3))
            found.append(values(outer))
        model = k.Model(x, shared(shared(x)))
        model(torch.ones(2, 3))
        inner = k.Sequential([k.Input((3,)), k.layers.Dense(2, kernel_regularizer="l2", kernel_initializer="ones")])
        nested = k.Model(x, inner(x))
        found += [values(model), values(nested)]
        nested(torch.ones(2, 3))
        found.append(values(nested))
        inner.trainable = False
        return [*found, values(nested)]

    theirs, ours = both(build)
    assert ours == theirs


def test_trainable_reaches_down():
    def build(k):
        dense, norm = k.layers.Dense(2), k.layers.BatchNormalization()
        model, found = k.Sequential([k.Input((3,)), dense, norm]), []

        def note():
            flags = [dense.trainable, norm.trainable, model.trainable, *(w.trainable for w in model.weights)]
            found.append([len(model.trainable_weights), len(model.non_trainable_weights), flags])

        note()
        for layer, value in ((dense, False), (model, False), (model, True), (norm, False)):
            layer.trainable = value
            note()
        dense.kernel.trainable = False
        dense.trainable = True
        note()
        return found

    theirs, ours = both(build)
    assert ours == theirs


def test_stateless_call():
    x, results = torch.arange(12.0).reshape(4, 3), []
    for k in (keras, torchkeras):
        model = k.Sequential(
            [k.Input((3,)), k.layers.Dense(2, kernel_initializer="ones"), k.layers.BatchNormalization()]
        )
        trainable = [torch.full(tuple(v.shape), 2.0) for v in model.trainable_variables]
        rest = [torch.full(tuple(v.shape), 0.5) for v in model.non_trainable_variables]
        trained, after = model.stateless_call(trainable, rest, x, training=True)
        plainly, _ = model.stateless_call(trainable, rest, x)
        untouched = [np.asarray(w) for w in model.get_weights()]
        results.append(([trained, plainly, *after], untouched))
    for expected, found in zip(results[0][0], results[1][0], strict=True):
        torch.testing.assert_close(found.detach(), expected.detach(), atol=1e-5, rtol=1e-5)
    for expected, found in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("structure", [lambda x: x, lambda x: [x], lambda x: {"x": x}])
def test_the_name_of_the_only_input_counts(structure):
    for k in (keras, torchkeras):
        inputs = k.Input((2,), name="x")
        model = k.Model(structure(inputs), k.layers.Dense(1)(inputs))
        assert model.predict({"x": np.ones((3, 2))}, verbose=0).shape == (3, 1)
        with pytest.raises(ValueError, match="x"):
            model.predict({"wrong": np.ones((3, 2))}, verbose=0)


@pytest.mark.parametrize("compiled", [False, True])
def test_metrics_of_nested_models_are_their_own(compiled):
    def names(k):
        class Holder(k.layers.Layer):
            def __init__(self, name):
                super().__init__()
                self.seen = [k.metrics.Mean(name=name)]

            def call(self, x):
                return x

        inner = k.Sequential([k.Input((3,)), Holder("in a layer of the inner model"), k.layers.Dense(1)])
        inner.of_inner = k.metrics.Mean(name="of the inner model")
        outer = k.Sequential([k.Input((3,)), Holder("in a layer of the outer model"), inner])
        outer.of_outer = k.metrics.Mean(name="of the outer model")
        if compiled:
            inner.compile("sgd", "mse", metrics=["mae"])
            outer.compile("sgd", "mse")
        layer = Holder("of the layer")
        layer.inner = inner
        return [list(dict.fromkeys(metric.name for metric in each.metrics)) for each in (outer, inner, layer)]

    assert names(torchkeras) == names(keras)
