"""RandomContrast: the contrast of images changed by chance.

May import core and the files of this folder.
"""

import torch

from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.layers.preprocessing.image.image_layer import ColorLayer, factor_of, images_of, range_of


@published("layer", "keras.layers")
class RandomContrast(ColorLayer):
    """Moves the pixels of each channel away from the channel's mean, or towards it: `(x - mean) * contrast + mean`.

    Args:
        factor: how much at most: the contrast of an image is drawn from `1 - factor` to `1 + factor`; two numbers
            `(lower, upper)` give `1 - lower` to `1 + upper`.
        value_range: least and greatest value of a pixel; what gets beyond is cut.
        seed: integer for reproducible images (Keras's own).

    Takes an image `(height, width, channels)`, a batch of them, or a dict of images, labels, boxes and masks. Gives
    floats, of a `dtype="uint8"` bytes. Does nothing where `training=False`.

    Example:
        >>> RandomContrast(0.2, value_range=(0, 1))(torch.rand(2, 32, 32, 3)).shape
        torch.Size([2, 32, 32, 3])

    In torch: `torchvision.transforms.v2.ColorJitter(contrast=factor)`, whose mean is that of the gray image.
    """

    factor = field(convert=factor_of("factor", 0, 1))
    value_range = field((0, 255), convert=range_of("value_range"))
    seed = field(None)

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        lower, upper = self.factor
        contrast = self._draw_per_image(images_of(data), 1.0 - lower, 1.0 + upper, seed, self._drawn_dtype)
        return {"contrast_factor": contrast}

    def transform_images(self, images, transformation, training=True):
        if not training:
            return images
        contrast = transformation["contrast_factor"]
        floats = images if images.is_floating_point() else images.to(torch.promote_types(torch.float32, contrast.dtype))
        mean = floats.mean((self._height_axis, self._width_axis), keepdim=True)
        changed = torch.lerp(mean, floats, contrast.to(floats.dtype)).clamp_(*self.value_range)
        return changed if self.dtype_policy.torch_compute.is_floating_point else self._in_compute_dtype(changed)
