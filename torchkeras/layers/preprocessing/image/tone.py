"""Layers that change the brightness of pixels: stretched, shifted, turned round, in fewer steps.

May import core, random and the files of this folder.
"""

import torch

from torchkeras import random
from torchkeras.core.arguments import between
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.image_layer import ColorLayer, factor_of, images_of, range_of
from torchkeras.layers.preprocessing.image.pixel_layer import (
    PixelLayer,
    from_bytes,
    in_bytes,
    per_image,
    sorted_range_of,
)
from torchkeras.layers.preprocessing.image.portions import in_portions


def _share_of(name):
    """Converter of a strength: a number `f` from 0 to 1 stands for `(0, f)`, two numbers for theirs."""
    convert_one = between(name, 0, 1)

    def convert(value):
        if not isinstance(value, (list, tuple)):
            return (0, convert_one(value))
        if len(value) != 2:
            raise InvalidArgumentError(f"`{name}` must be a number from 0 to 1, or two of them; got {value!r}.")
        return tuple(sorted(map(convert_one, value)))

    return convert


@published("layer", "keras.layers")
class AutoContrast(PixelLayer):
    """Stretches each channel of each image until it fills `value_range`; a channel of one value stays as it is.

    Acts in training and otherwise.

    Args:
        value_range: least and greatest value that pixels may have.

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks. Gives the layer's `dtype`.

    Example:
        >>> AutoContrast()(torch.tensor([[[10.0], [20.0]]])).flatten()
        tensor([  0., 255.])

    In torch: `torchvision.transforms.v2.functional.autocontrast`.
    """

    value_range = field((0, 255), convert=sorted_range_of("value_range"))

    def transform_images(self, images, transformation=None, training=True):
        return self._computed(self._stretched, images)

    def _stretched(self, images):
        low, high = self.value_range
        axes = self._height_axis, self._width_axis
        least, most = images, images
        for axis in axes:  # rows first: numbers that lie side by side are compared at once
            least, most = least.amin(axis, keepdim=True), most.amax(axis, keepdim=True)
        flat = ~(most > least)
        gain = (high - low) / torch.where(flat, 1.0, most - least)
        gain = torch.where(flat, 1.0, gain)
        shift = torch.where(flat, 0.0, low - least * gain)
        bounds = torch.where(flat, -torch.inf, float(low)), torch.where(flat, torch.inf, float(high))
        gain, shift, *bounds = (self._row(value.to(images.dtype), images) for value in (gain, shift, *bounds))
        return torch.addcmul(shift, images, gain).clamp(*bounds)

    def _row(self, value, images):
        """Numbers for each channel, repeated along a row, so that a row is one run of memory."""
        shape = list(value.shape)
        shape[self._width_axis] = images.shape[self._width_axis]
        return value.expand(shape).contiguous()


@published("layer", "keras.layers")
class Solarization(PixelLayer):
    """Turns bright pixels round: adds to all, and subtracts from the range's end what then is above a threshold.

    Args:
        addition_factor: what is added at most, as a part of the range; drawn for each image from 0 to it, or between
            two numbers.
        threshold_factor: the same for the threshold.
        value_range: least and greatest value of a pixel.
        seed: integer for reproducible images (Keras's own).

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks. Gives the layer's `dtype`. Does
    nothing else where `training=False`.

    Example:
        >>> Solarization(threshold_factor=(0.5, 0.5))(torch.tensor([[[10.0], [250.0]]])).flatten()
        tensor([10.,  5.])

    In torch: `torchvision.transforms.v2.RandomSolarize`.
    """

    addition_factor = field(0.0, convert=_share_of("addition_factor"))
    threshold_factor = field(0.0, convert=_share_of("threshold_factor"))
    value_range = field((0, 255), convert=sorted_range_of("value_range"))
    seed = field(None)

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        bounds = {"additions": self.addition_factor, "thresholds": self.threshold_factor}
        return {
            name: self._draw_per_image(images_of(data), 255.0 * low, 255.0 * high, seed, self._drawn_dtype)
            for name, (low, high) in bounds.items()
        }

    def transform_images(self, images, transformation, training=True):
        if not training or transformation is None:
            return self._in_compute_dtype(images)
        additions, thresholds = (per_image(transformation[name]) for name in ("additions", "thresholds"))
        return self._computed(self._solarized, images, additions, thresholds)

    def _solarized(self, images, additions, thresholds):
        images = (in_bytes(images, self.value_range) + additions).clamp_(0, 255)
        turned = (images >= thresholds).to(images.dtype)  # a product is faster than a choice between random pixels
        return from_bytes(torch.lerp(images, 255 - images, turned), self.value_range)


@published("layer", "keras.layers")
class RandomBrightness(ColorLayer):
    """Adds the same number to all pixels of an image, drawn for each image.

    Args:
        factor: how much at most, as a part of the range, from -1 to 1: `f` stands for `-f` to `f`, or two numbers.
        value_range: least and greatest value of a pixel; what gets beyond is cut.
        seed: integer for reproducible images (Keras's own).

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks. Gives the dtype of the images; whole
    numbers are moved by whole numbers. Does nothing where `training=False`.

    Example:
        >>> RandomBrightness((1.0, 1.0))(torch.zeros(1, 1, 1)).item()
        255.0

    In torch: `torchvision.transforms.v2.ColorJitter(brightness=factor)`, which multiplies.
    """

    factor = field(convert=factor_of("factor", -1, 1))
    value_range = field((0, 255), convert=sorted_range_of("value_range"))
    seed = field(None)

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        low, high = self.value_range
        return {"rgb_delta": self._draw_per_image(images_of(data), *self.factor, seed) * (high - low)}

    def transform_images(self, images, transformation, training=True):
        if not training:
            return images
        delta = per_image(transformation["rgb_delta"])
        return in_portions(self._brightened, images, delta, dtype=images.dtype)

    def _brightened(self, images, delta):
        low, high = self.value_range
        if images.is_floating_point():
            return (images + delta.to(images.dtype)).clamp_(low, high)
        wide = torch.int16 if images.dtype in (torch.uint8, torch.int8) else torch.int64
        return (images.to(wide) + delta.to(wide)).clamp_(int(low), int(high))


@published("layer", "keras.layers")
class RandomInvert(PixelLayer):
    """Turns the colors of some images round: `high - x`.

    Args:
        factor: probability that an image is inverted, itself drawn from 0 to `factor`, or between two numbers.
        value_range: least and greatest value of a pixel.
        seed: integer for reproducible images (Keras's own).

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks. Gives the layer's `dtype`. Does
    nothing where `training=False`.

    Example:
        >>> RandomInvert((1.0, 1.0))(torch.zeros(1, 1, 1)).item()
        255.0

    In torch: `torchvision.transforms.v2.RandomInvert(p)`.
    """

    factor = field(1.0, convert=factor_of("factor", 0, 1))
    value_range = field((0, 255), convert=range_of("value_range"))
    seed = field(None)
    data_format = _slots.data_format()

    def get_random_transformation(self, data, training=True, seed=None):
        return {"apply_inversion": self._chances(data, seed)} if training else None

    def transform_images(self, images, transformation, training=True):
        if not training:
            return images
        high, dtype = self.value_range[1], self.dtype_policy.torch_compute
        high = high if dtype.is_floating_point else int(high)
        chosen = transformation["apply_inversion"]
        return in_portions(lambda part: high - part.to(dtype), images, chosen=chosen, dtype=dtype)


@published("layer", "keras.layers")
class RandomPosterization(PixelLayer):
    """Keeps the upper bits of each pixel, as many as are drawn for the image.

    Args:
        factor: `f` from 1 to 8 stands for 1 to `f - 1` bits, two numbers `(low, high)` for `low` to `high - 1`, two
            equal ones for that many.
        value_range: least and greatest value of a pixel.
        seed: integer for reproducible images (Keras's own).

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks. Gives the layer's `dtype`. Does
    nothing where `training=False`.

    Example:
        >>> RandomPosterization((1, 1))(torch.tensor([[[100.0], [200.0]]])).flatten()
        tensor([  0., 128.])

    In torch: `torchvision.transforms.v2.RandomPosterize(bits)`.
    """

    factor = field(convert=factor_of("factor", 1, 8))
    value_range = field((0, 255), convert=sorted_range_of("value_range"))
    data_format = _slots.data_format()
    seed = field(None)

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        (low, high), shape = self.factor, (self._batch_of(images_of(data)),)
        device = images_of(data).device
        if low == high:
            return {"shift_factor": torch.full(shape, 8 - low, dtype=torch.uint8, device=device)}
        bits = random.randint(shape, low, high, dtype="uint8", seed=self._seed(seed))
        return {"shift_factor": (8 - bits).to(device)}

    def transform_images(self, images, transformation=None, training=True):
        if not training:
            return images
        kept = (255 << transformation["shift_factor"].to(torch.int32)).to(torch.uint8)
        return in_portions(self._posterized, images, per_image(kept), dtype=self.dtype_policy.torch_compute)

    def _posterized(self, images, kept):
        if tuple(self.value_range) == (0, 255):
            return images.to(torch.uint8) & kept
        working = self._working_dtype
        found = in_bytes(images.to(working), self.value_range).to(torch.uint8) & kept
        return from_bytes(found.to(working), self.value_range)
