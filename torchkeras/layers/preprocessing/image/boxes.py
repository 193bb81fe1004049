"""Bounding boxes as tensors: their nine formats, the image's edge, and boxes in dicts.

May import core. Knows no layer.

A format is a kind (what the four numbers are) and whether they count pixels or, with "rel_", parts of the image. Every
conversion goes by way of the corners `x1, y1, x2, y2`.
"""

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.errors import UnsupportedInputError

_KINDS = ("xyxy", "yxyx", "xywh", "center_xywh")
FORMATS = (*_KINDS, "center_yxhw", *(f"rel_{kind}" for kind in _KINDS))


def _format(value, name):
    lowered = value.lower() if isinstance(value, str) else value
    if lowered not in FORMATS:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, FORMATS))}; got {value!r}.")
    return lowered


def _corners(boxes, kind):
    a, b, c, d = boxes.unbind(-1)
    if kind == "yxyx":
        return b, a, d, c
    if kind == "xywh":
        return a, b, a + c, b + d
    if kind == "center_xywh":
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    if kind == "center_yxhw":
        return b - d / 2, a - c / 2, b + d / 2, a + c / 2
    return a, b, c, d


def _from_corners(x1, y1, x2, y2, kind):
    if kind == "yxyx":
        return y1, x1, y2, x2
    if kind == "xywh":
        return x1, y1, x2 - x1, y2 - y1
    if kind == "center_xywh":
        return x1 + (x2 - x1) / 2, y1 + (y2 - y1) / 2, x2 - x1, y2 - y1
    if kind == "center_yxhw":
        return y1 + (y2 - y1) / 2, x1 + (x2 - x1) / 2, y2 - y1, x2 - x1
    return x1, y1, x2, y2


def convert_format(boxes, source, target, height=None, width=None, dtype="float32"):
    """Boxes of one format in another.

    Args:
        boxes: `(..., 4)`, or a dict with such a tensor under `"boxes"`.
        source, target: formats: `"xyxy"`, `"yxyx"`, `"xywh"`, `"center_xywh"`, `"center_yxhw"`, or the first four with
            `"rel_"` in front (as parts of the image), in any case.
        height, width: of the image, in pixels: where one format counts pixels and the other parts.
        dtype: of the result.

    Returns boxes of the same shape; of a dict a dict.

    Raises `ValueError` for boxes that are no four numbers, unknown formats, and sizes that are missing.

    Example:
        >>> convert_format(torch.tensor([[10.0, 20.0, 30.0, 60.0]]), "xyxy", "xywh")
        tensor([[10., 20., 20., 40.]])
    """
    source, target = _format(source, "source"), _format(target, "target")
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(boxes["boxes"], source, target, height, width, dtype)}
    boxes = as_tensor(boxes, what="`boxes`")
    if boxes.dim() == 0 or boxes.shape[-1] != 4:
        raise ValueError(f"`boxes` must have 4 numbers on their last axis, got shape {tuple(boxes.shape)}.")
    relative = [each.startswith("rel_") for each in (source, target)]
    if any(relative) and (height is None or width is None):
        raise ValueError(
            f"convert_format from {source!r} to {target!r} needs `height` and `width` of the image in pixels, got "
            f"height={height} and width={width}."
        )
    boxes = boxes.to(torch_dtype(dtype))
    if source == target:
        return boxes
    x1, y1, x2, y2 = _corners(boxes, source.removeprefix("rel_"))
    if relative == [True, False]:
        x1, y1, x2, y2 = x1 * width, y1 * height, x2 * width, y2 * height
    elif relative == [False, True]:
        x1, y1, x2, y2 = x1 / width, y1 / height, x2 / width, y2 / height
    return torch.stack(_from_corners(x1, y1, x2, y2, target.removeprefix("rel_")), -1)


def clip_to_image_size(bounding_boxes, height=None, width=None, bounding_box_format="xyxy"):
    """Boxes cut at the edge of the image; what is left without area has the label -1.

    Args:
        bounding_boxes: dict with `"boxes"` `(..., 4)` and perhaps `"labels"` `(...)`.
        height, width: of the image, needed for `"xyxy"`.
        bounding_box_format: `"xyxy"` or `"rel_xyxy"`.

    Returns a dict. Raises `NotImplementedError` for other formats, `ValueError` for sizes that are missing.

    Example:
        >>> boxes = {"boxes": torch.tensor([[-5.0, 2.0, 4.0, 30.0]]), "labels": torch.tensor([7])}
        >>> clip_to_image_size(boxes, height=10, width=10)["boxes"]
        tensor([[ 0.,  2.,  4., 10.]])
    """
    if bounding_box_format not in ("xyxy", "rel_xyxy"):
        raise NotImplementedError(
            f"clip_to_image_size knows 'xyxy' and 'rel_xyxy', got {bounding_box_format!r}: use convert_format first."
        )
    if bounding_box_format == "rel_xyxy":
        height = width = 1
    elif height is None or width is None:
        raise ValueError(
            f"clip_to_image_size needs `height` and `width` for 'xyxy', got height={height} and width={width}."
        )
    boxes = as_tensor(bounding_boxes["boxes"], what="`boxes`")
    sizes = torch.stack([torch.as_tensor(each, dtype=boxes.dtype, device=boxes.device) for each in (width, height)])
    x1, y1, x2, y2 = boxes.clamp(min=0).minimum(sizes.repeat(2)).unbind(-1)
    found = {**bounding_boxes, "boxes": torch.stack([x1, y1, x2, y2], -1)}
    if bounding_boxes.get("labels") is not None:
        labels = as_tensor(bounding_boxes["labels"], what="`labels`")
        found["labels"] = torch.where((x2 - x1) * (y2 - y1) > 0, labels, -1)
    return found


def against(matrix):
    """A function that moves the corners of boxes as a transformation of images moves pixels; a box becomes the smallest
    one around its moved corners.

    Args:
        matrix: `(batch, 8)` numbers a0, a1, a2, b0, b1, b2, c0, c1, which tell where pixels of the result come from.
    """
    whole = torch.cat([matrix, torch.ones_like(matrix[:, :1])], -1).reshape(-1, 3, 3)
    numbers = torch.linalg.inv_ex(whole)[0].flatten(1).unbind(-1)  # what cannot be undone gives no error, nor a wait
    a0, a1, a2, b0, b1, b2, c0, c1, c2 = (each[:, None] for each in numbers)

    def move(x1, y1, x2, y2):
        x, y = torch.stack([x1, x2, x1, x2]), torch.stack([y1, y1, y2, y2])
        depth = c0 * x + c1 * y + c2
        x, y = (a0 * x + a1 * y + a2) / depth, (b0 * x + b1 * y + b2) / depth
        return x.amin(0), y.amin(0), x.amax(0), y.amax(0)

    return move


def densified(boxes):
    """A dict of boxes and labels, perhaps ragged lists with a number of boxes for each image, as two tensors: images
    with fewer boxes than others have boxes of zeros with the label -1.

    Raises `ValueError` for what is no such dict, and for ranks that do not fit each other.
    """
    if not isinstance(boxes, dict) or not {"boxes", "labels"} <= boxes.keys():
        had = f"the keys {list(boxes)}" if isinstance(boxes, dict) else f"{type(boxes).__name__}"
        raise ValueError(f"'bounding_boxes' must be a dict with the keys 'boxes' and 'labels', got {had}.")
    places, labels = boxes["boxes"], boxes["labels"]
    if isinstance(places, (list, tuple)) != isinstance(labels, (list, tuple)):
        raise ValueError("'boxes' and 'labels' must both be lists or both be tensors.")
    if isinstance(places, (list, tuple)):
        if len(places) != len(labels):
            raise ValueError(f"'boxes' has {len(places)} entries and 'labels' has {len(labels)}: one for each.")
        places, labels = _padded(places, 0.0, 2), _padded(labels, -1, 1)
    if not isinstance(places, KerasTensor):
        places, labels = as_tensor(places, what="'boxes'").float(), as_tensor(labels, what="'labels'")
    rank = len(places.shape)
    if rank not in (2, 3) or len(labels.shape) not in (rank - 1, rank):
        raise ValueError(
            "'boxes' must have the shape (boxes, 4) or (batch, boxes, 4) and 'labels' one axis less, got "
            f"{tuple(places.shape)} and {tuple(labels.shape)}."
        )
    return {**boxes, "boxes": places, "labels": labels}


def _padded(rows, value, rank):
    """Entries for each image as one tensor, as long as the longest; one list for one image as it is."""
    try:
        tensors = [as_tensor(row) if len(row) else torch.empty(0, *[4] * (rank - 1)) for row in rows]
    except TypeError:  # numbers: the labels of one image
        return as_tensor(rows)
    except UnsupportedInputError as error:
        raise ValueError(f"'boxes' and 'labels' of an image must be numbers: {error}") from error
    if {tensor.dim() for tensor in tensors} != {rank}:
        return as_tensor(rows)
    padded = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)
    return padded if rank == 2 else padded.to(tensors[0].dtype)
