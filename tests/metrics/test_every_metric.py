"""What holds for every published metric: copies, life and death, looking at it, its place in layers and containers."""

import copy
import gc
import inspect
import pickle
import weakref

import numpy as np
import pytest
import torch

import torchkeras as keras
from compat.needed import needed
from torchkeras import metrics
from torchkeras.core import registry
from torchkeras.metrics.mean import FunctionMetric

FUNCTIONS, CLASSES = [], []
for each in dict.fromkeys(found for name in dir(metrics) if callable(found := getattr(metrics, name))):
    entry = registry.entry_of(each)
    if entry is not None and entry.kind == "metric_function":
        FUNCTIONS.append(each)
    elif entry is not None and entry.kind == "metric" and each not in (metrics.Metric, metrics.MeanMetricWrapper):
        CLASSES.append(each)


def inputs(name, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores, classes = torch.rand(6, 8, generator=generator), torch.arange(6) % 3
    if name in ("Mean", "Sum"):
        return (scores,)
    return (classes if "parse" in name else torch.eye(8)[classes]), scores


def test_all_are_found():
    assert len(CLASSES) >= 40
    assert len(FUNCTIONS) >= 5


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_copies_are_apart_and_nothing_is_kept(cls):
    metric, data, more = cls(**needed(cls)), inputs(cls.__name__), inputs(cls.__name__, 1)
    metric.update_state(*data)
    result = metric.result()
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        torch.testing.assert_close(other.result(), result)
        other.update_state(*more)
        torch.testing.assert_close(metric.result(), result)
        assert other.get_config() == metric.get_config()
        assert [v.name for v in other.variables] == [v.name for v in metric.variables]
        other.reset_state()
        assert all(not variable.any() for variable in other.variables)
    torch.testing.assert_close(cls.from_config(needed(cls))(*data), result)
    alive = weakref.ref(metric)
    del metric, other
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_looking_raises_nothing(cls):
    for metric in (cls(**needed(cls)), object.__new__(cls)):
        inspect.getmembers(metric)
        assert not hasattr(metric, "no_such_thing")
    assert not hasattr(object.__new__(cls), "variables")


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_functions_are_mapped(function):
    target, scores = inputs(function.__name__)
    mapped = torch.func.vmap(lambda t, p: function(t[None], p[None]).sum())(target, scores)
    torch.testing.assert_close(mapped, function(target, scores).reshape(6, -1).sum(1))


def test_metrics_of_a_lambda_copy_and_die():
    metric = metrics.MeanMetricWrapper(lambda t, p: (t - p).abs(), name="error")
    metric(torch.tensor([0.0]), torch.tensor([2.0]))
    assert copy.deepcopy(metric).result() == 2.0
    alive = weakref.ref(metric)
    del metric
    gc.collect()
    assert alive() is None


def test_a_layer_holds_metrics_in_every_container():
    class Watching(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.one = metrics.Mean(name="one")
            self.several = [metrics.Mean(name="a"), {"b": metrics.MeanSquaredError(name="b")}]

        def call(self, x):
            self.one.update_state(x)
            self.several[0].update_state(x * 2)
            self.several[1]["b"].update_state(x, torch.zeros_like(x))
            return x

    inputs = keras.Input((2,))
    model = keras.Model(inputs, Watching()(inputs))
    model.compile("sgd", "mse")
    logs = model.evaluate(np.ones((4, 2)), np.ones((4, 2)), verbose=0, return_dict=True)
    assert logs == {"loss": 0.0, "one": 1.0, "a": 2.0, "b": 1.0}


def test_fields_and_direction_come_from_the_function():
    def near(y_true, y_pred, tolerance=0.5):
        return (y_true - y_pred).abs() < tolerance

    class Near(FunctionMetric, function=near, direction="up"):
        """A metric in one line."""

    class Poisson(FunctionMetric, function=keras.losses.poisson):
        """The direction of a loss is known."""

    assert list(inspect.signature(Near).parameters) == ["name", "dtype", "tolerance"]
    metric = Near(tolerance=2.0)
    assert metric(torch.zeros(2), torch.tensor([1.0, 3.0])) == 0.5
    assert metric.get_config() == {"name": "near", "dtype": "float32", "tolerance": 2.0}
    assert (Near._direction, Poisson()._direction) == ("up", "down")
    assert not hasattr(metrics.Mean(), "_direction")


def test_state_of_a_users_metric_is_given_and_returned():
    class Counting(metrics.Metric):
        def __init__(self, **options):
            super().__init__(**options)
            self.calls = self.add_variable((), "zeros", name="calls")
            self.inner = metrics.Mean()

        def update_state(self, values, sample_weight=None):
            self.calls.assign(self.calls + 1)
            self.inner.update_state(values, sample_weight)

        def result(self):
            return {"calls": self.calls, "mean": self.inner.result()}

        def reset_state(self):
            self.calls.assign(10.0)
            self.inner.reset_state()

    metric = Counting()
    metric.update_state([5.0])
    state = metric.stateless_update_state(metric.stateless_reset_state(), [2.0, 4.0])
    assert [float(each) for each in state] == [11.0, 6.0, 2.0]
    assert {key: float(each) for key, each in metric.stateless_result(state).items()} == {"calls": 11.0, "mean": 3.0}
    assert [float(each) for each in metric.variables] == [1.0, 5.0, 1.0]
