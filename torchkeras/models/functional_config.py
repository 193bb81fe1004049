"""Functional models as configs, and back.

May import core, saving and models/model (functional models import this file, and are found as `Model._graph_model`).
Writes Keras 3's form: layers with `inbound_nodes`, tensors as `__keras_tensor__`. Older forms are brought into this one
by `saving/old_names.py` before they are read.
"""

import inspect
from collections import defaultdict, deque

from torchkeras.core import missing, registry, sharing, tree
from torchkeras.core.keras_tensor import KerasTensor, any_symbolic
from torchkeras.core.layer import Layer
from torchkeras.core.serialization import FUNCTION_KINDS, deserialize_keras_object, is_safe, serialize_keras_object
from torchkeras.core.symbolic import FunctionOperation
from torchkeras.errors import CorruptFileError, UnsafeFileError
from torchkeras.models.model import Model
from torchkeras.saving import old_names

# Operations that run a function which they are given.
RUN_FUNCTIONS = frozenset(
    ("AssociativeScan", "Cond", "ForiLoop", "Map", "Scan", "Switch", "VectorizedMap", "WhileLoop")
)


def takes_functional_arguments(cls):
    """Whether a class is made as `cls(inputs, outputs)`, so that its graph is its config."""
    if cls.__init__ is Model._graph_model.__init__:
        return True
    names = list(inspect.signature(cls.__init__).parameters)[1:]
    kinds = {parameter.kind for parameter in inspect.signature(cls.__init__).parameters.values()}
    anything = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds
    return anything or {"inputs", "outputs"} <= set(names)


def functional_to_config(model):
    """The config of a functional model."""
    return sharing.described(lambda: _describe(model))


def _describe(model):
    graph = model._graph
    layers, numbers = [], _node_numbers(graph)
    for operation in graph.operations:
        entry = serialize_keras_object(operation)
        entry["name"] = operation.name
        entry["inbound_nodes"] = [
            _node_to_config(node, numbers) for node in operation._inbound_nodes if node in numbers and not node.is_input
        ]
        layers.append(entry)
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": _structure(model.input, numbers),
        "output_layers": _structure(model.output, numbers),
    }


def _node_numbers(graph):
    """Node -> its place among the nodes of its operation that belong to this graph."""
    members, numbers = set(graph.nodes), {}
    for operation in graph.operations:
        mine = [node for node in operation._inbound_nodes if node in members]
        numbers.update({node: place for place, node in enumerate(mine)})
    return numbers


def _history(tensor, numbers):
    history = tensor._keras_history
    node = history.operation._inbound_nodes[history.node_index]
    return [history.operation.name, numbers[node], history.tensor_index]


def _implied_arguments(layer, args, kwargs):
    """What Keras adds to a layer's arguments before it writes them down: the default of `training`, an empty mask."""
    if not isinstance(layer, Layer) or len(args) != 1 or "mask" in kwargs:
        return {}
    if getattr(layer, "_graph", None) is None:  # no graph: it does so only where nothing was converted
        if kwargs or not isinstance(args[0], KerasTensor) or args[0].dtype != layer.input_dtype:
            return {}
    implied, info = {}, layer._call_info
    if info.training and "training" not in kwargs and info.signature.parameters["training"].default is not None:
        implied["training"] = info.signature.parameters["training"].default
    if info.mask:
        implied["mask"] = tree.map_structure(lambda tensor: None, args[0])
    return implied


def _explicit_arguments(operation, args, kwargs):
    """The arguments without those that say nothing: masks of None, and `training=False` where that is the default.

    Keras writes defaults down like what the user said. Here an explicit `training` wins over the trainer's, so a
    default must not pass for one: a Dropout from a file would never drop.
    """
    if isinstance(operation, FunctionOperation):
        if getattr(operation.function, "keras_class", None) == "GetItem" and isinstance(args[1], list):
            args = [args[0], tuple(args[1])]  # JSON knows no tuples
        return args, kwargs
    if not isinstance(operation, Layer):
        return args, kwargs
    default = operation._call_info.signature.parameters.get("training")
    if "training" in kwargs and default is not None and kwargs["training"] is default.default:
        kwargs = {key: value for key, value in kwargs.items() if key != "training"}
    if "mask" in kwargs and all(leaf is None for leaf in tree.flatten(kwargs["mask"])):
        kwargs = {key: value for key, value in kwargs.items() if key != "mask"}
    return args, kwargs


def _node_to_config(node, numbers):
    def describe(value):
        if isinstance(value, KerasTensor):
            config = {"shape": tuple(value.shape), "dtype": value.dtype, "keras_history": _history(value, numbers)}
            return {"class_name": "__keras_tensor__", "config": config}
        return serialize_keras_object(value)

    args, kwargs = node.arguments.args, node.arguments.kwargs
    kwargs = {**_implied_arguments(node.operation, args, kwargs), **node.implied, **kwargs}
    return {"args": tree.map_structure(describe, tuple(args)), "kwargs": tree.map_structure(describe, kwargs)}


def _is_graph(operation):
    return isinstance(operation, Model) and operation._is_graph


def _structure(tensors, numbers):
    if isinstance(tensors, KerasTensor):
        name, node, index = _history(tensors, numbers)
        # Keras counts the calls of a functional model from 1 here: its own graph is number 0.
        return [name, node + _is_graph(tensors._keras_history.operation), index]
    if isinstance(tensors, dict):
        return {key: _structure(value, numbers) for key, value in tensors.items()}
    return type(tensors)(_structure(value, numbers) for value in tensors)


# -- reading ----------------------------------------------------------------------------------------------------------


def layer_from_config(entry):
    """A layer or operation from its entry; `class_name` must name a layer, model or operation."""
    name = entry.get("class_name")
    if str(entry.get("module", "")).startswith("keras.src.ops") and registry.find_custom(name) is None:
        function = registry.find(name, ("operation",))
        if function is None:
            raise ValueError(f"Unknown operation {name!r} in the config: it is not among torchkeras.ops yet.")
        if name in RUN_FUNCTIONS and is_safe():
            raise UnsafeFileError(
                f"The config holds the operation {name}, which runs a function that the config names. If you trust "
                "where it comes from, pass safe_mode=False or call keras.config.enable_unsafe_deserialization()."
            )
        config = dict(entry["config"])
        label = config.pop("name", None)
        names = {written: parameter for parameter, written in function.config_names.items()}
        values = {names.get(key, key): _value(config[key]) for key in config}
        return FunctionOperation(function, values, name=label)
    layer = deserialize_keras_object(
        {key: value for key, value in entry.items() if key not in ("name", "inbound_nodes")},
        kinds=("layer", "model"),
        printable_name="layer",
    )
    if isinstance(layer, Layer):
        layer._judge_name()
    return layer


def functional_from_config(cls, config, custom_objects=None):
    """A functional model from its config; layers are called in whatever order their inputs become known."""
    line = f"{cls.__name__}.from_config(config, {{}})"
    with registry.CustomObjectScope(custom_objects), sharing.rebuilding(), missing.told(line, config):
        config = old_names.modernized(config)
        return _wire(cls, config, _operations(config["layers"]))


def _operations(entries):
    operations = {}
    for entry in entries:
        name = _name_of(entry)
        if name in operations:
            raise ValueError(f"The config holds two layers of the name {name!r}.")
        operations[name] = layer_from_config(entry)
    return operations


def _name_of(entry):
    return entry.get("name") or entry["config"]["name"]


def _wire(cls, config, operations):
    calls_made = {name: {} for name in operations}
    for name, operation in operations.items():
        nodes = operation._inbound_nodes
        if nodes and nodes[0].is_input:
            calls_made[name][0] = nodes[0]
    _call_all(config["layers"], operations, calls_made)
    inputs = _read_structure(config["input_layers"], operations, calls_made)
    outputs = _read_structure(config["output_layers"], operations, calls_made)
    extra = {key: config[key] for key in ("name", "trainable") if key in config}
    known = {"name", "trainable", "layers", "input_layers", "output_layers"}
    functional = Model._graph_model
    if cls.__init__ is not functional.__init__ and issubclass(cls, functional):
        extra.update({key: value for key, value in config.items() if key not in known})
    return (functional if cls is Model else cls)(inputs=inputs, outputs=outputs, **extra)


def _call_all(entries, operations, calls_made):
    """Calls the operations as the config says, each when all that it needs is made, whatever the order of entries."""
    ready, waiting, left = deque(), defaultdict(list), {}
    for entry in entries:
        name = _name_of(entry)
        for number, node in enumerate(entry["inbound_nodes"]):
            call = (name, number, node)
            wanted = {key for key in _needed(node, operations) if key[1] not in calls_made[key[0]]}
            if number and number - 1 not in calls_made[name]:
                wanted.add((name, number - 1))
            left[name, number] = len(wanted)
            for key in wanted:
                waiting[key].append(call)
            if not wanted:
                ready.append(call)
    while ready:
        name, number, node = ready.popleft()
        calls_made[name][number] = _call(operations[name], node, calls_made)
        for call in waiting.pop((name, number), ()):
            left[call[:2]] -= 1
            if not left[call[:2]]:
                ready.append(call)
    late = sorted({name for calls in waiting.values() for name, _, _ in calls})
    if late:
        raise ValueError(
            f"The graph in the config cannot be wired: {late[:20]} wait for tensors that nothing makes (a cycle, or a "
            "missing layer)."
        )


def _needed(value, operations):
    """`(name, number)` of each call whose tensor a node of the config takes."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            name, number = value["config"]["keras_history"][:2]
            if name not in operations:
                raise ValueError(f"The config names a layer {name!r} that it does not hold.")
            yield name, number
        value = value.values()
    if not isinstance(value, (str, int, float, type(None))):
        for item in value:
            yield from _needed(item, operations)


def _call(operation, node, calls_made):
    """The node of one call. Nothing is computed: without a tensor of the graph an operation would run at once."""
    args = [_read(value, calls_made) for value in node["args"]]
    kwargs = {key: _read(value, calls_made) for key, value in node["kwargs"].items()}
    if not any_symbolic(args, kwargs):
        raise CorruptFileError(f"The config calls {operation.name!r} without any tensor of its graph.")
    args, explicit = _explicit_arguments(operation, args, kwargs)
    operation(*args, **explicit)
    made = operation._inbound_nodes[-1]
    made.implied = {key: value for key, value in kwargs.items() if key not in explicit}
    return made


class _NotYet(Exception):
    """A tensor that no call has made."""


def _read(value, calls_made):
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return _tensor(value["config"]["keras_history"], calls_made)
    if isinstance(value, (list, tuple)):
        return type(value)(_read(item, calls_made) for item in value)
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _read(item, calls_made) for key, item in value.items()}
    return _value(value)


def _value(value):
    """An argument that is no tensor: plain values, arrays, and functions that do nothing but compute."""
    return deserialize_keras_object(value, kinds=FUNCTION_KINDS, printable_name="argument of a call")


def _tensor(history, calls_made):
    name, node, index = history[:3]
    if name not in calls_made:
        raise ValueError(f"The config names a layer {name!r} that it does not hold.")
    if node not in calls_made[name]:
        raise _NotYet
    return calls_made[name][node].outputs[index]


def _read_structure(structure, operations, calls_made):
    if isinstance(structure, dict) and structure.get("class_name") == "__keras_tensor__":  # from an old graph
        return _end(structure["config"]["keras_history"], calls_made)
    if isinstance(structure, dict):
        return {key: _read_structure(value, operations, calls_made) for key, value in structure.items()}
    if len(structure) == 3 and isinstance(structure[0], str):
        name, node, index = structure
        return _end([name, node - _is_graph(operations.get(name)), index], calls_made)
    return type(structure)(_read_structure(value, operations, calls_made) for value in structure)


def _end(history, calls_made):
    """A tensor with which the graph begins or ends."""
    try:
        return _tensor(history, calls_made)
    except (_NotYet, IndexError):
        name, node, index = history
        raise ValueError(
            f"The config names output {index} of call {node} of layer {name!r}, which its graph does not make."
        ) from None
