"""Folders of images, texts and sounds as datasets. Imports numpy and Pillow only; `k` is `keras.utils`, theirs or ours.

`compat/recorded/record_folders.py` writes down what Keras on TensorFlow makes of them, `test_folders.py` compares.
"""

import os
import wave

import numpy as np

CLASSES = {"cats": 3, "dogs": 4, "birds": 2}
SMALL = {"image_size": (4, 5), "batch_size": 4, "shuffle": False}


def make(root):
    """The same folders each time: images of different sizes, one in a folder below, files that do not count, texts."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, count in CLASSES.items():
        os.makedirs(f"{root}/images/{name}/more")
        os.makedirs(f"{root}/texts/{name}")
        for number in range(count):
            pixels = rng.integers(0, 256, (6 + number, 8, 3), dtype="uint8")
            Image.fromarray(pixels).save(f"{root}/images/{name}/{'more/' if number == 1 else ''}{number}.png")
            with open(f"{root}/texts/{name}/{number}.txt", "w", encoding="utf-8") as file:
                file.write(f"{name} ünd\n{number} " * (number + 1))
    for name, count in CLASSES.items():
        _make_sounds(f"{root}/sounds/{name}", count, rng)
    os.makedirs(f"{root}/images/.hidden")
    os.makedirs(f"{root}/empty/nothing")
    for path in ("images/cats/note.md", "images/none.md", "texts/cats/picture.png"):
        with open(f"{root}/{path}", "w") as file:
            file.write("no")


def _make_sounds(folder, count, rng):
    """Files of 16 bits, the one kind that TensorFlow reads; of different lengths, the last of each class in stereo."""
    os.makedirs(folder)
    for number in range(count):
        with wave.open(f"{folder}/{number}.wav", "wb") as file:
            file.setparams((1 + (number == 3), 2, 8000, 0, "NONE", ""))
            file.writeframes(rng.integers(-(2**15), 2**15, (3 + number) * (1 + (number == 3)), dtype="<i2").tobytes())


def images(folder="images", **arguments):
    return _case("image_dataset_from_directory", folder, 3, {**SMALL, **arguments})


def texts(**arguments):
    return _case("text_dataset_from_directory", "texts", 0, {"shuffle": False, **arguments})


def sounds(folder="sounds", **arguments):
    return _case("audio_dataset_from_directory", folder, 2, {"shuffle": False, **arguments})


def _case(function, folder, rank, arguments):
    def case(k, root):
        return getattr(k, function)(f"{root}/{folder}", **arguments)

    case.rank = rank  # of a single element
    return case


CASES = {
    "images": images(),
    "one column per class": images(label_mode="categorical"),
    "two classes": images(label_mode="binary", class_names=["dogs", "cats"]),
    "three classes as two": images(label_mode="binary"),
    "no label mode": images(label_mode=None),
    "no labels": images(labels=None),
    "given labels": images(labels=[3, 3, 1, 1, 1, 2, 2, 2, 2]),
    "given labels in columns": images(labels=[0, 0, 1, 1, 1, 2, 2, 2, 2], label_mode="categorical"),
    "too few labels": images(labels=[1, 2]),
    "labels by a word": images(labels="x"),
    "no such label mode": images(label_mode="x"),
    "classes in another order": images(class_names=["dogs", "birds", "cats"]),
    "some classes": images(class_names=["dogs"]),
    "no such class": images(class_names=["dogs", "x"]),
    "classes and labels": images(labels=[1] * 9, class_names=["dogs"]),
    "training": images(validation_split=0.3, subset="training"),
    "validation": images(validation_split=0.3, subset="validation"),
    "both": images(validation_split=0.3, subset="both"),
    "both in random order": images(validation_split=0.3, subset="both", shuffle=True, seed=3),
    "split in random order without a seed": images(validation_split=0.3, subset="both", shuffle=True),
    "split without a subset": images(validation_split=0.3),
    "subset without a split": images(subset="training"),
    "too large a split": images(validation_split=1.3, subset="training"),
    "no such subset": images(validation_split=0.3, subset="x"),
    "random order": images(shuffle=True, seed=1),
    "single images": images(batch_size=None),
    "grey": images(color_mode="grayscale"),
    "with transparency": images(color_mode="rgba"),
    "no such colours": images(color_mode="x"),
    "no such interpolation": images(interpolation="x"),
    "nearest": images(interpolation="nearest"),
    "bicubic": images(interpolation="bicubic"),
    "area": images(interpolation="area"),
    "cropped": images(crop_to_aspect_ratio=True),
    "padded": images(pad_to_aspect_ratio=True),
    "cropped and padded": images(crop_to_aspect_ratio=True, pad_to_aspect_ratio=True),
    "channels first": images(data_format="channels_first"),
    "larger": images(image_size=(20, 11)),
    "size of the files": images(image_size=(6, 8)),
    "no images": images("empty"),
    "no folder": images("none"),
    "texts": texts(),
    "texts in batches of two": texts(batch_size=2, label_mode="categorical"),
    "single texts": texts(batch_size=None),
    "texts in random order": texts(shuffle=True, seed=5),
    "texts without labels": texts(labels=None),
    "parts of texts": texts(validation_split=0.4, subset="both", shuffle=True, seed=2),
}
SOUNDS = {
    "sounds": sounds(),
    "sounds in batches of two": sounds(batch_size=2, label_mode="categorical"),
    "single sounds": sounds(batch_size=None),
    "sounds in random order": sounds(shuffle=True, seed=5, class_names=["birds"]),
    "sounds without labels": sounds(labels=None),
    "sounds without label mode": sounds(label_mode=None),
    "sounds with given labels": sounds(labels=[3, 3, 1, 1, 1, 2, 2, 2, 2]),
    "sounds with too few labels": sounds(labels=[1, 2]),
    "sounds of two classes": sounds(label_mode="binary", class_names=["cats", "birds"]),
    "sounds of three classes as two": sounds(label_mode="binary"),
    "sounds of one length": sounds(output_sequence_length=4, class_names=["cats", "birds"]),
    "longer sounds": sounds(output_sequence_length=9, class_names=["cats", "birds"]),
    "single sounds of one length": sounds(output_sequence_length=4, batch_size=None),
    "parts of sounds": sounds(validation_split=0.4, subset="both", shuffle=True, seed=2),
    "training sounds": sounds(validation_split=0.4, subset="training"),
    "sounds for validation": sounds(validation_split=0.4, subset="validation"),
    "sounds split without a subset": sounds(validation_split=0.4),
    "sounds at a rate in words": sounds(sampling_rate="fast"),
    "sounds at a rate of 0": sounds(sampling_rate=0),
    "sounds at a broken rate": sounds(sampling_rate=0.5),
    "ragged sounds of one length": sounds(ragged=True, output_sequence_length=4),
    "no sounds": sounds("empty"),
    "no folder of sounds": sounds("none"),
}


def outcome(case, k, root):
    """What a call gives, as something to compare: classes, files and elements in the order of the files' names."""
    try:
        made = case(k, root)
    except (ValueError, OSError) as error:
        return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins")
    return [_of(dataset, root, case.rank) for dataset in (made if isinstance(made, (list, tuple)) else [made])]


def _of(dataset, root, rank):
    # The files stand in the order of the random stream; the elements of a dataset in random order in any.
    rows = []
    spec = []
    for element in dataset.as_numpy_iterator():
        parts = element if isinstance(element, tuple) else (element,)
        parts = [np.asarray(part) for part in parts]
        spec = [[part.dtype.name if part.dtype.kind in "iuf" else "string", list(part.shape[1:])] for part in parts]
        if parts[0].ndim == rank:  # single ones
            parts = [part[None] for part in parts]
        rows += list(zip(*[part.tolist() for part in parts], strict=True))
    rows = [[value.decode() if isinstance(value, bytes) else value for value in row] for row in rows]
    return {
        "classes": getattr(dataset, "class_names", None),
        "files": [os.path.relpath(path, root) for path in getattr(dataset, "file_paths", [])],
        "rows": sorted(rows, key=lambda row: (str(row[1:]), str(row[0]))),
        "length": int(dataset.cardinality()),
        "kinds": spec,  # of the last one: batches of sounds differ
    }
