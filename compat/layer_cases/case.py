"""A case: one configuration of one layer and one call of it, and what its lines are written with.

May import numpy only.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Case:
    """One configuration of one layer and one call of it.

    Attributes:
        layer: class name.
        args: positional arguments of the call; a tuple of integers stands for random floats of that shape (batch
            first), an array for itself, a list for a list of inputs.
        config: constructor arguments, or a function of the `layers` module that gives them.
        training: the call's `training`; None leaves it out.
        masks: one mask per tensor in `args` (None where there is none).
        shapes: further input shapes for `compute_output_shape`; None where Keras has no such method.
        values: False where the numbers must differ from Keras's (`why` says for what reason).
        repeatable: False where the call draws unseeded numbers.
        loose: factor on the tolerances.
        learns: False where the inputs must have no gradients, because Keras writes into them.
    """

    layer: str
    args: tuple
    config: Any = field(default_factory=dict)
    training: Any = None
    masks: tuple = ()
    kwargs: dict = field(default_factory=dict)
    shapes: tuple = ()
    values: bool = True
    why: str = ""
    repeatable: bool = True
    loose: float = 1.0
    learns: bool = True

    @property
    def title(self):
        config = self.config if isinstance(self.config, dict) else {"config": "nested"}
        parts = [f"{key}={_short(value)}" for key, value in config.items()]
        if self.training is not None:
            parts.append(f"training={self.training}")
        if self.masks:
            parts.append("masked")
        return f"{self.layer}({', '.join(parts)})@{_short(self.args[0])}"

    def constructor_arguments(self, module):
        """Keyword arguments for a class of `module` (our layers or Keras's)."""
        return self.config(module) if callable(self.config) else dict(self.config)


def _short(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}".replace(" ", "")
    return getattr(value, "__name__", str(value)).replace(" ", "")


def case(
    layer,
    *args,
    training=None,
    masks=(),
    kwargs=None,
    shapes=(),
    why="",
    repeatable=True,
    loose=1.0,
    learns=True,
    make=None,
    **config,
):
    """A `Case`; what is not a word of the case itself is a constructor argument. `make` gives nested ones."""
    return Case(
        layer,
        args,
        make or config,
        training,
        tuple(masks),
        kwargs or {},
        shapes,
        not why,
        why,
        repeatable,
        loose,
        learns,
    )


def ints(high, *shape):
    """Random integers below `high`, the same each time."""
    return np.random.default_rng(7).integers(0, high, shape).astype("int32")


def mask(*lengths, size):
    """A boolean mask `(len(lengths), size)` that is True up to each length."""
    return np.arange(size)[None, :] < np.asarray(lengths)[:, None]
