"""The training state: what a callback may do to it in the middle of an epoch, and what a model without it shows."""

import copy
import gc
import inspect
import weakref

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers

X = np.arange(8, dtype="float32")[:, None] / 8
Y = 2 * X


def one_weight(metrics=None):
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.0), "mae", metrics=metrics)
    return model


class Acting(keras.callbacks.Callback):
    """Does something after each batch."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def on_train_batch_end(self, batch, logs=None):
        self.act(self.model)


class Largest(keras.metrics.Metric):
    """Keeps its state in a Python number."""

    def __init__(self, name="largest"):
        super().__init__(name=name)
        self.value = 0.0

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.value = max(self.value, float(y_true.max()))

    def result(self):
        return self.value

    def reset_state(self):
        self.value = 0.0


class Counting:
    """A metric as torchmetrics makes them."""

    def __init__(self):
        self.rows = []

    def update(self, preds, target):
        self.rows.append(len(preds))

    def compute(self):
        return torch.tensor(float(sum(self.rows)))

    def reset(self):
        self.rows = []


def fit(model, act=None):
    callbacks = [] if act is None else [Acting(act)]
    return model.fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=callbacks).history


@pytest.mark.parametrize("hook", ["train_begin", "epoch_begin", "train_batch_begin", "train_batch_end", "epoch_end"])
@pytest.mark.filterwarnings("error")
def test_what_is_compiled_in_a_hook_learns(hook):
    model, seen = one_weight(), []

    class Compiling(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(float(self.model.weights[0]))

    def act(self, *args):
        Compiling.on_epoch_end(self, 0) if hook == "epoch_end" else None
        if self.model.optimizer.name != "adam":
            self.model.compile("adam", "mse")

    model.fit(X, Y, epochs=3, verbose=0, callbacks=[type("Acting", (Compiling,), {f"on_{hook}": act})()])
    assert len(seen) == 3 and seen[1] < seen[2]


@pytest.mark.parametrize(
    "act",
    [
        lambda model: model.evaluate(X[:5], 9 * Y[:5], verbose=0),
        lambda model: model.test_on_batch(X[:5], 9 * Y[:5]),
        lambda model: model.train_on_batch(X[:5], 9 * Y[:5]),
        lambda model: model.fit(X[:5], 9 * Y[:5], verbose=0),
        lambda model: model.evaluate(X[:5], 9 * Y[:5], verbose=0, callbacks=[EvaluatingToo()]),
        lambda model: model.predict(X, verbose=0),
    ],
)
def test_an_epoch_is_undisturbed(act):
    expected = fit(one_weight(["mse", Largest(), Counting()]))
    assert expected["largest"] == [1.75, 1.75] and expected["counting"] == [8.0, 8.0]
    assert fit(one_weight(["mse", Largest(), Counting()]), act) == expected


class EvaluatingToo(keras.callbacks.Callback):
    def on_test_batch_end(self, batch, logs=None):
        self.model.evaluate(X, Y, verbose=0)


def test_evaluate_gives_its_own_numbers_meanwhile():
    seen = []
    fit(one_weight(["mse"]), lambda model: seen.append(model.evaluate(X[:2], Y[:2], verbose=0)))
    assert seen == [one_weight(["mse"]).evaluate(X[:2], Y[:2], verbose=0)] * 8


def test_metrics_made_meanwhile_start_from_nothing():
    """A callback that evaluates before the first batch makes the compiled metrics."""

    class First(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.evaluate(X, 9 * Y, verbose=0)

    history = one_weight(["mse"]).fit(X, Y, verbose=0, callbacks=[First()]).history
    assert history == one_weight(["mse"]).fit(X, Y, verbose=0).history


def test_the_mean_of_losses_counts_what_is_done_to_its_variables():
    tracker = one_weight().metrics[0]
    for _ in range(2):
        tracker.reset_state()
        tracker.update_state(torch.tensor(2.0), sample_weight=3)
        tracker.update_state(torch.tensor(6.0), sample_weight=1)
        assert float(tracker.result()) == 3.0
        assert [float(variable) for variable in tracker.variables] == [12.0, 4.0]
        tracker.variables[1].assign(6.0)
        assert float(tracker.result()) == 2.0
        tracker.update_state(torch.tensor(6.0), sample_weight=torch.tensor(2.0))
        assert float(tracker.result()) == 3.0
        tracker.update_state(torch.tensor(3.0))
        assert float(tracker.result()) == 3.0
    tracker.reset_state()
    assert float(tracker.result()) == 0.0


def test_flags_set_in_a_callback_stay():
    model = one_weight()
    fit(model, lambda model: setattr(model.layers[0], "trainable", False))
    assert not model.layers[0].trainable and model._training.learned == []
    model.compile(keras.optimizers.SGD(1.0), "mae")
    with pytest.warns(UserWarning, match="no trainable weights"):
        model.fit(X, Y, verbose=0)
    assert float(model.layers[0].kernel.detach()) == 0.0


def test_what_a_model_shows_before_compile():
    model = keras.Sequential([layers.Dense(1)])
    assert model.compiled is False and model.optimizer is None and model.loss is None and not model.stop_training
    assert not hasattr(model, "compiled_loss") and not hasattr(model, "compiled_metrics")
    assert inspect.getmembers(model)
    model.stop_training = True  # a loop of the user's own may ask for it
    model.optimizer = keras.optimizers.SGD()
    other = keras.Sequential([layers.Dense(1)])
    assert not other.stop_training and other.optimizer is None and not model.compiled


def test_compile_leaves_nothing_of_the_last():
    model = one_weight(["mse"])
    model.stop_training = True
    model.fit(X, Y, verbose=0)
    model.make_train_function()
    model.compile("sgd")
    assert model.loss is None and model.train_function is None and not model.stop_training
    assert [metric.name for metric in model.metrics] == ["loss"]


def test_the_state_belongs_to_its_model():
    model = one_weight(["mse"])
    fit(model)
    twin = copy.deepcopy(model)
    fit(twin)
    assert twin._training is not model._training and twin.optimizer is not model.optimizer
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("name", ["binary_accuracy", "mean_squared_error", "sparse_categorical_accuracy"])
def test_metric_functions_survive_the_compile_config(name):
    model = one_weight([getattr(keras.metrics, name)])
    again = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    again.compile_from_config(model.get_compile_config())
    again.fit(X, Y, verbose=0)
    assert name in again.evaluate(X, Y, verbose=0, return_dict=True)
    assert again.get_compile_config() == model.get_compile_config()


@pytest.mark.parametrize("how", ["fit", "evaluate", "test_on_batch", "train_on_batch"])
def test_what_a_metric_counted_elsewhere_is_dropped(how):
    used, unused = keras.metrics.MeanSquaredError(name="used"), keras.metrics.MeanSquaredError(name="unused")
    used.update_state([[5.0]], [[0.0]])
    model = one_weight([used, unused])
    if how == "fit":
        logs = {name: value[0] for name, value in model.fit(X, Y, verbose=0).history.items()}
    elif how == "evaluate":
        logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    else:
        logs = getattr(model, how)(X, Y, return_dict=True)
    assert logs["used"] == logs["unused"]


def test_a_metric_that_makes_its_state_late_is_not_reset_before():
    class Late(keras.metrics.Metric):
        def update_state(self, y_true, y_pred, sample_weight=None):
            if not self.variables:
                self.calls = self.add_weight(name="calls")
            self.calls.assign(self.calls + 1.0)

        def result(self):
            return self.calls * 1.0

        def reset_state(self):
            self.calls.assign(0.0)

    model = one_weight([Late(name="late")])
    with pytest.raises(AttributeError):
        Late().reset_state()
    assert model.fit(X, Y, batch_size=2, epochs=2, verbose=0).history["late"] == [4.0, 4.0]
