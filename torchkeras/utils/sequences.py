"""pad_sequences: lists of different lengths as one array.

May import numpy.
"""

import numpy as np


def pad_sequences(sequences, maxlen=None, dtype="int32", padding="pre", truncating="pre", value=0.0):
    """Sequences of different lengths as one array: short ones are filled up, long ones cut.

    Args:
        sequences: list of sequences, of numbers, of arrays of one shape, or of strings.
        maxlen: length of all; None for that of the longest.
        dtype: of the array; `object` or a type of strings for strings.
        padding: "pre" fills up before, "post" behind the sequence.
        truncating: "pre" keeps the end of a long sequence, "post" its beginning.
        value: what is filled in.

    Returns an array `(len(sequences), maxlen, ...)`.

    Raises `ValueError` for entries that are no sequences, or of other shapes, and unknown words.

    Example:
        >>> pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2)
        array([[0, 1],
               [2, 3],
               [5, 6]], dtype=int32)

    In torch: `torch.nn.utils.rnn.pad_sequence`, which fills up to the longest.
    """
    for name, word in (("padding", padding), ("truncating", truncating)):
        if word not in ("pre", "post"):
            raise ValueError(f'`{name}` must be "pre" or "post", got {word!r}.')
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"`sequences` must be a list of sequences, got {type(sequences).__name__}.")
    if any(not hasattr(each, "__len__") for each in sequences):
        odd = next(each for each in sequences if not hasattr(each, "__len__"))
        raise ValueError(f"`sequences` must hold sequences, got {odd!r}.")
    strings = np.issubdtype(dtype, np.str_) or np.issubdtype(dtype, np.bytes_)
    if isinstance(value, str) and np.dtype(dtype) != object and not strings:
        raise ValueError(f"`value` is a string, {value!r}, and `dtype` {dtype} holds none: use dtype=object.")
    if maxlen is not None and maxlen < 0:
        raise ValueError(f"`maxlen` must not be negative, got {maxlen}.")
    length = max(map(len, sequences), default=0) if maxlen is None else maxlen
    shape = next((np.shape(each)[1:] for each in sequences if len(each)), ())
    padded = np.full((len(sequences), length, *shape), value, dtype=dtype)
    for row, sequence in zip(padded, sequences, strict=True):
        if not len(sequence):
            continue
        first = max(len(sequence) - length, 0) if truncating == "pre" else 0
        kept = np.asarray(sequence[first : first + length], dtype=dtype)
        if kept.shape[1:] != shape:
            raise ValueError(f"The entries of a sequence have shape {kept.shape[1:]}, those of the first {shape}.")
        start = length - len(kept) if padding == "pre" else 0
        row[start : start + len(kept)] = kept
    return padded
