"""What programs call on an optimizer, beside the installed Keras: the ways to give gradients, rates and state."""

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.optimizer_cases import OWN, equal, gradients, make_variables, pair
from torchkeras import optimizers as ours
from torchkeras.core import scopes
from torchkeras.core.variable import Variable

theirs = keras.optimizers
pytestmark = pytest.mark.filterwarnings("ignore:Gradients do not exist")


def tensors(step, missing=()):
    return [None if i in missing else torch.tensor(g) for i, g in enumerate(gradients(step))]


def values(variables):
    return [torch.tensor(np.array(keras.ops.convert_to_numpy(v))) for v in variables]


def own_values(variables):
    return [v.detach().clone() for v in variables]


def same(one, two):
    """Whether a result is the same kind of thing: nothing, or a counter of equal value."""
    assert (one is None) == (two is None)
    if one is not None:
        assert int(one) == int(two)


@pytest.mark.parametrize("name", OWN)
def test_gradients_come_in_many_ways(name):
    own, own_variables, reference, variables = pair(name, {"weight_decay": 0.01, "use_ema": True})
    sides = ((own, own_variables), (reference, variables))
    ways = [
        lambda o, v: o.apply(tensors(0), v),
        lambda o, v: o.apply(tensors(1)),
        lambda o, v: o.apply_gradients(zip(tensors(2), v)),
        lambda o, v: o.apply_gradients(list(zip(tensors(3), v))),
        lambda o, v: o.apply_gradients(zip(tensors(4, missing=(0, 2)), v)),
        lambda o, v: o.apply(tuple(tensors(5)), tuple(v)),
        lambda o, v: o.apply([]),
        lambda o, v: o.apply([], []),
        lambda o, v: o.apply(tensors(6)[1:3], v[1:3]),
        lambda o, v: o.apply(tensors(7)[::-1], v[::-1]),
        lambda o, v: o.build(v),
    ]
    for way in ways:
        same(*(way(optimizer, held) for optimizer, held in sides))
        equal(own_variables, variables)
        assert int(own.iterations) == int(reference.iterations)
    equal(own.variables, reference.variables)


@pytest.mark.parametrize(
    "options", [{}, {"use_ema": True, "clipnorm": 0.5}, {"gradient_accumulation_steps": 2}], ids=str
)
@pytest.mark.parametrize("name", OWN)
def test_stateless_steps_equal_keras(name, options):
    own, own_variables, reference, variables = pair(name, options, repaired=False)
    held, state = own_values(own_variables), own_values(own.variables)
    their_held, their_state = values(variables), values(reference.variables)
    before = [each.clone() for each in [*own_variables, *own.variables]]
    for step in range(3):
        held, state = own.stateless_apply(state, tensors(step), held)
        their_held, their_state = reference.stateless_apply(their_state, tensors(step), their_held)
        for left, right in zip([*held, *state], [*their_held, *their_state], strict=True):
            atol = 2e-6 * float(right.abs().max()) if right.numel() else 0.0
            torch.testing.assert_close(left.double(), right.detach().double(), rtol=2e-6, atol=max(atol, 1e-7))
    for now, then in zip([*own_variables, *own.variables], before, strict=True):
        assert torch.equal(now, then)


def _half(*_):
    return 0.5


def _stepped(k):
    return k.optimizers.schedules.PiecewiseConstantDecay([3], [0.5, 0.25])


RATES = {
    "float": lambda k, o: setattr(o, "learning_rate", 0.25),
    "int": lambda k, o: (setattr(o, "learning_rate", 3), setattr(o, "learning_rate", o.learning_rate * 0.125)),
    "numpy": lambda k, o: setattr(o, "learning_rate", np.float64(0.25)),
    "array": lambda k, o: setattr(o, "learning_rate", np.array(0.25, "float32")),
    "tensor": lambda k, o: setattr(o, "learning_rate", torch.tensor(0.25)),
    "itself": lambda k, o: setattr(o, "learning_rate", o.learning_rate * 0.5),
    "assign": lambda k, o: o.learning_rate.assign(0.25),
    "schedule": lambda k, o: setattr(o, "learning_rate", _stepped(k)),
    "callable": lambda k, o: setattr(o, "learning_rate", _half),
}


@pytest.mark.parametrize("form", RATES)
@pytest.mark.parametrize("name", OWN)
def test_a_rate_assigned_in_the_middle(name, form):
    own, own_variables, reference, variables = pair(name, {"learning_rate": 0.1})
    for step in range(5):
        if step == 2:
            RATES[form](torchkeras, own)
            RATES[form](keras, reference)
        own.apply(tensors(step), own_variables)
        reference.apply(tensors(step), variables)
        equal(own_variables, variables)
        np.testing.assert_allclose(float(own.learning_rate), float(reference.learning_rate), rtol=1e-6)
    assert [v.path for v in own.variables] == [v.path for v in reference.variables]
    if form != "callable":
        assert own.get_config() == reference.get_config()


CROSSING = [{}, {"use_ema": True}, {"gradient_accumulation_steps": 3}, {"own": -1}]


@pytest.mark.parametrize("options", CROSSING, ids=str)
@pytest.mark.parametrize("name", OWN)
def test_state_crosses_in_both_directions(name, options):
    options = OWN[name][options["own"]] if "own" in options else options
    own, own_variables, reference, variables = pair(name, options)
    for step in range(4):
        reference.apply(tensors(step), variables)
    store = {}
    reference.save_own_variables(store)
    own.load_own_variables(store)
    for left, right in zip(own_variables, variables, strict=True):
        left.assign(keras.ops.convert_to_numpy(right))
    for step in range(4, 7):
        own.apply(tensors(step), own_variables)
        reference.apply(tensors(step), variables)
    equal([*own_variables, *own.variables], [*variables, *reference.variables])
    store = {}
    own.save_own_variables(store)
    reference.load_own_variables(store)
    assert int(reference._iterations) == 7
    own.apply(tensors(7), own_variables)
    reference.apply(tensors(7), variables)
    equal(own_variables, variables)


@pytest.mark.parametrize("name", OWN)
def test_loss_scale_around_every_optimizer(name):
    sides = []
    for module, cls, scope in ((ours, Variable, scopes.name_scope), (theirs, keras.Variable, keras.name_scope)):
        (keras.utils if module is theirs else scopes).clear_session(free_memory=False)
        inner = pair(name, {"learning_rate": 0.05, "clipnorm": 1.0})[0 if module is ours else 2].__class__
        optimizer = module.LossScaleOptimizer(inner(0.05, clipnorm=1.0), initial_scale=8.0, dynamic_growth_steps=3)
        variables = make_variables(cls, scope, ordered=module is ours)
        optimizer.build(variables)
        sides.append((optimizer, variables))
    for step in range(9):
        grads = tensors(step)
        if step in (2, 6):
            grads[step % 4][...] = float("nan") if step == 2 else float("inf")
        for optimizer, variables in sides:
            optimizer.apply([g.clone() for g in grads], variables)
        equal(sides[0][1], sides[1][1])
        scales = [float(optimizer.scale_loss(torch.tensor(1.0))) for optimizer, _ in sides]
        assert scales[0] == scales[1]
    # Under the wrapper Keras does not track what Nadam and Adafactor keep outside of their name scope.
    equal([v for v in sides[0][0].variables if "/" in v.path], sides[1][0].variables)
    assert int(sides[0][0].iterations) == int(sides[1][0].iterations) == 7


@pytest.mark.parametrize("name", OWN)
def test_public_members_are_here(name):
    own, _, reference, _ = pair(name, {})
    internals = {"lr_adjust", "transpose_last_axis", "zeropower_via_newtonschulz5"}  # of Muon
    assert {n for n in dir(reference) if n[0] != "_"} - set(dir(own)) - internals == set()
    wrapped = [module.LossScaleOptimizer(each) for module, each in ((theirs, reference), (ours, own))]
    assert {n for n in dir(wrapped[0]) if n[0] != "_"} - set(dir(wrapped[1])) == set()
