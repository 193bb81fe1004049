"""`keras.utils.legacy`: the second place of `keras.legacy.saving`.

May import legacy.
"""

from torchkeras.legacy.saving import deserialize_keras_object, serialize_keras_object

__all__ = ["deserialize_keras_object", "serialize_keras_object"]
