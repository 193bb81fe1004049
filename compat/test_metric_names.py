"""Names and values of compiled metrics in logs, beside Keras: every way to say a metric, one output and several.

What Keras 2 logged otherwise stands in `AS_KERAS_2`, with what is logged here.
"""

import functools

import keras
import numpy as np
import pytest
import torch

import torchkeras

X = np.random.default_rng(0).random((20, 4), dtype="float32")
CLASSES = np.arange(20) % 3
HOT = np.eye(3, dtype="float32")[CLASSES]
WEIGHTS = np.linspace(0.0, 2.0, 20)


def distance(y_true, y_pred):
    return abs(y_true - y_pred)


class Distance:
    def __call__(self, y_true, y_pred):
        return abs(y_true - y_pred)


class NamedDistance(Distance):
    name = "how_far"


def highest(k):
    class HighestScore(k.metrics.Metric):
        def __init__(self, name="highest", **kwargs):
            super().__init__(name=name, **kwargs)
            self.value = self.add_weight(name="value", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.value.assign(k.ops.maximum(self.value, k.ops.max(y_pred)))

        def result(self):
            return {"top": self.value * 1, "twice": self.value * 2}

    return HighestScore


ONE = {
    "strings": lambda k: ["accuracy", "mse", "mean_absolute_error", "MAPE"],
    "classes by name": lambda k: ["AUC", "MeanSquaredError", "Precision", "F1Score", "R2Score"],
    "snake case": lambda k: ["auc", "recall", "f1_score", "categorical_crossentropy"],
    "acc": lambda k: ["acc"],
    "acc and accuracy": lambda k: ["acc", "accuracy"],
    "capitals": lambda k: ["Accuracy", "ACC", "MSE"],
    "functions": lambda k: [k.metrics.mean_squared_error, k.losses.mean_absolute_error, k.metrics.categorical_accuracy],
    "own function": lambda k: [distance],
    "lambda": lambda k: [lambda y_true, y_pred: y_pred * 2],
    "two lambdas": lambda k: [lambda y_true, y_pred: y_pred * 2, lambda y_true, y_pred: y_pred * 3],
    "partial": lambda k: [functools.partial(distance)],
    "callable": lambda k: [Distance()],
    "named callable": lambda k: [NamedDistance()],
    "bound method": lambda k: [Distance().__call__],
    "objects": lambda k: [k.metrics.AUC(name="area"), k.metrics.Precision(name="p", top_k=1)],
    "automatic names": lambda k: [k.metrics.AUC(), k.metrics.AUC(curve="PR"), k.metrics.Precision()],
    "classes": lambda k: [k.metrics.AUC, k.metrics.MeanSquaredError],
    "losses": lambda k: [k.losses.Huber(), k.losses.CategoricalCrossentropy(name="cce")],
    "twice": lambda k: ["mae", "mae", "mae"],
    "same by other names": lambda k: ["mse", "mean_squared_error", k.metrics.MeanSquaredError()],
    "results of several": lambda k: [highest(k)(), "mae"],
    "wrapped": lambda k: [k.metrics.MeanMetricWrapper(distance, name="far"), k.metrics.MeanMetricWrapper(distance)],
    "slashes": lambda k: [k.metrics.MeanSquaredError(name="a/b"), k.metrics.MeanSquaredError(name="with space")],
    "nested": lambda k: [["mae", ["mse"]]],
    "after val": lambda k: [k.metrics.MeanSquaredError(name="zeta")],
    "loss": lambda k: [k.metrics.MeanSquaredError(name="loss")],
    "configs": lambda k: [{"class_name": "AUC", "config": {"name": "area"}}],
}  # fmt: skip
FIRST, SECOND = ["mae", "accuracy"], ["mse"]
SEVERAL = {
    "lists": lambda k: [FIRST, SECOND],
    "one each": lambda k: ["mae", "accuracy"],
    "dict": lambda k: {"a": "mae", "b": ["accuracy", "mse"]},
    "dict of one": lambda k: {"b": "accuracy"},
    "the same": lambda k: [["mae", "mse"], ["mae", "mse"]],
    "objects": lambda k: {"a": k.metrics.MeanSquaredError(name="q"), "b": k.metrics.AUC(name="q")},
    "an empty one": lambda k: [[], ["mae"]],
    "one left out": lambda k: [None, ["mae"]],
    "results of several": lambda k: [[highest(k)()], ["mae"]],
    "tuples": lambda k: (("mae",), ("mse",)),
}


def fresh(k):
    k.utils.clear_session()
    k.utils.set_random_seed(3)
    return k


def one_output(k, **options):
    model = k.Sequential([k.Input((4,)), k.layers.Dense(3, activation="softmax", kernel_initializer="ones", name="o")])
    model.compile(k.optimizers.SGD(0.1), "categorical_crossentropy", **options)
    return model, HOT


def two_outputs(k, form, **options):
    inputs = k.Input((4,))
    outputs = [k.layers.Dense(3, activation="softmax", kernel_initializer="ones", name=name)(inputs) for name in "ab"]
    outputs = {"list": outputs, "dict": dict(zip("ab", outputs, strict=True))}[form]
    model = k.Model(inputs, outputs)
    model.compile(k.optimizers.SGD(0.1), "categorical_crossentropy", **options)
    return model, [HOT, HOT] if form == "list" else {"a": HOT, "b": HOT}


def logged(model, target):
    weights = WEIGHTS if not isinstance(target, (list, dict)) else [WEIGHTS, WEIGHTS]
    weights = dict(zip("ab", weights, strict=True)) if isinstance(target, dict) else weights
    history = model.fit(
        X, target, sample_weight=weights, batch_size=12, verbose=0, shuffle=False, validation_split=0.25
    ).history
    return history, model.evaluate(X, target, verbose=0, return_dict=True)


def assert_same(make):
    outcomes = []
    for k in (torchkeras, keras):
        try:
            outcomes.append(logged(*make(fresh(k))))
        except (ValueError, TypeError, AttributeError, RuntimeError) as error:
            outcomes.append(error)
    mine, real = outcomes
    if isinstance(real, Exception):
        return  # nothing to agree with
    assert not isinstance(mine, Exception), mine
    for own, wanted in zip(mine, real, strict=True):
        assert list(own) == list(wanted)
        for name, value in wanted.items():
            np.testing.assert_allclose(own[name], value, rtol=3e-5, atol=1e-6, err_msg=name)


WEIGHTED = ("strings", "own function", "twice", "automatic names", "lambda", "losses", "results of several", "objects")


@pytest.mark.parametrize("case", ONE)
def test_one_output(case):
    assert_same(lambda k: one_output(k, metrics=ONE[case](k)))


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("case", WEIGHTED)
def test_weighted(case, both):
    more = {"metrics": ONE[case]} if both else {}
    assert_same(lambda k: one_output(k, weighted_metrics=ONE[case](k), **{name: f(k) for name, f in more.items()}))


@pytest.mark.parametrize("case", SEVERAL)
def test_several_outputs(case):
    assert_same(lambda k: two_outputs(k, "list", metrics=SEVERAL[case](k)))
    assert_same(lambda k: two_outputs(k, "dict", metrics=SEVERAL[case](k), weighted_metrics=SEVERAL[case](k)))


AS_KERAS_2 = {
    "a bare name": ("mae", ["a_mae", "b_mae", "loss"]),
    "one for all": (["mae"], ["a_mae", "b_mae", "loss"]),
    "three for all": (["mae", "mse", "accuracy"], ["a_accuracy", "a_mae", "a_mse", "b_accuracy", "b_mae", "b_mse"]),
    "crossentropy": ([["ce"], ["crossentropy"]], ["a_ce", "b_crossentropy"]),
}


@pytest.mark.parametrize("case", AS_KERAS_2)
def test_what_keras_2_takes(case):
    given, names = AS_KERAS_2[case]
    model, target = two_outputs(fresh(torchkeras), "list", metrics=given)
    logs = logged(model, target)[1]
    assert set(names) <= set(logs)


OTHER_SPELLINGS = [("accuracy", "acc"), ("acc", "accuracy"), ("AUC", "auc"), ("MeanSquaredError", "mean_squared_error")]


def test_history_answers_to_the_other_spelling():
    for given, asked in OTHER_SPELLINGS:
        history = logged(*one_output(fresh(torchkeras), metrics=[given]))[0]
        assert history[asked] == history[given] and asked not in list(history)


def test_evaluate_lists_metrics_as_compiled():
    """Keras 3's order: the loss, then the metrics as they were given."""
    for given in (["mse", "mae", "accuracy"], ["accuracy", "mae"]):
        outcomes = []
        for k in (torchkeras, keras):
            model, target = one_output(fresh(k), metrics=given)
            outcomes.append(model.evaluate(X, target, verbose=0))
        np.testing.assert_allclose(*outcomes, rtol=1e-5)


def test_positional_add_weight_and_reset_states():
    class Older(torchkeras.metrics.Metric):
        resets = 0

        def __init__(self):
            super().__init__("older")
            self.count = self.add_weight("count", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.count.assign_add(torch.tensor(float(len(y_pred))))

        def result(self):
            return self.count

        def reset_states(self):
            self.resets += 1
            self.count.assign(0.0)

    metric = Older()
    model, target = one_output(fresh(torchkeras), metrics=[metric])
    assert model.fit(X, target, epochs=3, verbose=0).history["older"] == [20.0] * 3
    assert metric.resets >= 2
