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


# -- arguments of crossentropies together -----------------------------------------------------------------------------

SMOOTHED = ("BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy")
GRID = list(itertools.product((False, True), (0.0, 0.1, 1.0), (0, 1, 2, -1, -2, -3)))


def cubes(k, loss, target, scores, weights=None):
    """Value and slope for data of equal sizes, where no axis can be taken for another unseen."""
    leaf = torch.tensor(scores, dtype=torch.float32, requires_grad=True)
    value = loss(torch.as_tensor(target), leaf, weights)
    return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]


def assert_equal_outcomes(make, *data):
    mine, real = (cubes(k, make(k.losses), *data) for k in (torchkeras, keras))
    for a, b in zip(mine, real, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=3e-5, atol=3e-6)


@pytest.mark.parametrize("name", SMOOTHED)
def test_logits_smoothing_and_axes_together(name):
    scores, target = RNG.uniform(0.05, 0.95, (3, 3, 3)), np.moveaxis(np.eye(3)[RNG.integers(0, 3, (3, 3))], -1, 1)
    for (from_logits, smoothing, axis), reduction in itertools.product(GRID, ("mean", "none")):
        options = {"from_logits": from_logits, "label_smoothing": smoothing, "axis": axis, "reduction": reduction}
        given = np.log(scores) if from_logits else scores
        assert_equal_outcomes(lambda losses, o=options: getattr(losses, name)(**o), target, given)


def test_ignored_classes_logits_axes_and_weights_together():
    scores = RNG.uniform(0.05, 0.95, (3, 3, 3))
    for ignored, from_logits, axis, reduction, weighted in itertools.product(
        (None, 0, 2, -1, 255), (False, True), (1, 2, -1, -2), REDUCTIONS, (False, True)
    ):
        target = RNG.integers(0, 3, (3, 3))
        target[RNG.random((3, 3)) < 0.3] = 0 if ignored is None else ignored
        options = {"ignore_class": ignored, "from_logits": from_logits, "axis": axis, "reduction": reduction}
        weights = RNG.random((3, 3)) if weighted else None
        assert_equal_outcomes(
            lambda losses, o=options: losses.SparseCategoricalCrossentropy(**o), target, scores, weights
        )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "mixed_float16"])
@pytest.mark.parametrize("name", NAMES)
def test_losses_compute_in_their_dtype(name, dtype):
    target, prediction = inputs(name, (4, 3, 2))
    results = []
    for k in (torchkeras, keras):
        cls = getattr(k.losses, name)
        loss = cls(**needed(cls), dtype=dtype)
        results.append([loss(torch.as_tensor(target), torch.tensor(prediction), w) for w in (None, WEIGHTS["steps"])])
    for a, b in zip(*results, strict=True):
        if dtype == "float64":  # deviations.md: 64 bits are kept
            assert a.dtype == torch.float64
            a = a.to(b.dtype)
        assert a.dtype == b.dtype
        near = 2e-2 if dtype[-2:] == "16" else 2e-6
        torch.testing.assert_close(a, b, rtol=near, atol=near)


def test_a_mask_that_fits_nothing_is_named():
    prediction = torch.ones(2, 3, 1)
    prediction._keras_mask = torch.ones(2, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"Masks of shape \(2, 2\) do not fit values of shape \(2, 3\)"):
        torchkeras.losses.MeanSquaredError()(torch.zeros(2, 3, 1), prediction)
