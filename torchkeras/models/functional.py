"""Functional models: a graph of layers between named inputs and outputs.

May import core, layers and this room.
"""

import warnings

import numpy as np
import torch

from torchkeras.core import scopes, tree
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.keras_tensor import KerasTensor, any_symbolic
from torchkeras.core.layer import Layer
from torchkeras.core.masks import mask_of
from torchkeras.core.registry import published
from torchkeras.layers.input import Input, InputLayer
from torchkeras.models import functional_config
from torchkeras.models.graph import Graph
from torchkeras.models.model import Model


@published("model", "keras.src.models.functional")
class Functional(Model):
    """What `Model(inputs, outputs)` makes.

    Args:
        inputs, outputs: KerasTensors, or lists, tuples, dicts of them.
        name: model name.

    Data come in the structure of `inputs`, or as a dict by input name, or as a list in order. Values are cast to the
    inputs' dtypes. Raises `ValueError` for tensors that are not connected, and for two layers of one name.
    """

    _is_graph = True
    _masks_inside = True
    _saved_first = ("layers",)
    _checks_sizes = True  # whether inputs must have the declared sizes, or only the number of axes

    def __init__(self, inputs, outputs, name=None, **kwargs):
        kwargs["trainable"] = kwargs.get("trainable") is not False  # layers keep their own flags, as in Keras
        for what, structure in (("inputs", inputs), ("outputs", outputs)):
            _require_symbolic(what, structure)
        Layer.__init__(self, name=name, **kwargs)
        graph = Graph(tree.flatten(inputs), tree.flatten(outputs))  # of an input listed twice the last value counts
        if not all(isinstance(tensor._keras_history.operation, InputLayer) for tensor in graph.inputs):
            graph = _with_fresh_inputs(graph)
        self._adopt(graph, inputs, outputs)

    def _adopt(self, graph, inputs, outputs):
        """Takes over a graph: registers its layers, remembers the structures."""
        _refuse_equal_names(graph.layers)
        self._keep(
            _graph=graph,
            _input_structure=tree.pack_sequence_as(inputs, range(len(graph.inputs))),
            _output_structure=tree.pack_sequence_as(outputs, range(len(graph.outputs))),
            _watched=[],
            autocast=False,
        )
        self._run_from(graph)
        self._learn_inputs()
        self._keep(built=True, _ready=True)

    def _run_from(self, plan):
        """Registers what a plan runs: its layers, and the tensors that stand in it."""
        known = {id(layer) for layer in self._child_modules()}
        for layer in plan.layers:
            if id(layer) not in known:
                self._modules[key_of(layer, self._modules)] = layer
                self._places.meet(layer)
        self._register_constants(plan.constants.values())
        self._children_changed()
        self._keep(_plan=plan)

    def watch(self, tensor, receive):
        """From now on each run also computes `tensor`, made from this model's inputs, and hands it to `receive`."""
        watched = [*self._watched, (tensor, receive)]
        self._run_from(Graph(self._graph.inputs, [*self._graph.outputs, *(each for each, _ in watched)]))
        self._keep(_watched=watched)

    def add_loss(self, loss):
        """Adds to what training minimizes: values, functions without arguments, symbolic tensors of this graph."""
        for each in tree.flatten(loss):
            if isinstance(each, KerasTensor):
                self.watch(each, super().add_loss)
            else:
                super().add_loss(each)

    def _register_constants(self, constants):
        """Tensors that stand in the graph: parameters learn and are saved, other tensors only move along."""
        self._keep(_constants=[f"constant_{index}" for index in range(len(constants))])
        for key, constant in zip(self._constants, constants, strict=True):
            if isinstance(constant, torch.nn.Parameter):
                self._parameters[key] = constant
            else:
                self.register_buffer(key, constant, persistent=False)

    def _constant_values(self):
        return [self._parameters[key] if key in self._parameters else self._buffers[key] for key in self._constants]

    def _in_graph(self):
        """The parameters that stand in the graph."""
        return [self._parameters[key] for key in self.__dict__.get("_constants", ()) if key in self._parameters]

    def _own_variables(self):
        standing = set(map(id, self._in_graph()))
        return [variable for variable in super()._own_variables() if id(variable) not in standing]

    def _collect(self, with_seeds):
        """The parameters that stand in the graph come last."""
        return [*super()._collect(with_seeds), *self._in_graph()]

    def _apply(self, fn, recurse=True):
        """torch's `.to(torch.float64)` and kin: float data are then taken in the new type too."""
        super()._apply(fn, recurse)
        self._move_inputs(fn)
        return self

    def _move_inputs(self, fn):
        def moved(kind):
            return fn(torch.empty(0, dtype=kind)).dtype if kind is not None and kind.is_floating_point else kind

        self._set_input_types([(shape, moved(kind), optional) for shape, kind, optional in self._input_types])

    def _set_input_types(self, types):
        plain = None
        if not tree.is_nested(self._input_structure):  # what a single tensor must have to pass as it is
            shape, kind, _ = types[0]
            plain = kind, len(shape), [(i, size) for i, size in enumerate(shape) if i and size is not None]
        self._keep(_input_types=types, _plain_input=plain)

    def _learn_inputs(self):
        self._set_input_types(
            [
                (tensor.shape, torch_dtype(tensor.dtype) if tensor.dtype != "string" else None, self._optional(tensor))
                for tensor in self._graph.inputs
            ]
        )
        result = self._output_structure  # a list of one output is that output, when called
        result = result[0] if isinstance(result, (list, tuple)) and len(result) == 1 else result
        self._keep(
            _single_input=not tree.is_nested(self._input_structure),
            _result_structure=result,
            _single_output=not tree.is_nested(result),
        )

    @staticmethod
    def _optional(tensor):
        return getattr(tensor._keras_history.operation, "optional", False)

    # -- views --------------------------------------------------------------------------------------------------------

    layers = property(lambda self: list(self._graph.layers))
    operations = property(lambda self: list(self._graph.operations))
    input_names = property(lambda self: [t._keras_history.operation.name for t in self._graph.inputs])
    output_names = property(lambda self: [t._keras_history.operation.name for t in self._graph.outputs])
    _operations = operations

    @property
    def _nodes_by_depth(self):
        """Depth -> the calls at that distance from the outputs."""
        return self._graph.nodes_by_depth()

    @property
    def inputs(self):
        """The inputs as a flat list."""
        return list(self._graph.inputs)

    @property
    def outputs(self):
        """The outputs as a flat list."""
        return list(self._graph.outputs)

    @property
    def input(self):
        return tree.pack_sequence_as(self._input_structure, self._graph.inputs)

    @property
    def output(self):
        return tree.pack_sequence_as(self._output_structure, self._graph.outputs)

    # -- call ---------------------------------------------------------------------------------------------------------

    def call(self, inputs, training=None, mask=None):
        graph = self._plan
        flat = self._prepare(inputs)
        if mask is not None:
            _attach_masks(flat, mask)
        outputs = graph.run(flat, self._constant_values() if self._constants else ())
        if self._watched:
            outputs = self._hand_out(outputs)
        return outputs[0] if self._single_output else tree.pack_sequence_as(self._result_structure, outputs)

    def _hand_out(self, outputs):
        count = len(outputs) - len(self._watched)
        for value, (_, receive) in zip(outputs[count:], self._watched, strict=True):
            receive(value)
        return outputs[:count]

    def _prepare(self, inputs):
        """Flat inputs in the graph's order, with the rank and dtype that each input declares."""
        if self._single_input and isinstance(inputs, torch.Tensor):
            flat = [inputs]
            if self._passes(inputs):
                return flat
        else:
            flat = self._flat_inputs(inputs)
        return [
            self._fit_input(i, value, *kind)
            for i, (value, kind) in enumerate(zip(flat, self._input_types, strict=True))
        ]

    def _passes(self, x):
        kind, rank, sizes = self._plain_input
        shape = x.shape
        if x.dtype is not kind or len(shape) != rank:
            return False
        for axis, size in sizes:  # noqa: SIM110 - a generator would cost more than the checks
            if shape[axis] != size:
                return False
        return True

    def _flat_inputs(self, inputs):
        structure = self._input_structure
        names = self.input_names
        if isinstance(inputs, dict):
            if isinstance(structure, dict) and set(structure) <= set(inputs):
                return [leaf for key in tree.sorted_keys(structure) for leaf in tree.flatten(inputs[key])]
            return [self._by_name(inputs, index, name) for index, name in enumerate(names)]
        flat = tree.flatten(inputs)
        if len(flat) != len(names):
            raise ValueError(
                f"Model {self.name!r} expects {len(names)} input(s) {names}, but it received {len(flat)} tensor(s)."
            )
        return flat

    def _by_name(self, inputs, index, name):
        for key in (name, self._graph.inputs[index].name, f"input_{index + 1}", f"{self.name}_input", f"{name}_input"):
            if key in inputs:
                return inputs[key]
        if self._input_types[index][2]:
            return None
        raise ValueError(
            f"Missing data for input {name!r} of model {self.name!r}: the dict has the keys {sorted(inputs)}."
        )

    def _fit_input(self, index, value, shape, dtype, optional):
        if value is None:
            if optional:
                return None
            raise ValueError(
                f"Input {self.input_names[index]!r} of model {self.name!r} is None, but it is not optional."
            )
        if not hasattr(value, "shape"):
            raise ValueError(
                f"Input {self.input_names[index]!r} of model {self.name!r} must be a tensor or array, got "
                f"{type(value).__name__}."
            )
        found = value.shape
        if len(found) != len(shape) or any(
            a is not None and a != b for a, b in zip(shape[1:], found[1:], strict=False)
        ):
            value = self._adjust_rank(index, value, shape)
        if isinstance(value, torch.Tensor) and dtype is not None and value.dtype is not dtype:
            mask = mask_of(value)
            value = value.to(dtype)
            if mask is not None:
                value._keras_mask = mask
        elif dtype is not None and isinstance(value, np.ndarray) and value.dtype.kind in "US":
            raise ValueError(
                f"Input {self.input_names[index]!r} of model {self.name!r} expects numbers, got strings: put a layer "
                "such as StringLookup or TextVectorization in front, or an Input(dtype='string')."
            )
        return value

    def _adjust_rank(self, index, value, shape):
        """Keras's one tolerance: a last axis of size 1 may be missing or too many, if all sizes then are as declared.

        (Of one sample without its batch axis, `(8, 8, 1)`, the tolerance would make a batch of 8.)
        """
        found = tuple(value.shape)
        if len(found) == len(shape) + 1 and found[-1] == 1:
            value = value[..., 0] if isinstance(value, KerasTensor) else value.squeeze(-1)
        elif len(found) == len(shape) - 1 and shape[-1] == 1:
            value = value[..., None]
        adjusted = tuple(value.shape)
        any_size_fits = len(found) == len(shape) and not self._checks_sizes
        if len(adjusted) != len(shape) or not (
            any_size_fits or all(a is None or b is None or a == b for a, b in zip(shape[1:], adjusted[1:], strict=True))
        ):
            self._refuse_shape(index, found, shape)
        return value

    def _refuse_shape(self, index, found, shape):
        raise ValueError(
            f"Input {self.input_names[index]!r} of model {self.name!r} is incompatible with it: expected "
            f"shape={tuple(shape)}, found shape={tuple(found)}."
        )

    def compute_output_spec(self, inputs, training=None, mask=None):
        flat = self._prepare(inputs) if any_symbolic((inputs,), {}) else tree.flatten(inputs)
        if all(tuple(a.shape) == tuple(b.shape) for a, b in zip(flat, self._graph.inputs, strict=True)):
            outputs = [KerasTensor(out.shape, dtype=out.dtype) for out in self._graph.outputs]
        else:
            with scopes.override(names=()):
                outputs = self._graph.replay(flat, lambda op, args, kwargs: op.compute_output_spec(*args, **kwargs))
        return tree.pack_sequence_as(self._result_structure, outputs)

    def compute_output_shape(self, input_shape):
        specs = tree.map_up_to(self._input_structure, lambda shape: KerasTensor(tuple(shape)), input_shape)
        outputs = self.compute_output_spec(specs)
        return tree.map_structure(lambda out: out.shape, outputs) if tree.is_nested(outputs) else outputs.shape

    @property
    def input_shape(self):
        """Shape of the input, or list of shapes in flat order."""
        return _shapes(self._graph.inputs)

    @property
    def output_shape(self):
        """Shape of the output, or list of shapes in flat order."""
        return _shapes(self._graph.outputs)

    def build(self, input_shape=None):
        """A functional model is built from the start."""
        self.built = True

    def get_build_config(self):
        return {"input_shape": None}

    def build_from_config(self, config):
        """Nothing to do: the graph is the build."""

    def __setattr__(self, name, value):
        """A subclass may give the name of one of the graph's layers to something else; that layer moves aside."""
        modules = self.__dict__.get("_modules", {})
        present = modules.get(name)
        if present is not None and present is not value and any(present is layer for layer in self._graph.layers):
            aside = free_key(f"{name}_", modules)
            renamed = {aside if key == name else key: layer for key, layer in modules.items()}
            modules.clear()
            modules.update(renamed)
        super().__setattr__(name, value)

    # -- configuration ------------------------------------------------------------------------------------------------

    def get_config(self):
        if not functional_config.takes_functional_arguments(type(self)):
            return self._automatic_config() if type(self).get_config is Functional.get_config else super().get_config()
        return functional_config.functional_to_config(self)

    get_config._is_automatic = True  # for a subclass with a constructor of its own

    @staticmethod
    def _describes(cls, config):
        """Whether a config is that of a graph, and `cls` a class that is made from one."""
        keys = {"name", "layers", "input_layers", "output_layers"}
        return keys <= set(config) and (cls is Model or functional_config.takes_functional_arguments(cls))

    _from_graph_config = staticmethod(functional_config.functional_from_config)


Model._graph_model = Functional


def key_of(layer, modules):
    """The key under which a model registers a layer, that of its weights in `state_dict`.

    The name that the layer was given; else that of its class, counted within the model, so that two instances of the
    same code have the same keys whatever was made before them in the process.
    """
    name = layer.name if layer.__dict__.get("_was_named", True) else scopes.snake_case(type(layer).__name__)
    return free_key(name.replace(".", "_"), modules)  # torch allows no dots


def free_key(name, taken):
    """`name`, or the first of `name_1`, `name_2`… that is free. They are taken without gaps, so halving finds it."""
    if name not in taken:
        return name
    low, high = 0, 1
    while f"{name}_{high}" in taken:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if f"{name}_{middle}" in taken else (low, middle)
    return f"{name}_{high}"


def _shapes(tensors):
    shapes = [tensor.shape for tensor in tensors]
    return shapes[0] if len(shapes) == 1 else shapes


def _require_symbolic(what, structure):
    if not tree.flatten(structure):
        raise ValueError(f"A functional model needs `{what}`, got an empty {type(structure).__name__}.")
    for leaf in tree.flatten(structure):
        if not isinstance(leaf, KerasTensor):
            hint = " Pass symbolic tensors from keras.Input(), not data." if isinstance(leaf, torch.Tensor) else ""
            raise ValueError(
                f"All `{what}` of a functional model must be KerasTensors, got {type(leaf).__name__}: {leaf!r}.{hint}"
            )


def _refuse_equal_names(layers):
    names = [layer.name for layer in layers]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ValueError(f"The layer name(s) {double} are used more than once in the model: names must be unique.")


def _input_like(tensor):
    return Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=f"{tensor.name}CLONE")


def _with_fresh_inputs(graph):
    """The same graph from new Inputs, for models that begin at a tensor in the middle of another model."""
    fresh = [t if isinstance(t._keras_history.operation, InputLayer) else _input_like(t) for t in graph.inputs]
    outputs = graph.replay(fresh, lambda op, args, kwargs: op.symbolic_call(*args, **kwargs))
    return Graph(fresh, outputs)


def _attach_masks(flat, mask):
    masks = tree.flatten(mask)
    if len(masks) != len(flat):
        warnings.warn(f"{len(masks)} mask(s) for {len(flat)} input(s): the masks are ignored.", stacklevel=2)
        return
    for value, each in zip(flat, masks, strict=True):
        if each is not None and isinstance(value, torch.Tensor):
            value._keras_mask = each
