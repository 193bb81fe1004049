"""Rules of weights: where they are made, and what counts as one.

May import numpy and torch; no library but the one that a rule is given.
"""

import numpy as np

from compat.custom_layers.rules.rule import X, facts, refused, rule, scale_of


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
