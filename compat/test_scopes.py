"""`StatelessScope`, `SymbolicScope`, `Function`, `RematScope` and `remat` beside the installed Keras."""

import copy

import keras
import numpy as np
import pytest
import torch

import torchkeras

BOTH = pytest.mark.parametrize("library", [keras, torchkeras], ids=["keras", "torchkeras"])


# -- stateless --------------------------------------------------------------------------------------------------------


@BOTH
def test_values_of_the_scope_stand_for_variables(library):
    v, untouched = library.Variable(np.array([1.0, 2.0], "float32")), library.Variable(np.array([5.0], "float32"))
    given = torch.tensor([3.0, 4.0], requires_grad=True)
    with library.StatelessScope([(v, given)]) as scope:
        total = library.ops.sum(library.ops.multiply(v, 2.0)) + untouched[0]
        v.assign_add(np.array([1.0, 1.0], "float32"))
        np.testing.assert_array_equal(library.ops.convert_to_numpy(v), [4.0, 5.0])
        v.assign(np.array([7.0, 8.0], "float32"))
    assert float(total) == 19.0
    total.backward()
    assert given.grad.tolist() == [2.0, 2.0]
    assert scope.get_current_value(v).tolist() == [7.0, 8.0]
    assert scope.get_current_value(untouched) is None
    assert library.ops.convert_to_numpy(v).tolist() == [1.0, 2.0]


@BOTH
def test_wrong_mappings(library):
    v = library.Variable(np.zeros((2,), "float32"))
    with pytest.raises(ValueError):
        library.StatelessScope([("v", np.zeros(2))])
    with pytest.raises(ValueError):
        library.StatelessScope([(v, np.zeros(3, "float32"))])


def test_a_training_call_leaves_statistics_and_seeds_alone():
    keras_ = torchkeras
    layers = [keras_.layers.BatchNormalization(momentum=0.5), keras_.layers.Dropout(0.5, seed=3)]
    model = keras_.Sequential([keras_.Input((4,)), keras_.layers.Dense(3, activity_regularizer="l2"), *layers])
    before = [variable.numpy() for variable in model.variables]
    x = torch.randn(8, 4)
    with torchkeras.StatelessScope(collect_losses=True) as scope:
        first = model(x, training=True)
    assert len(scope.losses) == 1
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    mean = scope.get_current_value(layers[0].moving_mean)
    assert mean.abs().sum() > 0
    torch.testing.assert_close(model(x, training=True), first)  # the same random numbers: the seed did not move
    torch.testing.assert_close(layers[0].moving_mean.data, mean)


def test_scopes_nest():
    v = torchkeras.Variable([1.0])
    with torchkeras.StatelessScope([(v, [2.0])]) as outer, torchkeras.SymbolicScope():
        with torchkeras.StatelessScope([(v, [3.0])]):
            assert (v * 1).item() == 3.0
        assert (v * 1).item() == 2.0
        assert v.value.item() == 2.0
    assert outer.get_current_value(v).item() == 2.0
    assert (v * 1).item() == 1.0


# -- functions --------------------------------------------------------------------------------------------------------


@BOTH
def test_functions_of_symbolic_tensors(library):
    a, b = library.KerasTensor((None, 3)), library.KerasTensor((None, 3))
    function = library.Function([a, b], {"sum": a + b, "both": [library.ops.sigmoid(a * b)]}, name="f")
    x, y = torch.randn(2, 3), torch.randn(2, 3)
    outputs = function([x, y])
    torch.testing.assert_close(outputs["sum"], x + y)
    torch.testing.assert_close(outputs["both"][0], torch.sigmoid(x * y))
    assert function.name == "f"
    assert (len(function.inputs), len(function.outputs)) == (2, 2)
    assert function.compute_output_shape([(5, 3), (5, 3)]) == {"sum": (5, 3), "both": [(5, 3)]}
    symbolic = function([library.Input((3,)), library.Input((3,))])
    assert tuple(symbolic["sum"].shape) == (None, 3)
    for wrong in ((x, y), [x], [x, torch.randn(2, 4)], [x, torch.randn(3)]):
        with pytest.raises(ValueError):
            function(wrong)
    with pytest.raises(ValueError):
        library.Function(a, a + b)
    with pytest.raises(ValueError):
        library.Function([], [])


def test_a_function_of_layers_is_run_by_the_layers():
    inputs = torchkeras.Input((4,))
    layer = torchkeras.layers.Dense(2)
    middle = layer(inputs)
    function = torchkeras.Function(middle, middle * 2)
    assert function(torch.ones(1, 2)).tolist() == [[2.0, 2.0]]
    whole = torchkeras.Function(inputs, middle * 2)
    x = torch.randn(3, 4)
    torch.testing.assert_close(whole(x), layer(x) * 2)
    assert layer in whole.operations


# -- rematerialization ------------------------------------------------------------------------------------------------


@BOTH
def test_remat_runs_again_in_the_backward_pass(library):
    runs = []

    def cube(x, power=3):
        runs.append(1)
        return x**power

    x = torch.tensor([2.0], requires_grad=True)
    y = library.remat(cube)(x)
    assert len(runs) == 1
    y.backward()
    assert len(runs) == 2
    assert x.grad.item() == 12.0


class Counted(torchkeras.layers.Layer):
    """Adds random numbers, counts its runs, and keeps a statistic and a loss."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.runs = []
        self.seeds = torchkeras.random.SeedGenerator(1)
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.runs.append(1)
        self.count.assign_add(1.0)
        self.add_loss((x * x).mean())
        return x * torchkeras.random.uniform(x.shape, seed=self.seeds)


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ({}, 2),
        ({"mode": "list_of_layers", "layer_names": ["counted"]}, 2),
        ({"mode": "list_of_layers", "layer_names": ["other"]}, 1),
        ({"mode": "larger_than", "output_size_threshold": 5}, 2),
        ({"mode": "larger_than", "output_size_threshold": 6}, 1),
        ({"mode": None}, 1),
    ],
)
def test_layers_made_in_a_scope(arguments, runs):
    with torchkeras.RematScope(**arguments):
        layer = Counted(name="counted")
    x = torch.ones(2, 3, requires_grad=True)
    y = layer(x)
    layer.runs.clear()
    y = layer(x)
    (y.sum() + sum(layer.losses)).backward()
    assert len(layer.runs) == runs
    torch.testing.assert_close(x.grad, y.detach() + 2 / 6)  # the second run draws what the first one drew
    assert layer.count.item() == 2.0  # and counts nothing
    assert layer.seeds.state.tolist() == [1, 2]
    assert len(layer.losses) == 1
    with torch.no_grad():
        copy.deepcopy(layer)(x)


def test_activations_alone():
    runs = []

    def activation(x):
        runs.append(1)
        return torch.tanh(x)

    with torchkeras.RematScope("activations"):
        layer = torchkeras.layers.Dense(3, activation=activation)
    y = layer(torch.ones(2, 4))
    runs.clear()
    layer(torch.ones(2, 4)).sum().backward()
    assert len(runs) == 2
    assert layer.activation is activation
    torch.testing.assert_close(y, layer(torch.ones(2, 4)))


@pytest.mark.parametrize("mode", ["full", "activations", "larger_than"])
def test_training_gives_the_same_numbers(mode):
    def curve(scope):
        torchkeras.utils.set_random_seed(3)
        layers = torchkeras.layers
        with scope:
            model = torchkeras.Sequential(
                [
                    torchkeras.Input((4,)),
                    layers.Dense(300, activation="relu", activity_regularizer="l2"),
                    layers.BatchNormalization(),
                    layers.Dropout(0.5),
                    layers.Dense(1),
                ]
            )
        model.compile("adam", "mse", metrics=["mae"])
        x = np.linspace(-1, 1, 64, dtype="float32").reshape(16, 4)
        history = model.fit(x, x[:, :1], epochs=3, batch_size=4, verbose=0).history
        return history["loss"] + history["mae"], model.get_weights()

    want, have = curve(torchkeras.RematScope(None)), curve(torchkeras.RematScope(mode))
    np.testing.assert_allclose(have[0], want[0], rtol=1e-6)
    for ours, theirs in zip(have[1], want[1], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@BOTH
def test_unknown_modes(library):
    with pytest.raises(ValueError):
        library.RematScope("some")


# -- names and operations ---------------------------------------------------------------------------------------------


@BOTH
def test_name_scopes(library):
    def path():
        return library.Variable(np.zeros(1, "float32"), name="v").path

    caller = object()
    with library.name_scope("a"), library.name_scope("b", caller=caller):
        assert path() == "a/b/v"
        with library.name_scope("b", caller=caller):
            assert path() == "a/b/v"
        with library.name_scope("b", caller=caller, deduplicate=False):
            assert path() == "a/b/b/v"
        with library.name_scope("c", override_parent="x/y"):
            assert path() == "x/y/c/v"
        assert path() == "a/b/v"
    with pytest.raises(ValueError):
        library.name_scope("a/b")


@BOTH
def test_operations_of_users(library):
    class Shift(library.Operation):
        def __init__(self, by=1.0, name=None):
            super().__init__(name=name)
            self.by = by

        def call(self, x):
            return x + self.by

        def compute_output_spec(self, x):
            return library.KerasTensor(x.shape, x.dtype)

    assert Shift(2.0)(torch.ones(2)).tolist() == [3.0, 3.0]
    assert Shift(name="mine").name == "mine"
    inputs = library.Input((3,))
    outputs = Shift(2.0)(inputs)
    assert tuple(outputs.shape) == (None, 3)
    model = library.Model(inputs, outputs)
    np.testing.assert_array_equal(library.ops.convert_to_numpy(model(np.zeros((1, 3), "float32"))), [[2.0, 2.0, 2.0]])


def test_operations_of_users_can_be_probed():
    class Twice(torchkeras.Operation):
        def call(self, x):
            return torch.cat([x, x], -1)

    assert Twice()(torchkeras.Input((3,))).shape == (None, 6)


def test_stateless_call_of_a_model_with_every_kind_of_state():
    """Order of the variables, what comes back, the losses at the given values, and what stays."""

    def run(library):
        library.utils.set_random_seed(0)

        class Model(library.Model):
            def __init__(self):
                super().__init__()
                self.steps = [library.layers.Dense(3, kernel_regularizer="l2"), library.layers.BatchNormalization()]
                self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")
                self.seed, self.seen = library.random.SeedGenerator(3), library.metrics.Mean(name="seen")

            def call(self, x, training=False):
                self.calls.assign_add(1.0)
                for step in self.steps:
                    x = step(x, training=training) if step is self.steps[1] else step(x)
                self.seen.update_state(x)
                self.add_loss(library.ops.sum(x) * 0.5)
                return x + self.calls + library.random.normal((1,), seed=self.seed)

        model, x = Model(), torch.arange(12.0).reshape(4, 3)
        model(x)
        trainable = [torch.full(tuple(v.shape), 0.5) for v in model.trainable_variables]
        rest = [torch.full(tuple(v.shape), 2).to(getattr(v, "value", v).dtype) for v in model.non_trainable_variables]
        names = [v.path.split("/")[-1] for v in [*model.trainable_variables, *model.non_trainable_variables]]
        outputs, after, losses = model.stateless_call(trainable, rest, x, training=True, return_losses=True)
        kept = [*model.variables, *model.metrics_variables]
        numbers = [outputs, *after, *losses, *(getattr(v, "value", v) for v in kept)]
        return names, [np.asarray(number.detach()) for number in numbers]

    (names, theirs), (own_names, ours) = run(keras), run(torchkeras)
    assert own_names == names and len(ours) == len(theirs)
    for expected, found in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
