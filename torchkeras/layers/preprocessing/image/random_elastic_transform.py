"""RandomElasticTransform: images warped by smooth random fields.

May import core, random, ops and the files of this folder.
"""

import torch

from torchkeras import random
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.image_layer import (
    GeometricLayer,
    factor_of,
    images_of,
    mode_of,
    range_of,
)
from torchkeras.layers.preprocessing.image.sampling import at_places


@published("layer", "keras.layers")
class RandomElasticTransform(GeometricLayer):
    """Warps images: every pixel is shifted a little, neighbours by nearly the same.

    Args:
        factor: how many images: the probability is drawn from 0 to `factor`, or from one number to another.
        scale: how strong the shifts of a batch are, drawn from 0 to `scale`, or from one number to another.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: what lies outside: `"reflect"`, `"wrap"`, `"nearest"`, `"mirror"`, or `"constant"` for `fill_value`.
        fill_value: number outside.
        value_range: least and greatest value of a pixel; what gets beyond is cut.
        seed: integer for reproducible images.
        data_format: `"channels_last"` or `"channels_first"`.

    Takes an image `(height, width, channels)`, a batch of them, or a dict of images, labels and masks, which are warped
    alike; gives images in the layer's dtype. Only cast where `training=False`.

    Raises `ValueError` for a factor or scale beyond 0 to 1, `NotImplementedError` for unknown modes, and for boxes,
    which are none after it.

    Example:
        >>> RandomElasticTransform(scale=0.5, value_range=(0, 1))(torch.rand(2, 32, 32, 3)).shape
        torch.Size([2, 32, 32, 3])

    In torch: `torchvision.transforms.v2.ElasticTransform()`, one for a batch.
    """

    factor = field(1.0, convert=factor_of("factor", 0, 1))
    scale = field(1.0, convert=factor_of("scale", 0, 1))
    interpolation = field("bilinear", convert=mode_of("interpolation", "nearest", "bilinear"))
    fill_mode = field("reflect", convert=mode_of("fill_mode", "reflect", "wrap", "constant", "nearest", "mirror"))
    fill_value = field(0.0)
    value_range = field((0, 255), convert=range_of("value_range"))
    seed = field(None)
    data_format = _slots.data_format()

    def get_random_transformation(self, data, training=True, seed=None):
        if not training or self.scale[1] == 0 or self.factor[1] == 0:
            return None
        images, seed = images_of(data), self._seed(seed)
        batch, size = self._batch_of(images), self._size_of(images.shape)
        probability = self._draw(images, (batch,), *self.factor, seed)
        chosen = self._draw(images, (batch,), 0.0, 1.0, seed) < probability
        strength = self._draw(images, (), *self.scale, seed, self._drawn_dtype)
        noise = random.normal((2, batch, *size), seed=seed).to(images.device)
        return {"apply_transform": chosen, "distortion_factor": strength, "seed": seed, "noise": noise}

    def transform_images(self, images, transformation, training=True):
        return self._warped(self._in_compute_dtype(images), transformation, training, self.interpolation)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        return self._warped(segmentation_masks, transformation, training, "nearest")

    def _warped(self, images, transformation, training, interpolation):
        if not training or transformation is None:
            return images
        height, width = self._size_of(images.shape)
        across, down = self._shifts(transformation, images.shape[0], height, width)
        rows = torch.arange(height, device=images.device)[:, None] + down
        columns = torch.arange(width, device=images.device) + across
        warped = at_places(images, rows, columns, interpolation, self.fill_mode, self.fill_value, self.data_format)
        warped = torch.where(transformation["apply_transform"][:, None, None, None], warped, images)
        return self._in_compute_dtype(warped.clamp(*self.value_range))

    def _shifts(self, transformation, batch, height, width):
        """By how many columns and rows each pixel is shifted, `(2, batch, height, width)`: noise that is smoothed."""
        noise = transformation.get("noise")
        if noise is None:  # a transformation of Keras's: each use of it draws
            noise = random.normal((2, batch, height, width), seed=transformation["seed"])
        strength = transformation["distortion_factor"].to(noise)
        sigma = strength * (0.05 * min(height, width))
        by_rows, by_columns = (_smoothing(size, sigma) for size in (height, width))
        return by_rows @ noise @ by_columns * (sigma * strength * (0.1 * max(height, width)))

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        raise self._lacks("transform_bounding_boxes")


def _smoothing(size, sigma):
    """`(size, size)`: what each place takes from each, by a Gaussian that ends at three `sigma`. As a product: a
    convolution would need its length, which is drawn, on the host."""
    places = torch.arange(size, dtype=sigma.dtype, device=sigma.device)
    window = torch.arange(1 - size, size, dtype=sigma.dtype, device=sigma.device)

    def weight(distance):
        return torch.exp(-0.5 * (distance / sigma.clamp(min=1e-6)) ** 2) * (distance.abs() <= torch.floor(3 * sigma))

    return weight(places[:, None] - places) / weight(window).sum()
