"""Scores behind probabilities: of which tensor a softmax or sigmoid made a prediction.

May import torch and core/scopes. In a step of training the activations tell here what they were given; the crossentropy
of such a prediction then leads its gradient straight to the scores (losses/from_scores.py). Nobody but the step holds a
prediction between these two, so nobody can miss a gradient that goes past it.
"""

import collections

import torch

from torchkeras.core.scopes import state


class Told:
    """What one activation said: its result, its argument, the axis of a softmax (None for a sigmoid)."""

    __slots__ = ("probabilities", "scores", "axis", "_versions")

    def __init__(self, probabilities, scores, axis):
        self.probabilities, self.scores, self.axis = probabilities, scores, axis
        self._versions = None if torch.compiler.is_compiling() else (probabilities._version, scores._version)

    def holds(self):
        """Whether neither was changed in place since, and nobody watches the gradient of the probabilities."""
        probabilities, scores = self.probabilities, self.scores
        if probabilities.requires_grad != scores.requires_grad:
            return False
        return self._versions is None or (
            self._versions == (probabilities._version, scores._version)
            and not (probabilities._backward_hooks or probabilities.retains_grad)
        )


def room_for_scores(count):
    """What `state.scores` is in a step: the last `count` that were told. Hidden softmaxes fall out and free theirs."""
    return collections.deque(maxlen=count)


def tell(probabilities, scores, axis=None):
    """Says that `probabilities` is the softmax over `axis`, or the sigmoid, of `scores`, where that is of use."""
    of_use = probabilities.dtype.itemsize == 2 or (axis is not None and scores.requires_grad)
    if not of_use or type(scores) is not torch.Tensor:
        return
    if torch.compiler.is_compiling():
        state.scores.append(Told(probabilities, scores.clone(), axis))  # no write to them can be seen here
    elif not scores.is_inference():
        state.scores.append(Told(probabilities, scores, axis))


def told_of(prediction):
    """What was told of this very tensor, if it still holds; else None."""
    for told in state.scores or ():
        if told.probabilities is prediction:
            return told if told.holds() else None
    return None
