"""ImageDataGenerator: images at random, standardized, from memory, folders or data frames.

May import core and this room.
"""

import numbers
import warnings

import numpy as np

from torchkeras.core.fields import Configured, field, refuse_unknown
from torchkeras.core.scopes import settings
from torchkeras.core.windows import standardize_data_format
from torchkeras.keras2.preprocessing import transforms
from torchkeras.keras2.preprocessing.file_iterators import DataFrameIterator, DirectoryIterator
from torchkeras.keras2.preprocessing.iterators import NumpyArrayIterator, check_channels

_NO_LONGER = ("has_ext", "sort", "drop_duplicates")  # arguments of older versions, without meaning
_OVERRULES = (
    ("zca_whitening", "featurewise_std_normalization", False),
    ("zca_whitening", "featurewise_center", True),
    ("featurewise_std_normalization", "featurewise_center", True),
    ("samplewise_std_normalization", "samplewise_center", True),
)


def _zoom(value):
    return [1 - value, 1 + value] if isinstance(value, (int, float)) else transforms.pair(value, "zoom_range")


def _split(value):
    if value and not 0 < value < 1:
        raise ValueError(f"`validation_split` must lie between 0 and 1, got {value}.")
    return value


class ImageDataGenerator(Configured):
    """Batches of images, each of them changed at random and standardized.

    Args:
        featurewise_center, featurewise_std_normalization: subtract the mean of each channel of the data that `fit` saw,
            divide by the standard deviation.
        samplewise_center, samplewise_std_normalization: the same by each image's own mean and deviation.
        zca_whitening, zca_epsilon: whiten by the data that `fit` saw.
        rotation_range: degrees.
        width_shift_range, height_shift_range: a share of the size if below 1, pixels otherwise; a whole number or a
            list for whole steps or one of those. In Keras 2, and so here, heights shift columns and widths rows.
        brightness_range: pair of factors.
        shear_range: degrees.
        zoom_range: pair of factors, or how far from 1.
        channel_shift_range: what is added to values, at most.
        fill_mode, cval: what lies outside: see `apply_affine_transform`.
        horizontal_flip, vertical_flip: each for half of the images.
        rescale: factor.
        preprocessing_function: function of one image, an array with three axes, that returns one of the same shape.
        data_format: where channels stand; None for the global setting.
        validation_split: share of the rows, from the first one on, for `subset="validation"`.
        interpolation_order: 0 nearest, 1 linear; 2 to 5 are splines and need scipy.
        dtype: of batches; `floatx()` by default.

    Order: files are resized; then come rotation, shift, shear and zoom, channel shift, flips, brightness,
    `preprocessing_function`, `rescale`, by sample, by feature, whitening. Random numbers come from `np.random`, in
    Keras 2's order; in threads, those for a batch are drawn before its images are read.

    Raises `ValueError` for pairs that are none and shares outside 0 to 1.

    Example:
        >>> generator = ImageDataGenerator(rotation_range=20, horizontal_flip=True, rescale=1 / 255)
        >>> batches = generator.flow(np.random.rand(10, 8, 8, 3) * 255, np.arange(10), batch_size=4, seed=1)
        >>> images, labels = batches[0]
        >>> len(batches), images.shape, images.max() <= 1
        (3, (4, 8, 8, 3), np.True_)

    In torch: `torchvision.transforms` in a Dataset.
    """

    featurewise_center = field(False)
    samplewise_center = field(False)
    featurewise_std_normalization = field(False)
    samplewise_std_normalization = field(False)
    zca_whitening = field(False)
    zca_epsilon = field(1e-6)
    rotation_range = field(0)
    width_shift_range = field(0.0)
    height_shift_range = field(0.0)
    brightness_range = field(None, convert=lambda value: transforms.pair(value, "brightness_range"), optional=True)
    shear_range = field(0.0)
    zoom_range = field(0.0, convert=_zoom)
    channel_shift_range = field(0.0)
    fill_mode = field("nearest")
    cval = field(0.0)
    horizontal_flip = field(False)
    vertical_flip = field(False)
    rescale = field(None)
    preprocessing_function = field(None)
    data_format = field(None, convert=standardize_data_format)
    validation_split = field(0.0, convert=_split)
    interpolation_order = field(1)
    dtype = field(None)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.dtype = self.dtype or settings.floatx
        last = self.data_format == "channels_last"
        self.row_axis, self.col_axis, self.channel_axis = (1, 2, 3) if last else (2, 3, 1)
        self.mean = self.std = self.zca_whitening_matrix = None
        for cause, name, value in _OVERRULES:
            if getattr(self, cause):
                self._overrule(cause, name, value)

    def _overrule(self, cause, name, value):
        if bool(getattr(self, name)) is not value:
            warnings.warn(f"`{cause}` makes `{name}` {value}.", stacklevel=3)
            setattr(self, name, value)

    # -- where images come from ---------------------------------------------------------------------------------------

    def flow(
        self, x, y=None, batch_size=32, shuffle=True, sample_weight=None, seed=None, save_to_dir=None, save_prefix="",
        save_format="png", ignore_class_split=False, subset=None,
    ):  # fmt: skip
        """Batches of images in memory, a `NumpyArrayIterator`.

        Args:
            x: `(rows, height, width, channels)`; or a pair `[images, others]`, where `others` is an array, or a list of
                arrays, that go along as further inputs.
            y, sample_weight: as many rows; without `y`, batches are images alone.
            batch_size, shuffle, seed: of the batches.
            save_to_dir, save_prefix, save_format: a folder for copies of the images, and how they are called.
            ignore_class_split: do not ask for the same classes in both subsets.
            subset: "training" or "validation", by `validation_split`.

        Raises `ValueError` for lengths and shapes that do not fit.
        """
        return NumpyArrayIterator(
            x, y, self, batch_size, shuffle, sample_weight, seed, self.data_format, save_to_dir, save_prefix,
            save_format, subset, ignore_class_split, self.dtype,
        )  # fmt: skip

    def flow_from_directory(
        self, directory, target_size=(256, 256), color_mode="rgb", classes=None, class_mode="categorical",
        batch_size=32, shuffle=True, seed=None, save_to_dir=None, save_prefix="", save_format="png",
        follow_links=False, subset=None, interpolation="nearest", keep_aspect_ratio=False,
    ):  # fmt: skip
        """Batches of the images in a folder with a folder for each class, a `DirectoryIterator`.

        Args:
            directory: the folder.
            target_size: `(height, width)` to which all are resized.
            color_mode: "rgb", "rgba" or "grayscale".
            classes: folders that count, in the order of the classes; all, by name, by default.
            class_mode: "categorical", "binary", "sparse", "input" (the images are the targets) or None.
            batch_size, shuffle, seed, save_to_dir, save_prefix, save_format: as of `flow`.
            follow_links: whether links to folders are followed.
            subset: "training" or "validation", by `validation_split`, which holds for each class.
            interpolation, keep_aspect_ratio: as of `load_img`.

        Raises `FileNotFoundError` without the folder, `ValueError` for unknown words. A file that is no image raises
        when its turn comes, with its name.
        """
        return DirectoryIterator(
            directory, self, target_size, color_mode, classes, class_mode, batch_size, shuffle, seed, self.data_format,
            save_to_dir, save_prefix, save_format, follow_links, subset, interpolation, keep_aspect_ratio, self.dtype,
        )  # fmt: skip

    def flow_from_dataframe(
        self, dataframe, directory=None, x_col="filename", y_col="class", weight_col=None, target_size=(256, 256),
        color_mode="rgb", classes=None, class_mode="categorical", batch_size=32, shuffle=True, seed=None,
        save_to_dir=None, save_prefix="", save_format="png", subset=None, interpolation="nearest",
        validate_filenames=True, **kwargs,
    ):  # fmt: skip
        """Batches of the images that a data frame lists, a `DataFrameIterator`.

        Args:
            dataframe: has a column of file names, and more as `class_mode` needs them.
            directory: what the names are relative to; None if they are whole paths.
            x_col: the column of names.
            y_col: that of classes (strings; lists of them for several classes with "categorical"), or of numbers with
                "raw"; a list of columns with "multi_output".
            weight_col: that of weights.
            classes: names that count, in the order of the classes; rows of others are left out.
            class_mode: "binary", "categorical", "sparse", "raw", "multi_output", "input" or None.
            validate_filenames: leave out what is no image file, with a warning. False saves time.
            target_size, color_mode, batch_size, shuffle, seed, save_to_dir, save_prefix, save_format, subset,
                interpolation: as of `flow_from_directory`.
            kwargs: `keep_aspect_ratio`, and arguments of older versions, ignored.

        Raises `TypeError` for columns with other values, `ValueError` for unknown words.
        """
        for name in _NO_LONGER:
            if kwargs.pop(name, None) is not None:
                warnings.warn(f"`{name}` says nothing any more.", DeprecationWarning, stacklevel=2)
        keep_aspect_ratio = kwargs.pop("keep_aspect_ratio", False)
        refuse_unknown("flow_from_dataframe()", kwargs, ("keep_aspect_ratio", "validate_filenames", "weight_col"))
        return DataFrameIterator(
            dataframe, directory, self, x_col, y_col, weight_col, target_size, color_mode, classes,
            "raw" if class_mode == "other" else class_mode, batch_size, shuffle, seed, self.data_format, save_to_dir,
            save_prefix, save_format, subset, interpolation, keep_aspect_ratio, self.dtype, validate_filenames,
        )  # fmt: skip

    # -- one image ----------------------------------------------------------------------------------------------------

    def get_random_transform(self, img_shape, seed=None):
        """A dict of what to do to an image of this shape, for `apply_transform`; `seed` seeds `np.random` first."""
        if seed is not None:
            np.random.seed(seed)
        rows, columns = img_shape[self.row_axis - 1], img_shape[self.col_axis - 1]
        drawn = {
            "theta": _either_way(self.rotation_range) if self.rotation_range else 0,
            "tx": _shift(self.height_shift_range, rows),
            "ty": _shift(self.width_shift_range, columns),
            "shear": _either_way(self.shear_range) if self.shear_range else 0,
        }
        low, high = self.zoom_range
        drawn["zx"], drawn["zy"] = (1, 1) if low == high == 1 else np.random.uniform(low, high, 2)
        drawn["flip_horizontal"] = (np.random.random() < 0.5) * self.horizontal_flip
        drawn["flip_vertical"] = (np.random.random() < 0.5) * self.vertical_flip
        shift, light = self.channel_shift_range, self.brightness_range
        drawn["channel_shift_intensity"] = _either_way(shift) if shift else None
        drawn["brightness"] = np.random.uniform(*light) if light is not None else None
        return drawn

    def apply_transform(self, x, transform_parameters):
        """An image changed as a dict says; what is missing in it changes nothing.

        Args:
            x: an array with three axes.
            transform_parameters: any of `theta`, `tx`, `ty`, `shear`, `zx`, `zy` (see `apply_affine_transform`),
                `flip_horizontal`, `flip_vertical` (bools), `channel_shift_intensity` and `brightness`.
        """
        row, column, channel = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        names = ("theta", "tx", "ty", "shear", "zx", "zy")
        affine = {name: transform_parameters[name] for name in names if name in transform_parameters}
        x = transforms.apply_affine_transform(
            x, **affine, row_axis=row, col_axis=column, channel_axis=channel, fill_mode=self.fill_mode, cval=self.cval,
            order=self.interpolation_order,
        )  # fmt: skip
        intensity = transform_parameters.get("channel_shift_intensity")
        if intensity is not None:
            x = transforms.apply_channel_shift(x, intensity, channel)
        if transform_parameters.get("flip_horizontal"):
            x = transforms.flip_axis(x, column)
        if transform_parameters.get("flip_vertical"):
            x = transforms.flip_axis(x, row)
        brightness = transform_parameters.get("brightness")
        return x if brightness is None else transforms.brightened(x, brightness, False, self.data_format)

    def random_transform(self, x, seed=None):
        """An image changed at random; `seed` seeds `np.random` first."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def standardize(self, x):
        """Images with `preprocessing_function`, `rescale`, means, deviations and whitening applied. An array of floats
        is changed in place, as in Keras 2; what comes is returned too."""
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        x = np.asarray(x)
        x = x if x.dtype.kind == "f" else x.astype(self.dtype)
        if self.rescale:
            x *= self.rescale
        if self.samplewise_center:
            x -= np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, keepdims=True) + 1e-6
        if self.featurewise_center and self._was_fit("featurewise_center", self.mean):
            x -= self.mean
        if self.featurewise_std_normalization and self._was_fit("featurewise_std_normalization", self.std):
            x /= self.std + 1e-6
        if self.zca_whitening and self._was_fit("zca_whitening", self.zca_whitening_matrix):
            x = (x.reshape(-1, len(self.zca_whitening_matrix)) @ self.zca_whitening_matrix).reshape(x.shape)
        return x

    def _was_fit(self, name, learnt):
        if learnt is None:
            warnings.warn(f"`{name}` changes nothing before fit(images) has seen data.", stacklevel=3)
        return learnt is not None

    def fit(self, x, augment=False, rounds=1, seed=None):
        """Learns `mean`, `std` and `zca_whitening_matrix` from images.

        Args:
            x: `(rows, height, width, channels)`.
            augment: change them at random first.
            rounds: how often they are changed.
            seed: seeds `np.random` first.

        Raises `ValueError` for what is no batch of images.
        """
        x = np.array(x, dtype=self.dtype)
        if x.ndim != 4:
            raise ValueError(f"`x` must be a batch of images with 4 axes, got shape {x.shape}.")
        check_channels(x, self.data_format)
        if seed is not None:
            np.random.seed(seed)
        if self.rescale:
            x *= self.rescale
        if augment:
            x = np.stack([self.random_transform(image) for _ in range(rounds) for image in x])
        axes = (0, self.row_axis, self.col_axis)
        if self.featurewise_center:
            self.mean = np.mean(x, axis=axes, keepdims=True)[0]
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(x, axis=axes, keepdims=True)[0]
            x /= self.std + 1e-6
        if self.zca_whitening:
            directions, spread, _ = np.linalg.svd(x.reshape(len(x), -1).T, full_matrices=False)
            self.zca_whitening_matrix = (directions * (np.sqrt(len(x)) / (spread + self.zca_epsilon))) @ directions.T


def _either_way(amount):
    return np.random.uniform(-amount, amount)


def _shift(amount, size):
    """Pixels: one of a list, a whole number below a whole one, or any below a float; shares of the size below 1."""
    if not amount:
        return 0
    if np.ndim(amount) or (isinstance(amount, numbers.Integral) and amount > 0):
        shift = np.random.choice(amount) * np.random.choice([-1, 1])
    else:
        shift = _either_way(amount)
    return shift * size if np.max(amount) < 1 else shift
