"""compile, fit, evaluate, predict and the single-batch methods beside the installed Keras: same calls, same results.

Every test is a scenario run in both libraries with equal weights; `run_both` compares what it returns.
"""

import inspect
import warnings

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.curves import SIDES, run_both, seed_weights

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
RNG = np.random.default_rng(5)
X = RNG.normal(size=(22, 3)).astype("float32")
Y = (X.sum(axis=1, keepdims=True) + 0.1).astype("float32")
LABELS = RNG.integers(0, 4, size=22)
WEIGHTS = RNG.uniform(0.2, 2.0, size=22).astype("float32")


def regressor(k, **compile_arguments):
    L = k.layers
    model = seed_weights(k.Sequential([k.Input((3,)), L.Dense(4, activation="tanh"), L.Dense(1)]))
    arguments = {"optimizer": k.optimizers.SGD(0.05), "loss": "mse", **compile_arguments}
    model.compile(**arguments)
    return model


def classifier(k, **compile_arguments):
    L = k.layers
    model = seed_weights(k.Sequential([k.Input((3,)), L.Dense(5, activation="relu"), L.Dense(4, activation="softmax")]))
    model.compile(
        **{"optimizer": k.optimizers.SGD(0.05), "loss": "sparse_categorical_crossentropy", **compile_arguments}
    )
    return model


def two_outputs(k, kind=list, **compile_arguments):
    L = k.layers
    x = k.Input((3,), name="x")
    hidden = L.Dense(4, activation="tanh")(x)
    a, b = L.Dense(1, name="a")(hidden), L.Dense(4, activation="softmax", name="b")(hidden)
    model = seed_weights(k.Model(x, {"a": a, "b": b} if kind is dict else kind((a, b))))
    model.compile(**{"optimizer": k.optimizers.SGD(0.05), **compile_arguments})
    return model


def fit(model, x=X, y=Y, **arguments):
    history = model.fit(x, y, **{"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0, **arguments})
    return history.history, history.epoch, history.params, model.get_weights()


METHODS = [
    "compile",
    "fit",
    "evaluate",
    "predict",
    "train_on_batch",
    "test_on_batch",
    "predict_on_batch",
    "compute_loss",
    "compute_metrics",
    "train_step",
    "test_step",
    "predict_step",
    "get_metrics_result",
    "reset_metrics",
    "get_compile_config",
    "compile_from_config",
]


@pytest.mark.parametrize("method", METHODS)
def test_signatures_are_keras(method):
    """The same parameters with the same defaults; ours may go on after them (Keras 2's)."""
    theirs = list(inspect.signature(getattr(keras.Model, method)).parameters.values())
    ours = list(inspect.signature(getattr(torchkeras.Model, method)).parameters.values())
    theirs = [p for p in theirs if p.kind is not p.VAR_KEYWORD]
    assert [(p.name, p.default) for p in ours[: len(theirs)]] == [(p.name, p.default) for p in theirs]
    more = {p.name for p in ours[len(theirs) :]}
    assert more <= {"older", "reset_metrics"}


# -- what data may be -------------------------------------------------------------------------------------------------

DATA = {
    "float64": (X.astype("float64"), Y.astype("float64")),
    "float16": (X.astype("float16"), Y),
    "integers": ((X * 3).astype("int64"), Y),
    "int8": ((X * 3).astype("int8"), Y),
    "bools": (X > 0, Y > 0),
    "1-D y": (X, Y[:, 0]),
    "tensors": (torch.tensor(X), torch.tensor(Y)),
    "float64 tensors": (torch.tensor(X).double(), torch.tensor(Y).double()),
    "not contiguous": (np.asfortranarray(X), Y[::-1]),
    "every other": (np.repeat(X, 2, axis=0)[::2], np.repeat(Y, 2, axis=1)[:, :1]),
    "in a list": ([X], [Y]),
    "in a tuple": ((X,), Y),
}


@pytest.mark.parametrize("kind", DATA)
def test_kinds_of_arrays(kind):
    x, y = DATA[kind]

    def scenario(k):
        model = regressor(k, metrics=["mae"])
        return (
            fit(model, x, y),
            model.evaluate(x, y, verbose=0),
            model.predict(x, verbose=0),
            model.train_on_batch(x, y),
        )

    run_both(scenario)


@pytest.mark.parametrize("x", [X, {"x": X}, [X]], ids=["array", "dict", "list"])
@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_structures_of_inputs_and_outputs(kind, x):
    def scenario(k):
        model = two_outputs(k, kind, loss=["mse", "sparse_categorical_crossentropy"] if kind is not dict else {
            "a": "mse", "b": "sparse_categorical_crossentropy"})  # fmt: skip
        y = {"a": Y, "b": LABELS} if kind is dict else kind((Y, LABELS))
        predictions = model.predict(x, verbose=0, batch_size=5)
        flat = [predictions[n] for n in "ab"] if kind is dict else predictions
        return fit(model, x, y, validation_data=(x, y)), flat, model.evaluate(x, y, verbose=0)

    run_both(scenario)


def test_targets_by_name_for_listed_outputs():
    def scenario(k):
        model = two_outputs(k, loss={"a": "mse", "b": "sparse_categorical_crossentropy"}, metrics={"b": "accuracy"})
        return fit(model, X, {"b": LABELS, "a": Y})

    run_both(scenario)


def test_one_dimensional_x():
    def scenario(k):
        model = seed_weights(k.Sequential([k.Input((1,)), k.layers.Dense(1)]))
        model.compile("sgd", "mse")
        return fit(model, X[:, 0], Y), model.predict(X[:, 0], verbose=0)

    run_both(scenario)


# -- arguments of fit -------------------------------------------------------------------------------------------------

FIT = {
    "defaults": {},
    "default batch size": {"batch_size": None},
    "batch of one": {"batch_size": 1},
    "batch larger than data": {"batch_size": 100},
    "validation split": {"validation_split": 0.3},
    "odd split": {"validation_split": 0.5, "batch_size": 4},
    "validation data": {"validation_data": (X[:7], Y[:7])},
    "validation data, list": {"validation_data": [X[:7], Y[:7]]},
    "validation data, tensors": {"validation_data": (torch.tensor(X[:7]), torch.tensor(Y[:7]))},
    "validation weights": {"validation_data": (X[:7], Y[:7], WEIGHTS[:7])},
    "validation batch": {"validation_split": 0.5, "validation_batch_size": 3},
    "validation steps": {"validation_split": 0.5, "validation_steps": 1},
    "validation every second": {"validation_split": 0.3, "validation_freq": 2, "epochs": 5},
    "validation listed": {"validation_split": 0.3, "validation_freq": [1, 4], "epochs": 5},
    "initial epoch": {"initial_epoch": 3, "epochs": 5},
    "no epochs": {"epochs": 0},
    "initial epoch too late": {"initial_epoch": 3, "epochs": 3},
    "fewer steps": {"steps_per_epoch": 2, "epochs": 3},
    "sample weights": {"sample_weight": WEIGHTS},
    "weights of two axes": {"sample_weight": WEIGHTS[:, None]},
    "weights split": {"sample_weight": WEIGHTS, "validation_split": 0.3},
    "float64 weights": {"sample_weight": WEIGHTS.astype("float64")},
    "weight tensor": {"sample_weight": torch.tensor(WEIGHTS)},
    "integer weights": {"sample_weight": np.arange(22)},
    "zero weights": {"sample_weight": np.zeros(22)},
}


@pytest.mark.parametrize("case", FIT)
def test_arguments_of_fit(case):
    arguments = FIT[case]

    def scenario(k):
        return fit(regressor(k, metrics=["mae"], weighted_metrics=["mse"]), **arguments)

    run_both(scenario)


CLASS_WEIGHTS = {
    "all": {0: 1.0, 1: 2.0, 2: 0.5, 3: 3.0},
    "some": {1: 4.0},
    "none": {},
    "floats": {2.0: 3, 0.0: 2},
    "numpy": {np.int8(3): np.float32(2)},
    "no class": {-1: 5.0, 2: 3.0, 2**40: 2.0},
}


@pytest.mark.parametrize("class_weight", CLASS_WEIGHTS.values(), ids=CLASS_WEIGHTS)
@pytest.mark.parametrize("labels", ["sparse", "column", "one-hot"])
def test_class_weight(class_weight, labels):
    y = {"sparse": LABELS, "column": LABELS[:, None], "one-hot": np.eye(4, dtype="float32")[LABELS]}[labels]

    def scenario(k):
        loss = "categorical_crossentropy" if labels == "one-hot" else "sparse_categorical_crossentropy"
        model = classifier(k, loss=loss, metrics=["accuracy"], weighted_metrics=["accuracy"])
        return fit(model, X, y, class_weight=class_weight, validation_split=0.2), model.train_on_batch(
            X, y, class_weight=class_weight, return_dict=True
        )

    run_both(scenario)


def test_binary_class_weight():
    def scenario(k):
        model = seed_weights(k.Sequential([k.Input((3,)), k.layers.Dense(1, activation="sigmoid")]))
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
        return fit(model, X, (Y[:, 0] > 0).astype("int32"), class_weight={0: 0.25, 1: 2})

    run_both(scenario)


def test_class_and_sample_weights_multiply():
    """Keras 3 refuses what Keras 2 multiplied."""
    model = classifier(torchkeras)
    got = fit(model, X, LABELS, class_weight={0: 2.0, 2: 3.0}, sample_weight=WEIGHTS)
    factors = np.array([2.0, 1.0, 3.0, 1.0])[LABELS] * WEIGHTS
    expected = fit(classifier(keras), X, LABELS, sample_weight=factors)
    np.testing.assert_allclose(got[0]["loss"], expected[0]["loss"], rtol=1e-5)


def test_more_steps_than_batches_wraps_and_warns():
    """The data go on from epoch to epoch, as an iterator that starts again when it ends."""

    def scenario(k):
        model, seen = regressor(k), []
        end = (
            k.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: seen.append(b))
            if k is keras
            else _Batches(seen)
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = fit(model, steps_per_epoch=5, epochs=3, callbacks=[end])
        return result, seen, len([w for w in caught if issubclass(w.category, UserWarning)]) > 0

    run_both(scenario)


class _Batches(torchkeras.callbacks.Callback):
    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(batch)


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_steps_of_evaluate_and_predict(steps):
    def scenario(k):
        model = regressor(k, metrics=["mae"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scores = model.evaluate(X, Y, batch_size=8, steps=steps, verbose=0)
            return scores, model.predict(X, batch_size=8, steps=steps, verbose=0)

    run_both(scenario)


def test_steps_per_epoch_over_epochs():
    def scenario(k):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [fit(regressor(k), steps_per_epoch=s, epochs=4, batch_size=b) for s in (1, 2, 3, 4) for b in (8, 11)]

    run_both(scenario)


# -- losses, metrics, several outputs ---------------------------------------------------------------------------------

BOTH = ["mse", "sparse_categorical_crossentropy"]
COMPILE = {
    "dict loss": {"loss": {"b": BOTH[1], "a": BOTH[0]}},
    "weighted": {"loss": BOTH, "loss_weights": [0.3, 2.0]},
    "weighted by name": {"loss": dict(zip("ab", BOTH)), "loss_weights": {"b": 0.5, "a": 2.0}},
    "second without loss": {"loss": ["mse", None], "metrics": [["mae"], ["accuracy"]]},
    "metrics listed": {"loss": BOTH, "metrics": [["mae", "mse"], ["accuracy"]]},
    "one each": {"loss": BOTH, "metrics": ["mae", "acc"]},
    "metrics by name": {"loss": BOTH, "metrics": {"b": ["accuracy", "sparse_categorical_crossentropy"], "a": "mae"}},
    "some metrics": {"loss": BOTH, "metrics": {"b": "accuracy"}},
    "none for one": {"loss": BOTH, "metrics": [None, ["accuracy"]]},
    "weighted metrics": {
        "loss": BOTH,
        "metrics": {"a": ["mae"], "b": ["accuracy"]},
        "weighted_metrics": {"a": ["mae", "mse"], "b": ["accuracy"]},
    },
}


@pytest.mark.parametrize("weights", [None, "one", "each"])
@pytest.mark.parametrize("case", COMPILE)
def test_two_outputs(case, weights):
    sample_weight = {None: None, "one": WEIGHTS, "each": [WEIGHTS, WEIGHTS**2]}[weights]

    def scenario(k):
        model = two_outputs(k, **COMPILE[case])
        result = fit(model, X, [Y, LABELS], sample_weight=sample_weight, validation_split=0.25)
        lists = model.evaluate(X, [Y, LABELS], verbose=0, sample_weight=sample_weight)
        named = model.evaluate(X, [Y, LABELS], verbose=0, return_dict=True)
        return result, lists, named, model.train_on_batch(X, [Y, LABELS]), model.test_on_batch(X, [Y, LABELS])

    run_both(scenario)


def custom_metric(y_true, y_pred):
    return abs(y_true - y_pred) ** 3


METRICS = {
    "strings": lambda k: ["mae", "MeanSquaredError", "mean_absolute_percentage_error"],
    "objects": lambda k: [k.metrics.MeanSquaredError(), k.metrics.MeanAbsoluteError(name="error")],
    "classes": lambda k: [k.metrics.MeanSquaredError],
    "function": lambda k: [custom_metric, "mae"],
    "lambda": lambda k: [lambda t, p: abs(t - p)],
    "twice": lambda k: ["mae", "mae", k.metrics.MeanAbsoluteError(name="mae")],
    "loss object": lambda k: [k.losses.MeanSquaredError()],
    "nested": lambda k: [["mae", "mse"]],
    "tuple": lambda k: ("mae",),
    "empty": lambda k: [],
    "loss function": lambda k: [k.losses.mean_absolute_error],
}


@pytest.mark.parametrize("case", METRICS)
@pytest.mark.parametrize("where", ["metrics", "weighted_metrics"])
def test_kinds_of_metrics(case, where):
    if (case, where) == ("loss object", "weighted_metrics"):
        pytest.skip("Keras cannot weight a loss object's value, which is one number already")

    def scenario(k):
        model = regressor(k, **{where: METRICS[case](k)})
        results = fit(model, sample_weight=WEIGHTS), model.evaluate(X, Y, verbose=0, return_dict=True)
        return results, [type(m).__name__ for m in model.metrics], len(model.metrics[-1].variables)

    run_both(scenario)


LOSSES = {
    "object": lambda k: k.losses.Huber(delta=0.3),
    "sum": lambda k: k.losses.MeanSquaredError(reduction="sum"),
    "class": lambda k: k.losses.MeanAbsoluteError,
    "function": lambda k: k.losses.mean_absolute_error,
    "own function": lambda k: custom_metric,
    "lambda": lambda k: lambda t, p: (t - p) ** 4,
    "scalar": lambda k: lambda t, p: ((t - p) ** 2).mean(),
    "list of one": lambda k: ["mse"],
    "camel case": lambda k: "MeanSquaredError",
}


@pytest.mark.parametrize("case", LOSSES)
def test_kinds_of_losses(case):
    def scenario(k):
        model = regressor(k, loss=LOSSES[case](k))
        weighted = fit(model, sample_weight=WEIGHTS) if case != "scalar" else ()
        return fit(model), weighted, model.loss is None

    run_both(scenario)


def test_own_loss_and_metric_classes():
    def scenario(k):
        class Quartic(k.losses.Loss):
            def call(self, y_true, y_pred):
                return ((y_true - y_pred) ** 4).mean(-1)

        class Largest(k.metrics.Metric):
            def __init__(self, name="largest", **kwargs):
                super().__init__(name=name, **kwargs)
                self.largest = self.add_weight(name="value", initializer="zeros")

            def update_state(self, y_true, y_pred, sample_weight=None):
                self.largest.assign(k.ops.maximum(self.largest, k.ops.max(y_pred)))

            def result(self):
                return 1.0 * self.largest  # Keras would read the bare variable after its reset

        model = regressor(k, loss=Quartic(), metrics=[Largest()])
        return fit(model, validation_split=0.3), fit(model, sample_weight=WEIGHTS)

    run_both(scenario)


def test_metric_with_several_results():
    def scenario(k):
        class Moments(k.metrics.Mean):
            def update_state(self, y_true, y_pred, sample_weight=None):
                super().update_state(y_pred)

            def result(self):
                return {"mean": super().result(), "twice": 2 * super().result()}

        return fit(regressor(k, metrics=[Moments(), "mae"]), validation_split=0.3)

    run_both(scenario)


@pytest.mark.parametrize("where", ["kernel", "activity", "add_loss in call", "layer of its own"])
def test_losses_of_layers(where):
    def scenario(k):
        L = k.layers

        class Penalty(L.Layer):
            def call(self, x):
                self.add_loss(0.1 * k.ops.mean(k.ops.square(x)))
                return x

        first = {
            "kernel": {"kernel_regularizer": "l2", "bias_regularizer": "l1"},
            "activity": {"activity_regularizer": "l1"},
        }.get(where, {})
        layers = [k.Input((3,)), L.Dense(4, activation="tanh", **first), L.Dense(1)]
        if not first:
            layers.insert(2, Penalty())
        model = seed_weights(k.Sequential(layers))
        model.compile(k.optimizers.SGD(0.05), None if where == "layer of its own" else "mse", metrics=["mae"])
        return fit(model, validation_split=0.3), model.evaluate(X, Y, verbose=0), model.train_on_batch(X, Y)

    run_both(scenario)


# -- single batches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("return_dict", [False, True])
@pytest.mark.parametrize("metrics", [None, ["mae", "mse"]])
def test_single_batches(metrics, return_dict):
    """Each call starts the metrics again."""

    def scenario(k):
        model, results = regressor(k, metrics=metrics, weighted_metrics=metrics and ["mape"]), []
        for start in (0, 8, 16):
            x, y, w = (a[start : start + 8] for a in (X, Y, WEIGHTS))
            results.append(model.train_on_batch(x, y, return_dict=return_dict))
            results.append(model.train_on_batch(x, y, w, return_dict=return_dict))
            results.append(model.test_on_batch(x, y, return_dict=return_dict))
            results.append(model.test_on_batch(x, y, w, return_dict=return_dict))
            results.append(model.predict_on_batch(x))
        return results, model.get_weights()

    run_both(scenario)


def test_single_batches_of_tensors():
    def scenario(k):
        model = regressor(k)
        x, y = torch.tensor(X), torch.tensor(Y)
        return model.train_on_batch(x, y), model.test_on_batch(x, y), model.predict_on_batch(x)

    run_both(scenario)


def test_metrics_go_on_without_reset():
    """Keras 2's `reset_metrics=False`: means over both batches."""
    model = regressor(torchkeras, optimizer=torchkeras.optimizers.SGD(0.0))
    first = model.test_on_batch(X[:8], Y[:8])
    both = model.test_on_batch(X[8:], Y[8:], reset_metrics=False)
    assert both == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-6)
    assert first != both
    assert model.train_on_batch(X[:8], Y[:8]) == pytest.approx(first, rel=1e-6)


# -- callbacks --------------------------------------------------------------------------------------------------------


def recorder(k, events):
    hooks = [name for name in dir(k.callbacks.Callback) if name.startswith("on_")]

    def hook(name):
        def method(self, *args, **kwargs):
            *where, logs = (
                (*args, *kwargs.values()) if len(args) + len(kwargs) > (name.count("train_b") + 1 and 0) else (None,)
            )
            if "predict" in name:
                logs = sorted(logs or {})
            events.append((name, [int(w) for w in where], logs))

        return method

    return type(
        "Recorder", (k.callbacks.Callback,), {n: hook(n) for n in hooks if n not in ("on_batch_begin", "on_batch_end")}
    )()


def test_hooks_and_their_logs():
    """Order of the hooks; what their logs hold."""

    def scenario(k):
        events = []
        callback = recorder(k, events)
        model = regressor(k, metrics=["mae"])
        fit(model, callbacks=[callback], validation_split=0.3)
        first = callback.params
        model.evaluate(X, Y, batch_size=8, verbose=0, callbacks=[callback])
        second = callback.params
        model.predict(X, batch_size=8, verbose=0, callbacks=[callback])
        return events, first, second, callback.params, callback.model is model

    run_both(scenario)


@pytest.mark.parametrize(
    "hook",
    ["on_train_batch_end", "on_train_batch_begin", "on_epoch_begin", "on_epoch_end", "on_train_begin", "on_test_begin"],
)
def test_stop_training(hook):

    def scenario(k):
        def stop(self, *args, **kwargs):
            if args and args[0] == 1 or hook == "on_test_begin":
                self.model.stop_training = True
            if hook == "on_train_begin":
                self.model.stop_training = True

        callback = type("Stop", (k.callbacks.Callback,), {hook: stop})()
        model = regressor(k)
        return fit(model, epochs=4, callbacks=[callback], validation_split=0.3), model.stop_training, fit(model)

    run_both(scenario)


def test_stop_evaluating_and_predicting():
    def scenario(k):
        class Stop(k.callbacks.Callback):
            def on_test_batch_end(self, batch, logs=None):
                self.model.stop_evaluating = batch == 1

            def on_predict_batch_end(self, batch, logs=None):
                self.model.stop_predicting = batch == 1

        model, stop = regressor(k), Stop()
        scores = model.evaluate(X, Y, batch_size=8, verbose=0, callbacks=[stop])
        return scores, model.predict(X, batch_size=8, verbose=0, callbacks=[stop])

    run_both(scenario)


def test_logs_changed_by_a_callback_reach_history():

    def scenario(k):
        class More(k.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                logs["more"] = epoch * 2.0

        return fit(regressor(k), callbacks=[More()])

    run_both(scenario)


def test_history_belongs_to_the_last_fit():
    def scenario(k):
        model = regressor(k)
        fit(model)
        again = fit(model, epochs=3)
        return again, model.history.history, model.history.epoch

    run_both(scenario)


# -- structures of every kind -----------------------------------------------------------------------------------------


def test_nested_outputs():
    """Losses are named by path, metrics by output."""

    def scenario(k):
        L, x = k.layers, k.Input((3,))
        outputs = {"p": [L.Dense(1, name="a")(x), L.Dense(2, name="b")(x)], "q": L.Dense(1, name="c")(x)}
        model = seed_weights(k.Model(x, outputs))
        model.compile(
            "sgd", {"p": ["mse", "mae"], "q": "mse"}, metrics={"p": [["mae"], ["mse"]], "q": ["mae"]}
        )  # fmt: skip
        y = {"p": [Y, np.concatenate([Y, Y], axis=1)], "q": Y}
        return fit(model, X, y), [metric.name for metric in model.metrics], model.evaluate(X, y, verbose=0)

    run_both(scenario)


def test_subclass_with_nested_inputs():
    def scenario(k):
        class Nested(k.Model):
            def __init__(self):
                super().__init__()
                self.dense = k.layers.Dense(1, kernel_initializer="ones")

            def call(self, inputs, training=False):
                return self.dense(inputs["u"]) + k.ops.sum(inputs["v"][0], axis=-1, keepdims=True)

        model = Nested()
        model.compile("sgd", "mse", metrics=["mae"])
        x = {"u": X, "v": [X[:, :2], X[:, 2:]]}
        return fit(model, x, Y[:, 0]), model.predict(x, verbose=0), len(model.weights)

    run_both(scenario)


def test_target_none_for_an_output_without_loss():
    def scenario(k):
        return fit(two_outputs(k, loss=["mse", None]), X, [Y, None])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both say that one head gets no gradient
        run_both(scenario)


def test_weights_by_output_name():
    def scenario(k):
        model = two_outputs(
            k, dict, loss={"a": "mse", "b": BOTH[1]}, metrics={"a": ["mae"]}, weighted_metrics={"b": ["accuracy"]}
        )
        y, weights = {"a": Y, "b": LABELS}, {"a": WEIGHTS, "b": WEIGHTS**2}
        return fit(model, X, y, sample_weight=weights, validation_data=(X, y, weights))

    run_both(scenario)


@pytest.mark.parametrize("kind", [list, dict])
def test_structure_of_one_output(kind):
    def scenario(k):
        x = k.Input((3,))
        out = k.layers.Dense(1, name="o")(x)
        model = seed_weights(k.Model(x, [out] if kind is list else {"o": out}))
        model.compile(
            "sgd", ["mse"] if kind is list else {"o": "mse"}, metrics=[["mae"]] if kind is list else {"o": "mae"}
        )
        y = [Y] if kind is list else {"o": Y}
        return fit(model, X, y), type(model.predict(X, verbose=0)).__name__

    run_both(scenario)


def test_loss_and_metric_by_name_for_one_output():
    def scenario(k):
        x = k.Input((3,))
        model = seed_weights(k.Model(x, k.layers.Dense(1, name="o")(x)))
        model.compile("sgd", {"o": "mse"}, metrics={"o": "mae"})
        return fit(model)

    run_both(scenario)


@pytest.mark.parametrize("factor", [0.5, [0.5]])
def test_loss_weight_of_one_output(factor):
    run_both(lambda k: fit(regressor(k, loss_weights=factor)))


def test_metric_shared_by_two_outputs():
    def scenario(k):
        metric = k.metrics.MeanAbsoluteError()
        return fit(two_outputs(k, loss=BOTH, metrics=[[metric], ["accuracy"]]), X, [Y, LABELS])

    run_both(scenario)


@pytest.mark.parametrize("holder", [lambda metric: metric, lambda metric: [metric], lambda metric: {"m": metric}])
def test_metrics_held_by_the_model(holder):
    def scenario(k):
        class Watching(k.Model):
            def __init__(self):
                super().__init__()
                self.dense = k.layers.Dense(1, kernel_initializer="ones")
                metric = k.metrics.Mean(name="extra")
                self.held, self.update = holder(metric), metric.update_state

            def call(self, x):
                y = self.dense(x)
                self.update(y)
                return y

        model = Watching()
        model.compile("sgd", "mse", metrics=["mae"])
        return fit(model), [metric.name for metric in model.metrics], model.evaluate(X, Y, verbose=0)

    run_both(scenario)


def test_masks_reach_losses_and_metrics():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 3, (11, 5)), rng.integers(0, 2, (11, 5))
    x[:, 0] = 1
    weights = rng.uniform(size=(11, 5))

    def scenario(k):
        L = k.layers
        model = seed_weights(
            k.Sequential(
                [
                    k.Input((5,), dtype="int32"),
                    L.Embedding(7, 3, mask_zero=True),
                    L.LSTM(4, return_sequences=True),
                    L.Dense(2, activation="softmax"),
                ]
            )
        )
        loss = "sparse_categorical_crossentropy"
        model.compile("sgd", loss, metrics=["accuracy"], weighted_metrics=[loss])
        return fit(model, x, y, batch_size=4), model.evaluate(x, y, verbose=0, sample_weight=weights)

    run_both(scenario)


def test_compile_config():
    """What is written for files: read back by both libraries alike, and by each other."""
    configs = {}

    def scenario(k):
        model = regressor(k, loss=k.losses.Huber(), metrics=["mae", k.metrics.MeanSquaredError(name="q")])
        config = configs[k] = model.get_compile_config()
        twin = seed_weights(k.Sequential([k.Input((3,)), k.layers.Dense(4), k.layers.Dense(1)]))
        twin.compile_from_config(config)
        rest = {key: value for key, value in config.items() if key not in ("optimizer", "loss")}
        return fit(twin), dict(sorted(rest.items())), k.Sequential().get_compile_config()

    run_both(scenario)
    optimizers = [configs[side]["optimizer"] for side in SIDES]
    assert optimizers[0]["config"] == optimizers[1]["config"]
    ours = regressor(torchkeras)
    ours.compile_from_config(configs[keras])
    assert (ours.loss.name, ours.optimizer.name) == ("huber_loss", "sgd")
    theirs = regressor(keras)
    theirs.compile_from_config(configs[torchkeras])
    assert fit(theirs)[0].keys() == fit(ours)[0].keys()
