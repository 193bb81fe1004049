"""`keras.utils`: the helpers that Keras publishes under this name.

May import core, config, callbacks, data, models, random, training and saving.
"""

from torchkeras.callbacks.progress import Progbar
from torchkeras.config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from torchkeras.core.dtypes import standardize_dtype
from torchkeras.core.keras_tensor import is_keras_tensor
from torchkeras.core.registry import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from torchkeras.core.scopes import clear_session
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.random import set_random_seed
from torchkeras.training.data import pack_x_y_sample_weight, unpack_x_y_sample_weight
from torchkeras.training.py_dataset import PyDataset
from torchkeras.utils import bounding_boxes, legacy
from torchkeras.utils.audio_folders import audio_dataset_from_directory
from torchkeras.utils.configs import Config
from torchkeras.utils.downloads import get_file
from torchkeras.utils.drawings import model_to_dot, plot_model
from torchkeras.utils.feature_space import FeatureSpace
from torchkeras.utils.image_folders import image_dataset_from_directory
from torchkeras.utils.images import array_to_img, img_to_array, load_img, save_img
from torchkeras.utils.numeric import normalize, to_categorical
from torchkeras.utils.sequences import pad_sequences
from torchkeras.utils.sources import get_source_inputs
from torchkeras.utils.splitting import split_dataset
from torchkeras.utils.text_folders import text_dataset_from_directory
from torchkeras.utils.timeseries import timeseries_dataset_from_array

Sequence = PyDataset

__all__ = [
    "Config",
    "CustomObjectScope",
    "FeatureSpace",
    "Progbar",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "bounding_boxes",
    "audio_dataset_from_directory",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "get_source_inputs",
    "image_dataset_from_directory",
    "img_to_array",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "legacy",
    "load_img",
    "model_to_dot",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "save_img",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
