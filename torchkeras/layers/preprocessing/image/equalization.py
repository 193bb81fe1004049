"""Layers that spread the values of images evenly by their histograms: of whole images, and of tiles.

May import core and the files of this folder.
"""

import torch

from torchkeras.core.arguments import number, positive_int, tuple_of
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.transforms import runs_plainly
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing.image.image_layer import range_of
from torchkeras.layers.preprocessing.image.pixel_layer import PixelLayer, from_bytes, in_bytes, sorted_range_of
from torchkeras.layers.preprocessing.image.portions import in_portions


def _tiles(value):
    """Two sizes, in the container in which they come."""
    sizes = tuple_of("tile_grid_size", 2)(value)
    return list(sizes) if isinstance(value, list) else sizes


def counts(places, size):
    """How often each of the numbers from 0 to `size - 1` occurs, as int64."""
    places = places.reshape(-1)
    if places.device.type == "cpu" and runs_plainly():
        return torch.bincount(places, minlength=size)  # whose size depends on data: no graph can have it
    places = places.long()
    return places.new_zeros(size).scatter_add(0, places, torch.ones_like(places))


@published("layer", "keras.layers")
class Equalization(PixelLayer):
    """Spreads the values of each channel evenly over the range: histogram equalization, of a batch as a whole.

    Args:
        value_range: least and greatest value of a pixel.
        bins: number of steps in which values are told apart.
        data_format: `"channels_last"` or `"channels_first"`.

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks. Gives the layer's `dtype`. Does
    nothing where `training=False`.

    Example:
        >>> Equalization()(torch.tensor([[[10.0], [20.0], [30.0]]])).flatten()
        tensor([  0., 128., 255.])

    In torch: `torchvision.transforms.v2.functional.equalize`.
    """

    value_range = field((0, 255), convert=sorted_range_of("value_range"))
    bins = field(256, convert=positive_int("bins"))
    data_format = _slots.data_format()

    def compute_output_spec(self, data, training=True):
        return self._like(data)

    def transform_images(self, images, transformation, training=True):
        if not training:
            return images
        planes = images.movedim(self._channel_axis, 1)
        found = self._tables(planes)
        dtype, working = self.dtype_policy.torch_compute, self._working_dtype

        def equalized(images):
            channels = []
            for channel, (table, flat) in zip(images.movedim(self._channel_axis, 0), found, strict=True):
                places = self._bins_of(channel, later=True).to(torch.int32)
                looked = table.index_select(0, places.reshape(-1)).reshape(channel.shape)
                channels.append(looked if flat is None else torch.where(flat, channel.to(working), looked))
            return torch.stack(channels, self._channel_axis)

        return in_portions(equalized, images, dtype=dtype)

    def _bins_of(self, values, later):
        """The bins of values. Keras rounds in another order where they are looked up (`later`) than where they are
        counted."""
        most = self.bins - 1
        low, high = self.value_range
        gain = 255 / (high - low)
        values = values.to(torch.float32)
        if (low, high) != (0, 255):
            values = values * gain - low * gain
        values = values / 255.0 * most if later else values * most / 255.0
        return values.clamp(0, most).to(torch.uint8 if most < 256 else torch.int32)

    def _tables(self, planes):
        """For each channel what each bin becomes, and whether all values lie in one bin, so that they stay."""
        found = []
        for channel in planes.unbind(1):
            histogram = sum(counts(self._bins_of(part, later=False), self.bins) for part in _parts(channel))
            total = histogram.cumsum(0)
            least = total.where(total > 0, total[-1]).amin()
            table = ((total - least) * 255 / (total[-1] - least).clamp(min=1)).round().clamp(0, 255)
            table = from_bytes(table.to(self._working_dtype), self.value_range)
            flat = histogram.count_nonzero() <= 1
            found.append((table, flat if not runs_plainly() or bool(flat) else None))
        return found


def _parts(channel):
    """A channel of a batch in portions whose intermediate results stay in the cache."""
    return channel.split(8) if runs_plainly() else (channel,)


@published("layer", "keras.layers")
class ContrastLimitedAdaptiveHistogramEqualization(PixelLayer):
    """Histogram equalization of tiles, with a limit to how much contrast rises, and smooth between tiles (CLAHE).

    Acts in training and otherwise.

    Args:
        value_range: least and greatest value of a pixel.
        clip_limit: how many times the even share a value may count at most; 0 for no limit.
        tile_grid_size: numbers of tiles, down and across.
        data_format: `"channels_last"` or `"channels_first"`.

    Takes an image, a batch of them, or a dict of images, labels, boxes and masks. Gives the dtype of the images.

    Example:
        >>> ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))(torch.rand(16, 16, 3) * 255).shape
        torch.Size([16, 16, 3])

    In torch: no counterpart.
    """

    value_range = field((0, 255), convert=range_of("value_range"))
    clip_limit = field(4.0, convert=number("clip_limit"))
    tile_grid_size = field((8, 8), convert=_tiles)
    data_format = _slots.data_format()

    def transform_images(self, images, transformation=None, training=True):
        return in_portions(self._equalized, images, dtype=images.dtype)

    def _equalized(self, images):
        last = self.data_format == "channels_last"
        planes = images.permute(0, 3, 1, 2) if last else images
        planes = in_bytes(planes.to(torch.float32), self.value_range).clamp(0, 255).long()
        found = from_bytes(self._between_tiles(planes), self.value_range)
        return found.permute(0, 2, 3, 1) if last else found

    def _between_tiles(self, planes):
        """`(batch, channels, height, width)` by the tables of the four tiles around each pixel."""
        batch, channels, height, width = planes.shape
        (down, across), sizes = self.tile_grid_size, (height, width)
        tall, wide = (-(-size // tiles) for size, tiles in zip(sizes, self.tile_grid_size, strict=True))
        rows, columns = _mirrored(height, tall * down, planes), _mirrored(width, wide * across, planes)
        tiles = planes[:, :, rows][..., columns].reshape(batch, channels, down, tall, across, wide)
        tiles = tiles.transpose(3, 4).reshape(batch * channels * down * across, tall * wide)
        tables = self._tables(tiles).reshape(-1)
        start = torch.arange(batch * channels, device=planes.device).reshape(batch, channels, 1, 1)
        (upper, lower, sink), (left, right, drift) = (
            _neighbours(size, step, count, planes.device)
            for size, step, count in ((height, tall, down), (width, wide, across))
        )

        def looked(row, column):
            tile = (start * down + row[:, None]) * across + column
            return tables.take(tile * 256 + planes)

        sink, drift = sink[:, None], drift
        above = looked(upper, left) * (1 - drift) + looked(upper, right) * drift
        below = looked(lower, left) * (1 - drift) + looked(lower, right) * drift
        return above * (1 - sink) + below * sink

    def _tables(self, tiles):
        """`(tiles, 256)`: what each value becomes in each tile `(tiles, pixels)`."""
        count, pixels = tiles.shape
        offsets = torch.arange(count, device=tiles.device)[:, None] * 256
        histograms = counts(tiles + offsets, count * 256).reshape(count, 256).to(torch.float32)
        if self.clip_limit > 0:
            cut = histograms.clamp(max=self.clip_limit * pixels / 256.0)
            histograms = cut + (histograms - cut).sum(-1, keepdim=True) / 256.0
        totals = histograms.cumsum(-1)
        least = totals.amin(-1, keepdim=True)
        rest = pixels - least
        return ((totals - least) * 255.0 / rest.where(rest != 0, 1.0)).clamp(0, 255)


def _mirrored(size, target, like):
    """Indices that carry `size` entries on to `target`, back and forth from the edge."""
    places = torch.arange(target, device=like.device) % (2 * size)
    return torch.minimum(places, 2 * size - 1 - places)


def _neighbours(size, step, count, device):
    """For each pixel along an axis the tiles whose middles lie before and behind it, and its way to the second."""
    place = (torch.arange(size, dtype=torch.float32, device=device) - step / 2.0) / step + 1.0
    before = place.floor()
    near = place - before
    before = before.long() - 1
    return before.clamp(0, count - 1), (before + 1).clamp(0, count - 1), near
