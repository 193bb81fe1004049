"""CenterCrop: the middle of images.

May import core, ops and the files of this folder.
"""

from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.image_layer import SizedLayer, images_of
from torchkeras.ops.image_resize import resize


@published("layer", "keras.layers")
class CenterCrop(SizedLayer):
    """The middle of images; of smaller ones the largest middle part of these proportions, resized.

    Args:
        height, width: of the result.
        data_format: `"channels_last"` or `"channels_first"`.
        bounding_box_format: of boxes in a dict.

    Takes an image `(height, width, channels)`, a batch of them, or a dict of images, labels, boxes and masks; gives
    images in the layer's dtype.

    Example:
        >>> CenterCrop(24, 32)(torch.zeros(2, 48, 48, 3)).shape
        torch.Size([2, 24, 32, 3])

    In torch: `torchvision.transforms.v2.CenterCrop((height, width))`, which pads smaller images.
    """

    data_format = _slots.data_format()

    def get_random_transformation(self, data, training=True, seed=None):
        return {"input_shape": images_of(data).shape}

    def transform_images(self, images, transformation=None, training=True):
        top, left, height, width = self._window(*self._size_of(images.shape))
        if (height, width) == self._size:
            part = images.narrow(self._height_axis, top, height).narrow(self._width_axis, left, width)
            return self._in_compute_dtype(part)
        images = self._in_compute_dtype(images)
        return resize(images, self._size, crop_to_aspect_ratio=True, data_format=self.data_format)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        return self.transform_images(segmentation_masks, transformation, training=training)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        before = self._size_of(transformation["input_shape"])
        top, left, height, width = self._window(*before)
        scale_x, scale_y = self.width / width, self.height / height

        def move(x1, y1, x2, y2):
            x1, x2 = ((x - left).clamp(0, width) * scale_x for x in (x1, x2))
            y1, y2 = ((y - top).clamp(0, height) * scale_y for y in (y1, y2))
            return x1, y1, x2, y2

        return self._moved(bounding_boxes, move, before, self._size)

    def _window(self, height, width):
        """Top, left, height and width of the part of images of a size that is kept."""
        kept_height, kept_width = self._size
        if height < kept_height or width < kept_width:
            kept_height = max(min(height, width * self.height // self.width), 1)
            kept_width = max(min(width, height * self.width // self.height), 1)
        return (height - kept_height) // 2, (width - kept_width) // 2, kept_height, kept_width
