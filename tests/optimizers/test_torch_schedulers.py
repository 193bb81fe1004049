"""torch.optim.lr_scheduler over our optimizers: each scheduler of torch, each optimizer, alone and in a wrapper."""

import io

import pytest
import torch
from torch.optim import lr_scheduler as schedulers
from torch.optim.swa_utils import SWALR

import torchkeras as keras
from torchkeras import optimizers
from torchkeras.optimizers import SGD, Adam, LossScaleOptimizer, MultiOptimizer, OptimizerMap

# Class -> makers over an optimizer.
TABLE = {
    "LambdaLR": [lambda o: schedulers.LambdaLR(o, _nine_tenths)],
    "MultiplicativeLR": [lambda o: schedulers.MultiplicativeLR(o, _slower)],
    "StepLR": [lambda o: schedulers.StepLR(o, 3, 0.5)],
    "MultiStepLR": [lambda o: schedulers.MultiStepLR(o, [2, 7], 0.1)],
    "ConstantLR": [lambda o: schedulers.ConstantLR(o, 0.3, 4)],
    "LinearLR": [lambda o: schedulers.LinearLR(o, 0.1, 1.0, 6)],
    "ExponentialLR": [lambda o: schedulers.ExponentialLR(o, 0.9)],
    "SequentialLR": [
        lambda o: schedulers.SequentialLR(o, [schedulers.ConstantLR(o, 0.1, 4), schedulers.ExponentialLR(o, 0.9)], [4])
    ],
    "PolynomialLR": [lambda o: schedulers.PolynomialLR(o, 8, 2.0)],
    "CosineAnnealingLR": [lambda o: schedulers.CosineAnnealingLR(o, 7, 0.001)],
    "ChainedScheduler": [
        lambda o: schedulers.ChainedScheduler([schedulers.ConstantLR(o, 0.1, 4), schedulers.ExponentialLR(o, 0.9)], o)
    ],
    "ReduceLROnPlateau": [lambda o: schedulers.ReduceLROnPlateau(o, patience=1, factor=0.5)],
    "CyclicLR": [
        lambda o: schedulers.CyclicLR(o, 0.01, 0.1, step_size_up=3, cycle_momentum=False),
        lambda o: schedulers.CyclicLR(o, 0.01, 0.1, step_size_up=3, mode="exp_range", gamma=0.9),
    ],
    "OneCycleLR": [lambda o: schedulers.OneCycleLR(o, 0.1, total_steps=13)],
    "CosineAnnealingWarmRestarts": [lambda o: schedulers.CosineAnnealingWarmRestarts(o, 4, 2)],
    "SWALR": [lambda o: SWALR(o, 0.01, anneal_epochs=5)],
}
CASES = [(name, make) for name, makers in TABLE.items() for make in makers]


def _nine_tenths(step):
    return 0.9**step


def _slower(step):
    return 0.95


def advance(scheduler):
    scheduler.step(*((1.0,) if isinstance(scheduler, schedulers.ReduceLROnPlateau) else ()))


def test_every_scheduler_of_torch_is_here():
    found = {
        name
        for name, each in vars(schedulers).items()
        if isinstance(each, type) and issubclass(each, schedulers.LRScheduler) and not name.endswith("LRScheduler")
    }
    assert found <= set(TABLE)


@pytest.mark.parametrize("wrap", [lambda o: o, LossScaleOptimizer], ids=["alone", "scaled"])
@pytest.mark.parametrize(("name", "make"), CASES, ids=[name for name, _ in CASES])
def test_rates_and_steps_as_with_torchs_own_optimizer(name, make, wrap):
    """Rate and momentum of every step, through a state dict of the scheduler in the middle."""
    one, two = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(2))
    theirs, inner = torch.optim.SGD([one], 0.05, momentum=0.9), SGD(0.05, momentum=0.9)
    ours = wrap(inner)
    ours.build([two])
    reference, scheduler = make(theirs), make(ours)
    for step in range(12):
        group = theirs.param_groups[0]
        assert float(ours.learning_rate) == pytest.approx(group["lr"], rel=1e-6)
        two.grad = torch.ones(2)
        ours.step()
        assert inner.momentum == pytest.approx(group["momentum"])
        theirs.step()
        advance(reference)
        advance(scheduler)
        assert scheduler.get_last_lr() == pytest.approx(reference.get_last_lr(), rel=1e-6)
        if step == 5:
            file = io.BytesIO()
            torch.save((scheduler.state_dict(), ours.state_dict()), file)
            file.seek(0)
            state, of_optimizer = torch.load(file, weights_only=False)
            ours.load_state_dict(of_optimizer)
            scheduler = make(ours)
            scheduler.load_state_dict(state)
            ours.load_state_dict(of_optimizer)  # a scheduler writes the first rate when it is made
    assert int(ours.iterations) == 12


@pytest.mark.parametrize(
    "cls", [c for c in vars(optimizers).values() if isinstance(c, type) and hasattr(c, "update_together")]
)
def test_every_optimizer_obeys_a_scheduler(cls):
    if cls in (optimizers.Optimizer, LossScaleOptimizer, MultiOptimizer):
        return
    variables = [keras.Variable([[1.0, -2.0], [0.5, 3.0]]) for _ in range(2)]
    driven, told = cls(0.1), cls(0.1)
    driven.build(variables[:1])
    told.build(variables[1:])
    scheduler = schedulers.ExponentialLR(driven, 0.5)
    for step in range(4):
        told.learning_rate = 0.1 * 0.5**step
        for optimizer, variable in zip((driven, told), variables, strict=True):
            variable.grad = torch.tensor([[0.3, 1.0], [-2.0, 0.1]]) * (step + 1)
            optimizer.step()
        scheduler.step()
    torch.testing.assert_close(*(v.detach() for v in variables), rtol=1e-6, atol=1e-7)


def test_a_schedule_and_a_scheduler_at_once():
    """The optimizer's own schedule counts; a scheduler of torch over it changes nothing, as with a schedule set."""
    optimizer, w = SGD(optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)), keras.Variable([0.0])
    optimizer.build([w])
    scheduler = schedulers.StepLR(optimizer, 1, gamma=0.1)
    for expected in (-0.5, -0.75, -0.875):
        w.grad = torch.ones(1)
        optimizer.step()
        scheduler.step()
        assert w.item() == expected


def test_schedulers_over_a_multi_optimizer():
    optimizer = MultiOptimizer(OptimizerMap(SGD(0.1), {"b": Adam(0.5)}))
    optimizer.build([keras.Variable([1.0], name="a"), keras.Variable([3.0], name="b")])
    scheduler = schedulers.LambdaLR(optimizer, [_nine_tenths, _slower])
    scheduler.step()
    assert sorted(float(each.learning_rate) for each in optimizer.optimizers) == pytest.approx([0.095, 0.45])


# -- wrappers ---------------------------------------------------------------------------------------------------------


class Prepared(torch.optim.Optimizer):
    """As launchers of distributed training wrap an optimizer: a torch optimizer around one, which scales and skips."""

    def __init__(self, optimizer, scaler=None):
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError("no optimizer")
        self.optimizer, self.scaler = optimizer, scaler
        optimizer.load_state_dict(optimizer.state_dict())

    state = property(lambda self: self.optimizer.state, lambda self, value: setattr(self.optimizer, "state", value))
    defaults = property(lambda self: self.optimizer.defaults)

    @property
    def param_groups(self):
        return self.optimizer.param_groups

    @param_groups.setter
    def param_groups(self, value):
        self.optimizer.param_groups = value

    def state_dict(self):
        return self.optimizer.state_dict()

    def load_state_dict(self, state_dict):
        self.optimizer.load_state_dict(state_dict)

    def zero_grad(self, set_to_none=True):
        self.optimizer.zero_grad(set_to_none=set_to_none)

    def step(self, closure=None):
        if self.scaler is None:
            return self.optimizer.step(closure)
        self.scaler.step(self.optimizer, closure)
        self.scaler.update()
        return None


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("make", [lambda: SGD(0.1, momentum=0.9), lambda: Adam(0.1, use_ema=True)])
def test_wrappers_of_launchers(make, scaled):
    weights = []
    for wrapped in (False, True):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        optimizer = make()
        optimizer.build(model.parameters())
        scaler = torch.amp.GradScaler("cpu", init_scale=4.0) if scaled and wrapped else None
        outer = Prepared(optimizer, scaler) if wrapped else optimizer
        schedule = schedulers.StepLR(outer, 2, 0.5)
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
        for _ in range(5):
            outer.zero_grad()
            loss = model(x).square().mean()
            (loss if scaler is None else scaler.scale(loss)).backward()
            outer.step()
            schedule.step()
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-6)


def test_scaled_gradients_that_overflow_leave_a_step_out():
    w = keras.Variable([1.0])
    optimizer, scaler = Adam(0.1), torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=1)
    optimizer.build([w])
    for factor in (float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale((w * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    assert int(optimizer.iterations) == 1 and w.item() == pytest.approx(0.9, rel=1e-5)
    assert scaler.get_scale() == 2.0
