"""Metrics against the installed Keras on torch: results after several updates, configs, names, lookup."""

import inspect
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pytest
import torch

from torchkeras import metrics as ours
from torchkeras.metrics import resolve

theirs = keras.metrics

ACCURACIES = (
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
)
REGRESSION = (
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "RootMeanSquaredError",
    "CosineSimilarity",
    "LogCoshError",
)
PROBABILISTIC = (
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "KLDivergence",
    "Poisson",
    "Hinge",
    "SquaredHinge",
    "CategoricalHinge",
)
FUNCTIONAL = (*ACCURACIES, *REGRESSION, *PROBABILISTIC)
VARIANTS = {
    "BinaryAccuracy": [{"threshold": 0.3}],
    "TopKCategoricalAccuracy": [{"k": 2}],
    "SparseTopKCategoricalAccuracy": [{"k": 1}, {"k": 3}],
    "BinaryCrossentropy": [{"from_logits": True, "label_smoothing": 0.1}],
    "CategoricalCrossentropy": [{"from_logits": True}, {"label_smoothing": 0.2}],
    "SparseCategoricalCrossentropy": [{"from_logits": True}, {"ignore_class": 1}],
}
CASES = [(name, kwargs) for name in FUNCTIONAL for kwargs in ({}, *VARIANTS.get(name, ()))]
WEIGHTS = {
    "none": None,
    "number": 0.5,
    "samples": np.array([1.0, 0.5, 0.0, 2.0]),
    "column": np.array([[1.0], [0.5], [0.0], [2.0]]),
    "steps": np.linspace(0, 1, 12).reshape(4, 3),
}


def data(name, shape, seed, dtype="float32"):
    """Targets and predictions that suit a metric."""
    rng = np.random.default_rng(seed)
    pred = rng.uniform(0.05, 0.95, shape)
    classes = rng.integers(0, shape[-1], shape[:-1])
    if name.startswith("Sparse"):
        target = classes
    elif "ategorical" in name:
        target = np.eye(shape[-1])[classes]
    elif name == "Accuracy":
        return rng.integers(0, 3, shape), rng.integers(0, 3, shape)
    elif "inary" in name or "inge" in name:
        target = (rng.random(shape) > 0.5).astype("float32")
    else:
        target = rng.uniform(0, 1, shape).astype("float32")
    return target, torch.tensor(pred, dtype=getattr(torch, dtype))


def same(mine, real, batches, weights=None, mask=None):
    """The same results after each of several updates, and again after a reset."""
    for _ in range(2):
        for target, pred in batches:
            for metric in (mine, real):
                given = torch.as_tensor(pred) * 1
                if mask is not None:
                    given._keras_mask = mask
                metric.update_state(torch.as_tensor(target), given, sample_weight=weights)
            result, wanted = mine.result(), real.result()
            assert result.dtype == wanted.dtype
            assert result.shape == wanted.shape
            torch.testing.assert_close(result, wanted.detach(), rtol=2e-5, atol=2e-6, equal_nan=True)
        for one, other in zip(mine.variables, real.variables, strict=True):
            torch.testing.assert_close(one.detach(), other.value.detach(), rtol=2e-5, atol=2e-6, equal_nan=True)
            assert one.path.split("/")[-1] == other.path.split("/")[-1]
        mine.reset_state()
        real.reset_state()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weights", [None, "number", "samples", "column"])
@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=str)
def test_results(name, kwargs, weights):
    weights = WEIGHTS[weights or "none"]
    if "ignore_class" in kwargs and weights is not None:  # Keras on torch takes only full weights beside a mask
        weights = np.broadcast_to(weights, (4,)).copy() if np.ndim(weights) < 2 else weights[:, 0]
    mine, real = (getattr(room, name)(**kwargs) for room in (ours, theirs))
    same(mine, real, [data(name, (4, 6), seed) for seed in (0, 1)], weights)


@pytest.mark.parametrize("weights", tuple(WEIGHTS))
@pytest.mark.parametrize("masked", (False, True))
@pytest.mark.parametrize("name", ("SparseCategoricalAccuracy", "MeanSquaredError", "BinaryCrossentropy"))
def test_results_of_steps(name, masked, weights):
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], dtype=torch.bool) if masked else None
    weights = WEIGHTS[weights]
    mine, real = (getattr(room, name)() for room in (ours, theirs))
    if masked and weights is not None:  # Keras on torch takes only full weights beside a mask
        weights = np.broadcast_to(weights if np.ndim(weights) != 1 else weights[:, None], (4, 3)).copy()
    same(mine, real, [data(name, (4, 3, 5), seed) for seed in (0, 1)], weights, mask)


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_batches_of_one_and_none(name):
    for shape in ((1, 6), (0, 6)):
        if shape[0] == 0 and name == "CategoricalHinge":
            continue  # Keras refuses to take a maximum of nothing
        mine, real = (getattr(room, name)() for room in (ours, theirs))
        same(mine, real, [data(name, shape, 0), data(name, (3, 6), 1)])


@pytest.mark.parametrize("dtype", ("float16", "bfloat16", "float64"))
@pytest.mark.parametrize("name", ("BinaryAccuracy", "SparseCategoricalAccuracy", "MeanSquaredError"))
def test_dtypes_of_predictions(name, dtype):
    mine, real = (getattr(room, name)() for room in (ours, theirs))
    target, pred = data(name, (4, 6), 0, dtype)
    for metric in (mine, real):
        metric.update_state(torch.as_tensor(target), pred)
    assert mine.result().dtype == real.result().dtype == torch.float32
    torch.testing.assert_close(mine.result(), real.result(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("true_dtype", ("int32", "int64", "uint8", "float32"))
@pytest.mark.parametrize("shape", ((4,), (4, 1)))
def test_sparse_target_forms(true_dtype, shape):
    target = torch.tensor([0, 1, 2, 1]).reshape(shape).to(getattr(torch, true_dtype))
    for name in ("SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "SparseCategoricalCrossentropy"):
        mine, real = (getattr(room, name)() for room in (ours, theirs))
        same(mine, real, [(target, data("Sparse", (4, 6), 2)[1])])


@pytest.mark.parametrize("name", ("Accuracy", "BinaryAccuracy", "MeanSquaredError", "RootMeanSquaredError"))
def test_ranks_that_differ_by_one(name):
    for true_shape, pred_shape in (((4,), (4, 1)), ((4, 1), (4,)), ((4,), (4,)), ((4, 3), (4, 3, 1))):
        rng = np.random.default_rng(0)
        target, pred = rng.integers(0, 2, true_shape), rng.integers(0, 2, pred_shape)
        mine, real = (getattr(room, name)() for room in (ours, theirs))
        same(mine, real, [(target.astype("float32"), pred.astype("float32"))])


@pytest.mark.parametrize("name", ("Mean", "Sum"))
@pytest.mark.parametrize(
    ("values", "weights"),
    [
        (2.0, None),
        (2.0, 3),
        (2.0, 0.5),
        ([1.0, 3.0], None),
        ([1.0, 3.0], [1.0, 0.5]),
        ([1.0, 3.0], 2.0),
        ([[1.0, 2.0], [3.0, 5.0]], None),
        ([[1.0, 2.0], [3.0, 5.0]], [1.0, 0.5]),
        ([[1.0, 2.0], [3.0, 5.0]], [[1.0], [0.5]]),
        ([[1.0, 2.0], [3.0, 5.0]], [[1.0, 0.0], [0.5, 2.0]]),
        ([[[1.0, 2.0], [3.0, 5.0]]], [[1.0, 0.0]]),
        ([[[1.0, 2.0], [3.0, 5.0]]], 2.0),
        (np.arange(6), None),
        ([1.0, 3.0], [0.0, 0.0]),
    ],
    ids=str,
)
def test_mean_and_sum(name, values, weights):
    mine, real = getattr(ours, name)(), getattr(theirs, name)()
    for _ in range(2):
        mine.update_state(values, sample_weight=weights)
        real.update_state(values, sample_weight=weights)
        torch.testing.assert_close(mine.result(), real.result().detach())
        for one, other in zip(mine.variables, real.variables, strict=True):
            torch.testing.assert_close(one.detach(), other.value.detach())


FUNCTIONS = (
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "top_k_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
)


@pytest.mark.parametrize("shape", ((4, 6), (2, 3, 6), (1, 6)))
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, shape):
    target, pred = data(name.title(), shape, 0)
    mine, real = (getattr(room, name)(target, pred) for room in (ours, theirs))
    assert mine.dtype == real.dtype
    torch.testing.assert_close(mine, real)


def test_sorted_ids():
    ids, target = torch.tensor([[3, 1, 0], [2, 0, 1]]), torch.tensor([1, 1])
    for k in (1, 2, 3):
        mine, real = (room.sparse_top_k_categorical_accuracy(target, ids, k, True) for room in (ours, theirs))
        torch.testing.assert_close(mine, real)


@pytest.mark.parametrize("name", (*FUNCTIONAL, "Mean", "Sum"))
def test_configs_names_and_signatures(name):
    mine, real = getattr(ours, name), getattr(theirs, name)
    assert mine().get_config() == real().get_config()
    assert mine().name == real().name
    assert ours.serialize(mine(name="x")) == theirs.serialize(real(name="x"))
    assert ours.deserialize(theirs.serialize(real(name="y"))).get_config() == real(name="y").get_config()
    assert theirs.deserialize(ours.serialize(mine(name="y"))).get_config() == mine(name="y").get_config()
    assert getattr(mine(), "_direction", None) == getattr(real(), "_direction", None)
    given, wanted = ([(p.name, p.default) for p in inspect.signature(cls).parameters.values()] for cls in (mine, real))
    assert given == wanted


MISSING = {
    "R2Score",
    "AUC",
    "FalseNegatives",
    "FalsePositives",
    "Precision",
    "PrecisionAtRecall",
    "Recall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
    "TrueNegatives",
    "TruePositives",
    "ConcordanceCorrelation",
    "PearsonCorrelation",
    "F1Score",
    "FBetaScore",
    "IoU",
    "BinaryIoU",
    "MeanIoU",
    "OneHotIoU",
    "OneHotMeanIoU",
}


def test_every_name_that_keras_reads_is_read():
    from keras.src import metrics as source

    for name, cls in source.ALL_OBJECTS_DICT.items():
        if cls.__name__ not in MISSING and cls.__name__ not in ("Metric", "MeanMetricWrapper"):
            assert type(ours.get(name)).__name__ == cls.__name__


SHAPES = [
    ((8,), (8, 1)),
    ((8, 1), (8, 1)),
    ((8,), (8, 3)),
    ((8, 1), (8, 3)),
    ((8, 3), (8, 3)),
    ((8, 4), (8, 4, 3)),
    ((8,), (8,)),
]


@pytest.mark.parametrize(("true_shape", "pred_shape"), SHAPES)
def test_names_resolved_by_shape(true_shape, pred_shape):
    from keras.src.trainers.compile_utils import get_loss, get_metric

    y_true, y_pred = np.zeros(true_shape), np.zeros(pred_shape)
    for name in ("accuracy", "acc", "mse", "MeanSquaredError"):
        mine, real = (find(name, y_true, y_pred) for find in (resolve.resolve_metric, get_metric))
        assert (type(mine).__name__, mine.name) == (type(real).__name__, real.name)
    for name in ("crossentropy", "ce", "mse"):
        mine, real = (find(name, y_true, y_pred) for find in (resolve.resolve_loss, get_loss))
        assert (mine.fn.__name__, mine.name) == (real.fn.__name__, real.name)


def my_metric(y_true, y_pred):
    return abs(y_true - y_pred)


class MyMetric:
    def __call__(self, y_true, y_pred):
        return abs(y_true - y_pred)


@pytest.mark.parametrize("identifier", [my_metric, MyMetric(), lambda y_true, y_pred: y_pred])
def test_names_of_functions_in_logs(identifier):
    from keras.src.trainers.compile_utils import get_loss, get_metric

    y = np.zeros((2, 1))
    assert resolve.resolve_metric(identifier, y, y).name == get_metric(identifier, y, y).name
    assert resolve.resolve_loss(identifier, y, y).name == get_loss(identifier, y, y).name


def test_wrapped_function_config():
    mine, real = (
        room.MeanMetricWrapper(function, name="h", delta=0.5)
        for room, function in ((ours, ours.huber), (theirs, keras.losses.huber))
    )
    given, wanted = mine.get_config(), real.get_config()
    assert {**given, "fn": given["fn"]["config"]} == {**wanted, "fn": wanted["fn"]["config"]}
    assert mine._direction == real._direction == "down"
    assert ours.deserialize(theirs.serialize(real))([[0.0]], [[2.0]]) == mine([[0.0]], [[2.0]])
