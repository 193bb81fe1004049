"""Reductions over segments: rows of one tensor gathered by the numbers in another.

May import core and the makers. Knows no layer.
"""

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.ops._makers import publish, shape_of

__all__ = ["segment_max", "segment_min", "segment_prod", "segment_sum"]

_DOC = """{title}

    Args:
        data: `(rows, ...)`.
        segment_ids: `(rows,)` integers; rows with a negative or too large number are left out.
        num_segments: size of the result; by default one more than the largest number (which has to be read from
            the device, so give it where speed or torch.compile matters).
        sorted: whether the numbers ascend; accepted, makes no difference here.

    Returns:
        `(num_segments, ...)` with the dtype of `data`. {empty}

    Raises `ValueError` where `segment_ids` has not one axis of the length of `data`.
    """


def _check(data, segment_ids):
    rows, ids = tuple(shape_of(data)), tuple(shape_of(segment_ids))
    if len(ids) != 1:
        raise ValueError(f"`segment_ids` must have one axis, got shape {ids}: reshape it and `data` to rows.")
    if not rows or (None not in (rows[0], ids[0]) and rows[0] != ids[0]):
        raise ValueError(f"`data` must have one row for each segment id, got shapes {rows} and {ids}.")


def _lowest(dtype):
    return float("-inf") if dtype.is_floating_point else torch.iinfo(dtype).min


def _highest(dtype):
    return float("inf") if dtype.is_floating_point else torch.iinfo(dtype).max


def _wide(dtype):
    """The dtype that is computed in: small floats would lose too much in long sums, bools have no kernel."""
    return {torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.bool: torch.uint8}.get(dtype, dtype)


def _segments(keras_class, reduce, start, doc):
    """An operation `(data, segment_ids, num_segments=None, sorted=False)`.

    Args:
        reduce: torch's name of the reduction.
        start: function from the dtype to what an empty segment holds.
    """

    def compute(data, segment_ids, num_segments=None, sorted=False):
        data = as_tensor(data)
        ids = as_tensor(segment_ids, device=data.device).long()
        _check(data, ids)
        if num_segments is None:
            num_segments = int(ids.max()) + 1 if ids.numel() else 0
        ids = torch.where((ids >= 0) & (ids < num_segments), ids, num_segments)  # one row more, for what is left out
        wide = data.to(_wide(data.dtype))
        result = wide.new_full((num_segments + 1, *data.shape[1:]), start(wide.dtype))
        if reduce == "sum":
            result = result.index_add(0, ids, wide)
        else:
            index = ids.reshape(-1, *(1 for _ in data.shape[1:])).expand_as(wide)
            result = result.scatter_reduce(0, index, wide, reduce)
        return result[:-1].to(data.dtype)

    def output_spec(data, segment_ids, num_segments=None, sorted=False):
        _check(data, segment_ids)
        return KerasTensor(Shape((num_segments, *shape_of(data)[1:])), data.dtype)

    return publish(compute, keras_class, doc, "math", ("data", "segment_ids"), output_spec)


segment_sum = _segments(
    "SegmentSum", "sum", lambda dtype: 0, _DOC.format(title="Sums of segments.", empty="Empty segments hold 0.")
)
segment_max = _segments(
    "SegmentMax",
    "amax",
    _lowest,
    _DOC.format(title="Maxima of segments.", empty="Empty segments hold the lowest number of the dtype."),
)
segment_min = _segments(
    "SegmentMin",
    "amin",
    _highest,
    _DOC.format(title="Minima of segments.", empty="Empty segments hold the highest number of the dtype."),
)
segment_prod = _segments(
    "SegmentProd", "prod", lambda dtype: 1, _DOC.format(title="Products of segments.", empty="Empty segments hold 1.")
)
