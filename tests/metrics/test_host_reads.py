"""No update of a published metric waits for the device: a mode sees every kernel, and refuses those that would."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from compat.test_metric_streams import CASES, stream
from torchkeras import metrics

aten = torch.ops.aten
# Kernels whose result, or its size, the host must know before it goes on.
READS = {
    aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.unique_dim, aten._unique2, aten.equal,
    aten.is_nonzero, aten.item, aten.bincount, aten.repeat_interleave,
}  # fmt: skip
# Results, not updates: the adjusted score warns where there are too few values.
READING_RESULTS = {("R2Score", "num_regressors")}


class NoReads(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        packet = function.overloadpacket
        by_mask = packet in (aten.index, aten.index_put, aten.index_put_) and any(
            each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[1]
        )
        if packet in READS or by_mask:
            raise AssertionError(f"{packet} makes the host wait for the device")
        if packet is aten._to_copy and kwargs and kwargs.get("device") is not None:
            raise AssertionError("a copy from one device to another")
        return function(*args, **(kwargs or {}))


def batches(name, config, weighted):
    for target, scores in stream(name, config, sizes=(7, 1, 5)):
        weights = torch.rand(len(scores)) if weighted else None
        yield torch.tensor(target), torch.tensor(scores), weights


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", sorted(CASES))
def test_updates_and_results(name, weighted):
    for config in CASES[name]:
        weights_do_not_fit = config.get("axis") == 1
        metric = getattr(metrics, name)(**config)
        given = list(batches(name, config, weighted and not weights_do_not_fit))
        metric.update_state(*given[0])  # makes what is made once: state, thresholds
        with NoReads():
            for batch in given[1:]:
                metric.update_state(*batch)
            if not any((name, key) in READING_RESULTS for key in config):
                metric.result()
            metric.reset_state()


@pytest.mark.parametrize("cls", [metrics.Mean, metrics.Sum, metrics.MeanMetricWrapper])
def test_means(cls):
    values = torch.rand(4, 2), torch.rand(4)
    with NoReads():
        if cls is metrics.MeanMetricWrapper:
            metric = cls(lambda t, p: (t - p).abs())
            metric.update_state(values[0], values[0] * 2, values[1])
        else:
            metric = cls()
            metric.update_state(values[0])
            metric.update_state(*values)
        metric.result()


@pytest.mark.parametrize(
    "read",
    [lambda x: float(x[0]), lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: bool((x > 0).all()), torch.unique],
)
def test_the_mode_sees_reads(read):
    with NoReads(), pytest.raises(AssertionError, match="makes the host wait"):
        read(torch.rand(3))
