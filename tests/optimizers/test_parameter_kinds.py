"""Parameters of every kind under every optimizer: dtypes, complex, sparse gradients, frozen, large ones."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.optimizers.test_every_optimizer import CLASSES
from torchkeras.core.variable import Variable
from torchkeras.optimizers import SGD, Adafactor, Adagrad, Adam, LossScaleOptimizer, Muon, Optimizer, groups

ALL = [cls for cls in CLASSES if cls is not Optimizer]
OPTIONS = [
    {},
    {"clipnorm": 0.5},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.5},
    {"weight_decay": 0.1},
    {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2},
    {"gradient_accumulation_steps": 2},
    {"loss_scale_factor": 4.0},
]
SETTINGS = [(cls, {}) for cls in ALL] + [(SGD, {"momentum": 0.9}), (SGD, {"momentum": 0.9, "nesterov": True})]
RATES = {"Adadelta": 3.0}  # its steps are small
IDS = [f"{cls.__name__}{own}" for cls, own in SETTINGS]


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def run(optimizer, params, gradients, steps=4):
    optimizer.build(params)
    for step in range(steps):
        for param, grad in zip(params, gradients(step), strict=True):
            param.grad = grad
        optimizer.step()
    return params


# -- dtypes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("cls", "own"), SETTINGS, ids=IDS)
def test_short_floats_follow_the_same_run_in_float64(cls, own, dtype):
    rate = RATES.get(cls.__name__, 0.03)
    start = [drawn(6, 4).abs().add(0.5).to(dtype), drawn(5, seed=1).abs().add(0.5).to(dtype)]
    grads = [[drawn(6, 4, seed=10 + step).to(dtype), drawn(5, seed=20 + step).to(dtype)] for step in range(4)]
    for options in ({}, {"clipnorm": 1.0, "weight_decay": 0.1}):
        optimizer = cls(rate, **own, **options)
        short = run(optimizer, [torch.nn.Parameter(p.clone()) for p in start], lambda step: grads[step])
        long = [torch.nn.Parameter(p.double()) for p in start]
        long = run(cls(rate, **own, **options), long, lambda step: [g.double() for g in grads[step]])
        for one, other, before in zip(short, long, start, strict=True):
            assert one.dtype is dtype and not torch.equal(one, before)
            assert all(slot.dtype is dtype for slot in optimizer.state[one].values())
            torch.testing.assert_close(one.double(), other.double(), rtol=0, atol=10 * torch.finfo(dtype).eps)


# -- complex numbers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("cls", "own"), SETTINGS, ids=IDS)
def test_a_complex_parameter_moves_as_its_pair_of_real_ones(cls, own, options):
    shape = (3,) if cls in (Adafactor, Muon) else (3, 2)
    pair = torch.nn.Parameter(drawn(*shape, 2, dtype=torch.float32))
    number = torch.nn.Parameter(torch.view_as_complex(pair.detach().clone()))
    grads = [drawn(*shape, 2, seed=5 + step, dtype=torch.float32) for step in range(4)]
    run(cls(0.1, **own, **options), [number], lambda step: [torch.view_as_complex(grads[step])])
    if cls is Adafactor:  # which would factor the pairs
        parts = [torch.nn.Parameter(pair.detach().flatten().clone())]
        (flat,) = run(cls(0.1, **own, **options), parts, lambda step: [grads[step].flatten()])
        pair = flat.reshape(pair.shape)
    elif cls is Muon:
        run(cls(0.1, exclude_layers=[""], **own, **options), [pair], lambda step: [grads[step]])
    else:
        run(cls(0.1, **own, **options), [pair], lambda step: [grads[step]])
    torch.testing.assert_close(torch.view_as_real(number.detach()), pair.detach(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("feed", ["apply", "step"])
def test_complex_gradients_in_any_layout_equal_torchs_step(feed):
    ours, theirs = (torch.nn.Parameter(drawn(3, 2, 2).view(torch.complex128).squeeze(-1)) for _ in range(2))
    one, two = SGD(0.1, momentum=0.9), torch.optim.SGD([theirs], 0.1, momentum=0.9)
    one.build([ours])
    for step in range(3):
        grad = torch.view_as_complex(drawn(2, 3, 2, seed=step)).conj().t()
        theirs.grad = grad.resolve_conj()
        two.step()
        if feed == "apply":
            one.apply([grad])
        else:
            ours.grad = grad
            one.step()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("cls", [Adafactor, Muon])
def test_complex_matrices_are_refused_where_a_rule_has_no_meaning_for_them(cls):
    with pytest.raises(ValueError, match=r"complex64.*real"):
        cls().build([torch.nn.Parameter(torch.ones(2, 2, dtype=torch.complex64))])


# -- sparse gradients -------------------------------------------------------------------------------------------------


def trained_tables(make, feed, steps=4):
    tables = []
    for sparse in (True, False):
        table = torch.nn.Embedding(9, 3, sparse=sparse)
        with torch.no_grad():
            table.weight.copy_(drawn(9, 3))
        bias = torch.nn.Parameter(torch.ones(3))
        optimizer = make()
        optimizer.build([table.weight, bias])
        for step in range(steps):
            optimizer.zero_grad()
            rows = torch.tensor([[0, 3, 3], [5, 3, 8], [1, 1, 1], [0, 5, 2]][step])
            loss = ((table(rows) + bias) ** 2).sum()
            if feed == "apply":
                optimizer.apply(torch.autograd.grad(loss, [table.weight, bias]))
            else:
                loss.backward()
                assert table.weight.grad.is_sparse is sparse
                optimizer.step()
        tables.append(torch.cat([table.weight.detach(), bias.detach()[None]]))
    return tables


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("cls", "own"), SETTINGS, ids=IDS)
def test_sparse_gradients_act_as_dense_ones(cls, own, options):
    for feed in ("step", "apply"):
        sparse, dense = trained_tables(lambda: cls(0.05, **own, **options), feed)
        torch.testing.assert_close(sparse, dense, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cls", [SGD, Adagrad, Adam])
def test_sparse_gradients_under_a_loss_scale(cls):
    sparse, dense = trained_tables(lambda: LossScaleOptimizer(cls(0.05), initial_scale=8.0), "step")
    torch.testing.assert_close(sparse, dense, rtol=1e-5, atol=1e-6)


def test_a_sparse_gradient_that_is_not_finite_is_left_out():
    table = torch.nn.Embedding(4, 2, sparse=True)
    optimizer = LossScaleOptimizer(SGD(0.1), initial_scale=8.0)
    optimizer.build([table.weight])
    before = table.weight.detach().clone()
    (table(torch.tensor([1])).sum() * torch.inf).backward()
    optimizer.step()
    assert torch.equal(table.weight, before) and float(optimizer.dynamic_scale) == 4.0


@pytest.mark.parametrize("cls", [SGD, Adagrad])
def test_sparse_gradients_equal_torchs_own_rule(cls):
    ours, theirs = torch.nn.Embedding(7, 2, sparse=True), torch.nn.Embedding(7, 2, sparse=True)
    theirs.load_state_dict(ours.state_dict())
    if cls is SGD:
        one, two = SGD(0.1), torch.optim.SGD(theirs.parameters(), 0.1)
    else:
        one, two = Adagrad(0.1, epsilon=0.0), torch.optim.Adagrad(theirs.parameters(), 0.1, 0, 0, 0.1, eps=0.0)
    one.build(ours.parameters())
    for rows in ([0, 3], [3, 3, 6]):
        for table, optimizer in ((ours, one), (theirs, two)):
            optimizer.zero_grad()
            (table(torch.tensor(rows)) ** 2).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, theirs.weight)


class _Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that an operation made anew."""

    def __init__(self, known):
        super().__init__()
        self.known, self.size = {tensor.data_ptr() for tensor in known}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (list, tuple)) else [made]:
            if isinstance(tensor, torch.Tensor) and not tensor.is_sparse and tensor.data_ptr() not in self.known:
                self.size = max(self.size, tensor.numel())
        return made


@pytest.mark.parametrize("options", [{}, {"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {"clipvalue": 1.0}], ids=str)
@pytest.mark.parametrize("cls", [SGD, Adagrad])
def test_few_rows_of_a_table_cost_few_numbers(cls, options):
    table = torch.nn.Embedding(1000, 4, sparse=True)
    optimizer = cls(0.1, **options)
    optimizer.build(table.parameters())
    table(torch.tensor([1, 5, 5])).sum().backward()
    optimizer._groups()
    with _Largest([table.weight, *optimizer.state[table.weight].values()]) as largest:
        optimizer.step()
    assert 0 < largest.size <= 12


def test_a_sparse_gradient_of_another_shape_is_refused():
    grad = torch.sparse_coo_tensor([[1]], torch.ones(1, 2), (5, 2))
    for cls in (SGD, Adam):
        with pytest.raises(ValueError, match=r"shape \(5, 2\)"):
            cls(0.1).apply([grad], [Variable(torch.ones(4, 2))])


def test_sparse_gradients_without_rows_and_of_scalars():
    for cls in (SGD, Adagrad):
        w = Variable(torch.ones(4, 2))
        cls(0.1).apply([torch.sparse_coo_tensor(torch.empty(1, 0), torch.empty(0, 2), (4, 2))], [w])
        assert torch.equal(w, torch.ones(4, 2))
        cls(0.1).apply([torch.eye(4)[:, :2].to_sparse()], [w])  # both axes are sparse
        assert (w != 1.0).sum() == 2


# -- frozen, unused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cls", "own"), SETTINGS, ids=IDS)
def test_frozen_variables_keep_value_and_state_and_go_on_later(cls, own):
    a, b = Variable(torch.ones(3, 2), name="a"), Variable(torch.ones(2), name="b")
    optimizer = cls(0.1, **own)
    optimizer.build([a, b])
    held = [b, *optimizer.state[b].values()]
    for trainable in (True, False, False, True):
        b.trainable = trainable
        before = [value.detach().clone() for value in (a, *held)]
        for v in (a, b):
            v.grad = torch.full_like(v, 0.5)
        optimizer.step()
        assert not torch.equal(a, before[0])
        same = [torch.equal(now, then) for now, then in zip(held, before[1:], strict=True)]
        assert all(same) if not trainable else not same[0]


def test_the_group_without_the_frozen_ones_is_kept():
    params = [torch.nn.Parameter(torch.ones(2)) for _ in range(3)]
    optimizer = Adam(0.1)
    optimizer.build(params)
    (group,) = optimizer._groups()
    assert group.pick((0, 2)) is group.pick((0, 2))
    assert group.pick((0,)).variables == params[:1]


# -- portions ---------------------------------------------------------------------------------------------------------


def in_order(tensor, order):
    return tensor.permute(order).contiguous().permute([order.index(axis) for axis in range(len(order))])


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "clipnorm": 0.5}], ids=str)
@pytest.mark.parametrize(("cls", "own"), SETTINGS, ids=IDS)
def test_portions_give_what_the_whole_gives(cls, own, options, monkeypatch):
    found, shapes = [], [(7, 5), (3,), (), (40, 33), (0, 2), (2, 3, 50), (4,)]
    grads = [[drawn(*shape, seed=50 + step, dtype=torch.float32) for shape in shapes] for step in range(4)]
    for portion in (1 << 30, 256 * 4 // torch.get_num_threads()):
        monkeypatch.setattr(groups, "PORTION", portion)
        params = [torch.nn.Parameter(drawn(*shape, seed=i, dtype=torch.float32)) for i, shape in enumerate(shapes)]
        params[0] = torch.nn.Parameter(in_order(params[0].detach(), [1, 0]))
        params[5] = torch.nn.Parameter(in_order(params[5].detach(), [1, 2, 0]))
        optimizer = cls(0.05, **own, **options)
        optimizer.exclude_from_weight_decay(var_list=[params[0]])
        run(optimizer, params, grads.__getitem__)
        found.append(torch.cat([p.detach().flatten() for p in params]))
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


def test_large_tensors_are_cut_and_small_ones_go_together(monkeypatch):
    monkeypatch.setattr(groups, "PORTION", 256 * 4 // torch.get_num_threads())
    params = [torch.nn.Parameter(torch.ones(shape)) for shape in (10, 20, 1000, 100, 100, 30)]
    seen = []
    group = groups.groups_of(params, {p: {} for p in params})[0]
    for unit in ("element", "tensor", None):
        group.run(lambda part, grads: seen.append([g.numel() for g in grads]), params, unit)
    assert seen[:7] == [[10, 20, 256], [256], [256], [232], [100, 100], [30]] + [[10, 20, 1000]]
    assert seen[7:] == [[100, 100], [30], [10, 20, 1000, 100, 100, 30]]
