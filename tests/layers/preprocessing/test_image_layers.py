"""Layers on images: the forms of their inputs, what they refuse, seeds, compiled and symbolic calls."""

import copy

import numpy as np
import pytest
import torch

import torchkeras as keras
from compat.layer_cases import images_colored, images_moved
from torchkeras import layers, random
from torchkeras.layers.preprocessing.image.boxes import convert_format
from torchkeras.layers.preprocessing.image.image_layer import BaseImagePreprocessingLayer

CASES = {}
for case in (*images_moved.CASES, *images_colored.CASES):
    CASES.setdefault(case.layer, case)
ALL = pytest.mark.parametrize("name", CASES)
DRAWING = pytest.mark.parametrize("name", [name for name in CASES if "seed" in getattr(layers, name)._fields])

MIXING = ("CutMix", "MixUp")  # whose labels change too


def made(name, **config):
    cls = getattr(layers, name)
    seed = {"seed": 5} if "seed" in cls._fields else {}
    return cls(**{**CASES[name].constructor_arguments(layers), **seed, **config})


def images_for(name):
    return torch.rand(CASES[name].args[0], generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()


@DRAWING
def test_one_seed_one_result(name):
    x = images_for(name)
    first, second = made(name, seed=5), made(name, seed=5)
    runs = [first(x), first(x)]
    assert torch.equal(second(x), runs[0]) and torch.equal(second(x), runs[1])
    drawn = second.get_random_transformation(x, seed=random.SeedGenerator(5))
    assert torch.equal(second.transform_images(x, drawn), runs[0])


@DRAWING
def test_nothing_is_drawn_without_training(name):
    layer, x = made(name), images_for(name)
    before = layer.generator.state.clone()
    assert torch.equal(layer(x, training=False), x)
    assert layer.get_random_transformation(x, training=False) is None
    assert torch.equal(layer.generator.state, before)
    layer(x)
    assert not torch.equal(layer.generator.state, before)


@ALL
def test_what_comes_in_stays_as_it_was(name):
    x = images_for(name)
    data = {"images": x, "labels": torch.eye(len(x))}
    before = x.clone()
    found = made(name)(data)
    assert torch.equal(x, before) and data["images"] is x
    assert found is not data and (name in MIXING or torch.equal(found["labels"], data["labels"]))


@DRAWING
def test_compiled_calls_draw_what_eager_ones_draw(name):
    x = images_for(name)
    layer, twin = made(name), made(name)
    layer(x), twin(x)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    for _ in range(2):
        torch.testing.assert_close(compiled(x), twin(x))


@ALL
def test_images_of_another_rank(name):
    for shape in ((4, 4), (2, 2, 4, 4, 3)):
        with pytest.raises(ValueError, match=r"takes an image \(3 axes\) or a batch of images \(4 axes\), got shape"):
            made(name)(torch.rand(shape))


@ALL
def test_boxes_need_a_format(name):
    x = images_for(name)
    data = {"images": x, "bounding_boxes": {"boxes": torch.rand(len(x), 2, 4), "labels": torch.zeros(len(x), 2)}}
    with pytest.raises(ValueError, match=r"bounding_box_format=\.\.\."):
        made(name)(data)
    with pytest.raises(ValueError, match="`bounding_box_format` must be one of 'xyxy'"):
        made(name, bounding_box_format="corners")


@ALL
def test_dict_without_images(name):
    with pytest.raises(ValueError, match=r"must have the key 'images', got the keys \['image'\]"):
        made(name)({"image": images_for(name)})


def test_boxes_in_lists():
    """Images have as many boxes as they have: what is missing is filled with -1 among the labels."""
    layer = layers.RandomFlip("horizontal", bounding_box_format="xyxy", seed=1)
    boxes = {"boxes": [[[0, 1, 2, 3]], [], [[0, 0, 1, 1], [1, 1, 4, 4]]], "labels": [[3], [], [4, 5]]}
    data = {"images": torch.zeros(3, 4, 4, 1), "bounding_boxes": boxes}
    found = layer(data, training=False)["bounding_boxes"]
    assert found["boxes"].shape == (3, 2, 4) and found["labels"].tolist() == [[3, -1], [-1, -1], [4, 5]]
    assert boxes["labels"] == [[3], [], [4, 5]]
    found = layer(data)["bounding_boxes"]
    assert found["labels"].tolist() == [[3, -1], [-1, -1], [4, 5]]
    one = {"images": torch.zeros(4, 4, 1), "bounding_boxes": {"boxes": [[0, 1, 2, 3]], "labels": [3]}}
    assert layer(one)["bounding_boxes"]["boxes"].shape == (1, 4)


@pytest.mark.parametrize(
    "boxes, message",
    [
        (torch.rand(2, 4), "must be a dict with the keys 'boxes' and 'labels', got Tensor"),
        ({"boxes": torch.rand(2, 1, 4)}, r"got the keys \['boxes'\]"),
        ({"boxes": [[[0, 0, 1, 1]]], "labels": torch.zeros(1, 1)}, "both be lists or both be tensors"),
        ({"boxes": [[[0, 0, 1, 1]]], "labels": [[1], [2]]}, "has 1 entries and 'labels' has 2"),
        ({"boxes": torch.rand(4), "labels": torch.zeros(1)}, "one axis less"),
        ({"boxes": torch.rand(2, 1, 4), "labels": torch.zeros(2)}, "one axis less"),
    ],
)
def test_boxes_that_are_none(boxes, message):
    layer = layers.RandomFlip(bounding_box_format="xyxy")
    with pytest.raises(ValueError, match=message):
        layer({"images": torch.zeros(2, 4, 4, 1), "bounding_boxes": boxes})


MOVING = {
    "RandomFlip": {},
    "RandomRotation": {"factor": 0.1, "fill_mode": "constant"},
    "RandomZoom": {"height_factor": (0.1, 0.3), "width_factor": (0.2, 0.3), "fill_mode": "constant"},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1, "fill_mode": "constant"},
    "RandomShear": {"x_factor": 0.2, "y_factor": 0.1, "fill_mode": "constant"},
    "RandomPerspective": {"scale": 0.3},
    "RandomCrop": {"height": 32, "width": 40},
    "CenterCrop": {"height": 32, "width": 40},
    "Resizing": {"height": 30, "width": 70},
}
FORMATS = ("xyxy", "rel_xyxy", "center_yxhw")


@pytest.mark.parametrize("boxes", FORMATS)
@pytest.mark.parametrize("name", MOVING)
def test_boxes_and_masks_follow_the_pixels(name, boxes):
    """A bright rectangle, its mask and its box stay together, whatever is drawn and in whatever format."""
    seed = {"seed": 3} if "seed" in getattr(layers, name)._fields else {}
    layer = getattr(layers, name)(bounding_box_format=boxes, **MOVING[name], **seed)
    images = torch.zeros(6, 40, 48, 1)
    images[:, 12:24, 16:32] = 1
    given = convert_format(torch.tensor([[[16.0, 12, 32, 24]]]).expand(6, 1, 4), "xyxy", boxes, 40, 48)
    data = {"images": images, "bounding_boxes": {"boxes": given, "labels": torch.zeros(6, 1)}}
    found = layer({**data, "segmentation_masks": images.to(torch.uint8)})
    height, width = found["images"].shape[1:3]
    assert (found["images"] - found["segmentation_masks"].float()).abs().mean() < 0.02
    places = convert_format(found["bounding_boxes"]["boxes"], boxes, "xyxy", height, width)
    for image, (box,) in zip(found["images"][..., 0], places, strict=True):
        rows, columns = (torch.where(image.amax(axis) > 0.5)[0] for axis in (1, 0))
        seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        torch.testing.assert_close(box, torch.stack(seen).float(), atol=1.6, rtol=0)


@pytest.mark.parametrize("factor", [-0.5, 1.5, (0.1,), (2, 3), (0, 1, 1), "a", None, float("nan"), (None, 0.5)])
def test_factors(factor):
    with pytest.raises(ValueError, match=r"`factor` must be a number from 0 to 1, or two of them \(from, to\); got"):
        layers.RandomContrast(factor)


@pytest.mark.parametrize("value_range", [1, (1,), (1, 0), (0, 0), ("a", 1), None])
def test_ranges(value_range):
    with pytest.raises(ValueError, match=r"`value_range` must be two numbers \(low, high\)"):
        layers.RandomContrast(0.5, value_range=value_range)


class Darker(BaseImagePreprocessingLayer):
    """A user's layer."""

    def transform_images(self, images, transformation, training=True):
        return images / 2


def test_layers_of_users():
    """What is not said is missed when it is asked for."""
    layer = Darker(bounding_box_format="xyxy")
    assert float(layer(torch.ones(4, 4, 3)).max()) == 0.5
    for part, value in (
        ("labels", torch.ones(1)),
        ("segmentation_masks", torch.ones(1, 4, 4, 1)),
        ("bounding_boxes", {"boxes": torch.ones(1, 1, 4), "labels": torch.ones(1, 1)}),
    ):
        with pytest.raises(NotImplementedError, match=f"Layer Darker does not implement `transform_{part}"):
            layer({"images": torch.ones(1, 4, 4, 3), part: value})
    assert "bounding_box_format" not in Darker().get_config()


@ALL
def test_in_models_and_datasets(name):
    x = images_for(name)
    one = keras.Sequential([keras.Input(x.shape[1:]), made(name)])
    inputs = {"images": keras.Input(x.shape[1:]), "labels": keras.Input((5,))}
    several = keras.Model(inputs, made(name)(inputs))
    twin = made(name)
    expected = twin(x)
    assert torch.equal(one(x, training=True), expected)
    found = several({"images": x, "labels": torch.rand(len(x), 5)}, training=True)
    assert torch.equal(found["images"], expected)
    dataset = keras.data.Dataset.from_tensor_slices(x).batch(len(x)).map(made(name))
    assert torch.equal(next(iter(dataset)), expected)


@DRAWING
def test_what_is_loaded_begins_anew_and_a_copy_goes_on(name, tmp_path):
    x = images_for(name)
    model = keras.Sequential([keras.Input(x.shape[1:]), made(name)])
    first = model(x, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    if name != "RandomGrayscale":  # whose config has no seed, as in Keras
        assert torch.equal(loaded(x, training=True), first)
    assert torch.equal(copy.deepcopy(model)(x, training=True), model(x, training=True))


@DRAWING
def test_arrays_and_lists(name):
    x = images_for(name)
    expected = made(name)(x)
    for form in (x.numpy(), x.tolist(), x.numpy().astype("float64")):
        torch.testing.assert_close(made(name)(form), expected)


def test_generators_of_users():
    x, seeds = torch.rand(8, 4, 4, 1), random.SeedGenerator(5)
    layer = layers.RandomFlip()
    first, second = (layer.get_random_transformation(x, seed=seeds)["flips"] for _ in range(2))
    assert not torch.equal(first, second) and first.shape == (8, 1, 1, 1)
    assert layer.get_random_transformation(x[0])["flips"].shape == (1, 1, 1)
    many = layer.get_random_transformation(torch.zeros(2000, 1, 1, 1))["flips"]
    assert np.isclose(float(many.float().mean()), 0.5, atol=0.05)


def test_gray_images_stay_gray():
    gray = torch.rand(3, 4, 5, 1) * 300
    assert torch.equal(layers.RandomGrayscale(1.0)(gray, training=True), gray)
    assert torch.equal(layers.RandomColorDegeneration((1.0, 1.0))(gray, training=True), gray.clamp(0, 255))
    for layer in (layers.RandomGrayscale(1.0), layers.RandomColorDegeneration(0.5)):
        with pytest.raises(ValueError, match="3 channels"):
            layer(torch.rand(3, 4, 5, 2), training=True)


def test_images_of_a_resizing_of_bytes():
    images = torch.full((1, 2, 2, 3), 153.7)
    assert layers.Resizing(1, 1, dtype="uint8")(images).tolist() == [[[[153, 153, 153]]]]


@pytest.mark.parametrize("make", [layers.MixUp, layers.AugMix])
@pytest.mark.parametrize("alpha", [0, -1.0])
def test_shares_need_a_parameter_above_zero(make, alpha):
    with pytest.raises(ValueError, match="`alpha` must be above zero"):
        make(alpha=alpha)


class Lighter(layers.RandomFlip):
    """As a user writes one: with Keras's `self.backend`."""

    def transform_images(self, images, transformation, training=True):
        images = super().transform_images(images, transformation, training=training)
        images = self.backend.numpy.add(self.backend.cast(images, self.compute_dtype), 1)
        return self.backend.numpy.where(self.backend.random.uniform((), seed=1) > 2, 0.0, images)


def test_layers_of_users_find_a_backend():
    x = torch.zeros(2, 3, 4, 1)
    layer = Lighter("vertical")
    for found in (layer(x, training=True), layers.Pipeline([layer])(x), layer({"images": x})["images"]):
        assert torch.equal(found, x + 1)
    assert layer.backend.image.resize is keras.ops.image.resize
    assert torch.equal(copy.deepcopy(layer)(x), x + 1)


def test_labels_in_lists():
    found = layers.RandomFlip()({"images": torch.zeros(2, 3, 4, 1), "labels": [1, 2]})
    assert found["labels"].tolist() == [1, 2]


def test_transformations_of_arrays():
    drawn = layers.RandomRotation(0.2, seed=1).get_random_transformation(np.zeros((2, 3, 4, 1), "float32"))
    assert drawn["angle"].shape == (2,)
