"""`keras.ops.image`: the exports of the image rooms beside it.

May import the ops rooms. Holds no operation of its own.
"""

from torchkeras.ops import image_color, image_geometry, image_resize, image_windows
from torchkeras.ops.image_color import *  # noqa: F403
from torchkeras.ops.image_geometry import *  # noqa: F403
from torchkeras.ops.image_resize import *  # noqa: F403
from torchkeras.ops.image_windows import *  # noqa: F403

_ROOMS = (image_color, image_geometry, image_resize, image_windows)
__all__ = [name for room in _ROOMS for name in room.__all__]
