"""Rows that wait for metrics: joined batches give what single ones give, and nobody can see the difference."""

import copy
import pickle

import numpy as np
import pytest
import torch

import torchkeras as keras
from compat.needed import needed
from torchkeras import metrics
from torchkeras.core import registry
from torchkeras.training.row_queue import RowQueue

SIZES = (7, 7, 1, 32, 5, 900, 3)
NO_PAIRS = (metrics.Metric, metrics.Mean, metrics.Sum, metrics.MeanMetricWrapper)
CLASSES = [
    each
    for name, each in vars(metrics).items()
    if isinstance(each, type) and registry.entry_of(each) is not None and each not in NO_PAIRS
]
AT_ONCE = [
    (metrics.CosineSimilarity, {"axis": 0}),
    (metrics.PearsonCorrelation, {"axis": -2}),
    (metrics.OneHotIoU, {"num_classes": 4, "target_class_ids": [0], "axis": 0}),
]


def batches(name, sizes=SIZES, weighted=True):
    generator = torch.Generator().manual_seed(3)
    for size in sizes:
        scores = torch.rand(size, 4, generator=generator)
        classes = torch.randint(0, 4, (size,), generator=generator)
        if name in ("IoU", "MeanIoU"):
            target, scores = classes, scores.argmax(-1)
        elif name == "BinaryIoU":
            target, scores = classes % 2, scores[:, 0]
        else:
            target = classes if name.startswith("Sparse") else torch.eye(4)[classes]
        yield target, scores, torch.rand(size, generator=generator) if weighted else None


def fed(queue, name, **options):
    """A queue fed with the same memory again and again, as many a loader does."""
    for batch in batches(name, **options):
        batch = [None if each is None else each.clone() for each in batch]
        queue.take(*batch)
        for column in batch:
            if column is not None:
                column.fill_(3)


@pytest.mark.filterwarnings("ignore:.*whole numbers")
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_joined_batches_give_what_single_ones_give(cls, weighted):
    options = {**needed(cls), **({"num_classes": 4} if "num_classes" in needed(cls) else {})}
    joined, single = cls(**options), cls(**options)
    queue = RowQueue([(joined, True)])
    fed(queue, cls.__name__, weighted=weighted)
    assert joined._queue is queue  # it did wait
    for batch in batches(cls.__name__, weighted=weighted):
        single.update_state(*batch)
    torch.testing.assert_close(joined.result(), single.result(), rtol=1e-5, atol=1e-6)
    assert joined._queue is None
    for mine, wanted in zip(joined.variables, single.variables, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("cls", "options"), AT_ONCE, ids=str)
def test_what_goes_along_the_first_axis_never_waits(cls, options):
    metric = cls(**options)
    fed(RowQueue([(metric, True)]), cls.__name__, sizes=(4, 4, 4), weighted=False)
    assert metric._queue is None


@pytest.mark.parametrize("name", ["KLDivergence", "Poisson", "Hinge", "MeanSquaredError", "BinaryAccuracy"])
def test_targets_without_the_axis_of_predictions(name):
    """Functions that spread `(B,)` over `(B, 1)`, as Keras's do, depend on the batch; those that align them wait."""
    joined, single = (getattr(metrics, name)() for _ in range(2))
    queue = RowQueue([(joined, False)])
    for target, scores, _ in batches("", (5, 5, 5), False):
        queue.take(target[:, 0], scores[:, :1], None)
        single.update_state(target[:, 0], scores[:, :1])
    assert (joined._queue is queue) is (name in ("MeanSquaredError", "BinaryAccuracy"))
    torch.testing.assert_close(joined.result(), single.result())


def test_one_number_for_a_batch_never_waits():
    """A mean over predictions without a second axis counts batches, as in Keras."""
    joined, single = metrics.MeanSquaredError(), metrics.MeanSquaredError()
    queue, rows = RowQueue([(joined, False)]), torch.arange(8.0)
    for part in (rows[:5], rows[5:]):
        queue.take(part, part * 2, None)
        single.update_state(part, part * 2)
    assert joined.result() == single.result()


def test_metrics_of_users_are_updated_batch_by_batch():
    class Calls(metrics.MeanSquaredError):
        calls = 0

        def update_state(self, *args, **kwargs):
            self.calls += 1
            super().update_state(*args, **kwargs)

    own, spied, plain = Calls(), metrics.MeanSquaredError(), metrics.MeanMetricWrapper(lambda t, p: (t - p).abs().max())
    seen = []
    spied.update_state = lambda *args: seen.append(args)
    queue = RowQueue([(own, False), (metrics.AUC(), False), (spied, False), (plain, False)])
    fed(queue, "", sizes=(4, 4, 4), weighted=False)
    assert (own.calls, len(seen), plain.count) == (3, 3, 3)


LOOKS = {
    "result": lambda metric: metric.result(),
    "variables": lambda metric: metric.variables,
    "reset": lambda metric: metric.reset_state(),
    "state given": lambda metric: metric.stateless_result(metric.stateless_reset_state()),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("cls", [metrics.AUC, metrics.MeanSquaredError, metrics.F1Score, metrics.Precision])
def test_who_looks_sees_everything(cls, look):
    joined, single = cls(), cls()
    queue = RowQueue([(joined, False)])
    fed(queue, "", sizes=(4, 4, 4), weighted=False)
    assert joined._queue is queue
    look(joined)
    assert joined._queue is None
    for target, scores, _ in batches("", (4, 4, 4), False):
        single.update_state(target, scores)
    look(single)
    torch.testing.assert_close(joined.result(), single.result())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda metric: pickle.loads(pickle.dumps(metric))])
def test_a_copy_of_a_metric_that_waits_has_all_rows(copied):
    metric = metrics.AUC()
    queue = RowQueue([(metric, False)])
    fed(queue, "", sizes=(4, 4, 4), weighted=False)
    other = copied(metric)
    assert torch.equal(other.result(), metric.result())
    assert torch.equal(other.result(), metric.result())


def test_every_form_of_batch_may_come():
    """Other lengths, dtypes, masks, empty batches, weights now and then: each is counted once."""
    joined, single = metrics.BinaryAccuracy(), metrics.BinaryAccuracy()
    queue, generator = RowQueue([(joined, True)]), torch.Generator().manual_seed(0)
    for step, (rows, length) in enumerate([(3, 2), (3, 2), (3, 5), (0, 5), (2, 5), (2, 5), (2, 2), (2, 2)] * 3):
        scores = torch.rand(rows, length, generator=generator, dtype=torch.float64 if step > 12 else torch.float32)
        target = (torch.rand(rows, length, generator=generator) > 0.5).float()
        weights = torch.rand(rows, generator=generator) if step % 5 == 1 else None
        if step % 7 == 3:
            scores._keras_mask = torch.ones(rows, length, dtype=torch.bool)
        queue.take(target, scores, weights)
        single.update_state(target, scores, weights)
    torch.testing.assert_close(joined.result(), single.result())
    torch.testing.assert_close(joined.count, single.count)


def test_batches_large_enough_never_wait():
    metric = metrics.AUC()
    queue = RowQueue([(metric, False)])
    fed(queue, "", sizes=(2000, 2000), weighted=False)
    assert metric._queue is None


# -- in a model -------------------------------------------------------------------------------------------------------

X = np.random.default_rng(0).random((330, 4), dtype="float32")
Y = np.eye(3, dtype="float32")[np.arange(330) % 3]


def model(*watched, **options):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    network.compile("sgd", "categorical_crossentropy", metrics=list(watched), **options)
    return network


def ten():
    return [
        "accuracy", metrics.TopKCategoricalAccuracy(k=2), metrics.Precision(), metrics.Recall(), metrics.AUC(),
        metrics.F1Score(average="macro"), "mse", metrics.CategoricalCrossentropy(), metrics.R2Score(), "BinaryAccuracy",
    ]  # fmt: skip


class EachBatch(keras.callbacks.Callback):
    """With it nothing waits: it may look at everything between batches."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(logs)

    def on_test_batch_end(self, batch, logs=None):
        self.seen.append(logs)


def test_fit_and_evaluate_log_the_same(monkeypatch):
    calls = []
    update = metrics.AUC.update_state
    monkeypatch.setattr(metrics.AUC, "update_state", lambda *args, **kwargs: calls.append(1) or update(*args, **kwargs))
    found = []
    for callbacks in ([], [EachBatch()]):
        calls.clear()
        keras.utils.clear_session()
        network = model(*ten(), weighted_metrics=["mae"])
        history = network.fit(X, Y, sample_weight=np.arange(330.0), epochs=2, verbose=0, callbacks=callbacks,
                              validation_data=(X[:70], Y[:70]))  # fmt: skip
        found.append((history.history, network.evaluate(X, Y, verbose=0, return_dict=True), len(calls)))
    (waited, waited_test, few), (at_once, at_once_test, many) = found
    assert few <= 9 and many == 2 * 11 + 2 * 3 + 2
    assert list(waited) == list(at_once)
    for name in waited:
        np.testing.assert_allclose(waited[name], at_once[name], rtol=2e-5)
    for name in waited_test:
        np.testing.assert_allclose(waited_test[name], at_once_test[name], rtol=2e-5)


def test_an_epoch_that_is_broken_off_leaves_all_its_rows():
    class Breaks(keras.layers.Layer):
        calls = 0

        def call(self, x):
            self.calls += 1
            if self.calls == 4 and not isinstance(x, keras.KerasTensor):
                raise KeyboardInterrupt
            return x

    auc = metrics.AUC()
    network = keras.Sequential([keras.Input((4,)), layer := Breaks(), keras.layers.Dense(3, activation="softmax")])
    network.compile("sgd", "categorical_crossentropy", metrics=[auc])
    layer.calls = 0
    with pytest.raises(KeyboardInterrupt):
        network.fit(X, Y, batch_size=10, verbose=0)
    assert auc.true_positives[0] + auc.false_positives[0] == 3 * 10 * 3


def test_a_metric_that_does_not_fit_says_so_at_the_first_batch():
    seen = []

    class Watch(keras.layers.Layer):
        def call(self, x):
            seen.append(1)
            return x

    network = keras.Sequential([keras.Input((4,)), Watch(), keras.layers.Dense(3, activation="softmax")])
    network.compile("sgd", "sparse_categorical_crossentropy", metrics=[metrics.AUC()])
    seen.clear()
    with pytest.raises(ValueError, match="one shape"):
        network.evaluate(X, np.arange(330) % 3, batch_size=10, verbose=0)
    assert len(seen) <= 2


def test_the_numbers_on_the_progress_bar_have_all_rows(capsys):
    network = model(metrics.AUC(name="area"))
    network.fit(X, Y, verbose=1, epochs=1)
    shown = float(capsys.readouterr().out.split("area: ")[-1].split()[0])
    assert shown == pytest.approx(network.history.history["area"][0], abs=1e-3)
