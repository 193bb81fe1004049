"""Loss, and the wrapper that makes one of a function.

May import core and this folder's tensors and reduction. Knows no particular loss and no model.

A call on plain tensors without mask and weights takes the first lines of `__call__` and, for losses whose mean torch
has as one kernel, that kernel; everything else (arrays, structures, masks, weights, other reductions) goes the
general way.
"""

import functools
import inspect
import types

import torch

from torchkeras.core import dtype_policy, scopes, tree
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.fields import Configured, Field, field
from torchkeras.core.keras_tensor import KerasTensor, any_symbolic
from torchkeras.core.masks import mask_of
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.core.symbolic import FunctionOperation
from torchkeras.errors import UnfitInputError, UnsupportedInputError
from torchkeras.losses.reduction import MEANS, reduce_weighted_values, standardize_reduction
from torchkeras.losses.tensors import as_tensor, convert_structure, same_rank

Tensor = torch.Tensor


def compute_dtype(dtype):
    """The Keras name of the dtype that a dtype, policy or None (`floatx()`) computes in."""
    return dtype_policy.get(dtype or settings.floatx).compute_dtype


reduction_field = functools.partial(field, "sum_over_batch_size", convert=standardize_reduction)
dtype_field = functools.partial(field, None, convert=compute_dtype, in_config=False)


@published("loss", "keras.losses")
class Loss(Configured):
    """Base of losses: define `call(y_true, y_pred)` giving one value per sample or step.

    Args:
        name: name; by default the class's, numbered.
        reduction: `"sum_over_batch_size"` (same as `"mean"`), `"sum"`, `"mean_with_sample_weight"`, `"none"` or None;
            see `reduce_weighted_values`.
        dtype: dtype or policy that targets and predictions are cast to; `floatx()` by default.

    Calling it takes `(y_true, y_pred, sample_weight=None)`: tensors, arrays or equal structures of them. A mask on
    `y_pred` (`_keras_mask`) takes steps out of the mean.

    Example:
        >>> class Cubed(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return ((y_pred - y_true).abs() ** 3).mean(-1)
        >>> Cubed()(torch.zeros(1, 2), torch.ones(1, 2))
        tensor(1.)
    """

    name = field(None)
    reduction = reduction_field()
    dtype = dtype_field()

    _keeps_labels = False  # True: integer targets reach `call` as integers

    def _take_fields(self, args, kwargs):
        rest = super()._take_fields(args, kwargs)
        self.name = self.name or scopes.unique_name(scopes.snake_case(type(self).__name__))
        self._torch_dtype = torch_dtype(self.dtype)
        return rest

    def __call__(self, y_true, y_pred, sample_weight=None):
        mask = mask_of(y_pred)
        if isinstance(y_pred, Tensor) and isinstance(y_true, Tensor):
            y_true, y_pred = self._cast(y_true, y_pred)
            if mask is None and sample_weight is None and self.reduction in MEANS:
                value = self._fused_mean(y_true, y_pred)
                if value is not None:
                    return value
        elif any_symbolic((y_true, y_pred, sample_weight), None):
            return FunctionOperation(self)(y_true, y_pred, sample_weight)
        elif y_true is None or y_pred is None:
            which = "y_true" if y_true is None else "y_pred"
            raise UnsupportedInputError(f"{which} is None: the loss {self.name!r} compares targets with predictions.")
        else:
            y_pred = convert_structure(y_pred, self._torch_dtype)
            leaf = next(iter(tree.flatten(y_pred)), None)
            y_true = convert_structure(y_true, self._torch_dtype, getattr(leaf, "device", None))
        return self._reduce(self.call(y_true, y_pred), sample_weight, mask)

    def _cast(self, y_true, y_pred):
        """Two tensors in the loss's dtype, on the prediction's device; whole numbers stay where they are labels."""
        dtype = self._torch_dtype
        if y_pred.dtype != dtype:
            y_pred = y_pred.to(dtype)
        if y_true.dtype != dtype and (not self._keeps_labels or y_true.is_floating_point()):
            y_true = y_true.to(dtype)
        if y_true.device != y_pred.device:
            y_true = y_true.to(y_pred.device)
        return y_true, y_pred

    def _reduce(self, values, sample_weight, mask):
        if values is None:
            raise UnsupportedInputError(
                f"The loss {self.name!r} gave None: its function must return one value per sample."
            )
        own_mask = mask_of(values)
        if own_mask is not None:
            mask = own_mask if mask is None else torch.logical_and(as_tensor(mask, None, own_mask.device), own_mask)
        return reduce_weighted_values(values, sample_weight, mask, self.reduction, self._torch_dtype)

    def of_scores(self, y_true, told, sample_weight=None):
        """The loss of a prediction whose scores are known (core/scores.py); None where the plain way is the way."""
        return None

    def _fused_mean(self, y_true, y_pred):
        """The mean of all values by one kernel, or None where there is none for these inputs."""
        return None

    def call(self, y_true, y_pred):
        raise NotImplementedError(f"{type(self).__name__} must define call(self, y_true, y_pred).")

    def get_config(self):
        """The constructor's arguments; name and reduction for a subclass with a constructor of its own."""
        config = super().get_config()
        return {"name": config.pop("name"), "reduction": config.pop("reduction"), **config}

    def __getattr__(self, name):
        if name == "_torch_dtype":
            raise AttributeError(
                f"{type(self).__name__} has no dtype: its __init__ must call super().__init__(name=..., reduction=...)."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"


@published("loss", "keras.losses")
class LossFunctionWrapper(Loss):
    """A loss from a function `fn(y_true, y_pred, **kwargs)` that gives one value per sample or step.

    Where the ranks of target and prediction differ by one and the longer shape ends in 1, they are brought to one rank.
    `y_true` and `y_pred` may be structures: the function then gets them whole.

    Example:
        >>> LossFunctionWrapper(lambda t, p: (t - p).abs().amax(-1))(torch.zeros(1, 2), torch.tensor([[1.0, 2.0]]))
        tensor(2.)
    """

    def __init__(self, fn, reduction="sum_over_batch_size", name=None, dtype=None, **kwargs):
        rest = self._take_fields((), {"name": name, "reduction": reduction, "dtype": dtype})
        assert not rest
        self._wrap(fn, kwargs)

    def _wrap(self, fn, kwargs):
        self.fn = fn
        self._fn_kwargs = kwargs
        plain = isinstance(fn, types.FunctionType)
        self._fused = _fused.get(fn) if plain else None
        self._of_scores = _of_scores.get(fn) if plain else None
        self._keeps_labels = getattr(fn, "keeps_labels", False)

    def call(self, y_true, y_pred):
        if isinstance(y_pred, Tensor) and isinstance(y_true, Tensor):
            if y_true.ndim != y_pred.ndim:
                y_true, y_pred = same_rank(y_true, y_pred)
        elif tree.is_nested(y_true):
            pairs = tree.map_structure(same_rank, y_true, y_pred)
            y_true, y_pred = (tree.map_up_to(y_true, lambda pair, i=i: pair[i], pairs) for i in (0, 1))
        else:
            y_true, y_pred = same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def _fused_mean(self, y_true, y_pred):
        if self._fused is None or not self._calls_function:
            return None
        if y_true.ndim != y_pred.ndim:
            y_true, y_pred = same_rank(y_true, y_pred)
        return self._fused(y_true, y_pred, **self._fn_kwargs)

    def of_scores(self, y_true, told, sample_weight=None):
        if self._of_scores is None or not self._calls_function or self._torch_dtype is not torch.float32:
            return None
        y_true, y_pred = self._cast(y_true, told.probabilities)
        if y_true.ndim != y_pred.ndim:
            y_true, _ = same_rank(y_true, y_pred)
        mask, mean = mask_of(told.probabilities), _mean_of_scores.get(self.fn)
        if mean is not None and mask is None and sample_weight is None and self.reduction in MEANS:
            value = mean(y_true, told, **self._fn_kwargs)
            if value is not None:
                return value
        values = self._of_scores(y_true, told, **self._fn_kwargs)
        return None if values is None else self._reduce(values, sample_weight, mask)

    _calls_function = True  # False in subclasses that override `call`

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls._calls_function = cls.call is LossFunctionWrapper.call and cls.__call__ is Loss.__call__

    def get_config(self):
        return {
            "name": self.name,
            "reduction": self.reduction,
            "fn": serialize_keras_object(self.fn),
            **serialize_keras_object(self._fn_kwargs),
        }

    @classmethod
    def from_config(cls, config):
        if "fn" in config:
            config = deserialize_keras_object(config, kinds=("loss", "metric"), printable_name="loss function")
        return cls(**config)

    def __repr__(self):
        return f"<LossFunctionWrapper({self.fn}, kwargs={self._fn_kwargs})>"


def published_function(*aliases):
    """Decorator: publishes a loss function under its name and others. On KerasTensors it becomes a node."""

    def decorate(function):
        @functools.wraps(function)
        def public(y_true, y_pred, *args, **kwargs):
            if isinstance(y_pred, KerasTensor) or isinstance(y_true, KerasTensor):
                return FunctionOperation(public)(y_true, y_pred, *args, **kwargs)
            try:
                return function(y_true, y_pred, *args, **kwargs)
            except RuntimeError as error:
                told = _with_shapes(error, function.__name__, y_true, y_pred)
                if told is None:
                    raise
                raise told from error

        return published("loss", "keras.losses", aliases=aliases)(public)

    return decorate


def _with_shapes(error, name, y_true, y_pred):
    """A complaint of torch's about different shapes, with these in its words; None for any other error."""
    shapes = [tuple(each.shape) for each in (y_true, y_pred) if hasattr(each, "shape")]
    if type(error) is not RuntimeError or len(shapes) < 2 or shapes[0] == shapes[1]:
        return None
    return UnfitInputError.like(
        error, f"{name} cannot compare y_true of shape {shapes[0]} with y_pred of shape {shapes[1]}: {error}"
    )


_fused = {}  # loss function -> function of the same arguments giving the mean of all its values, or None


def fused_mean(fn):
    """Decorator: registers a one-kernel mean of `fn`'s values. It returns None for inputs that it does not serve."""

    def register(function):
        _fused[fn] = function
        return function

    return register


_of_scores = {}  # loss function -> the same from scores, see losses/from_scores.py


def of_scores(fn):
    """Decorator: registers the form of `fn` for predictions whose scores are known."""

    def register(function):
        _of_scores[fn] = function
        return function

    return register


_mean_of_scores = {}  # likewise, giving the mean of all values


def mean_of_scores(fn):
    """Decorator: registers what `fused_mean` is for, from scores; beside a form that `of_scores` registers."""

    def register(function):
        _mean_of_scores[fn] = function
        return function

    return register


def declare_from(cls, function, before=None, behind=None, order=None, unwritten=()):
    """Declares the arguments of a function as the fields of the class that stands for it.

    Args:
        function: `(y_true, y_pred, …)`; its further arguments and their defaults become fields.
        before, behind: name -> field of what the family adds to them. A field that the class declares itself takes
            the place of its namesake.
        order: the names in the constructor's order, where it is another one; an argument of the function that is
            missing here is no field.
        unwritten: names that Keras leaves out of configs.
    """
    parameters = list(inspect.signature(function).parameters.values())[2:]
    arguments = {each.name: field(each.default, in_config=each.name not in unwritten) for each in parameters}
    declared = {name: each for name, each in vars(cls).items() if isinstance(each, Field)}
    found = {**(before or {}), **arguments, **(behind or {}), **declared}
    for name in order or found:
        if name in vars(cls):
            delattr(cls, name)
        setattr(cls, name, found[name])
        found[name].__set_name__(cls, name)


class FunctionLoss(LossFunctionWrapper):
    """Base of the published losses: `class Huber(FunctionLoss, function=huber)` is the class of a function.

    Its fields are the function's arguments, `reduction`, `name` (the class name in snake case) and `dtype`; for `order`
    and `unwritten` see `declare_from`.
    """

    function = None

    def __init_subclass__(cls, function=None, order=None, unwritten=(), **options):
        if function is not None:
            cls.function = staticmethod(function)
            name = field(scopes.snake_case(cls.__name__))
            behind = {"reduction": reduction_field(), "name": name, "dtype": dtype_field()}
            declare_from(cls, function, None, behind, order, unwritten)
        super().__init_subclass__(**options)

    def __init__(self, *args, **kwargs):
        Configured.__init__(self, *args, **kwargs)
        names = [name for name in self._fields if name not in ("name", "reduction", "dtype")]
        self._wrap(type(self).function, {name: getattr(self, name) for name in names})

    def get_config(self):
        """The fields as Keras writes them. Those that Keras leaves out and so loses are written where they matter."""
        return {**Loss.get_config(self), **unwritten(self)}


def unwritten(obj):
    """Values that differ from the default in fields that Keras does not write (it reads them all the same)."""
    left_out = (each for each in obj._fields.values() if not each.in_config and each.name != "dtype")
    return {each.name: getattr(obj, each.name) for each in left_out if getattr(obj, each.name) != each.default}
