"""Configs of objects in the form of old files: a class's name and its config, without modules.

May import core. No format of this package is made of these: they serve code that calls them.
"""

import inspect

from torchkeras.core.registry import CustomObjectScope, get_registered_name, get_registered_object

_PASSIVE = "__passive_serialization__"


def serialize_keras_object(instance):
    """`{"class_name": …, "config": …}` of an object with `get_config`, the name of a function or class, None of None.

    Raises `ValueError` for what is neither.

    Example:
        >>> keras.legacy.saving.serialize_keras_object(keras.regularizers.L2(0.5))["class_name"]
        'L2'
    """
    instance = inspect.unwrap(instance)
    if instance is None:
        return None
    if hasattr(instance, "get_config") and not inspect.isclass(instance):
        config = {key: _item(value) for key, value in instance.get_config().items()}
        return {"class_name": get_registered_name(type(instance)), "config": config}
    if hasattr(instance, "__name__"):
        return get_registered_name(instance)
    raise ValueError(f"{instance!r} cannot be described: it has no get_config().")


def _item(value):
    if isinstance(value, str) or not (hasattr(value, "get_config") or hasattr(value, "__name__")):
        return value
    found = serialize_keras_object(value)
    return {**found, _PASSIVE: True} if isinstance(found, dict) else found


def deserialize_keras_object(identifier, module_objects=None, custom_objects=None, printable_module_name="object"):
    """The object of what `serialize_keras_object` gave, or of a name.

    Args:
        identifier: a dict, a name, None, or a function, which comes back as it is.
        module_objects: dict of the names that are known.
        custom_objects: dict of further names; registered ones and those of open scopes count too.
        printable_module_name: what to call the object in errors.

    Raises `ValueError` for a name that is not known, and for what is no description.

    Example:
        >>> config = {"class_name": "Dense", "config": {"units": 3}}
        >>> keras.legacy.saving.deserialize_keras_object(config, module_objects=vars(keras.layers)).units
        3
    """
    if identifier is None or inspect.isfunction(identifier):
        return identifier
    if isinstance(identifier, dict):
        return _from_config(identifier, module_objects, custom_objects, printable_module_name)
    if not isinstance(identifier, str):
        raise ValueError(f"{identifier!r} describes no {printable_module_name}: a dict or a name does.")
    found = _known(identifier, module_objects, custom_objects, printable_module_name)
    return found() if inspect.isclass(found) else found


def _known(name, module_objects, custom_objects, what):
    found = get_registered_object(name, custom_objects, module_objects)
    if found is None:
        raise ValueError(
            f"Unknown {what}: {name!r}. Pass it in custom_objects, or open keras.saving.custom_object_scope with it."
        )
    return found


def _from_config(described, module_objects, custom_objects, what):
    if "class_name" not in described or "config" not in described:
        raise ValueError(f"{described!r} describes no {what}: it must have class_name and config.")
    cls = _known(described["class_name"], module_objects, custom_objects, what)
    config = described["config"]
    if isinstance(config, dict):
        config = {
            key: value if key == "name" else _read_item(value, module_objects, custom_objects)
            for key, value in config.items()
        }
    with CustomObjectScope(custom_objects or {}):
        return cls.from_config(config) if hasattr(cls, "from_config") else cls(**config)


def _read_item(value, module_objects, custom_objects):
    if isinstance(value, dict) and _PASSIVE in value:
        value = {key: item for key, item in value.items() if key != _PASSIVE}
        return deserialize_keras_object(value, module_objects, custom_objects, "config_item")
    if isinstance(value, str):
        function = get_registered_object(value, custom_objects, module_objects)
        return function if inspect.isfunction(function) else value
    return value
