"""Metrics of confusion (counts, precision, AUC, F scores, IoU), R2 and correlations beside the installed Keras: streams
of uneven batches with weights of every rank, configs, state."""

import warnings

import keras
import numpy as np
import pytest
import torch

from torchkeras import metrics as ours
from torchkeras.core import scopes

theirs = keras.metrics
SIZES = (7, 1, 12)

BINARY = {
    "FalsePositives": [{}, {"thresholds": 0.3}, {"thresholds": [0.7, 0.2, 0.5]}],
    "FalseNegatives": [{}, {"thresholds": [0.0, 1.0]}],
    "TruePositives": [{}, {"thresholds": [0.25, 0.75]}],
    "TrueNegatives": [{}, {"thresholds": 0.6}],
    "Precision": [{}, {"thresholds": [0.9, 0.1]}, {"thresholds": 0}],
    "Recall": [{}, {"thresholds": [0.9, 0.1]}, {"thresholds": 1}],
    "SensitivityAtSpecificity": [{"specificity": 0.5}, {"specificity": 0.9, "num_thresholds": 5}],
    "SpecificityAtSensitivity": [{"sensitivity": 0.5}, {"sensitivity": 0.2, "num_thresholds": 1}],
    "PrecisionAtRecall": [{"recall": 0.5}, {"recall": 0.9, "num_thresholds": 3}],
    "RecallAtPrecision": [{"precision": 0.5}, {"precision": 0.99, "num_thresholds": 50}],
    "AUC": [
        {},
        {"num_thresholds": 3},
        {"num_thresholds": 2},
        *({"curve": c, "summation_method": s} for c in ("ROC", "PR", "PRGAIN") for s in ("minoring", "majoring")),
        {"curve": "PR"},
        {"curve": "PRGAIN", "num_thresholds": 20},
        {"thresholds": [0.1, 0.5, 0.9]},
        {"thresholds": [0.75, 0.25, 0.5]},
        {"thresholds": [0.5], "curve": "pr"},
        {"from_logits": True},
    ],
}
CLASSES = {
    "Precision": [{"class_id": 1}, {"top_k": 1}, {"top_k": 2}, {"top_k": 2, "class_id": 0, "thresholds": 0.4}],
    "Recall": [{"class_id": 2}, {"top_k": 2}, {"top_k": 3, "thresholds": [0.2, 0.6]}],
    "SensitivityAtSpecificity": [{"specificity": 0.5, "class_id": 1}],
    "PrecisionAtRecall": [{"recall": 0.3, "class_id": 0}],
    "AUC": [
        {"multi_label": True},
        {"multi_label": True, "num_labels": 3, "curve": "PR"},
        {"multi_label": True, "label_weights": [1.0, 0.5, 2.0]},
        {"label_weights": [1.0, 0.5, 2.0], "num_thresholds": 10},
        {"multi_label": True, "thresholds": [0.2, 0.7], "summation_method": "minoring"},
    ],
    "FBetaScore": [
        {},
        {"beta": 2.0, "threshold": 0.5},
        *({"average": average, "beta": 0.5} for average in ("micro", "macro", "weighted")),
    ],
    "F1Score": [{}, {"average": "macro", "threshold": 0.4}],
    "OneHotIoU": [{"num_classes": 3, "target_class_ids": [0, 2]}, {"num_classes": 3, "target_class_ids": (1,)}],
    "OneHotMeanIoU": [{"num_classes": 3}, {"num_classes": 3, "ignore_class": 1, "dtype": "float32"}],
}
INDICES = {
    "IoU": [
        {"num_classes": 3, "target_class_ids": [0]},
        {"num_classes": 3, "target_class_ids": [0, 1], "ignore_class": 2},
    ],
    "MeanIoU": [{"num_classes": 3}, {"num_classes": 2}, {"num_classes": 4, "ignore_class": -1, "dtype": "float32"}],
}
REAL = {
    "R2Score": [
        {},
        {"class_aggregation": None},
        {"class_aggregation": "variance_weighted_average"},
        {"num_regressors": 2},
    ],
    "PearsonCorrelation": [{}, {"axis": 0}],
    "ConcordanceCorrelation": [{}, {"axis": -1, "name": "agreement"}],
}


def batches(kind):
    rng = np.random.default_rng(4)
    for size in SIZES:
        if kind == "binary":
            yield rng.integers(0, 2, size), np.round(rng.random(size), 2).astype("float32")
        elif kind == "column":
            yield rng.integers(0, 2, size), np.round(rng.random((size, 1)), 2).astype("float32")
        elif kind == "classes":
            yield (
                np.eye(3, dtype="float32")[rng.integers(0, 3, size)],
                np.round(rng.random((size, 3)), 1).astype("float32"),
            )
        elif kind == "indices":
            yield rng.integers(-1, 4, size), rng.integers(0, 3, size)
        else:
            yield rng.random((size, 3), dtype="float32"), rng.random((size, 3), dtype="float32")


def cases():
    groups = [("binary", BINARY), ("column", {k: v[:1] for k, v in BINARY.items()}), ("classes", CLASSES)]
    for kind, table in [*groups, ("indices", INDICES), ("real", REAL)]:
        for name, configs in table.items():
            for config in configs:
                yield pytest.param(kind, name, config, id=f"{name}-{config}-{kind}")


def weights_for(how, y_pred):
    rng = np.random.default_rng(len(y_pred))
    if how == "none":
        return None
    if how == "number":
        return 2.0
    weights = np.round(rng.random(len(y_pred)), 2).astype("float32")
    return weights if how == "samples" else np.broadcast_to(weights[:, None], y_pred.shape).copy()


def made(module, name, config):
    keras.utils.clear_session(free_memory=False)
    scopes.clear_session(free_memory=False)
    return getattr(module, name)(**config)


@pytest.mark.filterwarnings("ignore:.*(whole numbers|as `float`).*")
@pytest.mark.parametrize("how", ["none", "number", "samples", "values"])
@pytest.mark.parametrize(("kind", "name", "config"), cases())
def test_streams(kind, name, config, how):
    if how == "values" and (
        kind in ("binary", "indices") or name in ("FBetaScore", "F1Score") or "Correlation" in name
    ):
        how = "samples"
    if how == "number" and name in ("FBetaScore", "F1Score", "R2Score"):
        how = "samples"  # Keras has no number there
    if how == "values" and (name.startswith("OneHot") or "class_id" in config):
        how = "samples"
    if config.get("axis") == 0:
        how = "none"  # the values are no longer one per sample
    own, reference = made(ours, name, config), made(theirs, name, config)
    for y_true, y_pred in batches(kind):
        weights = weights_for(how, y_pred)
        own.update_state(torch.tensor(y_true), torch.tensor(y_pred), sample_weight=weights)
        reference.update_state(y_true, y_pred, sample_weight=weights)
        compare(own.result(), reference.result())
    facts = [[(v.name, tuple(v.shape)) for v in metric.variables] for metric in (own, reference)]
    assert facts[0] == facts[1]
    for mine, real in zip(own.variables, reference.variables, strict=True):
        compare(mine, real.value)
    own.reset_state()
    reference.reset_state()
    for mine, real in zip(own.variables, reference.variables, strict=True):
        compare(mine, real.value)


def compare(mine, real):
    real = keras.ops.convert_to_numpy(real)
    assert mine.dtype == getattr(torch, str(real.dtype))
    np.testing.assert_allclose(mine.detach().numpy(), real, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("kind", "name", "config"), cases())
def test_configs(kind, name, config):
    own, reference = made(ours, name, config), made(theirs, name, config)
    mine, real = own.get_config(), reference.get_config()
    if real.get("label_weights") is not None:  # a tensor in Keras's config
        real["label_weights"] = real["label_weights"].tolist()
    assert {key: list(v) if isinstance(v, tuple) else v for key, v in mine.items()} == {
        key: list(v) if isinstance(v, tuple) else v for key, v in real.items()
    }
    again = ours.deserialize(theirs.serialize(reference))
    assert type(again) is type(own) and again.get_config() == mine
    assert made(ours, name, mine).get_config() == mine
    assert getattr(own, "_direction", None) == getattr(reference, "_direction", None)


BAD = [
    ("AUC", {"num_thresholds": 1}, ValueError),
    ("AUC", {"curve": "xy"}, ValueError),
    ("AUC", {"summation_method": "xy"}, ValueError),
    ("AUC", {"num_labels": 3}, ValueError),
    ("Precision", {"thresholds": 1.5}, ValueError),
    ("Recall", {"thresholds": [0.1, -0.2]}, ValueError),
    ("FalsePositives", {"thresholds": [None]}, ValueError),
    ("SensitivityAtSpecificity", {"specificity": 2}, ValueError),
    ("SensitivityAtSpecificity", {"specificity": 0.5, "num_thresholds": 0}, ValueError),
    ("RecallAtPrecision", {"precision": -1}, ValueError),
    ("FBetaScore", {"beta": 0.0}, ValueError),
    ("FBetaScore", {"beta": 1}, ValueError),
    ("FBetaScore", {"average": "mean"}, ValueError),
    ("F1Score", {"threshold": 1.5}, ValueError),
    ("F1Score", {"threshold": 1}, ValueError),
    ("IoU", {"num_classes": 2, "target_class_ids": [2]}, ValueError),
    ("R2Score", {"class_aggregation": "sum"}, ValueError),
    ("R2Score", {"num_regressors": -1}, ValueError),
]


@pytest.mark.parametrize(("name", "config", "error"), BAD, ids=str)
def test_bad_arguments(name, config, error):
    for module in (theirs, ours):
        with pytest.raises(error):
            getattr(module, name)(**config)


@pytest.mark.parametrize("name", ["Precision", "AUC", "FBetaScore", "MeanIoU", "R2Score"])
def test_shapes_that_do_not_fit(name):
    config = {"num_classes": 3} if name == "MeanIoU" else {}
    metric = getattr(ours, name)(**config)
    with pytest.raises(ValueError):
        metric.update_state(np.zeros((4, 3, 2)), np.zeros((4, 3)))


def test_weights_of_all_classes_serve_the_one_that_counts():
    rng = np.random.default_rng(0)
    y_true, y_pred, weights = rng.integers(0, 2, (8, 3)), rng.random((8, 3)), rng.random((8, 3)).astype("float32")
    whole, column = ours.Precision(class_id=1), ours.Precision()
    expected = column(y_true[:, 1], y_pred[:, 1], sample_weight=weights[:, 1])
    torch.testing.assert_close(whole(y_true, y_pred, sample_weight=weights), expected)


def test_merged_states_give_the_whole():
    streams = list(batches("binary"))
    whole, parts = ours.AUC(), [ours.AUC() for _ in streams]
    for part, (y_true, y_pred) in zip(parts, streams, strict=True):
        whole.update_state(y_true, y_pred)
        part.update_state(y_true, y_pred)
    parts[0].merge_state(parts[1:])
    assert torch.equal(parts[0].result(), whole.result())


def test_equal_scores_count_from_the_lowest_index():
    metric = ours.Precision(top_k=2)
    assert metric([[0, 0, 1, 1]], [[0.2, 0.2, 0.2, 0.2]]).item() == 0.0


def test_nan_predictions_are_no_positives():
    for metric in (ours.Precision(), ours.AUC(), ours.AUC(thresholds=[0.2, 0.7])):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            metric.update_state([1, 0], [float("nan"), 0.4])
        assert not metric.result().isnan()


def test_auc_makes_no_table_of_values_by_thresholds():
    """A million values and 200 thresholds: what is allocated is a few times the values."""
    y_true, y_pred = torch.randint(0, 2, (1_000_000,)), torch.rand(1_000_000)
    metric = ours.AUC()
    with torch.profiler.profile(profile_memory=True) as profiler:
        metric.update_state(y_true, y_pred)
    largest = max(event.self_cpu_memory_usage for event in profiler.key_averages() if event.count == 1)
    assert largest <= 8 * 4_000_000
