"""Metrics whose data lie in several processes: each has seen its share, the merged result is that of the whole."""

import multiprocessing

import numpy as np
import pytest
import torch
import torch.distributed as dist

import torchkeras as keras
from torchkeras import metrics

ROWS, SPLIT = 90, 33


class Largest(metrics.Metric):
    """State that no sum merges says how it is merged."""

    def __init__(self, name="largest"):
        super().__init__(name=name)
        self.largest = self.add_weight(name="largest")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest.assign(torch.maximum(self.largest, y_pred.max()))

    def merge_state(self, others):
        for other in others:
            self.largest.assign(torch.maximum(self.largest, other.largest))

    def result(self):
        return self.largest


def data():
    rng = np.random.default_rng(0)
    return rng.random((ROWS, 4), dtype="float32"), np.eye(3, dtype="float32")[rng.integers(0, 3, ROWS)]


def watched():
    return [
        "accuracy", metrics.AUC(), metrics.AUC(multi_label=True, name="areas"), metrics.F1Score(average="macro"),
        metrics.R2Score(), metrics.Precision(top_k=1), metrics.RootMeanSquaredError(), metrics.MeanAbsoluteError(),
        metrics.OneHotMeanIoU(3, name="iou"), metrics.PearsonCorrelation(), Largest(),
    ]  # fmt: skip


def evaluated(rows, over_processes):
    """All results of an evaluation of some rows, in uneven batches."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=watched(), weighted_metrics=["mse"])
    x, y = (each[rows] for each in data())
    own = model.evaluate(x, y, sample_weight=np.arange(float(ROWS))[rows], batch_size=8, verbose=0, return_dict=True)
    if not over_processes:
        return own
    found = {}
    for metric in model.metrics:
        value = metric.result_over_processes()
        found.update(value if isinstance(value, dict) else {metric.name: value})
    again = model.get_metrics_result()  # a process keeps what it has seen
    assert {name: float(value) for name, value in again.items()} == pytest.approx(own)
    late = metrics.R2Score()
    if dist.get_rank() == 0:
        late.update_state(y, y)
        assert late.result_over_processes() == 1
    else:
        with pytest.raises(ValueError, match="has seen no batch here"):
            late.result_over_processes()
    return {name: float(value) for name, value in found.items()}


def process(rank, path, pipe):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.FileStore(str(path), 2), rank=rank, world_size=2)
    pipe.send(evaluated(slice(None, SPLIT) if rank == 0 else slice(SPLIT, None), True))
    pipe.recv()  # both must be done before either ends
    dist.destroy_process_group()


def test_shares_in_two_processes_give_the_whole(tmp_path):
    context = multiprocessing.get_context("fork" if not torch.cuda.is_available() else "spawn")
    ends, workers = [], []
    for rank in range(2):
        mine, theirs = context.Pipe()
        ends.append(mine)
        workers.append(context.Process(target=process, args=(rank, tmp_path / "store", theirs), daemon=True))
        workers[-1].start()
    results = [end.recv() if end.poll(60) else None for end in ends]
    for end, worker in zip(ends, workers, strict=True):
        end.send(None)
        worker.join(20)
    whole = evaluated(slice(None), False)
    assert results[0] == results[1]
    assert results[0] == pytest.approx(whole, rel=1e-5)
    assert evaluated(slice(None, SPLIT), False) != pytest.approx(whole, rel=1e-3)


def test_one_process_is_the_whole():
    metric = metrics.Mean()
    metric.update_state([1.0, 2.0])
    assert metric.result_over_processes() == metric.result() == 1.5


def test_what_merging_makes_of_variables():
    class Several(metrics.Metric):
        def __init__(self, value):
            super().__init__()
            for kind in ("sum", "mean", "only_first_replica", "none"):
                setattr(self, kind, self.add_weight(name=kind, aggregation=kind))
                getattr(self, kind).assign(value)

    first = Several(1.0)
    first.merge_state(Several(value) for value in (2.0, 6.0))
    assert [float(variable) for variable in first.variables] == [9.0, 3.0, 1.0, 1.0]
