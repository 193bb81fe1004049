"""`tf.config`: which devices there are.

Lives here: the device queries and the memory switch that training scripts open with. May import: torch.
Must not know: where torchkeras places a model.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from torchkeras.shim.tf.missing import explain_missing

__getattr__ = explain_missing("tensorflow.config")


class PhysicalDevice(NamedTuple):
    """A device as TensorFlow names it: `name` such as "/physical_device:GPU:0", `device_type` "CPU" or "GPU"."""

    name: str
    device_type: str


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The machine's CPU and CUDA devices, or only those of `device_type` ("CPU", "GPU").

    Example:
        >>> tf.config.list_physical_devices("CPU")
        [PhysicalDevice(name='/physical_device:CPU:0', device_type='CPU')]
    """
    counts = {"CPU": 1, "GPU": torch.cuda.device_count()}
    return [
        PhysicalDevice(f"/physical_device:{kind}:{index}", kind)
        for kind, count in counts.items()
        if device_type in (None, kind)
        for index in range(count)
    ]


class _Experimental:
    """`tf.config.experimental`: the older home of the same functions."""

    __getattr__ = staticmethod(explain_missing("tensorflow.config.experimental"))
    list_physical_devices = staticmethod(list_physical_devices)

    @staticmethod
    def set_memory_growth(device, enable) -> None:
        """Nothing to do: torch takes GPU memory as it needs it."""


experimental = _Experimental()
