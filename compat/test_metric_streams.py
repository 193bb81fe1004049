"""Every published metric over streams of uneven batches beside Keras: options, weights of every rank, dtypes, extreme
values, state before and after, results before any update, reuse after a reset.

Driven by what is published: a class without a line in `CASES` fails. Where Keras raises there is nothing to agree with.
"""

import inspect
import warnings

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.names import find, manifest

SIZES = (7, 1, 32, 0, 5)
AVERAGES = (None, "micro", "macro", "weighted")
RATES = [{"num_thresholds": 1}, {"num_thresholds": 7, "class_id": -1}]
COUNTS = [{}, {"thresholds": 0.3}, {"thresholds": [0.7, 0.2, 0.5]}, {"thresholds": 0}, {"thresholds": 1}]
SHARES = [
    *COUNTS, {"top_k": 1}, {"top_k": 2, "class_id": 0}, {"class_id": 2}, {"class_id": -1, "thresholds": [0.2, 0.6]},
    {"top_k": 5, "thresholds": 0.4},
]  # fmt: skip
AREAS = [{"curve": c, "summation_method": s} for c in ("ROC", "PR") for s in ("interpolation", "minoring", "majoring")]
AREAS += [{"multi_label": True, **each} for each in AREAS[:2] + AREAS[3:5]]
AREAS += [
    {"thresholds": [0.4, 0.1, 0.9]}, {"thresholds": [-0.5, 0.3, 1.5]},
    {"num_thresholds": 3}, {"from_logits": True}, {"curve": "PRGAIN"},
    {"multi_label": True, "label_weights": [1.0, 0.5, 2.0]}, {"label_weights": [1.0, 0.5, 2.0], "curve": "PR"},
    {"multi_label": True, "num_labels": 3, "from_logits": True}, {"thresholds": [0.5], "multi_label": True},
]  # fmt: skip
SETS = [{}, {"ignore_class": 1}, {"ignore_class": -1, "dtype": "float32"}]
CASES = {
    "Accuracy": [{}],
    "AUC": AREAS,
    "BinaryAccuracy": [{}, {"threshold": 0.25}],
    "BinaryCrossentropy": [{}, {"from_logits": True}, {"label_smoothing": 0.2}],
    "BinaryIoU": [{}, {"threshold": 0.3}, {"target_class_ids": [1], "dtype": "float32"}],
    "CategoricalAccuracy": [{}],
    "CategoricalCrossentropy": [{}, {"from_logits": True}, {"label_smoothing": 0.2}, {"axis": -1}],
    "CategoricalHinge": [{}],
    "ConcordanceCorrelation": [{}],
    "CosineSimilarity": [{}, {"axis": -1}],
    "F1Score": [{"average": a, "threshold": t} for a in AVERAGES for t in (None, 0.4)],
    "FBetaScore": [{"average": a, "beta": b, "threshold": 0.5} for a in AVERAGES for b in (0.5, 2.0)] + [{}],
    "FalseNegatives": COUNTS,
    "FalsePositives": COUNTS,
    "Hinge": [{}],
    "IoU": [{"num_classes": 3, "target_class_ids": [0, 2], **each} for each in SETS],
    "KLDivergence": [{}],
    "LogCoshError": [{}],
    "MeanAbsoluteError": [{}],
    "MeanAbsolutePercentageError": [{}],
    "MeanIoU": [
        *({"num_classes": 3, **each} for each in SETS),
        {"num_classes": 3, "sparse_y_true": False, "sparse_y_pred": False},
        {"num_classes": 3, "sparse_y_true": False, "sparse_y_pred": False, "axis": 1},
    ],
    "MeanSquaredError": [{}, {"dtype": "float64"}, {"dtype": "float16"}],
    "MeanSquaredLogarithmicError": [{}],
    "OneHotIoU": [{"num_classes": 3, "target_class_ids": [1], **each} for each in SETS],
    "OneHotMeanIoU": [{"num_classes": 3, **each} for each in SETS],
    "PearsonCorrelation": [{}],
    "Poisson": [{}],
    "Precision": SHARES,
    "PrecisionAtRecall": [{"recall": 0.0}, *({"recall": 0.6, **each} for each in RATES)],
    "R2Score": [
        {}, {"class_aggregation": None}, {"class_aggregation": "variance_weighted_average"}, {"num_regressors": 2},
    ],
    "Recall": SHARES,
    "RecallAtPrecision": [{"precision": 0.4}, *({"precision": 1.0, **each} for each in RATES)],
    "RootMeanSquaredError": [{}],
    "SensitivityAtSpecificity": [{"specificity": 0.5}, *({"specificity": 1.0, **each} for each in RATES)],
    "SparseCategoricalAccuracy": [{}],
    "SparseCategoricalCrossentropy": [{}, {"from_logits": True}, {"ignore_class": 1}],
    "SparseTopKCategoricalAccuracy": [{"k": 1}, {"k": 2}],
    "SpecificityAtSensitivity": [{"sensitivity": 0.5}, *({"sensitivity": 1.0, **each} for each in RATES)],
    "SquaredHinge": [{}],
    "TopKCategoricalAccuracy": [{"k": 1}, {"k": 2}],
    "TrueNegatives": COUNTS,
    "TruePositives": COUNTS,
}  # fmt: skip
OTHERS = {"Metric", "MeanMetricWrapper", "Mean", "Sum"}
INDICES = {"IoU", "Accuracy"}
NAMES = sorted(
    short
    for name in manifest()
    for place, _, short in [name.rpartition(".")]
    if place == "keras.metrics" and inspect.isclass(find(name)) and short not in OTHERS
)


def test_every_metric_has_its_cases():
    assert sorted(CASES) == NAMES


def stream(name, config, kind="plain", sizes=SIZES):
    """Batches `(y_true, y_pred)`, three classes or columns each."""
    rng = np.random.default_rng(5)
    for size in sizes:
        scores = np.round(rng.random((size, 3)), 2).astype("float32")
        classes = rng.integers(0, 3, size)
        if name in INDICES or (name == "MeanIoU" and config.get("sparse_y_true", True)):
            yield classes, rng.integers(0, 3, size)
            continue
        if config.get("from_logits"):
            scores = scores * 6 - 3
        target = classes if name.startswith("Sparse") else np.eye(3, dtype="float32")[classes]
        if name == "BinaryIoU":
            target, scores = target[:, 0], scores[:, 0]
        if name == "R2Score":
            target = rng.random((size, 3)).astype("float32")
        yield KINDS[kind](target, scores)


def spoilt(value):
    def spoil(target, scores):
        scores = scores.copy()
        scores[::4, ...] = value
        return target, scores

    return spoil


KINDS = {
    "plain": lambda target, scores: (target, scores),
    "half": lambda target, scores: (target, scores.astype("float16")),
    "double": lambda target, scores: (target, scores.astype("float64")),
    "whole labels": lambda target, scores: (target.astype("int64"), scores),
    "small labels": lambda target, scores: (target.astype("uint8"), scores),
    "bool labels": lambda target, scores: (target.astype("int32") if target.ndim == 1 else target > 0.5, scores),
    "ties": lambda target, scores: (target, np.round(scores * 2) / 2),
    "zeros": lambda target, scores: (target, scores * 0),
    "ones": lambda target, scores: (target, scores * 0 + 1),
    "nan": spoilt(np.nan),
    "inf": spoilt(np.inf),
    "-inf": spoilt(-np.inf),
    "huge": spoilt(1e30),
}


def weighted(how, target, scores):
    rng = np.random.default_rng(len(scores))
    if how in (None, "number"):
        return None if how is None else 0.5
    weights = np.round(rng.random(scores.shape), 2).astype("float32")
    if how == "values":
        return weights
    weights = weights.reshape(len(scores), -1)[:, :1] if len(scores) else weights.reshape(0, 1)
    return {"column": weights, "samples": weights[:, 0], "whole": (weights[:, 0] * 3).astype("int64"),
            "bool": weights[:, 0] > 0.5, "nothing": weights[:, 0] * 0}[how]  # fmt: skip


# One sum of all: Keras multiplies each sample by the weights of all, which is refused here.
SPREAD = dict.fromkeys(("F1Score", "FBetaScore"), ("column", "values"))
WEIGHTS = (None, "number", "samples", "column", "values", "whole", "bool", "nothing")


def run(library, name, config, kind="plain", how=None, rounds=1, sizes=SIZES):
    """What a metric shows over a stream: results and state after each batch; the error that ended it."""
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = getattr(library.metrics, name)(**config)
        try:
            for _ in range(rounds):
                for target, scores in stream(name, config, kind, sizes):
                    metric.update_state(target, scores, sample_weight=weighted(how, target, scores))
                    shown.append(as_arrays([metric.result(), *metric.variables]))
                facts = [(v.name, tuple(v.shape), str(v.dtype).removeprefix("torch.")) for v in metric.variables]
                shown.append(facts)
                metric.reset_state()
                shown.append(as_arrays([metric.result(), *metric.variables]))
        except (ValueError, TypeError, RuntimeError, IndexError, AttributeError, NotImplementedError) as error:
            shown.append(error)
    return shown


def as_arrays(values):
    return [np.array((v.value if isinstance(v, keras.Variable) else v).detach().cpu()) for v in values]


def difference(mine, real, tolerance=3e-5):
    """A sentence where two runs differ, as far as Keras came."""
    for step, (own, wanted) in enumerate(zip(mine, real, strict=False)):
        if isinstance(wanted, Exception):
            return None
        if isinstance(own, Exception):
            return f"step {step}: raised {own!r}"[:200]
        if isinstance(wanted[0], tuple):
            if own != wanted:
                return f"variables {own}, Keras {wanted}"
            continue
        for a, b in zip(own, wanted, strict=True):
            if a.dtype == "float64":  # deviations.md: 64 bits are kept
                b = b.astype("float64")
            tolerance = max(tolerance, 2e-3 if b.dtype == "float16" else 0)
            if (a.shape, a.dtype) != (b.shape, b.dtype):
                return f"step {step}: {a.dtype} {a.shape}, Keras {b.dtype} {b.shape}"
            if not np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True):
                return f"step {step}: {a.ravel()[:4]}, Keras {b.ravel()[:4]}"
    return None


def differences(name, variants, most=None):
    found = []
    for config in CASES[name][:most]:
        for kind, how, rounds, sizes in variants:
            if kind == "half" and "from_logits" in config:
                continue  # a sigmoid in 16 bits falls on the other side of a threshold
            mine, real = (run(library, name, config, kind, how, rounds, sizes) for library in (torchkeras, keras))
            if how in SPREAD.get(name, ()) and config.get("average") == "micro":
                continue
            if what := difference(mine, real, 2e-3 if kind == "half" else 3e-5):
                found.append(f"{config} {kind} {how}: {what}")
    return "\n".join(found[:12])


@pytest.mark.parametrize("name", NAMES)
def test_streams_with_weights_of_every_rank(name):
    found = differences(name, [("plain", how, 1 + (how is None), (7, 1, 32)) for how in WEIGHTS])
    assert not found, found


@pytest.mark.parametrize("name", NAMES)
def test_streams_of_every_kind(name):
    found = differences(name, [(kind, None, 1, (7,)) for kind in KINDS] + [("plain", "samples", 1, SIZES)], 4)
    assert not found, found


@pytest.mark.parametrize("name", NAMES)
def test_result_before_any_update(name):
    for config in CASES[name]:
        mine, real = (getattr(library.metrics, name)(**config) for library in (torchkeras, keras))
        try:
            wanted = np.asarray(torch.as_tensor(real.result()))
        except (TypeError, ValueError, AttributeError, IndexError):
            continue  # Keras has no variables yet, which it reads
        np.testing.assert_array_equal(np.asarray(mine.result()), wanted)
        assert [v.name for v in mine.variables] == [v.name for v in real.variables]


def counting(k):
    class Counting(k.metrics.Metric):
        def __init__(self, reset_to=None):
            super().__init__(name="counting")
            self.reset_to = reset_to
            self.batches = self.add_weight(name="batches", initializer="ones")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.batches.assign_add(1.0)

        def result(self):
            return self.batches * 1.0

        def reset_state(self):
            super().reset_state()
            if self.reset_to is not None:
                self.batches.assign(self.reset_to)

    return Counting


@pytest.mark.parametrize("way", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("reset_to", [None, 10.0])
def test_a_model_starts_its_metrics_before_the_first_batch(way, reset_to):
    """Neither the initial value nor what a metric saw before counts, if its own reset says something else."""

    def logs(k):
        model = k.Sequential([k.Input((2,)), k.layers.Dense(1, "sigmoid", kernel_initializer="ones")])
        seen = k.metrics.BinaryAccuracy(name="seen")
        seen.update_state([0.0, 1.0, 1.0], [1.0, 0.0, 0.0])
        model.compile("sgd", "mse", metrics=[counting(k)(reset_to), seen])
        data = {"x": np.ones((6, 2), "float32"), "y": np.ones((6, 1), "float32")}
        if way == "fit":
            return model.fit(**data, batch_size=2, epochs=2, verbose=0).history
        options = {"batch_size": 2, "verbose": 0} if way == "evaluate" else {}
        return [getattr(model, way)(**data, **options, return_dict=True) for _ in range(2)]

    theirs, ours = logs(keras), logs(torchkeras)
    if way == "fit":
        assert ours["counting"] == theirs["counting"] and ours["seen"] == theirs["seen"] == [1.0, 1.0]
    else:
        assert [each["counting"] for each in ours] == [each["counting"] for each in theirs]
        assert [each["seen"] for each in ours] == [each["seen"] for each in theirs] == [1.0, 1.0]
