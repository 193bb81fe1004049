"""Whole models in HDF5, the format of Keras 2: configs as attributes of the root, weights in groups.

May import core, optimizers and this room's files below. Layout of the weights:
`h5_weights.py`; how older versions spelled configs: `old_names.py`; states of optimizers: `optimizers/old_states.py`.
"""

import contextlib
import os

from torchkeras.core import scopes, unfilled
from torchkeras.core.registry import CustomObjectScope
from torchkeras.core.serialization import deserialize_keras_object, is_safe, warn_not_compiled
from torchkeras.errors import UnserializableError
from torchkeras.optimizers import Optimizer, old_states
from torchkeras.saving import guards, h5_configs, h5_weights, hdf5, weights_h5
from torchkeras.saving.json import text_of
from torchkeras.saving.keras_file import KERAS_VERSION
from torchkeras.saving.replacing import replacing

MODEL, WEIGHTS, TRAINING, OPTIMIZER = "model_config", "model_weights", "training_config", "optimizer_weights"


# -- writing ----------------------------------------------------------------------------------------------------------


def write(model, path, include_optimizer=True):
    """Writes a model whole. Nothing is touched before its config is made: an error there leaves the old file."""
    with scopes.override(describes_training=False):  # that stands apart
        texts = {MODEL: text_of(h5_configs.written(model)), "keras_version": KERAS_VERSION, "backend": "torch"}
    trains = include_optimizer and getattr(model, "compiled", False) and model.optimizer is not None
    if trains:
        try:
            texts[TRAINING] = text_of(h5_configs.training(model))
        except UnserializableError as error:
            warn_not_compiled(model, error)
    os.makedirs(os.path.dirname(path) or os.curdir, exist_ok=True)  # Keras makes it for this format, and no other
    with replacing(path) as file, hdf5.create_h5(file) as opened:
        for key, text in texts.items():
            opened.attrs[key] = text.encode()
        h5_weights.write(model, opened.create_group(WEIGHTS), KERAS_VERSION, "torch")
        if trains and isinstance(model.optimizer, Optimizer):
            pairs = [(variable.path, variable) for variable in model.optimizer.variables]
            h5_weights.write_list(opened.create_group(OPTIMIZER), pairs)


def write_weights(model, file):
    """Writes the weights alone, into an open binary file."""
    with hdf5.create_h5(file) as opened:
        h5_weights.write(model, opened, KERAS_VERSION, "torch")


# -- reading ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def open_weights(path):
    """A reader of the weights in an HDF5 file of any layout: `h5_weights.Layers`, or `weights_h5.Reader`."""
    with _opened(path) as (file, groups, budget, name):
        for root in ("", WEIGHTS):
            if h5_weights.Layers.are_at(file, groups, root, budget, name):
                yield h5_weights.Layers(file, groups, root, budget, name)
                return
        yield weights_h5.Reader(groups, name, file, budget)


@contextlib.contextmanager
def _opened(path):
    name = os.fspath(path)
    with guards.readable(path) as file:
        budget = guards.Budget(os.path.getsize(path), name)
        with hdf5.open_h5(file, budget, name) as (opened, groups):
            yield opened, groups, budget, name


def read(path, custom_objects=None, compile=True, safe_mode=True):
    """The model of an HDF5 file."""
    with _opened(path) as (file, groups, budget, name):
        config = _config(file, MODEL, budget, name)
        if not isinstance(config, dict) or "class_name" not in config:
            raise guards.CorruptFileError(f"{name} holds no {MODEL}: if it has weights alone, use model.load_weights.")
        if WEIGHTS not in groups:
            raise guards.CorruptFileError(f"{name} holds no {WEIGHTS}, which a saved model has: a part of it is lost.")
        version = hdf5.read_attribute(file, "", "keras_version", budget, name) or "1"
        saved = h5_weights.Layers(file, groups, WEIGHTS, budget, name)
        safe = is_safe(safe_mode)
        with CustomObjectScope(custom_objects), scopes.override(unsafe=not safe), unfilled.unfilled() as waiting:
            model = deserialize_keras_object(
                h5_configs.readable(config, version),
                safe_mode=safe,
                kinds=("model", "layer"),
                printable_name="model",
            )
            _require_built(model, saved)
            h5_weights.load(model, saved, same_model=True)
            waiting.finish()
            if compile:
                _compile(model, _config(file, TRAINING, budget, name), name)
                _load_optimizer(model, saved, OPTIMIZER in groups)
    return model


def _config(file, key, budget, name):
    """A config among the attributes of the root, or None."""
    text = hdf5.read_attribute(file, "", key, budget, name)
    return None if text is None else guards.read_json(text, f"{name}: {key}")


def _require_built(model, saved):
    if not model.built and any(saved.weights.values()):
        raise ValueError(
            f"{saved.name} holds weights, but {type(model).__name__} {model.name!r} has none before it knows the shape "
            "of its inputs, which its config does not say: make the model, call it on data and use load_weights()."
        )


def _compile(model, config, name):
    if config is None:
        return
    if not isinstance(config, dict):
        raise guards.CorruptFileError(f"{name}: {TRAINING} is no dict.")
    model.compile(**h5_configs.compile_arguments(config, getattr(model, "output_names", ())))


def _load_optimizer(model, saved, is_there):
    optimizer = getattr(model, "optimizer", None)
    if not isinstance(optimizer, Optimizer) or not model.trainable_variables:
        return
    optimizer.build(model.trainable_variables)
    if is_there:
        listed = saved.listed(OPTIMIZER)
        store = weights_h5.Stored(listed, f"{saved.name}: {OPTIMIZER}")
        old_states.load(optimizer, store, list(listed), list(listed))
