"""What all layers on images share: Keras's protocol of transformations, and the dict with labels, boxes and masks.

May import core, ops, random and the files of this folder that know no layer.

A layer says what it draws (`get_random_transformation`) and what that does to a batch of images, labels, boxes or masks
(`transform_images` and its kin), so that whoever holds a transformation can apply it by hand. Numbers are drawn in
Keras's order and shapes: one seed gives Keras's images.
"""

import numpy as np
import torch

from torchkeras import ops, random
from torchkeras.core import conversion, tree
from torchkeras.core.arguments import as_number, one_of, positive_int
from torchkeras.core.fields import field
from torchkeras.core.layer import Layer
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.boxes import FORMATS, clip_to_image_size, convert_format, densified

# The parts of a dict, in the order in which they are transformed: the methods for a batch and for one.
_PARTS = {
    "images": ("transform_images", "transform_single_image"),
    "bounding_boxes": ("transform_bounding_boxes", "transform_single_bounding_box"),
    "labels": ("transform_labels", "transform_single_label"),
    "segmentation_masks": ("transform_segmentation_masks", "transform_single_segmentation_mask"),
}


def factor_of(name, least, most):
    """Converter of a strength: a number `f` stands for the range `(max(-f, least), f)`, two numbers for theirs."""

    def convert(value):
        single = as_number(value)
        found = [single] if single is not None else list(value) if isinstance(value, (list, tuple)) else []
        numbers = [as_number(each) for each in found]
        if len(numbers) not in (1, 2) or (single is None and len(numbers) != 2) or None in numbers:
            raise InvalidArgumentError(_factor_error(name, least, most, value))
        if len(numbers) == 1 and least <= single <= most:
            return (max(-abs(single), least), abs(single))
        if len(numbers) == 2 and numbers[0] <= most and numbers[1] >= least:
            return tuple(sorted(numbers))
        raise InvalidArgumentError(_factor_error(name, least, most, value))

    return convert


def _factor_error(name, least, most, value):
    return f"`{name}` must be a number from {least} to {most}, or two of them (from, to); got {value!r}."


def range_of(name):
    """Converter of a pair `(low, high)`, such as the range that pixels lie in; low must be less."""

    def convert(value):
        numbers = [as_number(each) for each in value] if hasattr(value, "__iter__") else []
        if len(numbers) != 2 or None in numbers or not numbers[0] < numbers[1]:
            raise InvalidArgumentError(f"`{name}` must be two numbers (low, high), low first; got {value!r}.")
        return value if isinstance(value, (list, tuple)) else tuple(numbers)

    return convert


def mode_of(name, *modes):
    """Converter of one of a few words; Keras refuses others with `NotImplementedError`."""

    def convert(value):
        if value not in modes:
            raise NotImplementedError(f"`{name}` must be one of {', '.join(map(repr, modes))}; got {value!r}.")
        return value

    return convert


def images_of(data):
    """The images of what a layer is called on. Raises `ValueError` where a dict has none."""
    if isinstance(data, dict):
        if "images" not in data:
            raise ValueError(f"A dict for a layer on images must have the key 'images', got the keys {list(data)}.")
        data = data["images"]
    return conversion.as_tensor(data, what="images") if isinstance(data, np.ndarray) else data


class _Backend:
    """What Keras's layers on images, and so those that users derive from them, find as `self.backend`."""

    numpy = nn = math = linalg = core = ops
    image, random = ops.image, random

    def __getattr__(self, name):
        return getattr(ops, name)


def _in_lists(value):
    """Whether a value is the numbers of an array, in lists."""
    leaves = tree.flatten(value) if isinstance(value, (list, tuple)) else []
    return bool(leaves) and all(isinstance(leaf, conversion.NUMBERS) for leaf in leaves)


class BaseImagePreprocessingLayer(Layer):
    """Base of layers on images.

    A subclass gives `transform_images(images, transformation, training)` for batches, and where it is made for them
    `transform_labels`, `transform_bounding_boxes` and `transform_segmentation_masks`. A random one has a field `seed`
    and gives `get_random_transformation(data, training, seed)`, drawn with `self._seed(seed)`; None unless `training`.

    Called on an image `(height, width, channels)`, a batch of them, or a dict with `"images"` and any of `"labels"`,
    `"bounding_boxes"` (a dict of `"boxes"` and `"labels"`, in `bounding_box_format`) and `"segmentation_masks"`; gives
    the same form. Lists of boxes may be of several lengths.

    Args:
        bounding_box_format: of boxes in a dict: `"xyxy"`, `"rel_xyxy"`, `"xywh"`, ….
        data_format: `"channels_last"` or `"channels_first"`.

    Raises `ValueError` for images of another rank, and for boxes without a `bounding_box_format`.
    """

    _takes_several = True
    backend = _Backend()

    bounding_box_format = field(None, convert=one_of("bounding_box_format", *FORMATS), optional=True, shown=False)
    data_format = _slots.data_format(shown=False)

    def _configure(self):
        if "seed" in self._fields:
            self.generator = random.SeedGenerator(self.seed)
        last = self.data_format == "channels_last"
        self._height_axis, self._width_axis, self._channel_axis = (-3, -2, -1) if last else (-2, -1, -3)

    # -- what a subclass says -----------------------------------------------------------------------------------------

    def get_random_transformation(self, data, training=True, seed=None):
        """What is drawn for these images; None for nothing."""

    def transform_images(self, images, transformation, training=True):
        raise self._lacks("transform_images")

    def transform_labels(self, labels, transformation, training=True):
        raise self._lacks("transform_labels")

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        raise self._lacks("transform_bounding_boxes")

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        raise self._lacks("transform_segmentation_masks")

    def _lacks(self, method):
        return NotImplementedError(f"Layer {type(self).__name__} does not implement `{method}()`.")

    # -- one image ----------------------------------------------------------------------------------------------------

    def transform_single_image(self, image, transformation, training=True):
        return self.transform_images(image[None], transformation, training=training)[0]

    def transform_single_label(self, label, transformation, training=True):
        return self.transform_labels(label[None], transformation, training=training)[0]

    def transform_single_bounding_box(self, bounding_box, transformation, training=True):
        boxes = {key: value[None] for key, value in bounding_box.items()}
        boxes = self.transform_bounding_boxes(boxes, transformation, training=training)
        return {key: value[0] for key, value in boxes.items()}

    def transform_single_segmentation_mask(self, segmentation_mask, transformation, training=True):
        return self.transform_segmentation_masks(segmentation_mask[None], transformation, training=training)[0]

    # -- the call -----------------------------------------------------------------------------------------------------

    def call(self, data, training=True):
        parts = data if isinstance(data, dict) else {"images": data}
        single = self._rank(images_of(parts)) == 3
        transformation = self.get_random_transformation(data, training=training)
        found = dict(parts)
        for part, methods in _PARTS.items():
            if part in parts:
                found[part] = getattr(self, methods[single])(parts[part], transformation, training=training)
        return found if parts is data else found["images"]

    def _rank(self, images):
        rank = len(images.shape)
        if rank not in (3, 4):
            raise ValueError(
                f"Layer {self.name!r} takes an image (3 axes) or a batch of images (4 axes), got shape "
                f"{tuple(images.shape)}: add or drop axes with keras.ops.expand_dims or keras.ops.squeeze."
            )
        return rank

    def _convert(self, args, kwargs):
        """What is in lists becomes tensors before the rest does: a list of lists is no structure of tensors."""
        data = args[0] if args else kwargs.get("data")
        if isinstance(data, dict) and any(map(_in_lists, data.values())):
            data = {key: np.asarray(value) if _in_lists(value) else value for key, value in data.items()}
            args, kwargs = ((data, *args[1:]), kwargs) if args else (args, {**kwargs, "data": data})
        if isinstance(data, dict) and "bounding_boxes" in data:
            if not self.bounding_box_format:
                raise ValueError(
                    f"Layer {self.name!r} got 'bounding_boxes' and does not know their format: give "
                    f"{type(self).__name__}(bounding_box_format=...), one of {', '.join(map(repr, FORMATS))}."
                )
            data = {**data, "bounding_boxes": densified(data["bounding_boxes"])}
            args, kwargs = ((data, *args[1:]), kwargs) if args else (args, {**kwargs, "data": data})
        return super()._convert(args, kwargs)

    # -- for subclasses -----------------------------------------------------------------------------------------------

    def _seed(self, seed):
        return self.generator if seed is None else seed

    def _in_compute_dtype(self, images):
        return images.to(self.dtype_policy.torch_compute)

    @property
    def _drawn_dtype(self):
        """Of numbers that are drawn: the compute dtype, unless that is one of whole numbers."""
        return self.compute_dtype if self.dtype_policy.torch_compute.is_floating_point else "float32"

    def _draw_per_image(self, images, low=0.0, high=1.0, seed=None, dtype=None):
        """A number for each image, evenly from `low` to `high`, of a shape that multiplies them."""
        shape = (images.shape[0], 1, 1, 1) if self._rank(images) == 4 else (1, 1, 1)
        return self._draw(images, shape, low, high, seed, dtype)

    def _draw(self, images, shape, low=0.0, high=1.0, seed=None, dtype=None):
        """Numbers of a shape, evenly from `low` to `high`, on the device of the images."""
        return random.uniform(shape, low, high, dtype=dtype, seed=self._seed(seed)).to(images.device)

    def _batch_of(self, images):
        return images.shape[0] if self._rank(images) == 4 else 1

    def _size_of(self, shape):
        """Height and width, from the shape of images."""
        return shape[self._height_axis], shape[self._width_axis]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        if config["bounding_box_format"] is None:
            del config["bounding_box_format"]
        return config


class ColorLayer(BaseImagePreprocessingLayer):
    """Base of layers that change colors only: labels, boxes and masks stay as they are."""

    def transform_labels(self, labels, transformation, training=True):
        return labels

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        return bounding_boxes

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        return segmentation_masks


class GeometricLayer(BaseImagePreprocessingLayer):
    """Base of layers that move pixels: labels stay as they are."""

    def transform_labels(self, labels, transformation, training=True):
        return labels

    def _moved(self, bounding_boxes, move, before, after=None):
        """Boxes whose corners have moved, cut at the edge of the image.

        Args:
            bounding_boxes: a dict, in the layer's format.
            move: function of `x1, y1, x2, y2` in pixels, `(batch, boxes)` each, that gives the new ones.
            before, after: height and width of the images then and now; the same by default.
        """
        height, width = before
        new_height, new_width = after or before
        found = convert_format(bounding_boxes, self.bounding_box_format, "xyxy", height, width)
        found["boxes"] = torch.stack(torch.broadcast_tensors(*move(*found["boxes"].unbind(-1))), -1)
        found = clip_to_image_size(found, new_height, new_width)
        return convert_format(found, "xyxy", self.bounding_box_format, new_height, new_width)


class SizedLayer(GeometricLayer):
    """Base of layers whose images have one size, `height` and `width`."""

    height = field(convert=positive_int("height"))
    width = field(convert=positive_int("width"))

    @property
    def _size(self):
        return self.height, self.width

    def compute_output_shape(self, input_shape):
        if isinstance(input_shape, dict):
            images = ("images", "segmentation_masks")
            return {key: self._sized(shape) if key in images else shape for key, shape in input_shape.items()}
        return self._sized(input_shape)

    def _sized(self, shape):
        shape = list(shape)
        if len(shape) not in (3, 4):
            raise ValueError(
                f"Layer {self.name!r} takes the shape of an image (3 sizes) or of a batch of images (4), got {shape}."
            )
        shape[self._height_axis], shape[self._width_axis] = self._size
        return tuple(shape)
