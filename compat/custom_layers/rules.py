"""Rules of `Layer` that users lean on: each a small program that gives plain facts, or raises.

May import numpy and torch; no library but the one that a rule is given.
"""

import abc
import collections
import dataclasses
import functools
import warnings

import numpy as np
import torch

RULES, REFUSED = [], []


def rule(function):
    """Decorator: adds a function of the library to `RULES`."""
    RULES.append(function)
    return function


def refused(function):
    """Decorator of a rule that must raise."""
    REFUSED.append(function)
    return function


def facts(weights):
    return [(w.name, w.path, tuple(w.shape), w.trainable) for w in weights]


X = np.arange(8.0, dtype="float32").reshape(2, 4)


def scale_of(k):
    class Scale(k.layers.Layer):
        def __init__(self, factor=2.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, input_shape):
            self.gain = self.add_weight(name="gain", shape=(input_shape[-1],), initializer="ones")

        def call(self, inputs):
            return inputs * self.gain * self.factor

    return Scale


# -- weights ----------------------------------------------------------------------------------------------------------


@refused
def weights_made_in_call_are_refused(k):
    class Late(k.layers.Layer):
        def call(self, inputs):
            self.w = self.add_weight(shape=(4,), name="w")
            return inputs * self.w

    return Late()(X)


@refused
def sublayers_made_in_call_are_refused(k):
    class Late(k.layers.Layer):
        def call(self, inputs):
            self.dense = k.layers.Dense(2)
            return self.dense(inputs)

    return Late()(X)


@refused
def the_constructor_of_layer_must_run(k):
    class Forgetful(k.layers.Layer):
        def __init__(self):
            self.dense = k.layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    return Forgetful()(X)


@rule
def weights_without_names_or_shapes(k):
    class Bare(k.layers.Layer):
        def __init__(self):
            super().__init__()
            self.a = self.add_weight()
            self.b = self.add_weight((2, 3), "zeros")
            self.c = self.add_weight(shape=[4], dtype="int32", initializer="zeros", trainable=False)

    return facts(Bare().weights), [str(w.dtype).split(".")[-1] for w in Bare().weights]


@rule
def variables_as_attributes(k):
    class Holder(k.layers.Layer):
        def __init__(self):
            super().__init__()
            self.v = k.Variable(np.ones((2, 2)), name="v")
            self.frozen = k.Variable(1.0, trainable=False, name="frozen")
            self.several = [k.Variable(0.0, name="one"), k.Variable(0.0, name="two")]
            self.table = {"x": k.Variable(np.zeros(3), name="x")}

    layer = Holder()
    return [(w.name, tuple(w.shape), w.trainable) for w in layer.weights], len(layer.trainable_variables)


@rule
def order_of_weights(k):
    class Mixed(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = k.layers.Dense(2, name="inner")
            self.first = self.add_weight(shape=(1,), name="first", trainable=False)

        def build(self, input_shape):
            self.second = self.add_weight(shape=(2,), name="second")
            self.inner.build(input_shape)
            self.third = self.add_weight(shape=(3,), name="third", trainable=False)
            self.blocks = [k.layers.BatchNormalization(name="bn"), k.layers.Dense(1, name="last")]
            for block in self.blocks:
                block.build((None, 2))

    layer = Mixed(name="mixed")
    layer.build((None, 4))
    kinds = ("weights", "trainable_weights", "non_trainable_weights", "variables")
    return [facts(getattr(layer, kind)) for kind in kinds]


@rule
def freezing(k):
    outer = k.Sequential([k.Input((4,)), k.layers.Dense(3, name="a"), k.layers.BatchNormalization(name="b")])
    found = [len(outer.trainable_weights)]
    outer.layers[0].trainable = False
    found.append(len(outer.trainable_weights))
    outer.trainable = False
    found += [len(outer.trainable_weights), outer.layers[1].trainable, len(outer.non_trainable_weights)]
    outer.trainable = True
    return found + [len(outer.trainable_weights), outer.layers[0].trainable]


@rule
def trainable_as_argument(k):
    layer = scale_of(k)(trainable=False)
    layer.build((None, 4))
    return facts(layer.trainable_weights), len(layer.non_trainable_weights), layer.get_config()["trainable"]


@rule
def sublayers_in_lists_and_dicts(k):
    class Changing(k.layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [k.layers.Dense(3)]
            self.parts.append(k.layers.Dense(4))
            self.parts += [k.layers.Dense(5)]
            self.named = {"a": k.layers.Dense(6)}
            self.named["b"] = k.layers.Dense(7)
            self.nested = [[k.layers.Dense(8)], {"c": (k.layers.Dense(9),)}]
            self.part = k.layers.Dense(10)

    return [layer.units for layer in Changing()._flatten_layers(include_self=False)]


# -- building ---------------------------------------------------------------------------------------------------------


@rule
def build_takes_a_shape_for_each_argument(k):
    seen = []

    class Two(k.layers.Layer):
        def build(self, left_shape, right_shape=None):
            seen.append((left_shape, right_shape))

        def call(self, left, right=None):
            return left if right is None else left + right

    layer = Two()
    layer(X, right=X)
    Two()(X)
    return [[None if s is None else tuple(s) for s in pair] for pair in seen], layer.get_build_config()


@rule
def shapes_that_build_gets(k):
    seen = []

    class Spy(k.layers.Layer):
        def build(self, input_shape):
            seen.append(input_shape)

        def call(self, inputs):
            return X

    for inputs in (X, [X, X], (X, X[:, :2]), {"a": X, "b": X}):
        Spy()(inputs)
    k.Sequential([k.Input((4,)), Spy()])
    plain = [
        {key: tuple(s) for key, s in shape.items()} if isinstance(shape, dict)
        else tuple(shape) if not isinstance(shape[0], (tuple, list)) else [tuple(s) for s in shape]
        for shape in seen
    ]  # fmt: skip
    return plain


@rule
def build_config_of_ones_own(k):
    class Sized(k.layers.Layer):
        def build(self, input_shape):
            self.size = input_shape[-1] * 2
            self.w = self.add_weight(shape=(self.size,), name="w")

        def get_build_config(self):
            return {"size": self.size}

        def build_from_config(self, config):
            self.build((None, config["size"] // 2))

    layer = Sized(name="sized")
    layer.build((None, 3))
    config = k.saving.serialize_keras_object(layer)
    with k.saving.custom_object_scope({"Sized": Sized}):
        twin = k.saving.deserialize_keras_object(config)
    return config["build_config"], facts(twin.weights), twin.built


@rule
def built_by_call_or_by_hand(k):
    Scale = scale_of(k)
    found = []
    for act in (lambda s: s.build((None, 4)), lambda s: s(X), lambda s: s(k.Input((4,))), lambda s: s.build((2, 4))):
        layer = Scale(name="scale")
        found.append(layer.built)
        act(layer)
        found += [layer.built, layer.get_build_config()]
    return found


@rule
def output_shapes_without_a_rule(k):
    Scale = scale_of(k)
    layer = Scale()
    layer.build((None, 4))
    spec = layer.compute_output_spec(k.KerasTensor((None, 4)))
    return tuple(spec.shape), spec.dtype


# -- call -------------------------------------------------------------------------------------------------------------


@rule
def training_of_every_form(k):
    class Report(k.layers.Layer):
        def call(self, inputs, training=None):
            return inputs * 0 + (-1.0 if training is None else float(training))

    class Outer(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Report()

        def call(self, inputs):
            return self.inner(inputs)

    report, outer = Report(), Outer()
    calls = [
        report(X), report(X, training=True), report(X, training=False), outer(X),
        outer(X, training=True), k.Sequential([outer])(X, training=True), k.Sequential([report])(X),
    ]  # fmt: skip
    return [float(out[0, 0]) for out in calls]


@rule
def masks_of_every_form(k):
    seen = []

    class Needs(k.layers.Layer):
        def call(self, inputs, mask=None):
            seen.append(None if mask is None else [bool(m) for m in mask[0]])
            return inputs

    class Pair(k.layers.Layer):
        def call(self, query, value, query_mask=None, value_mask=None):
            seen.append([None if m is None else [bool(v) for v in m[0]] for m in (query_mask, value_mask)])
            return query

    class Listed(k.layers.Layer):
        def call(self, inputs, mask=None):
            seen.append([None if m is None else bool(m[0, 0]) for m in mask] if mask is not None else None)
            return inputs[0]

    ids = np.array([[3, 1, 0]])
    embedded, plain = k.layers.Embedding(5, 2, mask_zero=True)(ids), np.ones((1, 3, 2), "float32")
    Needs()(embedded)
    Needs()(embedded, mask=torch.tensor([[False, True, True]]))
    Needs()(plain)
    Pair()(embedded, plain)
    Pair()(plain, embedded)
    Listed()([embedded, plain])
    return seen


@rule
def masks_behind_layers(k):
    class Plain(k.layers.Layer):
        def call(self, inputs):
            return inputs + 1

    class Supports(Plain):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True

    class Shifts(Plain):
        def compute_mask(self, inputs, previous_mask):
            return ~previous_mask

    embedded = k.layers.Embedding(5, 2, mask_zero=True)(np.array([[3, 1, 0]]))
    found = []
    for cls in (Plain, Supports, Shifts):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mask = getattr(cls()(embedded), "_keras_mask", None)
        warned = any("mask" in str(w.message) for w in caught)
        found.append((None if mask is None else [bool(m) for m in mask[0]], warned))
    return found


@rule
def arguments_that_are_no_tensors(k):
    class Power(k.layers.Layer):
        def call(self, inputs, exponent, *, negate=False, labels=None):
            out = inputs**exponent
            return -out if negate else out

    layer = Power()
    x = k.Input((4,))
    model = k.Model(x, layer(x, exponent=3, negate=True, labels=["a", "b"]))
    return [float(v) for v in model(X)[1]], [float(v) for v in layer(X, exponent=2)[1]]


@refused
def too_many_arguments_to_call(k):
    return scale_of(k)()(X, X, X)


@refused
def an_unknown_keyword_to_call(k):
    return scale_of(k)()(X, wrong=1)


@refused
def no_call_at_all(k):
    return k.layers.Layer()(X)


@rule
def inputs_are_cast(k):
    seen = []

    class Spy(k.layers.Layer):
        def call(self, inputs):
            seen.append({key: str(value.dtype) for key, value in inputs.items()})
            return inputs["a"]

    inputs = {"a": np.ones((1, 2)), "b": np.ones((1, 2), "int32"), "c": torch.ones(1, 2, dtype=torch.float16)}
    for dtype in ("float32", "mixed_float16", "float64"):
        Spy(dtype=dtype)(inputs)
    Spy(autocast=False)(inputs)
    return seen


@rule
def weights_are_cast_in_call(k):
    class Product(k.layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(4, 2), name="w")
            self.exact = self.add_weight(shape=(2,), name="exact", autocast=False)

        def call(self, inputs):
            self.seen = [str(k.ops.convert_to_tensor(each).dtype) for each in (self.w, self.exact)]
            return k.ops.matmul(inputs, self.w)

    layer = Product(dtype="mixed_bfloat16")
    out = layer(X)
    return layer.seen, str(out.dtype), [str(w.dtype).split(".")[-1] for w in layer.weights]


@rule
def losses_are_those_of_the_last_call(k):
    class Adds(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = k.layers.Dense(2, kernel_initializer="ones", kernel_regularizer="l2")

        def call(self, inputs):
            self.add_loss(k.ops.sum(inputs))
            self.add_loss([k.ops.sum(inputs) * 2, k.ops.sum(inputs) * 3])
            return self.dense(inputs)

    layer = Adds()
    layer(X)
    layer(X)
    return [round(float(loss), 4) for loss in layer.losses]


@rule
def a_layer_called_twice_in_a_graph(k):
    layer = scale_of(k)(3.0, name="scale")
    x = k.Input((4,))
    model = k.Model(x, layer(layer(x)))
    return [float(v) for v in model(X)[1]], facts(model.weights), [each.name for each in model.layers]


@rule
def stateless_call(k):
    class Counts(k.layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(4,), name="w", initializer="ones")
            self.n = self.add_weight(shape=(), name="n", initializer="zeros", trainable=False)

        def call(self, inputs):
            self.n.assign_add(1.0)
            return inputs * self.w

    layer = Counts()
    layer.build((None, 4))
    out, after = layer.stateless_call([np.full(4, 2.0, "float32")], [np.float32(5.0)], torch.tensor(X))
    return [float(v) for v in out[1]], [float(v) for v in after], float(layer.n)


@rule
def torch_modules_inside(k):
    class Mixed(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = torch.nn.Linear(4, 2)
            self.dense = k.layers.Dense(2)

        def call(self, inputs):
            return self.dense(self.inner(inputs))

    layer = Mixed()
    out = layer(X)
    return tuple(out.shape), sum(p.numel() for p in layer.parameters())


# -- names and configs ------------------------------------------------------------------------------------------------


@rule
def automatic_names(k):
    class MyHTTPLayer2D(k.layers.Layer):
        pass

    class GRNBlock(k.layers.Layer):
        pass

    return [cls().name for cls in (MyHTTPLayer2D, MyHTTPLayer2D, GRNBlock, scale_of(k))]


@refused
def a_name_with_a_slash(k):
    return scale_of(k)(name="a/b")


@refused
def an_unknown_argument(k):
    return scale_of(k)(wrong=1)


@rule
def config_by_itself(k):
    config = scale_of(k)(3.0, name="s", dtype="float16").get_config()
    return config["factor"], config["trainable"], config["dtype"]["config"], sorted(config)


@refused
def config_that_cannot_be_written(k):
    class Holds(k.layers.Layer):
        def __init__(self, function, **kwargs):
            super().__init__(**kwargs)
            self.function = function

    return Holds(lambda x: x).get_config()


@refused
def a_config_that_the_constructor_does_not_take(k):
    class Wrong(k.layers.Layer):
        def get_config(self):
            return {**super().get_config(), "missing": 1}

    return Wrong.from_config(Wrong().get_config())


@rule
def registered_under_a_package(k):
    @k.saving.register_keras_serializable(package="lab", name="Twice")
    class Double(k.layers.Layer):
        def __init__(self, inner=None, **kwargs):
            super().__init__(**kwargs)
            self.inner = inner

        def call(self, inputs):
            return self.inner(inputs) * 2

        def get_config(self):
            return {**super().get_config(), "inner": k.saving.serialize_keras_object(self.inner)}

        @classmethod
        def from_config(cls, config):
            config["inner"] = k.saving.deserialize_keras_object(config["inner"])
            return cls(**config)

    model = k.Sequential([k.Input((4,)), Double(k.layers.Dense(2, name="d"), name="double")])
    twin = k.models.model_from_json(model.to_json())
    config = k.layers.serialize(model.layers[0])
    return config["registered_name"], config["class_name"], facts(twin.weights), twin.layers[0].inner.units


@rule
def classes_named_by_custom_objects(k):
    Scale = scale_of(k)
    model = k.Sequential([k.Input((4,)), Scale(3.0, name="s")])
    twin = k.Sequential.from_config(model.get_config(), custom_objects={"Scale": Scale})
    return twin.layers[0].factor, facts(twin.weights)


@refused
def classes_that_nobody_named(k):
    model = k.Sequential([k.Input((4,)), scale_of(k)(3.0, name="s")])
    return k.Sequential.from_config(model.get_config())


@rule
def settings_of_the_base(k):
    layer = scale_of(k)(
        name="n", trainable=False, dtype=k.mixed_precision.DTypePolicy("mixed_float16"), activity_regularizer="l1"
    )
    layer(X)
    return (
        layer.name, layer.trainable, layer.dtype_policy.name, layer.compute_dtype, layer.variable_dtype, layer.dtype,
        layer.supports_masking, layer.count_params(), round(float(layer.losses[0]), 3), len(layer.losses),
    )  # fmt: skip


# -- cells ------------------------------------------------------------------------------------------------------------


def steps(k):
    return np.random.default_rng(2).standard_normal((2, 3, 4)).astype("float32")


@refused
def a_cell_needs_call_and_state_size(k):
    return k.layers.RNN(k.layers.Dense(3))


@refused
def a_cell_needs_call(k):
    class Nothing:
        state_size = 3

    return k.layers.RNN(Nothing())


@rule
def states_of_a_stack(k):
    stack = k.layers.RNN(
        [k.layers.LSTMCell(2), k.layers.GRUCell(3), k.layers.SimpleRNNCell(4)], return_state=True, name="rnn"
    )
    outputs = stack(steps(k))
    shapes = k.tree.map_structure(lambda t: tuple(t.shape), list(outputs)) if hasattr(k, "tree") else None
    return shapes, stack.state_size, [w.path for w in stack.weights]


@rule
def a_cell_with_one_state_that_is_no_list(k):
    class Keeps(k.layers.Layer):
        state_size = 4

        def call(self, inputs, states):
            state = states[0] if isinstance(states, (list, tuple)) else states
            return inputs + state, inputs + state

    out, state = k.layers.RNN(Keeps(), return_state=True)(steps(k))
    return np.allclose(out, steps(k).sum(1), atol=1e-5), tuple(state.shape)


@rule
def an_initial_state_of_ones_own(k):
    class Keeps(k.layers.Layer):
        state_size = 4

        def call(self, inputs, states):
            return states[0], [states[0] + 0 * inputs]

        def get_initial_state(self, batch_size=None):
            return k.ops.ones((batch_size, 4)) * 7

    layer = k.layers.RNN(Keeps())
    return float(layer(steps(k))[0, 0]), float(layer(steps(k), initial_state=[np.zeros((2, 4))])[0, 0])


@rule
def output_size_apart_from_the_state(k):
    class Wide(k.layers.Layer):
        state_size, output_size = [1, 2], 9

        def call(self, inputs, states):
            wide = k.ops.concatenate([inputs, inputs, inputs[:, :1]], axis=-1)
            return wide, [states[0] + 1, states[1] + 1]

    layer = k.layers.RNN(Wide(), return_sequences=True, return_state=True)
    symbolic = [tuple(out.shape) for out in layer(k.Input((3, 4)))]
    return symbolic, [tuple(out.shape) for out in layer(steps(k))]


@rule
def training_reaches_a_cell(k):
    class Report(k.layers.Layer):
        state_size = 1

        def call(self, inputs, states, training=False):
            return inputs[:, :1] * 0 + float(bool(training)), states

    layer = k.layers.RNN(k.layers.StackedRNNCells([Report(), Report()]))
    return float(layer(steps(k), training=True)[0, 0]), float(layer(steps(k))[0, 0])


@rule
def a_stateful_custom_cell(k):
    class Sums(k.layers.Layer):
        state_size = 4

        def call(self, inputs, states):
            return states[0] + inputs, [states[0] + inputs]

    layer = k.layers.RNN(Sums(), stateful=True)
    first = layer(steps(k))
    second = layer(steps(k))
    layer.reset_state()
    third = layer(steps(k))
    return np.allclose(2 * first, second, atol=1e-5), np.allclose(first, third), tuple(layer.states[0].shape)


@rule
def masks_hold_the_states_of_a_cell(k):
    class Sums(k.layers.Layer):
        state_size = 4

        def call(self, inputs, states):
            return states[0] + inputs, [states[0] + inputs]

    mask = torch.tensor([[True, False, True], [False, False, True]])
    out = k.layers.RNN(Sums(), return_sequences=True)(steps(k), mask=mask)
    expected = (steps(k) * mask.numpy()[:, :, None]).cumsum(1)
    return np.allclose(out, expected, atol=1e-5)


@rule
def nested_states(k):
    """A cell whose states are a list within a list, stacked with one that has a single state."""

    class Nested(k.layers.Layer):
        state_size = [4, [2, 3]]
        output_size = 4

        def call(self, inputs, states):
            a, (b, c) = states
            return inputs + a, [a + 1, [b + 2, c + 3]]

        def get_initial_state(self, batch_size=None):
            return [k.ops.zeros((batch_size, 4)), [k.ops.zeros((batch_size, 2)), k.ops.ones((batch_size, 3))]]

    layer = k.layers.RNN(Nested(), return_state=True)
    out, a, (b, c) = layer(steps(k))
    return tuple(out.shape), float(a[0, 0]), float(b[0, 0]), float(c[0, 0]), tuple(c.shape)


@rule
def a_custom_layer_in_time_distributed(k):
    Scale = scale_of(k)

    class Report(Scale):
        def call(self, inputs, training=False):
            return super().call(inputs) + (100.0 if training else 0.0)

        def compute_output_shape(self, input_shape):
            return input_shape

    layer = k.layers.TimeDistributed(Report(3.0, name="scale"), name="td")
    x = k.Input((3, 4))
    model = k.Model(x, layer(x))
    found = [float(model(steps(k), training=training)[0, 0, 0]) for training in (False, True)]
    return [round(value, 4) for value in found], tuple(model.output_shape), facts(model.weights)


@rule
def custom_cells_in_both_directions(k):
    class Sums(k.layers.Layer):
        def __init__(self, start=0.0, **kwargs):
            super().__init__(**kwargs)
            self.state_size, self.start = 4, start

        def call(self, inputs, states):
            return states[0] + inputs, [states[0] + inputs]

        def get_config(self):
            return {**super().get_config(), "start": self.start}

    with k.saving.custom_object_scope({"Sums": Sums}):
        layer = k.layers.Bidirectional(k.layers.RNN(Sums(), return_sequences=True), merge_mode="concat")
    out = np.asarray(layer(steps(k)))
    symbolic = tuple(layer(k.Input((3, 4))).shape)
    forward, backward = steps(k).cumsum(1), steps(k)[:, ::-1].cumsum(1)[:, ::-1]
    return np.allclose(out, np.concatenate([forward, backward], -1), atol=1e-5), symbolic


@rule
def a_custom_layer_in_every_kind_of_model(k):
    Scale = scale_of(k)

    class Net(k.Model):
        def __init__(self):
            super().__init__(name="net")
            self.parts = [Scale(1.0, name="a"), Scale(2.0, name="b")]

        def call(self, inputs):
            for part in self.parts:
                inputs = part(inputs)
            return inputs

    net = Net()
    net(X)
    x = k.Input((4,))
    nested = k.Model(x, k.Sequential([k.Input((4,)), Scale(3.0, name="c")], name="inner")(Net()(x)))
    return facts(net.weights), facts(nested.weights), [float(v) for v in nested(X)[1]]


# -- mixed precision --------------------------------------------------------------------------------------------------


@rule
def tied_weights_in_mixed_precision(k):
    """Another layer's weight is cast too while this one computes; outside it is what it is."""

    class Tied(k.layers.Layer):
        def __init__(self, source, **kwargs):
            super().__init__(**kwargs)
            self.source = source

        def call(self, inputs):
            return torch.matmul(inputs, k.ops.transpose(self.source.kernel))

    dense = k.layers.Dense(3, dtype="mixed_bfloat16")
    tied = Tied(dense, dtype="mixed_bfloat16")
    out = tied(dense(X))
    return str(out.dtype), tuple(out.shape), str(dense.kernel.dtype).split(".")[-1]


def weights_are_assigned_in_mixed_precision(k):
    """Trained or not, of this layer or another."""

    class Normalizes(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = k.layers.Dense(2, kernel_initializer="ones")

        def build(self, input_shape):
            self.inner.build(input_shape)
            self.own = self.add_weight(shape=(2,), name="own", initializer="ones")
            self.count = self.add_weight(shape=(), name="count", initializer="zeros", trainable=False)

        def call(self, inputs):
            self.inner.kernel.assign(self.inner.kernel / 4)
            self.own.assign_sub(k.ops.ones((2,)) * 0.5)
            self.count.assign_add(1.0)
            return self.inner(inputs) * self.own

    layer = Normalizes(dtype="mixed_bfloat16")
    out = layer(X)
    return str(out.dtype), [float(w.numpy().max()) for w in layer.weights], [float(v) for v in out[1]]


# -- classes ----------------------------------------------------------------------------------------------------------


@rule
def abstract_bases_and_mixins(k):
    class Named:
        def describe(self):
            return f"{self.name}:{len(self.weights)}"

    class Base(k.layers.Layer, abc.ABC):
        @abc.abstractmethod
        def scale(self): ...

        def call(self, inputs):
            return inputs * self.scale()

    class Twice(Named, Base):
        def scale(self):
            return 2.0

    layer = Twice(name="twice")
    return layer.describe(), [float(v) for v in layer(X)[1]], isinstance(layer, abc.ABC)


@refused
def an_abstract_layer_cannot_be_made(k):
    class Base(k.layers.Layer, abc.ABC):
        @abc.abstractmethod
        def scale(self): ...

    return Base()


@rule
def a_dataclass_as_layer(k):
    @dataclasses.dataclass(eq=False)
    class Affine(k.layers.Layer):
        units: int = 2
        shift: float = 1.0

        def __post_init__(self):
            super().__init__()
            self.dense = k.layers.Dense(self.units, kernel_initializer="ones")

        def call(self, inputs):
            return self.dense(inputs) + self.shift

    layer = Affine(3)
    return [float(v) for v in layer(X)[1]], len(layer.weights)


@rule
def call_overridden_as_dunder(k):
    """Older attention and recurrent layers take their arguments in `__call__` and hand on what `call` shall see."""

    class Combines(k.layers.Layer):
        def __call__(self, inputs, factor=None, **kwargs):
            if factor is not None:
                inputs = inputs * factor
            return super().__call__(inputs, **kwargs)

        def call(self, inputs):
            return inputs + 1

    layer = Combines()
    x = k.Input((4,))
    return [float(v) for v in layer(torch.tensor(X), factor=2.0)[1]], tuple(layer(x, factor=3.0).shape)


@rule
def star_arguments_of_call(k):
    class Sum(k.layers.Layer):
        def call(self, *inputs):
            return sum(inputs)

    class Loose(k.layers.Layer):
        def call(self, inputs, *args, **kwargs):
            return inputs * (len(args) + len(kwargs) + 1)

    loose = Loose()
    x, y = torch.tensor(X), torch.tensor(X)
    outs = [Sum()(x, y, x), loose(x), loose(x, y), loose(x, other=y)]
    a, b = k.Input((4,)), k.Input((4,))
    model = k.Model([a, b], Sum()(a, b))
    return [float(out[0, 1]) for out in outs], float(model([x, y])[0, 1])


@rule
def structures_that_call_returns(k):
    Pair = collections.namedtuple("Pair", ["first", "second"])

    class Gives(k.layers.Layer):
        def __init__(self, how, **kwargs):
            super().__init__(**kwargs)
            self.how = how

        def call(self, inputs):
            a, b = inputs + 1, inputs[:, :2]
            return {
                "tuple": (a, b),
                "list": [a, b],
                "dict": {"b": b, "a": a},
                "named": Pair(a, b),
                "deep": {"x": [a, (b,)]},
            }[self.how]

    found = []
    for how in ("tuple", "list", "dict", "named", "deep"):
        out = Gives(how)(torch.tensor(X))
        x = k.Input((4,))
        symbolic = Gives(how)(x)
        shapes = [tuple(t.shape) for t in k.tree.flatten(symbolic)]
        found.append((type(out).__name__, [tuple(t.shape) for t in k.tree.flatten(out)], shapes))
    return found


@rule
def lazy_properties_and_class_attributes(k):
    class Lazy(k.layers.Layer):
        units = 3
        activation = staticmethod(torch.relu)

        @functools.cached_property
        def table(self):
            return [1.0, 2.0, 3.0, 4.0]

        @property
        def dense(self):
            return self._dense

        def build(self, input_shape):
            self._dense = k.layers.Dense(self.units, name="d")
            self._dense.build(input_shape)

        def call(self, inputs):
            return self.activation(self.dense(inputs * torch.tensor(self.table)))

    layer = Lazy(name="lazy")
    return tuple(layer(X).shape), facts(layer.weights)


@rule
def numbers_arrays_and_constants_as_attributes(k):
    class Table(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.array = np.arange(4, dtype="float32")
            self.tensor = k.ops.ones((4,))
            self.names = ["a", "b"]
            self.options = {"x": 1, "y": [1, 2]}
            self.pair = (1, 2)

        def call(self, inputs):
            return inputs * self.tensor + k.ops.convert_to_tensor(self.array)

    layer = Table()
    return (
        [float(v) for v in layer(X)[0]], list(layer.names), dict(layer.options), list(layer.options["y"]), layer.pair,
        len(layer.weights), list(layer.pair),
    )  # fmt: skip


@rule
def a_layer_that_gives_back_its_input(k):
    class Same(k.layers.Layer):
        def call(self, inputs):
            return inputs

    x = k.Input((4,), name="x")
    y = Same()(x)
    model = k.Model(x, y)
    return y is x, [float(v) for v in model(X)[1]], [layer.name for layer in model.layers]


@rule
def a_layer_that_calls_itself_through_another(k):
    class Tree(k.layers.Layer):
        def __init__(self, depth, **kwargs):
            super().__init__(**kwargs)
            self.left = Tree(depth - 1, name="left") if depth else None
            self.leaf = k.layers.Dense(2, name="leaf") if not depth else None

        def call(self, inputs):
            return self.leaf(inputs) if self.leaf is not None else self.left(inputs) * 2

    layer = Tree(2, name="tree")
    layer(X)
    return facts(layer.weights)
