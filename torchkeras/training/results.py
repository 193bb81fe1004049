"""What the loops give back: numbers, and the predictions of all batches as numpy arrays.

May import core.
"""

import numpy as np
import torch

from torchkeras.core import conversion, tree


def to_numpy(value):
    """A numpy array of a tensor; anything else unchanged."""
    return conversion.to_numpy(value) if isinstance(value, torch.Tensor) else value


class Predictions:
    """The outputs of `predict`, batch by batch, as one array for each output.

    Where the number of samples is known, outputs go into arrays made for all of them, and no batch's outputs are kept:
    large data then leave no holes in memory and need no second copy in the end.

    Args:
        rows: samples to come, or None.
        every: of how many batches callbacks see the outputs together.
    """

    def __init__(self, rows, every=1):
        self.rows, self.every = rows, every
        self._structure = self._columns = None
        self._recent = []

    def add(self, outputs):
        """Takes a batch's outputs, tensors or numpy arrays; returns the logs for callbacks.

        Raises `ValueError` for outputs that do not join those before: of another structure, other sizes beyond the
        first axis, or single numbers.
        """
        leaves = tree.flatten(outputs) if tree.is_nested(outputs) else [outputs]
        if self._columns is None:
            self._structure, self._columns = outputs, [_column(leaf, self.rows) for leaf in leaves]
        elif len(leaves) != len(self._columns):
            raise ValueError(f"One batch gave {len(self._columns)} outputs, another {len(leaves)}: they do not join.")
        for place, leaf in enumerate(leaves):
            if not self._columns[place].add(leaf):
                self._columns[place] = _Parts(self._columns[place].parts())
                self._columns[place].add(leaf)
        if self.every == 1:
            return {"outputs": outputs}
        self._recent = [*(self._recent if len(self._recent) < self.every else ()), outputs]
        return self._recent_logs

    def _recent_logs(self):
        return {"outputs": tree.map_structure(lambda *parts: _joined(parts), *self._recent)}

    def result(self):
        """Numpy arrays in the structure of the outputs; None for outputs that are None."""
        found = [column.result() for column in self._columns]
        return tree.pack_sequence_as(self._structure, found) if tree.is_nested(self._structure) else found[0]


def _column(leaf, rows):
    whole = isinstance(leaf, torch.Tensor) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufc")
    if not whole or rows is None or leaf.ndim == 0 or leaf.shape[0] == rows:  # all in one batch: one copy, in the end
        return _Parts([])
    return _Whole(leaf, rows)


class _Whole:
    """One output, with room for all samples from the start."""

    def __init__(self, first, rows):
        shape = (rows, *first.shape[1:])
        tensor = isinstance(first, torch.Tensor)
        self.values = torch.empty(shape, dtype=first.dtype) if tensor else np.empty(shape, first.dtype)
        self.rows, self.filled = rows, 0

    def add(self, leaf):
        """False for what has no room here: more rows than samples, another shape or type."""
        values, end = self.values, self.filled
        if type(leaf) is not type(values) and not isinstance(leaf, torch.Tensor):
            return False
        if leaf.dtype != values.dtype or leaf.ndim != values.ndim or leaf.shape[1:] != values.shape[1:]:
            return False
        end += leaf.shape[0]
        if end > self.rows:
            return False
        values[self.filled : end] = leaf.detach() if isinstance(leaf, torch.Tensor) else leaf
        self.filled = end
        return True

    def parts(self):
        return [to_numpy(self.values[: self.filled])]

    def result(self):
        return to_numpy(self.values) if self.filled == self.rows else self.parts()[0].copy()


class _Parts:
    """One output whose size shows in the end only."""

    def __init__(self, parts):
        self._parts = parts

    def add(self, leaf):
        self._parts.append(to_numpy(leaf))
        return True

    def result(self):
        return None if all(part is None for part in self._parts) else _joined(self._parts)


def _joined(parts):
    """Outputs of several batches, one after the other: always a copy, as a model may return a view of its input."""
    if any(np.ndim(part) == 0 for part in parts):
        raise ValueError(
            f"An output is a single value for a whole batch ({parts[0]!r}), so those of several batches do not make an "
            "array of samples. Give it a first axis of samples, or call the model itself: model(x)."
        )
    try:
        return torch.cat(parts) if isinstance(parts[0], torch.Tensor) else np.concatenate(parts)
    except (RuntimeError, ValueError) as error:
        shapes = list(dict.fromkeys(tuple(np.shape(part)) for part in parts))
        raise ValueError(f"Outputs of different batches do not join, they have shapes {shapes}. ({error})") from None
