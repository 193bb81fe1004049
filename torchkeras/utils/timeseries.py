"""timeseries_dataset_from_array: windows over a series, as a dataset of batches.

May import data.
"""

from torchkeras.data import Dataset
from torchkeras.data.specs import leaf_of


def timeseries_dataset_from_array(
    data,
    targets,
    sequence_length,
    sequence_stride=1,
    sampling_rate=1,
    batch_size=128,
    shuffle=False,
    seed=None,
    start_index=None,
    end_index=None,
    format="tf",
):
    """Windows over a series of equally spaced points, each with the target that stands at its beginning.

    Args:
        data: `(points, ...)`.
        targets: `(points, ...)`; `targets[i]` belongs to the window that begins at point i. None for windows alone.
        sequence_length: points in a window.
        sequence_stride: points between the beginnings of two windows.
        sampling_rate: points between two points of a window.
        batch_size: windows in a batch; None for single windows.
        shuffle: random order, another one for each pass.
        seed: of that order.
        start_index, end_index: points before the first and from the second on are left out.
        format: ignored; what comes is a `torchkeras.data.Dataset`.

    Returns a dataset of `(batch, sequence_length, ...)`, or of pairs with the targets. The windows are views of the
    data until their batch is made.

    Raises `ValueError` for sizes and indices that do not fit the data.

    Example:
        >>> dataset = timeseries_dataset_from_array(np.arange(6), None, sequence_length=3, batch_size=2)
        >>> [batch.tolist() for batch in dataset]
        [[[0, 1, 2], [1, 2, 3]], [[2, 3, 4], [3, 4, 5]]]

    In torch: `data.unfold(0, sequence_length, sequence_stride)`.
    """
    start, end = _part(len(data), start_index, end_index)
    for name, value in (("sequence_stride", sequence_stride), ("sampling_rate", sampling_rate)):
        if not 0 < value < len(data):
            raise ValueError(f"`{name}` must be above 0 and below the length of the data, {len(data)}; got {value}.")
    if sequence_length < 1:
        raise ValueError(f"`sequence_length` must be at least 1, got {sequence_length}.")
    series = _array(data)[start:end]
    span = (sequence_length - 1) * sampling_rate + 1
    count = max(len(series) - span + 1, 0)
    if targets is not None:
        targets = _array(targets)[start:]
        count = min(count, len(targets))
    if not count:
        windows = series.new_empty(0, sequence_length, *series.shape[1:])
    else:
        windows = series[: count + span - 1].unfold(0, span, sequence_stride)[..., ::sampling_rate].movedim(-1, 1)
    if targets is not None:
        windows = (windows, targets[:count:sequence_stride])
    dataset = Dataset.from_tensor_slices(windows)
    if shuffle:
        dataset = dataset.shuffle(max(count, 1), seed=seed)
    return dataset if batch_size is None else dataset.batch(batch_size)


def _array(values):
    return leaf_of(list(values) if isinstance(values, tuple) else values)


def _part(length, start, end):
    """The indices of the part that counts."""
    if start is not None and not 0 <= start < length:
        raise ValueError(f"`start_index` must be at least 0 and below the length of the data, {length}; got {start}.")
    if end is not None and not (start or 0) < end <= length:
        raise ValueError(
            f"`end_index` must be above `start_index` and at most the length of the data, {length}; got {end}."
        )
    return start or 0, length if end is None else end
