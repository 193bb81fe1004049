"""Metrics on their own: state, masks, older spellings, stateless forms, subclasses, tracing, errors."""

import copy
import pickle

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import torchkeras.keras2  # noqa: F401 - the older spellings
from torchkeras import losses, metrics
from torchkeras.core import shape_probe
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.registry import custom_object_scope
from torchkeras.core.scopes import clear_session
from torchkeras.core.serialization import deserialize_keras_object
from torchkeras.core.variable import Variable
from torchkeras.metrics import resolve


class Largest(metrics.Metric):
    def __init__(self, name="largest", **kwargs):
        super().__init__(name=name, **kwargs)
        self.largest = self.add_weight(shape=(), initializer="zeros", name="value")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest.assign(torch.maximum(self.largest, y_pred.max()))

    def result(self):
        return self.largest


# -- state ---------------------------------------------------------------------------------


def test_numbers_equal_in_both_generations():
    assert metrics.BinaryAccuracy()([[1.0], [0.0]], [[0.9], [0.6]]) == 0.5
    assert metrics.Accuracy()([[1], [2]], [[1], [3]], sample_weight=[1.0, 0.0]) == 1.0
    assert metrics.SparseCategoricalAccuracy()([1, 0], [[0.1, 0.9], [0.2, 0.8]]) == 0.5
    assert metrics.SparseTopKCategoricalAccuracy(k=1)([2, 1], [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]) == 0.5
    assert metrics.Mean()([1.0, 2.0]) == 1.5


def test_state_is_float32_variables_without_gradient():
    metric = metrics.Mean(name="loss")
    assert [v.path for v in metric.variables] == ["loss/total", "loss/count"]
    assert [v.name for v in metric.weights] == ["total", "count"]
    assert all(isinstance(v, Variable) and v.dtype == torch.float32 and not v.requires_grad for v in metric.variables)
    assert metrics.Mean(dtype="float64").total.dtype == torch.float64


def test_counts_reach_the_variable_when_looked_at():
    metric = metrics.Mean()
    metric.update_state(torch.ones(5))
    metric.update_state(torch.tensor(3.0), sample_weight=2)
    assert metric.count == 7.0
    assert [v.item() for v in metric.variables] == [11.0, 7.0]
    metric.count.assign(11.0)
    assert metric.result() == 1.0
    metric.update_state(torch.ones(5))
    metric.reset_state()
    assert [v.item() for v in metric.variables] == [0.0, 0.0]
    assert metric.result() == 0.0


def test_update_keeps_no_graph():
    weight = torch.ones(3, requires_grad=True)
    metric = metrics.MeanSquaredError()
    metric.update_state(torch.zeros(1, 3), weight[None] * 2.0)
    assert not metric.total.requires_grad
    assert metric.result().grad_fn is None


def test_results_are_no_views_of_the_state():
    total, mean = metrics.Sum(), metrics.Mean()
    for metric in (total, mean):
        metric.update_state([1.0, 2.0])
        before = metric.result()
        metric.update_state([10.0])
        assert before in (3.0, 1.5)


@pytest.mark.parametrize("weights", [None, 2.0])
def test_shape_inference_leaves_the_state_alone(weights):
    metric, accuracy = metrics.Mean(), metrics.SparseCategoricalAccuracy()
    metric.update_state([2.0])

    def watched(x):
        metric.update_state(x, weights)
        accuracy.update_state(torch.zeros(len(x)), x)
        return x + metric.result()

    assert shape_probe.infer(watched, (KerasTensor((None, 3)),), {}).shape == (None, 3)
    assert (metric.result(), metric.count, accuracy.count) == (2.0, 1.0, 0.0)
    assert metric.total.device == metric.count.device == torch.zeros(0).device


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_state_follows_the_values():
    with torch.device("cpu"):
        metric = metrics.Mean()
    metric.total.data, metric.count.data = metric.total.cpu(), metric.count.cpu()
    metric.update_state(torch.ones(2, device="cuda"))
    assert metric.total.device.type == metric.count.device.type == "cuda"
    assert metric.result().item() == 1.0


def test_masks_act_as_weights():
    y_pred = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]])
    y_pred._keras_mask = torch.tensor([[True, True, False]])
    metric = metrics.SparseCategoricalAccuracy()
    assert metric(torch.tensor([[1, 0, 1]]), y_pred) == 1.0
    metric.reset_state()
    y_pred = torch.cat([y_pred, y_pred])
    y_pred._keras_mask = torch.tensor([[True, True, False], [True, True, True]])
    weighted = metric(torch.tensor([[1, 0, 1], [0, 0, 0]]), y_pred, sample_weight=[1.0, 2.0])
    assert weighted.item() == pytest.approx((1 + 1 + 0 + 2 + 2) / (2 * 1 + 3 * 2))


def test_merge_state():
    one, other = metrics.Mean(), metrics.Mean()
    one.update_state([1.0, 2.0])
    other.update_state([6.0])
    one.merge_state([other])
    assert one.result() == 3.0
    with pytest.raises(ValueError, match="1 state variables"):
        one.merge_state([metrics.Sum()])


def test_stateless_forms_leave_the_metric_alone():
    metric = metrics.Mean()
    metric.update_state([4.0])
    state = metric.stateless_reset_state()
    assert [v.item() for v in state] == [0.0, 0.0]
    state = metric.stateless_update_state(state, [1.0, 2.0])
    state = metric.stateless_update_state(state, [6.0])
    assert metric.stateless_result(state) == 3.0
    assert metric.result() == 4.0
    with pytest.raises(ValueError, match="2 variables"):
        metric.stateless_result(state[:1])


def test_failing_stateless_update_leaves_the_metric_alone():
    metric = metrics.Mean()
    metric.update_state([4.0])
    with pytest.raises(ValueError, match="Weights"):
        metric.stateless_update_state(metric.stateless_reset_state(), [1.0, 2.0], sample_weight=[1.0, 2.0, 3.0])
    assert metric.result() == 4.0


class Reads(TorchDispatchMode):
    """Counts the reads of a value back to the host."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 0.5])])
def test_nothing_is_read_back_to_the_host(weights):
    y_true, y_pred = torch.tensor([1, 0]), torch.rand(2, 3)
    one_hot = torch.eye(3)[y_true]
    y_pred._keras_mask = torch.tensor([True, False])
    with Reads() as reads:
        for metric in (metrics.SparseCategoricalAccuracy(), metrics.SparseTopKCategoricalAccuracy(k=2)):
            metric(y_true, y_pred, sample_weight=weights)
        for name in ("BinaryAccuracy", "CategoricalAccuracy", "RootMeanSquaredError", "Hinge", "KLDivergence"):
            getattr(metrics, name)()(one_hot, y_pred, sample_weight=weights)
        for name in ("BinaryCrossentropy", "CategoricalCrossentropy", "Huber", "Hinge", "Dice"):
            for reduction in ("sum_over_batch_size", "mean_with_sample_weight"):
                loss = getattr(losses, name)(reduction=reduction)
                loss(one_hot, y_pred, None if name == "Dice" else weights)
        losses.SparseCategoricalCrossentropy(ignore_class=0)(y_true, y_pred, weights)
        assert reads.count == 0
        y_pred.sum().item()
    assert reads.count == 1


# -- subclasses ----------------------------------------------------------------------------


def test_metric_of_a_user():
    metric = Largest()
    assert metric(None, torch.tensor([1.0, 5.0])) == 5.0
    assert metric(None, torch.tensor([3.0])) == 5.0
    assert metric.variables[0].path == "largest/value"
    assert metric.get_config() == {"name": "largest", "dtype": "float32"}
    metric.reset_state()
    assert metric.result() == 0.0


def test_add_weight_in_both_orders():
    metric = Largest()
    older = metric.add_weight("matrix", (2, 3), initializer="ones")
    newer = metric.add_weight((2, 3), "ones", "int32", "matrix")
    assert (older.name, tuple(older.shape), older.sum().item()) == ("matrix", (2, 3), 6.0)
    assert (newer.name, tuple(newer.shape), newer.dtype) == ("matrix", (2, 3), torch.int32)
    assert metric.add_weight(name="plain", initializer="zeros").shape == ()
    with pytest.raises(TypeError, match="add_weight"):
        metric.add_weight((2,), shape=(2,))


def test_nested_metrics_and_variables_count_as_state():
    class Pair(metrics.Metric):
        def __init__(self):
            super().__init__(name="pair")
            self.parts = [metrics.Mean(name="a")]
            self.extra = Variable(1.0, trainable=False, name="extra")

        def update_state(self, values):
            for part in self.parts:
                part.update_state(values)

        def result(self):
            return {part.name: part.result() for part in self.parts}

    pair = Pair()
    pair.parts.append(metrics.Sum(name="b"))
    assert [v.name for v in pair.variables] == ["extra", "total", "count", "total"]
    assert pair([1.0, 3.0]) == {"a": 2.0, "b": 4.0}
    pair.reset_state()
    assert pair.result() == {"a": 0.0, "b": 0.0}


def test_only_the_older_reset_overridden():
    class Older(metrics.Mean):
        calls = 0

        def reset_states(self):
            self.calls += 1
            super().reset_states()

    metric = Older()
    metric.update_state([2.0])
    metric.reset_state()
    assert (metric.calls, metric.result()) == (1, 0.0)


def test_older_reset_calls_the_newer():
    class Newer(metrics.Mean):
        calls = 0

        def reset_state(self):
            self.calls += 1
            super().reset_state()

    metric = Newer()
    metric.update_state([2.0])
    metric.reset_states()
    assert (metric.calls, metric.result()) == (1, 0.0)


def test_metric_without_super_init_says_so():
    class Forgetful(metrics.Metric):
        def __init__(self):
            self.total = self.add_weight(name="total", initializer="zeros")

    with pytest.raises(RuntimeError, match="super"):
        Forgetful()


def test_automatic_names_and_positional_arguments():
    class Plain(metrics.Metric):
        pass

    clear_session()
    assert [Plain().name, Plain().name, metrics.Mean().name, metrics.Mean().name] == [
        "plain",
        "plain_1",
        "mean",
        "mean",
    ]
    assert (Plain("mine").name, Plain("mine", "float64").dtype) == ("mine", "float64")
    assert (Plain("float64").dtype, Plain("float64", "mine").name) == ("float64", "mine")
    assert metrics.MeanMetricWrapper(losses.huber).name == "mean_metric_wrapper"
    with pytest.raises(NotImplementedError, match="update_state"):
        Plain().update_state(1)


# -- names and configs ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("acc", "Accuracy"),
        ("kld", "KLDivergence"),
        ("logcosh", "LogCoshError"),
        ("cosine_proximity", "CosineSimilarity"),
        ("mse", "MeanSquaredError"),
        ("BCE", "BinaryCrossentropy"),
        ("sparse_top_k_categorical_accuracy", "SparseTopKCategoricalAccuracy"),
    ],
)
def test_strings(name, cls):
    assert type(metrics.get(name)) is getattr(metrics, cls)


def test_older_functions():
    assert metrics.mse is losses.mean_squared_error
    assert metrics.cosine_similarity(torch.ones(1, 2), torch.ones(1, 2)).item() == pytest.approx(1.0)
    assert metrics.accuracy([1, 2], [1, 3]).tolist() == [1.0, 0.0]


def test_get_accepts_all_forms():
    assert metrics.get(None) is None
    assert metrics.get(losses.huber) is losses.huber
    metric = Largest()
    assert metrics.get(metric) is metric
    assert isinstance(metrics.get(Largest), Largest)
    assert metrics.get({"class_name": "BinaryAccuracy", "config": {"threshold": 0.7}}).threshold == 0.7
    function = metrics.get({"class_name": "function", "config": "binary_accuracy"})
    assert function is metrics.binary_accuracy
    with custom_object_scope({"Largest": Largest}):
        assert isinstance(metrics.get("Largest"), Largest)
    with pytest.raises(ValueError, match="binary_accuracy"):
        metrics.get("binary_acuracy")
    with pytest.raises(ValueError, match="7"):
        metrics.get(7)


def test_arguments_that_keras_does_not_write_survive_a_round_trip():
    assert metrics.CosineSimilarity.from_config(metrics.CosineSimilarity(axis=1).get_config()).axis == 1
    metric = metrics.SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True)
    assert metric.get_config()["from_sorted_ids"] is True
    assert "from_sorted_ids" not in metrics.SparseTopKCategoricalAccuracy().get_config()


def test_wrapper_config_round_trip():
    metric = metrics.MeanMetricWrapper(metrics.binary_accuracy, name="b", threshold=0.2)
    again = metrics.deserialize(metrics.serialize(metric))
    assert again.get_config() == metric.get_config()
    assert again([[1.0]], [[0.3]]) == 1.0


def test_crossentropy_resolves_by_shape_as_loss_and_metric():
    column, classes, labels = torch.zeros(8, 1), torch.zeros(8, 3), torch.zeros(8)
    found = [type(resolve.resolve_by_shape("ce", *pair)) for pair in ((column,) * 2, (labels, classes), (classes,) * 2)]
    assert found == [
        metrics.BinaryCrossentropy,
        metrics.SparseCategoricalCrossentropy,
        metrics.CategoricalCrossentropy,
    ]
    assert resolve.resolve_metric("crossentropy", labels, classes).name == "crossentropy"
    assert resolve.resolve_loss("crossentropy", labels, classes).fn is losses.sparse_categorical_crossentropy
    assert resolve.resolve_by_shape("mse", labels, classes) is None
    assert resolve.resolve_loss(None, labels, classes) is None
    with pytest.raises(ValueError, match="None"):
        resolve.resolve_metric(None, labels, classes)


def test_a_name_that_losses_and_metrics_share_is_told_apart_by_module():
    for room in (losses, metrics):
        again = deserialize_keras_object(room.serialize(room.MeanSquaredError()))
        assert type(again) is room.MeanSquaredError


def test_directions():
    assert metrics.BinaryAccuracy()._direction == "up"
    assert metrics.MeanSquaredError()._direction == "down"
    assert metrics.MeanMetricWrapper(losses.poisson)._direction == "down"
    assert not hasattr(metrics.Mean(), "_direction")
    assert not hasattr(metrics.MeanMetricWrapper(lambda t, p: p), "_direction")


# -- torch ---------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda metric: pickle.loads(pickle.dumps(metric))])
def test_copies_have_their_own_state(copied):
    metric = metrics.BinaryAccuracy(threshold=0.2)
    metric.update_state([[1.0]], [[0.3]])
    other = copied(metric)
    other.update_state([[0.0]], [[0.3]])
    assert (metric.result(), other.result()) == (1.0, 0.5)


@pytest.mark.parametrize("name", ["SparseCategoricalAccuracy", "BinaryAccuracy", "RootMeanSquaredError", "Sum"])
def test_update_traces_without_a_break(name):
    metric, wanted = getattr(metrics, name)(), getattr(metrics, name)()
    y_true = torch.tensor([0, 1]) if name.startswith("Sparse") else torch.tensor([[0.0, 1.0], [1.0, 1.0]])
    batch = (torch.rand(2, 2),) if name == "Sum" else (y_true, torch.rand(2, 2))
    compiled = torch.compile(metric.update_state, fullgraph=True, backend="eager")
    for _ in range(3):
        compiled(*batch)
        wanted.update_state(*batch)
    torch.testing.assert_close(metric.result(), wanted.result())


def test_more_classes_asked_for_than_there_are():
    assert metrics.TopKCategoricalAccuracy(k=5)([[0.0, 1.0]], [[0.9, 0.1]]) == 1.0
