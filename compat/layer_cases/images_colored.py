"""Images whose colors change. Those of one seed are Keras's."""

import numpy as np

from compat.layer_cases.case import case, ints

_BYTES = ints(256, 3, 6, 5, 3).astype("uint8")
_LAST, _FIRST, _ONE = (4, 6, 5, 3), (4, 3, 6, 5), (6, 5, 3)
_UNKNOWN = (None, None, None, 3)
_RANGE = {"value_range": (-3, 3)}

_JITTER = {"brightness_factor": 0.2, "contrast_factor": 0.3, "saturation_factor": 0.4, "hue_factor": 0.1}
_CLAHE = "ContrastLimitedAdaptiveHistogramEqualization"

_COLUMNS = "Keras stretches each column of channels first images by itself"
_LOWER_END = "Keras takes the lower end of a range for a part of 255 of it"
_WRAPPED = "Keras wraps around where bytes end"
_BRIGHTER = "Keras on torch brightens all images, chosen or not: RandomBrightness writes into what it is given"
_WHOLE_LIMIT = "Keras on torch cuts the limit to a whole number; on TensorFlow it does not"


def _in_every_form(layer, bytes_=True, ranged=True, halves=True, **config):
    """A layer on batches, single images, bytes, in other dtypes, in training and not."""
    ranges = _RANGE if ranged else {}
    unseeded = {key: value for key, value in config.items() if key != "seed"}
    yield case(layer, _LAST, **config, **ranges, shapes=(_UNKNOWN, (None, None, 3)))
    yield case(layer, _ONE, **config, **ranges, dtype="float64")
    yield case(layer, _LAST, **unseeded, **ranges, training=False)
    if bytes_:
        yield case(layer, _BYTES, **config)
    if halves:
        yield case(layer, (1, 6, 5, 3), **config, **ranges, dtype="mixed_float16", loose=3.0)
    if "seed" in config:
        yield case(layer, _LAST, **unseeded, **ranges, training=True, repeatable=False)
    else:
        yield case(layer, _LAST, **ranges, name="sun", trainable=False)


CASES = [
    case("RandomContrast", _LAST, factor=0.5, seed=3, **_RANGE, shapes=(_UNKNOWN, (None, None, 3))),
    case("RandomContrast", _LAST, factor=(0.2, 0.9), seed=3, **_RANGE, training=True),
    case("RandomContrast", _FIRST, factor=1.0, seed=3, **_RANGE, data_format="channels_first", training=True),
    case("RandomContrast", _BYTES, factor=0.5, seed=3, loose=3.0),
    case("RandomContrast", _BYTES, factor=0.5, seed=3, training=False),
    case("RandomContrast", _ONE, factor=0.5, seed=3, value_range=(0, 1), dtype="float64"),
    case("RandomContrast", (1, 6, 5, 3), factor=0.5, seed=3, **_RANGE, dtype="mixed_float16"),
    case("RandomContrast", _LAST, factor=0.5, seed=3, **_RANGE, dtype="bfloat16", name="sun", trainable=False),
    case("RandomContrast", _LAST, factor=0.5, **_RANGE, training=True, repeatable=False),
    *_in_every_form("AutoContrast", halves=False),
    case("AutoContrast", (1, 6, 5, 3), **_RANGE, dtype="mixed_float16", loose=15.0),
    case("AutoContrast", _LAST, value_range=(3, -3)),
    case("AutoContrast", np.full((2, 3, 4, 1), 7, "uint8")),
    case("AutoContrast", _FIRST, **_RANGE, data_format="channels_first", why=_COLUMNS),
    *_in_every_form("Solarization", addition_factor=0.3, threshold_factor=0.6, seed=3),
    case("Solarization", _BYTES, seed=3),
    case("Solarization", _LAST, addition_factor=1.0, threshold_factor=(0.0, 1.0), seed=3, **_RANGE, training=True),
    case("Solarization", _LAST, threshold_factor=(0.3, 0.9), seed=3, **_RANGE, why=_LOWER_END),
    case("Solarization", _FIRST, addition_factor=1, seed=3, **_RANGE, data_format="channels_first"),
    *_in_every_form("RandomBrightness", factor=0.4, seed=3, bytes_=False, learns=False),
    case("RandomBrightness", _LAST, factor=(-0.5, 0.1), seed=3, **_RANGE, training=True, learns=False),
    case("RandomBrightness", _LAST, factor=(0.5, -0.9), seed=3, value_range=[3, -3], learns=False),
    case("RandomBrightness", ints(256, 2, 4, 4, 3), factor=0.5, seed=3),
    case("RandomBrightness", _BYTES, factor=0.5, seed=3, why=_WRAPPED),
    *_in_every_form("RandomInvert", seed=3),
    case("RandomInvert", _LAST, factor=(0.3, 0.9), seed=3, **_RANGE, training=True),
    case("RandomInvert", _BYTES, factor=(1.0, 1.0), seed=3, dtype="uint8"),
    case("RandomInvert", _FIRST, factor=0.7, seed=3, data_format="channels_first"),
    *_in_every_form("RandomPosterization", factor=5, seed=3, halves=False),
    case("RandomPosterization", _BYTES, factor=(3, 3), seed=3, dtype="uint8"),
    case("RandomPosterization", _BYTES, factor=(2, 8), seed=3, dtype="float16"),
    case("RandomPosterization", _LAST, factor=(1, 3), seed=3, **_RANGE, training=True),
    case("RandomPosterization", _FIRST, factor=8, seed=3, **_RANGE, data_format="channels_first"),
    *_in_every_form("RandomColorDegeneration", factor=0.7, seed=3),
    case("RandomColorDegeneration", _LAST, factor=(0.2, 1.0), seed=3, **_RANGE, training=True),
    case("RandomColorDegeneration", _FIRST, factor=(-1, -0.3), seed=3, **_RANGE, data_format="channels_first"),
    *_in_every_form("RandomGrayscale", seed=3, ranged=False),
    case("RandomGrayscale", _LAST, factor=1.0, seed=3, training=True),
    case("RandomGrayscale", _FIRST, factor=0.7, seed=3, data_format="channels_first"),
    *_in_every_form("RandomHue", factor=0.5, seed=3, halves=False, loose=20.0),
    case("RandomHue", _LAST, factor=(0.2, 1.0), seed=3, **_RANGE, training=True),
    case("RandomHue", _FIRST, factor=(1, 1), seed=3, **_RANGE, data_format="channels_first"),
    case("RandomHue", _BYTES, factor=0.3, seed=3, value_range=[0, 255], trainable=False),
    *_in_every_form("RandomSaturation", factor=0.9, seed=3, bytes_=False, halves=False),
    case("RandomSaturation", _LAST, factor=(0.0, 0.0), seed=3, name="gray", trainable=False),
    case("RandomSaturation", _LAST, factor=(0.4, 0.6), seed=3, **_RANGE, training=True),
    case("RandomSaturation", _LAST, factor=(0.7, 1.0), seed=3, value_range=(1, 0), training=True),
    case("RandomSaturation", _FIRST, factor=(0.5, 0.9), seed=3, **_RANGE, data_format="channels_first"),
    *_in_every_form("RandomColorJitter", **_JITTER, seed=3, halves=False, learns=False),
    case("RandomColorJitter", _LAST, seed=3, **_RANGE),
    case("RandomColorJitter", _LAST, brightness_factor=(0.1, 0.4), seed=3, **_RANGE, learns=False),
    case("RandomColorJitter", _BYTES, contrast_factor=0.4, hue_factor=(0.1, 0.2), seed=3, loose=5.0),
    case(
        "RandomColorJitter", _FIRST, brightness_factor=0.4, seed=3, **_RANGE, data_format="channels_first", learns=False
    ),
    *_in_every_form("RandomGaussianBlur", factor=(0.5, 1.0), seed=3),
    case("RandomGaussianBlur", _LAST, kernel_size=5, sigma=(0.4, 0.9), seed=3, **_RANGE, training=True),
    case("RandomGaussianBlur", _LAST, kernel_size=(5, 5), sigma=0.5, factor=0.9, seed=3, value_range=(-1, 1)),
    case("RandomGaussianBlur", _FIRST, factor=(1, 1), seed=3, **_RANGE, data_format="channels_first"),
    *_in_every_form("RandomSharpness", factor=0.9, seed=3),
    case("RandomSharpness", _LAST, factor=(0.5, 1.0), seed=3, value_range=(1, -1), training=True),
    case("RandomSharpness", _FIRST, factor=(0.1, 0.4), seed=3, **_RANGE, data_format="channels_first"),
    case("RandomSharpness", (2, 1, 5, 4), factor=(1, 1), seed=3, **_RANGE),
    *_in_every_form("RandomErasing", factor=(0.6, 1.0), seed=3),
    case("RandomErasing", _LAST, fill_value=1.5, scale=(0.2, 0.9), seed=3, **_RANGE, training=True),
    case("RandomErasing", _LAST, fill_value=(1.0, -2.0, 9.0), scale=0.8, factor=(1, 1), seed=3, **_RANGE),
    case("RandomErasing", _FIRST, fill_value=0, factor=0.9, seed=3, **_RANGE, data_format="channels_first"),
    *_in_every_form("CutMix", seed=3, ranged=False, halves=False),
    case("CutMix", _LAST, factor=(0.3, 0.9), seed=3, training=True),
    case("CutMix", _FIRST, factor=0.7, seed=3, data_format="channels_first"),
    case("CutMix", _LAST, factor=0.7, seed=3, name="cut", trainable=False),
    *_in_every_form("MixUp", seed=3, ranged=False),
    case("MixUp", _LAST, alpha=1.0, seed=3, training=True),
    case("MixUp", _FIRST, alpha=0.7, seed=3, data_format="channels_first"),
    case("MixUp", _LAST, alpha=0.7, seed=3, name="mix", trainable=False),
    *_in_every_form("Equalization", halves=False),
    case("Equalization", _LAST, **_RANGE, bins=7, training=True),
    case("Equalization", _LAST, value_range=[3, -3], bins=300),
    case("Equalization", _FIRST, **_RANGE, data_format="channels_first"),
    case("Equalization", np.full((2, 3, 4, 1), 7.5, "float32")),
    case("Equalization", _BYTES, dtype="float16"),
    *(
        case(_CLAHE, shape, tile_grid_size=(2, 2), clip_limit=limit, **options)
        for shape, limit, options in (
            (_LAST, 0.0, {**_RANGE, "shapes": (_UNKNOWN, (None, None, 3))}),
            ((2, 9, 7, 3), -1, {**_RANGE, "training": True}),
            (_FIRST, 0, {**_RANGE, "data_format": "channels_first"}),
            (_BYTES, 0.0, {"training": False}),
            (_ONE, 0.0, {**_RANGE, "dtype": "float64"}),
            (_LAST, 0, {**_RANGE, "dtype": "mixed_float16", "loose": 3.0}),
            (ints(256, 2, 16, 16, 1), 256.0, {"name": "even", "trainable": False}),
        )
    ),
    case(_CLAHE, (2, 3, 5, 1), clip_limit=0, **_RANGE),
    case(_CLAHE, ints(256, 1, 32, 32, 3).astype("float32"), tile_grid_size=(2, 1)),
    case(_CLAHE, (2, 9, 7, 3), tile_grid_size=[2, 3], **_RANGE, why=_WHOLE_LIMIT),
    case("RandAugment", _LAST, num_ops=1, factor=0.0, seed=3, **_RANGE, shapes=(_UNKNOWN,), learns=False),
    case("RandAugment", _LAST, num_ops=3, seed=3, **_RANGE, training=True, learns=False, why=_BRIGHTER),
    case("RandAugment", _BYTES, factor=0.9, seed=3, learns=False, why=_BRIGHTER),
    case("RandAugment", _FIRST, seed=4, **_RANGE, data_format="channels_first", learns=False, why=_BRIGHTER),
    case("RandAugment", _ONE, interpolation="nearest", seed=3, **_RANGE, dtype="float64", learns=False, why=_BRIGHTER),
    case("RandAugment", _LAST, factor=(0.2, 0.4), **_RANGE, dtype="mixed_bfloat16", training=False),
    case("RandAugment", _LAST, **_RANGE, training=False, name="still", trainable=False),
    case("RandAugment", _BYTES, training=False, dtype="uint8"),
    case(
        "AugMix",
        _LAST,
        num_chains=1,
        all_ops=False,
        chain_depth=1,
        **_RANGE,
        shapes=(_UNKNOWN,),
        learns=False,
        repeatable=False,
    ),
    case("AugMix", _LAST, factor=0.9, alpha=0.4, **_RANGE, training=True, learns=False, repeatable=False),
    case("AugMix", _BYTES, all_ops=False, factor=(0.1, 0.3), repeatable=False),
    case("AugMix", _FIRST, **_RANGE, data_format="channels_first", learns=False, repeatable=False),
    case("AugMix", _ONE, interpolation="nearest", **_RANGE, dtype="float64", learns=False, repeatable=False),
    case("AugMix", _LAST, **_RANGE, dtype="mixed_bfloat16", training=False),
    case("AugMix", _LAST, **_RANGE, training=False, name="still", trainable=False),
    case("AugMix", _BYTES, training=False, dtype="uint8"),
]
