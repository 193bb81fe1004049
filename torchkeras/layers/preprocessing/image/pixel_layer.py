"""What layers share that compute new pixels: value ranges, numbers drawn for each image, floats to compute in.

May import core and the files of this folder that know no layer.
"""

import torch

from torchkeras.core import tree
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.layers.preprocessing.image.image_layer import ColorLayer, images_of, range_of
from torchkeras.layers.preprocessing.image.portions import in_portions


def sorted_range_of(name):
    """Converter of a pair of numbers in any order, which becomes the list `[low, high]`."""
    convert_sorted = range_of(name)

    def convert(value):
        pair = isinstance(value, (list, tuple)) and len(value) == 2
        try:
            return convert_sorted(sorted(value) if pair else value)
        except TypeError:  # what cannot be sorted
            return convert_sorted(value)

    return convert


def per_image(values):
    """Numbers `(batch,)`, or of any such size, in a shape that multiplies images."""
    return values.reshape(-1, 1, 1, 1)


def in_bytes(images, value_range):
    """Pixels of a range as numbers from 0 to 255, rounded as Keras rounds: some are cut to whole numbers next."""
    low, high = value_range
    return images if (low, high) == (0, 255) else (images - low) / (high - low) * 255.0


def from_bytes(images, value_range):
    """Numbers from 0 to 255 as pixels of a range."""
    low, high = value_range
    return images if (low, high) == (0, 255) else images / 255.0 * (high - low) + low


class PixelLayer(ColorLayer):
    """A layer that computes new pixels in floats, some images at a time."""

    def _draw_each(self, data, low=0.0, high=1.0, seed=None, dtype=None):
        """A number for each image, `(batch,)`, evenly from `low` to `high`."""
        images = images_of(data)
        return self._draw(images, (self._batch_of(images),), low, high, seed, dtype)

    def _chances(self, data, seed):
        """For each image whether it is changed: with a probability that is itself drawn, from `factor`."""
        probability = self._draw_each(data, *self.factor, seed=seed)
        return self._draw_each(data, seed=seed) < probability

    def _like(self, data):
        """Symbolic outputs of the shapes and dtypes of the inputs, as they are once cast."""
        return tree.map_structure(lambda each: KerasTensor(each.shape, self._dtype_inside(each.dtype)), data)

    @property
    def _working_dtype(self):
        return torch_dtype(self._drawn_dtype)

    def _computed(self, function, images, *each, chosen=None):
        """`function(images, *each)` in floats, as the compute dtype."""
        working, dtype = self._working_dtype, self.dtype_policy.torch_compute

        def compute(images, *each):
            found = function(images.to(working), *each)
            return found if dtype.is_floating_point else found.round().clamp(0, torch.iinfo(dtype).max)

        return in_portions(compute, images, *each, dtype=dtype, chosen=chosen)
