"""Keras 2's ImageDataGenerator: what people stumbled over, in training, with workers, and without scipy."""

import pickle
import sys
import warnings

import numpy as np
import pandas
import pytest
import torch
from PIL import Image, UnidentifiedImageError

import torchkeras as keras
from torchkeras.preprocessing.image import (
    DirectoryIterator,
    ImageDataGenerator,
    Iterator,
    apply_affine_transform,
    apply_brightness_shift,
)

IMAGES = np.random.default_rng(0).uniform(0, 255, (10, 6, 8, 3)).astype("float32")


@pytest.fixture
def folder(tmp_path):
    """Two classes with four images each: red ones of shade 0 to 3, and blue ones."""
    for channel, name in ((2, "blue"), (0, "red")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for shade in range(4):
            pixels = np.zeros((9, 11, 3), dtype="uint8")
            pixels[..., channel] = 100 + shade
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{shade}.png")
    return tmp_path / "photos"


# -- what bit people --------------------------------------------------------------------------------------------------


def test_order_of_the_steps():
    """Resized, changed at random, preprocessing_function, rescale, by sample, by feature, whitened."""
    seen = []

    def keep(image):
        seen.append(image.copy())
        return image + 10

    generator = ImageDataGenerator(
        horizontal_flip=True, preprocessing_function=keep, rescale=0.5, samplewise_center=True, featurewise_center=True
    )
    generator.mean = np.full((1, 1, 3), 7.0, dtype="float32")
    batch = generator.flow(IMAGES, batch_size=10, shuffle=False, seed=0)[0]
    flipped = [np.array_equal(image, row[:, ::-1]) for image, row in zip(seen, IMAGES, strict=True)]
    assert any(flipped) and not all(flipped)
    rescaled = (np.stack(seen) + 10) * 0.5
    wanted = rescaled - rescaled.mean(axis=(1, 2, 3), keepdims=True) - 7
    np.testing.assert_allclose(batch, wanted, atol=1e-4)


def test_preprocessing_function_gets_an_array_of_the_final_size(folder):
    shapes = []

    def check(image):
        shapes.append((type(image), image.shape, image.dtype.name))
        return image

    generator = ImageDataGenerator(rotation_range=10, preprocessing_function=check)
    generator.flow_from_directory(folder, target_size=(5, 4), batch_size=3)[0]
    assert shapes == [(np.ndarray, (5, 4, 3), "float32")] * 3


def test_the_first_part_is_for_validation(folder):
    generator = ImageDataGenerator(validation_split=0.3)
    x, labels = IMAGES, np.arange(10)
    for subset, rows in (("validation", labels[:3]), ("training", labels[3:])):
        batches = generator.flow(x, labels, subset=subset, ignore_class_split=True, batch_size=10)
        assert sorted(batches[0][1]) == rows.tolist()
    with pytest.raises(ValueError, match="shuffle the rows before"):
        generator.flow(x, labels > 4, subset="training")
    halves = ImageDataGenerator(validation_split=0.5)
    names = [halves.flow_from_directory(folder, subset=each).filenames for each in ("validation", "training")]
    assert names == [
        ["blue/0.png", "blue/1.png", "red/0.png", "red/1.png"],
        ["blue/2.png", "blue/3.png", "red/2.png", "red/3.png"],
    ]


def test_names_and_classes_keep_the_order_of_the_folder(folder):
    generator = ImageDataGenerator()
    for shuffle in (True, False):
        batches = generator.flow_from_directory(
            folder, class_mode="sparse", shuffle=shuffle, target_size=(2, 2), seed=1
        )
        assert batches.filenames[:2] == ["blue/0.png", "blue/1.png"]
        assert batches.classes.tolist() == [0] * 4 + [1] * 4
        assert (batches[0][1].tolist() == batches.classes.tolist()) is not shuffle


def test_standardize_changes_arrays_of_floats_in_place():
    generator, image = ImageDataGenerator(rescale=0.5), IMAGES[0].copy()
    assert generator.standardize(image) is image
    np.testing.assert_array_equal(image, IMAGES[0] * 0.5)
    whole = np.full((2, 2, 3), 5)
    assert generator.standardize(whole).dtype == "float32" and whole.max() == 5
    batches = ImageDataGenerator(rescale=0.5).flow(IMAGES, batch_size=10, shuffle=False)
    np.testing.assert_array_equal(batches[0], batches[0])


# -- training ---------------------------------------------------------------------------------------------------------


def small_model(units=2, shape=(6, 8, 3)):
    model = keras.Sequential(
        [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(units, activation="softmax")]
    )
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("loading", [{}, {"workers": 3}, {"workers": 2, "use_multiprocessing": True}])
def test_fit_evaluate_and_predict(loading, folder):
    generator = ImageDataGenerator(rescale=1 / 255, rotation_range=5)
    batches = generator.flow_from_directory(folder, target_size=(6, 8), batch_size=3, seed=1)
    for name, value in loading.items():
        setattr(batches, name, value)
    model = small_model()
    history = model.fit(batches, epochs=2, steps_per_epoch=len(batches), validation_data=batches, verbose=0)
    assert len(history.history["val_accuracy"]) == 2
    plain = ImageDataGenerator(rescale=1 / 255).flow_from_directory(
        folder, target_size=(6, 8), batch_size=3, shuffle=False
    )
    predicted = model.predict(plain, verbose=0)
    assert predicted.shape == (8, 2)
    accuracy = np.mean(predicted.argmax(axis=1) == plain.classes)
    assert model.evaluate(plain, verbose=0)[1] == pytest.approx(accuracy)


def test_several_inputs_outputs_and_weights(folder):
    frame = pandas.DataFrame({"filename": [f"red/{n}.png" for n in range(4)], "a": range(4), "b": range(4), "w": 1.0})
    batches = ImageDataGenerator().flow_from_dataframe(
        frame, folder, class_mode="multi_output", y_col=["a", "b"], target_size=(2, 2), batch_size=2
    )
    image = keras.Input((2, 2, 3))
    outputs = [keras.layers.Dense(1)(keras.layers.Flatten()(image)) for _ in range(2)]
    model = keras.Model(image, outputs)
    model.compile("sgd", ["mse", "mse"])
    assert len(model.fit(batches, verbose=0).history) == 3

    image, number = keras.Input((6, 8, 3)), keras.Input((2,))
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(image), number])
    model = keras.Model([image, number], keras.layers.Dense(1, kernel_initializer="zeros")(joined))
    model.compile("sgd", "mse")
    weights = np.arange(10.0)
    batches = ImageDataGenerator().flow([IMAGES, np.zeros((10, 2))], np.ones(10), sample_weight=weights, batch_size=10)
    assert model.evaluate(batches, verbose=0) == pytest.approx(weights.mean())


def seeded_batches(workers, processes=False):
    """The batches of two epochs, as the training sees them."""
    seen = []

    class Seeing(keras.Model):
        def train_step(self, data):
            seen.append(data[0].numpy().copy())
            return {}

    batches = ImageDataGenerator(rotation_range=90).flow(IMAGES, np.zeros(10), batch_size=2, seed=3)
    batches.workers, batches.use_multiprocessing = workers, processes
    model = Seeing()
    model.compile()
    model.fit(batches, epochs=2, shuffle=False, verbose=0)
    return np.stack(seen)


def test_every_epoch_and_batch_is_changed_in_its_own_way():
    """With a seed too, and by threads, who ask in any order, and processes, each of which has a copy."""
    for workers, processes in ((1, False), (4, False), (2, True)):
        batches = seeded_batches(workers, processes)
        assert len(batches) == 10 and len({batch.tobytes() for batch in batches}) == 10
        np.testing.assert_array_equal(batches, seeded_batches(workers, processes))


def test_threads_share_one_order():
    batches = ImageDataGenerator().flow(np.arange(40.0).reshape(40, 1, 1, 1), batch_size=2)
    batches.workers = 4
    predicted = keras.Sequential([keras.Input((1, 1, 1)), keras.layers.Flatten()]).predict(batches, verbose=0)
    assert sorted(predicted.ravel()) == list(range(40))


# -- iterators of users -----------------------------------------------------------------------------------------------


class Pairs(Iterator):
    """An image and its double, in the style of old segmentation code."""

    def __init__(self, x, **options):
        self.x = x
        super().__init__(len(x), **options)

    def next(self):
        with self.lock:
            rows = next(self.index_generator)
        return self._get_batches_of_transformed_samples(rows)

    def _get_batches_of_transformed_samples(self, index_array):
        return self.x[index_array], self.x[index_array] * 2


class Named(DirectoryIterator):
    def _get_batches_of_transformed_samples(self, index_array):
        images, labels = super()._get_batches_of_transformed_samples(index_array)
        return images, labels, [self.filenames[row] for row in index_array]


def test_iterators_of_users(folder):
    pairs = Pairs(IMAGES, batch_size=4, shuffle=False, seed=None)
    np.testing.assert_array_equal(pairs[2][1], IMAGES[8:] * 2)
    np.testing.assert_array_equal(pairs.next()[0], IMAGES[:4])
    np.testing.assert_array_equal(next(pairs)[0], IMAGES[4:8])
    named = Named(folder, ImageDataGenerator(rotation_range=5), target_size=(3, 3), batch_size=3, shuffle=False)
    assert named[0][2] == next(named)[2] == ["blue/0.png", "blue/1.png", "blue/2.png"]
    with pytest.raises(NotImplementedError, match="_get_batches_of_transformed_samples"):
        Iterator(3, 2, False, None)[0]


def test_pickles():
    batches = ImageDataGenerator(rotation_range=9).flow(IMAGES, batch_size=4, seed=1)
    batches[0]
    other = pickle.loads(pickle.dumps(batches))
    np.testing.assert_array_equal(other[1], batches[1])
    np.testing.assert_array_equal(next(other), next(batches))


# -- bad input --------------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_image_is_named(folder):
    (folder / "red" / "3.png").write_bytes(b"no image")
    batches = ImageDataGenerator().flow_from_directory(folder, shuffle=False)
    with pytest.raises(UnidentifiedImageError, match=r"red.3\.png could not be read as an image"):
        batches[0]
    whole = (folder / "red" / "2.png").read_bytes()
    (folder / "red" / "3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match=r"red.3\.png could not be read as an image"):
        batches[0]


def test_folders_without_images(folder, capsys):
    with pytest.warns(UserWarning, match="no folder .*green"):
        batches = ImageDataGenerator().flow_from_directory(folder, classes=["red", "green"], class_mode="sparse")
    assert batches.class_indices == {"red": 0, "green": 1} and batches.samples == 4
    (folder / "none").mkdir()
    empty = ImageDataGenerator().flow_from_directory(folder / "none")
    assert len(empty) == 0 and "Found 0 images belonging to 0 classes." in capsys.readouterr().out
    with pytest.raises(ValueError, match="no batch at all"):
        small_model().fit(empty)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ImageDataGenerator(rotation=3), "Did you mean `rotation_range`"),
        (lambda: ImageDataGenerator(zoom_range=(1, 2, 3)), "`zoom_range` must be a pair"),
        (lambda: ImageDataGenerator(brightness_range=0.2), "`brightness_range` must be a pair"),
        (lambda: ImageDataGenerator(validation_split=2), "`validation_split` must lie between 0 and 1"),
        (
            lambda: ImageDataGenerator(fill_mode="x", rotation_range=1).random_transform(IMAGES[0]),
            "'nearest', 'reflect'",
        ),
        (lambda: ImageDataGenerator().fit(IMAGES[0]), "4 axes"),
        (lambda: ImageDataGenerator().flow(IMAGES, np.zeros(3)), "10 images, and 3 rows of `y`"),
        (lambda: ImageDataGenerator().flow(IMAGES)[4], "no batch 4: NumpyArrayIterator has 1"),
        (lambda: ImageDataGenerator().flow_from_directory(".", class_mode="raw"), "`class_mode` must be one of"),
        (lambda: ImageDataGenerator().flow_from_dataframe({}, xcol="a"), "unknown argument.*`xcol`"),
        (lambda: apply_affine_transform(IMAGES[0], channel_axis=1, row_axis=0), "`channel_axis` must be 0 or 2"),
    ],
)
def test_refusals(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"zca_whitening": True}, ["featurewise_center"]),
        ({"zca_whitening": True, "featurewise_std_normalization": True}, ["featurewise_std", "featurewise_center"]),
        ({"samplewise_std_normalization": True}, ["samplewise_center"]),
        ({"featurewise_center": True}, []),
    ],
)
def test_what_one_argument_makes_of_another_is_told(arguments, words):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        generator = ImageDataGenerator(**arguments)
    assert len(told) == len(words) and all(word in str(each.message) for word, each in zip(words, told, strict=True))
    assert all(each.filename == __file__ for each in told)
    if "zca_whitening" in arguments or "featurewise_center" in arguments:
        with pytest.warns(UserWarning, match=r"changes nothing before fit"):
            generator.standardize(IMAGES[0].copy())


# -- with little ------------------------------------------------------------------------------------------------------


def test_tensors_are_taken():
    batches = ImageDataGenerator().flow(torch.tensor(IMAGES), torch.arange(10), batch_size=10, shuffle=False)
    np.testing.assert_array_equal(batches[0][0], IMAGES)
    assert batches[0][1].tolist() == list(range(10))


def test_light_with_channels_first():
    generator = ImageDataGenerator(brightness_range=(0.5, 0.5), data_format="channels_first")
    made = generator.random_transform(IMAGES[0].transpose(2, 0, 1))
    np.testing.assert_array_equal(made.transpose(1, 2, 0), apply_brightness_shift(IMAGES[0], 0.5, scale=False))


def test_scipy_is_needed_for_splines_only(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    image = IMAGES[0]
    assert ImageDataGenerator(rotation_range=20, zoom_range=0.2).random_transform(image).shape == image.shape
    with pytest.raises(ModuleNotFoundError, match="order 3 needs scipy: pip install scipy, or use order 0 or 1"):
        ImageDataGenerator(rotation_range=20, interpolation_order=3).random_transform(image)
