"""The models, each in the two forms compared: plain torch as a good user writes it, and a Keras script.

One file per family; each has its table ``WORKLOADS``; optimizers have ``STEPS``, which are no models. Runs inside a
worker only.
"""

from . import attention, compiled, convolution, dense, recurrent
from .optimizers import STEPS

WORKLOADS = {
    **dense.WORKLOADS,
    **convolution.WORKLOADS,
    **recurrent.WORKLOADS,
    **attention.WORKLOADS,
    **compiled.WORKLOADS,
}

__all__ = ["STEPS", "WORKLOADS"]
