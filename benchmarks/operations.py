"""Operations on small tensors, each as the bare torch call and as the function of ``keras.ops`` of the same name.

May import torch; runs inside a worker only; knows nothing of timing.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Op:
    """``function`` is torch's; both forms are called with ``arguments``."""

    function: object
    arguments: tuple


X, Y, W = torch.rand(8, 16), torch.rand(8, 16), torch.rand(16, 4)

OPS = {
    "add": Op(torch.add, (X, Y)),
    "matmul": Op(torch.matmul, (X, W)),
    "relu": Op(torch.relu, (X,)),
    "reshape": Op(torch.reshape, (X, (16, 8))),
    "sum": Op(torch.sum, (X, -1)),
    "concatenate": Op(torch.cat, ([X, Y], -1)),
    "softmax": Op(torch.softmax, (X, -1)),
}
