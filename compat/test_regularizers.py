"""Regularizers and constraints against the installed Keras on torch."""

import inspect

import keras
import pytest
import torch

from torchkeras import constraints, regularizers

CASES = [
    ("regularizers", "L1", {}),
    ("regularizers", "L1", {"l1": 0.2}),
    ("regularizers", "L2", {"l2": 0.3}),
    ("regularizers", "L1L2", {}),
    ("regularizers", "L1L2", {"l1": 0.1, "l2": 0.2}),
    ("regularizers", "OrthogonalRegularizer", {}),
    ("regularizers", "OrthogonalRegularizer", {"factor": 0.1, "mode": "columns"}),
    ("constraints", "MaxNorm", {}),
    ("constraints", "MaxNorm", {"max_value": 1.5, "axis": 1}),
    ("constraints", "NonNeg", {}),
    ("constraints", "UnitNorm", {}),
    ("constraints", "UnitNorm", {"axis": [0, 1]}),
    ("constraints", "MinMaxNorm", {}),
    ("constraints", "MinMaxNorm", {"min_value": 1.9, "max_value": 2.1, "rate": 0.5}),
]
FAMILIES = {"regularizers": regularizers, "constraints": constraints}


@pytest.mark.parametrize(("family", "name", "config"), CASES, ids=str)
def test_values_gradients_and_configs(family, name, config):
    module, theirs = FAMILIES[family], getattr(keras, family)
    want, have = getattr(theirs, name)(**config), getattr(module, name)(**config)
    a, b = (torch.randn(4, 5, generator=torch.Generator().manual_seed(2)).requires_grad_() for _ in range(2))
    first, second = want(a), have(b)
    torch.testing.assert_close(second, first, rtol=1e-6, atol=1e-7)
    if first.requires_grad:
        first.square().sum().backward()
        second.square().sum().backward()
        torch.testing.assert_close(b.grad, a.grad, rtol=1e-5, atol=1e-7)
    assert module.serialize(have) == theirs.serialize(want)
    assert module.get(theirs.serialize(want)).get_config() == want.get_config()


@pytest.mark.parametrize("family", FAMILIES)
def test_public_names_and_signatures(family):
    theirs = getattr(keras, family)
    for name in (n for n in dir(theirs) if not n.startswith("_")):
        ours = getattr(FAMILIES[family], name)
        if isinstance(ours, type) and name not in ("Regularizer", "Constraint"):
            assert str(inspect.signature(ours)) == str(inspect.signature(getattr(theirs, name)))


def test_identifiers():
    assert regularizers.get(None) is None
    assert regularizers.get("l2").l2 == 0.01
    assert regularizers.get(regularizers.L1).l1 == 0.01
    assert regularizers.get("l1_l2").get_config() == {"l1": 0.01, "l2": 0.01}  # the name is Keras 2's alone
    assert regularizers.l1_l2().get_config() == {"l1": 0.0, "l2": 0.0}
    assert isinstance(constraints.get("max_norm"), constraints.MaxNorm)
    function = lambda w: w.abs().sum()
    assert regularizers.get(function) is function
    with pytest.raises(ValueError, match="'l3' is no regularizer"):
        regularizers.get("l3")
    with pytest.raises(ValueError, match="at least 0"):
        regularizers.L2(-1.0)
    with pytest.raises(ValueError, match="matrix"):
        regularizers.OrthogonalRegularizer()(torch.ones(3))
    with pytest.raises(TypeError, match="`factor`"):
        regularizers.L2(factor=1.0)


def test_a_regularizer_of_a_user_needs_get_config_only_to_be_saved():
    class Mine(regularizers.Regularizer):
        def __call__(self, x):
            return x.sum()

    assert regularizers.get(Mine)(torch.ones(3)) == 3
    with pytest.raises(NotImplementedError, match="Mine must define get_config"):
        regularizers.serialize(Mine())
