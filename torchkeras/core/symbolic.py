"""The symbolic graph: the nodes between KerasTensors, what can stand in it, and the one operation of every function.

May import torch and core. Knows neither layers nor models: a layer is just another operation here.

A torch function applied to a KerasTensor arrives in `__torch_function__` and is recorded; a Keras operation records
itself (`operation` below), keeping Keras's class name for files. Operators (`x + 1`) are filled in by the ops room.
"""

import functools
import inspect
from collections import namedtuple

from torchkeras.core import registry, remat, scopes, shape_probe, tree
from torchkeras.core.keras_tensor import KerasTensor, any_symbolic, bind_recorder
from torchkeras.core.made_with import plain_arguments, writes_name
from torchkeras.core.scopes import state

KerasHistory = namedtuple("KerasHistory", ["operation", "node_index", "tensor_index"])


class Arguments:
    """Positional and keyword arguments of a node, with the KerasTensors among them."""

    __slots__ = ("args", "kwargs", "keras_tensors")

    def __init__(self, args, kwargs):
        self.args, self.kwargs = tuple(args), dict(kwargs)
        self.keras_tensors = [leaf for leaf in tree.flatten((self.args, self.kwargs)) if isinstance(leaf, KerasTensor)]


class Node:
    """One use of an operation: what went in, what came out.

    Attributes:
        implied: arguments that a config held and that say nothing; they are written again.
    """

    implied = {}

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


class _ConstructorSignature:
    """`__signature__` of operation classes: that of `__init__`, as `__new__`, which comes before it, says nothing."""

    def __get__(self, instance, cls):
        if instance is not None:
            raise AttributeError("__signature__")
        return inspect.Signature(list(inspect.signature(cls.__init__).parameters.values())[1:])


class Operation:
    """What can stand in a graph. Layers inherit it; functions get a `FunctionOperation`.

    A subclass gives `call` and, unless it can be probed, `compute_output_spec`. Its config is the plain arguments that
    it was made with, unless it has a `get_config` of its own.

    Args:
        name: unique name, a string without slashes; by default the class name in snake case, numbered.

    Example:
        >>> class Shift(Operation):
        ...     def __init__(self, by=1.0, name=None):
        ...         super().__init__(name=name)
        ...         self.by = by
        ...     def call(self, x):
        ...         return x + self.by
        >>> shift = Shift(2.0)
        >>> shift(keras.Input((3,))).shape, shift.get_config()
        ((None, 3), {'name': 'shift', 'by': 2.0})
    """

    _config_is_automatic = False  # whether instances keep the plain arguments that they were made with
    _said_by_itself = ("name",)  # arguments that every config holds
    __signature__ = _ConstructorSignature()

    def __new__(cls, *args, **kwargs):
        self = super().__new__(cls)
        if cls._config_is_automatic:
            self.__dict__["_made_with"] = plain_arguments(cls, args, kwargs, without=cls._said_by_itself)
        return self

    def __init__(self, name=None):
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"An operation's name must be a string without '/', got {name!r}.")
        self.name = name or scopes.unique_name(scopes.snake_case(type(self).__name__))
        self._inbound_nodes, self._outbound_nodes = [], []
        self._remat = state.remat[-1] if state.remat else None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if not any("__call__" in parent.__dict__ for parent in cls.__mro__):  # layers are called as torch modules are
            cls.__call__ = Operation._call_or_record
        cls._config_is_automatic = cls._says_nothing_of_its_config()

    def _call_or_record(self, *args, **kwargs):
        if any_symbolic(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        call = self.call if self._remat is None else remat.call_of(self, self._remat, args)
        return call(*args, **kwargs)

    def call(self, *args, **kwargs):
        """The computation. Override it."""
        raise NotImplementedError(f"Operation {type(self).__name__} does not implement a `call()` method.")

    def compute_output_spec(self, *args, **kwargs):
        """The outputs as KerasTensors, found by a probe."""
        return shape_probe.infer(self.call, args, kwargs)

    @property
    def input(self):
        """The symbolic tensor, or list of them, of the first call in a graph. `AttributeError` if there was none."""
        return _one_or_all(self._first_node("input").input_tensors)

    @property
    def output(self):
        """The tensor, or list of them, that the first call in a graph gave."""
        return _one_or_all(self._first_node("output").output_tensors)

    def _first_node(self, what):
        if not self._inbound_nodes:
            raise AttributeError(f"{self.name!r} was never called on a symbolic tensor, so it has no {what}.")
        return self._inbound_nodes[0]

    def symbolic_call(self, *args, **kwargs):
        """Finds the outputs' shapes and records a node."""
        outputs = self.compute_output_spec(*args, **kwargs)
        Node(self, args, kwargs, outputs)
        return outputs

    # -- configuration ------------------------------------------------------------------------------------------------

    def get_config(self):
        """The name and, for a class that says nothing of its config, the plain arguments that it was made with.

        Raises `NotImplementedError` where these were not plain (numbers, text, None and structures of them).
        """
        if not self._config_is_automatic:
            return {"name": self.name}
        values, refused = self._made_with or ({}, ["all"])
        if refused:
            raise NotImplementedError(
                f"Operation {type(self).__name__} was made with arguments that cannot be saved as they are "
                f"({', '.join(refused)}): define get_config() and from_config() on it."
            )
        return {**({"name": self.name} if writes_name(type(self)) else {}), **values}

    get_config._is_automatic = True

    @classmethod
    def _says_nothing_of_its_config(cls):
        """Whether its config is the plain arguments of its constructor."""
        return getattr(cls.get_config, "_is_automatic", False)

    @classmethod
    def from_config(cls, config):
        """An operation from what `get_config` gave."""
        try:
            return cls(**config)
        except TypeError as error:
            raise TypeError(f"{cls.__name__} cannot be made from its config: {error} Config: {config}") from error

    def __repr__(self):
        return f"<Operation name={self.name}>"


def _one_or_all(tensors):
    return tensors[0] if len(tensors) == 1 else tensors


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
        rule = getattr(self.function, "output_spec", None)
        if rule is not None:
            return rule(*args, **_wanted(rule, self.function, self.config), **kwargs)
        return shape_probe.infer(getattr(self.function, "compute", self.function), args, {**self.config, **kwargs})

    def __getstate__(self):
        """For copies and pickles: the graph around an operation is not part of it."""
        return {**self.__dict__, "_inbound_nodes": [], "_outbound_nodes": []}

    @property
    def class_title(self):
        """The class that Keras shows in a summary."""
        return getattr(self.function, "keras_class", None) or type(self).__name__

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


def operation(keras_class, module, tensors=("x",), output_spec=None, names=None, settle=None):
    """Makes a function of tensors a public operation: eager and compiled as it stands, recorded on KerasTensors.

    Args:
        keras_class: class name in Keras's files, such as "Softmax".
        module: Keras's module of that class: "nn" stands for keras.src.ops.nn, a dotted name for itself.
        tensors: names of the parameters that hold tensors; all others are the operation's config.
        output_spec: optional rule `(tensors, as many of the other arguments as it needs) -> KerasTensor`, which come
            with their defaults; else the shapes are probed.
        names: spelling of config keys where Keras writes another name than the parameter's.
        settle: parameter -> function of its value, for what a graph must not take from a later setting: the dtype and
            the data format. The operation itself settles them too.

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
        public.settle = settle or {}
        return registry.register(public, "operation", public.keras_module, keras_class)

    return decorate


def _wanted(rule, function, config):
    """What an output rule names of a config, with the function's defaults for what a file may leave out."""
    wanted, parameters = {}, _signature(function.compute).parameters
    for name in _names_of(rule):  # tensors among them, which come by position and may have other names there
        if name in config:
            wanted[name] = config[name]
        elif name in parameters and name not in function.tensor_names:
            wanted[name] = parameters[name].default
    return wanted


@functools.cache
def _names_of(rule):
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(name for name, parameter in inspect.signature(rule).parameters.items() if parameter.kind in named)


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
        elif name in public.settle:
            config[name] = public.settle[name](value)
        else:
            config[name] = value
    return FunctionOperation(public, config).symbolic_call(*tensors)


bind_recorder(lambda function, args, kwargs: FunctionOperation(function)(*args, **kwargs))
