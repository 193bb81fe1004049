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

BOX_FORMATS = ("xyxy", "rel_xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_center_xywh")
CASES = [case for case in (*images_moved.CASES, *images_colored.CASES) if case.values and case.repeatable]


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
    return {
        "images": images,
        "labels": np.random.default_rng(5).uniform(size=(*batch, 4)).astype("float32"),
        "bounding_boxes": {
            "boxes": np.broadcast_to(places, (*batch, 3, 4)).copy(),
            "labels": np.broadcast_to(np.arange(3), (*batch, 3)).copy(),
        },
        "segmentation_masks": masks,
    }


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
    return tree.map_structure(lambda each: torch.as_tensor(each) if hasattr(each, "dtype") else each, transformation)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_dict(case):
    options = {} if case.training is None else {"training": case.training}
    theirs, ours = pair(case, **({} if "bounding_box_format" in case.config else {"bounding_box_format": "xyxy"}))
    for _ in range(2):
        assert_same(theirs(dict_of(case), **options), ours(dict_of(case), **options), case.loose)


@pytest.mark.parametrize("boxes", BOX_FORMATS)
@pytest.mark.parametrize("case", [case for case in images_moved.CASES if case.shapes], ids=lambda case: case.layer)
def test_formats_of_boxes(case, boxes):
    theirs, ours = pair(case, bounding_box_format=boxes)
    assert_same(theirs(dict_of(case, boxes)), ours(dict_of(case, boxes)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_transformations_handed_over(case):
    """What Keras has drawn, applied by both; and both draw the same."""
    if case.training is False:
        return
    theirs, ours = pair(case)
    images = torch.tensor(images_of(case))
    drawn = theirs.get_random_transformation(images)
    assert_same(drawn, ours.get_random_transformation(images))
    one = "transform_single_image" if images.dim() == 3 else "transform_images"
    assert_same(getattr(theirs, one)(images, drawn), getattr(ours, one)(images, as_tensors(drawn)), case.loose)


@pytest.mark.parametrize("case", [case for case in CASES if case.shapes], ids=lambda case: case.layer)
def test_one_image(case):
    theirs, ours = pair(case, bounding_box_format="xyxy")
    for _ in range(2):
        single = [tree.map_structure(lambda array: array[0], dict_of(case)) for _ in range(2)]
        assert_same(theirs(single[0]), ours(single[1]))
