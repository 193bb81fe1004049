"""What holds for every published loss and its function: transforms of torch, copies, life and death."""

import copy
import gc
import inspect
import pickle
import weakref
from functools import partial

import pytest
import torch
from torch.func import grad, hessian, jacrev, vmap

from compat.needed import needed
from torchkeras import losses
from torchkeras.core import registry
from torchkeras.core.fields import field
from torchkeras.losses.loss import FunctionLoss

FUNCTIONS, CLASSES = [], []
for each in dict.fromkeys(found for name in dir(losses) if callable(found := getattr(losses, name))):
    entry = registry.entry_of(each)
    if entry is not None and entry.kind == "loss":
        if inspect.isfunction(each):
            FUNCTIONS.append(each)
        elif issubclass(each, FunctionLoss):
            CLASSES.append(each)


def inputs(name, rows=4):
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(rows, 3, generator=generator) * 0.8 + 0.1
    classes = torch.arange(rows) % 3
    if name.lower() == "ctc":
        return torch.tensor([[1, 2], [1, 0], [2, 2], [2, 1]])[:rows], torch.rand(rows, 6, 3, generator=generator)
    return (classes if name.lower().startswith(LABELLED) else torch.eye(3)[classes]), scores


LABELLED = ("sparse", "circle", "categoricalgeneralized", "categorical_generalized")
# Not one by one under `vmap`: rows are compared with each other, or torch's kernel does not know it.
TOGETHER = ("circle", "ctc")


def test_all_are_found():
    assert len(CLASSES) >= 22
    assert len(FUNCTIONS) >= 22
    assert {cls.function for cls in CLASSES} <= set(FUNCTIONS)


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f.__name__ not in TOGETHER], ids=lambda f: f.__name__)
def test_functions_under_transforms(function):
    """Per-sample values and gradients, second derivatives, and shapes without data."""
    target, scores = inputs(function.__name__)
    function = partial(function, **needed(function))
    rows = [function(target[i : i + 1], scores[i : i + 1]).sum() for i in range(4)]
    torch.testing.assert_close(vmap(lambda t, p: function(t[None], p[None]).sum())(target, scores), torch.stack(rows))
    torch.testing.assert_close(
        vmap(function)(target, scores), torch.stack([function(t, p) for t, p in zip(target, scores)])
    )

    leaf = scores.clone().requires_grad_()
    single = lambda p, t: function(t[None], p[None]).sum()
    expected = torch.stack([torch.autograd.grad(single(p, t), p)[0] for p, t in zip(leaf.unbind(), target)])
    torch.testing.assert_close(vmap(grad(single))(scores, target), expected)
    torch.testing.assert_close(
        jacrev(lambda p: function(target, p).sum())(scores), grad(lambda p: function(target, p).sum())(scores)
    )
    assert torch.isfinite(hessian(lambda p: function(target[:1], p).sum())(scores[:1])).all()
    assert function(target.to("meta"), scores.to("meta")).shape == function(target, scores).shape


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"])
@pytest.mark.parametrize("cls", [c for c in CLASSES if c.__name__.lower() not in TOGETHER], ids=lambda c: c.__name__)
def test_classes_under_transforms(cls, reduction):
    target, scores = inputs(cls.__name__)
    loss, weights = cls(reduction=reduction), torch.linspace(0.5, 2.0, 4)
    for given in ((), (weights,)):
        rows = [loss(*(each[i : i + 1] for each in (target, scores, *given))).sum() for i in range(4)]
        mapped = vmap(lambda *row: loss(*(each[None] for each in row)).sum())(target, scores, *given)
        torch.testing.assert_close(mapped, torch.stack(rows))
    gradient = vmap(grad(lambda p, t: loss(t[None], p[None]).sum()))(scores, target)
    assert gradient.shape == scores.shape


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_copies_are_equal_and_nothing_is_kept(cls):
    data, loss = inputs(cls.__name__), cls()
    for other in (copy.copy(loss), copy.deepcopy(loss), pickle.loads(pickle.dumps(loss)), cls.from_config({})):
        torch.testing.assert_close(other(*data), loss(*data))
        assert other.get_config() == loss.get_config()
    inspect.getmembers(loss)
    alive = weakref.ref(loss)
    del loss, other
    gc.collect()
    assert alive() is None


def test_a_loss_of_a_lambda_copies_and_dies():
    loss = losses.LossFunctionWrapper(lambda t, p: (t - p).abs())
    assert copy.deepcopy(loss)([1.0], [3.0]) == 2.0
    alive = weakref.ref(loss)
    del loss
    gc.collect()
    assert alive() is None


def test_fields_come_from_the_function():
    def scaled(y_true, y_pred, factor=2.0, shift=0.5):
        return (y_true - y_pred).abs() * factor + shift

    class ScaledError(FunctionLoss, function=scaled):
        """A loss in one line."""

    class Ordered(FunctionLoss, function=scaled, order=("shift", "name", "reduction", "dtype"), unwritten=("shift",)):
        name = field("other")

    assert list(inspect.signature(ScaledError).parameters) == ["factor", "shift", "reduction", "name", "dtype"]
    loss = ScaledError(3.0, reduction="sum")
    assert loss([0.0], [1.0]) == 3.5
    assert loss.get_config() == {"name": "scaled_error", "reduction": "sum", "factor": 3.0, "shift": 0.5}
    assert ScaledError.from_config(loss.get_config())([0.0], [1.0]) == 3.5
    assert list(inspect.signature(Ordered).parameters) == ["shift", "name", "reduction", "dtype"]
    assert Ordered().get_config() == {"name": "other", "reduction": "sum_over_batch_size"}
    assert Ordered(1.0).get_config()["shift"] == 1.0
