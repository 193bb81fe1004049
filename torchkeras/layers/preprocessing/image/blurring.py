"""Layers that mix pixels with their neighbours: blur, and its opposite.

May import core, random, ops and the files of this folder.
"""

import torch

from torchkeras import random
from torchkeras.core.arguments import as_number
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.image_layer import factor_of, images_of, range_of
from torchkeras.layers.preprocessing.image.pixel_layer import PixelLayer, per_image, sorted_range_of


def _odd_sizes(value):
    """A pair of odd numbers, or one for both."""
    single = as_number(value)
    items = [single] * 2 if single is not None else list(value) if isinstance(value, (list, tuple)) else []
    numbers = [as_number(item) for item in items]
    if len(numbers) != 2 or any(item is None or item % 2 != 1 or item < 1 for item in numbers):
        raise InvalidArgumentError(f"`kernel_size` must be an odd number, or two of them; got {value!r}.")
    return tuple(items)


@published("layer", "keras.layers")
class RandomGaussianBlur(PixelLayer):
    """Blurs some images with a bell-shaped window.

    Args:
        factor: probability that an image is blurred, itself drawn from 0 to `factor`, or between two numbers.
        kernel_size: height and width of the window, odd.
        sigma: width of the bell in pixels, from 0 to 1, drawn once for a batch along each axis from 0 to `sigma`, or
            between two numbers.
        value_range: least and greatest value of a pixel.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: integer for reproducible images (Keras's own).

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks. Gives the layer's `dtype`. Does
    nothing else where `training=False`.

    Example:
        >>> RandomGaussianBlur((1.0, 1.0))(torch.rand(2, 8, 8, 3)).shape
        torch.Size([2, 8, 8, 3])

    In torch: `torchvision.transforms.v2.GaussianBlur(kernel_size, sigma)`.
    """

    factor = field(1.0, convert=factor_of("factor", 0, 1))
    kernel_size = field(3, convert=_odd_sizes)
    sigma = field(1.0, convert=factor_of("sigma", 0, 1))
    value_range = field((0, 255), convert=range_of("value_range"))
    data_format = _slots.data_format()
    seed = field(None)

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        probability = self._draw_each(data, *self.factor, seed=seed)
        chosen = self._draw_each(data, seed=seed) < probability
        sigma = random.uniform((2,), *self.sigma, dtype=self._drawn_dtype, seed=self._seed(seed)) + 1e-6
        return {"should_apply_blur": chosen, "blur_factor": sigma.to(images_of(data).device)}

    def transform_images(self, images, transformation=None, training=True):
        if not training or transformation is None:
            return self._in_compute_dtype(images)
        sigma, chosen = transformation["blur_factor"], transformation["should_apply_blur"]

        def blurred(images):
            for axis, size, width in zip((self._height_axis, self._width_axis), self.kernel_size, sigma.flip(0)):
                images = _smoothed(images, axis, _bell(size, width.to(images.dtype)))
            return images.clamp(*self.value_range)

        return self._computed(blurred, images, chosen=chosen).clamp_(*self.value_range)


@published("layer", "keras.layers")
class RandomSharpness(PixelLayer):
    """Makes images sharper or smoother: `x + (1 - 2 * amount) * (smooth - x)`.

    Args:
        factor: the amount at most, from 0, which is smooth, to 1; 0.5 changes nothing. Drawn for each image from 0 to
            `factor`, or between two numbers.
        value_range: least and greatest value of a pixel; what gets beyond is cut.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: integer for reproducible images (Keras's own).

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks. Gives the layer's `dtype`. Does
    nothing else where `training=False`.

    Example:
        >>> RandomSharpness((0.5, 0.5))(torch.tensor([[[3.0], [7.0]]])).flatten()
        tensor([3., 7.])

    In torch: `torchvision.transforms.v2.functional.adjust_sharpness`.
    """

    factor = field(convert=factor_of("factor", 0, 1))
    value_range = field((0, 255), convert=sorted_range_of("value_range"))
    data_format = _slots.data_format()
    seed = field(None)

    def get_random_transformation(self, data, training=True, seed=None):
        return {"factor": self._draw_each(data, *self.factor, seed=seed)} if training else None

    def transform_images(self, images, transformation=None, training=True):
        if not training:
            return self._in_compute_dtype(images)
        return self._computed(self._sharpened, images, per_image(transformation["factor"]))

    def _sharpened(self, images, amount):
        share = 1.0 - 2.0 * amount.to(images.dtype)
        around = _sum_of_three(_sum_of_three(images, self._height_axis), self._width_axis)
        smooth = around.add_(images, alpha=4).div_(13)  # the middle counts five times as much as each neighbour
        return torch.lerp(images, smooth, share).clamp_(*self.value_range)


def _bell(size, width):
    """The weights of a bell-shaped window from its middle outwards; the whole window has the sum 1."""
    weights = torch.exp(-0.5 * (torch.arange(size // 2 + 1, dtype=width.dtype, device=width.device) / width) ** 2)
    return weights / (2 * weights.sum() - weights[0])


def _smoothed(images, axis, weights):
    """Sums of pixels along an axis, weighted by distance; beyond the edge are zeros. A product with each weight is
    faster than a convolution of three channels."""
    size = images.shape[axis]
    found = images * weights[0]
    for distance in range(1, min(len(weights), size)):
        rest = size - distance
        before, after = images.narrow(axis, 0, rest), images.narrow(axis, distance, rest)
        found.narrow(axis, distance, rest).add_(before * weights[distance])
        found.narrow(axis, 0, rest).add_(after * weights[distance])
    return found


def _sum_of_three(images, axis):
    """Each pixel with the two beside it along an axis; beyond the edge are zeros."""
    size = images.shape[axis]
    found = images.clone()
    found.narrow(axis, 1, size - 1).add_(images.narrow(axis, 0, size - 1))
    found.narrow(axis, 0, size - 1).add_(images.narrow(axis, 1, size - 1))
    return found
