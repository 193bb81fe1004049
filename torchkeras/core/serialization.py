"""Objects to configs and back, exactly as Keras writes them.

May import core. Knows file formats no more than layers: it turns objects into JSON-ready dicts. Nothing named by a
config is ever imported or called; a name is looked up among published and user-registered objects of the kinds that
the slot allows.
"""

import contextlib
import json
import types
import warnings

import numpy as np
import torch

from torchkeras.core import dtypes, function_code, missing, registry, scopes, sharing
from torchkeras.core.function_code import is_safe
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.errors import CorruptFileError, UnknownObjectError, UnserializableError

_PLAIN = (str, bool, int, float, type(None))
MAX_DEPTH = 100


# Kinds of published functions: what a config may name where it says no kind.
FUNCTION_KINDS = ("activation", "loss", "metric_function", "initializer", "regularizer", "constraint")


def serialize_keras_object(obj):
    """A JSON-ready description of `obj`: `{"module", "class_name", "config", "registered_name"}` for objects.

    A layer that turns up more than once carries a `shared_object_id` (core/sharing.py).

    A lambda is written as its code, with a warning. Raises `UnserializableError` (a `TypeError` and a `ValueError`) for
    what has no description.
    """
    if isinstance(obj, _PLAIN):
        return obj
    return _describe(obj) if scopes.state.described is not None else sharing.described(lambda: _describe(obj))


def _describe(obj):
    if hasattr(type(obj), "get_config"):  # the usual case: nothing below has one
        return _serialize_instance(obj)
    if isinstance(obj, (list, tuple)):
        items = [serialize_keras_object(item) for item in obj]
        return tuple(items) if isinstance(obj, tuple) else items
    if isinstance(obj, dict):
        return _config_value(obj)
    simple = _serialize_value(obj)
    if simple is not None:
        return simple
    if isinstance(obj, type):
        raise UnserializableError(f"A class cannot be saved, got {obj!r}: give an object of it, or its name.")
    if callable(obj) and hasattr(obj, "__name__"):
        return _serialize_function(obj)
    raise UnserializableError(
        f"Cannot serialize {obj!r}: it is no plain value, no function with a name, and {type(obj).__name__} has no "
        "get_config() method."
    )


def _serialize_value(obj):
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, np.generic) or (isinstance(obj, np.ndarray) and obj.ndim == 0):
        return obj.item()
    if isinstance(obj, np.ndarray):
        dtype = dtypes.standardize_dtype(obj.dtype)  # raises for objects and times
        if dtype == "string":
            raise UnserializableError("An array of texts cannot be saved: give a list of them.")
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": dtype}}
    if isinstance(obj, torch.Tensor):
        value = obj.detach().cpu()
        dtype = dtypes.NAMES[obj.dtype]
        return {"class_name": "__tensor__", "config": {"value": value.tolist(), "dtype": dtype}}
    if isinstance(obj, (torch.dtype, np.dtype)) or (isinstance(obj, type) and issubclass(obj, np.generic)):
        return dtypes.standardize_dtype(obj)
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
    if function_code.is_lambda(function) and function not in registry._package_names:
        return function_code.described(function)
    entry = registry.entry_of(function)
    name = registry._package_names.get(function) or (
        entry.name if entry is not None and entry.kind != "operation" else function.__name__
    )
    if entry is None:
        sharing.name(function, name)
        _warn_of_namesake(function, name)
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def _warn_of_namesake(function, name):
    """A config holds nothing of a function but its name, and one of Keras's comes first when that is read."""
    if name and any(not isinstance(each, type) for each in registry.all_named(name, FUNCTION_KINDS)):
        warnings.warn(
            f"{function.__module__}.{name} is saved by its name, and {name!r} is a function of Keras's too, which will "
            "be read in its place. Give yours another name and register it.",
            stacklevel=2,
        )


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
        sharing.name(cls, registered)
    config = obj.get_config()
    if not isinstance(config, dict):
        raise UnserializableError(f"get_config() of {cls.__name__} must return a dict, got {config!r}.")
    config = {key: v if isinstance(v, _PLAIN) else _config_value(v) for key, v in config.items()}
    result = {"module": module, "class_name": name, "config": config, "registered_name": registered}
    build_config = getattr(obj, "get_build_config", None)
    if build_config is not None:
        build_config = build_config()
        if build_config is not None:
            result["build_config"] = build_config
    if hasattr(obj, "get_compile_config"):
        result["compile_config"] = _compile_config(obj) if scopes.state.describes_training else {}
    if entry is None or isinstance(obj, torch.nn.Module):  # nobody can tell one published regularizer from its equal
        sharing.note(obj, result)
    return result


def _compile_config(model):
    """What `compile` was told; nothing, with a warning, where that has no form. A training is not lost for that."""
    if not getattr(model, "compiled", False):
        return {}
    try:
        config = serialize_keras_object(model.get_compile_config())
    except UnserializableError as error:
        warn_not_compiled(model, error)
        return {}
    try:
        json.dumps(config)
    except TypeError as error:  # what a lambda holds, say
        warn_not_compiled(model, f"{error}.")
        return {}
    return config


def warn_not_compiled(model, error):
    """Says that a file will have a model without what its `compile` was told."""
    warnings.warn(
        f"Model {model.name!r} is saved without the arguments of compile(): {error} Compile it again after loading.",
        stacklevel=2,
    )


def _config_value(value):
    """Values of a get_config() result: already plain in most cases; tuples are kept as they are."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, tuple) and all(isinstance(item, (*_PLAIN, tuple)) for item in value):
        return value
    if isinstance(value, list):
        return [_config_value(item) for item in value]
    if isinstance(value, dict):
        if value.get("class_name") == function_code.MARK:  # what a lambda holds is read as it is
            return value
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
        module_objects: dict of names to classes and functions that are known where nothing else is.
        kinds: kinds of published objects that this slot takes; None takes every kind but functions with side effects.
        printable_name: what to call the slot in errors.

    Raises `TypeError` for a malformed description and `UnknownObjectError` (a `TypeError` and a `ValueError`) for what
    nobody knows, all of it at once.
    """
    module_objects, safe_mode = kwargs.pop("module_objects", None), is_safe(safe_mode)
    if scopes.state.rebuilt is not None and not custom_objects:  # inside another deserialization
        return _read(config, safe_mode, kinds, printable_name, module_objects, 0)
    with registry.CustomObjectScope(custom_objects), sharing.rebuilding():
        return _read_outermost(config, safe_mode, kinds, printable_name, module_objects)


def _read_outermost(config, safe_mode, kinds, what, module_objects):
    waiting = scopes.state.unfilled
    try:
        for modernized in _modernized:
            config = modernized(config)
        return _read(config, safe_mode, kinds, what, module_objects, 0)
    except RecursionError as error:
        raise CorruptFileError.like(error, f"The config of {what} is nested too deep.") from None
    except UnknownObjectError as error:
        line = "keras.saving.deserialize_keras_object(config, {})"
        missing.tell(error, config, line, waiting is None or waiting.compiling)
        raise


def _read(config, safe_mode, kinds, what, module_objects, depth):
    if depth > MAX_DEPTH:
        raise ValueError(f"The config of {what} is nested more than {MAX_DEPTH} deep.")
    if isinstance(config, (list, tuple)):
        return type(config)(_read(item, safe_mode, kinds, what, module_objects, depth + 1) for item in config)
    if isinstance(config, str):
        found = registry.find_custom(config)
        if found is None and module_objects and config in module_objects:
            found = module_objects[config]
            return found.from_config({}) if isinstance(found, type) else found
        return config if found is None else found
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config and config.get("class_name") != "__tuple__":
        return {k: _read(v, safe_mode, kinds, what, module_objects, depth + 1) for k, v in config.items()}
    return _read_object(config, safe_mode, kinds, what, module_objects, depth)


def _read_object(config, safe_mode, kinds, what, module_objects, depth):
    name, inner = config["class_name"], config.get("config")
    for key in ("class_name", "module", "registered_name"):
        if not isinstance(config.get(key, ""), str if key == "class_name" else (str, type(None))):
            raise TypeError(f"{key} of {what} must be a string, got {config[key]!r}.")
    if name.startswith("__"):
        return _read_value(name, config, safe_mode, kinds, what, depth)
    if name == "function":
        return _read_function(config, kinds, what, module_objects)
    cls = resolve_class(config, kinds, what, module_objects)
    if isinstance(cls, types.FunctionType):
        return cls
    inner = {} if inner is None else inner
    if not isinstance(inner, dict):
        raise TypeError(f"The config of {what} {name!r} must be a dict, got {type(inner).__name__}.")
    if not hasattr(cls, "from_config"):
        raise TypeError(f"{what} {name!r} cannot be rebuilt: {cls!r} has no from_config().")
    shared = sharing.known(config, cls)
    if shared is not None:
        return shared
    around = scopes.state.builds if scopes.state.inner else None
    with scopes.override(unsafe=not safe_mode), holding() as builds:
        obj = cls.from_config(inner)
    build, how = getattr(obj, "build_from_config", None), config.get("build_config")
    if around is None or not getattr(build, "_goes_by_shapes", False):
        if how and build is not None:
            build(how)
        build_rest(builds)
    else:
        around += [(obj, how), *builds]
    if config.get("compile_config") and hasattr(obj, "compile_from_config"):
        if scopes.state.unfilled is None:
            obj.compile_from_config(config["compile_config"])
        else:  # optimizers are made for weights that have values
            scopes.state.unfilled.compiles.append((obj, config["compile_config"]))
    sharing.keep(config, obj)
    short = name.rpartition(">")[2]
    if scopes.state.unfilled is not None and type(obj).__name__ != short:  # files go by names of classes
        scopes.state.unfilled.saved_as[id(obj)] = short
    return obj


@contextlib.contextmanager
def holding():
    """The block in which something is made that holds other layers. Those that are read `inside()` it are listed
    instead of being built: what holds them builds them, under its own name; the rest is for `build_rest`."""
    with scopes.override(inner=False, builds=[]):
        yield scopes.state.builds


def inside():
    """The block in which a layer is read that the one being made will build."""
    return scopes.override(inner=True)


def build_rest(builds):
    """Builds, as their own configs say, the layers that nobody has built."""
    for layer, config in builds:
        if config and not layer.built:
            layer.build_from_config(config)


def resolve_class(config, kinds, what="object", module_objects=None):
    """The class that a description names, user objects first. Raises `UnknownObjectError` if there is none, or none of
    the slot's kind."""
    cls = registry.find_class(config, kinds)
    if cls is None and module_objects:
        cls = module_objects.get(config["class_name"])
    if cls is None:
        raise missing.unknown(config, what)
    theirs = registry.kinds_of(cls)
    if kinds is not None and theirs and not theirs & set(kinds):
        raise UnknownObjectError(f"{cls.__name__} is a {' and a '.join(sorted(theirs))}, where {what} belongs.")
    return cls


def _read_function(config, kinds, what, module_objects):
    name = missing.function_name(config)
    if not isinstance(name, str):
        raise TypeError(f"The description of a function for {what} must hold its name, got {name!r}.")
    found = registry.find_function(config, name, FUNCTION_KINDS if kinds is None else kinds)
    if found is None and module_objects:
        found = module_objects.get(name)
    if found is None:
        raise missing.unknown(config, what)
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
    if name == function_code.MARK:
        return function_code.rebuilt(config, what, safe_mode)
    raise ValueError(f"Unknown value {name!r} in the config of {what}.")
