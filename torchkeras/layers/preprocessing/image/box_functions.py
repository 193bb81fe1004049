"""Boxes moved, cut, compared with each other and told as differences from anchors.

May import core and boxes. Knows no layer.
"""

import math

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.scopes import settings
from torchkeras.layers.preprocessing.image.boxes import convert_format

# -- moving and cutting -----------------------------------------------------------------------------------------------


def _only_xyxy(function, bounding_box_format):
    if bounding_box_format != "xyxy":
        raise NotImplementedError(
            f"{function} knows 'xyxy' only, got {bounding_box_format!r}: use convert_format before and after."
        )


def affine_transform(
    boxes,
    angle,
    translate_x,
    translate_y,
    scale,
    shear_x,
    shear_y,
    height,
    width,
    center_x=None,
    center_y=None,
    bounding_box_format="xyxy",
):
    """Boxes turned, sheared, scaled and moved; a box becomes the smallest one around its moved corners.

    Args:
        boxes: `(batch, boxes, 4)`.
        angle, shear_x, shear_y: `(batch,)`, in degrees.
        translate_x, translate_y: `(batch,)`, in widths and heights.
        scale: `(batch,)`.
        height, width: of the image.
        center_x, center_y: of the turn, in widths and heights; the middle by default.
        bounding_box_format: `"xyxy"`.

    Raises `NotImplementedError` for other formats.

    Example:
        >>> one, zero = torch.ones(1), torch.zeros(1)
        >>> affine_transform(torch.tensor([[[2.0, 2.0, 4.0, 4.0]]]), zero, zero, zero, 2 * one, zero, zero, 9, 9)
        tensor([[[0., 0., 4., 4.]]])
    """
    _only_xyxy("affine_transform", bounding_box_format)
    angle, shear_x, shear_y, scale, translate_x, translate_y = (
        as_tensor(each)[..., None] for each in (angle, shear_x, shear_y, scale, translate_x, translate_y)
    )
    turn, slope_x, slope_y = (each * (-math.pi / 180) for each in (angle, shear_x, shear_y))
    a = torch.cos(turn - slope_y) / torch.cos(slope_y)
    c = -torch.sin(turn - slope_y) / torch.cos(slope_y)
    b, d = a * torch.tan(slope_x) + torch.sin(turn), torch.cos(turn) - c * torch.tan(slope_x)
    middle_x = (0.5 if center_x is None else center_x) * (width - 1)
    middle_y = (0.5 if center_y is None else center_y) * (height - 1)
    x1, y1, x2, y2 = as_tensor(boxes).to(a.dtype).unbind(-1)
    x = torch.stack([x1, x2, x1, x2]) - middle_x + translate_x * (width - 1)
    y = torch.stack([y1, y1, y2, y2]) - middle_y + translate_y * (height - 1)
    x, y = scale * (d * x - b * y) + middle_x, scale * (a * y - c * x) + middle_y
    return torch.stack([x.amin(0), y.amin(0), x.amax(0), y.amax(0)], -1)


def crop(boxes, top, left, height, width, bounding_box_format="xyxy"):
    """Boxes in a part of the image, cut at its edges.

    Args:
        boxes: `(..., 4)`.
        top, left, height, width: of the part.
        bounding_box_format: `"xyxy"`.

    Raises `NotImplementedError` for other formats.

    Example:
        >>> crop(torch.tensor([[10.0, 20.0, 50.0, 60.0]]), top=10, left=20, height=40, width=30)
        tensor([[ 0., 10., 30., 40.]])
    """
    _only_xyxy("crop", bounding_box_format)
    x1, y1, x2, y2 = as_tensor(boxes).unbind(-1)
    x1, x2 = ((x - left).clamp(0, width) for x in (x1, x2))
    y1, y2 = ((y - top).clamp(0, height) for y in (y1, y2))
    return torch.stack([x1, y1, x2, y2], -1)


def pad(boxes, top, left, height=None, width=None, bounding_box_format="xyxy"):
    """Boxes in an image that has got `top` rows above and `left` columns on its left. `height` and `width` say nothing.

    Example:
        >>> pad(torch.tensor([[10.0, 20.0, 50.0, 60.0]]), top=1, left=2)
        tensor([[12., 21., 52., 61.]])
    """
    _only_xyxy("pad", bounding_box_format)
    boxes = as_tensor(boxes)
    return boxes + boxes.new_tensor([left, top, left, top])


# -- boxes and boxes --------------------------------------------------------------------------------------------------


def _size(image_shape):
    return (None, None) if image_shape is None else tuple(image_shape)[:2]


def _size_for(function, bounding_box_format, image_shape):
    if "rel" in bounding_box_format and image_shape is None:
        raise ValueError(f"{function} needs `image_shape`, (height, width, channels), for {bounding_box_format!r}.")
    return _size(image_shape)


def compute_iou(boxes1, boxes2, bounding_box_format, use_masking=False, mask_val=-1, image_shape=None):
    """How much each box has in common with each other one: area of both over area of either.

    Args:
        boxes1: `(boxes, 4)` or `(batch, boxes, 4)`.
        boxes2: `(others, 4)` or `(batch, others, 4)`.
        bounding_box_format: of both.
        use_masking: whether boxes of numbers below zero give `mask_val`.
        image_shape: `(height, width, channels)`, for relative formats.

    Returns `(boxes, others)` or `(batch, boxes, others)`.

    Raises `ValueError` for other ranks and a missing `image_shape`.

    Example:
        >>> compute_iou([[0.0, 0.0, 2.0, 2.0]], [[0.0, 0.0, 2.0, 1.0], [5.0, 5.0, 6.0, 6.0]], "xyxy")
        tensor([[0.5000, 0.0000]])
    """
    boxes1, boxes2 = as_tensor(boxes1), as_tensor(boxes2)
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if boxes.dim() not in (2, 3):
            raise ValueError(f"`{name}` must be (boxes, 4) or (batch, boxes, 4), got shape {tuple(boxes.shape)}.")
    size = _size_for("compute_iou", bounding_box_format, image_shape)
    boxes1, boxes2 = (convert_format(each, bounding_box_format, "xyxy", *size) for each in (boxes1, boxes2))
    one, other = boxes1[..., :, None, :], boxes2[..., None, :, :]
    shared = (torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2])).clamp(min=0)
    shared = shared.prod(-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(-1) for each in (one, other)]
    found = shared / (areas[0] + areas[1] - shared + settings.epsilon)
    if not use_masking:
        return found
    return found.masked_fill((one.amax(-1) < 0) | (other.amax(-1) < 0), mask_val)


def compute_ciou(boxes1, boxes2, bounding_box_format, image_shape=None):
    """Complete IoU of pairs of boxes (Zheng et al. 2020): IoU, less the distance of the middles and the difference of
    the proportions.

    Args:
        boxes1, boxes2: `(..., 4)`.
        bounding_box_format: of both, one that counts pixels.

    Returns `(...)`. Raises `ValueError` for relative formats.

    Example:
        >>> compute_ciou([[0.0, 0.0, 2.0, 2.0]], [[0.0, 0.0, 2.0, 2.0]], "xyxy").round(decimals=3)
        tensor([1.])
    """
    if "rel" in bounding_box_format:
        raise ValueError(f"compute_ciou takes boxes in pixels, got {bounding_box_format!r}: use convert_format first.")
    size, tiny = _size(image_shape), settings.epsilon
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = (
        convert_format(each, bounding_box_format, "xyxy", *size).unbind(-1) for each in (boxes1, boxes2)
    )
    a_width, a_height, b_width, b_height = ax2 - ax1, ay2 - ay1 + tiny, bx2 - bx1, by2 - by1 + tiny
    shared = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)).clamp(min=0)
    shared = shared * (torch.minimum(ay2, by2) - torch.maximum(ay1, by1)).clamp(min=0)
    iou = shared / (a_width * a_height + b_width * b_height - shared + 2 * tiny)
    around = (torch.maximum(ax2, bx2) - torch.minimum(ax1, bx1)) ** 2
    around = around + (torch.maximum(ay2, by2) - torch.minimum(ay1, by1)) ** 2 + tiny
    distance = ((ax1 + ax2 - bx1 - bx2) / 2) ** 2 + ((ay1 + ay2 - by1 - by2) / 2) ** 2
    unlike = 4 / math.pi**2 * (torch.atan(b_width / b_height) - torch.atan(a_width / a_height)) ** 2
    return iou - distance / around - unlike * unlike / (unlike - iou + 1 + tiny)


# -- anchors ----------------------------------------------------------------------------------------------------------


def _variance(variance, between, name):
    if between not in ("center_xywh", "center_yxhw"):
        raise ValueError(f"`{name}` must be 'center_xywh' or 'center_yxhw', got {between!r}.")
    if variance is None:
        return 1.0
    variance = as_tensor(variance, "float32")
    if variance.dim() == 0 or variance.shape[-1] != 4:
        raise ValueError(f"`variance` must be 4 numbers, got {variance.tolist()}.")
    return variance


def encode_box_to_deltas(
    anchors, boxes, anchor_format, box_format, encoding_format="center_yxhw", variance=None, image_shape=None
):
    """Boxes as differences from anchors: of the middles in sizes of the anchor, and logarithms of the sizes.

    Args:
        anchors: `(boxes, 4)`.
        boxes: `(boxes, 4)` or `(batch, boxes, 4)`.
        anchor_format, box_format: their formats.
        encoding_format: `"center_yxhw"` or `"center_xywh"`: the order of the differences.
        variance: four numbers to divide them by.
        image_shape: `(height, width, channels)`, for relative formats.

    Raises `ValueError` for another `encoding_format`, and a `variance` that is not four numbers.

    Example:
        >>> box = torch.tensor([[0.0, 0.0, 2.0, 4.0]])
        >>> encode_box_to_deltas(box, box, "xyxy", "xyxy")
        tensor([[0., 0., 0., 0.]])
    """
    variance, size = _variance(variance, encoding_format, "encoding_format"), _size(image_shape)
    anchors = convert_format(anchors, anchor_format, encoding_format, *size)
    boxes = convert_format(boxes, box_format, encoding_format, *size)
    wide, own = (each[..., 2:].clamp(min=settings.epsilon) for each in (anchors, boxes))
    middles = (boxes[..., :2] - anchors[..., :2]) / wide
    sizes = torch.log(own / wide)
    return torch.cat(torch.broadcast_tensors(middles, sizes), -1) / variance


def decode_deltas_to_boxes(
    anchors, boxes_delta, anchor_format, box_format, encoded_format="center_yxhw", variance=None, image_shape=None
):
    """The way back from `encode_box_to_deltas`: boxes in `box_format`.

    Args:
        anchors: `(boxes, 4)`, or a dict of such by level.
        boxes_delta: `(boxes, 4)` or `(batch, boxes, 4)`, or a dict with the same keys.
        anchor_format, box_format: formats of the anchors and of the result.
        encoded_format: the order of the differences, `"center_yxhw"` or `"center_xywh"`.
        variance: four numbers to multiply the differences by.
        image_shape: `(height, width, channels)`, for relative formats.

    Raises `ValueError` for another `encoded_format`, and a `variance` that is not four numbers.

    Example:
        >>> decode_deltas_to_boxes(torch.tensor([[0.0, 0.0, 2.0, 4.0]]), torch.zeros(1, 4), "xyxy", "xyxy")
        tensor([[0., 0., 2., 4.]])
    """
    if isinstance(anchors, dict) and isinstance(boxes_delta, dict):
        rest = (anchor_format, box_format, encoded_format, variance, image_shape)
        return {level: decode_deltas_to_boxes(each, boxes_delta[level], *rest) for level, each in anchors.items()}
    variance, size = _variance(variance, encoded_format, "encoded_format"), _size(image_shape)
    anchors = convert_format(anchors, anchor_format, encoded_format, *size)
    deltas = as_tensor(boxes_delta) * variance
    middles = deltas[..., :2] * anchors[..., 2:] + anchors[..., :2]
    boxes = torch.cat([middles, torch.exp(deltas[..., 2:]) * anchors[..., 2:]], -1)
    return convert_format(boxes, encoded_format, box_format, *size)
