"""model_to_dot and plot_model: the layers of a model as boxes with arrows between them.

May import callbacks' console, core and models. Boxes are tables in Graphviz's HTML; pydot (the extra `viz`) holds the
graph and Graphviz draws it, both loaded when one of these is called.
"""

import html
import os
import shutil
import sys

from torchkeras.callbacks import console
from torchkeras.core import tree
from torchkeras.errors import NotBuiltError, UnknownArgumentError
from torchkeras.layers.input import InputLayer
from torchkeras.models.functional import Functional
from torchkeras.models.sequential import Sequential

_ADVICE = (
    "needs two packages: pydot (`pip install pydot`, or `pip install torchkeras-shim[viz]`) and, to draw, Graphviz "
    "(`apt install graphviz`, `brew install graphviz`, `conda install graphviz`, or https://graphviz.org/download). "
)


def model_to_dot(
    model,
    show_shapes=False,
    show_dtype=False,
    show_layer_names=True,
    rankdir="TB",
    expand_nested=False,
    dpi=200,
    subgraph=False,
    show_layer_activations=False,
    show_trainable=False,
    splines="ortho",
    **kwargs,
):
    """The graph of a model as a `pydot.Dot`; its `to_string()` is text for Graphviz.

    Args:
        model: a built model. One of your own class is a single box.
        show_shapes, show_dtype: of inputs and outputs.
        show_layer_names: name and class, instead of the class alone.
        rankdir: "TB" from top to bottom, "LR" from left to right.
        expand_nested: models inside as frames with their layers, instead of one box.
        dpi: pixels per inch.
        subgraph: make a `pydot.Cluster`, a frame within another graph.
        show_layer_activations: of layers that have one.
        show_trainable: whether the weights learn.
        splines: form of the arrows: "ortho", "curved", "polyline", "spline", "line".

    Raises `ImportError` without pydot, and `ValueError` for a model that is not built.
    """
    _require_built(model)
    pydot = _pydot()
    if pydot is None:
        raise ImportError(f"model_to_dot {_ADVICE}pydot is missing.")
    _refuse(kwargs)
    if subgraph:
        dot = pydot.Cluster(style="dashed", graph_name=model.name)
        settings = {"label": model.name, "labeljust": "l"}
    else:
        dot = pydot.Dot()
        settings = {"rankdir": rankdir, "concentrate": True, "dpi": dpi, "splines": splines}
        dot.set_node_defaults(shape="record")
    for name, value in settings.items():
        dot.set(name, value)
    shown = {
        "shapes": show_shapes, "dtype": show_dtype, "names": show_layer_names, "activations": show_layer_activations,
        "trainable": show_trainable,
    }  # fmt: skip
    for layer in _parts(model):
        if expand_nested and _has_parts(layer):
            inner = {"show_layer_activations": show_layer_activations, "show_trainable": show_trainable}
            where = (rankdir, expand_nested)
            frame = model_to_dot(layer, show_shapes, show_dtype, show_layer_names, *where, subgraph=True, **inner)
            dot.add_subgraph(frame)
        else:
            dot.add_node(_box(pydot, layer, shown))
    drawn = set()
    for ends in _arrows(model, expand_nested):
        ends = tuple(str(id(layer)) for layer in ends)
        if ends not in drawn:
            drawn.add(ends)
            dot.add_edge(pydot.Edge(*ends, penwidth="2"))
    return dot


def plot_model(
    model,
    to_file="model.png",
    show_shapes=False,
    show_dtype=False,
    show_layer_names=False,
    rankdir="TB",
    expand_nested=False,
    dpi=200,
    show_layer_activations=False,
    show_trainable=False,
    splines="ortho",
    **kwargs,
):
    """Draws a model into a file.

    Args:
        to_file: path, whose ending says the format (png, svg, pdf…).
        model and all others: as of `model_to_dot`.

    Returns the picture for a notebook, where IPython is installed.

    Raises `ImportError` without pydot or Graphviz (in a notebook it prints that, and returns None), and `ValueError`
    for a model that is not built.
    """
    _require_built(model)
    missing = "pydot" if _pydot() is None else "Graphviz" if shutil.which("dot") is None else None
    if missing is not None:
        text = f"plot_model {_ADVICE}{missing} is missing."
        if "IPython.core.magics.namespace" not in sys.modules:
            raise ImportError(text)
        console.write(text + "\n")
        return None
    _refuse(kwargs)
    dot = model_to_dot(
        model, show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi, False, show_layer_activations,
        show_trainable, splines,
    )  # fmt: skip
    to_file = str(to_file)
    form = os.path.splitext(to_file)[1][1:] or "png"
    dot.write(to_file, format=form)
    if form == "pdf":
        return None
    try:
        from IPython.display import Image
    except ImportError:
        return None
    return Image(filename=to_file)


def _pydot():
    try:
        import pydot
    except ImportError:
        return None
    return pydot


def _require_built(model):
    if not model.built:
        raise NotBuiltError(f"Model {model.name!r} is not built yet: call it on data, or build(input_shape), first.")


def _refuse(arguments):
    if arguments.pop("layer_range", None) is not None:
        raise ValueError("`layer_range` is a thing of Keras 2: make a smaller Model(inputs, outputs) to draw a part.")
    if arguments:
        raise UnknownArgumentError(f"Unrecognized arguments: {', '.join(arguments)}.")


# -- what is connected ------------------------------------------------------------------------------------------------


def _has_parts(layer):
    return isinstance(layer, (Functional, Sequential))


def _parts(model):
    """What has a box of its own."""
    if isinstance(model, Sequential):
        return model.layers
    return model.operations if isinstance(model, Functional) else [model]


def _arrows(model, expand):
    """Pairs of layers that hand tensors on."""
    if isinstance(model, Sequential):
        for before, layer in zip(model.layers, model.layers[1:]):
            yield (_last(before, 0), _first(layer, 0)) if expand else (before, layer)
    elif isinstance(model, Functional):
        nodes = set(model._graph.nodes)
        for layer in model.operations:
            for node in layer._inbound_nodes:
                for index, tensor in enumerate(node.input_tensors if node in nodes else ()):
                    before, _, output = tensor._keras_history
                    yield (_last(before, output), _first(layer, index)) if expand else (before, layer)


def _last(layer, output):
    """The layer in a model, and in models in it, from which an output of it comes."""
    while _has_parts(layer):
        layer, _, output = layer.outputs[output]._keras_history
    return layer


def _first(layer, index):
    """The one to which an input goes."""
    while _has_parts(layer):
        layer = layer.layers[0] if isinstance(layer, Sequential) else layer.inputs[index]._keras_history.operation
    return layer


# -- a box ------------------------------------------------------------------------------------------------------------


def _box(pydot, layer, shown):
    columns = list(_columns(layer, shown))
    width = max(1, 2 * shown["shapes"] + shown["dtype"] + shown["trainable"])
    title = f"<b>{html.escape(getattr(layer, 'class_title', type(layer).__name__), quote=False)}</b>"
    if shown["names"]:
        title = f"<b>{html.escape(layer.name, quote=False)}</b> ({title[3:-4]})"
    rows = [_cell(title, "black", "white", width, size=16)]
    # In a model of this kind `activation` would be a layer of that name.
    if shown["activations"] and not _has_parts(layer) and getattr(layer, "activation", None) is not None:
        rows.append(_cell(f"Activation: <b>{_name_of(layer.activation)}</b>", "white", span=width, last=True))
    if columns:
        rows.append("".join(columns))
    table = "".join(f"<tr>{row}</tr>" for row in rows)
    label = f'<<table border="0" cellborder="1" bgcolor="black" cellpadding="10">{table}</table>>'
    return pydot.Node(str(id(layer)), label=label, fontname="Helvetica", border="0", margin="0")


def _columns(layer, shown):
    if shown["shapes"]:
        before, after = _described(layer, "shape")
        if not isinstance(layer, InputLayer):
            yield _cell(f"Input shape: <b>{before}</b>", "white")
        yield _cell(f"Output shape: <b>{after}</b>", "white")
    if shown["dtype"]:
        yield _cell(f"Output dtype: <b>{_described(layer, 'dtype')[1]}</b>", "white")
    if shown["trainable"] and hasattr(layer, "trainable") and layer.weights:
        colour, word = ("forestgreen", "Trainable") if layer.trainable else ("firebrick", "Non-trainable")
        yield _cell(f"<b>{word}</b>", colour, "white")


def _cell(text, background, colour=None, span=None, size=14, last=False):
    """A cell of the table; `last`: its width stands behind its colour, as Keras writes it there."""
    width = "" if span is None else f' colspan="{span}"'
    head = f'bgcolor="{background}"{width}' if last else f'{width} bgcolor="{background}"'.strip()
    font = f'point-size="{size}"' + (f' color="{colour}"' if colour else "")
    return f"<td {head}><font {font}>{text}</font></td>"


def _described(layer, what):
    """Shape or dtype of what goes in and what comes out, in words; "?" for layers that stand in no graph."""
    try:
        found = [tree.map_structure(lambda tensor: getattr(tensor, what), each) for each in (layer.input, layer.output)]
    except (AttributeError, ValueError):
        return "?", "?"
    return [_in_words(each) if what == "shape" else html.escape(str(each), quote=False) for each in found]


def _in_words(shape):
    if isinstance(shape, dict):
        shape = ", ".join(f"{name}: {size}" for name, size in shape.items())
    return html.escape(str(shape), quote=False).replace("{", "").replace("}", "")


def _name_of(activation):
    name = getattr(activation, "name", None) or getattr(activation, "__name__", None) or str(activation)
    return html.escape(name, quote=False)
