"""clone_model: the same architecture with new weights.

May import core, layers and this room.
"""

import inspect

from torchkeras.core import sharing, tree
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.layer import Layer
from torchkeras.core.symbolic import FunctionOperation
from torchkeras.layers.input import Input, InputLayer
from torchkeras.models.functional import Functional
from torchkeras.models.functional_config import takes_functional_arguments
from torchkeras.models.sequential import Sequential


def clone_model(model, input_tensors=None, clone_function=None, call_function=None, recursive=False, **kwargs):
    """A new model of the same layers, made again from their configs; weights are initialized anew.

    Args:
        model: a model; subclassed ones are made again from their config.
        input_tensors: KerasTensors to build on, in place of new Inputs.
        clone_function: `layer -> layer`, called for every layer but Inputs; by default a copy from the config.
        call_function: `(layer, *args, **kwargs) -> tensors`, called instead of the layer, for functional models.
        recursive: whether `clone_function` also goes into nested models.

    Example: `clone_model(model, clone_function=lambda layer: Dropout(0.1) if isinstance(layer, Dropout) else
    type(layer).from_config(layer.get_config()))`.
    """
    cache = kwargs.pop("cache", None)
    if kwargs:
        raise ValueError(f"clone_model got unknown arguments {sorted(kwargs)}.")
    cache = {} if cache is None else cache
    with sharing.copying(cache):  # a layer that stands in a submodel too is copied once
        return _clone(model, input_tensors, clone_function, call_function, recursive, cache)


def _clone(model, input_tensors, clone_function, call_function, recursive, cache):
    clone = _cloner(clone_function, call_function, recursive, cache)
    if isinstance(model, Sequential):
        return _clone_sequential(model, input_tensors, clone)
    if isinstance(model, Functional):
        return _clone_functional(model, input_tensors, clone, call_function)
    if input_tensors is not None or clone_function is not None or call_function is not None:
        raise ValueError(
            "A subclassed model is cloned from its config: `input_tensors`, `clone_function` and `call_function` are "
            "for Sequential and functional models."
        )
    return type(model).from_config(model.get_config())


def _cloner(clone_function, call_function, recursive, cache):
    def clone(operation):
        if id(operation) in cache:
            return cache[id(operation)]
        if isinstance(operation, FunctionOperation):
            copy = FunctionOperation(operation.function, operation.config, name=operation.name)
        elif recursive and isinstance(operation, (Functional, Sequential)):
            copy = _clone(operation, None, clone_function, call_function, recursive, cache)
        elif clone_function is not None and isinstance(operation, Layer) and not isinstance(operation, InputLayer):
            copy = clone_function(operation)
            if not isinstance(copy, Layer):
                raise ValueError(f"clone_function must return a layer, got {copy!r} for {operation!r}.")
        else:
            copy = type(operation).from_config(operation.get_config())
        if isinstance(copy, Layer) and copy.name == operation.name:
            copy._keep(_was_named=operation._was_named)
        cache[id(operation)] = copy
        return copy

    return clone


def _clone_sequential(model, input_tensors, clone):
    layers = [clone(layer) for layer in model.layers]
    first = model._stack[0] if model._stack else None
    if input_tensors is not None:
        tensors = tree.flatten(input_tensors)
        if len(tensors) != 1 or not isinstance(tensors[0], KerasTensor):
            raise ValueError("A Sequential model has one input: `input_tensors` must be one KerasTensor.")
        layers.insert(0, tensors[0])
    elif isinstance(first, InputLayer):
        layers.insert(0, clone(first))
    return Sequential(layers, name=model.name, trainable=model.trainable)


def _clone_functional(model, input_tensors, clone, call_function):
    if input_tensors is None:
        inputs = [clone(tensor._keras_history.operation).output for tensor in model.inputs]
    else:
        inputs = tree.flatten(input_tensors)
        if len(inputs) != len(model.inputs):
            raise ValueError(f"`input_tensors` must hold {len(model.inputs)} tensors, got {len(inputs)}.")
        inputs = [
            t if isinstance(t, KerasTensor) else Input(batch_shape=old.shape, dtype=old.dtype)
            for t, old in zip(inputs, model.inputs, strict=True)
        ]

    def call(operation, args, kwargs):
        copy = clone(operation)
        return copy(*args, **kwargs) if call_function is None else call_function(copy, *args, **kwargs)

    outputs = model._graph.replay(inputs, call)
    return _class_of_clone(model)(
        tree.pack_sequence_as(model._input_structure, inputs),
        tree.pack_sequence_as(model._output_structure, outputs),
        name=model.name,
        trainable=model.trainable,
    )


def _class_of_clone(model):
    """The class of the model, with its steps, where it is made of inputs and outputs."""
    cls = type(model)
    if cls is Functional or not takes_functional_arguments(cls):
        return Functional
    try:
        inspect.signature(cls).bind(None, None, name="", trainable=True)
    except TypeError:  # it wants more
        return Functional
    return cls
