"""Rules of calls: arguments, masks, losses, sublayers.

May import numpy and torch; no library but the one that a rule is given.
"""

import warnings

import numpy as np
import torch

from compat.custom_layers.rules.rule import X, facts, refused, rule, scale_of


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


@rule
def inputs_stay_as_they_are_where_a_layer_says_so(k):
    class AsItIs(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self._convert_input_args = False
            self._allow_non_tensor_positional_args = True

        def call(self, inputs, other=None):
            return [type(inputs).__name__, type(other).__name__, str(getattr(inputs, "dtype", ""))]

    layer = AsItIs()
    given = [(np.ones(2),), ("text", "more"), (["a", "b"],), ([1, 2],), (torch.ones(2, dtype=torch.float64),)]
    return [layer(*args) for args in given * 2]
