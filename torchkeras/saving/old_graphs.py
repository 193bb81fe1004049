"""Graphs as Keras 1 and 2 wrote them, brought into Keras 3's form: functional models, and stacks that branch.

May import core and this room's functions of TensorFlow. Works on JSON values alone; `old_names` reads single layers.

An old graph lists for each call of a layer where its tensors come from, `[["left", 0, 0, {}], ["right", 0, 0, {}]]`:
layer, number of the call, number of the output, further arguments of the call. Keras 3 lists arguments, with
`__keras_tensor__` in the place of tensors.
"""

from torchkeras.core import registry
from torchkeras.saving import tf_functions

_TENSOR = "__keras_tensor__"
_CONSTANT = "_CONSTANT_VALUE"  # in the place of a layer's name: the third item is a plain value
_UNSAID = ("mask", "training", "initial_state", "constants")  # arguments that None says nothing about

# Layers whose inputs beyond the first are their initial states.
_RECURRENT = {"RNN", "SimpleRNN", "LSTM", "GRU", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}
_MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate", "dot": "Dot"}


def modernized(config):
    """The config of a functional model in Keras 3's form; its layers are up to date but for their inbound nodes."""
    return _Graph(config).modernized() if _is_old(config) else config


def _is_old(config):
    nodes = [node for entry in config["layers"] for node in entry.get("inbound_nodes", ())]
    return not nodes or any(not (isinstance(node, dict) and "args" in node) for node in nodes)


def without_slash(name):
    """A layer's name as it may be today."""
    return name.replace("/", "_")


def tensor(name, call, output):
    """A tensor of a graph, as a config names it."""
    return {"class_name": _TENSOR, "config": {"keras_history": [name, call, output]}}


class _Graph:
    """One old graph: its layers by name, and what became of its calls."""

    def __init__(self, config):
        self.config, self.layers = config, []
        self.entries = {_name_of(entry): entry for entry in config["layers"]}
        self.shifts = self._shifts()
        self.moved = {}  # (layer, call) -> layer, call: the calls of one function became an operation each

    def modernized(self):
        for name, entry in self.entries.items():
            if entry["class_name"] in tf_functions.CLASSES:
                self._function(name, entry)
            else:
                self.layers.append(self._layer(name, entry))
        ends = {key: self._structure(self.config[key]) for key in ("input_layers", "output_layers")}
        return {**self.config, "layers": self.layers, **ends}

    # -- layers -------------------------------------------------------------------------------------------------------

    def _layer(self, name, entry):
        if entry["class_name"] == "Merge":
            entry = merged(entry)
        calls = [self._call(entry, node) for node in entry.get("inbound_nodes", ())]
        config = {**entry["config"], "name": without_slash(entry["config"].get("name", name))}
        return {**entry, "config": config, "name": without_slash(name), "inbound_nodes": calls}

    def _call(self, entry, node):
        """`{"args", "kwargs"}` of one call."""
        inputs, kwargs = self._inputs(node)
        if isinstance(inputs, list) and len(inputs) == 1:
            inputs = inputs[0]
        kwargs = {key: value for key, value in kwargs.items() if value is not None or key not in _UNSAID}
        if isinstance(inputs, list) and _is_recurrent(entry):
            states = inputs[1:]
            constants = entry["config"].get("num_constants") or 0
            if constants:
                kwargs["constants"] = states[-constants:]
                states = states[:-constants]
            if states:
                kwargs["initial_state"] = states
            inputs = inputs[0]
        return {"args": [inputs], "kwargs": kwargs}

    def _inputs(self, node):
        """`(the structure of what goes in first, further arguments)`. All leaves carry the same arguments."""
        kwargs = {}

        def read(part):
            if _is_leaf(part):
                if len(part) > 3:
                    kwargs.update(part[3])
                return part[2] if part[0] == _CONSTANT else self._tensor(part)
            if isinstance(part, dict):
                return {key: read(item) for key, item in part.items()}
            return [read(item) for item in part]

        inputs = read(node)
        return inputs, {key: self._argument(value) for key, value in kwargs.items()}

    def _argument(self, value):
        """A further argument of a call, in which tensors stand as `[layer, call, output]`."""
        if _is_leaf(value) and value[0] in self.entries:
            return self._tensor(value)
        if isinstance(value, list):
            return [self._argument(item) for item in value]
        if isinstance(value, dict) and "class_name" not in value:
            return {key: self._argument(item) for key, item in value.items()}
        return value

    def _tensor(self, leaf):
        name, call, output = leaf[:3]
        if name in self.shifts:
            call -= self.shifts[name]
        name, call = self.moved.get((name, call), (name, call))
        return tensor(without_slash(name), call, output)

    def _structure(self, structure):
        """`input_layers` or `output_layers`: one tensor stood in a list of its own."""
        if _is_leaf(structure):
            return self._tensor(structure)
        if isinstance(structure, dict):
            return {key: self._structure(value) for key, value in structure.items()}
        found = [self._structure(value) for value in structure]
        return found[0] if len(found) == 1 else found

    def _shifts(self):
        """Layer -> number of its first call. The graph of a nested model is its call 0: others begin at 1."""
        last = {}
        for leaf in _leaves([entry.get("inbound_nodes", ()) for entry in self.entries.values()], self.entries):
            last[leaf[0]] = max(last.get(leaf[0], 0), leaf[1])
        for leaf in _leaves([self.config["input_layers"], self.config["output_layers"]], self.entries):
            last[leaf[0]] = max(last.get(leaf[0], 0), leaf[1])
        made = {name: len(self.entries[name].get("inbound_nodes", ())) for name in last}
        return {name: last[name] - made[name] + 1 for name in last if 0 < made[name] <= last[name]}

    # -- functions of TensorFlow --------------------------------------------------------------------------------------

    def _function(self, name, entry):
        for number, node in enumerate(entry.get("inbound_nodes", ())):
            label = without_slash(name) if number == 0 else f"{without_slash(name)}.call_{number}"
            self.moved[name, number] = (label, 0)
            inputs, kwargs = self._inputs(node)
            self.layers.extend(tf_functions.operations(entry, label, inputs, kwargs))


def _is_leaf(part):
    return isinstance(part, (list, tuple)) and len(part) in (3, 4) and isinstance(part[0], str) and _is_number(part[1])


def _is_number(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _leaves(part, known):
    """All `[layer, call, output]` in a structure."""
    if _is_leaf(part) and part[0] in known:
        yield part
    for item in part.values() if isinstance(part, dict) else part if isinstance(part, (list, tuple)) else ():
        yield from _leaves(item, known)


def _name_of(entry):
    return entry.get("name") or entry["config"]["name"]


def _is_recurrent(entry):
    """Whether a layer is recurrent, by name; of the user's own by its class."""
    if entry["class_name"] in _RECURRENT:
        return True
    cls = registry.find_custom(entry.get("registered_name"), entry["class_name"])
    return any(
        registry.entry_of(part) is not None and part.__name__ in _RECURRENT for part in getattr(cls, "__mro__", ())
    )


# -- Keras 1's Merge, and stacks that begin with one ------------------------------------------------------------------


def merged(entry):
    """Today's layer for Keras 1's `Merge`, which was all merging layers in one. Raises `ValueError` for functions."""
    config = entry["config"]
    mode, name = config.get("mode", "sum"), config.get("name")
    kept = {key: config[key] for key in ("name", "trainable") if key in config}
    if config.get("mode_type", "raw") != "raw" or mode not in (*_MERGES, "cos"):
        raise ValueError(
            f"The Merge layer {name!r} joins its inputs by {mode!r}, which no layer does today: only "
            f"{sorted((*_MERGES, 'cos'))} can be read."
        )
    if mode == "concat":
        kept["axis"] = config.get("concat_axis", -1)
    if mode in ("dot", "cos"):
        axes = config.get("dot_axes", -1)
        kept.update(
            axes=axes[0] if isinstance(axes, list) and isinstance(axes[0], list) else axes, normalize=mode == "cos"
        )
    return {**entry, "class_name": _MERGES.get(mode, "Dot"), "config": kept}


def modernized_stack(config):
    """The config of a Sequential: it names its input, and one that begins with a `Merge` of others is a graph."""
    layers = config["layers"]
    if not layers or not isinstance(layers[0], dict) or "class_name" not in layers[0]:
        return config
    first = layers[0]
    if first["class_name"] == "Merge":
        return _branched(config, first, layers[1:])
    shape = first["config"].get("batch_input_shape") if isinstance(first.get("config"), dict) else None
    if shape is not None and first["class_name"] != "InputLayer":
        name = f"{first['config'].get('name', 'first')}_input"
        layers = [{"class_name": "InputLayer", "config": {"batch_shape": shape, "name": name}}, *layers]
    return {**config, "layers": [_slashless(layer) for layer in layers]}


def _slashless(layer):
    inner = layer.get("config")
    if not isinstance(inner, dict) or "/" not in str(inner.get("name")):
        return layer
    return {**layer, "config": {**inner, "name": without_slash(inner["name"])}}


def _branched(config, merge, rest):
    """A stack whose first layer merges other stacks, as a functional model of all their layers in the old order."""
    layers, ends, inputs = [], [], []
    for branch in merge["config"].get("layers", ()):
        if branch["class_name"] != "Sequential" or "input_layers" in branch["config"]:
            raise ValueError(
                f"The Merge at the beginning of a Sequential joins a {branch['class_name']}: only plain Sequential "
                "models can be read there."
            )
        last = None
        for layer in branch["config"]["layers"]:
            last = _append(layers, layer, last)
            if len(inputs) == len(ends):
                inputs.append(tensor(last, 0, 0))
        ends.append(last)
    last = _append(layers, merged(merge), *ends)
    for layer in rest:
        last = _append(layers, layer, last)
    rest = {key: value for key, value in config.items() if key not in ("layers", "build_input_shape")}
    return {"name": None, **rest, "layers": layers, "input_layers": inputs, "output_layers": tensor(last, 0, 0)}


def _append(layers, layer, *sources):
    """Puts a layer behind others, by name; gives its own name."""
    name = layer["config"]["name"]
    inputs = [tensor(source, 0, 0) for source in sources if source is not None]
    calls = [{"args": inputs if len(inputs) == 1 else [inputs], "kwargs": {}}] if inputs else []
    layers.append({**layer, "name": name, "inbound_nodes": calls})
    return name
