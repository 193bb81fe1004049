"""Images read at other places: `map_coordinates` and the transforms of `keras.ops.image` built on it.

May import core, random and the makers. Images are sampled by gathering pixels at whole-number places. torch's
`grid_sample` is not used: it wants coordinates scaled to -1…1, and the rounding of that moves whole-number positions,
so that an identity transform would no longer give back the image.
"""

import functools
import itertools
import operator

import torch

from torchkeras import random
from torchkeras.core.conversion import as_tensor
from torchkeras.core.symbolic import operation
from torchkeras.core.windows import standardize_data_format
from torchkeras.ops._images import (
    choice,
    from_planes,
    image_shape,
    rounded_to,
    same_shape_spec,
    spec,
    to_planes,
    working_dtype,
)
from torchkeras.ops._makers import as_float, shape_of
from torchkeras.ops.image_windows import blur

__all__ = ["affine_transform", "elastic_transform", "map_coordinates", "perspective_transform"]

_ORDERS = {"nearest": 0, "bilinear": 1}

# -- sampling ---------------------------------------------------------------------------------------------------------


def _mirror(index, size):
    """Indices that swing between the ends without repeating them: 0 1 2 1 0 1 2 for size 3."""
    last = size - 1
    return torch.abs((index + last) % (2 * last) - last) if last else torch.zeros_like(index)


_INTO_RANGE = {
    "constant": lambda index, size: index.clamp(0, size - 1),
    "nearest": lambda index, size: index.clamp(0, size - 1),
    "wrap": lambda index, size: index % size,
    "mirror": _mirror,
    "reflect": lambda index, size: (_mirror(2 * index + 1, 2 * size + 1) - 1) // 2,
}


def _neighbours(coordinate, size, order, fill_mode):
    """`(index, inside, weight)` of the one or two entries around a coordinate; `inside` and `weight` may be None."""
    if order == 0:
        found = [((torch.round(coordinate) if coordinate.is_floating_point() else coordinate).long(), None)]
    else:
        lower = torch.floor(coordinate)
        share = coordinate - lower
        found = [(lower.long(), 1 - share), (lower.long() + 1, share)]
    fix = _INTO_RANGE[fill_mode]
    return [
        (fix(index, size), (index >= 0) & (index < size) if fill_mode == "constant" else None, weight)
        for index, weight in found
    ]


def _sample(entries, sizes, coordinates, order, fill_mode, fill_value, start=0):
    """Weighted sums of the entries around each place.

    Args:
        entries: a flattened grid, `(n,)`, or several, `(channels, n)`. Channels come first, so that weights spread over
            whole planes and not over three numbers at a time.
        sizes: the grid's shape.
        coordinates: for each axis of the grid a tensor of places, all of one shape.
        start: where the grid begins in `entries`; a tensor for a batch of grids.

    Returns `(*places)`, or `(channels, *places)`.
    """
    dtype = entries.dtype
    if not dtype.is_floating_point and isinstance(fill_value, (int, float)):
        fill_value = int(fill_value)
    axes = [_neighbours(c, size, order, fill_mode) for c, size in zip(coordinates, sizes, strict=True)]
    total = None
    for corner in itertools.product(*axes):
        flat = functools.reduce(lambda flat, pair: flat * pair[1] + pair[0], zip((i for i, _, _ in corner), sizes), 0)
        flat = flat + start
        value = entries.index_select(-1, flat.reshape(-1)).reshape(*entries.shape[:-1], *flat.shape)
        if fill_mode == "constant":
            inside = functools.reduce(operator.and_, (inside for _, inside, _ in corner))
            value = torch.where(inside, value, fill_value)
        if order:
            value = functools.reduce(operator.mul, (weight for _, _, weight in corner)) * value
        total = value if total is None else total + value
    return rounded_to(total, dtype)


def _map_spec(inputs, coordinates):
    shape, places = shape_of(inputs), _places_shape(coordinates)
    _check_places(shape, places)
    return spec(inputs, places[1:])


def _places_shape(coordinates):
    if isinstance(coordinates, (list, tuple)):
        return (len(coordinates), *shape_of(coordinates[0]))
    return tuple(shape_of(coordinates))


def _check_places(shape, places):
    if not places or places[0] != len(shape):
        raise ValueError(
            f"`coordinates` must hold one array of places for each of the {len(shape)} axes of `inputs` "
            f"{tuple(shape)}, got shape {places}."
        )
    if len(places) < 2:
        raise ValueError(f"`coordinates` must have at least two axes, got shape {places}.")


@operation("MapCoordinates", "image", ("inputs", "coordinates"), _map_spec)
def map_coordinates(inputs, coordinates, order, fill_mode="constant", fill_value=0):
    """The numbers of `inputs` at given places, between entries by interpolation (as `scipy.ndimage.map_coordinates`).

    Args:
        inputs: any shape and dtype; for integers the result is rounded.
        coordinates: `(rank of inputs, *places)`, or a list of that many tensors; in entries, not -1…1.
        order: 0 takes the nearest entry, 1 interpolates linearly.
        fill_mode: what lies outside. "constant" `fill_value`; "nearest" the edge; "wrap" the other side; "mirror"
            `d c b | a b c d | c b a`; "reflect" `c b a | a b c d | d c b`.

    Returns `places`-shaped numbers of the inputs' dtype. Raises `ValueError` for coordinates of another rank or an
    unknown mode, `NotImplementedError` for higher orders.

    Example:
        >>> map_coordinates(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), [[0.5], [0.5]], order=1)
        tensor([1.5000])
    """
    inputs = as_tensor(inputs)
    if isinstance(coordinates, (list, tuple)):
        coordinates = [as_tensor(places, device=inputs.device) for places in coordinates]
    else:
        coordinates = as_tensor(coordinates, device=inputs.device)
    _check_places(inputs.shape, _places_shape(coordinates))
    choice(fill_mode, _INTO_RANGE, "fill_mode")
    if order not in (0, 1):
        raise NotImplementedError(f"`order` must be 0 (nearest) or 1 (linear), got {order}.")
    return _sample(inputs.reshape(-1), inputs.shape, list(coordinates), order, fill_mode, fill_value)


def sample_images(images, data_format, rows, columns, interpolation, fill_mode, fill_value):
    """Images read at `(batch, height, width)` rows and columns."""
    planes = to_planes(images, data_format).transpose(0, 1)
    channels, batch, height, width = planes.shape
    start = torch.arange(batch, device=planes.device)[:, None, None] * (height * width)
    entries, places = planes.reshape(channels, -1), (rows, columns)
    result = _sample(entries, (height, width), places, _ORDERS[interpolation], fill_mode, fill_value, start)
    return from_planes(result.transpose(0, 1), data_format, images.dim()).contiguous()


def _grid(images, data_format, dtype):
    """The number of images, and rows `(height, 1)` and columns `(width,)` of each pixel."""
    batch, _, height, width = to_planes(images, data_format).shape
    rows = torch.arange(height, dtype=dtype, device=images.device)[:, None]
    return batch, rows, torch.arange(width, dtype=dtype, device=images.device)


# -- affine -----------------------------------------------------------------------------------------------------------


def _check_transform(transform):
    shape = tuple(shape_of(transform))
    if len(shape) not in (1, 2) or shape[-1] not in (8, None):
        raise ValueError(f"`transform` must have the shape (8,) or (batch, 8), got {shape}.")


def _affine_spec(images, transform):
    _check_transform(transform)
    return same_shape_spec(images)


@operation("AffineTransform", "image", ("images", "transform"), _affine_spec)
def affine_transform(images, transform, interpolation="bilinear", fill_mode="constant", fill_value=0, data_format=None):
    """Images turned, sheared, scaled and moved.

    Args:
        images: one image or a batch, any dtype.
        transform: `(8,)` or `(batch, 8)` numbers a0, a1, a2, b0, b1, b2, c0, c1. The result shows at column x, row y
            what the input has at `((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k)` with `k = c0 x + c1 y + 1`.
        interpolation: "nearest" or "bilinear".
        fill_mode: "constant", "nearest", "wrap", "mirror" or "reflect"; see `map_coordinates`.

    Returns images of the same shape and dtype. Raises `ValueError` for unknown options and other shapes.

    Differs from Keras on torch: one transform serves a whole batch, and c0 and c1 act as on TensorFlow (Keras on torch
    adds them to the coordinates, times the number of the channel).

    Example:
        >>> images = torch.ones(2, 8, 8, 3)
        >>> right = affine_transform(images, [1, 0, -2, 0, 1, 0, 0, 0])  # moved by two pixels
    """
    choice(interpolation, _ORDERS, "interpolation")
    choice(fill_mode, _INTO_RANGE, "fill_mode")
    images = as_tensor(images)
    image_shape(images)
    transform = as_float(as_tensor(transform, device=images.device))
    _check_transform(transform)
    data_format = standardize_data_format(data_format)
    batch, rows, columns = _grid(images, data_format, transform.dtype)
    transform = _one_per_image(transform.reshape(-1, 8), batch, "transform")
    a0, a1, a2, b0, b1, b2, c0, c1 = (number[:, None, None] for number in transform.unbind(-1))
    depth = c0 * columns + c1 * rows + 1
    new_columns = (a1 * rows + a0 * columns + a2) / depth
    new_rows = (b1 * rows + b0 * columns + b2) / depth
    return sample_images(images, data_format, new_rows, new_columns, interpolation, fill_mode, fill_value)


def _one_per_image(values, batch, name):
    if values.shape[0] not in (1, batch):
        raise ValueError(f"`{name}` holds {values.shape[0]} transforms for {batch} images: give one, or one for each.")
    return values.expand(batch, *values.shape[1:])


# -- perspective ------------------------------------------------------------------------------------------------------


def _check_points(start_points, end_points):
    shapes = [tuple(shape_of(points)) for points in (start_points, end_points)]
    for name, shape in zip(("start_points", "end_points"), shapes, strict=True):
        if len(shape) not in (2, 3) or shape[-2:] != (4, 2):
            raise ValueError(f"`{name}` must have the shape (4, 2) or (batch, 4, 2), got {shape}.")
    if shapes[0] != shapes[1]:
        raise ValueError(f"`start_points` and `end_points` must have one shape, got {shapes[0]} and {shapes[1]}.")


def _perspective_spec(images, start_points, end_points):
    _check_points(start_points, end_points)
    return same_shape_spec(images)


@operation("PerspectiveTransform", "image", ("images", "start_points", "end_points"), _perspective_spec)
def perspective_transform(images, start_points, end_points, interpolation="bilinear", fill_value=0, data_format=None):
    """Images seen from another angle: four points are moved to four others, straight lines stay straight.

    Args:
        images: one image or a batch, any dtype.
        start_points: `(4, 2)` or `(batch, 4, 2)` corners (x, y) in the input.
        end_points: where they come to lie, same shape.
        interpolation: "nearest" or "bilinear".
        fill_value: number for places outside the input.

    Returns images of the same shape and dtype. Raises `ValueError` for other shapes; torch's `LinAlgError` where three
    of the end points lie on one line.

    Example:
        >>> corners = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
        >>> perspective_transform(torch.ones(10, 10, 3), corners, corners.flip(0)).shape
        torch.Size([10, 10, 3])
    """
    choice(interpolation, _ORDERS, "interpolation")
    images = as_tensor(images)
    image_shape(images)
    dtype = working_dtype(images.dtype)
    start_points, end_points = (
        as_tensor(points, device=images.device).to(dtype) for points in (start_points, end_points)
    )
    _check_points(start_points, end_points)
    data_format = standardize_data_format(data_format)
    batch, rows, columns = _grid(images, data_format, dtype)
    numbers = homography(start_points.reshape(-1, 4, 2), end_points.reshape(-1, 4, 2))
    numbers = _one_per_image(numbers, batch, "start_points")
    a0, a1, a2, a3, a4, a5, a6, a7 = (number[:, None, None] for number in numbers.unbind(-1))
    depth = a6 * columns + a7 * rows + 1.0
    new_columns = (a0 * columns + a1 * rows + a2) / depth
    new_rows = (a3 * columns + a4 * rows + a5) / depth
    return sample_images(images, data_format, new_rows, new_columns, interpolation, "constant", fill_value)


def homography(start, end):
    """The eight numbers that lead from each end point back to its start point: `(batch, 4, 2)` twice -> `(batch, 8)`.

    Two linear equations for each point: `x (a6 u + a7 v + 1) = a0 u + a1 v + a2`, and the same for y.
    """
    dtype = start.dtype
    start, end = (points.to(torch.promote_types(dtype, torch.float32)) for points in (start, end))
    (x, y), (u, v) = start.unbind(-1), end.unbind(-1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    for_x = torch.stack([u, v, one, zero, zero, zero, -x * u, -x * v], -1)
    for_y = torch.stack([zero, zero, zero, u, v, one, -y * u, -y * v], -1)
    equations = torch.stack([for_x, for_y], 2).reshape(-1, 8, 8)
    return torch.linalg.solve(equations, start.reshape(-1, 8)).to(dtype)


# -- elastic ----------------------------------------------------------------------------------------------------------


@operation("ElasticTransform", "image", ("images",), same_shape_spec)
def elastic_transform(
    images,
    alpha=20.0,
    sigma=5.0,
    interpolation="bilinear",
    fill_mode="reflect",
    fill_value=0.0,
    seed=None,
    data_format=None,
):
    """Images warped by a smooth random field, the same for all channels.

    Args:
        images: one image or a batch, any dtype.
        alpha: strength of the shifts.
        sigma: how smooth they are; standard deviation of the Gaussian that blurs the random numbers, in pixels.
        interpolation: "nearest" or "bilinear".
        fill_mode: see `map_coordinates`.
        seed: integer (the same field at each call) or SeedGenerator. None draws from torch's own generator, as Keras
            on torch does in every case.

    Returns images of the same shape and dtype. Raises `ValueError` for unknown options.

    Example:
        >>> elastic_transform(torch.rand(2, 32, 32, 3), alpha=8.0, sigma=3.0, seed=1).shape
        torch.Size([2, 32, 32, 3])
    """
    choice(interpolation, _ORDERS, "interpolation")
    choice(fill_mode, _INTO_RANGE, "fill_mode")
    images = as_tensor(images)
    image_shape(images)
    data_format = standardize_data_format(data_format)
    batch, rows, columns = _grid(images, data_format, torch.int64)
    shape = (batch, rows.shape[0], columns.shape[0])
    window = int(6 * sigma) | 1
    shifts = [
        blur(noise.unsqueeze(1) * sigma, (window, window), (sigma, sigma)).squeeze(1)
        for noise in _fields(shape, working_dtype(images.dtype), seed, images.device)
    ]
    new_columns, new_rows = columns + float(alpha) * shifts[0], rows + float(alpha) * shifts[1]
    return sample_images(images, data_format, new_rows, new_columns, interpolation, fill_mode, fill_value)


def _fields(shape, dtype, seed, device):
    """Two fields of normal numbers of a shape."""
    if seed is None:
        return [torch.normal(0.0, 1.0, size=shape, dtype=dtype, device=device) for _ in range(2)]
    return random.normal([2, *shape], dtype=dtype, seed=seed).to(device)
