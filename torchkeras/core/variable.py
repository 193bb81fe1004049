"""Variable: a torch Parameter with Keras's manners.

May import torch, numpy and core. Knows nothing of layers.

The logical shape is Keras's; `memory_order` chooses how the numbers lie in memory, so that torch's kernels get the
layout that they want without a copy per step. torch keeps those strides through gradients, optimizer state, copies
and casts.
"""

import functools
import math
import operator
import sys

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from torchkeras.core import registry, scopes
from torchkeras.core.conversion import as_tensor, is_array_like, to_numpy
from torchkeras.core.dtypes import standardize_dtype, torch_dtype
from torchkeras.core.keras_tensor import standardize_shape
from torchkeras.core.scopes import state
from torchkeras.core.transforms import write
from torchkeras.core.unfilled import allocate


class Variable(torch.nn.Parameter):
    """A weight: `torch.nn.Parameter` plus `assign`, `numpy`, `name`, `path`, `trainable`, `regularizer`, `constraint`.

    Args:
        initializer: an array, tensor, number or list; or a callable `(shape, dtype) -> tensor`, or the name or config
            of an initializer (then `shape` is needed).
        shape: shape of a variable made by a callable.
        dtype: Keras dtype name; by default the array's own, `floatx()` for Python floats and for callables.
        trainable: whether gradients are wanted. Integer and bool variables never have them.
        autocast: whether a mixed-precision layer reads it in its compute dtype.
        name: leaf name; the path is prefixed by the open name scopes.
        memory_order: logical axes in the order in which they lie in memory, slowest first.

    Arithmetic gives plain tensors; `dtype` is torch's (`standardize_dtype(v.dtype)` gives Keras's name).

    Example:
        >>> v = Variable([1.0, 2.0], name="scale")
        >>> v.assign_add([1.0, 1.0]).numpy()
        array([2., 3.], dtype=float32)
    """

    def __new__(
        cls,
        initializer,
        shape=None,
        dtype=None,
        trainable=True,
        autocast=True,
        aggregation="none",
        synchronization="auto",
        name=None,
        layout=None,
        memory_order=None,
        **kwargs,
    ):
        if kwargs:
            raise TypeError(f"Variable got unknown arguments {sorted(kwargs)}.")
        value = _initial_value(initializer, shape, dtype)
        value = in_memory_order(value, memory_order)
        floating = value.is_floating_point() or value.is_complex()
        self = torch.Tensor._make_subclass(cls, value, bool(trainable) and floating)
        if name is None:
            name = scopes.unique_name("variable")
        elif not isinstance(name, str) or "/" in name:
            raise ValueError(f"A variable's name must be a string without '/', got {name!r}.")
        path = scopes.current_path()
        self.__dict__.update(
            _name=name,
            path=f"{path}/{name}" if path else name,
            _trainable=bool(trainable),
            autocast=bool(autocast),
            aggregation=_one_of("aggregation", aggregation, ("none", "mean", "sum", "only_first_replica")),
            synchronization=_one_of("synchronization", synchronization, ("none", "on_read", "on_write", "auto")),
            regularizer=None,
            constraint=None,
            overwrite_with_gradient=False,
        )
        return self

    def __init__(self, *args, **kwargs):
        pass

    name = property(lambda self: getattr(self, "_name", None))  # torch.compile follows no `__dict__` of a tensor
    _is_variable = True

    @property
    def trainable(self):
        """Whether it is to be learned. Setting it turns gradients on and off."""
        return getattr(self, "_trainable", self.requires_grad)

    @trainable.setter
    def trainable(self, value):
        self.__dict__["_trainable"] = value = bool(value)
        if self.is_floating_point() or self.is_complex():
            self.requires_grad_(value)

    @property
    def value(self):
        """The variable itself: it is a tensor already. Inside a StatelessScope, its value there."""
        return self if state.stateless is None else state.stateless._value_for(self)

    def read_value(self):
        """Keras 2's spelling of `value`."""
        return self.value

    def get_shape(self):
        """The shape as a tuple."""
        return tuple(self.shape)

    def assign(self, value):
        """Copies `value` (array, tensor, number, list) in place. Raises `ValueError` where the shape differs."""
        if state.unfilled is not None:
            allocate(self)
        with torch.no_grad():
            value = self._taken(value)
            if value.shape != self.shape:
                raise ValueError(
                    f"The shape of the variable and of the assigned value must match: variable {self.path!r} has "
                    f"shape {tuple(self.shape)}, the value has {tuple(value.shape)}."
                )
            if state.stateless is not None:
                state.stateless.add_update((self, value.to(self.dtype)))
            else:
                write(torch.Tensor.copy_, self, value)
        return self

    def assign_add(self, value):
        """Adds in place; a value of fewer axes is broadcast."""
        return self._update(torch.add, torch.Tensor.add_, value)

    def assign_sub(self, value):
        """Subtracts in place; a value of fewer axes is broadcast."""
        return self._update(torch.sub, torch.Tensor.sub_, value)

    def _update(self, function, in_place, value):
        with torch.no_grad():
            value = self._taken(value)
            value = value.to(self.dtype) if value.dtype is torch.bool else value  # torch subtracts no bools
            fits = value.shape == self.shape or torch.broadcast_shapes(value.shape, self.shape) == self.shape
            if state.stateless is None and fits and _holds(self.dtype, value.dtype):
                write(in_place, self, value)
                return self
        return self.assign(function(self.value, value))

    def _taken(self, value):
        """What is to be assigned, as a tensor on this device."""
        if not isinstance(value, torch.Tensor):
            value = as_tensor(value, None, self.device, f"the value for variable {self.path!r}")
        return value if value.device == self.device else value.to(self.device)

    # -- among torch's own tools --------------------------------------------------------------------------------------

    def view(self, *shape):
        """torch's. What flattens weights counts on the usual memory (`parameters_to_vector`, pruning): where the view
        needs it, a weight that lies otherwise is laid that way, for good."""
        if self.is_contiguous() or torch.compiler.is_compiling():
            return super().view(*shape)
        try:
            return super().view(*shape)
        except RuntimeError:
            self.lie_as_usual()
            return super().view(*shape)

    def lie_as_usual(self):
        """Puts the numbers, and those of the gradient, into the order of the axes, as `contiguous()` does."""
        self.data = self.data.contiguous()
        if self.grad is not None:
            self.grad = self.grad.contiguous()

    def detach(self):
        """torch's, a plain tensor; but one of this class for `nn.Parameter(variable)`, which takes nothing else."""
        plain = super().detach()
        if torch.compiler.is_compiling() or sys._getframe(1).f_code is not torch.nn.Parameter.__new__.__code__:
            return plain
        return restored(type(self), plain, False, dict(self.__dict__))

    @property
    def imag(self):
        """torch's; of real numbers a missing attribute, where torch's own error would stop `inspect.getmembers`."""
        if not self.is_complex():
            raise AttributeError(f"Variable {self.name!r} has no imaginary part: its dtype is {self.dtype}.")
        return super().imag

    def numpy(self, *args, **kwargs):
        """A numpy copy on the host, gradients or not; bfloat16 as ml_dtypes has it."""
        return self.__array__()

    def __array__(self, dtype=None, copy=None):
        array = to_numpy(self).copy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __array_ufunc__(self, function, method, *inputs, **kwargs):
        """What numpy does with a variable: an operator beside an array gives a tensor, with gradients; every other
        function sees the numbers and gives an array."""
        operation = _OPERATORS.get(function)
        if operation is not None and method == "__call__" and not kwargs:
            return operation(*(as_tensor(value, None, self.device) for value in inputs))
        plain = [np.asarray(value) if isinstance(value, Variable) else value for value in inputs]
        return getattr(function, method)(*plain, **kwargs)

    def __round__(self, digits=0):
        return torch.round(self, decimals=digits or 0)

    def __float__(self):
        return float(self.detach().item())

    def __int__(self):
        return int(self.detach().item())

    def __repr__(self, **kwargs):
        name = standardize_dtype(self.dtype)
        head = f"<Variable path={self.__dict__.get('path')}, shape={tuple(self.shape)}, dtype={name}"
        return head + (">" if self.is_meta else f", value={self.numpy()}>")

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            data = self.data.clone(memory_format=torch.preserve_format)
            memo[id(self)] = restored(type(self), data, self.requires_grad, dict(self.__dict__))
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        return restored, (type(self), self.data, self.requires_grad, dict(self.__dict__))


def _only_where_it_exists(name):
    """An attribute that torch raises `RuntimeError` for where a tensor has none: `hasattr` and `getmembers` trust in
    `AttributeError`."""
    read = getattr(torch.Tensor, name).__get__

    def get(self):
        try:
            return read(self)
        except RuntimeError as error:
            raise AttributeError(str(error)) from error

    return property(get, doc=f"torch's `Tensor.{name}`.")


for _name in ("imag", "H", "mH", "mT"):
    setattr(Variable, _name, _only_where_it_exists(_name))


def _holds(kind, other):
    """Whether an in-place operation takes `other` into `kind`: `torch.can_cast`, which torch.compile cannot follow."""

    def level(dtype):
        return 3 if dtype.is_complex else 2 if dtype.is_floating_point else dtype is not torch.bool

    return level(other) <= level(kind)


def _flat_weights(optimizer, args, kwargs):
    """Before each step of a torch optimizer: LBFGS flattens gradients, which lie as their weights do."""
    if isinstance(optimizer, torch.optim.LBFGS):
        for group in optimizer.param_groups:
            for weight in group["params"]:
                if isinstance(weight, Variable) and not weight.is_contiguous():
                    weight.lie_as_usual()


register_optimizer_step_pre_hook(_flat_weights)


# Python's operators as numpy hands them over where an array stands on the left (or at either side of a comparison).
_OPERATORS = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.true_divide: operator.truediv,
    np.floor_divide: operator.floordiv,
    np.remainder: operator.mod,
    np.power: operator.pow,
    np.matmul: operator.matmul,
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
    np.equal: operator.eq,
    np.not_equal: operator.ne,
    np.bitwise_and: operator.and_,
    np.bitwise_or: operator.or_,
    np.bitwise_xor: operator.xor,
}


def _beside_lists(plain, swapped=None):
    """An operator of torch's that takes a list or a tuple of numbers too; `swapped` is the operator for a list on the
    left. Such a method stands before the other tensor's own where that one is on the left: it lets it pass."""

    @functools.wraps(plain)
    def method(self, other):
        if isinstance(other, torch.Tensor):
            return plain(self, other) if swapped is None else NotImplemented
        if isinstance(other, (list, tuple)):
            other = as_tensor(other, None, self.device)
            return plain(self, other) if swapped is None else swapped(other, self)
        return plain(self, other)

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    _plain = getattr(torch.Tensor, f"__{_name}__")
    setattr(Variable, f"__{_name}__", _beside_lists(_plain))
    setattr(Variable, f"__r{_name}__", _beside_lists(getattr(torch.Tensor, f"__r{_name}__"), swapped=_plain))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Variable, f"__{_name}__", _beside_lists(getattr(torch.Tensor, f"__{_name}__")))


def restored(cls, data, requires_grad, attributes):
    """A variable around these data, with the attributes of an earlier one."""
    variable = torch.Tensor._make_subclass(cls, data, requires_grad)
    variable.__dict__.update(attributes)
    return variable


def _initial_value(initializer, shape, dtype):
    device = scopes.default_device()
    if isinstance(initializer, (str, dict)):
        initializer = registry.resolve("initializer", initializer)
    if callable(initializer) and not is_array_like(initializer):
        if shape is None:
            raise ValueError(f"A variable with a callable initializer needs `shape`; got initializer={initializer!r}.")
        dtype, shape = standardize_dtype(dtype), standardize_shape(shape)
        if None in shape:
            raise ValueError(f"The shape of a variable must be known, got {tuple(shape)}.")
        if torch.empty(0, device=device).is_meta:  # a model made for values that come later: nothing to draw
            return torch.empty(shape, dtype=torch_dtype(dtype), device=device)
        value = as_tensor(initializer(shape, dtype=dtype), dtype, what="what the initializer gave")
        value = value.to(device)
    else:
        value = as_tensor(initializer, dtype, device, "the initial value").detach()
    if shape is not None and tuple(value.shape) != standardize_shape(shape):
        raise ValueError(f"shape={tuple(shape)} was asked for, but the initial value has shape {tuple(value.shape)}.")
    return value


def _one_of(argument, value, choices):
    if value is not None and value not in choices:
        raise ValueError(f"{argument}={value!r} is not known; a variable takes one of {', '.join(map(repr, choices))}.")
    return "none" if value is None else value


def in_memory_order(value, order):
    """A dense copy with the same logical shape whose memory follows `order` (logical axes, slowest first)."""
    if order is None:
        return value.clone(memory_format=torch.contiguous_format)
    inverse = [order.index(axis) for axis in range(len(order))]
    cut, shape = order[0] if order else 0, value.shape
    if tuple(order) == (*range(cut, len(order)), *range(cut)):  # a matrix turned over, which torch does in blocks
        matrix = value.reshape(math.prod(shape[:cut]), math.prod(shape[cut:]))
        turned = matrix.t().clone(memory_format=torch.contiguous_format)
        return turned.view([shape[axis] for axis in order]).permute(inverse)
    return value.permute(order).clone(memory_format=torch.contiguous_format).permute(inverse)
