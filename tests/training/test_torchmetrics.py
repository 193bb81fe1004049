"""Objects of torchmetrics in `compile`: names in logs, resets, weights, several outputs, copies, devices."""

import copy

import numpy as np
import pytest
import torch
import torchmetrics

import torchkeras as keras

X = np.random.default_rng(0).random((70, 4), dtype="float32")
CLASSES = np.random.default_rng(1).integers(0, 3, 70)
HOT = np.eye(3, dtype="float32")[CLASSES]


def classifier(metrics=None, loss="sparse_categorical_crossentropy", **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=metrics, **options)
    return model


def multiclass(name, **options):
    return getattr(torchmetrics.classification, f"Multiclass{name}")(num_classes=3, **options)


def test_they_agree_with_ours_over_uneven_batches():
    area = keras.metrics.AUC(multi_label=True, num_thresholds=5000, name="area")
    model = classifier(
        ["accuracy", multiclass("Accuracy", average="micro"), keras.metrics.SparseTopKCategoricalAccuracy(k=2)],
    )
    logs = model.evaluate(X, CLASSES, batch_size=16, verbose=0, return_dict=True)
    assert list(logs) == ["accuracy", "loss", "multiclass_accuracy", "sparse_top_k_categorical_accuracy"]
    assert logs["multiclass_accuracy"] == pytest.approx(logs["accuracy"])
    theirs = torchmetrics.classification.MultilabelAUROC(num_labels=3)
    model = classifier([area, theirs, torchmetrics.MeanSquaredError(), "mse"], "categorical_crossentropy")
    logs = model.evaluate(X, HOT.astype("int64"), batch_size=16, verbose=0, return_dict=True)
    assert logs["multilabel_auroc"] == pytest.approx(logs["area"], abs=2e-3)
    assert logs["mean_squared_error"] == pytest.approx(logs["mse"])


def test_each_epoch_starts_from_nothing():
    metric = multiclass("Accuracy", average="micro")
    model = classifier(["accuracy", metric])
    history = model.fit(
        X, CLASSES, epochs=4, batch_size=16, verbose=0, validation_data=(X[:20], CLASSES[:20]), shuffle=False
    ).history
    assert history["multiclass_accuracy"] == pytest.approx(history["accuracy"])
    assert history["val_multiclass_accuracy"] == pytest.approx(history["val_accuracy"])
    assert len(set(history["accuracy"])) > 1
    assert metric.update_count == 2  # batches of the validation that came last


def test_what_was_counted_elsewhere_is_dropped():
    metric = multiclass("Accuracy", average="micro")
    metric.update(torch.tensor([0, 0]), torch.tensor([1, 1]))
    logs = classifier(["accuracy", metric]).evaluate(X, CLASSES, verbose=0, return_dict=True)
    assert logs["multiclass_accuracy"] == pytest.approx(logs["accuracy"])


def test_names_and_repetitions():
    model = classifier([multiclass("Accuracy"), multiclass("Accuracy"), multiclass("F1Score")])
    logs = model.evaluate(X, CLASSES, verbose=0, return_dict=True)
    assert sorted(logs) == ["loss", "multiclass_accuracy", "multiclass_accuracy_1", "multiclass_f1_score"]


def test_weighted_metrics_take_them_without_weights():
    """torchmetrics knows no sample weights in `update`: it is given the batch as it is."""
    model = classifier(["accuracy"], weighted_metrics=[multiclass("Accuracy", average="micro"), "accuracy"])
    weights = np.arange(70.0)
    logs = model.evaluate(X, CLASSES, sample_weight=weights, batch_size=16, verbose=0, return_dict=True)
    assert logs["multiclass_accuracy"] == pytest.approx(logs["accuracy"])
    assert logs["weighted_accuracy"] != pytest.approx(logs["accuracy"])


def test_several_outputs():
    inputs = keras.Input((4,))
    outputs = {
        "kind": keras.layers.Dense(3, activation="softmax", name="kind")(inputs),
        "size": keras.layers.Dense(1, name="size")(inputs),
    }
    model = keras.Model(inputs, outputs)
    model.compile(
        "sgd",
        {"kind": "sparse_categorical_crossentropy", "size": "mse"},
        metrics={"kind": [multiclass("Accuracy", average="micro"), "accuracy"],
                 "size": [torchmetrics.MeanAbsoluteError(), "mae"]},
    )  # fmt: skip
    logs = model.fit(X, {"kind": CLASSES, "size": X[:, :1]}, verbose=0).history
    assert logs["kind_multiclass_accuracy"] == pytest.approx(logs["kind_accuracy"])
    assert logs["size_mean_absolute_error"] == pytest.approx(logs["size_mae"])


def test_collections_and_results_of_several_numbers():
    collection = torchmetrics.MetricCollection({"f": multiclass("F1Score"), "p": multiclass("Precision")})
    model = classifier([collection, multiclass("Recall", average=None)])
    logs = model.evaluate(X, CLASSES, verbose=0, return_dict=True)
    assert {"f", "p", "multiclass_recall"} <= set(logs)
    assert np.shape(logs["multiclass_recall"]) == (3,)


def test_their_state_follows_the_data(monkeypatch):
    metric = multiclass("Accuracy", average="micro")
    moved = []
    original = type(metric).to
    monkeypatch.setattr(type(metric), "to", lambda self, device: moved.append(str(device)) or original(self, device))
    model = classifier([metric])
    model.evaluate(X, CLASSES, verbose=0)
    assert set(moved) == {str(next(model.parameters()).device)}
    assert not any(parameter.requires_grad for parameter in metric.parameters())


def test_an_evaluation_in_a_callback_leaves_the_epoch_alone():
    class Evaluate(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.evaluate(X[:10], CLASSES[:10], verbose=0)

    found = []
    for callbacks in ([], [Evaluate()]):
        model = classifier(["accuracy", multiclass("Accuracy", average="micro")])
        history = model.fit(X, CLASSES, batch_size=16, verbose=0, shuffle=False, callbacks=callbacks).history
        found.append({name: values[0] for name, values in history.items()})
    assert found[0] == pytest.approx(found[1])
    assert found[1]["multiclass_accuracy"] == pytest.approx(found[1]["accuracy"])


def test_copies_and_modules():
    metric = multiclass("Accuracy", average="micro")
    model = classifier([metric])
    model.evaluate(X, CLASSES, verbose=0)
    again = copy.deepcopy(model)
    assert again.evaluate(X, CLASSES, verbose=0) == pytest.approx(model.evaluate(X, CLASSES, verbose=0))
    assert not any(isinstance(module, torchmetrics.Metric) for module in model.modules())
    assert isinstance(metric, torch.nn.Module)


def test_a_class_of_theirs_says_what_to_pass():
    with pytest.raises(ValueError, match=r"the class MulticlassAccuracy.* MulticlassAccuracy\("):
        classifier([torchmetrics.classification.MulticlassAccuracy])
