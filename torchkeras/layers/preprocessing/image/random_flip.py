"""RandomFlip: images mirrored by chance.

May import core and the files of this folder.
"""

import torch

from torchkeras.core.arguments import one_of
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.transforms import beyond_kernels, runs_plainly
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.boxes import clip_to_image_size, convert_format
from torchkeras.layers.preprocessing.image.image_layer import GeometricLayer, images_of

_BOTH = "horizontal_and_vertical"


@published("layer", "keras.layers")
class RandomFlip(GeometricLayer):
    """Mirrors half of the images, left to right, upside down or both.

    Args:
        mode: `"horizontal"`, `"vertical"`, or `"horizontal_and_vertical"`, which turns an image in both directions or
            in none.
        seed: integer for reproducible images (Keras's own).
        data_format: `"channels_last"` or `"channels_first"`.
        bounding_box_format: of boxes in a dict.

    Takes an image `(height, width, channels)`, a batch of them, or a dict of images, labels, boxes and masks; gives the
    same in the layer's dtype (`dtype="uint8"` keeps bytes). Only cast where `training=False`.

    Example:
        >>> RandomFlip("horizontal", seed=1)(torch.rand(2, 32, 32, 3)).shape
        torch.Size([2, 32, 32, 3])

    In torch: `torchvision.transforms.v2.RandomHorizontalFlip()`, image by image.
    """

    mode = field(_BOTH, convert=one_of("mode", "horizontal", "vertical", _BOTH))
    seed = field(None)
    data_format = _slots.data_format()

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        images = images_of(data)
        return {"flips": self._draw_per_image(images, seed=seed) <= 0.5, "input_shape": images.shape}

    def transform_images(self, images, transformation, training=True):
        if training and transformation is not None:
            axes = {"horizontal": [self._width_axis], "vertical": [self._height_axis]}
            axes = axes.get(self.mode, [self._width_axis, self._height_axis])
            images = _mirrored(images, transformation["flips"], axes)
        return self._in_compute_dtype(images)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        return self.transform_images(segmentation_masks, transformation, training=training)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        if not training:
            return bounding_boxes
        shape = transformation["input_shape"]
        sizes = {"height": shape[self._height_axis], "width": shape[self._width_axis]}
        found = convert_format(bounding_boxes, self.bounding_box_format, "rel_xyxy", **sizes)
        x1, y1, x2, y2 = found["boxes"].unbind(-1)
        if self.mode != "vertical":
            x1, x2 = 1 - x2, 1 - x1
        if self.mode != "horizontal":
            y1, y2 = 1 - y2, 1 - y1
        flips = transformation["flips"].squeeze(-1)
        found["boxes"] = torch.where(flips, torch.stack([x1, y1, x2, y2], -1), found["boxes"])
        found = clip_to_image_size(found, **sizes)
        return convert_format(found, "rel_xyxy", self.bounding_box_format, **sizes)


def _mirrored(images, flips, axes):
    """Some images of a batch mirrored. On the CPU, where the draw can be read, only these, and each image is copied
    once into the result."""
    if images.device.type != "cpu" or not runs_plainly() or beyond_kernels():
        return torch.where(flips, images.flip(axes), images)
    flips = flips.flatten()
    mirrored = iter(images[flips].flip(axes))
    parts = [next(mirrored) if flip else image for image, flip in zip(images, flips.tolist(), strict=True)]
    return torch.stack(parts) if parts else images
