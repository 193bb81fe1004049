"""Images under an affine map, with the numbers of `scipy.ndimage.affine_transform`.

May import numpy and torch; scipy only for splines. Knows neither axes in another order nor what is random.
"""

import numpy as np
import torch

FILL_MODES = ("nearest", "reflect", "wrap", "constant")


def affine_transform(channels, matrix, offset, order=1, fill_mode="nearest", cval=0.0):
    """Each channel with the value from place `matrix @ (row, column) + offset` at `(row, column)`.

    Args:
        channels: array `(channels, rows, columns)`.
        matrix, offset: arrays `(2, 2)` and `(2,)`.
        order: 0 takes the nearest value, 1 interpolates linearly, 2 to 5 are splines, for which scipy is needed.
        fill_mode: what lies outside: "nearest" repeats the edge, "reflect" mirrors at it (`abc|cba`), "wrap" begins
            again, the last value on the first, and "constant" is `cval`.

    Returns an array of the same shape and type.

    Raises `ValueError` for other modes, `ModuleNotFoundError` for splines without scipy.
    """
    if fill_mode not in FILL_MODES:
        raise ValueError(f"`fill_mode` must be one of {', '.join(map(repr, FILL_MODES))}, got {fill_mode!r}.")
    if order not in (0, 1):
        return _splines(channels, matrix, offset, order, fill_mode, cval)
    rows, columns = (np.arange(size, dtype="float64") for size in channels.shape[1:])
    # One sum after the other, as scipy adds: a place counts as inside or outside by its last bit.
    places = [start + a * rows[:, None] + b * columns for (a, b), start in zip(matrix, offset, strict=True)]
    inside = [_inside(each, size, fill_mode) for each, size in zip(places, channels.shape[1:], strict=True)]
    values = _nearest(channels, *inside) if order == 0 else _interpolated(channels, *inside)
    if fill_mode == "constant":
        outside = np.logical_or(*((each < 0) | (each > size - 1) for each, size in zip(places, channels.shape[1:])))
        values[:, outside] = cval
    return _as_type(values, channels.dtype)


def _inside(places, size, fill_mode):
    """Places along one axis, brought into the image as the mode says. Adds whole numbers only, and in scipy's order:
    halves must stay halves."""
    last = size - 1
    if fill_mode == "reflect":
        below = places + 2 * size * np.trunc(-places / (2 * size))
        below = np.where(below < -size, below + 2 * size, -below - 1)
        above = places - 2 * size * np.trunc(places / (2 * size))
        above = np.where(above >= size, 2 * size - above - 1, above)
        places = np.where(places < 0, below, above)
    elif fill_mode == "wrap" and last:
        below = places + last * (np.trunc(-places / last) + 1)
        above = places - last * np.trunc(places / last)
        places = np.where(places < 0, below, np.where(places > last, above, places))
    return np.clip(places, 0, last)


def _nearest(channels, rows, columns):
    return channels[:, np.floor(rows + 0.5).astype("int64"), np.floor(columns + 0.5).astype("int64")].astype("float64")


def _interpolated(channels, rows, columns):
    """Linear interpolation by torch's kernel, which counts places from -1 to 1."""
    _, height, width = channels.shape
    grid = np.stack([columns * (2 / max(width - 1, 1)) - 1, rows * (2 / max(height - 1, 1)) - 1], axis=-1)
    image = torch.from_numpy(np.ascontiguousarray(channels, dtype="float64"))[None]
    sampled = torch.nn.functional.grid_sample(
        image, torch.from_numpy(grid)[None], padding_mode="border", align_corners=True
    )
    return sampled[0].numpy()


def _as_type(values, dtype):
    """Numbers in another type; whole ones are rounded, halves away from zero."""
    if dtype.kind not in "iu":
        return values.astype(dtype)
    limits, values = np.iinfo(dtype), values.round(9)  # a half that the kernel missed by its last bits
    return np.clip(np.trunc(values + np.copysign(0.5, values)), limits.min, limits.max).astype(dtype)


def _splines(channels, matrix, offset, order, fill_mode, cval):
    try:
        from scipy import ndimage
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"Interpolation of order {order} needs scipy: pip install scipy, or use order 0 or 1."
        ) from None
    options = {"order": order, "mode": fill_mode, "cval": cval}
    return np.stack([ndimage.affine_transform(each, matrix, offset, **options) for each in channels])
