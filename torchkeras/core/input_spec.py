"""InputSpec: what a layer demands of its inputs, and the check.

May import core. The check on tensors is written for the hot path: one shape read and a few integer comparisons.
"""

from torchkeras.core import tree
from torchkeras.core.dtypes import standardize_dtype
from torchkeras.core.keras_tensor import KerasTensor, standardize_shape


class InputSpec:
    """Rank, sizes and dtype that a layer expects.

    Args:
        dtype: expected dtype name, for documentation only (inputs are cast).
        shape: full shape with None for free sizes.
        ndim, max_ndim, min_ndim: exact, largest and smallest rank.
        axes: dict of axis -> size.
        allow_last_axis_squeeze: accept a missing or an extra last axis of size 1 (with `shape`).
        name: input's name, for dict inputs.
        optional: whether None may come.
    """

    def __init__(
        self,
        dtype=None,
        shape=None,
        ndim=None,
        max_ndim=None,
        min_ndim=None,
        axes=None,
        allow_last_axis_squeeze=False,
        name=None,
        optional=False,
    ):
        self.dtype, self.name, self.optional = None if dtype is None else standardize_dtype(dtype), name, optional
        self.shape = None if shape is None else standardize_shape(shape)
        self.ndim = len(self.shape) if shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items() if size is not None}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        if self.axes and (self.ndim is not None or max_ndim is not None):
            rank = (self.ndim if self.ndim is not None else max_ndim) - 1
            if max(self.axes) > rank:
                raise ValueError(f"Axis {max(self.axes)} is greater than the maximum allowed, {rank}.")
        self._sizes = tuple(self.axes.items())
        only_last = set(self.axes) == {-1} and self.ndim is None and max_ndim is None
        self._last = self.axes[-1] if only_last else None  # the commonest demand by far

    def get_config(self):
        keys = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "optional")
        return {key: getattr(self, key) for key in keys}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        parts = [f"{key}={value}" for key, value in self.get_config().items() if value not in (None, {}, False)]
        return f"InputSpec({', '.join(parts)})"

    def accepts(self, x):
        """Whether a tensor fits (short path; `problem` says why not)."""
        shape = x.shape
        rank = len(shape)
        if self._last is not None:
            return rank >= (self.min_ndim or 1) and shape[-1] == self._last
        if self.ndim is not None:
            if rank != self.ndim:
                return False
        elif (self.min_ndim is not None and rank < self.min_ndim) or (
            self.max_ndim is not None and rank > self.max_ndim
        ):
            return False
        for axis, size in self._sizes:
            found = shape[axis]
            if found != size and found is not None:
                return False
        return self.shape is None or self._problem_of_shape(shape) is None

    def problem(self, x):
        """One sentence on what does not fit, or None."""
        shape = tuple(x.shape)
        rank = len(shape)
        if self.shape is not None and self.allow_last_axis_squeeze:
            return self._problem_of_shape(shape)
        if self.ndim is not None and rank != self.ndim:
            return f"expected ndim={self.ndim}, found ndim={rank}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={rank}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={rank}"
        for axis, size in self._sizes:
            if shape[axis] not in (size, None):
                return f"expected axis {axis} of input shape to have value {size}, found {shape[axis]}"
        return None if self.shape is None else self._problem_of_shape(shape)

    def _problem_of_shape(self, shape):
        expected, found = tuple(self.shape), tuple(shape)
        if self.allow_last_axis_squeeze:
            expected = expected[:-1] if expected and expected[-1] == 1 else expected
            found = found[:-1] if found and found[-1] == 1 else found
        if len(expected) != len(found):
            return f"expected shape={tuple(self.shape)}, found shape={tuple(shape)}"
        for want, have in zip(expected, found, strict=True):
            if want is not None and have is not None and want != have:
                return f"expected shape={tuple(self.shape)}, found shape={tuple(shape)}"
        return None


def check(spec, inputs, owner):
    """Raises `ValueError` where inputs do not fit the spec or list/dict of specs of the layer named `owner`."""
    if spec is None:
        return
    if isinstance(spec, dict) and isinstance(inputs, dict):
        missing = [name for name in spec if name not in inputs and not spec[name].optional]
        if missing:
            raise ValueError(f"Layer {owner!r} needs the input(s) {missing}, got a dict with keys {list(inputs)}.")
        pairs = [(spec[name], inputs[name]) for name in spec if name in inputs]
    else:
        specs, tensors = tree.flatten(spec), tree.flatten(inputs)
        if len(specs) != len(tensors):
            raise ValueError(f"Layer {owner!r} expects {len(specs)} input(s), but it received {len(tensors)}.")
        pairs = zip(specs, tensors, strict=True)
    for index, (each, x) in enumerate(pairs):
        if each is None or (x is None and each.optional):
            continue
        if not hasattr(x, "shape"):
            raise ValueError(f"Inputs to layer {owner!r} must be tensors, got {x!r} ({type(x).__name__}).")
        problem = each.problem(x)
        if problem is not None:
            kind = "symbolic input" if isinstance(x, KerasTensor) else "input"
            label = each.name or index
            raise ValueError(
                f"Input {label} of layer {owner!r} is incompatible with the layer: {problem}. "
                f"Full shape of the {kind}: {tuple(x.shape)}."
            )
