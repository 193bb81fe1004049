"""Configs as HDF5 files of all generations have them, and as both generations read them.

May import core. Entries there name classes without modules; arguments of `compile` stand apart from the model.
"""

from torchkeras.core import registry
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.errors import CorruptFileError
from torchkeras.saving import old_names

_METRICS = ("metric", "metric_function", "loss")
_KINDS = {"optimizer": ("optimizer", "torch optimizer"), "loss": ("loss", "torch loss"), "metrics": _METRICS}
_KINDS["weighted_metrics"] = _METRICS
_WRAPPERS = ("MeanMetricWrapper", "LossFunctionWrapper")


def readable(config, version):
    """The config of a model as `deserialize_keras_object` takes it."""
    return old_names.modernized(config, version) if old_names.is_old(config, version) else _with_modules(config)


def _with_modules(value):
    """Keras 3 names no modules here, so that its entries look old; `Multiply` may be a layer or `ops.multiply`. Graphs
    of ours come back from their lists."""
    if isinstance(value, list):
        return [_with_modules(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_modules(each) for key, each in value.items()}
    if "class_name" in found and "module" not in found:
        name = found["class_name"]
        found |= {"module": None, "class_name": next((now for now, true in _TRUE_NAMES.items() if true == name), name)}
        if name == "Lambda" and isinstance(found["config"].get("function"), list):  # as Keras 2 wrote code
            return old_names.modernized(found, "2.3")
        if name == "InputLayer" and "batch_input_shape" in found["config"]:
            found["config"]["batch_shape"] = found["config"].pop("batch_input_shape")
        is_layer = not isinstance(found.get("config"), dict) or "trainable" in found["config"]
        if "inbound_nodes" in found and not is_layer and registry.find(found["class_name"], ("operation",)):
            found["module"] = "keras.src.ops"
    return _graph_from_lists(found) if "input_layers" in found else found


def _graph_from_lists(config):
    """Undoes `_graph`."""
    entries = config["layers"]
    if not any(isinstance(node, list) for entry in entries for node in entry["inbound_nodes"]):
        return config
    twice = {entry["name"]: entry["class_name"] for entry in entries if "layers" in entry["config"]}
    layers = []
    for entry in entries:
        nodes = entry["inbound_nodes"][:: 2 if entry["name"] in twice else 1]
        layers.append({**entry, "inbound_nodes": [_node_from_list(node, twice) for node in nodes]})
    ends = {key: _ends(config[key], twice, back=True) for key in ("input_layers", "output_layers")}
    return {**config, "layers": layers, **ends}


def _node_from_list(node, twice):
    if isinstance(node, dict):
        return _renumbered(node, twice, back=True)
    tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": part[:3]}} for part in node]
    inputs = [_renumbered(tensor, twice, back=True) for tensor in tensors]
    return {"args": inputs if len(inputs) == 1 else [inputs], "kwargs": node[0][3]}


# -- arguments of compile ---------------------------------------------------------------------------------------------


def compile_arguments(config, output_names=()):
    """What `compile` takes, from the `training_config` of any generation."""
    config = old_names.compile_arguments(config)
    if not isinstance(config.get("optimizer"), dict):
        raise CorruptFileError("The training_config names no optimizer.")
    found = {key: config[key] for key in ("loss_weights",) if key in config}
    for key, kinds in _KINDS.items():
        if key in config:
            found[key] = _each(config[key], kinds, key)
    if len(output_names) > 1 and isinstance(found.get("metrics"), list):
        found["metrics"] = _by_output(found["metrics"], output_names)
    return found


def _each(value, kinds, what):
    """Objects in a structure of lists and dicts; names stay, `compile` knows them."""
    if isinstance(value, list):
        return [_each(each, kinds, what) for each in value]
    if not isinstance(value, dict):
        custom = registry.find_custom(value) if isinstance(value, str) else None
        return value if custom is None else custom
    if "class_name" not in value:
        return {key: _each(each, kinds, what) for key, each in value.items()}
    if value["class_name"] in _WRAPPERS and isinstance(value.get("config"), dict):
        value = {**value, "config": {**value["config"], "fn": _function(value["config"].get("fn"))}}
    return deserialize_keras_object(value, kinds=kinds, printable_name=what)


def _function(name):
    """A function that tf.keras names by its name alone."""
    if not isinstance(name, str):
        return name
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def _by_output(metrics, output_names):
    """tf.keras lists the metrics of each output in an order of its own, and begins their names by the output's."""
    found = {}
    for group in metrics:
        names = [getattr(metric, "name", None) for metric in group] if isinstance(group, list) else []
        output = next((each for each in output_names if names and all(_begins(name, each) for name in names)), None)
        if output is None or output in found:
            return metrics
        found[output] = group
    for output, group in found.items():
        for metric in group:
            metric.name = metric.name[len(output) + 1 :]
    return found


def _begins(name, output):
    return isinstance(name, str) and name.startswith(f"{output}_")


# -- writing ----------------------------------------------------------------------------------------------------------

# What only Keras 3 knows, by class, "*" for all layers: left out where it has this value, its default.
_ONLY_NOW = {
    "*": {"quantization_config": None},
    "InputLayer": {"optional": False},
    "Attention": {"score_mode": "dot"},  # Keras 3 takes the word for its function `dot`
    "LayerNormalization": {"rms_scaling": False},
    "ZeroPadding1D": {"data_format": "channels_last"},
    **{f"ConvLSTM{rank}D": {"seed": None} for rank in (1, 2, 3)},
    "optimizer": {  # without these, tf.keras takes one of its older optimizers, which have the same formulas
        **dict.fromkeys(("weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "ema_overwrite_frequency")),
        **dict.fromkeys(("loss_scale_factor", "gradient_accumulation_steps")),
        "use_ema": False,
        "ema_momentum": 0.99,
    },
}
_RENAMED = {"InputLayer": {"batch_shape": "batch_input_shape"}, "LeakyReLU": {"negative_slope": "alpha"}}
_TRUE_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}  # which Keras 3 publishes under another
_PLAIN_KINDS = ("activation", "initializer", "regularizer", "constraint", "loss", "metric", "policy")
_NOT_IN_INITIALIZERS = ("input_axes", "output_axes")


def written(model):
    """The config of a model as both generations read it: Keras 2's spelling of what Keras 3 has too."""
    return _spelled(serialize_keras_object(model))


def training(model):
    """What `compile` was told, as both generations read it."""
    config = {key: _spelled(value) for key, value in model.get_compile_config().items() if key != "optimizer"}
    config["loss"] = _loss(config.get("loss"))
    return {**config, "optimizer_config": _spelled(serialize_keras_object(model.optimizer))}


def _loss(value):
    """Keras 3 takes short names for metrics here and fails: `mse` has to be written out."""
    if isinstance(value, list):
        return [_loss(each) for each in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _loss(each) for key, each in value.items()}
    known = registry.find(value, ("loss",)) if isinstance(value, str) else None
    return value if known is None else registry.entry_of(known).name


def _spelled(value, listed=True):
    """A description without modules. Keras 3 needs them for layers inside of layers and for what is not its own; the
    layers that a model lists it reads without."""
    if isinstance(value, (list, tuple)):
        return [_spelled(each, listed) for each in value]
    if not isinstance(value, dict):
        return value
    name = value.get("class_name")
    if name == "function" and isinstance(value["config"], str):
        return value["config"]
    if name == "DTypePolicy":
        return value["config"]["name"]
    if name is None or name.startswith("__") or not isinstance(value.get("config"), dict):
        return {key: _spelled(each, listed) for key, each in value.items()}
    config = value["config"]
    inner = {key: each if name == "Lambda" else _spelled(each, key == "layers") for key, each in config.items()}
    registered = value.get("registered_name") or name
    found = {"class_name": registered if ">" in registered else _TRUE_NAMES.get(name, name)}
    found["config"] = _config(name, inner)
    if not listed and registry.find(name, _PLAIN_KINDS) is None:
        found = {**found, "class_name": name, "module": value["module"], "registered_name": value["registered_name"]}
    return found | {key: _spelled(value[key]) for key in ("name", "inbound_nodes", "shared_object_id") if key in value}


def _config(name, config):
    kind = "*" if registry.find(name, ("optimizer",)) is None else "optimizer"
    only_now = {**_ONLY_NOW[kind], **_ONLY_NOW.get(name, {})}
    config = {key: value for key, value in config.items() if key not in only_now or value != only_now[key]}
    for now, before in _RENAMED.get(name, {}).items():
        config[before] = config.pop(now)
    if "input_axes" in config:
        config = {key: value for key, value in config.items() if key not in _NOT_IN_INITIALIZERS}
    return _graph(config) if "input_layers" in config else config


# -- graphs -----------------------------------------------------------------------------------------------------------


def _graph(config):
    """A graph with Keras 2's lists of where tensors come from.

    The two count the calls of a model inside of a model from different numbers. So such a call is written twice, and
    what it gives is named by an odd number: either way of counting then finds the same call.
    """
    twice = {entry["name"]: entry["class_name"] for entry in config["layers"] if "layers" in entry["config"]}
    layers = []
    for entry in config["layers"]:
        nodes = [_node(node, twice) for node in entry["inbound_nodes"]]
        if entry["name"] in twice:
            nodes = [node for node in nodes for _ in range(2)]
        layers.append({**entry, "inbound_nodes": nodes})
    ends = {key: _ends(config[key], twice) for key in ("input_layers", "output_layers")}
    return {**config, "layers": layers, **ends}


def _node(node, twice):
    """One call: a list, where tensors come in the first argument alone; else as Keras 3 has it."""
    args, kwargs = node["args"], {key: value for key, value in node["kwargs"].items() if value is not None}
    inputs = args[0] if len(args) == 1 else None
    inputs = inputs if isinstance(inputs, list) else [inputs]
    if all(_is_tensor(each) for each in inputs) and not _has_tensors(kwargs):
        return [[*_place(each, twice, False), kwargs] for each in inputs]
    return _renumbered(node, twice)


def _is_tensor(value):
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _has_tensors(value):
    if isinstance(value, list):
        return any(_has_tensors(each) for each in value)
    return isinstance(value, dict) and (_is_tensor(value) or any(_has_tensors(each) for each in value.values()))


def _place(tensor, twice, back):
    name, call, output = tensor["config"]["keras_history"]
    if name in twice:
        call = (call - 1) // 2 if back else 2 * call + 1
    return [name, call, output]


def _renumbered(value, twice, back=False):
    if isinstance(value, list):
        return [_renumbered(each, twice, back) for each in value]
    if _is_tensor(value):
        return {**value, "config": {**value["config"], "keras_history": _place(value, twice, back)}}
    if isinstance(value, dict):
        return {key: _renumbered(each, twice, back) for key, each in value.items()}
    return value


def _ends(value, twice, back=False):
    """Inputs and outputs of a graph. The calls of functional models are counted from one here."""
    if isinstance(value, dict):
        return {key: _ends(each, twice, back) for key, each in value.items()}
    if len(value) == 3 and isinstance(value[0], str):
        name, call, output = value
        if name in twice:
            first = int(twice[name] != "Sequential")
            call = (call - 1) // 2 + first if back else 2 * (call - first) + 1
        return [name, call, output]
    return [_ends(each, twice, back) for each in value]
