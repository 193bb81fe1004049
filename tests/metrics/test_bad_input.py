"""Bad input to metrics: refused with Keras's kind of error where Keras refuses it, in words that say what to do."""

import keras
import numpy as np
import pytest

import torchkeras

TEN = np.arange(10) / 10
# (class, arguments, what the words must say)
ARGUMENTS = [
    ("AUC", {"num_thresholds": 1}, "num_thresholds.*above 1.*1"),
    ("AUC", {"num_thresholds": "many"}, "num_thresholds.*'many'"),
    ("AUC", {"curve": "rock"}, "curve.*rock"),
    ("AUC", {"summation_method": "middle"}, "summation_method.*middle"),
    ("AUC", {"thresholds": [0.1, "b"]}, "thresholds.*'b'"),
    ("AUC", {"num_labels": 3}, "num_labels"),
    ("Precision", {"thresholds": 1.5}, "thresholds.*1.5"),
    ("Precision", {"thresholds": [0.2, None]}, "thresholds.*None"),
    ("Recall", {"thresholds": -1}, "thresholds.*-1"),
    ("FalsePositives", {"thresholds": "0.5"}, "thresholds"),
    ("SensitivityAtSpecificity", {"specificity": 1.1}, "specificity.*1.1"),
    ("SensitivityAtSpecificity", {"specificity": 0.5, "num_thresholds": 0}, "num_thresholds.*0"),
    ("SpecificityAtSensitivity", {"sensitivity": -0.5}, "sensitivity.*-0.5"),
    ("PrecisionAtRecall", {"recall": 2}, "recall.*2"),
    ("RecallAtPrecision", {"precision": 7}, "precision.*7"),
    ("F1Score", {"average": "mean"}, "average.*mean"),
    ("F1Score", {"threshold": 2.0}, "threshold.*2.0"),
    ("F1Score", {"threshold": 1}, "threshold.*float.*1"),
    ("FBetaScore", {"beta": -1.0}, "beta.*-1.0"),
    ("FBetaScore", {"beta": "1"}, "beta.*'1'"),
    ("R2Score", {"class_aggregation": "mean"}, "class_aggregation.*mean"),
    ("R2Score", {"num_regressors": -2}, "num_regressors.*-2"),
    ("IoU", {"num_classes": 2, "target_class_ids": [0, 2]}, "target_class_ids.*2"),
    ("OneHotIoU", {"num_classes": 2, "target_class_ids": [5]}, "target_class_ids.*5"),
    ("BinaryIoU", {"target_class_ids": [3]}, "target_class_ids.*3"),
]
EXTRA = [  # Keras takes these silently, or fails later in words of its parts
    ("Precision", {"top_k": 0}, "top_k.*0"),
    ("Precision", {"top_k": -1}, "top_k.*-1"),
    ("MeanIoU", {"num_classes": 0}, "num_classes.*0"),
    ("MeanIoU", {"num_classes": -2}, "num_classes.*-2"),
]


@pytest.mark.parametrize(("name", "arguments", "words"), ARGUMENTS, ids=str)
def test_arguments(name, arguments, words):
    with pytest.raises((ValueError, TypeError)) as theirs:
        getattr(keras.metrics, name)(**arguments)
    with pytest.raises(theirs.type, match=words):
        getattr(torchkeras.metrics, name)(**arguments)


@pytest.mark.parametrize(("name", "arguments", "words"), EXTRA, ids=str)
def test_arguments_that_make_no_sense(name, arguments, words):
    with pytest.raises(ValueError, match=words):
        getattr(torchkeras.metrics, name)(**arguments)


ZEROS = np.zeros
# (class, arguments, y_true, y_pred, weights, words)
BATCHES = [
    ("AUC", {}, ZEROS((4, 3)), ZEROS((4, 2)), None, "one shape.*4, 3.*4, 2"),
    ("AUC", {}, ZEROS(4), ZEROS(5), None, "one shape"),
    ("AUC", {"multi_label": True}, ZEROS(4), ZEROS(4), None, r"\(samples, labels\).*\(4,\)"),
    ("Precision", {}, ZEROS((4, 3)), ZEROS((3, 4)), None, "one shape"),
    ("Precision", {"class_id": 1}, ZEROS(4), ZEROS(4), None, "class_id=1"),
    ("Precision", {"class_id": 3}, ZEROS((4, 3)), ZEROS((4, 3)), None, "class_id=3.*3 classes"),
    ("Recall", {"class_id": -4}, ZEROS((4, 3)), ZEROS((4, 3)), None, "class_id=-4.*3 classes"),
    ("PrecisionAtRecall", {"recall": 0.5, "class_id": 9}, ZEROS((4, 3)), ZEROS((4, 3)), None, "class_id=9.*3 classes"),
    ("Precision", {"top_k": 5}, ZEROS((4, 3)), ZEROS((4, 3)), None, None),
    ("TruePositives", {}, ZEROS((4, 3)), ZEROS((4, 3)), ZEROS(3), "Weights of shape"),
    ("F1Score", {}, ZEROS(4), ZEROS(4), None, r"\(samples, classes\)"),
    ("F1Score", {}, ZEROS((4, 3)), ZEROS((4, 2)), None, "4, 3.*4, 2"),
    ("R2Score", {}, ZEROS((4, 3)), ZEROS((4, 2)), None, "4, 3.*4, 2"),
    ("R2Score", {}, ZEROS((4, 3, 2)), ZEROS((4, 3, 2)), None, r"\(samples, outputs\)"),
    ("MeanIoU", {"num_classes": 3}, ZEROS(4), ZEROS(5), None, "4 targets.*5 predictions"),
    ("MeanSquaredError", {}, ZEROS((4, 3)), ZEROS((4, 2)), None, "4, 3.*4, 2"),
    ("MeanAbsoluteError", {}, ZEROS((4, 3)), ZEROS((4, 3)), ZEROS(3), "Weights of shape"),
    ("BinaryAccuracy", {}, ZEROS((4, 3)), ZEROS((4, 2)), None, "4, 3.*4, 2"),
    ("Accuracy", {}, ZEROS((4, 3)), ZEROS((5, 3)), None, "4, 3.*5, 3"),
    ("CategoricalAccuracy", {}, ZEROS((4, 3)), ZEROS((5, 3)), None, "4, 3.*5, 3"),
    ("SparseCategoricalAccuracy", {}, ZEROS(4), ZEROS((5, 3)), None, r"\(4,\).*5, 3"),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, ZEROS(4), ZEROS((5, 3)), None, r"\(4,\).*5, 3"),
    ("CosineSimilarity", {}, ZEROS((4, 3)), ZEROS((4, 2)), None, "4, 3.*4, 2"),
    ("RootMeanSquaredError", {}, ZEROS((4, 3)), ZEROS((4, 2)), None, "4, 3.*4, 2"),
    ("PearsonCorrelation", {}, ZEROS((4, 3)), ZEROS((4, 2)), None, "4, 3.*4, 2"),
    ("CategoricalCrossentropy", {}, ZEROS((4, 3)), ZEROS((4, 2)), None, "4, 3.*4, 2"),
    ("SparseCategoricalCrossentropy", {}, ZEROS(4), ZEROS((5, 3)), None, r"5, 3.*\(4,\)"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "arguments", "target", "scores", "weights", "words"), BATCHES)
def test_batches(name, arguments, target, scores, weights, words):
    metric = getattr(torchkeras.metrics, name)(**arguments)
    if words is None:
        metric.update_state(target, scores, weights)
        return
    with pytest.raises(ValueError, match=words):
        metric.update_state(target, scores, weights)
    assert not any(variable.any() for variable in metric.variables)  # what was refused has left nothing


NAMES = [("acuracy", "accuracy"), ("Precison", "Precision"), ("mean_square_error", "mean_squared_error"), ("F1", None)]


@pytest.mark.parametrize(("given", "meant"), NAMES)
def test_unknown_names(given, meant):
    model = torchkeras.Sequential([torchkeras.Input((2,)), torchkeras.layers.Dense(1)])
    for ask in (torchkeras.metrics.get, lambda name: model.compile("sgd", "mse", metrics=[name])):
        with pytest.raises(ValueError, match=meant or given):
            ask(given)
    with pytest.raises(ValueError):
        keras.metrics.get(given)


@pytest.mark.parametrize("given", [3, 2.5, True, object(), [3], {"a": 5}])
def test_what_is_no_metric(given):
    model = torchkeras.Sequential([torchkeras.Input((2,)), torchkeras.layers.Dense(1)])
    with pytest.raises(ValueError, match="metrics"):
        model.compile("sgd", "mse", metrics=given if isinstance(given, (list, dict)) else [given])


# -- what people reported ---------------------------------------------------------------------------------------------


def in_both(evaluate):
    mine, real = (np.asarray(evaluate(library.metrics)) for library in (torchkeras, keras))
    np.testing.assert_allclose(mine, real, rtol=1e-6)
    return mine


def test_weights_of_errors_divide_by_their_sum():
    given = np.ones((2, 1)), np.zeros((2, 1)), [0.0, 1.0]
    assert in_both(lambda m: m.MeanSquaredError()(*given)) == 1.0
    assert float(torchkeras.losses.MeanSquaredError()(*given)) == 0.5


@pytest.mark.parametrize("name", ["Precision", "Recall", "BinaryAccuracy", "AUC", "TruePositives", "MeanSquaredError"])
def test_every_metric_aligns_a_column_with_a_row(name):
    target, scores = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.9, 0.6, 0.7, 0.1])
    wanted = getattr(torchkeras.metrics, name)()(target[:, None], scores[:, None])
    for pair in ((target, scores[:, None]), (target[:, None], scores)):
        assert in_both(lambda m, pair=pair: getattr(m, name)()(*pair)) == wanted


def test_accuracy_the_class_wants_equal_values():
    target, scores = np.array([[1.0], [0.0]]), np.array([[0.9], [0.2]])
    assert in_both(lambda m: m.Accuracy()(target, scores)) == 0.0
    model = torchkeras.Sequential([torchkeras.Input((1,)), torchkeras.layers.Identity()])
    for given, value in (("accuracy", 1.0), (torchkeras.metrics.Accuracy(), 0.0)):
        model.compile(loss="mse", metrics=[given])
        assert model.evaluate(scores, target, verbose=0)[1] == value


def test_accuracy_of_several_sigmoids_looks_at_shapes_alone():
    target, scores = np.array([[1.0, 1.0, 0.0]]), np.array([[0.7, 0.9, 0.2]])
    model = torchkeras.Sequential([torchkeras.Input((3,)), torchkeras.layers.Identity()])
    model.compile(loss="binary_crossentropy", metrics=["accuracy", "binary_accuracy"])
    assert model.evaluate(scores, target, verbose=0)[1:] == [0.0, 1.0]


def test_mean_iou_of_probabilities_wants_to_be_told():
    target, scores = np.array([0, 1, 2]), np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.1, 0.1, 0.8]])
    assert in_both(lambda m: m.MeanIoU(3, sparse_y_pred=False)(target, scores)) == 1.0


def test_precision_at_recall_takes_all_values_as_one_stream():
    rng = np.random.default_rng(0)
    target, scores = (rng.random((20, 3)) > 0.5).astype(float), rng.random((20, 3))
    flat = in_both(lambda m: m.PrecisionAtRecall(0.5)(target.ravel(), scores.ravel()))
    assert in_both(lambda m: m.PrecisionAtRecall(0.5)(target, scores)) == flat
    column = in_both(lambda m: m.PrecisionAtRecall(0.5)(target[:, 1], scores[:, 1]))
    assert in_both(lambda m: m.PrecisionAtRecall(0.5, class_id=1)(target, scores)) == column


def test_precision_comes_from_the_counts_of_the_epoch():
    batches = [(np.array([1.0]), np.array([0.9])), (np.array([0.0, 0.0, 1.0]), np.array([0.9, 0.8, 0.7]))]

    def epoch(m):
        metric = m.Precision()
        for batch in batches:
            metric.update_state(*batch)
        return metric.result()

    assert in_both(epoch) == pytest.approx(2 / 4)
