"""Sum, Mean, and metrics that are the mean of a function: the engine of most others.

May import core, losses and this folder. Knows no model.

Counts that are plain numbers are added on the host and reach the `count` variable when someone looks at it, so an
update without weights costs the device only the sum of the values.
"""

import types

import torch

from torchkeras.core import registry, scopes
from torchkeras.core.fields import Configured, field
from torchkeras.core.masks import mask_of
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.losses.loss import Loss, declare_from, unwritten
from torchkeras.losses.reduction import apply_mask, divide_no_nan
from torchkeras.losses.tensors import as_tensor, same_rank
from torchkeras.metrics.metric import Metric, dtype_field, published_metric

Tensor = torch.Tensor


def weigh(values, sample_weight, reduce, dtype):
    """Values and weights per sample, by Keras's rule.

    Values are reduced to the weights' rank, weighed, and both reduced to one number per sample (a weight that is one
    number: to one number).

    Args:
        values: tensor `(B, …)` of any dtype.
        sample_weight: number or array with the values' shape, or a leading part of it.
        reduce: `torch.mean` or `torch.sum`.
        dtype: torch dtype of the result.
    """
    mask = mask_of(values)
    values = as_tensor(values, dtype)
    weights = as_tensor(sample_weight, dtype, values.device)
    if mask is not None:
        weights = apply_mask(weights, as_tensor(mask, None, values.device), dtype, "sum")
    values, weights = same_rank(values, weights)
    rank = weights.ndim
    if values.ndim > rank:
        values = reduce(values, dim=tuple(range(rank, values.ndim)))
    try:
        weights = weights.broadcast_to(values.shape)
    except RuntimeError as error:
        raise ValueError(
            f"Weights of shape {tuple(weights.shape)} do not fit values of shape {tuple(values.shape)}: "
            "pass one weight per sample, shape (batch,), or one per value."
        ) from error
    values = values * weights
    if rank > 1:
        axes = tuple(range(1, rank))
        values, weights = reduce(values, dim=axes), reduce(weights, dim=axes)
    return values, weights


def rows_meet(y_true, y_pred):
    """Whether targets and predictions have one shape, or would but for an axis of one at the end: each row of targets
    then meets its own row of predictions."""
    true, pred = y_true.shape, y_pred.shape
    return true == pred or true == (*pred, 1) or pred == (*true, 1)


def do_not_compare(metric, y_true, y_pred):
    """The error for targets and predictions whose shapes do not fit."""
    shapes = tuple(as_tensor(y_true).shape), tuple(as_tensor(y_pred).shape)
    return ValueError(
        f"{type(metric).__name__} {metric.name!r} cannot compare y_true of shape {shapes[0]} with y_pred of shape "
        f"{shapes[1]}."
    )


def no_grad(update):
    """Runs an update without gradients; free where they are off already."""

    def guarded(self, *args, **kwargs):
        if torch.is_grad_enabled():
            with torch.no_grad():
                return update(self, *args, **kwargs)
        return update(self, *args, **kwargs)

    guarded.__doc__, guarded.__name__, guarded.__wrapped__ = update.__doc__, update.__name__, update
    return guarded


@published_metric()
class Sum(Metric):
    """The sum of all values seen, each times its weight.

    Example:
        >>> Sum()(torch.tensor([1.0, 3.0]), sample_weight=[1.0, 0.5])
        tensor(2.5000)
    """

    name = field("sum")
    dtype = dtype_field()

    def _prepare(self):
        self.total = self.add_variable((), None, self.dtype, name="total")

    @no_grad
    def update_state(self, values, sample_weight=None):
        if not isinstance(values, Tensor):
            values = as_tensor(values, self._torch_dtype, self.total.device)
        if values.device != self.total.device:
            self._follow(values.device)
        if sample_weight is not None:
            values, _ = weigh(values, sample_weight, torch.sum, self._torch_dtype)
        self.total.add_(values.sum(dtype=self._torch_dtype) if values.ndim else values)

    def result(self):
        return self.total.detach().clone()


@published_metric()
class Mean(Metric):
    """The weighted mean of all values seen. Values `(B, …)` are first averaged per sample.

    Example:
        >>> Mean()(torch.tensor([1.0, 3.0]), sample_weight=[3.0, 1.0])
        tensor(1.5000)
    """

    name = field("mean")
    dtype = dtype_field()

    def _prepare(self):
        self.total = self.add_variable((), None, self.dtype, name="total")
        self._count = self.add_variable((), None, self.dtype, name="count")
        self._uncounted = 0

    @property
    def count(self):
        """The sum of weights, or the number of samples where there were none."""
        self._settle()
        return self._count

    def _settle(self):
        super()._settle()
        if self._uncounted and scopes.state.probe is None:
            with torch.no_grad(), scopes.override(stateless=None):  # of updates before a StatelessScope was opened
                self._count.add_(self._uncounted)
            self._uncounted = 0

    def _add_count(self, number):
        # Traced, a number on the host would mean a new graph each time; a shape probe and a StatelessScope work on
        # copies of variables.
        state = scopes.state
        if state.stateless is not None:
            self._settle()
        if torch.compiler.is_compiling() or state.probe is not None or state.stateless is not None:
            self._count.add_(number)
        else:
            self._uncounted += number

    @no_grad
    def update_state(self, values, sample_weight=None):
        """Adds values `(B, …)` or one number, with weights of the values' shape or a leading part of it."""
        self._add(values, sample_weight)

    def _add(self, values, sample_weight):
        total = self.total
        if not isinstance(values, Tensor):
            values = as_tensor(values, self._torch_dtype, total.device)
        if values.device != total.device:
            self._follow(values.device)
        rank = values.ndim
        if sample_weight is None:
            self._add_unweighted(values, rank)
        elif rank == 0 and type(sample_weight) in (int, float):
            total.add_(values, alpha=sample_weight)
            self._add_count(sample_weight)
        else:
            values, weights = weigh(values, sample_weight, torch.mean, self._torch_dtype)
            total.add_(values.sum())
            self._count.add_(weights.sum())

    def _add_unweighted(self, values, rank):
        if rank == 0:
            self.total.add_(values)
            self._add_count(1)
            return
        samples = values.shape[0]
        if rank == 1:
            same = values.dtype == self._torch_dtype or values.dtype == torch.bool
            self.total.add_(values.sum() if same else values.sum(dtype=self._torch_dtype))
        elif samples:
            self.total.add_(values.mean(dtype=self._torch_dtype), alpha=samples)
        self._add_count(samples)

    def result(self):
        count = self.count.detach()  # first: it brings what waits into the total, too
        return divide_no_nan(self.total.detach(), count)


@published_metric()
class MeanMetricWrapper(Mean):
    """The weighted mean of `fn(y_true, y_pred, **kwargs)`. A mask on `y_pred` acts as weights.

    Example:
        >>> metric = MeanMetricWrapper(lambda t, p: (t - p).abs(), name="error")
        >>> metric(torch.zeros(2), torch.tensor([1.0, 2.0]))
        tensor(1.5000)
    """

    def __init__(self, fn, name=None, dtype=None, **kwargs):
        self._take_fields((), {"name": name, "dtype": dtype})
        self._wrap(fn, kwargs)

    def _wrap(self, fn, kwargs):
        self._fn, self._fn_kwargs = fn, kwargs
        entry = registry.entry_of(fn if isinstance(fn, types.FunctionType) else type(fn))
        if isinstance(fn, Loss) or (entry is not None and entry.kind == "loss"):
            self._direction = "down"  # which way is better, for callbacks that watch it

    @no_grad
    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds the function's values, with weights of their shape or a leading part of it."""
        mask = mask_of(y_pred)
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        if mask is not None:
            sample_weight = apply_mask(sample_weight, mask, self._torch_dtype, "sum")
        self._add(values, sample_weight)

    def get_config(self):
        return {
            "name": self.name,
            "dtype": self.dtype,
            "fn": serialize_keras_object(self._fn),
            **serialize_keras_object(self._fn_kwargs),
        }

    @classmethod
    def from_config(cls, config):
        if "fn" in config:
            kinds = ("metric_function", "loss")
            config = deserialize_keras_object(config, kinds=kinds, printable_name="metric function")
        return cls(**config)


class FunctionMetric(MeanMetricWrapper):
    """Base of published means of a function: `class Poisson(FunctionMetric, function=poisson)`.

    Its fields are `name` (the class name in snake case), `dtype` and the function's arguments; for `order` and
    `unwritten` see `declare_from`. `direction` is "up" or "down", whichever is better; losses know theirs.
    """

    function = None
    _of_indices = False  # targets have no axis of classes
    _aligns = False  # the function takes `(B,)` beside `(B, 1)` row by row and does not spread one over the other

    def __init_subclass__(cls, function=None, direction=None, order=None, unwritten=(), **options):
        if function is not None:
            cls.function = staticmethod(function)
            cls._of_indices = function.__name__.startswith("sparse_")
            before = {"name": field(scopes.snake_case(cls.__name__)), "dtype": dtype_field()}
            declare_from(cls, function, before, None, order, unwritten)
        if direction is not None:
            cls._direction = direction
        super().__init_subclass__(**options)

    def __init__(self, *args, **kwargs):
        Configured.__init__(self, *args, **kwargs)
        names = [name for name in self._fields if name not in ("name", "dtype")]
        self._wrap(type(self).function, {name: getattr(self, name) for name in names})

    @no_grad
    def update_state(self, y_true, y_pred, sample_weight=None):
        try:
            values = self._fn(y_true, y_pred, **self._fn_kwargs)
        except (RuntimeError, IndexError) as error:
            raise do_not_compare(self, y_true, y_pred) from error
        mask = mask_of(y_pred)
        if mask is not None:
            sample_weight = apply_mask(sample_weight, mask, self._torch_dtype, "sum")
        self._add(values, sample_weight)

    def _joins(self, y_true, y_pred):
        """Where the function gives values row by row: not along the first axis, and no single one of them all."""
        rank, axis = y_pred.dim(), self._fn_kwargs.get("axis", -1)
        if rank < 2 or not isinstance(axis, int) or axis % rank == 0:
            return False
        true, pred = y_true.shape, y_pred.shape
        column_with_row = self._aligns and len(true) == 1 and pred == (*true, 1)
        return true == pred or column_with_row or (self._of_indices and len(true) == rank - 1)

    def get_config(self):
        """The fields as Keras writes them. Those that Keras leaves out and so loses are written where they matter."""
        return {**Metric.get_config(self), **unwritten(self)}
