"""`keras.utils.bounding_boxes`: names only. The functions stand beside the layers that use them.

May import layers.
"""

from torchkeras.layers.preprocessing.image.box_functions import (
    affine_transform,
    compute_ciou,
    compute_iou,
    crop,
    decode_deltas_to_boxes,
    encode_box_to_deltas,
    pad,
)
from torchkeras.layers.preprocessing.image.boxes import clip_to_image_size, convert_format

__all__ = [
    "affine_transform",
    "clip_to_image_size",
    "compute_ciou",
    "compute_iou",
    "convert_format",
    "crop",
    "decode_deltas_to_boxes",
    "encode_box_to_deltas",
    "pad",
]
