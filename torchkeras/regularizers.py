"""`keras.regularizers`: penalties on weights and outputs.

May import core. Knows no layer.
"""

import math

import torch

from torchkeras.core.arguments import one_of
from torchkeras.core.conversion import as_tensor
from torchkeras.core.family import Family
from torchkeras.core.fields import Configured, field
from torchkeras.core.registry import published


def _factor(name, default=0.0):
    """Accepts finite numbers from zero up; None gives the default."""

    def convert(value):
        value = default if value is None else value
        number = isinstance(value, (int, float)) or getattr(value, "shape", None) == ()
        if not number or not math.isfinite(value) or value < 0:
            raise ValueError(f"`{name}` must be a finite number of at least 0, got {value!r}.")
        return float(value)

    return convert


def _single(value):
    """The number in single precision: Keras keeps it in a float32 tensor and so writes it into configs."""
    return float(torch.tensor(value, dtype=torch.float32))


@published("regularizer", "keras.regularizers")
class Regularizer(Configured):
    """Base class: called with a tensor, gives a scalar penalty. A subclass defines `__call__` and `get_config`.

    Example:
        >>> class SumOfRoots(Regularizer):
        ...     def __call__(self, x): return x.abs().sqrt().sum()
        ...     def get_config(self): return {}
    """

    def __call__(self, x):
        return 0.0

    def get_config(self):
        if not self._fields:
            raise NotImplementedError(f"{type(self).__name__} must define get_config() to be saved.")
        return super().get_config()


@published("regularizer", "keras.regularizers", aliases=("l1",))
class L1(Regularizer):
    """`l1 * sum(abs(x))`."""

    l1 = field(0.01, convert=_factor("l1", 0.01), save=_single)

    def __call__(self, x):
        return self.l1 * as_tensor(x).abs().sum()


@published("regularizer", "keras.regularizers", aliases=("l2",))
class L2(Regularizer):
    """`l2 * sum(x**2)`."""

    l2 = field(0.01, convert=_factor("l2", 0.01))

    def __call__(self, x):
        return self.l2 * as_tensor(x).square().sum()


@published("regularizer", "keras.regularizers", aliases=("l1l2",))
class L1L2(Regularizer):
    """`l1 * sum(abs(x)) + l2 * sum(x**2)`.

    Example:
        >>> L1L2(l1=0.5, l2=1.0)(torch.tensor([-1.0, 2.0]))
        tensor(6.5000)
    """

    l1 = field(0.0, convert=_factor("l1"))
    l2 = field(0.0, convert=_factor("l2"))

    def __call__(self, x):
        x = as_tensor(x)
        penalty = torch.zeros((), dtype=x.dtype, device=x.device)
        if self.l1:
            penalty = penalty + self.l1 * x.abs().sum()
        if self.l2:
            penalty = penalty + self.l2 * x.square().sum()
        return penalty


@published("regularizer", "keras.regularizers", aliases=("orthogonal_regularizer",))
class OrthogonalRegularizer(Regularizer):
    """Pushes the rows (or columns) of a matrix towards being orthogonal: `factor` times the mean of their cosines'
    magnitudes.

    Raises `ValueError` for tensors that are no matrices.
    """

    factor = field(0.01, convert=_factor("factor", 0.01), save=_single)
    mode = field("rows", convert=one_of("mode", "rows", "columns"))

    def __call__(self, inputs):
        inputs = as_tensor(inputs)
        if inputs.dim() != 2:
            raise ValueError(f"OrthogonalRegularizer needs a matrix, got the shape {tuple(inputs.shape)}.")
        vectors = inputs if self.mode == "rows" else inputs.T
        vectors = torch.nn.functional.normalize(vectors, dim=1, eps=1e-12)
        cosines = vectors @ vectors.T
        size = vectors.shape[0]
        off_diagonal = cosines * (1.0 - torch.eye(size, dtype=inputs.dtype, device=inputs.device))
        return self.factor * 0.5 * off_diagonal.abs().sum() / (size * (size - 1.0) / 2.0)


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

# "l1_l2" as a name is Keras 2's, with its factors; Keras 3 knows no such name.
_family = Family("regularizer", "l2", named={"l1_l2": lambda: L1L2(0.01, 0.01)})
get, deserialize = _family.get, _family.deserialize


def serialize(regularizer, use_legacy_format=False):
    """The description of a regularizer that goes into files; `use_legacy_format=True` gives Keras 2's short form."""
    return _family.serialize(regularizer, use_legacy_format)
