"""`keras.preprocessing`: other names of functions of `keras.utils`.

May import utils.
"""

from torchkeras.preprocessing import image, sequence
from torchkeras.utils import (
    image_dataset_from_directory,
    text_dataset_from_directory,
    timeseries_dataset_from_array,
)

__all__ = [
    "image",
    "image_dataset_from_directory",
    "sequence",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
]
