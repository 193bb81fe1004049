"""Sequential: a stack of layers.

May import core, layers and this room. Once the input shape is known it is a functional model inside; before that it
just runs its layers in order.
"""

import numpy as np
import torch

from torchkeras.core import calls, missing, scopes, sharing, tree
from torchkeras.core.keras_tensor import KerasTensor, is_shape
from torchkeras.core.layer import Layer
from torchkeras.core.registry import CustomObjectScope, published
from torchkeras.core.serialization import build_rest, holding, inside, serialize_keras_object
from torchkeras.errors import ShapeInferenceError
from torchkeras.layers.input import InputLayer
from torchkeras.layers.torch_module import as_layer
from torchkeras.models import functional_config
from torchkeras.models.functional import Functional, key_of
from torchkeras.models.model import Model
from torchkeras.saving import old_names


@published("model", "keras")
class Sequential(Model):
    """Layers one after the other.

    Args:
        layers: list of layers (or torch modules); the first may be `Input(...)` or declare its input
            (`input_shape=`), then the weights exist at once. Otherwise they are made for the first data.
        trainable, name: as for every layer.

    Example:
        >>> Sequential([Dense(4, activation="relu"), torch.nn.Linear(4, 1)])(torch.ones(2, 3)).shape
        torch.Size([2, 1])
    """

    _masks_inside = True
    _saved_first = ("layers",)
    _saved_never = ("_inner", "_stack")  # the same layers once more

    def __init__(self, layers=None, trainable=True, name=None, **kwargs):
        Layer.__init__(self, name=name, trainable=trainable, **kwargs)
        self._keep(_stack=[], _inner=None, autocast=False)
        if isinstance(layers, (torch.nn.Module, KerasTensor)) and not isinstance(layers, torch.nn.ModuleList):
            layers = [layers]
        for layer in layers or ():
            self._push(layer)
        self._build_if_shape_known()

    def add(self, layer, rebuild=True):
        """Puts a layer (or torch module, or Input) on top."""
        self._push(layer)
        if rebuild:
            self._build_if_shape_known()

    def pop(self, rebuild=True):
        """Takes the last layer off and returns it. Raises `ValueError` if there is none."""
        if not self.layers:
            raise ValueError(f"Sequential model {self.name!r} has no layers to pop.")
        layer = self._stack.pop()
        del self._modules[next(key for key, module in self._modules.items() if module is layer)]
        self._places.forget(layer)
        self._children_changed()
        self._forget_graph()
        if rebuild:
            self._build_if_shape_known()
        return layer

    def _push(self, layer):
        if isinstance(layer, KerasTensor):
            layer = layer._keras_history.operation
            if not isinstance(layer, InputLayer):
                raise ValueError(
                    f"Only the tensor of keras.Input() can be added to a Sequential, got the output of {layer!r}."
                )
        if not isinstance(layer, torch.nn.Module):
            raise ValueError(f"Only layers and torch modules can be added to a Sequential model, got {layer!r}.")
        layer = as_layer(layer)
        if isinstance(layer, InputLayer) and self._stack:
            raise ValueError(f"Sequential model {self.name!r} has layers already: an Input can only come first.")
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(
                f"All layers of a Sequential must have unique names; there is a layer {layer.name!r} already."
            )
        if not self._stack and not isinstance(layer, InputLayer):
            shape = layer.__dict__.get("_declared_input")
            if (
                shape is None
                and isinstance(layer, (Functional, Sequential))
                and layer.built
                and layer._graph is not None
            ):
                shape = layer.input_shape if is_shape(layer.input_shape) else None
            if shape is not None:
                self._push(InputLayer(batch_shape=shape, dtype=_input_dtype(layer)))
        self._stack.append(layer)
        if not isinstance(layer, InputLayer):
            self._modules[key_of(layer, self._modules)] = layer
            self._places.meet(layer)
        self._forget_graph()

    def _forget_graph(self):
        self._children_changed()
        self._keep(_inner=None, built=False, _ready=False)

    def _build_if_shape_known(self):
        if self._stack and isinstance(self._stack[0], InputLayer) and len(self._stack) > 1:
            self.build(self._stack[0].batch_shape)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        if self._inner is not None:
            self._inner._move_inputs(fn)
        return self

    def build(self, input_shape=None):
        """Makes the weights for inputs of this shape (with the batch axis)."""
        if not self.layers:
            raise ValueError(f"Sequential model {self.name!r} has no layers yet: add some before building it.")
        if input_shape is None:
            if not isinstance(self._stack[0], InputLayer):
                raise ValueError("Give `input_shape`: the model does not begin with an Input.")
            input_shape = self._stack[0].batch_shape
        if not is_shape(input_shape) or isinstance(self._stack[0], InputLayer) is False:
            self._start_with_input(input_shape)
        tensor = self._stack[0].output
        x = tensor
        try:
            for layer in self.layers:
                x = layer(x)
        except (ShapeInferenceError, NotImplementedError):
            self.built = True  # runs layer by layer, without a graph
            return
        inner = Functional(tensor, x)  # takes an automatic name, as in Keras, so that later models are numbered alike
        inner.name = self.name
        inner._checks_sizes = False  # each layer judges for itself, as in Keras: a sequence may be longer than declared
        self._keep(_inner=inner)
        self.built = True

    def _start_with_input(self, input_shape):
        if not is_shape(input_shape):
            raise ValueError(f"A Sequential has one input, so its shape must be one tuple, got {input_shape!r}.")
        self._stack.insert(0, InputLayer(batch_shape=input_shape, dtype=_input_dtype(self._stack[0])))

    def _finish_build(self, args, kwargs):
        shape = self._stack[0].batch_shape if self._stack and isinstance(self._stack[0], InputLayer) else None
        super()._finish_build((shape,) if shape is not None else args, {} if shape is not None else kwargs)
        self._keep(_ready=self._inner is not None)

    def _build_from(self, arguments):
        tensors = list(calls.tensor_arguments(arguments).values())
        first = next(iter(arguments.values()), None)
        if not tensors and isinstance(first, np.ndarray):  # of strings, which are no tensors
            self.build((None, *first.shape[1:]))
            return
        if not tensors:
            raise ValueError(f"Sequential model {self.name!r} was called without a tensor.")
        shape = calls.shape_tree(tensors[0], scopes.state.probe)
        if not is_shape(shape):
            self.built = True  # a first layer that takes several tensors: no graph, layer by layer
            return
        self.build(shape)

    def call(self, inputs, training=None, mask=None):
        if self._inner is not None:
            return self._inner.call(inputs, mask=mask)
        x = inputs
        for layer in self.layers:
            x = layer(x)
        return x

    # -- views --------------------------------------------------------------------------------------------------------

    @property
    def layers(self):
        """The layers without the Input."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    @property
    def _graph(self):
        return None if self._inner is None else self._inner._graph

    def _functional(self, what):
        if self._inner is None:
            raise AttributeError(
                f"Sequential model {self.name!r} has no defined {what} yet: call it on data, build(input_shape), or "
                "begin with an Input."
            )
        return self._inner

    inputs = property(lambda self: self._functional("inputs").inputs)
    outputs = property(lambda self: self._functional("outputs").outputs)
    input = property(lambda self: self._functional("input").input)
    output = property(lambda self: self._functional("output").output)
    input_names = property(lambda self: self._functional("input").input_names)
    output_names = property(lambda self: self._functional("output").output_names)
    input_shape = property(lambda self: self._functional("input shape").input_shape)
    output_shape = property(lambda self: self._functional("output shape").output_shape)

    def compute_output_spec(self, inputs, training=None, mask=None):
        if self._inner is not None:
            return self._inner.compute_output_spec(inputs)
        return super().compute_output_spec(inputs)

    def compute_output_shape(self, input_shape):
        if self._inner is not None:
            return self._inner.compute_output_shape(input_shape)
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    # -- configuration ------------------------------------------------------------------------------------------------

    def get_config(self):
        config = Layer.get_config(self)
        layers = serialize_keras_object(self._stack)
        result = {**config, "layers": layers}
        if self._inner is not None:
            result["build_input_shape"] = tuple(self._stack[0].batch_shape)
        return result

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A model from what `get_config` gave, in any generation of Keras; a bare list of layers (Keras 1) too."""
        if isinstance(config, list):
            config = {"layers": config}
        with CustomObjectScope(custom_objects):
            config = old_names.modernized(config)
        if "layers" not in config or "input_layers" in config:
            return Model.from_config(config, custom_objects)
        model = cls(name=config.get("name"))  # whether they learn, the layers say themselves, as in Keras
        if config.get("dtype") is not None:
            model.dtype_policy = config["dtype"]
        line = f"{cls.__name__}.from_config(config, {{}})"
        with holding() as builds:
            with CustomObjectScope(custom_objects), sharing.rebuilding(), inside(), missing.told(line, config):
                for each in config["layers"]:
                    model.add(functional_config.layer_from_config(each), rebuild=False)
            shape = config.get("build_input_shape")
            if model._inner is None and model.layers:
                if isinstance(model._stack[0], InputLayer):
                    model._build_if_shape_known()
                elif shape is not None:
                    model.build(tuple(shape))
        build_rest(builds)
        return model


def _input_dtype(layer):
    """dtype of the Input that a Sequential makes for its first layer."""
    first = layer
    while isinstance(first, Sequential) and first.layers:
        first = first.layers[0]
    return first.input_dtype if not isinstance(first, Functional) else tree.flatten(first.inputs)[0].dtype
