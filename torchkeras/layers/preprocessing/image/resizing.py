"""Resizing: images of one height and width.

May import core, ops and the files of this folder.
"""

from torchkeras.core.arguments import one_of
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.image_layer import SizedLayer, images_of
from torchkeras.ops.image_resize import INTERPOLATIONS, resize


@published("layer", "keras.layers")
class Resizing(SizedLayer):
    """Images of another height and width.

    Args:
        height, width: of the result.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"area"`, `"lanczos3"` or `"lanczos5"`.
        crop_to_aspect_ratio: cut the middle part that has the result's proportions first.
        pad_to_aspect_ratio: put `fill_value` around instead.
        fill_mode: `"constant"`.
        fill_value: number around the images.
        antialias: widen the kernel when shrinking, so that no pixel is skipped.
        data_format: `"channels_last"` or `"channels_first"`.
        bounding_box_format: of boxes in a dict.

    Takes an image `(height, width, channels)`, a batch of them, or a dict of images, labels, boxes and masks (which are
    resized by `"nearest"`). Whole numbers stay whole numbers, rounded.

    Raises `ValueError` for unknown options, and where images are to be cut and padded at once.

    Example:
        >>> Resizing(24, 32)(torch.zeros(2, 48, 48, 3)).shape
        torch.Size([2, 24, 32, 3])

    In torch: `F.interpolate(images, (height, width), mode="bilinear")` for channels first.
    """

    interpolation = field("bilinear", convert=one_of("interpolation", *INTERPOLATIONS))
    crop_to_aspect_ratio = field(False)
    pad_to_aspect_ratio = field(False)
    fill_mode = field("constant", convert=one_of("fill_mode", "constant"))
    fill_value = field(0.0)
    antialias = field(False, convert=bool)
    data_format = _slots.data_format()

    def _configure(self):
        super()._configure()
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ValueError("Choose one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio`, not both.")

    def get_random_transformation(self, data, training=True, seed=None):
        return self._size_of(images_of(data).shape)

    def transform_images(self, images, transformation=None, training=True):
        images = self._resized(images, self.interpolation)
        whole = not self.dtype_policy.torch_compute.is_floating_point
        return self._in_compute_dtype(images) if whole else images

    def transform_segmentation_masks(self, segmentation_masks, transformation=None, training=True):
        return self._resized(segmentation_masks, "nearest")

    def _resized(self, images, interpolation):
        return resize(
            images,
            self._size,
            interpolation,
            self.antialias,
            self.crop_to_aspect_ratio,
            self.pad_to_aspect_ratio,
            self.fill_mode,
            self.fill_value,
            self.data_format,
        )

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        given = bounding_boxes["boxes"]
        none = (given == -1).all(-1, keepdim=True) | (given == 0).all(-1, keepdim=True)  # places of no box
        scale_x, scale_y, left, top = self._way(*transformation)

        def move(x1, y1, x2, y2):
            x1, y1, x2, y2 = x1 * scale_x + left, y1 * scale_y + top, x2 * scale_x + left, y2 * scale_y + top
            return tuple(each.masked_fill(none.squeeze(-1), 0) for each in (x1, y1, x2, y2))

        return self._moved(bounding_boxes, move, transformation, self._size)

    def _way(self, height, width):
        """Of images of a size: how much they are stretched, and by how much they are moved then."""
        scale_y, scale_x = self.height / height, self.width / width
        if not (self.pad_to_aspect_ratio or self.crop_to_aspect_ratio):
            return scale_x, scale_y, 0, 0
        choose = min if self.pad_to_aspect_ratio else max
        scale = choose(scale_x, scale_y)
        beyond_x, beyond_y = (self.width - width * scale) / 2, (self.height - height * scale) / 2
        if self.pad_to_aspect_ratio:
            return scale, scale, beyond_x // 1, beyond_y // 1
        return scale, scale, -(-beyond_x // 1), -(-beyond_y // 1)
