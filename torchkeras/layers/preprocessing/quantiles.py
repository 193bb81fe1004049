"""Summaries of numbers: sorted values, each with how many numbers it stands for. They merge, so that quantiles are
found in one pass over data of any size.

May import nothing of the package. A summary is an array `(2, n)` in float32, values above their weights.
"""

import numpy as np


def nothing():
    """The summary of no numbers."""
    return np.zeros((2, 0), "float32")


def summary_of(values, epsilon):
    """A summary of an array of numbers: about `1 / epsilon` of them, equally far apart in their order."""
    values = np.sort(np.ravel(values))
    step = max(values.size / (1.0 / epsilon), 1)
    picked = values[int(step - 1) :: int(step)]
    return np.stack([picked, np.full_like(picked, step)])


def merged(first, second, epsilon):
    """One summary of what two summarize, to within `epsilon` of the ranks."""
    both = np.concatenate([first, second], axis=1)
    return compressed(both[:, np.argsort(both[0])], epsilon)


def compressed(summary, epsilon):
    """The summary with `1 / epsilon` values, each for the same number of numbers; a smaller one as it is."""
    values, weights = summary
    if len(values) * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    counts = weights.cumsum()
    below = counts / counts[-1]
    reached = np.interp(shares, below, counts)
    return np.stack([np.interp(shares, below, values), np.diff(reached, prepend=0.0)]).astype("float32")


def boundaries(summary, num_bins):
    """The values that part the numbers into `num_bins` of about the same size, as a list."""
    return compressed(summary, 1.0 / num_bins)[0, :-1].tolist()
