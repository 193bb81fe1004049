"""Schedules on their own: arguments, shapes, what they refuse. Their values are compared with Keras in compat/."""

import numpy as np
import pytest
import torch

from torchkeras.core.scopes import settings
from torchkeras.core.variable import Variable
from torchkeras.errors import UnknownArgumentError
from torchkeras.optimizers import schedules


def test_call_takes_numbers_tensors_and_arrays():
    schedule = schedules.ExponentialDecay(0.5, 1, 0.5)
    assert schedule(2).dtype == torch.float32
    assert schedule(2).shape == ()
    assert schedule(2).numpy() == schedule(torch.tensor(2)) == schedule(np.int64(2)) == schedule(Variable(2)) == 0.125
    assert schedule(np.array([[0, 1]])).tolist() == [[0.5, 0.25]]


def test_values_come_in_floatx(monkeypatch):
    monkeypatch.setattr(settings, "floatx", "float64")
    assert schedules.CosineDecay(0.1, 10)(0).dtype == torch.float64


def test_whole_numbers_warm_up_too():
    schedule = schedules.CosineDecay(0, 10, warmup_target=1, warmup_steps=4)
    assert [float(schedule(step)) for step in (0, 1, 2, 4, 9, 14, 99)] == pytest.approx([0, 0.25, 0.5, 1, 0.5, 0, 0])


def test_restarts_hit_the_top_again():
    schedule = schedules.CosineDecayRestarts(1.0, 10, t_mul=2.0, m_mul=0.5)
    assert [float(schedule(step)) for step in (0, 10, 30, 70)] == pytest.approx([1.0, 0.5, 0.25, 0.125])


def test_piecewise_without_boundaries_is_constant():
    assert float(schedules.PiecewiseConstantDecay([], [0.5])(100)) == 0.5


@pytest.mark.parametrize(
    ("name", "arguments", "named"),
    [
        ("ExponentialDecay", (0.1, 0, 0.5), "decay_steps"),
        ("InverseTimeDecay", (0.1, -1, 0.5), "decay_steps"),
        ("PolynomialDecay", (0.1, 0), "decay_steps"),
        ("CosineDecay", (0.1, 0), "decay_steps"),
        ("CosineDecayRestarts", (0.1, 0), "first_decay_steps"),
        ("PiecewiseConstantDecay", ([1, 2], [0.1, 0.2]), "one value more"),
    ],
)
def test_impossible_arguments_are_refused(name, arguments, named):
    with pytest.raises(ValueError, match=named):
        getattr(schedules, name)(*arguments)


def test_missing_and_unknown_arguments():
    with pytest.raises(TypeError, match="`decay_rate`"):
        schedules.ExponentialDecay(0.1, 10)
    with pytest.raises(UnknownArgumentError, match="`speed`"):
        schedules.ExponentialDecay(0.1, 10, 0.5, speed=3)
    with pytest.raises(NotImplementedError, match="__call__"):
        schedules.LearningRateSchedule()(0)


def test_users_schedule_crosses_a_config():
    class Linear(schedules.LearningRateSchedule):
        def __init__(self, slope):
            self.slope = slope

        def __call__(self, step):
            return self.slope * step

        def get_config(self):
            return {"slope": self.slope}

    config = schedules.serialize(Linear(0.5))
    assert schedules.deserialize(config, custom_objects={"Linear": Linear})(4) == 2.0
    with pytest.raises(ValueError, match="Linear"):
        schedules.deserialize(config)
    with pytest.raises(ValueError, match="Adam"):
        schedules.deserialize({"class_name": "Adam", "config": {}})
