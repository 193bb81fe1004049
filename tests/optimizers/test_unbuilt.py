"""An optimizer before it knows its variables, and the state that it declares for them."""

import copy
import inspect
import pickle
import warnings

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.core.variable import Variable
from torchkeras.optimizers import SGD, Adam, LossScaleOptimizer, Optimizer, RMSprop


def unscaled(optimizer):
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(torch.tensor(1.0))
    scaler.unscale_(optimizer)


KINDS = (SGD, Adam, RMSprop, lambda: LossScaleOptimizer(Adam()))


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize(
    "use",
    [
        lambda o: o.step(),
        lambda o: o.step(lambda: torch.tensor(1.0)),
        lambda o: o.zero_grad(),
        lambda o: o.zero_grad(set_to_none=False),
        lambda o: unscaled(o),
        lambda o: torch.nn.utils.clip_grad_norm_(list(o.param_groups[0]["params"]), 1.0),
    ],
    ids=["step", "closure", "zero_grad", "zero_grad in place", "unscale", "clip"],
)
def test_what_has_nothing_to_work_on_says_what_to_do_each_time(make, use):
    optimizer = make()
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"optimizer\.build\(model\.trainable_variables\)") as said:
            use(optimizer)
        assert len(said) == 1
    assert int(optimizer.iterations) == 0


@pytest.mark.parametrize("make", KINDS)
def test_looking_and_copying_are_silent(make):
    optimizer = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert optimizer.state_dict()["state"] == {}
        inspect.getmembers(optimizer)
        str(optimizer)
        for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
            assert not other.built
            assert len(other.param_groups) == 1
            w = Variable([1.0])
            other.apply([torch.ones(1)], [w])
            assert w.item() < 1.0
    with pytest.raises(ValueError, match="build"):
        optimizer.load_state_dict({"state": {}, "param_groups": []})


@pytest.mark.parametrize("early", (True, False))
def test_a_scheduler_made_before_build_acts_afterwards(early):
    optimizer, w = SGD(1.0), Variable([0.0])
    if not early:
        optimizer.build([w])
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    optimizer.build([w])
    for _ in range(3):
        w.grad = torch.ones(1)
        optimizer.step()
        scheduler.step()
    assert w.item() == -1.75
    assert float(optimizer.learning_rate) == optimizer.param_groups[0]["lr"] == 0.125


def test_variables_come_by_build_or_as_a_group():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    for give in (
        lambda o: o.build(model.parameters()),
        lambda o: o.build(model.trainable_variables),
        lambda o: o.add_param_group({"params": model.parameters()}),
        lambda o: o.add_param_group({"params": model.trainable_variables[0]}),
    ):
        optimizer, before = SGD(0.1), model.get_weights()[0]
        give(optimizer)
        optimizer.zero_grad()
        model(torch.ones(2, 3)).sum().backward()
        optimizer.step()
        np.testing.assert_allclose(model.get_weights()[0], before - 0.2, rtol=1e-6)


def test_other_things_than_variables_are_refused():
    for given in (torch.nn.Linear(2, 1).named_parameters(), [None], ["w"]):
        with pytest.raises(TypeError, match=r"model\.trainable_variables"):
            SGD(0.1).build(given)


@pytest.mark.parametrize("arguments", [{}, {"lr": 0.1}, {"learning_rate": 0.1}])
def test_parameters_in_the_place_of_the_learning_rate_are_explained(arguments):
    parameters = torch.nn.Linear(2, 1).parameters()
    for given in (parameters, list(parameters), [{"params": []}]):
        with pytest.raises(ValueError, match=r"optimizer\.build"):
            SGD(given, **arguments)


class Averaging(Optimizer):
    """State of two dicts, one with an initializer."""

    def states(self):
        yield {"fast": "fast", "slow": ("slow", "ones")}
        yield {"third": "third"}

    def update_step(self, gradient, variable, learning_rate):
        self.assign(self.slow[self._get_variable_index(variable)], gradient)
        self.assign_sub(variable, learning_rate * gradient)


def test_declared_state_is_made_once_in_keras_order():
    variables = [Variable([1.0, 2.0], name="a"), Variable([[3.0]], name="b")]
    optimizer = Averaging(0.5)
    optimizer.build(variables)
    names = [v.name for v in optimizer.variables[2:]]
    assert names == ["a_fast", "a_slow", "b_fast", "b_slow", "a_third", "b_third"]
    assert [v.tolist() for v in optimizer.slow] == [[1.0, 1.0], [[1.0]]]
    slow = optimizer.slow[0]
    optimizer.build(variables)
    assert optimizer.slow[0] is slow
    optimizer.apply([torch.tensor([2.0, 4.0]), torch.tensor([[6.0]])])
    assert slow.tolist() == [2.0, 4.0]
    assert variables[1].item() == 0.0
    assert len(optimizer.variables) == 8


def test_one_without_state_can_be_bound_to_other_variables():
    class Plain(Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, learning_rate * gradient)

    first, second = Variable([1.0]), Variable([1.0])
    optimizer = Plain(1.0)
    optimizer.build([first])
    optimizer.build([second])
    second.grad = torch.ones(1)
    optimizer.step()
    assert (first.item(), second.item()) == (1.0, 0.0)


def test_a_build_of_a_subclass_adds_to_the_declared_state():
    class Counting(Adam):
        def build(self, variables):
            if self.built:
                return
            super().build(variables)
            self.total = self.add_variable((), name="total")
            self.kept = self.add_optimizer_variables(variables, "kept")

    optimizer, w = Counting(0.1), Variable([1.0], name="w")
    optimizer.build([w])
    optimizer.build([w])
    assert [v.name for v in optimizer.variables[2:]] == ["w_momentum", "w_velocity", "total", "w_kept"]
    w.grad = torch.ones(1)
    optimizer.step()
    assert abs(w.item() - 0.9) < 1e-5


def test_a_loss_scale_around_a_built_optimizer_goes_on_with_its_state():
    inner, alone = Adam(0.1), Adam(0.1)
    w, v = Variable([1.0]), Variable([1.0])
    for optimizer, variable in ((inner, w), (alone, v)):
        optimizer.apply([torch.tensor([3.0])], [variable])
    outer = LossScaleOptimizer(inner, initial_scale=4.0)
    outer.apply([torch.tensor([-4.0])], [w])
    alone.apply([torch.tensor([-1.0])], [v])
    assert w.item() == v.item()
    assert outer.state is inner.state
    assert outer.param_groups is inner.param_groups
