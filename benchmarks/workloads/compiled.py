"""Workloads under ``torch.compile``: by hand the compiled module in the usual loop, in Keras ``jit_compile=True``."""

import torch

from . import attention, convolution, dense, recurrent
from .workload import Workload


class Compiled(Workload):
    """A workload, compiled."""

    def __init__(self, workload):
        self.workload, self.batch, self.shape = workload, workload.batch, workload.shape

    def data(self, rows):
        return self.workload.data(rows)

    def torch_data(self, rows):
        return self.workload.torch_data(rows)

    def torch_loss(self):
        return self.workload.torch_loss()

    def by_hand(self):
        return _Usual(self.workload.by_hand())

    def in_keras(self, keras):
        model = self.workload.in_keras(keras)
        model.compile(optimizer="adam", loss=model.loss, jit_compile=True)
        return model


class _Usual(torch.nn.Module):
    """A module whose calls go through ``torch.compile``."""

    def __init__(self, module):
        super().__init__()
        self.module = module
        self.module.compile()

    def forward(self, x):
        return self.module(x)


_KNOWN = {**dense.WORKLOADS, **convolution.WORKLOADS, **recurrent.WORKLOADS, **attention.WORKLOADS}
WORKLOADS = {f"{name}_jit": Compiled(_KNOWN[name]) for name in ("xor", "mlp", "cnn", "lstm", "attention")}
