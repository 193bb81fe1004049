"""Connectionist temporal classification (Graves et al. 2006): the loss, and the two ways to read the best sequence.

May import core and the makers. Knows no layer.
"""

import torch
import torch.nn.functional as F

from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import dtype_of, result_type
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import shape_of, static_spec

__all__ = ["ctc_decode", "ctc_loss"]


def _as_logits(output):
    output = as_tensor(output)
    return as_tensor(output, result_type(dtype_of(output), "float32"))


def _check_batch(**tensors):
    sizes = {name: tuple(shape_of(value))[:1] for name, value in tensors.items()}
    if len({size for size in sizes.values() if size != (None,)}) > 1:
        shapes = ", ".join(f"{name} {tuple(shape_of(value))}" for name, value in tensors.items())
        raise ValueError(f"All arguments must have the same first axis, the batch; got shapes {shapes}.")


def _ctc_loss_spec(target, output, target_length, output_length):
    _check_batch(target=target, output=output, target_length=target_length, output_length=output_length)
    return static_spec((shape_of(target)[0],), result_type(dtype_of(output), "float32"))


@operation("CTCLoss", "nn", ("target", "output", "target_length", "output_length"), output_spec=_ctc_loss_spec)
def ctc_loss(target, output, target_length, output_length, mask_index=0):
    """The negative logarithm of the probability of each target sequence, over all its alignments.

    Args:
        target: `(batch, labels)` class numbers.
        output: `(batch, steps, classes)` logits.
        target_length: `(batch,)` labels that count in each row.
        output_length: `(batch,)` steps that count in each row.
        mask_index: the class that means "no label".

    Returns:
        `(batch,)`; infinite where the steps do not suffice for the labels.

    torch: `F.ctc_loss(output.log_softmax(-1).transpose(0, 1), ..., reduction="none")`.
    """
    output = _as_logits(output)
    target, target_length, output_length = (
        as_tensor(x, "int64", output.device) for x in (target, target_length, output_length)
    )
    _check_batch(target=target, output=output, target_length=target_length, output_length=output_length)
    logs = F.log_softmax(output, -1).transpose(0, 1)
    return F.ctc_loss(logs, target, output_length, target_length, blank=mask_index, reduction="none")


def _ctc_decode_spec(inputs, sequence_lengths, strategy, top_paths):
    _check_strategy(strategy)
    paths = 1 if strategy == "greedy" else top_paths
    batch, steps, _ = inputs.shape
    scores = static_spec((batch, paths), result_type(inputs.dtype, "float32"))
    return static_spec((paths, batch, steps), "int32"), scores


def _check_strategy(strategy):
    if strategy not in ("greedy", "beam_search"):
        raise ValueError(f"`strategy` must be 'greedy' or 'beam_search', got {strategy!r}.")


@operation("CTCDecode", "nn", ("inputs", "sequence_lengths"), output_spec=_ctc_decode_spec)
def ctc_decode(
    inputs, sequence_lengths, strategy="greedy", beam_width=100, top_paths=1, merge_repeated=True, mask_index=0
):
    """The most probable label sequences.

    Args:
        inputs: `(batch, steps, classes)` logits.
        sequence_lengths: `(batch,)` steps that count in each row.
        strategy: "greedy" takes the best class of each step; "beam_search" sums over alignments and keeps the
            `beam_width` best beginnings.
        top_paths: sequences to give back (beam search only).
        merge_repeated: equal neighbours count once (greedy only; beam search always does so).
        mask_index: the class that means "no label"; None for the last one.

    Returns:
        `(paths, scores)`: int32 `(top_paths, batch, steps)` filled up with -1, and `(batch, top_paths)`: for beam
        search the logarithm of the probability, for greedy the negative sum of the chosen logits.
    """
    _check_strategy(strategy)
    inputs = _as_logits(inputs)
    lengths = as_tensor(sequence_lengths, "int64", inputs.device)
    _check_batch(inputs=inputs, sequence_lengths=lengths)
    blank = inputs.shape[-1] - 1 if mask_index is None else mask_index
    if strategy == "greedy":
        return _greedy(inputs, lengths, merge_repeated, blank)
    return _beam_search(inputs, lengths, int(beam_width), top_paths, blank)


def _greedy(inputs, lengths, merge_repeated, blank):
    steps = inputs.shape[1]
    position = torch.arange(steps, device=inputs.device)
    beyond = position >= lengths[:, None]
    best, labels = inputs.max(-1)
    scores = -best.masked_fill(beyond, 0).sum(1, keepdim=True)
    labels = labels.masked_fill(beyond, blank)
    empty = labels == blank
    if merge_repeated:
        empty = empty | F.pad(labels[:, 1:] == labels[:, :-1], (1, 0))
    order = torch.argsort(torch.where(empty, steps, position), -1)  # labels to the front, in their order
    paths = labels.masked_fill(empty, -1).gather(-1, order)
    return paths.to(torch.int32)[None], scores


# -- beam search ------------------------------------------------------------------------------------------------------
# A beam is a beginning of a sequence. Two logarithms go with it: of the alignments that end in a blank and of those
# that end in its last label. Equal beginnings are recognised by a 64-bit hash, so a step costs no comparison of paths.

_IMPOSSIBLE = -1e30  # instead of minus infinity, whose gradients in logaddexp are NaN
_HASH = 6364136223846793005  # multiplier of Knuth's linear congruential generator; sums wrap around


class _Beams:
    """The beams of a batch, one row each: `paths` (batch, width, steps), everything else (batch, width)."""

    def __init__(self, batch, width, steps, dtype, device):
        self.paths = torch.full((batch, width, steps), -1, dtype=torch.int64, device=device)
        # Only the first beam, the empty path, is alive; the lengths of the others let them never equal another one.
        self.lengths = torch.arange(width, device=device).mul(-2 * steps - 2).expand(batch, width)
        self.last = torch.full((batch, width), -1, dtype=torch.int64, device=device)
        self.hashes = torch.zeros((batch, width), dtype=torch.int64, device=device)
        self.blank = torch.where(self.lengths == 0, 0.0, _IMPOSSIBLE).to(dtype)
        self.label = torch.full_like(self.blank, _IMPOSSIBLE)

    @property
    def scores(self):
        return torch.logaddexp(self.blank, self.label)


def _beam_search(inputs, lengths, width, top_paths, blank):
    logs = F.log_softmax(inputs, -1)
    batch, steps, _ = logs.shape
    beams = _Beams(batch, width, steps, logs.dtype, logs.device)
    for step in range(steps):
        _extend(beams, logs[:, step], blank, (lengths > step) | (step == 0))
    scores = beams.scores
    scores, best = torch.topk(scores, min(top_paths, width), dim=1)
    paths = beams.paths.gather(1, best[..., None].expand(-1, -1, steps))
    dead = scores < _IMPOSSIBLE / 2
    scores = scores.masked_fill(dead, float("-inf"))
    paths = paths.masked_fill(dead[..., None], -1)
    missing = top_paths - scores.shape[1]
    if missing > 0:
        scores = F.pad(scores, (0, missing), value=float("-inf"))
        paths = F.pad(paths, (0, 0, 0, missing), value=-1)
    return paths.transpose(0, 1).to(torch.int32), scores


def _extend(beams, logs, blank, active):
    """One step: every beam stays as it is or gets one more label; the best of all go on. Rows not `active` stay."""
    batch, width = beams.hashes.shape
    classes = logs.shape[-1]
    labels = torch.arange(classes, device=logs.device)
    scores = beams.scores
    own = logs.gather(1, beams.last.clamp(min=0))
    stay_blank = scores + logs[:, blank, None]
    stay_label = torch.where(beams.last >= 0, beams.label + own, _IMPOSSIBLE)
    # A label equal to the last one starts anew only after a blank.
    repeats = beams.last[..., None] == labels
    added = torch.where(repeats, beams.blank[..., None], scores[..., None]) + logs[:, None]
    added = added.masked_fill(labels == blank, _IMPOSSIBLE)
    # A beam with one more label that equals another beam: its score goes there.
    hashes = beams.hashes[..., None] * _HASH + labels + 1
    longer = beams.lengths[:, :, None] + 1 == beams.lengths[:, None, :]  # (batch, shorter, longer)
    last = beams.last.clamp(min=0)[:, None].expand(-1, width, -1)
    same = longer & (hashes.gather(2, last) == beams.hashes[:, None])
    moved = torch.where(same, added.gather(2, last), _IMPOSSIBLE)
    stay_label = torch.logaddexp(stay_label, torch.logsumexp(moved, 1))
    merged = torch.zeros_like(added, dtype=torch.int64).scatter_add(2, last, same.long()) > 0
    added = added.masked_fill(merged, _IMPOSSIBLE)

    totals = torch.cat([torch.logaddexp(stay_blank, stay_label), added.reshape(batch, -1)], 1)
    chosen = torch.topk(totals, width, dim=1).indices
    stays = chosen < width
    parent = torch.where(stays, chosen, (chosen - width) // classes)
    label = torch.where(stays, beams.last.gather(1, parent), (chosen - width) % classes)
    score = added.reshape(batch, -1).gather(1, (chosen - width).clamp(min=0))
    row = active[:, None]
    keep = torch.arange(width, device=logs.device)
    parent = torch.where(row, parent, keep)
    longer = row & ~stays
    beams.blank = torch.where(row, torch.where(stays, stay_blank.gather(1, parent), _IMPOSSIBLE), beams.blank)
    beams.label = torch.where(row, torch.where(stays, stay_label.gather(1, parent), score), beams.label)
    hashes = beams.hashes.gather(1, parent)
    beams.hashes = torch.where(longer, hashes * _HASH + label + 1, hashes)
    beams.last = torch.where(row, label, beams.last)
    lengths = beams.lengths.gather(1, parent)
    paths = beams.paths.gather(1, parent[..., None].expand_as(beams.paths))
    place = lengths.clamp(min=0)[..., None]
    written = paths.scatter(2, place.clamp(max=paths.shape[-1] - 1), label[..., None])
    beams.paths = torch.where(longer[..., None], written, paths)
    beams.lengths = lengths + longer
