"""Layers that put parts of images, or noise, into others: erasing, CutMix, MixUp.

May import core, random and the files of this folder.
"""

import torch

from torchkeras import random
from torchkeras.core.arguments import above_zero, as_number
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.image_layer import factor_of, images_of, range_of
from torchkeras.layers.preprocessing.image.pixel_layer import PixelLayer, per_image
from torchkeras.layers.preprocessing.image.portions import in_portions


def _fill(value):
    """None, a number, or three."""
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, (list, tuple)) and len(value) == 3 and None not in map(as_number, value):
        return value
    raise InvalidArgumentError(f"`fill_value` must be None, a number or a list of three numbers; got {value!r}.")


class _Patches(PixelLayer):
    """What layers share that choose a rectangle in each image."""

    def _edges(self, data, axis, share, seed):
        """Where rectangles begin and end along an axis, for shares `(batch,)` of its length."""
        size = images_of(data).shape[axis]
        length = share * size
        start = self._draw_each(data, seed=seed, dtype=self._drawn_dtype) * (size - length)
        return start, start + length

    def _inside(self, images, columns, rows):
        """Bools of the shape of the images, True in the rectangles."""
        across = self._between(images, self._width_axis, columns)
        shape = list(across.shape)  # channels are told apart here, so that a row is one run of memory
        shape[self._channel_axis] = images.shape[self._channel_axis]
        return self._between(images, self._height_axis, rows) & across.expand(shape).contiguous()

    def _between(self, images, axis, edges):
        shape = [1, 1, 1, 1]
        shape[axis] = images.shape[axis]
        places = torch.arange(images.shape[axis], dtype=edges[0].dtype, device=images.device).reshape(shape)
        start, end = map(per_image, edges)
        return (places >= start) & (places < end)


@published("layer", "keras.layers")
class RandomErasing(_Patches):
    """Covers a rectangle of some images.

    Args:
        factor: probability that an image is touched, itself drawn from 0 to `factor`, or between two numbers.
        scale: part of the image's height, and of its width, squared, that the rectangle takes: drawn between two
            numbers.
        fill_value: what covers it: a number, one for each of three channels, or None for normal noise.
        value_range: least and greatest value of a pixel.
        seed: integer for reproducible images (Keras's own).
        data_format: `"channels_last"` or `"channels_first"`.

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks, of which only images change. Gives
    the layer's `dtype`. Does nothing else where `training=False`.

    Example:
        >>> RandomErasing((1.0, 1.0), scale=(1.0, 1.0), fill_value=7.0)(torch.zeros(1, 1, 1)).item()
        7.0

    In torch: `torchvision.transforms.v2.RandomErasing`.
    """

    factor = field(1.0, convert=factor_of("factor", 0, 1))
    scale = field((0.02, 0.33), convert=factor_of("scale", 0, 1))
    fill_value = field(None, convert=_fill)
    value_range = field((0, 255), convert=range_of("value_range"))
    seed = field(None)
    data_format = _slots.data_format()

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        images = images_of(data)
        seed, dtype, device = self._seed(seed), self._drawn_dtype, images.device
        shape = (self._batch_of(images), 2)
        shares = random.uniform(shape, *self.scale, dtype=dtype, seed=seed).to(device).sqrt()
        columns = self._edges(data, self._width_axis, shares[:, 0], seed)
        rows = self._edges(data, self._height_axis, shares[:, 1], seed)
        batch = images if images.dim() == 4 else images[None]
        chosen = self._chances(data, seed)
        return {
            "apply_erasing": chosen,
            "batch_masks": self._inside(batch, columns, rows),
            "fill_value": self._filling(images, seed),
        }

    def _filling(self, images, seed):
        dtype, (low, high) = self._working_dtype, self.value_range
        if self.fill_value is None:
            noise = random.normal(images.shape, dtype=self._drawn_dtype, seed=seed).to(images.device)
            return noise.mul_(high).clamp_(low, high)
        filling = torch.tensor(self.fill_value, dtype=dtype, device=images.device).clamp(low, high)
        filling = filling.reshape(-1, 1, 1) if filling.dim() and self._channel_axis == -3 else filling
        return filling.expand(images.shape)

    def transform_images(self, images, transformation=None, training=True):
        if not training:
            return self._in_compute_dtype(images)
        inside, filling = transformation["batch_masks"], transformation["fill_value"]
        filling = filling[None] if filling.dim() == 3 else filling
        dtype = self.dtype_policy.torch_compute

        def erased(images, inside, filling):
            return torch.where(inside, filling.to(dtype), images.to(dtype))

        return in_portions(erased, images, inside, filling, dtype=dtype, chosen=transformation["apply_erasing"])


class _Mixing(PixelLayer):
    """What layers share that mix each image with another of the batch."""

    def transform_labels(self, labels, transformation, training=True):
        if not training or transformation is None:
            return labels
        if labels.dim() < 2:
            raise ValueError(
                f"Layer {self.name!r} mixes labels: give vectors (batch, classes), for instance "
                f"keras.ops.one_hot(labels, num_classes), got shape {tuple(labels.shape)}."
            )
        weight = transformation["mix_weight"].reshape(-1, *[1] * (labels.dim() - 1))
        others = labels.index_select(0, transformation["permutation_order"])
        return weight * labels + (1.0 - weight) * others

    def transform_single_label(self, label, transformation, training=True):
        return label if transformation is None else super().transform_single_label(label, transformation, training)


@published("layer", "keras.layers")
class CutMix(_Mixing, _Patches):
    """Puts a rectangle of another image of the batch into each image, and mixes their labels by area.

    Args:
        factor: how different the areas are: the parameter of a beta distribution, drawn from 0 to `factor`, or between
            two numbers.
        seed: integer for reproducible images (Keras's own).
        data_format: `"channels_last"` or `"channels_first"`.

    Takes a batch of images, or a dict of images, labels `(batch, classes)` and masks; one image stays as it is. Gives
    the layer's `dtype`. Does nothing else where `training=False`. Raises `NotImplementedError` for bounding boxes.

    Example:
        >>> CutMix()(torch.rand(4, 8, 8, 3)).shape
        torch.Size([4, 8, 8, 3])

    In torch: `torchvision.transforms.v2.CutMix(num_classes=...)`.
    """

    factor = field(1.0, convert=factor_of("factor", 0, 1))
    seed = field(None)
    data_format = _slots.data_format()

    def get_random_transformation(self, data, training=True, seed=None):
        images = images_of(data)
        if not training or self._rank(images) == 3:
            return None
        seed, dtype, device = self._seed(seed), self._drawn_dtype, images.device
        batch, _, _, _ = images.shape
        alpha = random.uniform((), *self.factor, dtype=dtype, seed=seed) + 1e-6
        weight = random.beta((batch,), alpha, alpha, dtype=dtype, seed=seed).to(device)
        share = (1.0 - weight).sqrt()
        columns = self._edges(data, self._width_axis, share, seed)
        rows = self._edges(data, self._height_axis, share, seed)
        order = random.shuffle(torch.arange(batch, dtype=torch.int32, device=device), seed=seed)
        area = images.shape[self._height_axis] * images.shape[self._width_axis]
        weight = 1.0 - (columns[1] - columns[0]) * (rows[1] - rows[0]) / area
        return {
            "permutation_order": order,
            "batch_masks": self._inside(images, columns, rows),
            "mix_weight": per_image(weight),
        }

    def transform_images(self, images, transformation=None, training=True):
        dtype = self.dtype_policy.torch_compute
        return self._cut(images, transformation, dtype) if training else images.to(dtype)

    def _cut(self, images, transformation, dtype):
        if transformation is None:
            return images.to(dtype)

        def cut(part, order, inside):
            return torch.where(inside, images.index_select(0, order), part)

        order, inside = transformation["permutation_order"], transformation["batch_masks"]
        return in_portions(cut, images, order, inside, dtype=dtype)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        raise NotImplementedError("CutMix does not know what becomes of bounding boxes: leave them out, or use MixUp.")

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        dtype = self.dtype_policy.torch_compute
        if not training or transformation is None:
            return segmentation_masks.to(dtype)
        inside = transformation["batch_masks"].narrow(self._channel_axis, 0, 1)
        return self._cut(segmentation_masks, {**transformation, "batch_masks": inside}, dtype)


@published("layer", "keras.layers")
class MixUp(_Mixing):
    """Mixes each image with another of the batch, and their labels.

    Args:
        alpha: how evenly: the parameter of a beta distribution from which the shares are drawn.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: integer for reproducible images (Keras's own).

    Takes a batch of images, or a dict of images, labels `(batch, classes)`, boxes (those of both images) and masks.
    Gives the layer's `dtype`. Does nothing where `training=False`.

    Example:
        >>> MixUp()(torch.rand(4, 8, 8, 3)).shape
        torch.Size([4, 8, 8, 3])

    In torch: `torchvision.transforms.v2.MixUp(num_classes=...)`.
    """

    alpha = field(0.2, convert=above_zero("alpha"))
    data_format = _slots.data_format()
    seed = field(None)

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        seed, device = self._seed(seed), images_of(data).device
        order = random.shuffle(torch.arange(self._batch_of(images_of(data)), device=device), seed=seed)
        weight = random.beta((self._batch_of(images_of(data)),), self.alpha, self.alpha, seed=seed).to(device)
        return {"mix_weight": weight, "permutation_order": order}

    def transform_images(self, images, transformation=None, training=True):
        return self._mixed(images, transformation) if training else images

    def _mixed(self, images, transformation):
        def mixed(part, order, weight):
            others = images.index_select(0, order).to(part.dtype)
            return torch.lerp(others, part, weight.to(part.dtype))

        order, weight = transformation["permutation_order"], per_image(transformation["mix_weight"])
        return self._computed(mixed, images, order, weight)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        if not training:
            return bounding_boxes
        order = transformation["permutation_order"]
        both = {
            name: torch.cat([value, value.index_select(0, order)], 1)
            for name, value in bounding_boxes.items()
            if name in ("boxes", "labels")
        }
        return {**bounding_boxes, **both}

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        return self._mixed(segmentation_masks, transformation) if training else segmentation_masks
