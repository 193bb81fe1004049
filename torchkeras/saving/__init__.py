"""Models and objects as configs and files.

May import core: whatever is written down or read is asked through its own methods, found by the registry. Callbacks,
the trainer and the models stand above and call this room. The public names of `keras.saving`.
"""

from torchkeras.core.registry import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.saving.file_editor import KerasFileEditor
from torchkeras.saving.formats import load_model, load_weights, save_model, save_weights
from torchkeras.saving.json import model_from_json, model_to_json

__all__ = [
    "CustomObjectScope",
    "KerasFileEditor",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "model_from_json",
    "model_to_json",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]
