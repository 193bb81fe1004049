"""Architectures as JSON texts.

May import core. Knows no model: an architecture is whatever its class says in `get_config`.
"""

import json

from torchkeras.core import serialization
from torchkeras.errors import CorruptFileError


def model_to_json(model, **kwargs):
    """The architecture and compile arguments of a model, without weights. `kwargs` go to `json.dumps`."""
    return json.dumps(serialization.serialize_keras_object(model), **kwargs)


def model_from_json(json_string, custom_objects=None):
    """A model with fresh weights from what `to_json` gave, here or in Keras 3.

    Raises `CorruptFileError` (a `ValueError`) for text that is no JSON object, `ValueError` for unknown classes.
    """
    try:
        config = json.loads(json_string)
    except (TypeError, ValueError, RecursionError) as error:
        raise CorruptFileError(f"The text is no JSON description of a model: {error}.") from None
    if not isinstance(config, dict) or "class_name" not in config:
        raise CorruptFileError('A model\'s JSON must be an object with a "class_name".')
    return serialization.deserialize_keras_object(
        config, custom_objects=custom_objects, kinds=("model",), printable_name="model"
    )
