"""`keras.Operation` as a base of user classes, and KerasTensors made by hand, beside the installed Keras."""

import keras
import numpy as np
import pytest
import torch

import torchkeras
from torchkeras.core import scopes

LIBRARIES = {"keras": keras, "torchkeras": torchkeras}


def classes(k):
    """User operations: with and without a constructor or a config of their own, of several inputs and outputs."""

    class Shift(k.Operation):
        def __init__(self, by=1.0, *, name=None):
            super().__init__(name=name)
            self.by = by

        def call(self, x):
            return x + self.by

    class Heir(Shift):
        pass

    class Two(k.Operation):
        def call(self, a, b, scale=2):
            return [a + b * scale, a]

    class Unnamed(k.Operation):
        def __init__(self, sizes, flag=True):
            super().__init__()
            self.sizes = sizes

        def call(self, x):
            return x * sum(self.sizes)

    class Own(Shift):
        def get_config(self):
            return {**super().get_config(), "by": 7.0}

    class Ruled(k.Operation):
        def call(self, x):
            return x.sum()

        def compute_output_spec(self, x):
            return k.KerasTensor((5,), dtype="int32")

    class Loose(k.Operation):
        def __init__(self, *args, **kwargs):
            super().__init__(name=kwargs.get("name"))

        def call(self, x):
            return x

    return {each.__name__: each for each in (Shift, Heir, Two, Unnamed, Own, Ruled, Loose)}


def wired(k):
    """A functional model of such operations, and what they say of themselves."""
    made = classes(k)
    i, j = k.Input((3,), name="i"), k.Input((3,), name="j")
    shift, two = made["Shift"](2.0), made["Two"](name="both")
    unwired = hasattr(shift, "input") or hasattr(two, "output")
    y = shift(i)
    both = two(y, b=j)
    return k.Model([i, j], [made["Unnamed"]([1, 2])(y), *both], name="m"), made, shift, two, (unwired, y, both)


def facts(k):
    k.utils.clear_session(free_memory=False)
    model, made, shift, two, (unwired, y, both) = wired(k)
    data = [np.ones((2, 3), "float32"), np.full((2, 3), 3.0, "float32")]
    copies = [
        type(model).from_config(model.get_config(), custom_objects=made),
        k.models.model_from_json(model.to_json(), custom_objects=made),
        k.models.clone_model(model),
    ]
    return [
        unwired,
        shift.output is y and two.output[0] is both[0] and two.input[0] is y and len(two.input) == 2,
        shift.input is model.inputs[0],
        [operation.name for operation in model.operations],
        [layer.name for layer in model.layers],
        [[out.tolist() for out in each.predict(data, verbose=0)] for each in (model, *copies)],
        [[operation.name for operation in each.operations[2:]] for each in copies],
        repr(shift),
    ]


def test_operations_in_a_model():
    assert facts(torchkeras) == facts(keras)


CONFIGS = {
    "plain": lambda c: c["Shift"](3.0),
    "named": lambda c: c["Shift"](3, name="up"),
    "inherited constructor": lambda c: c["Heir"](by=2),
    "no constructor": lambda c: c["Two"](),
    "no constructor, named": lambda c: c["Two"]("couple"),
    "takes no name": lambda c: c["Unnamed"]([1, {"a": (2, None)}]),
    "takes no name, flag": lambda c: c["Unnamed"]((), flag=False),
    "of its own": lambda c: c["Own"](1.0),
    "array": lambda c: c["Unnamed"](np.ones(2)),
    "dtype": lambda c: c["Unnamed"](torch.float32),
    "function": lambda c: c["Unnamed"](len),
    "by place": lambda c: c["Loose"](1, 2),
    "bad name": lambda c: c["Shift"](name="a/b"),
    "no text": lambda c: c["Shift"](name=3),
    "unknown argument": lambda c: c["Shift"](too=3),
    "unknown key": lambda c: c["Shift"].from_config({"too": 3}),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_configs(name):
    def outcome(k):
        k.utils.clear_session(free_memory=False)
        made = classes(k)
        try:
            operation = CONFIGS[name](made)
            config = operation.get_config()
        except (ValueError, TypeError, NotImplementedError) as error:
            return type(error)
        return operation.name, config, type(operation).from_config(dict(config)).get_config()

    assert outcome(torchkeras) == outcome(keras)


def test_own_output_spec():
    for k in LIBRARIES.values():
        out = classes(k)["Ruled"]()(k.KerasTensor((None, 3)))
        assert (tuple(out.shape), out.dtype) == ((5,), "int32")


@pytest.mark.parametrize("kind", ["operation", "layer", "function"])
def test_remat(kind):
    def outcome(k):
        scopes.clear_session(free_memory=False)
        ones = {"kernel_initializer": "ones", "activation": "tanh"}
        inner = {
            "operation": lambda: classes(k)["Shift"](3.0),
            "layer": lambda: k.layers.Dense(3, **ones),
            "function": lambda: lambda x: k.ops.relu(x) * 2.0,
        }[kind]()
        around = k.remat(inner)
        i = k.Input((3,))
        model = k.Model(i, around(i))
        x = torch.full((2, 3), 0.25, requires_grad=True)
        around(x).sum().backward()
        return model.predict(np.ones((1, 3)), verbose=0).tolist(), x.grad.tolist(), model.output_shape

    assert outcome(torchkeras) == outcome(keras)


SCOPED = ("full", "larger_than", "activations", None)


@pytest.mark.parametrize("mode", SCOPED)
def test_remat_scope_around_operations(mode):
    runs = []

    class Counted(torchkeras.Operation):
        def call(self, x):
            runs.append(1)
            return x * x

    with torchkeras.RematScope(mode, output_size_threshold=3):
        operation = Counted()
    x = torch.ones(4, requires_grad=True)
    operation(x).sum().backward()
    assert x.grad.tolist() == [2.0] * 4
    if mode == "full":
        assert len(runs) == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda k: k.KerasTensor((2, 3), sparse=True),
        lambda k: k.KerasTensor((2, 3), ragged=True),
        lambda k: k.KerasTensor((2, 3), sparse=True, ragged=True),
        lambda k: k.Input((3,), sparse=True),
        lambda k: k.Input((3,), ragged=True),
        lambda k: k.layers.InputLayer((3,), sparse=True),
        lambda k: k.ops.relu(k.KerasTensor((2, 3), sparse=True)),
        lambda k: k.ops.convert_to_tensor(torch.ones(2), sparse=True),
        lambda k: k.ops.convert_to_tensor(torch.ones(2), ragged=True),
        lambda k: k.ops.one_hot(torch.zeros(2, dtype=torch.int64), 3, sparse=True),
    ],
)
def test_sparse_and_ragged(make):
    def outcome(k):
        try:
            made = make(k)
        except ValueError:
            return ValueError
        return tuple(made.shape), made.dtype, made.sparse, made.ragged

    assert outcome(torchkeras) == outcome(keras)
