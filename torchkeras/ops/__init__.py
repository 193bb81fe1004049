"""`keras.ops`: operations that work on tensors, arrays and KerasTensors alike.

The names of the rooms beside it, each of which lists its own once. May import core. Knows no layer.
"""

from torchkeras.ops import (
    control_flow,
    core,
    fourier,
    image,
    linalg,
    math,
    nn,
    numpy,
    operators,
    rearrangement,
    scans,
    segments,
)
from torchkeras.ops.control_flow import *  # noqa: F403
from torchkeras.ops.core import *  # noqa: F403
from torchkeras.ops.fourier import *  # noqa: F403
from torchkeras.ops.linalg import *  # noqa: F403
from torchkeras.ops.math import *  # noqa: F403
from torchkeras.ops.nn import *  # noqa: F403
from torchkeras.ops.numpy import *  # noqa: F403
from torchkeras.ops.rearrangement import *  # noqa: F403
from torchkeras.ops.scans import *  # noqa: F403
from torchkeras.ops.segments import *  # noqa: F403

assert operators  # imported for what it binds to KerasTensor

_ROOMS = (control_flow, core, fourier, linalg, math, nn, numpy, rearrangement, scans, segments)
__all__ = ["image", "linalg", "nn", "numpy"]
__all__ += [name for room in _ROOMS for name in room.__all__]
