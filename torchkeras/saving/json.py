"""Architectures as JSON texts.

May import core and this room. Knows no model: an architecture is whatever its class says in `get_config`.
"""

import json

from torchkeras.core import function_code, missing, registry, serialization
from torchkeras.errors import CorruptFileError, UnserializableError
from torchkeras.saving import guards, old_names


def model_to_json(model, **kwargs):
    """The architecture and compile arguments of a model, without weights. `kwargs` go to `json.dumps`."""
    return text_of(serialization.serialize_keras_object(model), **kwargs)


def text_of(config, **kwargs):
    """A config as JSON. Raises `UnserializableError`, which says where it holds something else."""
    try:
        return json.dumps(config, **kwargs)
    except TypeError:
        for place, value in _no_json(config):
            hint = "A config holds numbers, texts, lists and dicts: convert it in get_config()."
            if function_code.MARK in place:
                hint = "A lambda holds it: write a function with a name, or a Layer that holds the object."
            raise UnserializableError(f"config{place} is {value!r}, which cannot be saved. {hint}") from None
        raise


def _no_json(value, place=""):
    """`(place, value)` of what is no JSON."""
    if isinstance(value, dict):
        is_lambda = value.get("class_name") == function_code.MARK
        for key, item in value.items():
            if not isinstance(key, (str, int, float, bool, type(None))):
                yield f"{place}, a key", key
            yield from _no_json(item, f"{place}[{key!r}]{' of a __lambda__' if is_lambda and key == 'config' else ''}")
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _no_json(item, f"{place}[{number}]")
    elif not isinstance(value, (str, int, float, bool, type(None))):
        yield place, value


def model_from_json(json_string, custom_objects=None, safe_mode=None):
    """A model with fresh weights from what `to_json` gave, here or in any Keras from 1.2 on.

    Args:
        json_string: the text.
        custom_objects: dict of names to the user's classes and functions that the text names.
        safe_mode: False lets the code of lambdas in the text run; it could do anything. None asks the setting,
            `keras.config.enable_unsafe_deserialization()`.

    Raises `CorruptFileError` (a `ValueError`) for text that is no JSON object, `ValueError` for unknown classes,
    `UnsafeFileError` (a `ValueError`) for code.
    """
    config = guards.read_json(json_string, "The text")
    with guards.description("The text"):
        return model_from_config(config, custom_objects, safe_mode)


def model_from_config(config, custom_objects=None, safe_mode=None):
    """A model with fresh weights from its description: a dict with `class_name` and `config`.

    Raises `CorruptFileError` (a `ValueError`) for anything else, and what `model_from_json` raises.

    Example:
        >>> dense = {"class_name": "Dense", "config": {"output_dim": 2, "batch_input_shape": [None, 3], "name": "d"}}
        >>> model_from_config({"class_name": "Sequential", "config": [dense]}).input_shape
        (None, 3)
    """
    if not isinstance(config, dict) or not isinstance(config.get("class_name"), str) or "config" not in config:
        raise CorruptFileError('A model\'s JSON must be an object with a "class_name" and a "config".')
    line = "keras.models.model_from_json(json_string, {})"
    with missing.told(line), registry.CustomObjectScope(custom_objects):
        config = old_names.modernized(config)
        return serialization.deserialize_keras_object(
            config, safe_mode=safe_mode, kinds=("model",), printable_name="model"
        )
