"""`keras.utils.bounding_boxes` beside Keras's: every public function of the manifest."""

import keras
import numpy as np
import pytest
import torch

from compat import names
from torchkeras.layers.preprocessing.image.boxes import FORMATS
from torchkeras.utils import bounding_boxes as ours

theirs = keras.utils.bounding_boxes
RNG = np.random.default_rng(3)
_CORNERS = RNG.uniform(0, 40, (2, 5, 2)).astype("float32")
BOXES = np.concatenate([_CORNERS, _CORNERS + RNG.uniform(1, 20, (2, 5, 2)).astype("float32")], -1)
OTHERS = BOXES[:, ::-1][:, :3] + 1.5
_ZERO, _ONE = torch.zeros(2), torch.ones(2)
ANGLE, SLOPE = torch.tensor([20.0, -75.0]), torch.tensor([8.0, -12.0])

CASES = {
    "affine_transform": [
        ((BOXES, ANGLE, _ZERO, _ZERO, _ONE, _ZERO, _ZERO, 60, 50), {}),
        ((BOXES, ANGLE, 0.1 * _ONE, -0.2 * _ONE, 1.5 * _ONE, SLOPE, -SLOPE, 60, 50), {}),
        ((BOXES, ANGLE, _ZERO, _ZERO, _ONE, SLOPE, _ZERO, 60, 50), {"center_x": 0.1, "center_y": 0.9}),
    ],
    "clip_to_image_size": [
        (({"boxes": BOXES - 8, "labels": np.arange(10).reshape(2, 5)}, 30, 25), {}),
        (({"boxes": BOXES / 30, "labels": np.arange(10).reshape(2, 5)},), {"bounding_box_format": "rel_xyxy"}),
        (({"boxes": BOXES}, 30, 25), {}),
    ],
    "compute_iou": [
        ((BOXES, OTHERS, "xyxy"), {}),
        ((BOXES[0], OTHERS[0], "xywh"), {}),
        ((BOXES, OTHERS[0], "yxyx"), {}),
        ((BOXES - 30, OTHERS, "xyxy"), {"use_masking": True, "mask_val": -7}),
        ((BOXES / 50, OTHERS / 50, "rel_xyxy"), {"image_shape": (60, 50, 3)}),
    ],
    "compute_ciou": [((BOXES, BOXES[:, ::-1].copy(), "xyxy"), {}), ((BOXES[0], BOXES[1], "center_xywh"), {})],
    "convert_format": [((BOXES, a, b, 60, 50), {}) for a in FORMATS for b in FORMATS]
    + [(({"boxes": BOXES, "labels": 1}, "XYXY", "xywh"), {"dtype": "float16"})],
    "crop": [((BOXES, 5, 7, 30, 20), {})],
    "pad": [((BOXES, 5, 7), {}), ((BOXES[0], 1.5, 2), {"height": 9, "width": 9})],
    "encode_box_to_deltas": [
        ((BOXES[1], BOXES, "xyxy", "xyxy"), {}),
        ((BOXES[1], BOXES[0], "xywh", "xyxy", "center_xywh"), {"variance": [0.1, 0.1, 0.2, 0.2]}),
        ((BOXES[1] / 50, BOXES / 50, "rel_xyxy", "rel_xyxy"), {"image_shape": (60, 50, 3)}),
    ],
    "decode_deltas_to_boxes": [
        ((BOXES[1], BOXES / 50, "xyxy", "xyxy"), {}),
        ((BOXES[1], BOXES[0] / 50, "xywh", "rel_xyxy", "center_xywh"), {"image_shape": (60, 50, 3)}),
        ((BOXES[1], BOXES / 50, "xyxy", "xyxy"), {"variance": [0.1, 0.1, 0.2, 0.2]}),
        (({0: BOXES[1], 1: BOXES[0]}, {0: BOXES / 50, 1: BOXES / 60}, "xyxy", "xywh"), {}),
    ],
}


def test_every_function_has_a_case():
    public = {name.rsplit(".", 1)[1] for name in names.manifest() if name.startswith("keras.utils.bounding_boxes.")}
    assert set(CASES) == public == set(ours.__all__)


def copied(value):
    """Tensors to both, each its own: Keras writes into dicts."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("name", CASES)
def test_like_keras(name):
    for args, kwargs in CASES[name]:
        expected, found = (getattr(lib, name)(*map(copied, args), **kwargs) for lib in (theirs, ours))
        for key, each in found.items() if isinstance(found, dict) else [("", found)]:
            wanted = expected[key] if key != "" else expected
            if isinstance(each, torch.Tensor):
                torch.testing.assert_close(each, wanted, rtol=2e-4, atol=2e-4, msg=lambda m, a=args: f"{a[1:]}: {m}")
            else:
                assert each == wanted


REFUSED = [
    ("convert_format", (BOXES, "xyxy", "corners"), ValueError, "`target` must be one of 'xyxy'"),
    ("convert_format", (BOXES, 3, "xyxy"), (ValueError, AttributeError), "`source` must be one of"),
    ("convert_format", (BOXES[..., :3], "xyxy", "xywh"), ValueError, "4 numbers on their last axis"),
    ("convert_format", (BOXES, "xyxy", "rel_xyxy"), ValueError, "needs `height` and `width`"),
    ("clip_to_image_size", ({"boxes": BOXES},), ValueError, "needs `height` and `width`"),
    ("clip_to_image_size", ({"boxes": BOXES}, 3, 3, "xywh"), NotImplementedError, "use convert_format first"),
    ("crop", (BOXES, 1, 1, 1, 1, "xywh"), NotImplementedError, "use convert_format"),
    ("pad", (BOXES, 1, 1, 1, 1, "xywh"), NotImplementedError, "use convert_format"),
    ("compute_iou", (BOXES[0, 0], BOXES, "xyxy"), ValueError, r"`boxes1` must be \(boxes, 4\)"),
    ("compute_iou", (BOXES, BOXES, "rel_xyxy"), ValueError, "needs `image_shape`"),
    ("compute_ciou", (BOXES, BOXES, "rel_xyxy"), ValueError, "takes boxes in pixels"),
    ("encode_box_to_deltas", (BOXES, BOXES, "xyxy", "xyxy", "xyxy"), ValueError, "`encoding_format` must be"),
    ("encode_box_to_deltas", (BOXES, BOXES, "xyxy", "xyxy", "center_xywh", [1.0]), ValueError, "must be 4 numbers"),
    ("decode_deltas_to_boxes", (BOXES, BOXES, "xyxy", "xyxy", "xyxy"), ValueError, "`encoded_format` must be"),
]


@pytest.mark.parametrize("name, args, kind, message", REFUSED)
def test_what_is_refused(name, args, kind, message):
    with pytest.raises(kind, match=message):
        getattr(ours, name)(*map(copied, args))
    with pytest.raises(kind):
        getattr(theirs, name)(*map(copied, args))
