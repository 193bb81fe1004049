"""Backups of a training: weights and optimizer as in `.weights.h5`, and beside them what else it needs to go on.

May import core and this room's files below; those of HDF5 only inside functions, because they load h5py. Keras reads
the weights of such a file and passes over the rest. All of it is one file, so that its parts are always of the same
moment.
"""

import json

import numpy as np
import torch

from torchkeras.core.conversion import to_numpy
from torchkeras.saving import guards
from torchkeras.saving.replacing import replacing

ENTRY = "torchkeras_training"  # its place in the file; `state.py` knows that no model takes it


def write(model, path, state):
    """Writes a model's weights with a state: dicts and lists of numbers, texts, None, arrays and tensors."""
    from torchkeras.saving import weights_h5

    arrays = {}
    text = json.dumps(_without_arrays([state, _unwritten(model)], arrays))
    arrays["json"] = np.frombuffer(text.encode(), np.uint8)
    with replacing(path) as file:
        weights_h5.write(model, file, more={ENTRY: arrays})


def load(model, path):
    """Reads the weights of a backup into a model: all of it, or nothing."""
    model.load_weights(path)
    _, values = _read(path) or (None, [])
    with torch.no_grad():
        for tensor, value in zip(_unwritten(model), values):
            tensor.copy_(torch.as_tensor(value))


def read_state(path):
    """The state in a file; None where it has none, as files of Keras. Arrays and tensors come as arrays.

    Raises `FileNotFoundError`, `CorruptFileError`, `UnsafeFileError`, `ResourceLimitError`.
    """
    found = _read(path)
    return None if found is None else found[0]


def _unwritten(model):
    """What a model has that is not among its weights in files: states of generators, and buffers (states of recurrent
    layers, statistics of torch's modules)."""
    layers = model._flatten_layers()
    return [seeds.state for layer in layers for seeds in layer._seed_generators] + list(model.buffers())


def _read(path):
    from torchkeras.saving import h5_file, weights_h5

    with h5_file.open_weights(path) as reader:
        store = reader.store(ENTRY) if isinstance(reader, weights_h5.Reader) else {}
        if "json" not in store:
            return None
        text = store["json"]
        if text.dtype != np.uint8 or text.ndim != 1:
            raise guards.CorruptFileError(f"{path}: the state of the training is no text.")
        return _with_arrays(guards.read_json(text.tobytes(), f"{path}: {ENTRY}"), store)


def _without_arrays(value, arrays):
    if isinstance(value, dict):
        return {key: _without_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (np.ndarray, torch.Tensor)):
        key = str(len(arrays))
        arrays[key] = to_numpy(value) if isinstance(value, torch.Tensor) else value
        return {"array": key}
    return value


def _with_arrays(value, store):
    if isinstance(value, list):
        return [_with_arrays(item, store) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"array"}:
        return store[value["array"]]
    return {key: _with_arrays(item, store) for key, item in value.items()}
