"""What can be done to one image: turn, shift, shear, zoom, more or less light. Each as it is told, or at random.

May import core, utils and this room. Draws from `np.random`, with the numbers that Keras 2 draws from one seed.
"""

import numpy as np

from torchkeras.errors import InvalidArgumentError
from torchkeras.keras2.preprocessing.affine import affine_transform
from torchkeras.utils.images import array_to_img, img_to_array, pillow

__all__ = [
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
]


def apply_affine_transform(
    x, theta=0, tx=0, ty=0, shear=0, zx=1, zy=1, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0,
    order=1,
):  # fmt: skip
    """An image turned, shifted, sheared and zoomed around its middle.

    Args:
        x: an array with three axes.
        theta: angle in degrees.
        tx, ty: shifts in pixels.
        shear: angle in degrees.
        zx, zy: zoom; below 1 the image becomes larger.
        row_axis, col_axis, channel_axis: which axes these are. Channels come first or last.
        fill_mode: what lies outside: "nearest" repeats the edge, "reflect" mirrors (`abc|cba`), "wrap" begins again,
            "constant" is `cval`.
        order: 0 nearest, 1 linear; 2 to 5 are splines and need scipy.

    Where columns come after rows, `x` means columns and `y` rows, and the middle is that of an image as high as this
    one is wide: so it is in Keras 2, whose numbers these are.

    Returns an array of the same shape and type; `x` itself where nothing changes.

    Raises `ValueError` for axes that are not these three, and unknown modes.

    Example:
        >>> image = np.arange(9.0).reshape(3, 3, 1)
        >>> apply_affine_transform(image, ty=1, row_axis=0, col_axis=1, channel_axis=2)[..., 0].tolist()
        [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [6.0, 7.0, 8.0]]

    In torch: `torchvision.transforms.functional.affine`.
    """
    _check_axes(x, row_axis, col_axis, channel_axis)
    if theta == tx == ty == shear == 0 and zx == zy == 1:
        return x
    matrix = _around_the_middle(_matrix(theta, tx, ty, shear, zx, zy), x.shape[row_axis], x.shape[col_axis])
    if col_axis > row_axis:
        matrix = matrix[[1, 0, 2]][:, [1, 0, 2]]
    channels = np.moveaxis(x, channel_axis, 0)
    made = affine_transform(channels, matrix[:2, :2], matrix[:2, 2], order, fill_mode, cval)
    return np.moveaxis(made, 0, channel_axis)


def _check_axes(x, *axes):
    if x.ndim != 3:
        raise ValueError(f"An image has 3 axes, got shape {x.shape}.")
    if sorted(axes) != [0, 1, 2]:
        raise ValueError(f"`row_axis`, `col_axis` and `channel_axis` must be 0, 1 and 2 in some order, got {axes}.")
    if axes[-1] == 1:
        raise ValueError("`channel_axis` must be 0 or 2: channels come first or last.")


def _matrix(theta, tx, ty, shear, zx, zy):
    theta, shear = np.deg2rad(theta), np.deg2rad(shear)
    turned = np.array([[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]])
    shifted = np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    sheared = np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]])
    return turned @ shifted @ sheared @ np.diag([zx, zy, 1])


def _around_the_middle(matrix, height, width):
    to_middle, back = np.eye(3), np.eye(3)
    to_middle[:2, 2] = height / 2 - 0.5, width / 2 - 0.5
    back[:2, 2] = -to_middle[:2, 2]
    return to_middle @ matrix @ back


def flip_axis(x, axis):
    """An image, backwards along an axis."""
    return np.flip(x, axis)


def apply_channel_shift(x, intensity, channel_axis=0):
    """An image with `intensity` added, kept between its own smallest and largest value. `channel_axis` says nothing.

    Example:
        >>> apply_channel_shift(np.array([[[0.0, 5.0, 9.0]]]), 2.0)
        array([[[2., 7., 9.]]])
    """
    return np.clip(x + intensity, np.min(x), np.max(x))


def apply_brightness_shift(x, brightness, scale=True):
    """An image with its light multiplied, in steps of 1 from 0 to 255. Needs Pillow.

    Args:
        x: `(height, width, channels)` with 1, 3 or 4 channels, or in the order of the global setting.
        brightness: factor; 0 is black.
        scale: spread the values over 0 to 255 first. Without, only those that lie outside are, and go back to where
            they were.

    Example:
        >>> apply_brightness_shift(np.full((1, 1, 3), 100.0), 1.5, scale=False).tolist()
        [[[150.0, 150.0, 150.0]]]
    """
    return brightened(x, brightness, scale, None)


def brightened(x, brightness, scale, data_format):
    """`apply_brightness_shift` with the channels where they are said to be."""
    low, high = np.min(x), np.max(x)
    outside = low < 0 or high > 255
    img = array_to_img(x, data_format=data_format, scale=outside or scale)
    black = pillow().new(img.mode, img.size, 0)
    if "A" in img.getbands():
        black.putalpha(img.getchannel("A"))
    x = img_to_array(pillow().blend(black, img, brightness), data_format=data_format)
    return x / 255 * (high - low) + low if outside and not scale else x


# -- at random --------------------------------------------------------------------------------------------------------


def random_rotation(
    x, rg, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0, interpolation_order=1
):
    """An image turned by up to `rg` degrees either way. Other arguments: as of `apply_affine_transform`.

    Example:
        >>> random_rotation(np.zeros((3, 8, 8)), 30).shape
        (3, 8, 8)
    """
    theta = np.random.uniform(-rg, rg)
    return apply_affine_transform(
        x, theta, 0, 0, 0, 1, 1, row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order
    )


def random_shift(
    x, wrg, hrg, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0, interpolation_order=1
):
    """An image shifted by up to the shares `wrg` of its width and `hrg` of its height. Other arguments: as of
    `apply_affine_transform`.

    Example:
        >>> random_shift(np.zeros((3, 8, 8)), 0.2, 0.2).shape
        (3, 8, 8)
    """
    tx = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    return apply_affine_transform(
        x, 0, tx, ty, 0, 1, 1, row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order
    )


def random_shear(
    x, intensity, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0, interpolation_order=1
):
    """An image sheared by up to `intensity` degrees either way. Other arguments: as of `apply_affine_transform`.

    Example:
        >>> random_shear(np.zeros((3, 8, 8)), 10).shape
        (3, 8, 8)
    """
    shear = np.random.uniform(-intensity, intensity)
    return apply_affine_transform(
        x, 0, 0, 0, shear, 1, 1, row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order
    )


def random_zoom(
    x, zoom_range, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0, interpolation_order=1
):
    """An image zoomed along each axis by a factor from `zoom_range`, a pair. Other arguments: as of
    `apply_affine_transform`.

    Raises `ValueError` for what is no pair.

    Example:
        >>> random_zoom(np.zeros((3, 8, 8)), (0.8, 1.2)).shape
        (3, 8, 8)
    """
    low, high = pair(zoom_range, "zoom_range")
    zx, zy = (1, 1) if low == high == 1 else np.random.uniform(low, high, 2)
    return apply_affine_transform(
        x, 0, 0, 0, 0, zx, zy, row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order
    )


def random_channel_shift(x, intensity_range, channel_axis=0):
    """`apply_channel_shift` by up to `intensity_range` either way.

    Example:
        >>> random_channel_shift(np.zeros((8, 8, 3)), 10.0).shape
        (8, 8, 3)
    """
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range), channel_axis)


def random_brightness(x, brightness_range, scale=True):
    """`apply_brightness_shift` by a factor from `brightness_range`, a pair.

    Raises `ValueError` for what is no pair.

    Example:
        >>> random_brightness(np.ones((8, 8, 3)), (0.5, 1.5)).shape
        (8, 8, 3)
    """
    low, high = pair(brightness_range, "brightness_range")
    return apply_brightness_shift(x, np.random.uniform(low, high), scale)


def pair(value, name):
    """`value` as a list of two numbers. Raises `InvalidArgumentError` for what is none."""
    if not isinstance(value, (list, tuple, np.ndarray)) or len(value) != 2:
        raise InvalidArgumentError(f"`{name}` must be a pair of numbers, got {value!r}.")
    return list(value)
