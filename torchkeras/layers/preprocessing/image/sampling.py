"""Images read at other places: torch's kernel where it can serve, else the operations of `keras.ops.image`.

May import core and ops. Knows no layer.

The kernel takes places in parts of the image, which moves them by about 1e-5 of a pixel: for augmentation that is
nothing, and it takes a hundredth of the time. It knows neither the mode "wrap" nor second derivatives.
"""

import torch
import torch.nn.functional as F

from torchkeras.core.transforms import beyond_kernels
from torchkeras.ops._images import from_planes, rounded_to, to_planes
from torchkeras.ops.image_geometry import sample_images

_PADDING = {"constant": "zeros", "nearest": "border", "reflect": "reflection"}
_SMALL = (torch.uint8, torch.int8, torch.int16, torch.float16, torch.bfloat16)  # float32 holds all their values


def by_matrix(images, matrix, interpolation, fill_mode, fill_value, data_format):
    """A batch that shows at column x, row y what it had at `(a0 x + a1 y + a2, b0 x + b1 y + b2) / (c0 x + c1 y + 1)`.

    Args:
        images: `(batch, height, width, channels)` or channels first.
        matrix: `(batch, 8)`: a0, a1, a2, b0, b1, b2, c0, c1; with 6 numbers c0 and c1 are zero.
        interpolation, fill_mode, fill_value, data_format: as for `keras.ops.image.affine_transform`.
    """
    height, width = to_planes(images, data_format).shape[-2:]
    rows = torch.arange(height, dtype=matrix.dtype, device=images.device)[:, None]
    columns = torch.arange(width, dtype=matrix.dtype, device=images.device)
    numbers = [number[:, None, None] for number in matrix.unbind(-1)]
    x, y = (a * columns + (b * rows + c) for a, b, c in (numbers[:3], numbers[3:6]))
    if len(numbers) == 8:
        depth = numbers[6] * columns + (numbers[7] * rows + 1)
        x, y = x / depth, y / depth
    return at_places(images, y, x, interpolation, fill_mode, fill_value, data_format)


def at_places(images, rows, columns, interpolation, fill_mode, fill_value, data_format):
    """A batch read at `(batch, height, width)` rows and columns."""
    known = images.dtype in _SMALL or images.dtype in (torch.float32, torch.float64)
    if fill_mode not in _PADDING or not known or images.requires_grad or rows.requires_grad or beyond_kernels():
        return sample_images(images, data_format, rows, columns, interpolation, fill_mode, fill_value)
    planes = to_planes(images, data_format)
    planes = planes.to(torch.float32) if images.dtype in _SMALL else planes
    height, width = planes.shape[-2:]
    grid = torch.stack([columns * (2 / width) + (1 / width - 1), rows * (2 / height) + (1 / height - 1)], -1)
    if interpolation == "nearest" and not images.is_floating_point():
        fill_value = int(fill_value)  # values are taken as they are, and cast
    shift = +fill_value if fill_mode == "constant" else 0  # the kernel fills with zeros
    found = F.grid_sample(
        planes - shift if shift else planes, grid.to(planes.dtype), interpolation, _PADDING[fill_mode], False
    )
    found = from_planes(found + shift if shift else found, data_format, 4)
    return rounded_to(found, images.dtype).contiguous()
