"""Saving and loading by path: which format an ending or a content means.

May import core and this room; the rooms of the formats only inside functions, because they load h5py. The public
functions; each format is a file beside this one.
"""

import contextlib
import os
import sys

from torchkeras.core import missing
from torchkeras.saving import guards
from torchkeras.saving.replacing import replacing
from torchkeras.saving.state import load_state

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ENDINGS = {".keras": "keras", ".h5": "h5", ".hdf5": "h5"}
_WORDS = {"keras": "keras", "h5": "h5", "hdf5": "h5"}  # of Keras 2's `save_format`


# -- models -----------------------------------------------------------------------------------------------------------


def save_model(model, filepath, overwrite=True, zipped=None, **kwargs):
    """Saves a model whole: architecture, weights, the arguments of `compile` and the optimizer's state.

    Args:
        model: a model.
        filepath: path that ends in `.keras`, or in `.h5` or `.hdf5` for the format of Keras 2.
        overwrite: whether a file that is there is replaced; else a prompt asks, or `FileExistsError` is raised where
            nobody can answer.
        zipped: False writes a `.keras` folder in place of a zip.
        include_optimizer: False leaves the optimizer's state and the arguments of `compile` out.
        save_format: Keras 2's word, `"keras"` or `"h5"`, for paths of any ending.

    The old file stays until the new one is complete. Raises `ValueError` for an ending that means no format.

    Example:
        >>> save_model(Sequential([Input((2,)), Dense(1)]), "model.keras")
        >>> load_model("model.keras").count_params()
        3
    """
    include_optimizer = kwargs.pop("include_optimizer", True)
    form = _form_to_write(filepath, kwargs.pop("save_format", None))
    kwargs.pop("options", None)  # of TensorFlow
    if kwargs:
        raise TypeError(f"save_model() does not know the arguments {sorted(kwargs)}.")
    if zipped is not None and form != "keras":
        raise ValueError(f"zipped={zipped} is for `.keras` files only, got {filepath!r}.")
    if not _may_write(filepath, overwrite):
        return
    if form == "keras":
        from torchkeras.saving import keras_file

        keras_file.write(model, filepath, zipped is not False, include_optimizer)
    else:
        raise NotImplementedError("The format of Keras 2 is not written yet.")


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True):
    """The model of a file that `model.save` wrote, here, in Keras 3 or in tf.keras 2.

    Args:
        filepath: a `.keras` file or folder, or an HDF5 file of any ending.
        custom_objects: dict of names to the user's classes and functions that the file names.
        compile: whether to compile it as it was, with the state of the optimizer.
        safe_mode: False lets the code of lambdas in the file run. It could do anything.

    Raises `FileNotFoundError`; `UnsafeFileError`, `ResourceLimitError` or `CorruptFileError` (all `ValueError`s) for
    files that reach out, ask for too much or are damaged; `ValueError` for classes that are not known.
    """
    from torchkeras.saving import h5_file, keras_file

    form = _form_to_read(filepath)
    reading = {"keras": keras_file.read, "h5": h5_file.read}.get(form)
    if reading is None:
        raise _no_format(filepath, "a model")
    line = f"keras.models.load_model({os.fspath(filepath)!r}, {{}})"
    with guards.description(os.fspath(filepath)), missing.told(line):
        return reading(filepath, custom_objects, compile, safe_mode)


# -- weights ----------------------------------------------------------------------------------------------------------


def save_weights(model, filepath, overwrite=True, max_shard_size=None, **kwargs):
    """Saves the weights of a model, with the state of its optimizer: `.weights.h5`."""
    if not _may_write(filepath, overwrite):
        return
    from torchkeras.saving import weights_h5

    with replacing(filepath) as file:
        weights_h5.write(model, file)


def load_weights(model, filepath, skip_mismatch=False, **kwargs):
    """Loads weights into a built model of the same architecture."""
    from torchkeras.saving import h5_weights

    skip, by_name = kwargs.pop("objects_to_skip", None) or (), kwargs.pop("by_name", False)
    if not model.built:
        raise ValueError(f"Model {model.name!r} has no weights yet: build it, or call it on data, before loading any.")
    with guards.description(os.fspath(filepath)), _reader(filepath) as reader:
        if isinstance(reader, h5_weights.Layers):
            h5_weights.load(model, reader, by_name, skip_mismatch, skip)
        elif by_name:
            raise ValueError(
                f"by_name=True is for HDF5 files in Keras 2's layout; {os.fspath(filepath)!r} has another."
            )
        else:
            load_state(model, reader, os.fspath(filepath), skip_mismatch, skip)


@contextlib.contextmanager
def _reader(filepath):
    from torchkeras.saving import h5_file, keras_file

    form = _form_to_read(filepath)
    if form == "keras":
        with keras_file.open_weights(filepath) as reader:
            yield reader
        return
    with h5_file.open_weights(filepath) as reader:
        yield reader


# -- which format -----------------------------------------------------------------------------------------------------


def _form_to_write(filepath, word):
    path = os.fspath(filepath)
    form = _ENDINGS.get(os.path.splitext(path)[1]) or _WORDS.get(word)
    if form is None:
        raise ValueError(
            f"{path!r} has no ending that means a format: use `.keras`, or `.h5` for the format of Keras 2. "
            "model.export(path) writes the computation without Keras."
        )
    return form


def _form_to_read(filepath):
    """`keras`, `h5`, `savedmodel` or None, by what is there and not by its name."""
    path = os.fspath(filepath)
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no file {path!r}.")
    if os.path.isdir(path):
        return "keras" if os.path.exists(os.path.join(path, "config.json")) else "savedmodel"
    with guards.readable(path) as file:
        start = file.read(8)
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "keras"
    return "h5" if start == _HDF5 else None


def _no_format(filepath, wanted):
    return ValueError(
        f"{os.fspath(filepath)!r} holds no {wanted} in a format that is read here: `.keras` or HDF5 (`.h5`)."
    )


def _may_write(filepath, overwrite):
    """Whether a file that is there may go."""
    if overwrite or not os.path.exists(filepath):
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise FileExistsError(f"{os.fspath(filepath)} exists already: pass overwrite=True or choose another path.")
    answer = ""
    while answer not in ("y", "n"):
        answer = input(f"{os.fspath(filepath)} exists already - overwrite it? [y/n] ").strip().lower()
    return answer == "y"
