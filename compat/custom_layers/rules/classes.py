"""Rules of classes: inheritance, attributes, hooks.

May import numpy and torch; no library but the one that a rule is given.
"""

import abc
import collections
import dataclasses
import functools

import numpy as np
import torch

from compat.custom_layers.rules.rule import X, facts, refused, rule


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
