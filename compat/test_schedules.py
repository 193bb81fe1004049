"""Learning-rate schedules against the installed Keras over a thousand steps: values, configs, training under them."""

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat import names
from compat.optimizer_cases import OWN, SCHEDULE_IDS, SCHEDULES, equal, gradients, pair
from torchkeras import optimizers as ours
from torchkeras.core.variable import Variable

theirs = keras.optimizers
STEPS = 1000

# Class -> arguments: the plainest first, then each off its default, rates that rise, zeros, whole numbers, bounds.
CASES = {
    "ExponentialDecay": [
        ((0.1, 100, 0.5), {}),
        ((0.1, 100, 0.5), {"staircase": True}),
        ((0.1, 7, 0.99, True), {"name": "own"}),
        ((0.001, 333, 1.5), {}),
        ((0.1, 1, 1.0), {}),
        ((0.1, 250.5, 0.1), {"staircase": True}),
        ((2.0, 100, 0.0), {"staircase": True}),
        ((0.0, 100, 0.5), {}),
    ],
    "InverseTimeDecay": [
        ((0.1, 100, 0.5), {}),
        ((0.1, 100, 0.5), {"staircase": True, "name": "slow"}),
        ((0.1, 1, 0.01), {}),
        ((1.0, 64, 3.0, True), {}),
        ((0.1, 100, 0.0), {}),
        ((0.1, 2000, -0.5), {}),
    ],
    "PolynomialDecay": [
        ((0.1, 400), {}),
        ((0.1, 400, 0.01, 2.0), {}),
        ((0.1, 130, 0.01, 0.5, True), {}),
        ((0.1, 1000, 0.0, 3.0), {}),
        ((0.01, 400, 0.1), {}),
        ((0.01, 64, 0.1, 1.5, True), {"name": "rising"}),
        ((0.1, 2000), {"cycle": True}),
        ((0.1, 512.0, 0.001, 0.0), {}),
    ],
    "PiecewiseConstantDecay": [
        (([300, 700], [0.1, 0.02, 0.001]), {}),
        (([4], [1.0, 0.5]), {"name": "two"}),
        (([0, 1, 2, 999], [0.1, 0.2, 0.3, 0.4, 0.5]), {}),
        (([100.5, 500.25], [0.5, 0.25, 0.125]), {}),
        (([100, 200], [1, 2, 3]), {}),
        (([2000], [0.3, 0.1]), {}),
    ],
    "CosineDecay": [
        ((0.1, 500), {}),
        ((0.1, 500, 0.2), {}),
        ((0.1, 1000), {"alpha": 1.0}),
        ((0.01, 400, 0.1), {"warmup_target": 0.1, "warmup_steps": 200}),
        ((0.0, 900), {"warmup_target": 0.5, "warmup_steps": 100, "name": "warm"}),
        ((0.5, 300), {"warmup_target": 0.1, "warmup_steps": 100}),
        ((0.1, 400), {"warmup_target": None, "warmup_steps": 200}),
        ((0.1, 300, 2.0), {"warmup_target": 0.2, "warmup_steps": 1}),
        ((0.1, 64.0, 0.5), {"warmup_target": 0.2, "warmup_steps": 1500}),
    ],
    "CosineDecayRestarts": [
        ((0.1, 100), {}),
        ((0.1, 128, 1.0, 0.5, 0.1), {}),
        ((0.1, 64, 2.0, 0.9), {"alpha": 0.01, "name": "waves"}),
        ((0.1, 50, 1.5), {}),
        ((0.1, 2000, 3.0), {}),
        ((0.5, 256, 2.0, 1.5), {}),
        ((0.1, 300.0, 1.0), {"alpha": 1.0}),
    ],
}
TABLE = [(name, *case) for name, cases in CASES.items() for case in cases]
IDS = [f"{name}{args}{kwargs}" for name, args, kwargs in TABLE]


def both(name, args, kwargs):
    return getattr(ours.schedules, name)(*args, **kwargs), getattr(theirs.schedules, name)(*args, **kwargs)


def values_of(reference):
    """Keras's values at all steps: in one call, or one by one where a schedule asks its step for a truth value."""
    try:
        return keras.ops.convert_to_numpy(reference(torch.arange(STEPS)))
    except RuntimeError:
        return np.array([float(reference(step)) for step in range(STEPS)], "float32")


def test_every_schedule_is_here():
    public = {
        name.rpartition(".")[2]
        for name, entry in names.manifest().items()
        if name.startswith("keras.optimizers.schedules.") and entry["kind"] == "class"
    }
    assert public - {"LearningRateSchedule"} == set(CASES)


@pytest.mark.parametrize(("name", "args", "kwargs"), TABLE, ids=IDS)
def test_a_thousand_steps_equal_keras(name, args, kwargs):
    own, reference = both(name, args, kwargs)
    expected = values_of(reference)
    # Keras computes in float32, where a cosine near its end is a difference of equal numbers.
    close = {"rtol": 1e-5, "atol": 2e-7 * max(1e-3, np.abs(expected).max())}
    np.testing.assert_allclose(own(torch.arange(STEPS)).numpy(), expected, **close)
    np.testing.assert_allclose([float(own(step)) for step in range(STEPS)], expected, **close)
    for step in (0, 17, 999):
        for form in (step, float(step), np.int64(step), np.float32(step), torch.tensor(step), Variable(step)):
            value = own(form)
            assert value.shape == () and value.dtype == torch.float32
            np.testing.assert_allclose(float(value), expected[step], **close)


@pytest.mark.parametrize(("name", "args", "kwargs"), TABLE, ids=IDS)
def test_configs_equal_keras(name, args, kwargs):
    own, reference = both(name, args, kwargs)
    assert own.get_config() == reference.get_config()
    assert list(own.get_config()) == list(reference.get_config())
    assert ours.schedules.serialize(own) == theirs.schedules.serialize(reference)
    assert ours.schedules.deserialize(theirs.schedules.serialize(reference)).get_config() == own.get_config()
    assert theirs.schedules.deserialize(ours.schedules.serialize(own)).get_config() == own.get_config()
    assert type(own).from_config(own.get_config()).get_config() == own.get_config()


@pytest.mark.parametrize(("name", "args", "kwargs"), TABLE, ids=IDS)
def test_an_optimizer_steps_by_the_rate_of_its_step(name, args, kwargs):
    own, reference = (
        module.SGD(schedule) for module, schedule in zip((ours, theirs), both(name, args, kwargs), strict=True)
    )
    variables = Variable([0.0], name="w"), keras.Variable([0.0], name="w")
    for step in (0, 1, 100, 101, 499, 998):
        for optimizer, variable in zip((own, reference), variables, strict=True):
            optimizer.iterations.assign(step)
            optimizer.apply([torch.ones(1)], [variable])
        np.testing.assert_allclose(variables[0].numpy(), variables[1].numpy(), rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(float(own.learning_rate), float(reference.learning_rate), rtol=1e-5, atol=1e-7)
    assert own.get_config() == reference.get_config()
    assert [v.path for v in own.variables] == [v.path for v in reference.variables]
    assert ours.SGD.from_config(reference.get_config()).get_config() == own.get_config()


@pytest.mark.parametrize("name", list(OWN))
@pytest.mark.parametrize(("schedule", "args", "kwargs"), SCHEDULES[::3], ids=SCHEDULE_IDS[::3])
def test_steps_with_a_schedule_equal_keras(name, schedule, args, kwargs):
    own, own_variables, reference, variables = pair(
        name,
        {"momentum": 0.9} if name == "SGD" else {},
        lambda module: getattr(module.schedules, schedule)(*args, **kwargs),
    )
    for step in range(6):
        own.apply([torch.tensor(g) for g in gradients(step)], own_variables)
        reference.apply([torch.tensor(g) for g in gradients(step)], variables)
        equal(own_variables, variables)
        np.testing.assert_allclose(float(own.learning_rate), float(reference.learning_rate), rtol=1e-6)
    assert own.get_config() == reference.get_config()
    assert [v.path for v in own.variables] == [v.path for v in reference.variables]


# -- schedules of users -----------------------------------------------------------------------------------------------


def transformer(k):
    """As tutorials of translation have it: operations on the step, which comes as an integer tensor."""

    class Transformer(k.optimizers.schedules.LearningRateSchedule):
        def __init__(self, width, warmup_steps=10):
            super().__init__()
            self.width, self.warmup_steps = width, warmup_steps

        def __call__(self, step):
            step = k.ops.cast(step, "float32")
            rising = step * self.warmup_steps**-1.5
            return k.ops.rsqrt(k.ops.cast(self.width, "float32")) * k.ops.minimum(k.ops.rsqrt(step + 1.0), rising)

        def get_config(self):
            return {"width": self.width, "warmup_steps": self.warmup_steps}

    return Transformer(16)


def wrapped(k):
    """A warm-up around another schedule, which goes into the config."""

    class WarmUp(k.optimizers.schedules.LearningRateSchedule):
        def __init__(self, after, steps):
            self.after, self.steps = after, steps

        def __call__(self, step):
            rate = self.after(step - self.steps)
            return k.ops.where(step < self.steps, self.after(0) * (step + 1) / (self.steps + 1), rate)

        def get_config(self):
            return {"after": k.optimizers.schedules.serialize(self.after), "steps": self.steps}

        @classmethod
        def from_config(cls, config):
            return cls(k.optimizers.schedules.deserialize(config["after"]), config["steps"])

    return WarmUp(k.optimizers.schedules.CosineDecay(0.1, 20), 5)


def with_ifs(k):
    """Python's own control flow and numbers."""

    class Stairs(k.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            if step < 5:
                return 0.1
            return 0.1 / int(step)

        def get_config(self):
            return {}

    return Stairs()


def derived(k):
    """One of Keras's own with another call."""

    class Floored(k.optimizers.schedules.ExponentialDecay):
        def __call__(self, step):
            return k.ops.maximum(super().__call__(step), 0.03)

    return Floored(0.1, 10, 0.5, staircase=True)


@pytest.mark.parametrize("make", [transformer, wrapped, with_ifs, derived])
def test_schedules_of_users_train_as_in_keras(make):
    schedules = [make(k) for k in (torchkeras, keras)]
    (own, reference), variables = (
        [k.optimizers.Adam(each) for k, each in zip((torchkeras, keras), schedules, strict=True)],
        [Variable([1.0, -2.0], name="w"), keras.Variable([1.0, -2.0], name="w")],
    )
    for step in range(30):
        rng = np.random.default_rng(step)
        for optimizer, variable in ((own, variables[0]), (reference, variables[1])):
            optimizer.apply([torch.tensor(rng.normal(size=2), dtype=torch.float32)], [variable])
            rng = np.random.default_rng(step)
        np.testing.assert_allclose(float(own.learning_rate), float(reference.learning_rate), rtol=2e-6)
    np.testing.assert_allclose(variables[0].numpy(), variables[1].numpy(), rtol=1e-5)
    left, right = own.get_config(), reference.get_config()
    assert left.keys() == right.keys()
    assert left["learning_rate"]["config"] == right["learning_rate"]["config"]
    name = type(schedules[0]).__name__
    again = ours.Adam.from_config(left, custom_objects={name: type(schedules[0])})
    assert float(again.learning_rate) == float(type(own).from_config(left, {name: type(schedules[0])}).learning_rate)
    assert again.get_config() == left


@pytest.mark.parametrize(
    "attempt",
    [
        lambda s: s.ExponentialDecay(0.1, 10),
        lambda s: s.ExponentialDecay(0.1, 0, 0.5),
        lambda s: s.InverseTimeDecay(0.1, -3, 0.5),
        lambda s: s.PolynomialDecay(0.1, 0),
        lambda s: s.PolynomialDecay(0.1, 10, speed=3),
        lambda s: s.PiecewiseConstantDecay([1, 2], [0.1, 0.2]),
        lambda s: s.PiecewiseConstantDecay([1]),
        lambda s: s.CosineDecay(0.1, 0),
        lambda s: s.CosineDecay(0.1, "ten"),
        lambda s: s.CosineDecayRestarts(0.1, -1),
        lambda s: s.LearningRateSchedule()(0),
        lambda s: s.LearningRateSchedule().get_config(),
        lambda s: s.LearningRateSchedule.from_config({"a": 1}),
    ],
)
def test_bad_schedules_raise_what_keras_raises(attempt):
    with pytest.raises(Exception) as reference:
        attempt(theirs.schedules)
    with pytest.raises(reference.type):
        attempt(ours.schedules)
