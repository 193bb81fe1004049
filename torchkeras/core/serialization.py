"""Objects to configs and back, exactly as Keras writes them.

May import core. Knows file formats no more than layers: it turns objects into JSON-ready dicts. Nothing named by a
config is ever imported or called; a name is looked up among published and user-registered objects of the kinds that
the slot allows.
"""

import types

import numpy as np
import torch

from torchkeras.core import dtypes, registry, scopes, sharing
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.errors import CorruptFileError, UnknownObjectError, UnsafeFileError

_PLAIN = (str, bool, int, float, type(None))
MAX_DEPTH = 100


# Kinds of published functions: what a config may name where it says no kind.
FUNCTION_KINDS = ("activation", "loss", "metric_function", "initializer", "regularizer", "constraint")


def is_safe(safe_mode=None):
    """Whether code is refused: what the call says, else the deserialization around it, else the thread's setting."""
    if safe_mode is not None:
        return bool(safe_mode)
    return not (scopes.state.unsafe_unless_told if scopes.state.unsafe is None else scopes.state.unsafe)


def serialize_keras_object(obj):
    """A JSON-ready description of `obj`: `{"module", "class_name", "config", "registered_name"}` for objects.

    A layer that turns up more than once carries a `shared_object_id` (core/sharing.py).

    Raises `ValueError` for what Keras cannot describe either.
    """
    if isinstance(obj, _PLAIN):
        return obj
    return _describe(obj) if scopes.state.described is not None else sharing.described(lambda: _describe(obj))


def _describe(obj):
    if hasattr(type(obj), "get_config"):  # the usual case: nothing below has one
        return _serialize_instance(obj)
    if isinstance(obj, (list, tuple)) and not hasattr(obj, "_fields"):
        items = [serialize_keras_object(item) for item in obj]
        return tuple(items) if isinstance(obj, tuple) else items
    if isinstance(obj, dict):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    simple = _serialize_value(obj)
    if simple is not None:
        return simple
    if isinstance(obj, types.FunctionType) or (not hasattr(obj, "get_config") and callable(obj)):
        return _serialize_function(obj)
    if not hasattr(obj, "get_config"):
        raise ValueError(f"Cannot serialize {obj!r}: it is no plain value and has no get_config() method.")
    return _serialize_instance(obj)


def _serialize_value(obj):
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, np.generic) or (isinstance(obj, np.ndarray) and obj.ndim == 0):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": obj.dtype.name}}
    if isinstance(obj, torch.Tensor):
        value = obj.detach().cpu()
        dtype = dtypes.NAMES[obj.dtype]
        return {"class_name": "__tensor__", "config": {"value": value.tolist(), "dtype": dtype}}
    if isinstance(obj, torch.dtype):
        return dtypes.NAMES[obj]
    if isinstance(obj, slice):
        parts = [obj.start, obj.stop, obj.step]
        return {"class_name": "__slice__", "config": dict(zip(("start", "stop", "step"), parts, strict=True))}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, KerasTensor):
        history = getattr(obj, "_keras_history", None)
        history = history and [history.operation.name, *history[1:]]
        config = {"shape": tuple(obj.shape), "dtype": obj.dtype, "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}
    return None


def _serialize_function(function):
    name = getattr(function, "__name__", None)
    if name == "<lambda>":
        raise ValueError("A lambda cannot be saved: give it a name with `def` and register it for loading.")
    if name is None:
        raise ValueError(f"Cannot serialize {function!r}: it has neither a name nor a get_config() method.")
    entry = registry.entry_of(function)
    if isinstance(function, type):
        module = entry.module if entry else function.__module__
        return {"module": module, "class_name": name, "config": None, "registered_name": None}
    name = registry._package_names.get(function) or (
        entry.name if entry is not None and entry.kind != "operation" else name
    )
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def _serialize_instance(obj):
    cls = type(obj)
    entry = registry.entry_of(cls)
    describe = getattr(obj, "_published_as", None)  # operation nodes: one class, many Keras names
    if describe is not None:
        module, name, registered = describe
    elif entry is not None and cls not in registry._package_names:
        module, name = entry.module, entry.name
        registered = name if module.startswith("keras.src") else None
    else:
        module = None if cls.__module__ == "__main__" else cls.__module__  # a name that means another program elsewhere
        name, registered = cls.__name__, registry.get_registered_name(cls)
    config = {key: v if isinstance(v, _PLAIN) else _config_value(v) for key, v in obj.get_config().items()}
    result = {"module": module, "class_name": name, "config": config, "registered_name": registered}
    build_config = getattr(obj, "get_build_config", None)
    if build_config is not None:
        build_config = build_config()
        if build_config is not None:
            result["build_config"] = build_config
    compile_config = getattr(obj, "get_compile_config", None)
    if compile_config is not None:
        result["compile_config"] = serialize_keras_object(compile_config()) if getattr(obj, "compiled", False) else {}
    if isinstance(obj, torch.nn.Module):
        sharing.note(obj, result)
    return result


def _config_value(value):
    """Values of a get_config() result: already plain in most cases; tuples are kept as they are."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, tuple) and all(isinstance(item, (*_PLAIN, tuple)) for item in value):
        return value
    if isinstance(value, list):
        return [_config_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _config_value(item) for key, item in value.items()}
    return serialize_keras_object(value)


# -- reading ----------------------------------------------------------------------------------------------------------


_modernized = []  # the function of the saving room that brings configs of older Keras up to date


def read_older_forms_by(function):
    """Enters what is asked, once for each whole description, to bring it into the form that is read here."""
    _modernized[:] = [function]


def deserialize_keras_object(
    config, custom_objects=None, safe_mode=None, kinds=None, printable_name="object", **kwargs
):
    """Rebuilds what `serialize_keras_object` described.

    Args:
        config: the description; plain values come back unchanged.
        custom_objects: dict of names to user classes and functions.
        safe_mode: True refuses serialized lambdas (`UnsafeFileError`), even after `enable_unsafe_deserialization()`.
            None asks the deserialization around this one, then that setting; without either it is safe.
        kinds: kinds of published objects that this slot takes; None takes every kind but functions with side effects.
        printable_name: what to call the slot in errors.

    Raises `TypeError` for a malformed description and `ValueError` for an unknown class name.
    """
    module_objects, safe_mode = kwargs.pop("module_objects", None), is_safe(safe_mode)
    if scopes.state.rebuilt is not None and not custom_objects:  # inside another deserialization
        return _read(config, safe_mode, kinds, printable_name, module_objects, 0)
    with registry.CustomObjectScope(custom_objects), sharing.rebuilding():
        try:
            for modernized in _modernized:
                config = modernized(config)
            return _read(config, safe_mode, kinds, printable_name, module_objects, 0)
        except RecursionError as error:
            raise CorruptFileError.like(error, f"The config of {printable_name} is nested too deep.") from None


def _read(config, safe_mode, kinds, what, module_objects, depth):
    if depth > MAX_DEPTH:
        raise ValueError(f"The config of {what} is nested more than {MAX_DEPTH} deep.")
    if isinstance(config, (list, tuple)):
        return type(config)(_read(item, safe_mode, kinds, what, module_objects, depth + 1) for item in config)
    if isinstance(config, str):
        found = registry.find_custom(config)
        if found is None and module_objects:
            found = module_objects.get(config)
        return config if found is None else found
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config and config.get("class_name") != "__tuple__":
        return {k: _read(v, safe_mode, kinds, what, module_objects, depth + 1) for k, v in config.items()}
    return _read_object(config, safe_mode, kinds, what, depth)


def _read_object(config, safe_mode, kinds, what, depth):
    name, inner = config["class_name"], config.get("config")
    for key in ("class_name", "module", "registered_name"):
        if not isinstance(config.get(key, ""), str if key == "class_name" else (str, type(None))):
            raise TypeError(f"{key} of {what} must be a string, got {config[key]!r}.")
    if name.startswith("__"):
        return _read_value(name, config, safe_mode, kinds, what, depth)
    if name == "function":
        return _read_function(config, kinds, what)
    cls = resolve_class(config, kinds, what)
    inner = {} if inner is None else inner
    if not isinstance(inner, dict):
        raise TypeError(f"The config of {what} {name!r} must be a dict, got {type(inner).__name__}.")
    if not hasattr(cls, "from_config"):
        raise TypeError(f"{what} {name!r} cannot be rebuilt: {cls!r} has no from_config().")
    shared = sharing.known(config, cls)
    if shared is not None:
        return shared
    around = scopes.state.builds if scopes.state.inner else None
    with scopes.override(unsafe=not safe_mode, inner=False, builds=[]):
        obj = cls.from_config(inner)
        builds = [(obj, config.get("build_config")), *scopes.state.builds]
    if around is None or not getattr(getattr(obj, "build_from_config", None), "_goes_by_shapes", False):
        _build(builds)
    else:
        around.extend(builds)
    if config.get("compile_config") and hasattr(obj, "compile_from_config"):
        if scopes.state.unfilled is None:
            obj.compile_from_config(config["compile_config"])
        else:  # optimizers are made for weights that have values
            scopes.state.unfilled.compiles.append((obj, config["compile_config"]))
    if isinstance(obj, torch.nn.Module):
        sharing.keep(config, obj)
    return obj


def _build(builds):
    """Builds layers as their configs say: wrappers before what they hold, which they build under their own name."""
    for obj, config in builds:
        if config and hasattr(obj, "build_from_config") and (obj is builds[0][0] or not obj.built):
            obj.build_from_config(config)


def deserialize_inner(config, kinds, what):
    """What `deserialize_keras_object` gives, for an object that the layer around it will build."""
    with scopes.override(inner=True):
        return deserialize_keras_object(config, kinds=kinds, printable_name=what)


def resolve_class(config, kinds, what="object"):
    """The class that a description names, user objects first. Raises `ValueError` if there is none of the slot's
    kind."""
    name, registered = config["class_name"], config.get("registered_name")
    custom = registry.find_custom(registered, name, f"Custom>{name}")
    if custom is not None:
        return custom
    short = name.split(">")[-1]
    module = config.get("module")
    cls = registry.find(short, kinds, module)
    if cls is not None and (module is None or module.split(".")[0] in ("keras", "tf_keras", "torchkeras", "builtins")):
        return cls
    raise UnknownObjectError(
        f"Unknown {what}: {name!r} (module {module!r}). If it is yours, pass custom_objects={{{short!r}: {short}}} or "
        f"decorate it with @keras.saving.register_keras_serializable()."
    )


def _read_function(config, kinds, what):
    inner = config["config"]
    name = inner.get("name") if isinstance(inner, dict) else inner
    if not isinstance(name, str):
        raise TypeError(f"The function of {what} must be given by its name, got {name!r}.")
    found = registry.find_custom(config.get("registered_name"), name)
    if found is None:
        named = registry.all_named(name, FUNCTION_KINDS if kinds is None else kinds)
        found = next((each for each in named if not isinstance(each, type)), None)  # a class may share the name
    if found is None:
        raise ValueError(
            f"Unknown function {name!r} for {what}: pass custom_objects={{{name!r}: {name}}} or register it with "
            "@keras.saving.register_keras_serializable()."
        )
    return found


def _read_value(name, config, safe_mode, kinds, what, depth):
    inner = config.get("config")
    if name == "__tuple__":
        items = config["items"] if "items" in config else inner["value"]
        return tuple(_read(item, safe_mode, kinds, what, None, depth + 1) for item in items)
    if name == "__numpy__":
        return np.array(inner["value"], dtype=dtypes.standardize_dtype(inner["dtype"]))
    if name == "__tensor__":
        return torch.tensor(inner["value"], dtype=dtypes.torch_dtype(inner["dtype"]))
    if name == "__bytes__":
        return inner["value"].encode("utf-8")
    if name == "__keras_tensor__":
        return KerasTensor(inner["shape"], dtype=inner["dtype"])
    if name == "__slice__":
        return slice(inner["start"], inner["stop"], inner["step"])
    if name == "__ellipsis__":
        return Ellipsis
    if name == "__lambda__":
        raise UnsafeFileError(f"The config of {what} holds the code of a lambda, which is never run from a config.")
    raise ValueError(f"Unknown value {name!r} in the config of {what}.")
