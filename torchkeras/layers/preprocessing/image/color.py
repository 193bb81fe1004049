"""Layers that change colors: less of them, more of them, others, none.

May import core, random, ops and the files of this folder.
"""

import torch

from torchkeras.core.arguments import between
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.image_layer import factor_of, range_of
from torchkeras.layers.preprocessing.image.pixel_layer import PixelLayer, per_image, sorted_range_of
from torchkeras.layers.preprocessing.image.portions import in_portions
from torchkeras.layers.preprocessing.image.random_contrast import RandomContrast
from torchkeras.layers.preprocessing.image.tone import RandomBrightness
from torchkeras.ops.image import hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv

_LUMA = (0.2989, 0.587, 0.114)  # as of ops.image.rgb_to_grayscale


def _kept(convert):
    """A converter that looks at a value and keeps it as it came; None too."""

    def look(value):
        if value is not None:
            convert(value)
        return value

    return look


def check_colors(layer, shape, gray=True):
    """Raises `ValueError` for shapes of images without three channels, or one where gray ones will do."""
    channels = shape[-1 if layer.data_format == "channels_last" else -3] if len(shape) in (3, 4) else 0
    if channels not in ((None, 1, 3) if gray else (None, 3)):
        raise ValueError(
            f"Layer {layer.name!r} takes images of 3 channels, {layer.data_format.replace('_', ' ')}, got shape "
            f"{tuple(shape)}."
        )


@published("layer", "keras.layers")
class RandomColorDegeneration(PixelLayer):
    """Moves the colors of each image towards gray, or away from it: `x + amount * (gray - x)`.

    Args:
        factor: the amount at most: `f` stands for `-f` to `f`, or two numbers; 1 is gray, 0 changes nothing.
        value_range: least and greatest value of a pixel; what gets beyond is cut.
        seed: integer for reproducible images (Keras's own).

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks; images have three channels. Gives the
    layer's `dtype`. Does nothing where `training=False`.

    Example:
        >>> RandomColorDegeneration((1.0, 1.0))(torch.tensor([[[255.0, 0.0, 0.0]]])).round().flatten()
        tensor([76., 76., 76.])

    In torch: `torchvision.transforms.v2.ColorJitter(saturation=factor)`.
    """

    factor = field(convert=factor_of("factor", -1, 1))
    value_range = field((0, 255), convert=sorted_range_of("value_range"))
    data_format = _slots.data_format()
    seed = field(None)

    def get_random_transformation(self, data, training=True, seed=None):
        return {"factor": per_image(self._draw_each(data, *self.factor, seed=seed))} if training else None

    def transform_images(self, images, transformation=None, training=True):
        if not training:
            return images
        check_colors(self, images.shape)
        return self._computed(self._degenerated, images, per_image(transformation["factor"]))

    def _degenerated(self, images, amount):
        """One product with a matrix for each image. Gray images stay as they are."""
        if images.shape[self._channel_axis] == 1:
            return images.clamp(*self.value_range)
        amount = amount.to(images.dtype).reshape(-1, 1, 1)
        luma = torch.tensor(_LUMA, dtype=images.dtype, device=images.device)
        matrix = (1 - amount) * torch.eye(3, dtype=images.dtype, device=images.device) + amount * luma[:, None]
        if self.data_format == "channels_last":
            found = (images.flatten(1, 2) @ matrix).reshape(images.shape)
        else:
            found = (matrix.mT @ images.flatten(2)).reshape(images.shape)
        return found.clamp_(*self.value_range)

    def compute_output_shape(self, input_shape):
        if isinstance(input_shape, (tuple, list)):
            check_colors(self, input_shape, gray=False)
        return input_shape


@published("layer", "keras.layers")
class RandomGrayscale(PixelLayer):
    """Makes some images gray, in as many channels as before.

    Args:
        factor: probability that an image becomes gray, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: integer for reproducible images (Keras's own).

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks; images have three channels. Gives the
    dtype of the images. Does nothing where `training=False`.

    Example:
        >>> RandomGrayscale(1.0)(torch.tensor([[[255.0, 0.0, 0.0]]])).round().flatten()
        tensor([76., 76., 76.])

    In torch: `torchvision.transforms.v2.RandomGrayscale(p)`.
    """

    factor = field(0.5, convert=between("factor", 0, 1))
    data_format = _slots.data_format()
    seed = field(None, in_config=False)

    def get_random_transformation(self, images, training=True, seed=None):
        return per_image(self._draw_each(images, seed=seed) < self.factor) if training else None

    def transform_images(self, images, transformation, training=True):
        if not training:
            return images
        chosen = self.get_random_transformation(images) if transformation is None else transformation
        check_colors(self, images.shape)
        gray = lambda part: rgb_to_grayscale(part, self.data_format)
        return in_portions(gray, images, dtype=images.dtype, chosen=chosen.reshape(-1))

    def compute_output_spec(self, data, training=True):
        return self._like(data)


class _HueSaturationValue(PixelLayer):
    """What layers share that change colors by way of hue, saturation and value."""

    def _changed(self, change, images):
        """RGB images after `change(hue, saturation)`."""
        planes = images.movedim(self._channel_axis, 1).contiguous()  # a copy pays: forty operations read along memory
        hue, saturation, value = rgb_to_hsv(planes, "channels_first").unbind(1)
        hue, saturation = change(hue, saturation)
        return hsv_to_rgb(torch.stack([hue, saturation, value], 1), "channels_first").movedim(1, self._channel_axis)


@published("layer", "keras.layers")
class RandomHue(_HueSaturationValue):
    """Turns the hue of each image around the circle of colors, either way.

    Args:
        factor: how far at most, from 0 to 1, which is half the circle: `f` stands for 0 to `f`, or two numbers.
        value_range: least and greatest value of a pixel.
        seed: integer for reproducible images (Keras's own).

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks; images have three channels. Gives the
    layer's `dtype`. Does nothing where `training=False`.

    Example:
        >>> RandomHue((1.0, 1.0))(torch.tensor([[[255.0, 0.0, 0.0]]])).round().flatten()
        tensor([  0., 255., 255.])

    In torch: `torchvision.transforms.v2.ColorJitter(hue=factor / 2)`.
    """

    factor = field(convert=factor_of("factor", 0, 1))
    value_range = field((0, 255), convert=range_of("value_range"))
    data_format = _slots.data_format()
    seed = field(None)

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        back = torch.where(self._draw_each(data, seed=seed) > 0.5, -0.5, 0.5)
        return {"factor": back * self._draw_each(data, *self.factor, seed=seed)}

    def transform_images(self, images, transformation=None, training=True):
        if not training:
            return images
        return self._computed(self._turned, images, per_image(transformation["factor"]))

    def _turned(self, images, turn):
        low, high = self.value_range
        turn = turn.to(images.dtype)[..., 0]
        found = self._changed(lambda hue, saturation: (hue + turn, saturation), (images - low) / (high - low))
        return found.clamp(0, 1) * (high - low) + low


@published("layer", "keras.layers")
class RandomSaturation(_HueSaturationValue):
    """Makes the colors of each image stronger or weaker: multiplies the saturation by `f / (1 - f)`.

    Args:
        factor: `f` is drawn between two numbers, or from `-factor` to `factor`; 0.5 changes nothing, 0 and below is
            gray, 1 is as strong as can be.
        value_range: least and greatest value of a pixel.
        seed: integer for reproducible images (Keras's own).

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks; images are floats of three channels.
    Does nothing where `training=False`.

    Example:
        >>> RandomSaturation((0.0, 0.0))(torch.tensor([[[1.0, 0.5, 0.0]]])).flatten()
        tensor([1., 1., 1.])

    In torch: `torchvision.transforms.v2.ColorJitter(saturation=factor)`.
    """

    factor = field(convert=factor_of("factor", -1, 1))
    value_range = field((0, 255), convert=sorted_range_of("value_range"))
    data_format = _slots.data_format()
    seed = field(None)

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        factor = self._draw_each(data, *self.factor, seed=seed)
        return {"factor": factor / (1 - factor + settings.epsilon)}

    def transform_images(self, images, transformation=None, training=True):
        if not training:
            return images
        if not images.is_floating_point():
            raise ValueError(
                f"Layer {self.name!r} takes images in floats, got {images.dtype}: cast them first, "
                "keras.ops.cast(images, 'float32')."
            )
        return self._computed(self._saturated, images, per_image(transformation["factor"]))

    def _saturated(self, images, gain):
        gain = gain.to(images.dtype)[..., 0]
        low, high = self.value_range
        return self._changed(lambda hue, saturation: (hue, (saturation * gain).clamp(low, high)), images)


@published("layer", "keras.layers")
class RandomColorJitter(PixelLayer):
    """Changes brightness, contrast, saturation and hue by chance, one after the other.

    Args:
        value_range: least and greatest value of a pixel.
        brightness_factor, contrast_factor, saturation_factor, hue_factor: as `factor` of `RandomBrightness`,
            `RandomContrast`, `RandomSaturation` and `RandomHue`; None leaves it as it is.
        seed: integer for reproducible images (Keras's own).
        data_format: `"channels_last"` or `"channels_first"`.

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks; images have three channels. Gives the
    layer's `dtype`. Does nothing where `training=False`.

    Example:
        >>> RandomColorJitter(brightness_factor=0.2, hue_factor=0.1)(torch.zeros(2, 8, 8, 3)).shape
        torch.Size([2, 8, 8, 3])

    In torch: `torchvision.transforms.v2.ColorJitter`.
    """

    value_range = field((0, 255), convert=range_of("value_range"))
    brightness_factor = field(None, convert=_kept(factor_of("brightness_factor", -1, 1)))
    contrast_factor = field(None, convert=_kept(factor_of("contrast_factor", 0, 1)))
    saturation_factor = field(None, convert=_kept(factor_of("saturation_factor", -1, 1)))
    hue_factor = field(None, convert=_kept(factor_of("hue_factor", 0, 1)))
    seed = field(None)
    data_format = _slots.data_format()

    def _configure(self):
        super()._configure()
        kinds = {
            "brightness": RandomBrightness,
            "contrast": RandomContrast,
            "saturation": RandomSaturation,
            "hue": RandomHue,
        }
        self._steps = []
        for kind, layer in kinds.items():
            factor = getattr(self, f"{kind}_factor")
            made = None
            if factor is not None:
                made = layer(factor, value_range=self.value_range, seed=self.seed, data_format=self.data_format)
                self._steps.append(kind)
            setattr(self, f"random_{kind}", made)

    def get_random_transformation(self, data, training=True, seed=None):
        """A dict with the transformation of each step."""
        if not training:
            return None
        seed = self._seed(seed)
        return {kind: self._step(kind).get_random_transformation(data, seed=seed) for kind in self._steps}

    def _step(self, kind):
        return getattr(self, f"random_{kind}")

    def transform_images(self, images, transformation, training=True):
        if not training:
            return images
        if transformation is None:
            transformation = self.get_random_transformation(images)
        names, each = [], []
        for kind in self._steps:
            for name, value in transformation[kind].items():
                names.append((kind, name))
                each.append(per_image(value))

        def jittered(images, *values):
            for (kind, name), value in zip(names, values, strict=True):
                images = self._step(kind).transform_images(images, {name: value})
            return images

        return self._computed(jittered, images, *each)
