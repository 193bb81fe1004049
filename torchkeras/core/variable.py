"""Variable: a torch Parameter with Keras's manners.

May import torch, numpy and core. Knows nothing of layers.

The logical shape is Keras's; `memory_order` chooses how the numbers lie in memory, so that torch's kernels get the
layout that they want without a copy per step. torch keeps those strides through gradients, optimizer state, copies
and casts.
"""

import numpy as np
import torch

from torchkeras.core import scopes
from torchkeras.core.conversion import as_tensor, to_numpy
from torchkeras.core.dtypes import standardize_dtype, torch_dtype
from torchkeras.core.scopes import state


class Variable(torch.nn.Parameter):
    """A weight: `torch.nn.Parameter` plus `assign`, `numpy`, `name`, `path`, `trainable`, `regularizer`, `constraint`.

    Args:
        initializer: an array or tensor, or a callable `(shape, dtype) -> tensor` (then `shape` is needed).
        shape: shape of a variable made by a callable.
        dtype: Keras dtype name; by default the array's own, float32 for Python floats and float64 arrays (`floatx()`).
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
            aggregation=aggregation,
            synchronization=synchronization,
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
        """Copies `value` (array, tensor, number) in place. Raises `ValueError` where the shape differs."""
        with torch.no_grad():
            value = torch.as_tensor(value, device=self.device)
            if value.shape != self.shape:
                raise ValueError(
                    f"The shape of the variable and of the assigned value must match: variable {self.path!r} has "
                    f"shape {tuple(self.shape)}, the value has {tuple(value.shape)}."
                )
            if state.stateless is not None:
                state.stateless.add_update((self, value.to(self.dtype)))
            else:
                self.copy_(value)
        return self

    def assign_add(self, value):
        """Adds in place."""
        if state.stateless is not None:
            return self.assign(self.value + torch.as_tensor(value, dtype=self.dtype, device=self.device))
        with torch.no_grad():
            self.add_(torch.as_tensor(value, dtype=self.dtype, device=self.device))
        return self

    def assign_sub(self, value):
        """Subtracts in place."""
        if state.stateless is not None:
            return self.assign(self.value - torch.as_tensor(value, dtype=self.dtype, device=self.device))
        with torch.no_grad():
            self.sub_(torch.as_tensor(value, dtype=self.dtype, device=self.device))
        return self

    def numpy(self, *args, **kwargs):
        """A numpy copy on the host, gradients or not; bfloat16 comes as float32."""
        return self.__array__()

    def __array__(self, dtype=None, copy=None):
        array = to_numpy(self).copy()
        return array if dtype is None else array.astype(dtype, copy=False)

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
            memo[id(self)] = _restore(type(self), data, self.requires_grad, dict(self.__dict__))
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        return _restore, (type(self), self.data, self.requires_grad, dict(self.__dict__))


def _restore(cls, data, requires_grad, attributes):
    variable = torch.Tensor._make_subclass(cls, data, requires_grad)
    variable.__dict__.update(attributes)
    return variable


def _initial_value(initializer, shape, dtype):
    device = scopes.default_device()
    if callable(initializer) and not isinstance(initializer, (torch.Tensor, np.ndarray)):
        if shape is None:
            raise ValueError(f"A variable with a callable initializer needs `shape`; got initializer={initializer!r}.")
        value = initializer(tuple(shape), dtype=standardize_dtype(dtype))
        value = torch.as_tensor(value, dtype=torch_dtype(dtype), device=device)
    elif isinstance(initializer, torch.Tensor):
        value = initializer.detach().to(torch_dtype(dtype) if dtype is not None else initializer.dtype)
    elif isinstance(initializer, (np.ndarray, np.generic)):
        dtype = torch_dtype(initializer.dtype if dtype is None else dtype)
        value = torch.as_tensor(initializer, dtype=dtype, device=device)
    else:
        value = as_tensor(initializer, dtype, device)
    if shape is not None and tuple(value.shape) != tuple(shape):
        raise ValueError(f"shape={tuple(shape)} was asked for, but the initial value has shape {tuple(value.shape)}.")
    return value


def in_memory_order(value, order):
    """A dense copy with the same logical shape whose memory follows `order` (logical axes, slowest first)."""
    if order is None:
        return value.contiguous().clone()
    inverse = [order.index(axis) for axis in range(len(order))]
    return value.permute(order).clone(memory_format=torch.contiguous_format).permute(inverse)
