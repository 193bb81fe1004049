"""Iterators over image files: those of a folder with a folder for each class, and those that a data frame lists.

May import callbacks' console, utils and this room.
"""

import os
import warnings

import numpy as np

from torchkeras.callbacks import console
from torchkeras.keras2.preprocessing.iterators import ImageIterator
from torchkeras.utils.images import MODES, check_interpolation, img_to_array, load_img, named_in_errors

_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}
_WITHOUT_CLASSES = ("input", "multi_output", "raw", None)


class FileIterator(ImageIterator):
    """Batches of images that are read from `filepaths` when their turn comes, each resized to `target_size`.

    Targets by `class_mode`: "categorical" a column for each class, "binary" and "sparse" the class's number, "input"
    the images themselves, "raw" and "multi_output" the columns of a data frame, None none.
    """

    allowed_class_modes = ()
    sample_weight = None

    def _set_up_files(
        self, image_data_generator, target_size, color_mode, class_mode, data_format, dtype, save_to_dir, save_prefix,
        save_format, subset, interpolation, keep_aspect_ratio,
    ):  # fmt: skip
        self._set_up(image_data_generator, data_format, dtype, save_to_dir, save_prefix, save_format)
        if color_mode not in MODES:
            raise ValueError(f"`color_mode` must be one of {', '.join(map(repr, MODES))}, got {color_mode!r}.")
        if class_mode not in self.allowed_class_modes:
            modes = ", ".join(map(repr, self.allowed_class_modes))
            raise ValueError(f"`class_mode` must be one of {modes}, got {class_mode!r}.")
        self.target_size, self.color_mode, self.class_mode = tuple(target_size), color_mode, class_mode
        self.interpolation, self.keep_aspect_ratio, self.subset = interpolation, keep_aspect_ratio, subset
        channels, last = (_CHANNELS[color_mode],), self.data_format == "channels_last"
        self.image_shape = (*self.target_size, *channels) if last else (*channels, *self.target_size)
        self.split = self._split(subset)

    def _split(self, subset):
        """The shares between which the files of a subset lie: the first are for validation."""
        if subset is None:
            return None
        if subset not in ("training", "validation"):
            raise ValueError(f'`subset` must be "training" or "validation", got {subset!r}.')
        share = self.image_data_generator.validation_split
        return (0, share) if subset == "validation" else (share, 1)

    def _part(self, values):
        """Those of a list that belong to the subset."""
        start, stop = self.split or (0, 1)
        return values[int(start * len(values)) : int(stop * len(values))]

    def _set_files(self, filenames):
        self.filenames, self.samples = filenames, len(filenames)
        self.filepaths = [os.path.join(self.directory, name) for name in filenames]

    def _read(self, row):
        path = self.filepaths[row]
        check_interpolation(self.interpolation)
        with named_in_errors(path):
            img = load_img(path, self.color_mode, self.target_size, self.interpolation, self.keep_aspect_ratio)
            return img_to_array(img, data_format=self.data_format)

    def _with_targets(self, images, rows):
        y = self._targets(images, rows)
        if y is None:
            return images
        return (images, y) if self.sample_weight is None else (images, y, self.sample_weight[rows])

    def _targets(self, images, rows):
        if self.class_mode == "input":
            return images.copy()
        if self.class_mode in ("binary", "sparse"):
            return np.array([self.classes[row] for row in rows], dtype=self.dtype)
        if self.class_mode == "categorical":
            y = np.zeros((len(rows), len(self.class_indices)), dtype=self.dtype)
            for target, row in zip(y, rows, strict=True):
                target[self.classes[row]] = 1
            return y
        if self.class_mode == "multi_output":
            return [output[rows] for output in self.labels]
        return self.labels[rows] if self.class_mode == "raw" else None


class DirectoryIterator(FileIterator):
    """Batches of the images in a folder that has a folder for each class. `ImageDataGenerator.flow_from_directory`
    makes it and says what the arguments are.

    Attributes: `filenames` (with the class's folder) and `filepaths`, `classes` (the number of each file's class),
    `class_indices` (name: number), `num_classes`, `samples`. They keep the order of the folders, whatever the order of
    the batches: with `shuffle=False` they go with what `predict` gives.
    """

    allowed_class_modes = ("categorical", "binary", "sparse", "input", None)

    def __init__(
        self, directory, image_data_generator, target_size=(256, 256), color_mode="rgb", classes=None,
        class_mode="categorical", batch_size=32, shuffle=True, seed=None, data_format=None, save_to_dir=None,
        save_prefix="", save_format="png", follow_links=False, subset=None, interpolation="nearest",
        keep_aspect_ratio=False, dtype=None,
    ):  # fmt: skip
        self._set_up_files(
            image_data_generator, target_size, color_mode, class_mode, data_format, dtype, save_to_dir, save_prefix,
            save_format, subset, interpolation, keep_aspect_ratio,
        )  # fmt: skip
        self.directory = directory
        folders = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        classes = list(classes or folders)
        self.num_classes, self.class_indices = len(classes), {name: number for number, name in enumerate(classes)}
        found = [self._part(self._images_in(name, follow_links)) for name in classes]
        self.classes = np.repeat(np.arange(len(found), dtype="int32"), [len(names) for names in found])
        self._set_files([name for names in found for name in names])
        console.write(f"Found {self.samples} images belonging to {self.num_classes} classes.\n")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _images_in(self, name, follow_links):
        """The images below the folder of a class, by name, relative to the whole folder."""
        top = os.path.join(self.directory, name)
        if not os.path.isdir(top):
            warnings.warn(f"There is no folder {top}: the class {name!r} has no images.", stacklevel=5)
        walked = sorted(os.walk(top, followlinks=follow_links))
        paths = [os.path.join(folder, each) for folder, _, names in walked for each in sorted(names)]
        return [
            os.path.relpath(path, self.directory) for path in paths if path.lower().endswith(self.white_list_formats)
        ]

    @property
    def labels(self):
        """`classes`."""
        return self.classes


class DataFrameIterator(FileIterator):
    """Batches of the images that a data frame lists. `ImageDataGenerator.flow_from_dataframe` makes it and says what
    the arguments are.

    Attributes: `filenames`, `filepaths`, `samples`, `labels`; with classes `classes` (the number of each file's class,
    or a list of several) and `class_indices` (name: number).
    """

    allowed_class_modes = ("binary", "categorical", "input", "multi_output", "raw", "sparse", None)

    def __init__(
        self, dataframe, directory=None, image_data_generator=None, x_col="filename", y_col="class", weight_col=None,
        target_size=(256, 256), color_mode="rgb", classes=None, class_mode="categorical", batch_size=32, shuffle=True,
        seed=None, data_format="channels_last", save_to_dir=None, save_prefix="", save_format="png", subset=None,
        interpolation="nearest", keep_aspect_ratio=False, dtype="float32", validate_filenames=True,
    ):  # fmt: skip
        self._set_up_files(
            image_data_generator, target_size, color_mode, class_mode, data_format, dtype, save_to_dir, save_prefix,
            save_format, subset, interpolation, keep_aspect_ratio,
        )  # fmt: skip
        self.directory = directory or ""
        names = list(dataframe[x_col])
        _check_kind(names, str, x_col, "x_col", class_mode)
        rows = [row for row, name in enumerate(names) if not validate_filenames or self._is_image(name)]
        if len(rows) < len(names):
            warnings.warn(
                f"{len(names) - len(rows)} of the {len(names)} entries of {x_col!r} are no image files below "
                f"{self.directory!r}, and are left out.",
                stacklevel=4,
            )
        rows = self._set_targets(dataframe, rows, y_col, classes)
        if weight_col:
            self.sample_weight = _weights(dataframe[weight_col], weight_col)[rows]
        self._set_files([names[row] for row in rows])
        kind = "validated" if validate_filenames else "non-validated"
        of_classes = "" if class_mode in _WITHOUT_CLASSES else f" belonging to {len(self.class_indices)} classes"
        console.write(f"Found {self.samples} {kind} image filenames{of_classes}.\n")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _is_image(self, name):
        path = os.path.join(self.directory, name)
        return path.lower().endswith(self.white_list_formats) and os.path.isfile(path)

    def _set_targets(self, dataframe, rows, y_col, classes):
        """Takes what the targets are made of, and says which of the rows remain."""
        mode = self.class_mode
        if mode not in _WITHOUT_CLASSES:
            return self._set_classes(list(dataframe[y_col]), rows, y_col, classes)
        if classes:
            warnings.warn(f"`classes` says nothing with class_mode={mode!r}.", stacklevel=5)
        if mode == "multi_output" and not isinstance(y_col, list):
            raise TypeError(f'class_mode="multi_output" needs a list for `y_col`, got {y_col!r}.')
        rows = self._part(rows)
        if mode == "multi_output":
            columns = [list(dataframe[name]) for name in y_col]
            self.labels = [np.array([column[row] for row in rows]) for column in columns]
        elif mode == "raw":
            self.labels = np.asarray(dataframe[y_col])[rows]
        return rows

    def _set_classes(self, values, rows, y_col, classes):
        mode = self.class_mode
        _check_kind(values, (str, list, tuple) if mode == "categorical" else str, y_col, "y_col", mode)
        kept = {row: values[row] if isinstance(values[row], (list, tuple)) else [values[row]] for row in rows}
        if classes:
            classes = list(dict.fromkeys(classes))
            kept = {row: [each for each in names if each in classes] for row, names in kept.items()}
            rows = [row for row in rows if kept[row]]
        else:
            classes = sorted({each for names in kept.values() for each in names})
        if mode == "binary" and len(classes) != 2:
            raise ValueError(f'class_mode="binary" needs two classes, got {len(classes)}: {classes}.')
        self.class_indices = {name: number for number, name in enumerate(classes)}
        rows = self._part(rows)
        numbers = [[self.class_indices[name] for name in kept[row]] for row in rows]
        several = [isinstance(values[row], (list, tuple)) for row in rows]
        self.classes = [each if many else each[0] for each, many in zip(numbers, several, strict=True)]
        self.labels = self.classes
        return rows


def _check_kind(values, kinds, column, name, class_mode):
    odd = [value for value in values if not isinstance(value, kinds)]
    if odd:
        wanted = "strings" if kinds is str else "strings, lists or tuples"
        raise TypeError(
            f"The column {column!r} (`{name}`) must hold {wanted} with class_mode={class_mode!r}, got {odd[0]!r}: use "
            'column.astype(str), or class_mode="raw" for numbers.'
        )


def _weights(column, name):
    weights = np.asarray(column)
    if weights.dtype.kind not in "iufb":
        raise TypeError(f"The column {name!r} (`weight_col`) must hold numbers, got {weights.dtype}.")
    return weights
