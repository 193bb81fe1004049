"""Layers on images beside Keras's: transformations handed over, dicts with labels, boxes and masks, single images,
distributions. Images of one seed are compared by compat/layer_cases/.
"""

import keras
import numpy as np
import pytest
import torch
from keras import tree

from compat.layer_cases import images_colored, images_moved
from torchkeras import layers

BOX_FORMATS = ("xyxy", "rel_xyxy", "center_yxhw", "rel_center_xywh")
MOVED = images_moved.CASES
PLAIN_MOVED = [case for case in MOVED if case.shapes and case.repeatable]
CASES = [case for case in (*images_moved.CASES, *images_colored.CASES) if case.values and case.repeatable]


# What Keras cannot do with a dict, or does wrongly: tests/layers/preprocessing/test_mixing.py and compat/deviations.md.
_BEYOND_KERAS = {
    "ContrastLimitedAdaptiveHistogramEqualization": ("labels", "bounding_boxes", "segmentation_masks"),
    "CutMix": ("bounding_boxes",),
    "MixUp": ("bounding_boxes", "segmentation_masks"),
}
_NO_DICT = ("RandomGrayscale", "RandAugment")  # the second brightens always
_DRAWS_LATER = ("RandomColorJitter", "RandAugment", "AugMix")  # or other things: test_preprocessing_colors.py


def pair(case, **config):
    """The layer of a case in both libraries."""
    return [getattr(lib, case.layer)(**case.constructor_arguments(lib), **config) for lib in (keras.layers, layers)]


def images_of(case):
    array = case.args[0]
    if isinstance(array, np.ndarray):
        return array.copy()
    return np.random.default_rng(11).uniform(0, 1, array).astype("float32")


def dict_of(case, boxes="xyxy"):
    """Fresh each time: Keras writes its results into what it is given."""
    images = images_of(case)
    batch = images.shape[:-3]
    last = case.constructor_arguments(layers).get("data_format") != "channels_first"
    height, width = images.shape[-3:-1] if last else images.shape[-2:]
    places = np.array([[0.5, 1, 3, 4], [0, 0, 2, 5], [1, 1, 1, 1]], "float32")
    if boxes.startswith("rel_"):
        places = places / np.array([width, height] * 2, "float32")
    masks = np.random.default_rng(3).integers(0, 3, images.shape).astype("uint8")
    found = {
        "images": images,
        "labels": np.random.default_rng(5).uniform(size=(*batch, 4)).astype("float32"),
        "bounding_boxes": {
            "boxes": np.broadcast_to(places, (*batch, 3, 4)).copy(),
            "labels": np.broadcast_to(np.arange(3), (*batch, 3)).copy(),
        },
        "segmentation_masks": masks,
    }
    beyond = _BEYOND_KERAS.get(case.layer, ())
    return {part: value for part, value in found.items() if part not in beyond}


def assert_same(theirs, ours, loose=1.0):
    keys = [path for path, _ in tree.flatten_with_path(theirs)]
    assert keys == [path for path, _ in tree.flatten_with_path(ours)]
    for (path, a), b in zip(tree.flatten_with_path(theirs), tree.flatten(ours), strict=True):
        a, b = torch.as_tensor(a), torch.as_tensor(b)
        wide = 3e-2 if torch.bfloat16 in (a.dtype, b.dtype) else 3e-3 if torch.float16 in (a.dtype, b.dtype) else 1e-5
        assert a.shape == b.shape, path
        np.testing.assert_allclose(b.double(), a.double(), wide * loose, wide * loose, err_msg=str(path))


def as_tensors(transformation):
    """A transformation of Keras's as it is handed over to ours."""
    return tree.map_structure(lambda each: torch.tensor(each) if hasattr(each, "dtype") else each, transformation)


# Parts of a dict in which Keras is wrong (compat/deviations.md).
OTHERWISE = {
    "RandomCrop": ["bounding_boxes"],
    "RandomPerspective": ["segmentation_masks"],
    "RandomRotation": ["segmentation_masks"],
    "RandomShear": ["bounding_boxes"],
}
BY_CORNERS = {"RandomRotation", "RandomPerspective"}  # whose boxes are right in Keras where they are "xyxy"


def without(data, *parts):
    return {key: value for key, value in data.items() if key not in parts}


def both(case, layers, data=dict_of, **options):
    """What both give, without the parts in which they differ."""
    left_out = ["bounding_boxes"] if case.layer == "RandomElasticTransform" else []  # has none
    if layers[1].compute_dtype == "uint8":  # Keras casts all that is in floats
        left_out = ["bounding_boxes", "labels"]
    results = [layer(without(data(case), *left_out), **options) for layer in layers]
    if case.layer in BY_CORNERS and layers[0].bounding_box_format != "xyxy":
        left_out = ["bounding_boxes"]
    if case.layer == "RandomCrop" and case.training is False:
        left_out = ["segmentation_masks"]
    return [without(result, *left_out, *OTHERWISE.get(case.layer, [])) for result in results]


@pytest.mark.parametrize("case", [case for case in CASES if case.layer not in _NO_DICT], ids=lambda case: case.title)
def test_dict(case):
    options = {} if case.training is None else {"training": case.training}
    config = {} if "bounding_box_format" in case.config else {"bounding_box_format": "xyxy"}
    layers = pair(case, **config)
    for _ in range(2):
        assert_same(*both(case, layers, **options), case.loose)


@pytest.mark.parametrize("boxes", BOX_FORMATS)
@pytest.mark.parametrize("case", PLAIN_MOVED, ids=lambda case: case.layer)
def test_formats_of_boxes(case, boxes):
    layers = pair(case, bounding_box_format=boxes)
    assert_same(*both(case, layers, lambda case: dict_of(case, boxes)), case.loose)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_transformations_handed_over(case):
    """What Keras has drawn, applied by both; and both draw the same."""
    if case.layer in _DRAWS_LATER or case.training is False:
        return
    theirs, ours = pair(case)
    images = torch.tensor(images_of(case))
    drawn = theirs.get_random_transformation(images)
    handed = as_tensors(drawn)  # Keras writes into its own
    own = ours.get_random_transformation(images)
    assert (drawn is None) == (own is None)
    if drawn is not None:
        assert_same(drawn, own[: len(drawn)] if isinstance(drawn, tuple) else own)
    one = "transform_single_image" if images.dim() == 3 else "transform_images"
    assert_same(getattr(theirs, one)(images.clone(), drawn), getattr(ours, one)(images, handed), case.loose)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.shapes and case.layer not in _NO_DICT], ids=lambda case: case.layer
)
def test_one_image(case):
    def single(case):
        return tree.map_structure(lambda array: array[0], dict_of(case))

    layers = pair(case, bounding_box_format="xyxy")
    for _ in range(2):
        assert_same(*both(case, layers, single), case.loose)


def test_elastic_transforms_handed_over(monkeypatch):
    """Keras draws its fields while it transforms, from torch's own generator."""
    images = torch.tensor(np.random.default_rng(2).uniform(0, 255, (3, 24, 20, 2)).astype("float32"))
    theirs, ours = (lib.RandomElasticTransform(scale=(0.4, 0.9), seed=3) for lib in (keras.layers, layers))
    drawn, own = (layer.get_random_transformation(images) for layer in (theirs, ours))
    for key in ("apply_transform", "distortion_factor"):
        torch.testing.assert_close(drawn[key], own[key])
    torch.manual_seed(4)
    expected = theirs.transform_images(images, drawn)
    torch.manual_seed(4)
    noise = torch.stack([torch.normal(0.0, 1.0, size=(3, 24, 20)) for _ in range(2)])
    found = ours.transform_images(images, {**drawn, "noise": noise})
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=5e-2)
    assert not torch.allclose(found, images, atol=5)


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
@pytest.mark.parametrize(
    "name, part, boxes",
    [(name, part, "xyxy") for name, parts in OTHERWISE.items() for part in parts]
    + [(name, "bounding_boxes", "xywh") for name in sorted(BY_CORNERS)],
)
def test_parts_that_keras_moves_otherwise(name, part, boxes):
    case = next(case for case in MOVED if case.layer == name)
    results = [layer(dict_of(case, boxes))[part] for layer in pair(case, bounding_box_format=boxes)]
    assert_same(*results, case.loose)


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
def test_masks_are_cut_without_training():
    case = next(case for case in MOVED if case.layer == "RandomCrop")
    results = [layer(without(dict_of(case), "bounding_boxes"), training=False) for layer in pair(case)]
    assert_same(*results)


def test_keras_reads_its_own_shear():
    """Keras writes a number as a pair from below zero, and refuses that."""
    config = keras.layers.RandomShear(0.3, seed=1).get_config()
    with pytest.raises(TypeError, match="x_factor"):
        keras.layers.RandomShear.from_config(dict(config))
    assert layers.RandomShear.from_config(config).x_factor == (-0.3, 0.3)
