"""Metrics over streams of uneven batches beside scikit-learn, which sees all at once, where both have the same one.

Not the same by design: areas under curves are sums over 200 thresholds, so they agree to about a hundredth (given every
score as a threshold they agree to rounding); average precision is a step function where AUC(curve="PR") interpolates;
`log_loss` clips at the smallest number, crossentropies at 1e-7.
"""

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from torchkeras import metrics

SIZES = (7, 1, 32, 160)
RNG = np.random.default_rng(2)
ROWS = sum(SIZES)
LABELS = RNG.integers(0, 2, ROWS)
SCORES = np.clip(np.round(RNG.normal(0.35 + 0.3 * LABELS, 0.25), 3), 0, 1)
CLASSES = RNG.integers(0, 4, ROWS)
TABLE = RNG.random((ROWS, 4)) + 0.5 * np.eye(4)[CLASSES]
TABLE /= TABLE.sum(1, keepdims=True)
HOT = np.eye(4)[CLASSES]
BEST = TABLE.argmax(1)
TARGETS, VALUES = RNG.random((2, ROWS, 3)) + 0.1
WEIGHTS = np.round(RNG.random(ROWS), 2)
HARD = (SCORES > 0.5).astype(int)
MULTI = (RNG.random((ROWS, 3)) > 0.5).astype(int)
MULTI_HARD = (VALUES > 0.5).astype(int)


def weighted(function, *data, **options):
    return lambda w: function(*data, sample_weight=w, **options)


def columns(function, true, pred, **options):
    return lambda w: [function(true[:, i], pred[:, i], sample_weight=w, **options) for i in range(true.shape[1])]


PAIR, TABLES, REAL = (LABELS, SCORES), (HOT, TABLE), (TARGETS, VALUES)
CASES = {
    "BinaryAccuracy": ({}, (LABELS[:, None], SCORES[:, None]), weighted(reference.accuracy_score, LABELS, HARD)),
    "SparseCategoricalAccuracy": ({}, (CLASSES, TABLE), weighted(reference.accuracy_score, CLASSES, BEST)),
    "CategoricalAccuracy": ({}, TABLES, weighted(reference.accuracy_score, CLASSES, BEST)),
    "TopKCategoricalAccuracy": ({"k": 2}, TABLES, weighted(reference.top_k_accuracy_score, CLASSES, TABLE, k=2)),
    "SparseTopKCategoricalAccuracy": (
        {"k": 3}, (CLASSES, TABLE), weighted(reference.top_k_accuracy_score, CLASSES, TABLE, k=3),
    ),
    "Precision": ({}, PAIR, weighted(reference.precision_score, LABELS, HARD)),
    "Recall": ({}, PAIR, weighted(reference.recall_score, LABELS, HARD)),
    "Precision, one class": (
        {"class_id": 2, "top_k": 1}, TABLES,
        lambda w: reference.precision_score(CLASSES, BEST, labels=[2], average="macro", sample_weight=w),
    ),
    "Recall, one class": (
        {"class_id": 1, "top_k": 1}, TABLES,
        lambda w: reference.recall_score(CLASSES, BEST, labels=[1], average="macro", sample_weight=w),
    ),
    **{
        f"F1Score, {average}": (
            {"average": average}, TABLES, weighted(reference.f1_score, CLASSES, BEST, average=average),
        )
        for average in (None, "micro", "macro", "weighted")
    },
    **{
        f"FBetaScore, {average}": (
            {"average": average, "beta": 2.0, "threshold": 0.5}, (MULTI, VALUES),
            weighted(reference.fbeta_score, MULTI, MULTI_HARD, beta=2.0, average=average),
        )
        for average in (None, "micro", "macro", "weighted")
    },
    "AUC": ({"thresholds": sorted(set(SCORES))}, PAIR, weighted(reference.roc_auc_score, LABELS, SCORES)),
    "AUC, PR": (  # the higher end of each step, where scikit-learn takes the one of higher recall
        {"thresholds": sorted(set(SCORES)), "curve": "PR", "summation_method": "majoring"}, PAIR,
        weighted(reference.average_precision_score, LABELS, SCORES),
    ),
    "AUC, labels": (
        {"multi_label": True, "num_thresholds": 2000}, (MULTI, TARGETS / 1.2),
        weighted(reference.roc_auc_score, MULTI, TARGETS),
    ),
    "MeanIoU": (
        {"num_classes": 4, "dtype": "float32"}, (CLASSES, BEST),
        weighted(reference.jaccard_score, CLASSES, BEST, average="macro"),
    ),
    "IoU": (
        {"num_classes": 4, "target_class_ids": [3], "dtype": "float32"}, (CLASSES, BEST),
        weighted(reference.jaccard_score, CLASSES, BEST, labels=[3], average="macro"),
    ),
    "BinaryIoU": (
        {"target_class_ids": [1], "dtype": "float32"}, PAIR, weighted(reference.jaccard_score, LABELS, HARD),
    ),
    "OneHotMeanIoU": (
        {"num_classes": 4, "dtype": "float32"}, TABLES,
        weighted(reference.jaccard_score, CLASSES, BEST, average="macro"),
    ),
    "MeanSquaredError": ({}, REAL, weighted(reference.mean_squared_error, *REAL)),
    "MeanAbsoluteError": ({}, REAL, weighted(reference.mean_absolute_error, *REAL)),
    "RootMeanSquaredError": ({}, REAL, lambda w: reference.mean_squared_error(*REAL, sample_weight=w) ** 0.5),
    "MeanSquaredLogarithmicError": ({}, REAL, weighted(reference.mean_squared_log_error, *REAL)),
    "MeanAbsolutePercentageError": (
        {}, REAL, lambda w: 100 * reference.mean_absolute_percentage_error(*REAL, sample_weight=w),
    ),
    "R2Score": ({}, REAL, weighted(reference.r2_score, *REAL)),
    "R2Score, each": ({"class_aggregation": None}, REAL, columns(reference.r2_score, *REAL)),
    "R2Score, by variance": (
        {"class_aggregation": "variance_weighted_average"}, REAL,
        weighted(reference.r2_score, *REAL, multioutput="variance_weighted"),
    ),
    "BinaryCrossentropy": (
        {}, (LABELS[:, None], SCORES[:, None].clip(0.01, 0.99)),
        weighted(reference.log_loss, LABELS, SCORES.clip(0.01, 0.99)),
    ),
    "CategoricalCrossentropy": ({}, TABLES, weighted(reference.log_loss, CLASSES, TABLE)),
    "SparseCategoricalCrossentropy": ({}, (CLASSES, TABLE), weighted(reference.log_loss, CLASSES, TABLE)),
    "Hinge": ({}, (LABELS[:, None], SCORES[:, None]), weighted(reference.hinge_loss, LABELS * 2 - 1, SCORES)),
    "Poisson": (
        {}, REAL,
        lambda w: np.mean([reference.mean_poisson_deviance(t, p, sample_weight=w) for t, p in zip(TARGETS.T, VALUES.T)])
        / 2 + np.average(TARGETS - TARGETS * np.log(TARGETS), axis=0, weights=w).mean(),
    ),
    "CosineSimilarity": (
        {}, REAL, lambda w: np.average(np.diag(reference.pairwise.cosine_similarity(*REAL)), weights=w),
    ),
    "TruePositives": (
        {}, PAIR, lambda w: reference.confusion_matrix(LABELS, HARD, sample_weight=w)[1, 1],
    ),
    "FalsePositives": (
        {}, PAIR, lambda w: reference.confusion_matrix(LABELS, HARD, sample_weight=w)[0, 1],
    ),
    "FalseNegatives": (
        {}, PAIR, lambda w: reference.confusion_matrix(LABELS, HARD, sample_weight=w)[1, 0],
    ),
    "TrueNegatives": (
        {}, PAIR, lambda w: reference.confusion_matrix(LABELS, HARD, sample_weight=w)[0, 0],
    ),
}  # fmt: skip
COARSE = {"AUC, labels": 2e-3, "AUC, PR": 2e-3}


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", CASES)
def test_streams(name, weights):
    config, (target, scores), wanted = CASES[name]
    metric = getattr(metrics, name.split(",")[0])(**config)
    start = 0
    for size in SIZES:
        part = slice(start, start + size)
        metric.update_state(
            torch.tensor(target[part]),
            torch.tensor(scores[part], dtype=torch.float32 if scores.dtype.kind == "f" else None),
            sample_weight=None if weights is None else weights[part],
        )
        start += size
    np.testing.assert_allclose(metric.result(), wanted(weights), rtol=COARSE.get(name, 2e-5), atol=1e-6)


def test_even_thresholds_are_near_the_exact_areas():
    for curve, exact in (("ROC", reference.roc_auc_score), ("PR", reference.average_precision_score)):
        assert float(metrics.AUC(curve=curve)(*PAIR)) == pytest.approx(exact(*PAIR), abs=0.01)
