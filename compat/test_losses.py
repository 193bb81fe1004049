"""Losses against the installed Keras on torch: values, gradients, shapes, dtypes, configs, names.

One process, one seed; every loss over shapes, reductions, weights, masks and dtypes.
"""

import inspect
import itertools
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pytest
import torch

from torchkeras import losses as ours

theirs = keras.losses

ELEMENTWISE = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
    "cosine_similarity",
    "hinge",
    "squared_hinge",
    "categorical_hinge",
    "kl_divergence",
    "poisson",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "dice",
    "tversky",
)
CLASSES = (
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "Huber",
    "LogCosh",
    "CosineSimilarity",
    "Hinge",
    "SquaredHinge",
    "CategoricalHinge",
    "KLDivergence",
    "Poisson",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "SparseCategoricalCrossentropy",
    "Dice",
    "Tversky",
)
# Arguments beyond the defaults that matter for a loss.
VARIANTS = {
    "Huber": [{"delta": 0.3}],
    "CosineSimilarity": [{"axis": 1}],
    "BinaryCrossentropy": [{"from_logits": True}, {"label_smoothing": 0.1}, {"axis": 0}],
    "BinaryFocalCrossentropy": [{"apply_class_balancing": True, "gamma": 1.5}, {"from_logits": True}],
    "CategoricalCrossentropy": [{"from_logits": True}, {"label_smoothing": 0.1}, {"from_logits": True, "axis": 1}],
    "CategoricalFocalCrossentropy": [{"from_logits": True, "label_smoothing": 0.2}],
    "SparseCategoricalCrossentropy": [{"from_logits": True}, {"ignore_class": 1}],
    "Dice": [{"axis": (1,)}],
    "Tversky": [{"alpha": 0.3, "beta": 0.7}],
}
CASES = [(name, kwargs) for name in CLASSES for kwargs in ({}, *VARIANTS.get(name, ()))]
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)
SHAPES = ((1, 3), (4, 3), (4, 1), (2, 5, 3))


def data(name, shape, kwargs=(), seed=0):
    """Probabilities (or logits) and targets that suit a loss."""
    rng = np.random.default_rng(seed)
    sparse = "parse" in name
    pred = rng.uniform(0.05, 0.95, shape)
    if "from_logits" in kwargs:
        pred = rng.normal(size=shape) * 3
    if sparse:
        return rng.integers(0, shape[-1], shape[:-1]), pred
    if "ategorical" in name:
        return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])], pred
    if "inary" in name or "inge" in name:
        return (rng.random(shape) > 0.5).astype("float64"), pred
    return rng.uniform(0, 1, shape), pred


def outcome(call, target, pred, dtype="float32", mask=None):
    """Value and gradient of one implementation."""
    y_pred = torch.tensor(pred, dtype=getattr(torch, dtype), requires_grad=True)
    given = y_pred
    if mask is not None:
        given = y_pred * 1.0
        given._keras_mask = torch.tensor(mask)
    is_index = np.issubdtype(np.asarray(target).dtype, np.integer)
    y_true = torch.tensor(target) if is_index else torch.tensor(target, dtype=getattr(torch, dtype))
    value = call(y_true, given)
    value.sum().backward()
    return value.detach(), y_pred.grad


def compare(mine, real, target, pred, dtype="float32", mask=None, rtol=2e-5, atol=2e-6):
    value, grad = outcome(mine, target, pred, dtype, mask)
    wanted, wanted_grad = outcome(real, target, pred, dtype, mask)
    assert value.dtype == wanted.dtype
    assert value.shape == wanted.shape
    torch.testing.assert_close(value, wanted, rtol=rtol, atol=atol, equal_nan=True)
    torch.testing.assert_close(grad, wanted_grad, rtol=rtol * 10, atol=atol * 10, equal_nan=True)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("name", (*ELEMENTWISE, "sparse_categorical_crossentropy"))
def test_function_values(name, dtype):
    real = getattr(theirs, name)
    if dtype == "float64":  # Keras falls to float32 where a Python number meets float64 in some of its operations
        compare(getattr(ours, name), lambda t, p: real(t, p).double(), *data(name, (4, 3)), dtype)
        return
    for shape in SHAPES:
        compare(getattr(ours, name), real, *data(name, shape), dtype)


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
@pytest.mark.parametrize("name", (*ELEMENTWISE, "sparse_categorical_crossentropy"))
def test_functions_in_16_bits(name, dtype):
    compare(getattr(ours, name), getattr(theirs, name), *data(name, (4, 3)), dtype, rtol=0.02, atol=0.02)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=lambda value: str(value))
def test_class_values(name, kwargs, reduction):
    for shape in SHAPES:
        if kwargs.get("axis") == 1 and len(shape) == 3 and "ategorical" in name:
            continue
        mine, real = (getattr(room, name)(reduction=reduction, **kwargs) for room in (ours, theirs))
        compare(mine, real, *data(name, shape, kwargs))


@pytest.mark.parametrize("name", ("BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"))
@pytest.mark.parametrize("axis", (1, 2, -1, -2))
@pytest.mark.parametrize("from_logits", (False, True))
def test_class_axis(name, axis, from_logits):
    rng = np.random.default_rng(1)
    pred = rng.uniform(0.1, 0.9, (2, 4, 4))
    target = rng.integers(0, 4, (2, 4)) if "Sparse" in name else rng.uniform(0, 1, (2, 4, 4))
    mine, real = (getattr(room, name)(axis=axis, from_logits=from_logits) for room in (ours, theirs))
    compare(mine, real, target, pred)


WEIGHTS = {
    "number": 0.5,
    "samples": np.array([1.0, 0.5, 0.0, 2.0]),
    "column": np.array([[1.0], [0.5], [0.0], [2.0]]),
    "steps": np.linspace(0, 1, 12).reshape(4, 3),
    "zeros": np.zeros((4, 1)),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weights", [None, "number", "column", "steps", "zeros"])
@pytest.mark.parametrize("masked", (False, True))
@pytest.mark.parametrize("name", ("MeanSquaredError", "BinaryCrossentropy", "SparseCategoricalCrossentropy"))
def test_weights_and_masks_of_steps(name, masked, weights, reduction):
    mask = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], bool) if masked else None
    target, pred = data(name, (4, 3, 2))
    mine, real = (getattr(room, name)(reduction=reduction) for room in (ours, theirs))
    weights = wanted_weights = WEIGHTS.get(weights)
    if masked and weights is not None:  # Keras on torch takes only full weights beside a mask
        wanted_weights = np.broadcast_to(weights, (4, 3)).copy()
    compare(
        lambda t, p: mine(t, p, sample_weight=weights),
        lambda t, p: real(t, p, sample_weight=wanted_weights),
        target,
        pred,
        mask=mask,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weights", ["number", "samples", "column"])
def test_weights_of_samples(weights, reduction):
    target, pred = data("MeanSquaredError", (4, 3))
    mine, real = (room.MeanSquaredError(reduction=reduction) for room in (ours, theirs))
    weights = WEIGHTS[weights]
    compare(lambda t, p: mine(t, p, weights), lambda t, p: real(t, p, weights), target, pred)


@pytest.mark.parametrize("reduction", ("sum_over_batch_size", "sum", "mean_with_sample_weight"))
def test_ignored_class_joins_the_mask(reduction):
    mask = np.array([[1, 1, 0], [1, 0, 1]], bool)
    target, pred = np.array([[0, 1, 0], [1, 1, 0]]), data("", (2, 3, 2))[1]
    mine, real = (room.SparseCategoricalCrossentropy(ignore_class=1, reduction=reduction) for room in (ours, theirs))
    compare(mine, real, target, pred, mask=mask)


@pytest.mark.parametrize("from_logits", (False, True))
def test_many_classes(from_logits):
    target, pred = data("sparse", (6, 400), {"from_logits": 1} if from_logits else ())
    mine, real = (room.SparseCategoricalCrossentropy(from_logits=from_logits) for room in (ours, theirs))
    compare(mine, real, target, pred)
    pred[:, :200] = 0.0
    compare(mine, real, target, pred)


@pytest.mark.parametrize("name", ("BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"))
def test_clipping_at_the_edges(name):
    pred = np.array([[0.0, 1.0], [1.0, 0.0], [1e-9, 1 - 1e-9], [0.5, 0.5]])
    target = np.array([0, 0, 1, 1]) if "Sparse" in name else np.array([[1.0, 0], [1, 0], [0, 1], [1, 0]])
    for reduction in ("none", "sum_over_batch_size"):
        mine, real = (getattr(room, name)(reduction=reduction) for room in (ours, theirs))
        compare(mine, real, target, pred, atol=1e-5)


@pytest.mark.parametrize("name", ("MeanSquaredError", "MeanAbsoluteError", "BinaryCrossentropy", "Huber"))
def test_ranks_that_differ_by_one(name):
    rng = np.random.default_rng(3)
    for true_shape, pred_shape in (
        ((4,), (4, 1)),
        ((4, 1), (4,)),
        ((4, 3), (4, 3, 1)),
        ((4, 3, 1), (4, 3)),
        ((4,), (4,)),
    ):
        target, pred = (rng.random(true_shape) > 0.5).astype("float64"), rng.uniform(0.1, 0.9, pred_shape)
        for reduction in ("none", "mean"):
            mine, real = (getattr(room, name)(reduction=reduction) for room in (ours, theirs))
            compare(mine, real, target, pred)


@pytest.mark.parametrize("shape", ((0,), (0, 3), (0, 3, 2)))
@pytest.mark.parametrize("name", ("MeanSquaredError", "BinaryCrossentropy", "CategoricalCrossentropy"))
def test_empty_batch(name, shape):
    for reduction in REDUCTIONS:
        mine, real = (getattr(room, name)(reduction=reduction) for room in (ours, theirs))
        compare(mine, real, np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize("true_dtype", ("int32", "int64", "uint8", "float64", "bool"))
@pytest.mark.parametrize("pred_dtype", ("float16", "bfloat16", "float32", "float64"))
@pytest.mark.parametrize("name", ("MeanSquaredError", "BinaryCrossentropy", "SparseCategoricalCrossentropy"))
def test_input_dtypes(name, true_dtype, pred_dtype):
    pred = torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=getattr(torch, pred_dtype))
    target = torch.tensor([1, 0] if "Sparse" in name else [[1, 0], [0, 1]]).to(getattr(torch, true_dtype))
    mine, real = (getattr(room, name)()(target, pred) for room in (ours, theirs))
    assert mine.dtype == real.dtype == torch.float32
    torch.testing.assert_close(mine, real)


@pytest.mark.parametrize("name", ("mean_squared_error", "mean_absolute_error", "poisson", "log_cosh", "huber"))
@pytest.mark.parametrize(
    "pair",
    [(1.0, 0.0), ([1.0, 2.0], [1.5, 2.0]), ([[1, 2]], [[3.0, 5.0]]), (np.ones((2, 2)), np.zeros((2, 2)))],
    ids=["numbers", "list", "whole targets", "arrays"],
)
def test_functions_of_numbers_lists_and_arrays(name, pair):
    mine, real = getattr(ours, name)(*pair), getattr(theirs, name)(*pair)
    assert mine.dtype == real.dtype
    torch.testing.assert_close(mine, real)


@pytest.mark.parametrize("name", CLASSES)
def test_configs_names_and_signatures(name):
    mine, real = getattr(ours, name), getattr(theirs, name)
    assert mine().get_config() == real().get_config()
    assert mine().name == real().name
    assert ours.serialize(mine(name="x", reduction="sum")) == theirs.serialize(real(name="x", reduction="sum"))
    assert ours.deserialize(theirs.serialize(real(reduction="sum"))).get_config() == real(reduction="sum").get_config()
    assert theirs.deserialize(ours.serialize(mine(name="y"))).get_config() == real(name="y").get_config()
    given, wanted = ([(p.name, p.default) for p in inspect.signature(cls).parameters.values()] for cls in (mine, real))
    assert given == wanted


@pytest.mark.parametrize("name", (*ELEMENTWISE, "sparse_categorical_crossentropy"))
def test_function_signatures(name):
    given, wanted = (
        [(p.name, p.default) for p in inspect.signature(getattr(room, name)).parameters.values()]
        for room in (ours, theirs)
    )
    assert given == wanted


def test_every_name_that_keras_reads_is_read():
    from keras.src import losses as source

    missing = {"CTC", "ctc", "Circle", "circle"}
    for name, target in source.ALL_OBJECTS_DICT.items():
        if name not in missing and name not in ("Loss", "LossFunctionWrapper"):
            found = ours.get(name)
            assert (found.__name__ if inspect.isfunction(found) else type(found).__name__) == target.__name__


@pytest.mark.parametrize("reduction", ("sum", "mean"))
def test_structures(reduction):
    def both(room, wrapper):
        call = wrapper(lambda t, p: abs(t["a"] - p["a"]) + t["b"][0] * p["b"][0], reduction=reduction)
        structure = [{"a": torch.tensor([1.0, 2.0]) * k, "b": [torch.tensor([3.0, 4.0]) * k]} for k in (1, 2)]
        return call(*structure, sample_weight=np.array([1.0, 0.5]))

    from keras.src.losses.losses import LossFunctionWrapper

    torch.testing.assert_close(both(ours, ours.LossFunctionWrapper), both(theirs, LossFunctionWrapper))


def test_reduce_weighted_values():
    from keras.src.losses.loss import reduce_weighted_values

    values = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    masks = (None, torch.tensor([[True, False, True], [False, False, True]]), torch.zeros(2, 3, dtype=torch.bool))
    weights = (None, 2.0, [[1.0], [0.5]], [[1.0, 0.0, 2.0], [3.0, 1.0, 1.0]])
    for mask, weight, reduction in itertools.product(masks, weights, REDUCTIONS):
        mine = ours.reduce_weighted_values(values, weight, mask, reduction)
        if mask is not None and weight is not None:  # Keras on torch takes only full weights beside a mask
            weight = np.broadcast_to(weight, (2, 3)).copy()
        torch.testing.assert_close(mine, reduce_weighted_values(values, weight, mask, reduction))


@pytest.mark.parametrize("from_logits", (False, True))
@pytest.mark.parametrize("ignore_class", (None, -100, 1))
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_torchs_label_for_nothing_is_one_value_of_the_mean(reduction, ignore_class, from_logits):
    options = {"reduction": reduction, "ignore_class": ignore_class, "from_logits": from_logits}
    for target, pred in (([0, -100, 1], (3, 3)), ([[0, -100], [-100, 1]], (2, 2, 3)), ([0, -100, 1], (3, 300))):
        mine, real = (room.SparseCategoricalCrossentropy(**options) for room in (ours, theirs))
        compare(mine, real, np.array(target), data("", pred)[1])
