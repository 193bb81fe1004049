"""`keras.ops.nn`: the functions that neural networks are made of.

Exports of the rooms beside it; no code.
"""

from torchkeras.ops import ctc, nn_activations, nn_spatial, nn_statistics, nn_windows
from torchkeras.ops.ctc import *  # noqa: F403
from torchkeras.ops.nn_activations import *  # noqa: F403
from torchkeras.ops.nn_spatial import *  # noqa: F403
from torchkeras.ops.nn_statistics import *  # noqa: F403
from torchkeras.ops.nn_windows import *  # noqa: F403

_ROOMS = (ctc, nn_activations, nn_spatial, nn_statistics, nn_windows)
__all__ = [name for room in _ROOMS for name in room.__all__]
