"""RandomCrop: a part of images, chosen by chance.

May import core, ops and the files of this folder.
"""

import torch

from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.transforms import runs_plainly
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.image_layer import SizedLayer, images_of
from torchkeras.ops.image_resize import resize


@published("layer", "keras.layers")
class RandomCrop(SizedLayer):
    """A part of the images, at a place that is drawn for each batch.

    Args:
        height, width: of the result. Images that are not larger both ways are cut from the middle and resized.
        seed: integer for reproducible images (Keras's own).
        data_format: `"channels_last"` or `"channels_first"`.
        bounding_box_format: of boxes in a dict.

    Takes an image `(height, width, channels)`, a batch of them, or a dict of images, labels, boxes and masks; gives
    images in the layer's dtype. Does nothing where `training=False`: the size stays too.

    Example:
        >>> RandomCrop(24, 32)(torch.zeros(2, 48, 48, 3)).shape
        torch.Size([2, 24, 32, 3])

    In torch: `torchvision.transforms.v2.RandomCrop((height, width))`.
    """

    seed = field(None)
    data_format = _slots.data_format()
    name = _slots.base()

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        images = images_of(data)
        height, width = size = self._size_of(images.shape)
        if height > self.height and width > self.width:
            most = (float(height - self.height + 1), float(width - self.width + 1))
            top, left = (self._draw(images, (), 0, each, seed).to(torch.int32) for each in most)
            return top, left, size
        kept_height = max(min(height, width * self.height // self.width), 1)
        kept_width = max(min(width, height * self.width // self.height), 1)
        return (height - kept_height) // 2, (width - kept_width) // 2, size

    def transform_images(self, images, transformation, training=True):
        if not training:
            return images
        top, left = transformation[:2]  # Keras's has no more
        images = self._cut(images, self._height_axis, top, self.height)
        images = self._in_compute_dtype(self._cut(images, self._width_axis, left, self.width))
        if self._size_of(images.shape) == self._size:
            return images
        return self._in_compute_dtype(resize(images, self._size, data_format=self.data_format))

    def _cut(self, images, axis, start, length):
        if not isinstance(start, torch.Tensor):
            return images.narrow(axis, start, min(length, images.shape[axis] - start))
        if not runs_plainly():  # the place is not known there
            return images.index_select(axis, torch.arange(length, device=images.device) + start)
        return images.narrow(axis, int(start), length)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        return self.transform_images(segmentation_masks, transformation, training=training)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        if not training:
            return bounding_boxes
        top, left, (height, width) = transformation
        known = not isinstance(top, torch.Tensor)
        scale_y = self.height / min(self.height, height - top) if known else 1.0
        scale_x = self.width / min(self.width, width - left) if known else 1.0

        def move(x1, y1, x2, y2):
            return (x1 - left) * scale_x, (y1 - top) * scale_y, (x2 - left) * scale_x, (y2 - top) * scale_y

        return self._moved(bounding_boxes, move, (height, width), self._size)
