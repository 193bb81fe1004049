"""image_dataset_from_directory: folders of images as a dataset.

May import ops and this room. Images are read by Pillow and resized by `keras.ops.image`.
"""

import numpy as np
import torch

from torchkeras.core.windows import standardize_data_format
from torchkeras.ops import image as image_ops
from torchkeras.utils.folders import Folder
from torchkeras.utils.images import load_img, named_in_errors

_PILLOW = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_METHODS = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5")


def image_dataset_from_directory(
    directory,
    labels="inferred",
    label_mode="int",
    class_names=None,
    color_mode="rgb",
    batch_size=32,
    image_size=(256, 256),
    shuffle=True,
    seed=None,
    validation_split=None,
    subset=None,
    interpolation="bilinear",
    follow_links=False,
    crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False,
    data_format=None,
    format="tf",
    verbose=True,
):
    """The images of a folder (bmp, gif, jpeg, png) as a dataset of batches, read by threads while the last is used.

    Args:
        directory: folder with a folder for each class, or, with other labels, with the images.
        labels: "inferred" from the folders, None, or a list of a label for each file in the order of their names.
        label_mode: "int" gives `(batch,)`, "categorical" `(batch, classes)`, "binary" `(batch, 1)`; None no labels.
        class_names: the classes in the wanted order, or some of them; alphabetical by default.
        color_mode: "rgb", "rgba" or "grayscale".
        batch_size: images in a batch; None for single images.
        image_size: `(height, width)` to which all are resized.
        shuffle, seed: random order of the files, and of the training in each pass.
        validation_split, subset: share of the files for validation, and which part is wanted: "training", "validation"
            or "both", which gives a list of two datasets.
        interpolation: "bilinear", "nearest", "bicubic", "area", "lanczos3" or "lanczos5".
        follow_links: whether links to folders are followed.
        crop_to_aspect_ratio: cut images to the form of `image_size` instead of distorting them.
        pad_to_aspect_ratio: fill them up to it with zeros instead.
        data_format: where channels go; None for the global setting.
        format: ignored; what comes is a `torchkeras.data.Dataset`.
        verbose: print how many files and classes were found.

    Returns a dataset with `class_names` and `file_paths`, of float32 images `(batch, height, width, channels)` from 0
    to 255, and labels.

    Raises `FileNotFoundError` without the folder, `ValueError` for arguments that do not fit it or each other. A file
    that is no image raises while the dataset is used, with its name.

    Example:
        >>> import pathlib
        >>> for name in ("cats", "dogs"):
        ...     pathlib.Path("photos", name).mkdir(parents=True)
        ...     keras.utils.save_img(f"photos/{name}/1.png", np.zeros((20, 30, 3)))
        >>> dataset = image_dataset_from_directory("photos", image_size=(16, 16), verbose=False)
        >>> images, labels = next(iter(dataset))
        >>> images.shape, labels.dtype
        (torch.Size([2, 16, 16, 3]), torch.int32)

    In torch: `torchvision.datasets.ImageFolder` in a DataLoader.
    """
    if color_mode not in _PILLOW:
        raise ValueError(f"`color_mode` must be one of {', '.join(map(repr, _PILLOW))}, got {color_mode!r}.")
    if interpolation not in _METHODS:
        raise ValueError(f"`interpolation` must be one of {', '.join(map(repr, _METHODS))}, got {interpolation!r}.")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("`crop_to_aspect_ratio` and `pad_to_aspect_ratio` cannot both be True.")
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    folder = Folder(
        directory, labels, label_mode, class_names, _ENDINGS, "images", shuffle, seed, validation_split, subset,
        follow_links, verbose,
    )  # fmt: skip
    form = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else None
    read = _Image(color_mode, size, interpolation, standardize_data_format(data_format), form)
    return folder.datasets(read, batch_size)


class _Image:
    """The resized image of a file."""

    def __init__(self, color_mode, size, interpolation, data_format, form):
        self.color_mode, self.size, self.interpolation = color_mode, size, interpolation
        self.data_format, self.form = data_format, form

    def __call__(self, path):
        image = self._read(path)
        # numpy's conversion, as torch's would spread over cores that other threads are at work on.
        pixels = image.copy() if self.interpolation == "nearest" else image.astype("float32")
        pixels = torch.from_numpy(pixels.reshape(*image.shape[:2], -1))
        pixels = self._padded(pixels) if self.form == "pad" else self._resized(pixels, self.size)
        return pixels if self.data_format == "channels_last" else pixels.movedim(-1, 0).contiguous()

    def _read(self, path):
        mode = _PILLOW[self.color_mode]
        with named_in_errors(path):
            image = load_img(path, self.color_mode)
            return np.asarray(image if image.mode == mode else image.convert(mode))

    def _resized(self, pixels, size):
        if tuple(pixels.shape[:2]) == size:
            return pixels
        return image_ops.resize(
            pixels, size, self.interpolation, crop_to_aspect_ratio=self.form == "crop", data_format="channels_last"
        )

    def _padded(self, pixels):
        """Resized until it fits, in the middle of zeros; sizes are rounded down, as TensorFlow does."""
        (height, width), (tall, wide) = pixels.shape[:2], self.size
        ratio = max(height / tall, width / wide)
        pixels = self._resized(pixels, (int(height / ratio), int(width / ratio)))
        top, left = int((tall - height / ratio) / 2), int((wide - width / ratio) / 2)
        right, bottom = wide - left - pixels.shape[1], tall - top - pixels.shape[0]
        return torch.nn.functional.pad(pixels, (0, 0, left, right, top, bottom))
