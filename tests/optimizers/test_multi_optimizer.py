"""MultiOptimizer as a torch optimizer: steps, groups, state dicts, copies; and in `fit`."""

import copy

import pytest
import torch

import torchkeras as keras
from torchkeras.optimizers import SGD, Adam, MultiOptimizer, OptimizerMap


def made():
    variables = [keras.Variable([1.0, 2.0], name="a"), keras.Variable([3.0], name="b")]
    optimizer = MultiOptimizer(OptimizerMap(SGD(0.1), {"b": Adam(0.5)}))
    optimizer.build(variables)
    return optimizer, variables


def step(optimizer, variables):
    for variable in variables:
        variable.grad = torch.ones_like(variable)
    optimizer.step()
    optimizer.zero_grad()


def test_torch_steps_reach_every_optimizer():
    optimizer, (a, b) = made()
    step(optimizer, (a, b))
    torch.testing.assert_close(a.detach(), torch.tensor([0.9, 1.9]))
    torch.testing.assert_close(b.detach(), torch.tensor([2.5]), rtol=1e-4, atol=1e-4)
    assert a.grad is None and b.grad is None and int(optimizer.iterations) == 1


def test_schedulers_of_torch_find_a_group_for_each():
    optimizer, variables = made()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    step(optimizer, variables)
    scheduler.step()
    assert [float(each.learning_rate) for each in optimizer.optimizers] == [0.25, pytest.approx(0.05)]


def test_state_restored_continues_bit_by_bit():
    one, variables = made()
    for _ in range(3):
        step(one, variables)
    two, others = made()
    for mine, theirs in zip(others, variables, strict=True):
        mine.assign(theirs)
    two.load_state_dict(one.state_dict())
    three, copies = copy.deepcopy((one, variables))
    for optimizer, held in ((one, variables), (two, others), (three, copies)):
        step(optimizer, held)
    for a, b, c in zip(
        [*variables, *one.variables], [*others, *two.variables], [*copies, *three.variables], strict=True
    ):
        assert torch.equal(a, b) and torch.equal(a, c)
    with pytest.raises(ValueError, match="1 optimizers"):
        two.load_state_dict({"iterations": 0, "optimizers": [{}]})


def test_a_part_without_gradients_is_left_alone_with_a_warning():
    optimizer, (a, b) = made()
    with pytest.warns(UserWarning, match="b"):
        optimizer.apply([torch.ones(2), None], [a, b])
    assert b.item() == 3.0 and a[0].item() == pytest.approx(0.9)


def test_fit():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    model.compile(MultiOptimizer(OptimizerMap(SGD(0.1), {".*/kernel": Adam(0.01)})), "mse")
    x = torch.rand(64, 3, generator=torch.Generator().manual_seed(0))
    losses = model.fit(x, x.sum(1, keepdim=True), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert [int(each.iterations) for each in model.optimizer.optimizers] == [10, 10]
