"""What is asked of Keras 2's `preprocessing`: of tf.keras 2 when its answers are recorded, of torchkeras in tests.

May import numpy, pandas and Pillow: neither library is needed to read it. A case is a function of the module
`keras.preprocessing` and of a folder of images, and returns arrays, numbers and words.
"""

import itertools
import json
import random

import numpy as np
import pandas
from PIL import Image

IMAGES = np.random.default_rng(0).uniform(0, 255, size=(7, 6, 9, 3)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1, 2, 0])

# Arguments of ImageDataGenerator.
GENERATORS = {
    "plain": {},
    "turned": {"rotation_range": 30},
    "shifted": {"width_shift_range": 0.2, "height_shift_range": 0.3},
    "shifted by pixels": {"width_shift_range": 3, "height_shift_range": 2.5},
    "shifted by some": {"width_shift_range": [-2, 1, 2], "height_shift_range": [0.1, 0.2]},
    "shifted the other way": {"width_shift_range": -3},
    "sheared": {"shear_range": 20, "fill_mode": "reflect"},
    "zoomed": {"zoom_range": 0.4, "fill_mode": "wrap"},
    "zoomed out": {"zoom_range": [1.0, 2.0], "fill_mode": "constant", "cval": 33.0},
    "flipped": {"horizontal_flip": True, "vertical_flip": True},
    "other colours": {"channel_shift_range": 40.0},
    "more light": {"brightness_range": (0.3, 1.8)},
    "without interpolation": {"rotation_range": 30, "interpolation_order": 0},
    "splines": {"rotation_range": 30, "interpolation_order": 3},
    "rescaled": {"rescale": 1 / 255, "dtype": "float64"},
    "by sample": {"samplewise_std_normalization": True},
    "centred": {"samplewise_center": True, "featurewise_center": True},
    "by feature": {"featurewise_std_normalization": True, "rescale": 0.1},
    "whitened": {"zca_whitening": True, "zca_epsilon": 0.1, "featurewise_std_normalization": True},
    "own function": {"preprocessing_function": lambda x: x[::-1] / 127.5 - 1},
    "own random function": {"zoom_range": 0.2, "preprocessing_function": lambda x: x * np.random.uniform(0.5, 1.0)},
    "all": {
        "rotation_range": 15, "width_shift_range": 0.1, "height_shift_range": 0.1, "shear_range": 5, "zoom_range": 0.2,
        "channel_shift_range": 9, "horizontal_flip": True, "vertical_flip": True, "brightness_range": [0.5, 1.5],
        "preprocessing_function": np.sqrt, "rescale": 2, "samplewise_center": True, "featurewise_center": True,
    },
}  # fmt: skip


def make_folder(top):
    """Three classes of images in several modes, sizes and depths, one without any, and files that are no images."""
    for name, count in (("cats", 5), ("dogs", 3), ("empty", 0), ("owls/old", 4)):
        (top / name).mkdir(parents=True)
        for number in range(count):
            mode = ["RGB", "L", "RGBA"][number % 3]
            pixels = np.random.default_rng(number).integers(0, 256, size=(7 + number, 9, 4), dtype="uint8")
            ending = ["png", "bmp", "PNG"][number % 3]
            Image.fromarray(pixels).convert(mode).save(top / name / f"{number}.{ending}")
    (top / "cats" / "notes.txt").write_text("none")
    (top / "loose.png").write_bytes((top / "cats" / "0.png").read_bytes())
    return top


FRAME = pandas.DataFrame(
    {
        "filename": ["cats/0.png", "cats/1.bmp", "dogs/0.png", "owls/old/2.PNG", "dogs/9.png", "cats/notes.txt"],
        "class": ["cat", "cat", "dog", "owl", "dog", "cat"],
        "two": list("abbabb"),
        "several": [["cat"], ["cat", "dog"], "dog", ("owl",), ["x"], ["cat"]],
        "number": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5],
        "weight": [1, 2, 3, 4, 5, 6],
    },
    index=list("uvwxyz"),
)


def _changed(arguments):
    """The drawn numbers, an image changed by them, and what comes out of fit and flow."""

    def case(preprocessing, folder):
        generator = preprocessing.image.ImageDataGenerator(**arguments)
        generator.fit(IMAGES, augment=True, seed=3)
        drawn = generator.get_random_transform((6, 9, 3), seed=1)
        batches = generator.flow(IMAGES, LABELS, batch_size=3, seed=4)
        seen = [batches[1], batches[0], next(batches), batches.next()]
        one = generator.apply_transform(IMAGES[0], drawn)
        return [drawn, one[::2, ::2, 1], [[images[:, ::3, ::3, 0], labels] for images, labels in seen]]

    return case


def _texts(preprocessing, folder):
    texts = [
        "The cat sat on the mat, and the dog barked.",
        "Dogs & cats: they're not friends!\tEnd.",
        "",
        "ÜBER the THE",
    ]
    seen = []
    for options in ({}, {"num_words": 4}, {"num_words": 4, "oov_token": "<o>"}, {"char_level": True}, {"lower": False}):
        tokenizer = preprocessing.text.Tokenizer(**options)
        tokenizer.fit_on_texts(texts)
        sequences = tokenizer.texts_to_sequences([*texts, "a new cat"])
        matrices = [tokenizer.texts_to_matrix(texts, mode).sum(axis=0) for mode in ("binary", "count", "tfidf", "freq")]
        config = tokenizer.get_config()
        tables = [sorted(json.loads(config.pop(name)).items()) for name in list(config) if "word_" in name]
        seen.append([sequences, matrices, tables, tokenizer.sequences_to_texts(sequences), list(config)])
    hashed = [preprocessing.text.hashing_trick(each, 50, hash_function="md5") for each in texts]
    return [seen, hashed, [preprocessing.text.text_to_word_sequence(each, filters="t.", split="a") for each in texts]]


def _windows(preprocessing, folder):
    series, seen = np.arange(40.0).reshape(20, 2), []
    for options in (
        {"length": 3},
        {"length": 5, "sampling_rate": 2, "stride": 3, "batch_size": 2, "reverse": True},
        {"length": 3, "shuffle": True, "batch_size": 4, "start_index": 2, "end_index": 12},
    ):
        windows = preprocessing.sequence.TimeseriesGenerator(series, series[:, 1], **options)
        config = windows.get_config()
        seen.append([len(windows), [windows[index] for index in range(len(windows))], config])
    return seen


def _pairs(preprocessing, folder):
    random.seed(11)
    skipgrams, table = preprocessing.sequence.skipgrams, preprocessing.sequence.make_sampling_table(10, 1e-3)
    words = [1, 5, 0, 2, 2, 7]
    return [
        table,
        skipgrams(words, 10),
        skipgrams(words, 10, window_size=1, negative_samples=0.5, categorical=True, seed=3),
        skipgrams(words, 10, sampling_table=table * 20, shuffle=False),
        random.random(),
    ]


def _functions(preprocessing, folder):
    module, last = preprocessing.image, (0, 1, 2)
    image, low = IMAGES[0], IMAGES[1] - 100
    return [
        made[::2, ::2]
        for made in (
            module.random_rotation(image, 40, *last),
            module.random_shift(image, 0.3, 0.2, *last, "reflect"),
            module.random_shear(image, 30, *last, "constant", 9.0),
            module.random_zoom(image, (0.5, 1.5), *last, "wrap"),
            module.random_channel_shift(low, 90.0, 2),
            module.random_brightness(image, (0.2, 2.0)),
            module.apply_brightness_shift(low, 1.7, False),
            module.apply_affine_transform(image, 180, 1, 2, 10, 0.8, 1.2, *last, order=0),
        )
    ]


def _of_files(make):
    """What an iterator over files says of itself, and its first batches in both ways."""

    def case(preprocessing, folder):
        seen = []
        for batches in make(preprocessing.image.ImageDataGenerator(zoom_range=0.2, validation_split=0.4), folder):
            said = [batches.filenames, batches.samples, list(batches.image_shape), len(batches)]
            classes = list(getattr(batches, "class_indices", {})), list(getattr(batches, "classes", ()))
            fetched = [batches[0], *itertools.islice(batches, 2)]
            thin = [
                [each[0][:, ::3, ::3], *each[1:]] if isinstance(each, tuple) else each[:, ::3, ::3] for each in fetched
            ]
            seen.append([said, classes, thin])
        return seen

    return case


def _folders(generator, folder):
    flow = generator.flow_from_directory
    yield flow(str(folder), (8, 8), batch_size=3, seed=2)
    yield flow(str(folder), (8, 8), "grayscale", class_mode="sparse", subset="validation", shuffle=False)
    yield flow(str(folder), (4, 6), "rgba", ["owls", "cats"], "binary", 3, seed=1, subset="training")
    yield flow(str(folder), (4, 6), class_mode=None, batch_size=4, seed=1, interpolation="bilinear")


def _frames(generator, folder):
    for options in (
        {},
        {"class_mode": "binary", "y_col": "two", "weight_col": "weight"},
        {"y_col": "several", "classes": ["dog", "owl"]},
        {"class_mode": "raw", "y_col": ["number", "weight"]},
        {"class_mode": "multi_output", "y_col": ["number", "weight"], "subset": "training"},
        {"class_mode": "sparse", "subset": "validation"},
    ):
        yield generator.flow_from_dataframe(FRAME, str(folder), target_size=(8, 8), batch_size=3, seed=1, **options)


CASES = {
    "texts": _texts,
    "windows": _windows,
    "pairs of words": _pairs,
    "functions": _functions,
    "folders": _of_files(_folders),
    "data frames": _of_files(_frames),
    **{f"images, {name}": _changed(arguments) for name, arguments in GENERATORS.items()},
}


def answer(case, preprocessing, folder):
    """What a case gives, as it stands in JSON: numbers with four digits behind the point."""
    np.random.seed(5)
    return plain(CASES[case](preprocessing, folder))


def plain(value):
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return round(float(value), 4)
    return int(value) if isinstance(value, np.integer) else value
