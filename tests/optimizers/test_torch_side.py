"""Optimizers as PyTorch programs use them: training loops, schedulers, state dicts, memory layouts, devices, dtypes."""

import copy
import math

import numpy as np
import pytest
import torch

from torchkeras.core.scopes import settings
from torchkeras.core.variable import Variable
from torchkeras.errors import NotBuiltError
from torchkeras.optimizers import SGD, Adam, LossScaleOptimizer, RMSprop, groups, schedules

KINDS = [
    (SGD, {}),
    (SGD, {"momentum": 0.9}),
    (SGD, {"momentum": 0.9, "nesterov": True}),
    (Adam, {}),
    (Adam, {"amsgrad": True}),
    (RMSprop, {}),
    (RMSprop, {"momentum": 0.5, "centered": True}),
]
IDS = [f"{cls.__name__}{arguments}" for cls, arguments in KINDS]


def drawn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def in_order(tensor, order):
    dense = tensor.permute(order).clone(memory_format=torch.contiguous_format)
    return dense.permute([order.index(axis) for axis in range(len(order))])


@pytest.mark.parametrize(("cls", "arguments"), KINDS, ids=IDS)
@pytest.mark.parametrize("grad_order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("param_order", [(0, 1, 2), (2, 0, 1), (2, 1, 0)])
@pytest.mark.parametrize("feed", ["apply", "step"])
def test_memory_layouts_of_parameters_and_gradients_do_not_matter(cls, arguments, grad_order, param_order, feed):
    value = drawn(3, 4, 5)
    plain, moved = Variable(value, name="w"), Variable(value, name="w", memory_order=list(param_order))
    one, two = cls(0.1, **arguments), cls(0.1, **arguments)
    one.build([plain])
    two.build([moved])
    for seed in range(3):
        grad = drawn(3, 4, 5, seed=seed + 1)
        one.apply([grad])
        if feed == "apply":
            two.apply([in_order(grad, grad_order)])
        else:
            moved.grad = in_order(grad, grad_order)
            two.step()
        torch.testing.assert_close(plain.data, moved.data, rtol=1e-6, atol=1e-7)
    for slot in two.state[moved].values():
        assert slot.stride() == moved.stride()


def test_axes_of_length_one_cost_no_copy():
    w = Variable(drawn(4, 1), memory_order=[1, 0])
    optimizer = Adam()
    optimizer.build([w])
    (group,) = optimizer._groups()
    grad = torch.ones(4).as_strided((4, 1), (1, 9))
    assert group.lies_like([grad])
    assert not group.lies_like([torch.ones(8, 1)[::2]])
    assert groups.like_parameter(grad, w) is grad


@pytest.mark.parametrize(("cls", "arguments"), KINDS, ids=IDS)
def test_no_kernel_copies_a_weight_kept_in_torchs_order(cls, arguments):
    w = Variable(drawn(8, 4), memory_order=[1, 0])
    optimizer = cls(**arguments)
    optimizer.build([w])
    (w * w).sum().backward()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        optimizer.step()
    assert not {event.key for event in profile.key_averages()} & {"aten::contiguous", "aten::clone"}


@pytest.mark.parametrize(("cls", "arguments"), KINDS, ids=IDS)
def test_empty_parameters_are_no_trouble(cls, arguments):
    w, empty = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.empty(0, 3))
    optimizer = cls(0.5, clipnorm=1.0, **arguments)
    optimizer.build([empty, w])
    optimizer.apply([torch.empty(0, 3), torch.ones(2)])
    assert (w < 1.0).all()
    assert torch.isfinite(w).all()


def test_parameters_with_gaps_in_memory_are_updated_alone():
    whole = torch.zeros(4, 6)
    w = torch.nn.Parameter(whole[:, ::2])
    assert not groups.is_dense(w)
    optimizer = Adam(0.1)
    optimizer.build([w])
    w.grad = torch.ones(4, 3)
    optimizer.step()
    torch.testing.assert_close(whole[:, ::2], torch.full((4, 3), -0.1))
    assert torch.equal(whole[:, 1::2], torch.zeros(4, 3))
    assert optimizer._groups()[0].fused is False


@pytest.mark.parametrize(("cls", "arguments"), KINDS, ids=IDS)
def test_fused_and_foreach_kernels_agree(cls, arguments, monkeypatch):
    results = []
    for devices in (("cpu", "cuda"), ()):
        monkeypatch.setattr(groups, "FUSED_DEVICES", devices)
        params = [torch.nn.Parameter(drawn(7, 3)), torch.nn.Parameter(drawn(5, seed=1))]
        optimizer = cls(0.05, **arguments)
        optimizer.build(params)
        assert optimizer._groups()[0].fused is bool(devices)
        for seed in range(4):
            for i, p in enumerate(params):
                p.grad = drawn(*p.shape, seed=10 * seed + i)
            optimizer.step()
        results.append(torch.cat([p.detach().flatten() for p in params]))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


def test_adam_equals_torchs_with_the_epsilon_of_keras(monkeypatch):
    monkeypatch.setattr(settings, "floatx", "float64")
    ours, theirs = torch.nn.Parameter(drawn(6, dtype=torch.float64)), torch.nn.Parameter(drawn(6, dtype=torch.float64))
    one, two = Adam(0.01, epsilon=1e-3), torch.optim.Adam([theirs], lr=0.01)
    one.build([ours])
    for step in range(1, 5):
        ours.grad = theirs.grad = drawn(6, seed=step, dtype=torch.float64)
        two.param_groups[0]["eps"] = 1e-3 / math.sqrt(1 - 0.999**step)
        one.step()
        two.step()
        torch.testing.assert_close(ours.data, theirs.data, rtol=1e-9, atol=1e-12)


# -- the loop of a torch user -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cls", "arguments"), KINDS, ids=IDS)
def test_a_hand_written_loop_trains(cls, arguments):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    x = drawn(64, 3)
    y = x.sum(1, keepdim=True)
    optimizer = cls(0.01, **arguments)
    assert isinstance(optimizer, torch.optim.Optimizer)
    optimizer.zero_grad()
    optimizer.build(model.parameters())
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        assert optimizer.step() is None
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_step_with_closure_returns_its_loss():
    w = Variable([2.0])
    optimizer = SGD(0.25)
    optimizer.build([w])

    def closure():
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure)) == 4.0
    assert float(w) == 1.0


def test_frozen_and_unused_parameters_are_left_alone():
    a, b, c = Variable([1.0], name="a"), Variable([1.0], name="b"), Variable([1.0], name="c")
    optimizer = Adam(0.1)
    optimizer.build([a, b, c])
    for v in (a, b):
        v.grad = torch.ones(1)
    b.requires_grad_(False)
    with pytest.warns(UserWarning, match=r"\['c'\]"):
        optimizer.step()
    assert (float(a), float(b), float(c)) == (pytest.approx(0.9, rel=1e-5), 1.0, 1.0)
    optimizer.zero_grad()
    with pytest.warns(UserWarning, match="'a', 'c'"):
        optimizer.step()
    assert int(optimizer.iterations) == 1
    a.grad = torch.ones(1)
    optimizer.zero_grad(set_to_none=False)
    assert float(a.grad) == 0.0


def test_sparse_gradients_act_as_dense_ones():
    table = torch.nn.Embedding(5, 2, sparse=True)
    dense = torch.nn.Parameter(table.weight.detach().clone())
    one, two = Adam(0.1), Adam(0.1)
    one.build([table.weight])
    two.build([dense])
    for rows in ([0, 3], [3, 3]):
        one.zero_grad()
        two.zero_grad()
        table(torch.tensor(rows)).sum().backward()
        torch.nn.functional.embedding(torch.tensor(rows), dense).sum().backward()
        one.step()
        two.step()
    torch.testing.assert_close(table.weight.data, dense.data)


def test_mixed_dtypes_go_in_batches_of_their_own():
    a, b = Variable([1.0]), Variable(np.array([1.0]), dtype="float64")
    optimizer = Adam(0.1, global_clipnorm=1.0)
    optimizer.build([a, b])
    optimizer.apply([torch.tensor([3.0]), torch.tensor([4.0])])
    assert [group.dtype for group in optimizer._groups()] == [torch.float32, torch.float64]
    assert (float(a), float(b)) == (pytest.approx(0.9, rel=1e-5), pytest.approx(0.9, rel=1e-5))
    assert float(optimizer._momentums[0]) == pytest.approx(0.06)
    assert float(optimizer._momentums[1]) == pytest.approx(0.08)


def test_state_follows_a_model_that_changes_its_dtype():
    layer = torch.nn.Linear(2, 2)
    optimizer = Adam(0.1)
    optimizer.build(layer.parameters())
    for dtype in (torch.float32, torch.float64):
        layer.to(dtype)
        optimizer.zero_grad()
        layer(torch.ones(1, 2, dtype=dtype)).sum().backward()
        optimizer.step()
        assert all(slot.dtype == dtype for slots in optimizer.state.values() for slot in slots.values())
    assert float(optimizer._momentums[1][0]) == pytest.approx(0.19)


@pytest.mark.parametrize("feed", ["apply", "step"])
def test_state_follows_memory_that_is_replaced(feed):
    results = []
    for relay in (False, True):
        layer = torch.nn.Conv2d(3, 4, 2)
        with torch.no_grad():
            layer.weight.copy_(drawn(4, 3, 2, 2))
            layer.bias.zero_()
        optimizer = Adam(0.1)
        optimizer.build(layer.parameters())
        for seed in range(4):
            if relay and seed == 2:
                layer.to(memory_format=torch.channels_last)
            optimizer.zero_grad()
            loss = layer(drawn(2, 3, 5, 5, seed=seed)).square().sum()
            if feed == "apply":
                optimizer.apply(torch.autograd.grad(loss, list(layer.parameters())))
            else:
                loss.backward()
                optimizer.step()
        assert optimizer._momentums[0].stride() == layer.weight.stride()
        results.append(layer.weight.detach())
    assert results[0].stride() != results[1].stride()
    torch.testing.assert_close(*results)


def test_empty_models_can_be_built():
    optimizer = Adam()
    optimizer.build([])
    optimizer.step()
    assert int(optimizer.iterations) == 0


# -- torch's tools ----------------------------------------------------------------------------------------------------


def test_torchs_schedulers_drive_the_learning_rate():
    w = Variable([1.0])
    optimizer = SGD(0.5)
    optimizer.build([w])
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for expected in (0.5, 0.25, 0.125):
        assert float(optimizer.learning_rate) == expected
        before = float(w)
        w.grad = torch.ones(1)
        optimizer.step()
        assert float(w) == before - expected
        scheduler.step()
    assert optimizer.get_config()["learning_rate"] == 0.0625
    optimizer.param_groups[0]["lr"] = 2.0
    assert float(optimizer.learning_rate) == 2.0
    optimizer.param_groups[0]["lr"] = 4.0
    optimizer.step()
    assert float(optimizer.lr) == 4.0
    optimizer.lr = 1.0
    assert float(optimizer.param_groups[0]["lr"]) == 1.0


def test_group_shows_the_rate_of_a_schedule():
    w = Variable([1.0])
    optimizer = SGD(schedules.ExponentialDecay(0.5, 1, 0.5))
    optimizer.build([w])
    for expected in (0.5, 0.25):
        w.grad = torch.ones(1)
        optimizer.step()
        assert optimizer.param_groups[0]["lr"] == expected


def test_state_dict_round_trip(tmp_path):
    def fresh():
        w = Variable(drawn(3, 2), name="w", memory_order=[1, 0])
        optimizer = Adam(0.1, use_ema=True)
        optimizer.build([w])
        return w, optimizer

    w, one = fresh()
    for seed in range(3):
        one.apply([drawn(3, 2, seed=seed)])
    one.learning_rate = 0.25
    torch.save(one.state_dict(), tmp_path / "state.pt")
    v, two = fresh()
    slots = list(two.variables)
    two.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    v.assign(w)
    assert all(a is b for a, b in zip(slots, two.variables))
    for optimizer in (one, two):
        optimizer.apply([drawn(3, 2, seed=9)])
    assert torch.equal(w, v)
    assert int(two.iterations) == 4
    assert float(two.learning_rate) == 0.25
    plain = SGD()
    plain.build([v])
    with pytest.raises(ValueError, match="needs"):
        plain.load_state_dict(one.state_dict())
    with pytest.raises(NotBuiltError, match="build"):
        Adam().load_state_dict(one.state_dict())
    other = Adam()
    other.build([v, Variable([1.0])])
    with pytest.raises(ValueError, match="1 parameters"):
        other.load_state_dict(one.state_dict())


def test_hooks_of_torch_run():
    w = Variable([1.0])
    optimizer = SGD(0.5)
    optimizer.build([w])
    seen = []
    optimizer.register_step_pre_hook(lambda self, args, kwargs: seen.append(("pre", float(w))))
    optimizer.register_step_post_hook(lambda self, args, kwargs: seen.append(("post", float(w))))
    w.grad = torch.ones(1)
    optimizer.step()
    assert seen == [("pre", 1.0), ("post", 0.5)]


def test_profiler_sees_the_step():
    w = Variable([1.0])
    optimizer = Adam()
    optimizer.build([w])
    w.grad = torch.ones(1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        optimizer.step()
    names = {event.key for event in profile.key_averages()}
    assert "Optimizer.step#Adam.step" in names
    assert "aten::_fused_adam_" in names


def test_clip_grad_norm_and_grad_scaler_work():
    w = Variable([3.0, 4.0])
    optimizer = SGD(1.0)
    optimizer.build([w])
    w.grad = torch.tensor([3.0, 4.0])
    torch.nn.utils.clip_grad_norm_([w], 1.0)
    optimizer.step()
    np.testing.assert_allclose(w.detach().numpy(), [2.4, 3.2], rtol=1e-5)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    optimizer.zero_grad()
    scaler.scale(w.sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    np.testing.assert_allclose(w.detach().numpy(), [1.4, 2.2], rtol=1e-5)


def test_groups_cannot_be_added():
    optimizer = SGD()
    with pytest.raises(ValueError, match="built once"):
        optimizer.add_param_group({"params": [Variable([1.0])], "lr": 0.5})
    optimizer.add_param_group({"params": [Variable([1.0])]})
    with pytest.raises(ValueError, match="built once"):
        optimizer.add_param_group({"params": [Variable([1.0])]})
    assert len(optimizer.param_groups) == 1


def test_gradients_given_to_apply_are_not_changed():
    w = Variable([1.0, 1.0])
    grad = torch.tensor([30.0, 40.0])
    for arguments in ({"clipnorm": 1.0}, {"clipvalue": 1.0}, {"global_clipnorm": 1.0}, {"loss_scale_factor": 2.0}):
        SGD(0.1, **arguments).apply([grad], [w])
        assert grad.tolist() == [30.0, 40.0]


def test_a_norm_that_is_not_finite_shows():
    w = Variable([1.0, 1.0])
    SGD(0.1, global_clipnorm=1.0).apply([torch.tensor([math.inf, 1.0])], [w])
    assert torch.isnan(w).all()


def test_variables_that_take_their_gradient_as_value():
    scale, w = Variable([1.0]), Variable([1.0])
    scale.overwrite_with_gradient = True
    optimizer = Adam(0.1)
    optimizer.build([scale, w])
    assert optimizer._momentums[0] is None
    optimizer.apply([torch.tensor([7.0]), torch.tensor([1.0])])
    assert (float(scale), float(w)) == (7.0, pytest.approx(0.9, rel=1e-5))
    scale.grad, w.grad = torch.tensor([5.0]), torch.tensor([1.0])
    optimizer.step()
    assert float(scale) == 5.0

    optimizer = SGD(0.1, gradient_accumulation_steps=2)
    optimizer.build([scale, w])
    optimizer.apply([torch.tensor([9.0]), torch.tensor([1.0])])
    assert float(scale) == 5.0
    optimizer.apply([torch.tensor([8.0]), torch.tensor([1.0])])
    assert float(scale) == 9.0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("cls", "arguments"), KINDS, ids=IDS)
def test_a_model_moved_to_cuda_trains_as_on_the_cpu(cls, arguments):
    results = []
    for device in ("cpu", "cuda"):
        layer = torch.nn.Linear(4, 4)
        torch.nn.init.ones_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        optimizer = cls(0.05, **arguments)
        optimizer.build(layer.parameters())
        layer.to(device)
        for seed in range(4):
            optimizer.zero_grad()
            layer(drawn(8, 4, seed=seed).to(device)).square().sum().backward()
            optimizer.step()
        results.append(layer.weight.detach().cpu())
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [lambda: Adam(0.1), lambda: SGD(0.1, momentum=0.9)])
@pytest.mark.parametrize("scaled", [False, True])
def test_schedulers_of_torch_turn_the_momentum(make, scaled):
    inner = make()
    optimizer = LossScaleOptimizer(inner) if scaled else inner
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer.build([weight])
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    name = "beta_1" if hasattr(inner, "beta_1") else "momentum"
    seen = []
    for _ in range(9):
        weight.grad = torch.ones(3)
        optimizer.step()
        seen.append(getattr(inner, name))
        scheduler.step()
    assert seen[0] == 0.95 and min(seen) == pytest.approx(0.85)
    optimizer.step()  # takes what the scheduler wrote last; from here on what is assigned counts
    setattr(inner, name, 0.5)
    optimizer.step()
    group = optimizer.param_groups[0]
    assert getattr(inner, name) == 0.5
    assert (group["betas"][0] if name == "beta_1" else group["momentum"]) == 0.5


def test_a_scheduler_of_torch_says_that_there_is_no_momentum_to_turn():
    with pytest.raises(ValueError, match="momentum"):
        torch.optim.lr_scheduler.OneCycleLR(SGD(0.1), max_lr=0.1, total_steps=10)


@pytest.mark.parametrize("feed", ["step", "apply"])
def test_a_compiled_training_step_calls_the_optimizer_between_its_graphs(feed):
    weights = []
    for compiled in (False, True):
        layer = torch.nn.Linear(3, 2)
        torch.nn.init.ones_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        optimizer = LossScaleOptimizer(Adam(schedules.ExponentialDecay(0.1, 1, 0.5), clipnorm=1.0), initial_scale=2.0)
        optimizer.build(layer.parameters())

        def step(x, layer=layer, optimizer=optimizer):
            optimizer.zero_grad()
            loss = layer(x).square().mean()
            optimizer.scale_loss(loss).backward()
            if feed == "step":
                optimizer.step()
            else:
                optimizer.apply([p.grad for p in layer.parameters()], list(layer.parameters()))
            return loss

        step = torch.compile(step, backend="eager") if compiled else step
        losses = [step(drawn(4, 3, seed=seed)).item() for seed in range(4)]
        assert int(optimizer.iterations) == 4
        weights.append((losses, layer.weight.detach()))
    torch.testing.assert_close(*weights)


@pytest.mark.parametrize("flat", [False, True])
def test_distributed_checkpoints_keep_state_and_counter(flat):
    tools = pytest.importorskip("torch.distributed.checkpoint.state_dict")
    options = tools.StateDictOptions(flatten_optimizer_state_dict=flat)

    def made():
        layer = torch.nn.Linear(3, 2)
        torch.nn.init.ones_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        optimizer = Adam(0.1, use_ema=True)
        optimizer.build(layer.parameters())
        return layer, optimizer

    def train(layer, optimizer):
        for seed in range(3):
            optimizer.zero_grad()
            layer(drawn(4, 3, seed=seed)).square().mean().backward()
            optimizer.step()

    one, two = made(), made()
    train(*one)
    saved = copy.deepcopy(tools.get_state_dict(*one, options=options))
    tools.set_state_dict(*two, model_state_dict=saved[0], optim_state_dict=saved[1], options=options)
    for layer, optimizer in (one, two):
        train(layer, optimizer)
        assert int(optimizer.iterations) == 6
    assert torch.equal(one[0].weight, two[0].weight)
