"""A batch of images, a few of them at a time.

May import core. Knows no layer.

What a layer does to pixels is a chain of operations, each a walk through memory. On the CPU a chain runs to its end on
some images, whose intermediate results stay in the cache, before the next ones come, and images that the chances have
left out are not computed at all. Everywhere else, and where torch records what happens, the chain runs once, on all.
"""

import torch

from torchkeras.core.transforms import runs_plainly

PORTION = 1 << 20  # bytes of the images, in float32


def in_portions(function, images, *each, dtype, chosen=None):
    """`function(images, *each)`.

    Args:
        function: gives images of the same shape, or of one that spreads to it.
        images: `(batch, …)`.
        each: tensors with an entry for each image, or with one for all.
        dtype: of the result.
        chosen: bools `(batch,)`: where False, the image stays as it is.
    """
    if not _apart(images, each):
        return _together(function, images, each, dtype, chosen)
    count = images.shape[0]
    chosen = [True] * count if chosen is None else chosen.expand(count).tolist()
    found = torch.empty(images.shape, dtype=dtype)
    step = max(1, PORTION // (4 * max(images[0].numel(), 1)))
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        wanted = chosen[part]
        if all(wanted):
            found[part] = function(images[part], *(_part(value, part, count) for value in each))
            continue
        found[part] = images[part]
        if any(wanted):
            places = torch.tensor([start + place for place, taken in enumerate(wanted) if taken])
            found[places] = function(images[places], *(_part(value, places, count) for value in each)).to(dtype)
    return found


def _apart(images, each):
    """Whether nobody records the operations, so that they may go portion by portion into memory that is there."""
    return (
        runs_plainly()  # asked first: whoever exports leaves sizes open
        and images.device.type == "cpu"
        and images.shape[0] > 1
        and images.numel() * 4 > PORTION
        and not (torch.is_grad_enabled() and any(value.requires_grad for value in (images, *each)))
    )


def _part(value, part, count):
    return value[part] if value.dim() and value.shape[0] == count else value


def _together(function, images, each, dtype, chosen):
    found = function(images, *each)
    if chosen is not None:
        found = torch.where(chosen.reshape(-1, *[1] * (images.dim() - 1)), found, images.to(found.dtype))
    return found.to(dtype)
