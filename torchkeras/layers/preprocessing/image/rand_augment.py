"""Layers that choose among other layers on images by chance: RandAugment and AugMix.

May import core, random and the files of this folder.
"""

import torch

from torchkeras import random
from torchkeras.core import tree
from torchkeras.core.arguments import above_zero, flag, positive_int
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.transforms import runs_plainly
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.affine_layers import RandomRotation, RandomShear, RandomTranslation
from torchkeras.layers.preprocessing.image.blurring import RandomSharpness
from torchkeras.layers.preprocessing.image.color import RandomColorDegeneration, check_colors
from torchkeras.layers.preprocessing.image.equalization import Equalization
from torchkeras.layers.preprocessing.image.image_layer import factor_of, range_of
from torchkeras.layers.preprocessing.image.pixel_layer import PixelLayer
from torchkeras.layers.preprocessing.image.random_contrast import RandomContrast
from torchkeras.layers.preprocessing.image.tone import AutoContrast, RandomBrightness, RandomPosterization, Solarization

_MOVING = {
    "random_shear": (RandomShear, ("x_factor", "y_factor")),
    "random_translation": (RandomTranslation, ("height_factor", "width_factor")),
    "random_rotation": (RandomRotation, ("factor",)),
}
_COLORING = {
    "random_brightness": (RandomBrightness, ("factor",)),
    "random_color_degeneration": (RandomColorDegeneration, ("factor",)),
    "random_contrast": (RandomContrast, ("factor",)),
    "random_sharpness": (RandomSharpness, ("factor",)),
}
_CUTTING = {
    "solarization": (Solarization, ("addition_factor", "threshold_factor")),
    "random_posterization": (RandomPosterization, ()),
    "auto_contrast": (AutoContrast, ()),
    "equalization": (Equalization, ()),
}


class _Choosing(PixelLayer):
    """What layers share that hold others, of which chances choose.

    On a device a choice costs one wait for it, and then one layer runs. A compiled call cannot wait: there all run, and
    the results of one are kept.
    """

    _choices = ()  # names of the attributes that hold the layers

    def _hold(self, *families):
        shared = {"data_format": self.data_format, "bounding_box_format": self.bounding_box_format}
        for name, (layer, factors) in {key: value for family in families for key, value in family.items()}.items():
            options = dict.fromkeys(factors, self.factor)
            if name in _MOVING:
                options["interpolation"] = self.interpolation
            else:
                options["value_range"] = self.value_range
            if name == "random_posterization":
                options["factor"] = max(1, int(8 * self.factor[1]))
            if "seed" in layer._fields:
                options["seed"] = self.seed
            setattr(self, name, layer(dtype=self.dtype_policy, **shared, **options))

    def _draw_all(self, data, seed):
        """What each layer draws."""
        return {name: getattr(self, name).get_random_transformation(data, seed=seed) for name in self._choices}

    def _chosen(self, method, value, choice, drawn):
        """`value` after one layer: that of a name, with what it has drawn, or of a number, with what all have drawn."""
        if isinstance(choice, str):
            return getattr(getattr(self, choice), method)(value, drawn)
        if runs_plainly() and not choice.is_meta:
            place = int(choice)
            if place == len(self._choices):
                return value
            return self._chosen(method, value, self._choices[place], drawn[self._choices[place]])
        for place, name in enumerate(self._choices):
            found = self._chosen(method, value, name, drawn[name])
            value = tree.map_structure(lambda a, b: torch.where(choice == place, a.to(b.dtype), b), found, value)  # noqa: B023
        return value


@published("layer", "keras.layers")
class RandAugment(_Choosing):
    """Applies some of eleven other layers to a batch, chosen by chance: moves of pixels, of brightness and of colors.

    Args:
        value_range: least and greatest value of a pixel.
        num_ops: how many, one after the other; the same for all images of a batch, with numbers of each image's own.
        factor: how strong they are at most, from 0 to 1.
        interpolation: of layers that move pixels, `"bilinear"` or `"nearest"`.
        seed: integer for reproducible images (Keras's own).
        data_format: `"channels_last"` or `"channels_first"`.

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks, which move with the pixels; images
    have three channels. Gives the layer's `dtype`. Does nothing else where `training=False`.

    Example:
        >>> RandAugment()(torch.rand(2, 16, 16, 3) * 255).shape
        torch.Size([2, 16, 16, 3])

    In torch: `torchvision.transforms.v2.RandAugment(num_ops)`.
    """

    value_range = field((0, 255), convert=range_of("value_range"))
    num_ops = field(2, convert=positive_int("num_ops"))
    factor = field(0.5, convert=factor_of("factor", 0, 1))
    interpolation = field("bilinear")
    seed = field(None)
    data_format = _slots.data_format()

    _choices = (
        *_MOVING,
        *_COLORING,
        "random_posterization",
        "solarization",
        "auto_contrast",
        "equalization",
    )

    def _configure(self):
        super()._configure()
        self._hold(_MOVING, _COLORING, _CUTTING)

    def get_random_transformation(self, data, training=True, seed=None):
        if not training:
            return None
        seed = self._seed(seed)
        places = random.randint((self.num_ops,), 0, len(self._choices), seed=seed)
        return {"transforms": self._draw_all(data, seed), "layer_idxes": places}

    def _transformed(self, method, value, transformation):
        for choice in transformation["layer_idxes"].unbind():
            value = self._chosen(method, value, choice, transformation["transforms"])
        return value

    def transform_images(self, images, transformation, training=True):
        check_colors(self, images.shape)
        images = self._in_compute_dtype(images)
        return self._transformed("transform_images", images, transformation) if training else images

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        if not training:
            return bounding_boxes
        return self._transformed("transform_bounding_boxes", bounding_boxes, transformation)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        if not training:
            return segmentation_masks
        return self._transformed("transform_segmentation_masks", segmentation_masks, transformation)


@published("layer", "keras.layers")
class AugMix(_Choosing):
    """Mixes images with what several chains of other layers, chosen by chance, make of them.

    Args:
        value_range: least and greatest value of a pixel; what gets beyond is cut.
        num_chains: number of chains.
        chain_depth: number of layers in a chain, of which chance leaves some out.
        factor: how strong they are at most, from 0 to 1.
        alpha: how evenly is mixed: the parameter of the distributions of shares.
        all_ops: whether brightness, contrast, sharpness and weaker colors are among the layers.
        interpolation: of layers that move pixels, `"bilinear"` or `"nearest"`.
        seed: integer for reproducible images.
        data_format: `"channels_last"` or `"channels_first"`.

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks; images have three channels. Masks are
    mixed too. Gives the layer's `dtype`. Does nothing else where `training=False`.

    Example:
        >>> AugMix(num_chains=2)(torch.rand(2, 16, 16, 3) * 255).shape
        torch.Size([2, 16, 16, 3])

    In torch: `torchvision.transforms.v2.AugMix(mixture_width=num_chains, chain_depth=chain_depth)`.
    """

    value_range = field((0, 255), convert=range_of("value_range"))
    num_chains = field(3, convert=positive_int("num_chains"))
    chain_depth = field(3, convert=positive_int("chain_depth"))
    factor = field(0.3, convert=factor_of("factor", 0, 1))
    alpha = field(1.0, convert=above_zero("alpha"))
    all_ops = field(True, convert=flag("all_ops"))
    interpolation = field("bilinear")
    seed = field(None)
    data_format = _slots.data_format()

    def _configure(self):
        super()._configure()
        families = (_MOVING, _CUTTING, _COLORING) if self.all_ops else (_MOVING, _CUTTING)
        self._choices = tuple(name for family in families for name in family)
        self._hold(*families)

    def get_random_transformation(self, data, training=True, seed=None):
        """As in Keras but for the choices, which Keras draws from Python's `random`: here they follow the seed.

        A `"layer_name"` is a name, or the number of a layer (one beyond the last for none) with what all have drawn."""
        if not training:
            return None
        seed = self._seed(seed)
        shares = random.gamma((self.num_chains,), self.alpha, seed=seed)
        share = random.beta((), self.alpha, self.alpha, seed=seed)
        chains = random.randint((self.num_chains, self.chain_depth), 0, len(self._choices) + 1, seed=seed)
        return {
            "chain_mixing_weights": shares / shares.sum(-1, keepdim=True),
            "weight_sample": share,
            "chain_transforms": [
                [{"layer_name": choice, "transformation": self._draw_all(data, seed)} for choice in chain.unbind()]
                for chain in chains.unbind()
            ],
        }

    def _mixed(self, method, value, transformation):
        working = self._working_dtype
        share = transformation["weight_sample"].to(value.device, working)
        shares = transformation["chain_mixing_weights"].to(value.device, working)
        found = value.to(working) * share
        for chain, weight in zip(transformation["chain_transforms"], shares.unbind(), strict=True):
            changed = value
            for step in chain:
                changed = self._chosen(method, changed, step["layer_name"], step["transformation"])
            found = torch.addcmul(found, changed.to(working), (1 - share) * weight)
        return found

    def transform_images(self, images, transformation, training=True):
        if self.all_ops:
            check_colors(self, images.shape)
        images = self._in_compute_dtype(images)
        if not training:
            return images
        found = self._mixed("transform_images", images, transformation).clamp(*self.value_range)
        return self._in_compute_dtype(found if images.is_floating_point() else found.round())

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        if not training:
            return segmentation_masks
        return self._mixed("transform_segmentation_masks", segmentation_masks, transformation)
