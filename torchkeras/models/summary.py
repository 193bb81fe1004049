"""What `model.summary()` prints: one row per layer and the totals.

May import core and the console. Reads models by the attributes that every Keras model has, so it needs none of the
model classes: a functional model is one with `_nodes_by_depth`.
"""

import math
import re
import shutil
import sys

import torch

from torchkeras.callbacks import console
from torchkeras.core import calls
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.keras_tensor import is_shape
from torchkeras.errors import ShapeInferenceError
from torchkeras.models._summary_table import Text, draw, join, to_ansi, to_html

_NAME, _SHAPE, _PARAMS = ("Layer (type)", "left"), ("Output Shape", "left"), ("Param #", "right")
_CONNECTED, _TRAINABLE = ("Connected to", "left"), ("Trainable", "center")

_PRE = "white-space: pre; overflow-x: auto; line-height: normal; font-family: Menlo, 'DejaVu Sans Mono', monospace"


def print_summary(
    model,
    line_length=None,
    positions=None,
    print_fn=None,
    expand_nested=False,
    show_trainable=False,
    layer_range=None,
):
    """Prints a table of the model's layers, their output shapes and parameter counts, and the totals.

    Args:
        model: any Keras model, built or not.
        line_length: characters per line; by default the terminal's width less 4, at most 88 (108 with connections).
        positions: where the columns end, as fractions of the line or as character counts.
        print_fn: called once with the whole text; by default it is written to standard output, in colours where a
            terminal or notebook shows them.
        expand_nested: show the layers of nested models, indented, below them.
        show_trainable: add a column: Y, N, or - for a layer without weights.
        layer_range: two layer names or patterns, the first and last to show.

    Raises:
        ValueError: a column would be narrower than 4 characters; `layer_range` is not two strings, or matches nothing.
    """
    connected = not _is_chain(model)
    columns = [_NAME, _SHAPE, _PARAMS]
    length = 108 if connected else 88
    positions = list(positions or ([0.3, 0.56, 0.74, 1.0] if connected else [0.45, 0.80, 1.0]))
    if connected:
        columns.append(_CONNECTED)
    if show_trainable:
        columns.append(_TRAINABLE)
        length += 12
        positions = [position * 0.9 for position in positions]
    line_length = line_length or min(length, shutil.get_terminal_size().columns - 4)
    if show_trainable:
        positions.append(1.0 if positions[-1] <= 1 else line_length)

    rows = []
    for layer in _in_range(_layers(model), layer_range):
        rows += _rows(layer, _nodes(model) if connected else None, expand_nested, show_trainable)
    names, alignments = zip(*columns)
    lines = [Text(f'Model: "{model.name}"', "b")]
    lines += draw(names, rows, alignments, _widths(positions, line_length, len(columns)), line_length)
    _show(lines + _totals(model), print_fn)


def _show(lines, print_fn):
    plain = "\n".join(line.plain for line in lines) + "\n"
    if print_fn is not None:
        print_fn(console.printable(plain, sys.stdout))
    elif console.in_notebook() and console.is_kernel_stream(sys.stdout):
        from IPython.display import display

        page = "\n".join(map(to_html, lines))
        display({"text/plain": plain, "text/html": f'<pre style="{_PRE}">{page}</pre>'}, raw=True)
    elif console.can_colour(sys.stdout):
        console.write("\n".join(map(to_ansi, lines)) + "\n")
    else:
        console.write(plain)


def _widths(positions, line_length, count):
    if len(positions) < count:
        raise ValueError(f"positions={positions} has {len(positions)} entries; the table has {count} columns.")
    fractions = positions[count - 1] <= 1
    widths, used = [], 0
    for position in positions[:count]:
        end = int(position * line_length if fractions else position)
        if end - used < 4:
            raise ValueError(
                f"A summary of {count} columns does not fit into {line_length} characters: a column would have "
                f"{end - used}, it needs 4. Pass a larger line_length= or other positions= (got {positions})."
            )
        widths.append(end - used)
        used = end
    return widths


# The layers and how they hang together


def _layers(model):
    """A functional model also shows the operations between its layers."""
    return model._operations if _nodes(model) else model.layers


def _nodes(model):
    """The calls that a functional model consists of; none for other models."""
    return [node for level in (getattr(model, "_nodes_by_depth", None) or {}).values() for node in level]


def _is_chain(model):
    """Whether every layer is called once, on the output of the one before, so that connections need no column."""
    nodes = _nodes(model)
    if len(nodes) > len(getattr(model, "_nodes_by_depth", None) or ()):
        return False
    if any(len(node.input_tensors) > 1 for node in nodes):
        return False
    ids = {id(node) for node in nodes}
    return all(sum(id(node) in ids for node in getattr(layer, "_inbound_nodes", ())) <= 1 for layer in model.layers)


def _in_range(layers, layer_range):
    if layer_range is None:
        return layers
    if len(layer_range) != 2 or not all(isinstance(name, str) for name in layer_range):
        raise ValueError(f"layer_range= got {layer_range!r}; expected two strings, the first and last layer to show.")
    ends = []
    for pattern in layer_range:
        ends.append([i for i, layer in enumerate(layers) if re.match(pattern, layer.name)])
        if not ends[-1]:
            raise ValueError(
                f"layer_range= got {layer_range!r}, but no layer matches {pattern!r}; the model has: "
                f"{', '.join(layer.name for layer in layers)}."
            )
    first, last = ends
    if min(first) > max(last):
        first, last = last, first
    return layers[min(first) : max(last) + 1]


# The cells


def _rows(layer, nodes, expand_nested, show_trainable, level=0):
    prefix = "   " * level + "└ " if level else ""
    name = Text(f"{prefix}{layer.name} (") + Text(getattr(layer, "class_title", type(layer).__name__), "s") + ")"
    row = [name, _output_shape(layer), _params(layer)]
    if nodes is not None:
        row.append(_connections(layer, nodes))
    if show_trainable:
        row.append(_trainable(layer))
    rows = [row]
    if expand_nested:
        for inner in getattr(layer, "layers", None) or ():
            rows += _rows(inner, nodes, expand_nested, show_trainable, level + 1)
    return rows


def _params(layer):
    if not hasattr(layer, "built"):
        return Text("0", "n")
    if not layer.built:
        return Text("0", "n") + " (unbuilt)"
    return Text(f"{layer.count_params():,}", "n")


def _trainable(layer):
    if not getattr(layer, "weights", None):
        return Text("-", "b")
    return Text("Y", "Y") if layer.trainable else Text("N", "N")


def _connections(layer, nodes):
    """`name[call][output]` of everything that the layer is called on inside this model."""
    ids = {id(node) for node in nodes}
    sources = []
    for node in getattr(layer, "_inbound_nodes", ()):
        for tensor in node.input_tensors if id(node) in ids else ():
            history = tensor._keras_history
            node_index, tensor_index = Text(str(history.node_index), "n"), Text(str(history.tensor_index), "n")
            sources.append(f"{history.operation.name}[" + node_index + "][" + tensor_index + "]")
    return join(", ", sources) if sources else Text("-")


def _output_shape(layer):
    """From the layer's last call in a graph; else computed from the shapes that it was built with; else "?"."""
    if nodes := getattr(layer, "_inbound_nodes", None):
        return _shape_cell(nodes[-1].output_tensors)
    built_with = getattr(layer, "_build_shapes_dict", None)
    if not built_with:
        return Text("?")
    try:
        if hasattr(layer, "output_shape"):
            return _shape_cell(layer.output_shape)
        shapes = {key.removesuffix("_shape"): shape for key, shape in built_with.items()}
        args, kwargs = calls.shape_arguments(type(layer).compute_output_shape, shapes)
        return _shape_cell(layer.compute_output_shape(*args, **kwargs))
    except (NotImplementedError, ShapeInferenceError):
        return Text("?")


def _shape_cell(value):
    """One shape alone, several in the brackets of the structure that they come in."""
    while isinstance(value, (list, tuple, dict)) and len(value) == 1 and not is_shape(value):
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return _nested_shapes(value)


def _nested_shapes(value):
    if hasattr(value, "shape"):
        value = tuple(value.shape)
    if is_shape(value):
        return "(" + join(", ", [Text(str(n), "0" if n is None else "n") for n in value]) + ")"
    if isinstance(value, dict):
        return "{" + join(", ", [f"{name}: " + _nested_shapes(inner) for name, inner in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + join(", ", map(_nested_shapes, value)) + "]"
    if isinstance(value, tuple):
        return "(" + join(", ", map(_nested_shapes, value)) + ("," if len(value) == 1 else "") + ")"
    return Text(str(value))


# The totals


def _totals(model):
    trainable, frozen = _count(model.trainable_weights), _count(model.non_trainable_weights)
    optimizer = getattr(model, "optimizer", None)
    counts = [("Trainable", trainable), ("Non-trainable", frozen)]
    if getattr(model, "compiled", False) and getattr(optimizer, "built", False):
        counts.append(("Optimizer", _count(optimizer.variables)))
    total = tuple(map(sum, zip(*(count for _, count in counts))))
    return [
        Text(f" {kind} params: ", "b") + Text(f"{number:,}", "n") + f" ({_readable(size)})"
        for kind, (number, size) in [("Total", total), *counts]
    ]


def _count(weights):
    """Number of values, and the bytes they take; a weight listed twice takes them once."""
    number = sum(math.prod(weight.shape) for weight in weights)
    distinct = {id(weight): weight for weight in weights}.values()
    return number, sum(math.prod(weight.shape) * _value_bytes(weight.dtype) for weight in distinct)


def _value_bytes(dtype):
    dtype = torch_dtype(dtype)
    return 1 / 8 if dtype == torch.bool else dtype.itemsize  # Keras counts a bool as one bit


def _readable(size):
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"
