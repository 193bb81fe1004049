"""The symbolic graph: KerasTensor, the nodes between tensors, and the one operation node that serves every function.

May import torch and core. Knows neither layers nor models: a layer is just another operation here.

A torch function applied to a KerasTensor arrives in `__torch_function__` and is recorded; a Keras operation records
itself (`operation` below), keeping Keras's class name for files. Operators (`x + 1`) are filled in by the ops room.
"""

import functools
import inspect
from collections import namedtuple

import torch

from torchkeras.core import registry, scopes, tree, wiring
from torchkeras.core.dtypes import standardize_dtype

KerasHistory = namedtuple("KerasHistory", ["operation", "node_index", "tensor_index"])


class Shape(tuple):
    """A shape as a tuple, with the few TensorShape manners that Keras 2 programs use (`as_list`, `rank`, `ndims`)."""

    __slots__ = ()

    def as_list(self):
        return list(self)

    rank = ndims = property(len)

    def num_elements(self):
        total = 1
        for size in self:
            if size is None:
                return None
            total *= size
        return total


def is_shape(value):
    """Whether a value is one shape: a tuple or list of integers and None."""
    return isinstance(value, (tuple, list)) and all(size is None or isinstance(size, int) for size in value)


def standardize_shape(shape):
    """A `Shape` from a tuple, list, `torch.Size` or a single integer; sizes are integers or None, never negative."""
    if isinstance(shape, int):
        shape = (shape,)
    if not hasattr(shape, "__iter__"):
        raise ValueError(f"A shape must be a tuple of integers and None, got {shape!r}.")
    sizes = []
    for size in shape:
        if size is not None and not hasattr(size, "__index__"):
            raise ValueError(f"A shape must hold integers and None only, got {shape!r}.")
        size = None if size is None else int(size)
        if size is not None and size < 0:
            raise ValueError(f"A shape may hold no negative size, got {shape!r}; use None for an unknown one.")
        sizes.append(size)
    return Shape(sizes)


class KerasTensor:
    """A tensor to come: shape (None where unknown), dtype, name, and the operation that will make it.

    Example:
        >>> x = KerasTensor((None, 3), dtype="float32")
        >>> torch.relu(x).shape
        (None, 3)
    """

    __array_ufunc__ = None  # numpy arrays hand `array + x` over to `x.__radd__`
    record = False
    is_leaf = False

    def __init__(self, shape, dtype="float32", sparse=False, ragged=False, record_history=True, name=None, **kwargs):
        if kwargs:
            raise TypeError(f"KerasTensor got unknown arguments {sorted(kwargs)}.")
        if sparse or ragged:
            raise ValueError("Sparse and ragged symbolic tensors are not supported on torch: use a dense Input.")
        self._shape = shape if type(shape) is Shape else standardize_shape(shape)
        self.dtype = standardize_dtype(dtype)
        self.sparse, self.ragged = False, False
        self.name = name or scopes.unique_name("keras_tensor")
        self.record_history = record_history
        wiring.begin(any_symbolic)

    shape = property(lambda self: self._shape)
    ndim = property(lambda self: len(self._shape))

    def get_shape(self):
        return self._shape

    def dim(self):
        return len(self._shape)

    @property
    def type_spec(self):
        return self

    @property
    def node(self):
        history = self._keras_history
        return history.operation._inbound_nodes[history.node_index]

    def __repr__(self):
        return (
            f"<KerasTensor shape={tuple(self._shape)}, dtype={self.dtype}, sparse={self.sparse}, ragged={self.ragged}, "
            f"name={self.name}>"
        )

    def __iter__(self):
        raise TypeError("A symbolic tensor has no values to iterate over; split it with `ops.unstack` or index it.")

    def __bool__(self):
        raise TypeError("A symbolic tensor has no truth value; use `ops.cond` or `ops.where`.")

    def __array__(self, *args, **kwargs):
        raise ValueError(
            "A KerasTensor is symbolic: it stands for data to come and cannot become a numpy array. Use `keras.ops`, "
            "a torch "
            "function or a layer on it instead."
        )

    def __float__(self):
        raise TypeError("A symbolic tensor has no value yet.")

    __int__ = __index__ = __float__

    def __len__(self):
        if not self._shape or self._shape[0] is None:
            raise TypeError(f"The length of {self!r} is not known.")
        return self._shape[0]

    def __hash__(self):
        return id(self)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return FunctionOperation(func)(*args, **(kwargs or {}))


def bind_operators(table):
    """Gives KerasTensor its operators: a dict of dunder names to operations. Called once by the ops room."""
    for name, function in table.items():
        setattr(KerasTensor, name, function)


def is_keras_tensor(x):
    """Whether a value is symbolic."""
    return isinstance(x, KerasTensor)


_PLAIN = frozenset((torch.Tensor, int, float, bool, str, type(None)))  # what neither is nor holds a KerasTensor


def any_symbolic(args, kwargs):
    """Whether a KerasTensor is among the arguments, looking into lists, tuples and dicts."""
    for value in (*args, *kwargs.values()) if kwargs else args:
        kind = type(value)
        if kind in _PLAIN:
            continue
        if isinstance(value, KerasTensor):
            return True
        if kind in (list, tuple, dict) and any_symbolic(value.values() if kind is dict else value, None):
            return True
    return False


class Arguments:
    """Positional and keyword arguments of a node, with the KerasTensors among them."""

    __slots__ = ("args", "kwargs", "keras_tensors")

    def __init__(self, args, kwargs):
        self.args, self.kwargs = tuple(args), dict(kwargs)
        self.keras_tensors = [leaf for leaf in tree.flatten((self.args, self.kwargs)) if isinstance(leaf, KerasTensor)]


class Node:
    """One use of an operation: what went in, what came out."""

    def __init__(self, operation, args=(), kwargs=None, outputs=None):
        self.operation = operation
        self.arguments = Arguments(args, kwargs or {})
        self.outputs = [out for out in tree.flatten(outputs) if isinstance(out, KerasTensor)]
        self.output_structure = outputs
        index = len(operation._inbound_nodes)
        for position, tensor in enumerate(self.outputs):
            tensor._keras_history = KerasHistory(operation, index, position)
        operation._inbound_nodes.append(self)
        self.parent_nodes = []
        for tensor in self.arguments.keras_tensors:
            history = getattr(tensor, "_keras_history", None) or Source(tensor).history
            parent = history.operation._inbound_nodes[history.node_index]
            self.parent_nodes.append(parent)
            history.operation._outbound_nodes.append(self)

    input_tensors = property(lambda self: self.arguments.keras_tensors)
    output_tensors = property(lambda self: self.outputs)
    is_input = property(lambda self: not self.arguments.keras_tensors)

    def __repr__(self):
        return f"<Node operation={self.operation.name}>"


class Operation:
    """What can stand in a graph. Layers inherit it; functions get a `FunctionOperation`.

    A subclass gives `call` and, unless it can be probed, `compute_output_spec`.

    Example:
        >>> class Shift(Operation):
        ...     def call(self, x):
        ...         return x + 1
        >>> Shift()(keras.Input((3,))).shape
        (None, 3)
    """

    def __init__(self, name=None):
        self.name = name or scopes.unique_name(scopes.snake_case(type(self).__name__))
        self._inbound_nodes, self._outbound_nodes = [], []

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if not any("__call__" in parent.__dict__ for parent in cls.__mro__):  # layers are called as torch modules are
            cls.__call__ = Operation._call_or_record

    def _call_or_record(self, *args, **kwargs):
        symbolic = any_symbolic(args, kwargs)
        return self.symbolic_call(*args, **kwargs) if symbolic else self.call(*args, **kwargs)

    def compute_output_spec(self, *args, **kwargs):
        """The outputs as KerasTensors, found by a probe."""
        from torchkeras.core import shape_probe

        return shape_probe.infer(self.call, args, kwargs)

    @property
    def input(self):
        """The tensor or structure that the operation was first called on."""
        return self._first_node("input").arguments

    @property
    def output(self):
        """The tensor or structure that the first call gave."""
        return self._first_node("output").output_structure

    def _first_node(self, what):
        if not self._inbound_nodes:
            raise AttributeError(f"{self.name!r} was never called on a symbolic tensor, so it has no {what}.")
        return self._inbound_nodes[0]

    def symbolic_call(self, *args, **kwargs):
        """Finds the outputs' shapes and records a node."""
        outputs = self.compute_output_spec(*args, **kwargs)
        Node(self, args, kwargs, outputs)
        return outputs


class Source(Operation):
    """Where a KerasTensor comes from that no operation made: its node is an input node of `keras.Function`s."""

    def __init__(self, tensor):
        self.name = tensor.name
        self._inbound_nodes, self._outbound_nodes = [], []
        Node(self, outputs=tensor)
        self.history = tensor._keras_history


class FunctionOperation(Operation):
    """Any function as an operation: of torch, of the user, or one of `keras.ops` (then it has Keras's class name).

    Args:
        function: called with the node's arguments and `config`.
        config: fixed keyword arguments, which Keras writes into the config.
        name: by default the function's Keras class in snake case, numbered.
    """

    def __init__(self, function, config=None, name=None):
        self.function, self.config = function, dict(config or {})
        title = getattr(function, "keras_class", None) or getattr(function, "__name__", type(function).__name__)
        self.name = name or scopes.unique_name(scopes.snake_case(title))
        self._inbound_nodes, self._outbound_nodes = [], []

    def __call__(self, *args, **kwargs):
        if any_symbolic(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        return self.function(*args, **self.config, **kwargs)

    call = __call__

    def compute_output_spec(self, *args, **kwargs):
        from torchkeras.core import shape_probe

        rule = getattr(self.function, "output_spec", None)
        if rule is not None:
            return rule(*args, **self.config, **kwargs)
        return shape_probe.infer(getattr(self.function, "compute", self.function), args, {**self.config, **kwargs})

    def __getstate__(self):
        """For copies and pickles: the graph around an operation is not part of it."""
        return {**self.__dict__, "_inbound_nodes": [], "_outbound_nodes": []}

    @property
    def _published_as(self):
        keras_class = getattr(self.function, "keras_class", None)
        if keras_class is None:
            raise ValueError(
                f"The graph holds {self.function!r}, which has no Keras name and cannot be saved: use the same "
                "function of "
                "keras.ops, or put it into a layer of your own."
            )
        return self.function.keras_module, keras_class, keras_class

    def get_config(self):
        return {"name": self.name, **self.config}

    def __repr__(self):
        return f"<Operation name={self.name}>"


def operation(keras_class, module, tensors=("x",), output_spec=None, names=None):
    """Makes a function of tensors a public operation: eager and compiled as it stands, recorded on KerasTensors.

    Args:
        keras_class: class name in Keras's files, such as "Softmax".
        module: Keras's module of that class: "nn" stands for keras.src.ops.nn, a dotted name for itself.
        tensors: names of the parameters that hold tensors; all others are the operation's config.
        output_spec: optional rule `(same arguments) -> KerasTensor`; else the shapes are probed.
        names: spelling of config keys where Keras writes another name than the parameter's.

    Example:
        >>> @operation("Square", "numpy")
        ... def square(x):
        ...     return x * x
    """

    def decorate(function):
        @functools.wraps(function)
        def public(*args, **kwargs):
            if any_symbolic(args, kwargs):
                return _record(public, args, kwargs)
            return function(*args, **kwargs)

        public.keras_class, public.keras_module = keras_class, module if "." in module else f"keras.src.ops.{module}"
        public.tensor_names, public.compute = frozenset(tensors), function
        public.output_spec, public.config_names = output_spec, names or {}
        return registry.register(public, "operation", public.keras_module, keras_class)

    return decorate


_signature = functools.cache(inspect.signature)  # on first use: at import it would cost more than all else here


def _record(public, args, kwargs):
    signature = _signature(public.compute)
    bound = signature.bind(*args, **kwargs)
    given = frozenset(bound.arguments)
    bound.apply_defaults()
    tensors, config = [], {}
    for name, value in bound.arguments.items():
        if name in public.tensor_names:
            if signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
                tensors.extend(value)
            elif name in given:
                tensors.append(value)
        else:
            config[name] = value
    return FunctionOperation(public, config).symbolic_call(*tensors)
