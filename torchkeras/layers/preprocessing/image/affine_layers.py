"""Images turned, zoomed, moved and sheared by chance.

May import core and the files of this folder.

Each layer draws a matrix for each image: where in the image every pixel of the result comes from. Masks are read at the
nearest pixel, boxes go the other way.
"""

import math

import torch

from torchkeras.core.arguments import as_number
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.boxes import against
from torchkeras.layers.preprocessing.image.image_layer import GeometricLayer, factor_of, images_of, mode_of
from torchkeras.layers.preprocessing.image.sampling import by_matrix


def fill_mode():
    """A slot for what lies outside of images."""
    return field("reflect", convert=mode_of("fill_mode", "reflect", "wrap", "constant", "nearest"))


def interpolation():
    """A slot for how pixels are read between pixels."""
    return field("bilinear", convert=mode_of("interpolation", "nearest", "bilinear"))


def share_of(name, least, open_below=False):
    """Converter of a share of the image: a number, or two (from, to), each from `least` to 1; kept as it is."""

    def convert(value):
        numbers = [as_number(each) for each in value] if isinstance(value, (list, tuple)) else [as_number(value)]
        fits = None not in numbers and all(least <= each <= 1 for each in numbers)
        if not fits or (isinstance(value, (list, tuple)) and len(numbers) != 2) or (open_below and least in numbers):
            above = "above " if open_below else "from "
            raise InvalidArgumentError(
                f"`{name}` must be a number {above}{least} to 1, or two of them (from, to); got {value!r}."
            )
        return value if isinstance(value, (list, tuple)) else numbers[0]

    return convert


def limits(share):
    """Least and greatest of a share: `0.2` stands for -0.2 to 0.2."""
    return sorted(share) if isinstance(share, (list, tuple)) else (-abs(share), abs(share))


class _AffineLayer(GeometricLayer):
    """What these layers share."""

    def _matrix(self, transformation, height, width):
        """`(batch, 8)`, as `keras.ops.image.affine_transform` takes it."""
        raise NotImplementedError

    def transform_images(self, images, transformation, training=True):
        return self._transformed(self._in_compute_dtype(images), transformation, training, self.interpolation)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        return self._transformed(segmentation_masks, transformation, training, "nearest")

    def _transformed(self, images, transformation, training, interpolation):
        if not training or transformation is None:
            return images
        matrix = self._matrix(transformation, *self._size_of(images.shape))
        return by_matrix(images, matrix[:, :6], interpolation, self.fill_mode, self.fill_value, self.data_format)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        if not training or transformation is None:
            return bounding_boxes
        size = self._size_of(transformation["input_shape"])
        return self._moved(bounding_boxes, against(self._matrix(transformation, *size)), size)


def _numbers(like, *numbers):
    """The numbers of a matrix side by side; `like` are those of each image, `(batch,)`."""
    tensors = [each if isinstance(each, torch.Tensor) else torch.full_like(like, each) for each in numbers]
    return torch.stack([*tensors, *[torch.zeros_like(like)] * (8 - len(tensors))], -1)


@published("layer", "keras.layers")
class RandomRotation(_AffineLayer):
    """Turns each image around its middle.

    Args:
        factor: the angle is drawn from `-factor` to `factor`, or from one number to another, in turns: 0.5 is half a
            turn. Above zero is against the clock.
        fill_mode: what lies outside: `"reflect"`, `"wrap"`, `"nearest"`, or `"constant"` for `fill_value`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: integer for reproducible images (Keras's own).
        fill_value: number outside.
        data_format: `"channels_last"` or `"channels_first"`.
        bounding_box_format: of boxes in a dict. A box becomes the smallest one around its turned corners.

    Takes an image `(height, width, channels)`, a batch of them, or a dict of images, labels, boxes and masks; gives
    images in the layer's dtype. Only cast where `training=False`.

    Raises `ValueError` for factors beyond -1 to 1, `NotImplementedError` for unknown modes.

    Example:
        >>> RandomRotation(0.1)(torch.rand(2, 32, 32, 3)).shape
        torch.Size([2, 32, 32, 3])

    In torch: `torchvision.transforms.v2.RandomRotation(360 * factor)`, one angle for a batch.
    """

    factor = field(convert=factor_of("factor", -1, 1))
    fill_mode = fill_mode()
    interpolation = interpolation()
    seed = field(None)
    fill_value = field(0.0)
    data_format = _slots.data_format()

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        images = images_of(data)
        batch, (height, width) = self._batch_of(images), self._size_of(images.shape)
        angle = self._draw(images, (batch,), self.factor[0] * 360.0, self.factor[1] * 360.0, seed)
        cos, sin = torch.cos(angle * (math.pi / 180)), torch.sin(angle * (math.pi / 180))
        x, y = 0.5 * (width - 1), 0.5 * (height - 1)
        matrix = _numbers(angle, cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos)
        return {
            "angle": angle,
            "rotation_matrix": matrix if images.dim() == 4 else matrix[0],
            "image_height": height,
            "image_width": width,
            "batch_size": batch,
        }

    def _matrix(self, transformation, height, width):
        return transformation["rotation_matrix"].reshape(-1, 8)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        if not training or transformation is None:
            return bounding_boxes
        size = transformation["image_height"], transformation["image_width"]
        return self._moved(bounding_boxes, against(self._matrix(transformation, *size)), size)


class _ByShares(_AffineLayer):
    """What zooming and moving share: numbers drawn for the height first."""

    def _drawn(self, images, around, seed):
        """For the height and the width `(batch, 1)` each; the same where there is no `width_factor`."""
        found = []
        for share in (self.height_factor, self.width_factor):
            if share is None:
                return found[0], found[0]
            low, high = limits(share)
            found.append(self._draw(images, (self._batch_of(images), 1), around + low, around + high, seed))
        return found


@published("layer", "keras.layers")
class RandomZoom(_ByShares):
    """Zooms into images or out of them, around their middle.

    Args:
        height_factor: the zoom is drawn from `-height_factor` to `height_factor`, or from one number to another: 0.2
            shows 120 % of the height, -0.2 shows 80 %.
        width_factor: the same for the width; None keeps the proportions.
        fill_mode: what lies outside: `"reflect"`, `"wrap"`, `"nearest"`, or `"constant"` for `fill_value`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: integer for reproducible images (Keras's own).
        fill_value: number outside.
        data_format: `"channels_last"` or `"channels_first"`.
        bounding_box_format: of boxes in a dict.

    Takes an image `(height, width, channels)`, a batch of them, or a dict of images, labels, boxes and masks; gives
    images in the layer's dtype. Only cast where `training=False`.

    Raises `ValueError` for factors that are not above -1 and up to 1, `NotImplementedError` for unknown modes.

    Example:
        >>> RandomZoom(0.2)(torch.rand(2, 32, 32, 3)).shape
        torch.Size([2, 32, 32, 3])

    In torch: `torchvision.transforms.v2.RandomAffine(0, scale=(0.8, 1.2))`, one zoom for a batch.
    """

    height_factor = field(convert=share_of("height_factor", -1, open_below=True))
    width_factor = field(None, convert=share_of("width_factor", -1, open_below=True), optional=True)
    fill_mode = fill_mode()
    interpolation = interpolation()
    seed = field(None)
    fill_value = field(0.0)
    data_format = _slots.data_format()

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        images = images_of(data)
        height_zoom, width_zoom = self._drawn(images, 1.0, seed)
        return {"height_zoom": height_zoom, "width_zoom": width_zoom, "input_shape": images.shape}

    def _matrix(self, transformation, height, width):
        x, y = (transformation[f"{side}_zoom"].float().squeeze(-1) for side in ("width", "height"))
        return _numbers(x, x, 0.0, (width - 1) / 2 * (1 - x), 0.0, y, (height - 1) / 2 * (1 - y))


@published("layer", "keras.layers")
class RandomTranslation(_ByShares):
    """Moves images up or down and to the sides.

    Args:
        height_factor: how far down, drawn from `-height_factor` to `height_factor`, or from one number to another, in
            heights of the image.
        width_factor: how far to the right, in widths.
        fill_mode: what comes in: `"reflect"`, `"wrap"`, `"nearest"`, or `"constant"` for `fill_value`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: integer for reproducible images (Keras's own).
        fill_value: number outside.
        data_format: `"channels_last"` or `"channels_first"`.
        bounding_box_format: of boxes in a dict.

    Takes an image `(height, width, channels)`, a batch of them, or a dict of images, labels, boxes and masks; gives
    images in the layer's dtype. Only cast where `training=False`.

    Raises `ValueError` for factors beyond -1 to 1, `NotImplementedError` for unknown modes.

    Example:
        >>> RandomTranslation(0.1, 0.2)(torch.rand(2, 32, 32, 3)).shape
        torch.Size([2, 32, 32, 3])

    In torch: `torchvision.transforms.v2.RandomAffine(0, translate=(0.2, 0.1))`, one way for a batch.
    """

    height_factor = field(convert=share_of("height_factor", -1))
    width_factor = field(convert=share_of("width_factor", -1))
    fill_mode = fill_mode()
    interpolation = interpolation()
    seed = field(None)
    fill_value = field(0.0)
    data_format = _slots.data_format()

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        images = images_of(data)
        height, width = self._size_of(images.shape)
        down, right = self._drawn(images, 0.0, seed)
        return {"translations": torch.cat([right * width, down * height], 1), "input_shape": images.shape}

    def _matrix(self, transformation, height, width):
        right, down = transformation["translations"].float().unbind(-1)
        return _numbers(right, 1.0, 0.0, -right, 0.0, 1.0, -down)


@published("layer", "keras.layers")
class RandomShear(_AffineLayer):
    """Shears images: rows are pushed to the side, columns up or down, the further the more.

    Args:
        x_factor: how far a row is pushed for each pixel down, drawn from `-x_factor` to `x_factor`, or from one number
            to another; half of the images then change sides.
        y_factor: the same for columns.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: what lies outside: `"reflect"`, `"wrap"`, `"nearest"`, or `"constant"` for `fill_value`.
        fill_value: number outside.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: integer for reproducible images (Keras's own).
        bounding_box_format: of boxes in a dict. A box becomes the smallest one around its sheared corners.

    Takes an image `(height, width, channels)`, a batch of them, or a dict of images, labels, boxes and masks; gives
    images in the layer's dtype. Only cast where `training=False`.

    Raises `ValueError` for factors beyond 1, `NotImplementedError` for unknown modes.

    Example:
        >>> RandomShear(0.2, 0.1)(torch.rand(2, 32, 32, 3)).shape
        torch.Size([2, 32, 32, 3])

    In torch: `torchvision.transforms.v2.RandomAffine(0, shear=...)`, in degrees, one for a batch.
    """

    x_factor = field(0.0, convert=lambda value: _sheared("x_factor", value))
    y_factor = field(0.0, convert=lambda value: _sheared("y_factor", value))
    interpolation = interpolation()
    fill_mode = fill_mode()
    fill_value = field(0.0)
    data_format = _slots.data_format()
    seed = field(None)

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        images = images_of(data)
        shape, dtype = (self._batch_of(images), 1), self._drawn_dtype
        other_side = self._draw(images, shape, 0, 1, seed, dtype) > 0.5
        y = self._draw(images, shape, *self.y_factor, seed, dtype)
        x = self._draw(images, shape, *self.x_factor, seed, dtype)
        shear = torch.cat([x, y], 1)
        return {"shear_factor": torch.where(other_side, -shear, shear), "input_shape": images.shape}

    def _matrix(self, transformation, height, width):
        x, y = transformation["shear_factor"].float().unbind(-1)
        return _numbers(x, 1.0, x, 0.0, y, 1.0, 0.0)


def _sheared(name, value):
    """A pair; Keras writes a number as one from below zero, which it then does not read."""
    return tuple(limits(share_of(name, -1 if isinstance(value, (list, tuple)) else 0)(value)))
