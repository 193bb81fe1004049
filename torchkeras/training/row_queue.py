"""RowQueue: rows of one output that wait until it is worth while to hand them to the metrics.

May import core and metrics. Knows no model.

For a small batch a metric costs the launch of its kernels and nothing else. What most metrics add up is the same
whether rows come in ten batches or in one, so the rows of several batches are copied side by side and given together.
Only metrics that say so (`Metric._joins`) wait; whoever looks at one of them makes the queue hand over what it has.
"""

import torch

from torchkeras.core import registry
from torchkeras.core.masks import mask_of

_BYTES = 2**21  # what a column of waiting rows may take
_ROWS = 1024  # more rows do not make a metric cheaper per row


class RowQueue:
    """The rows that wait, in one block of memory for each of target, prediction and weights.

    A batch is copied, as loaders and models may use its memory again. The first batch of each form (shape of a row,
    dtype, device) is handed over at once, so that what does not fit is refused where it came.

    Args:
        entries: `(metric, weighted)` of one output, `weighted` saying whether the metric is given weights.
    """

    def __init__(self, entries):
        self._entries = entries
        self._form, self._capacity, self._filled = None, 0, 0
        self._waiting, self._prompt, self._blocks = (), entries, ()

    def take(self, y_true, y_pred, weights):
        """Takes a batch: for those that wait it is copied, the others are updated."""
        form = _form(y_true, y_pred, weights)
        if form != self._form or form is None:
            self.flush()
            self._take_form(form, y_true, y_pred, weights)
            update(self._entries, y_true, y_pred, weights)
            return
        update(self._prompt, y_true, y_pred, weights)
        rows = y_pred.shape[0]
        if self._filled + rows > self._capacity:
            self.flush()
            if 2 * rows > self._capacity:  # large enough by itself
                update(self._waiting, y_true, y_pred, weights)
                return
        self._append(rows, y_true, y_pred, weights)

    def _take_form(self, form, *columns):
        self._form, self._blocks = form, ()
        self._waiting = [entry for entry in self._entries if form is not None and _may_wait(entry[0], *columns[:2])]
        self._prompt = [entry for entry in self._entries if entry not in self._waiting]
        if not self._waiting:
            self._form = None
            return
        row = max(column[0].numel() * column.element_size() for column in columns if column is not None)
        self._capacity = min(_ROWS, _BYTES // max(row, 1))

    def _append(self, rows, *columns):
        if not self._blocks:
            self._blocks = [None if c is None else c.new_empty(self._capacity, *c.shape[1:]) for c in columns]
        if not self._filled:
            for metric, _ in self._waiting:
                metric._queue = self
        end = self._filled + rows
        for block, column in zip(self._blocks, columns):
            if column is not None:
                block[self._filled : end].copy_(column)
        self._filled = end

    def begin_anew(self):
        """Hands over what waits, and takes the next batch as the first one: whatever came before has no part in how the
        rest is added up."""
        self.flush()
        self._form = None

    @torch.no_grad()
    def flush(self):
        """Hands over what waits."""
        if not self._filled:
            return
        rows, self._filled = self._filled, 0
        for metric, _ in self._waiting:
            metric._queue = None
        update(self._waiting, *[None if block is None else block[:rows] for block in self._blocks])


def _form(y_true, y_pred, weights):
    """What batches have in common whose rows may stand side by side; None for a batch that cannot be cut into rows."""
    if type(y_pred) is not torch.Tensor or mask_of(y_pred) is not None or not y_pred.dim() or not y_pred.shape[0]:
        return None
    form = []
    for column in (y_true, y_pred) if weights is None else (y_true, y_pred, weights):
        if type(column) is not torch.Tensor or not column.dim() or column.shape[0] != y_pred.shape[0]:
            return None
        form.append((column.shape[1:], column.dtype, column.device))
    return form


def _may_wait(metric, y_true, y_pred):
    """Whether joined batches give a metric the state that single ones give it. A user's class may count its calls."""
    return (
        registry.entry_of(type(metric)) is not None
        and "update_state" not in vars(metric)
        and metric._joins(y_true, y_pred)
    )


def update(entries, y_true, y_pred, weights):
    """Gives a batch to metrics; `entries` as in `RowQueue`."""
    for metric, weighted in entries:
        if weighted and weights is not None:
            metric.update_state(y_true, y_pred, sample_weight=weights)
        else:
            metric.update_state(y_true, y_pred)
