"""`keras.ops.numpy`: the functions that numpy has too.

Exports of the rooms beside it; no code.
"""

from torchkeras.ops import (
    arrangement,
    counting,
    creation,
    elementwise,
    nan_reductions,
    products,
    reductions,
    sequences,
    shaping,
)
from torchkeras.ops.arrangement import *  # noqa: F403
from torchkeras.ops.counting import *  # noqa: F403
from torchkeras.ops.creation import *  # noqa: F403
from torchkeras.ops.elementwise import *  # noqa: F403
from torchkeras.ops.nan_reductions import *  # noqa: F403
from torchkeras.ops.products import *  # noqa: F403
from torchkeras.ops.reductions import *  # noqa: F403
from torchkeras.ops.sequences import *  # noqa: F403
from torchkeras.ops.shaping import *  # noqa: F403

_ROOMS = (arrangement, counting, creation, elementwise, nan_reductions, products, reductions, sequences, shaping)
__all__ = [name for room in _ROOMS for name in room.__all__]
