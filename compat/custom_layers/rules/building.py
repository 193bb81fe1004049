"""Rules of building: when, with which shapes.

May import numpy and torch; no library but the one that a rule is given.
"""

from compat.custom_layers.rules.rule import X, facts, rule, scale_of


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
