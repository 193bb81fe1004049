"""Configs as HDF5 files of all generations have them, and as both generations read them.

May import core. Entries there name classes without modules; arguments of `compile` stand apart from the model.
"""

from torchkeras.core import registry
from torchkeras.core.serialization import deserialize_keras_object
from torchkeras.errors import CorruptFileError
from torchkeras.saving import old_names

_METRICS = ("metric", "metric_function", "loss")
_KINDS = {"optimizer": ("optimizer", "torch optimizer"), "loss": ("loss",), "metrics": _METRICS}
_KINDS["weighted_metrics"] = _METRICS
_WRAPPERS = ("MeanMetricWrapper", "LossFunctionWrapper")


def readable(config, version):
    """The config of a model as `deserialize_keras_object` takes it."""
    return old_names.modernized(config, version) if old_names.is_old(config, version) else _with_modules(config)


def _with_modules(value):
    """Keras 3 names no modules here, so that its entries look old; `Multiply` may be a layer or `ops.multiply`."""
    if isinstance(value, list):
        return [_with_modules(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_modules(each) for key, each in value.items()}
    if "class_name" in found and "module" not in found:
        found["module"] = None
        is_layer = not isinstance(found.get("config"), dict) or "trainable" in found["config"]
        if "inbound_nodes" in found and not is_layer and registry.find(found["class_name"], ("operation",)):
            found["module"] = "keras.src.ops"
    return found


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
