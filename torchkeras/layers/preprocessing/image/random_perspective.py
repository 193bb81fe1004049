"""RandomPerspective: images seen from the side, by chance.

May import core, ops and the files of this folder.
"""

import torch

from torchkeras.core.arguments import between
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.boxes import against
from torchkeras.layers.preprocessing.image.image_layer import GeometricLayer, factor_of, images_of, mode_of
from torchkeras.layers.preprocessing.image.sampling import by_matrix
from torchkeras.ops.image_geometry import homography


@published("layer", "keras.layers")
class RandomPerspective(GeometricLayer):
    """Moves the corners of images, as if they were seen from the side.

    Args:
        factor: how many images: the probability is drawn from 0 to `factor`, or from one number to another.
        scale: how far: a corner moves by up to half of `scale` times its distance from the corner above and left.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: number outside of the images.
        seed: integer for reproducible images (Keras's own).
        data_format: `"channels_last"` or `"channels_first"`.
        bounding_box_format: of boxes in a dict. A box becomes the smallest one around its moved corners.

    Takes an image `(height, width, channels)`, a batch of them, or a dict of images, labels, boxes and masks; gives
    images in the layer's dtype. Only cast where `training=False`.

    Raises `ValueError` for a factor or scale beyond 0 to 1, `NotImplementedError` for unknown interpolations.

    Example:
        >>> RandomPerspective(scale=0.5)(torch.rand(2, 32, 32, 3)).shape
        torch.Size([2, 32, 32, 3])

    In torch: `torchvision.transforms.v2.RandomPerspective(scale)`, one for a batch.
    """

    factor = field(1.0, convert=factor_of("factor", 0, 1))
    scale = field(1.0, convert=between("scale", 0, 1))
    interpolation = field("bilinear", convert=mode_of("interpolation", "nearest", "bilinear"))
    fill_value = field(0.0)
    seed = field(None)
    data_format = _slots.data_format()

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        images, dtype = images_of(data), self._drawn_dtype
        batch, (height, width) = self._batch_of(images), self._size_of(images.shape)
        probability = self._draw(images, (batch,), *self.factor, seed)
        chosen = self._draw(images, (batch,), 0.0, 1.0, seed) < probability
        shift = self._draw(images, (batch, 4, 2), -0.5 * self.scale, 0.5 * self.scale, seed, dtype)
        corners = [[0.0, 0.0], [width - 1, 0.0], [0.0, height - 1], [width - 1, height - 1]]
        start = shift.new_tensor(corners).expand(batch, 4, 2)
        return {
            "apply_perspective": chosen,
            "start_points": start,
            "end_points": start + start * shift,
            "input_shape": images.shape,
        }

    def transform_images(self, images, transformation, training=True):
        return self._transformed(self._in_compute_dtype(images), transformation, training, self.interpolation)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        return self._transformed(segmentation_masks, transformation, training, "nearest")

    def _transformed(self, images, transformation, training, interpolation):
        if not training or transformation is None:
            return images
        matrix = homography(transformation["start_points"].float(), transformation["end_points"].float())
        moved = by_matrix(images, matrix, interpolation, "constant", self.fill_value, self.data_format)
        return torch.where(transformation["apply_perspective"][:, None, None, None], moved, images)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        if not training or transformation is None:
            return bounding_boxes
        move = against(homography(transformation["start_points"].float(), transformation["end_points"].float()))
        chosen = transformation["apply_perspective"][:, None]

        def move_chosen(*corners):
            return (torch.where(chosen, new, old) for new, old in zip(move(*corners), corners, strict=True))

        return self._moved(bounding_boxes, move_chosen, self._size_of(transformation["input_shape"]))
