"""Members of layers that only Keras 2 has: views of the calls in a graph, old names of weights, and switches that mean
nothing on torch.

May import core, metrics and layers. Attaches itself to Layer and a few others; no layer knows of it. A class that has a
member of its own keeps it.
"""

import functools

from torchkeras import layers, metrics
from torchkeras.core import scopes, tree
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.layer import Layer
from torchkeras.core.masks import mask_of
from torchkeras.core.scopes import state


def _node(layer, index, what):
    nodes = layer._inbound_nodes
    if not nodes:
        raise AttributeError(f"Layer {layer.name!r} was never called on a symbolic tensor, so it has no {what}.")
    if not -len(nodes) <= index < len(nodes):
        raise ValueError(f"Layer {layer.name!r} was called {len(nodes)} time(s): there is no {what} at index {index}.")
    return nodes[index]


def _plain(tensors):
    return tensors[0] if len(tensors) == 1 else list(tensors)


def _shapes(tensors):
    return tensors.shape if isinstance(tensors, KerasTensor) else [tensor.shape for tensor in tensors]


def get_input_at(self, node_index):
    """The tensor, or list of tensors, that went into the call of this number."""
    node = _node(self, node_index, "input")
    return _plain(node.input_tensors or node.output_tensors)  # an Input is its own input


def get_output_at(self, node_index):
    """The tensor, or list of tensors, that the call of this number gave."""
    return _plain(_node(self, node_index, "output").output_tensors)


def get_input_shape_at(self, node_index):
    """Shape, or list of shapes, of `get_input_at(node_index)`."""
    return _shapes(get_input_at(self, node_index))


def get_output_shape_at(self, node_index):
    """Shape, or list of shapes, of `get_output_at(node_index)`."""
    return _shapes(get_output_at(self, node_index))


def get_input_mask_at(self, node_index):
    """The mask that the input of a call carries; None for symbolic tensors, whose masks come with the data."""
    return _masks(get_input_at(self, node_index))


def get_output_mask_at(self, node_index):
    """The mask that the output of a call carries; None for symbolic tensors, whose masks come with the data."""
    return _masks(get_output_at(self, node_index))


def _masks(tensors):
    return mask_of(tensors) if isinstance(tensors, KerasTensor) else [mask_of(tensor) for tensor in tensors]


def _same_at_every_call(layer, what, at):
    """The value of `at` for all calls, where they agree."""
    _node(layer, 0, what)
    values = [at(layer, index) for index in range(len(layer._inbound_nodes))]
    if any(value != values[0] for value in values):
        raise AttributeError(
            f"Layer {layer.name!r} was called with several {what}s: {values}. "
            f"Use get_{what.replace(' ', '_')}_at(index)."
        )
    return values[0]


def input_shape(self):
    """Shape of the input in a graph; an Input's is a list of one, as in Keras 2. AttributeError where calls differ."""
    shape = _same_at_every_call(self, "input shape", get_input_shape_at)
    return [shape] if not self._inbound_nodes[0].input_tensors else shape


def output_shape(self):
    """Shape of the output in a graph; an Input's is a list of one, as in Keras 2. AttributeError where calls differ."""
    shape = _same_at_every_call(self, "output shape", get_output_shape_at)
    return [shape] if not self._inbound_nodes[0].input_tensors else shape


def input_mask(self):
    """Mask of the first call's input."""
    return get_input_mask_at(self, 0)


def output_mask(self):
    """Mask of the first call's output."""
    return get_output_mask_at(self, 0)


def submodules(self):
    """All layers below this one, as a tuple."""
    return tuple(self._flatten_layers(include_self=False))


def add_update(self, updates):
    """Nothing: on torch a layer's state changes while `call` runs."""


def add_metric(self, value, name=None, aggregation="mean", **kwargs):
    """Logs the mean of a value under `name`: in `call`, or of a symbolic tensor of a functional model."""
    if kwargs:
        raise TypeError(f"add_metric got unknown arguments {sorted(kwargs)}.")
    if name is None:
        raise ValueError("add_metric needs the `name` under which the value is logged.")
    if state.probe is not None:
        return
    metric = next((metric for metric in self._metrics if metric.name == name), None)
    if metric is None:
        metric = metrics.Mean(name=name)
        self._added_metrics = [*getattr(self, "_added_metrics", ()), metric]
    if isinstance(value, KerasTensor):
        self.watch(value, metric.update_state)
    else:
        metric.update_state(value)


def compute_output_signature(self, input_signature):
    """Shape and dtype of the outputs for inputs that have `shape` and `dtype`."""
    specs = tree.map_structure(lambda spec: KerasTensor(spec.shape, dtype=spec.dtype), input_signature)
    return self.compute_output_spec(specs)


def with_name_scope(cls, method):
    """Decorator of Keras 2 (a classmethod of the layer): runs a method inside the layer's name scope."""

    @functools.wraps(method)
    def scoped(self, *args, **kwargs):
        with scopes.name_scope(self.name):
            return method(self, *args, **kwargs)

    return scoped


def finalize_state(self):
    """Nothing: a layer's state needs no preparation. (Preprocessing layers compute theirs in `adapt`.)"""


def stateful(self):
    """Whether a layer below keeps states between batches."""
    return any(layer.stateful for layer in self._layers)


def depthwise_kernel(self):
    """The weight `kernel` of a depthwise convolution."""
    return self.kernel


class _View:
    """A property that gives way to an attribute of the same name: Keras 3 code may well set `self.output_shape`."""

    def __init__(self, function):
        self.function, self.__doc__ = function, function.__doc__

    def __get__(self, layer, owner):
        return self if layer is None else self.function(layer)


METHODS = (
    get_input_at,
    get_output_at,
    get_input_shape_at,
    get_output_shape_at,
    get_input_mask_at,
    get_output_mask_at,
    add_metric,
    add_update,
    compute_output_signature,
    finalize_state,
)
VIEWS = (input_shape, output_shape, input_mask, output_mask, submodules, stateful)

for _function in METHODS:
    setattr(Layer, _function.__name__, _function)
for _function in VIEWS:
    setattr(Layer, _function.__name__, _View(_function))
Layer.with_name_scope = classmethod(with_name_scope)
Layer.inbound_nodes = _View(lambda self: self._inbound_nodes)
Layer.outbound_nodes = _View(lambda self: self._outbound_nodes)
Layer.updates = _View(lambda self: [])
Layer.dynamic = False
for _owner in (layers.DepthwiseConv1D, layers.DepthwiseConv2D):
    _owner.depthwise_kernel = _View(depthwise_kernel)
