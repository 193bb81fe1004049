"""Every published loss: reduction x rank of sample weights x mask x dtype, values and gradients beside Keras's.

Targets and predictions have samples and steps, `(4, 3, 2)`, so that a loss has values `(4, 3)`. Where Keras on torch
takes weights beside a mask only in full, it gets them so; what differs on purpose has its line in deviations.md.
"""

import itertools

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.needed import needed
from compat.test_family_sweeps import LOSSES, WHOLE, inputs, takes_indices

RNG = np.random.default_rng(7)
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)
MASK = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], bool)
MASKS = {"none": None, "some": MASK, "nothing": np.zeros((4, 3), bool), "all": np.ones((4, 3), bool)}
WEIGHTS = {
    "none": None,
    "number": np.float32(0.5),
    "scalar": np.array(2.0),
    "samples": np.array([1.0, 0.5, 0.0, 2.0]),
    "column": np.array([[1.0], [0.5], [0.0], [2.0]]),
    "steps": RNG.random((4, 3)),
    "trailing axis": RNG.random((4, 3, 1)),
    "zeros": np.zeros((4, 3)),
    "negative": -RNG.random((4, 3)),
    "one": np.ones((1,)),
    "row": RNG.random((1, 3)),
}
NAMES = [name for name, is_class in LOSSES if is_class and name not in WHOLE]


def for_keras(weights, masked):
    """The same weights as Keras takes them: of samples as a column, beside a mask one for each step."""
    if weights is None:
        return None
    weights = weights[:, None] if weights.shape == (4,) else weights[..., 0] if weights.ndim == 3 else weights
    return np.broadcast_to(weights, (4, 3)).copy() if masked else weights


def outcome(k, name, reduction, data, weights, mask, dtype="float32"):
    cls = getattr(k.losses, name)
    loss = cls(**needed(cls), reduction=reduction)
    target, prediction = data
    leaf = torch.tensor(prediction, dtype=getattr(torch, dtype), requires_grad=True)
    given = leaf * 1.0
    if mask is not None:
        given._keras_mask = torch.tensor(mask)
    value = loss(torch.as_tensor(target), given, weights)
    (slope,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), slope


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", NAMES)
def test_weights_of_every_rank(name, mask):
    data, mask = inputs(name, (4, 3, 2)), MASKS[mask]
    for (kind, weights), reduction in itertools.product(WEIGHTS.items(), REDUCTIONS):
        mine = outcome(torchkeras, name, reduction, data, weights, mask)
        real = outcome(keras, name, reduction, data, for_keras(weights, mask is not None), mask)
        for a, b in zip(mine, real, strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype, (kind, reduction)
            torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-6, msg=lambda m, at=(kind, reduction): f"{at} {m}")


@pytest.mark.parametrize("shape", [(5,), (4, 2), (3, 3), (4, 3, 2), (4, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_weights_of_a_wrong_shape_are_refused(name, shape):
    for mask in (None, MASK):
        with pytest.raises(ValueError, match=r"Weights of shape .* do not fit values of shape"):
            outcome(torchkeras, name, "sum_over_batch_size", inputs(name, (4, 3, 2)), np.ones(shape), mask)


DTYPES = ("float16", "bfloat16", "float32", "float64")
LABELS = ("bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64")


@pytest.mark.parametrize("name", NAMES)
def test_dtypes_of_labels_and_predictions(name):
    target, prediction = inputs(name, (4, 3, 2))
    for dtype, label in itertools.product(DTYPES, LABELS):
        given = (target if takes_indices(name) or label != "bool" else target > 0).astype(label)
        results = [
            outcome(k, name, "sum_over_batch_size", (given, prediction), WEIGHTS["column"], None, dtype)
            for k in (torchkeras, keras)
        ]
        near = {"rtol": 1e-2, "atol": 1e-2} if dtype[-2:] == "16" else {"rtol": 2e-5, "atol": 2e-6}
        for a, b in zip(*results, strict=True):
            assert a.dtype == b.dtype, (dtype, label)
            torch.testing.assert_close(a, b, **near, msg=lambda m, d=dtype, t=label: f"{d} {t} {m}")


# Keras on torch has no maximum of nothing.
FEW = [(name, rows) for name in NAMES for rows in (0, 1) if (name, rows) != ("CategoricalHinge", 0)]


@pytest.mark.parametrize(("name", "rows"), FEW)
def test_no_sample_and_one_sample(name, rows):
    target, prediction = inputs(name, (4, 3, 2))
    for reduction, weights in itertools.product(REDUCTIONS, (None, WEIGHTS["column"], WEIGHTS["steps"])):
        weights = None if weights is None else weights[:rows]
        data = target[:rows], prediction[:rows]
        results = [outcome(k, name, reduction, data, weights, None) for k in (torchkeras, keras)]
        for a, b in zip(*results, strict=True):
            assert a.shape == b.shape
            torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-6, equal_nan=True)
