"""Folders of files as data: which files there are, their labels, and the parts for training and validation.

May import core, callbacks and data. What a file holds is said in image_folders.py and its like.
"""

import os
from pathlib import Path

import numpy as np

from torchkeras.callbacks import console
from torchkeras.data import AUTOTUNE, Dataset

_LABEL_MODES = ("int", "categorical", "binary", None)
_SUBSETS = ("training", "validation", "both")


class Folder:
    """The files of a folder and their labels.

    Args:
        directory: with a folder for each class if labels are "inferred".
        labels: "inferred", None, or a label for each file in the order of their names.
        label_mode: "int", "categorical" (one column per class), "binary" (one column) or None for no labels.
        class_names: the classes in the wanted order, for inferred labels; alphabetical by default.
        endings: of the files that count, lower case.
        what: what they are called in errors.
        shuffle, seed: random order of the files.
        validation_split, subset: share of the files at the end for validation, and which part is wanted.
        follow_links: whether links to folders are followed.
        verbose: whether to print what was found.

    Attributes: `paths`, `labels` (None without), `class_names` (None without), `seed`.
    """

    def __init__(
        self, directory, labels, label_mode, class_names, endings, what, shuffle, seed, validation_split, subset,
        follow_links, verbose,
    ):  # fmt: skip
        _check_labels(labels, label_mode, class_names)
        _check_split(validation_split, subset, shuffle, seed)
        self.label_mode = None if labels is None else label_mode
        self.validation_split, self.subset, self.shuffle = validation_split, subset, shuffle
        self.seed = np.random.randint(1_000_000) if seed is None else seed
        self.verbose = verbose
        directory = Path(directory)
        if self.label_mode is None or labels != "inferred":
            self.class_names = None
            self.paths = _files(directory, endings, follow_links)
            self.labels = None if self.label_mode is None else list(labels)
        else:
            self.class_names = _class_names(directory, class_names)
            self.paths, self.labels = [], []
            for label, name in enumerate(self.class_names):
                found = _files(directory / name, endings, follow_links)
                self.paths += found
                self.labels += [label] * len(found)
        if not self.paths:
            raise ValueError(f"There are no {what} in {directory}. Files that count end in {', '.join(endings)}.")
        self._finish_labels(directory)

    def _finish_labels(self, directory):
        if self.labels is not None and len(self.labels) != len(self.paths):
            raise ValueError(
                f"`labels` has {len(self.labels)} entries, and there are {len(self.paths)} files in {directory}."
            )
        if self.labels is not None and self.class_names is None:
            self.class_names = [str(label) for label in sorted(set(self.labels))]
        if self.label_mode == "binary" and len(self.class_names) != 2:
            raise ValueError(f'label_mode="binary" needs two classes, got {self.class_names}.')
        classes = f" belonging to {len(self.class_names)} classes" if self.class_names is not None else ""
        self._say(f"Found {len(self.paths)} files{classes}.")
        if self.shuffle:
            for values in (self.paths, self.labels):
                if values is not None:
                    np.random.RandomState(self.seed).shuffle(values)

    def _say(self, text):
        if self.verbose:
            console.write(text + "\n")

    def datasets(self, read, batch_size, padded=False):
        """The dataset that was asked for, or a list of the two.

        Args:
            read: makes an element of a path.
            batch_size: elements of a batch; None for single ones.
            padded: whether elements of different sizes are filled up.
        """
        if self.subset is None:
            return self._dataset(slice(None), read, batch_size, padded, self.shuffle)
        cut = len(self.paths) - int(self.validation_split * len(self.paths))
        parts = {"training": slice(0, cut), "validation": slice(cut, None)}
        wanted = list(parts) if self.subset == "both" else [self.subset]
        for name in wanted:
            self._say(f"Using {len(self.paths[parts[name]])} files for {name}.")
        made = [
            self._dataset(parts[name], read, batch_size, padded, self.shuffle and name == "training") for name in wanted
        ]
        return made if self.subset == "both" else made[0]

    def _dataset(self, part, read, batch_size, padded, shuffle):
        paths = [str(path) for path in self.paths[part]]
        if not paths:
            raise ValueError("There are no files for a part that was asked for: change `validation_split`.")
        rows = (np.array(paths), self._targets(part)) if self.labels is not None else np.array(paths)
        dataset = Dataset.from_tensor_slices(rows)
        if shuffle:
            dataset = dataset.shuffle((batch_size or 128) * 8, seed=self.seed)
        dataset = dataset.map(_Read(read, self.labels is not None), num_parallel_calls=AUTOTUNE)
        if batch_size is not None:
            dataset = dataset.padded_batch(batch_size) if padded else dataset.batch(batch_size)
        dataset = dataset.prefetch(AUTOTUNE)
        dataset.class_names, dataset.file_paths = self.class_names, paths
        return dataset

    def _targets(self, part):
        labels = np.asarray(self.labels[part])
        if self.label_mode == "int":
            return labels.astype("int32" if labels.dtype.kind in "iub" else "float32")
        if self.label_mode == "binary":
            return labels.astype("float32")[:, None]
        return np.eye(len(self.class_names), dtype="float32")[labels.astype("int64")]


class _Read:
    """Makes an element of a path, and of its label."""

    def __init__(self, read, labelled):
        self.read, self.labelled = read, labelled

    def __call__(self, path, *label):
        element = self.read(str(path))
        return (element, *label) if self.labelled else element


def _check_labels(labels, label_mode, class_names):
    if label_mode not in _LABEL_MODES:
        raise ValueError(f'`label_mode` must be "int", "categorical", "binary" or None, got {label_mode!r}.')
    if not isinstance(labels, (list, tuple)) and labels not in ("inferred", None):
        raise ValueError(f'`labels` must be "inferred", None or a list of a label for each file, got {labels!r}.')
    if labels != "inferred" and class_names:
        raise ValueError('`class_names` is for labels="inferred": it says which folders are the classes.')


def _check_split(validation_split, subset, shuffle, seed):
    if validation_split and not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must lie between 0 and 1, got {validation_split}.")
    if bool(validation_split) != bool(subset):
        raise ValueError("`validation_split` and `subset` belong together: give both or neither.")
    if subset not in (*_SUBSETS, None):
        raise ValueError(f'`subset` must be "training", "validation" or "both", got {subset!r}.')
    if validation_split and shuffle and seed is None:
        raise ValueError("With `validation_split` and a random order give `seed`, so that the two parts share no file.")


def _class_names(directory, wanted):
    found = sorted(each.name for each in directory.iterdir() if each.is_dir() and not each.name.startswith("."))
    if wanted is None:
        return found
    if not set(wanted) <= set(found):
        raise ValueError(f"`class_names` must be some of the folders in {directory}, {found}; got {wanted}.")
    return list(wanted)


def _files(directory, endings, follow_links):
    """All files below a folder, those of each folder before those of the folders in it, by name."""
    found = []
    for folder, _, names in sorted(os.walk(directory, followlinks=follow_links)):
        found += [Path(folder, name) for name in sorted(names) if name.lower().endswith(endings)]
    if not directory.is_dir():
        raise FileNotFoundError(f"There is no folder {directory}.")
    return found
