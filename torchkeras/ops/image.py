"""`keras.ops.image`: the exports of the image rooms beside it.

May import the ops rooms. Holds no operation of its own.
"""

from torchkeras.ops.image_color import hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv
from torchkeras.ops.image_geometry import affine_transform, elastic_transform, map_coordinates, perspective_transform
from torchkeras.ops.image_resize import resize, scale_and_translate
from torchkeras.ops.image_windows import (
    crop_images,
    extract_patches,
    extract_patches_3d,
    gaussian_blur,
    pad_images,
    sobel_edges,
    ssim,
)

__all__ = [
    "affine_transform",
    "crop_images",
    "elastic_transform",
    "extract_patches",
    "extract_patches_3d",
    "gaussian_blur",
    "hsv_to_rgb",
    "map_coordinates",
    "pad_images",
    "perspective_transform",
    "resize",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "scale_and_translate",
    "sobel_edges",
    "ssim",
]
