"""Saving and loading by path: which format an ending or a content means.

May import core and this room; the rooms of the formats only inside functions, because they load h5py. The public
functions; each format is a file beside this one.
"""

import contextlib
import os
import sys
import warnings

import torch

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
        zipped: False writes a folder in place of a zip, under a name of any ending.
        include_optimizer: False leaves the optimizer's state and the arguments of `compile` out.
        save_format: Keras 2's word, `"keras"` or `"h5"`, for paths of any ending.

    The old file stays until the new one is complete. Raises `ValueError` for an ending that means no format.

    Example:
        >>> save_model(Sequential([Input((2,)), Dense(1)]), "model.keras")
        >>> load_model("model.keras").count_params()
        3
    """
    filepath, include_optimizer = os.fsdecode(filepath), kwargs.pop("include_optimizer", True)
    word = kwargs.pop("save_format", None)
    form = _form_to_write(filepath, "keras" if zipped is False else word)  # a folder may have any name
    kwargs.pop("options", None)  # of TensorFlow
    if kwargs:
        raise TypeError(f"save_model() does not know the arguments {sorted(kwargs)}.")
    if zipped is not None and form != "keras":
        raise ValueError(f"zipped={zipped} is for `.keras` files only, got {filepath!r}.")
    if not model.built:
        warnings.warn(
            f"Model {model.name!r} is saved before it has weights. Call it on data or build(input_shape) first to have "
            "them in the file.",
            stacklevel=3,
        )
    if not _may_write(filepath, overwrite):
        return
    if form == "keras":
        from torchkeras.saving import keras_file

        keras_file.write(model, filepath, zipped is not False, include_optimizer)
    else:
        from torchkeras.saving import h5_file

        h5_file.write(model, filepath, include_optimizer)


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True, *, check_finite=False):
    """The model of a file that `model.save` wrote, here, in Keras 3 or in tf.keras 2.

    Args:
        filepath: a `.keras` file or folder, or an HDF5 file of any ending.
        custom_objects: dict of names to the user's classes and functions that the file names.
        compile: whether to compile it as it was, with the state of the optimizer.
        safe_mode: False lets the code of lambdas in the file run. It could do anything.
        check_finite: whether NaN and infinities among the weights raise `ValueError`.

    Raises `FileNotFoundError`; `UnsafeFileError`, `ResourceLimitError` or `CorruptFileError` (all `ValueError`s) for
    files that reach out, ask for too much or are damaged; `ValueError` for classes that are not known.
    """
    from torchkeras.saving import h5_file, keras_file

    filepath = os.fsdecode(filepath)
    form = _form_to_read(filepath)
    reading = {"keras": keras_file.read, "h5": h5_file.read}.get(form)
    if reading is None:
        raise _no_format(filepath, "a model")
    line = f"keras.models.load_model({filepath!r}, {{}})"
    with guards.description(filepath), missing.told(line):
        model = reading(filepath, custom_objects, compile, safe_mode)
    if check_finite:
        _require_finite(model, filepath)
    return model


# -- weights ----------------------------------------------------------------------------------------------------------


def save_weights(model, filepath, overwrite=True, max_shard_size=None, **kwargs):
    """Saves the weights of a model.

    Args:
        model: a model that has weights.
        filepath: its ending says the format. `.weights.h5`, and any ending that means none (`weights.ckpt`): Keras 3's,
            with the state of the optimizer. `.safetensors`, `.npz`: each weight under its path,
            `sequential/dense/kernel`, in Keras's shape. `.weights.json`: a table of `.weights.h5` files beside it.
            `.h5`, `.hdf5`: Keras 2's.
        overwrite: whether a file that is there is replaced; else a prompt asks, or `FileExistsError` is raised where
            nobody can answer.
        max_shard_size: GB that one file may have; then `filepath` ends in `.weights.json`.
        include_optimizer: `.safetensors` and `.npz` have the optimizer's state only if this is True; for other formats
            False leaves it out.
        layout: for `.safetensors` and `.npz`. `"torch"`: names and shapes as torch's own modules have them,
            `dense.weight` `(out, in)`, for `nn.Module.load_state_dict` and other libraries.
        objects_to_skip: layers or others that are not written.
        save_format: Keras 2's word, `"h5"` or `"keras"`, for paths without an ending; with `"h5"` one that ends in
            `.keras` has Keras 2's weights, as it had there.

    The old file stays until the new one is complete.

    Example:
        >>> model = Sequential([Input((2,)), Dense(1)])
        >>> model.save_weights("model.safetensors")
        >>> model.load_weights("model.safetensors")
    """
    filepath = os.fsdecode(filepath)
    form = _weights_form(filepath, max_shard_size, kwargs.pop("save_format", None))
    kwargs.pop("options", None)  # of TensorFlow
    unknown = set(kwargs) - _WRITE_OPTIONS.get(form, {"include_optimizer", "objects_to_skip"})
    if unknown:
        raise TypeError(f"save_weights() does not know the arguments {sorted(unknown)} for {filepath!r}.")
    _require_weights(model, "saving any")
    if not _may_write(filepath, overwrite):
        return
    if form in _FLAT:
        _flat_format(form).write(model, filepath, **kwargs)
        return
    skip = list(kwargs.get("objects_to_skip") or ())
    if kwargs.get("include_optimizer") is False and getattr(model, "optimizer", None) is not None:
        skip.append(model.optimizer)
    from torchkeras.saving import h5_file, sharded, weights_h5

    if form == "sharded":
        sharded.write(model, filepath, max_shard_size, skip)
        return
    with replacing(filepath) as file:
        if form == "h5":
            h5_file.write_weights(model, file)
            return
        weights_h5.write(model, file, skip)


def load_weights(model, filepath, skip_mismatch=False, **kwargs):
    """Loads weights into a model of the same architecture, from any format that `save_weights` writes, here or in
    Keras, and from a whole saved model.

    Args:
        model: a model that has weights.
        filepath: the file. What is in it says its format.
        skip_mismatch: whether what does not fit is left as it is, with a warning. Otherwise `ValueError` lists every
            layer that does not, with both shapes, and nothing has changed.
        by_name: for HDF5 files in Keras 2's layout: each layer takes what the file has for a layer of its name.
        objects_to_skip: layers or others that are left as they are.
        key_map: for `.safetensors` and `.npz`, where names differ: a dict from names in the file, or their beginnings
            (`{"encoder.fc1": "dense"}`), to the ends of the model's paths, or a function of a name. None leaves a
            tensor out, a pair `(path, function)` changes it first, a list gives it to several weights.
        layout: `"torch"` for `.safetensors` and `.npz` with the shapes of torch's modules.
        check_finite: whether NaN and infinities raise `ValueError`; then the model is as it was.

    Raises `FileNotFoundError`; `UnsafeFileError`, `ResourceLimitError` or `CorruptFileError` (all `ValueError`s).

    Example:
        >>> from safetensors.torch import save_file
        >>> linear = torch.nn.Linear(2, 1)
        >>> save_file(linear.state_dict(), "linear.safetensors")
        >>> model = Sequential([Input((2,)), Dense(1, name="out")])
        >>> model.load_weights(
        ...     "linear.safetensors", layout="torch", key_map={"weight": "out/kernel", "bias": "out/bias"}
        ... )
        >>> torch.equal(model.layers[0].kernel, linear.weight.T)
        True
    """
    filepath = os.fsdecode(filepath)
    _require_weights(model, "loading any")
    if not kwargs.pop("check_finite", False):
        _load_weights(model, filepath, skip_mismatch, **kwargs)
        return
    before = [(tensor, tensor.detach().clone()) for _, tensor in _numbers_of(model)]
    try:
        _load_weights(model, filepath, skip_mismatch, **kwargs)
        _require_finite(model, filepath)
    except BaseException:
        with torch.no_grad():
            for tensor, value in before:
                tensor.copy_(value)
        raise


def _load_weights(model, filepath, skip_mismatch, **kwargs):
    skip, by_name = kwargs.pop("objects_to_skip", None) or (), kwargs.pop("by_name", False)
    options = {key: kwargs.pop(key) for key in ("key_map", "layout") if key in kwargs}
    kwargs.pop("options", None)  # of TensorFlow
    if kwargs:
        raise ValueError(f"load_weights() does not know the arguments {sorted(kwargs)}.")
    form = _form_to_read(filepath)
    if form in _FLAT and not by_name:
        _flat_format(form).load(model, filepath, skip_mismatch=skip_mismatch, skip=skip, **options)
        return
    if options:
        raise ValueError(f"{sorted(options)} are for .safetensors and .npz files; {filepath!r} is none.")
    _load_by_path(model, filepath, form, by_name, skip_mismatch, skip)


def _numbers_of(model):
    """`(name, tensor)` of all weights and states that could be NaN."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return [(name, tensor) for name, tensor in named if tensor.is_floating_point() or tensor.is_complex()]


def _require_finite(model, filepath):
    found = [getattr(tensor, "path", name) for name, tensor in _numbers_of(model) if not tensor.isfinite().all()]
    if found:
        raise ValueError(f"{filepath} holds NaN or infinities for {', '.join(found[:20])}.")


def _load_by_path(model, filepath, form, by_name, skip_mismatch, skip):
    from torchkeras.saving import h5_weights

    with guards.description(filepath), _reader(filepath, form) as reader:
        if isinstance(reader, h5_weights.Layers):
            h5_weights.load(model, reader, by_name, skip_mismatch, skip)
        elif by_name:
            raise ValueError(f"by_name=True is for HDF5 files in Keras 2's layout; {filepath!r} has another.")
        else:
            load_state(model, reader, filepath, skip_mismatch, skip)


_FLAT = ("safetensors", "npz")
_WRITE_OPTIONS = {form: {"layout", "include_optimizer"} for form in _FLAT} | {"h5": {"include_optimizer"}}


def _flat_format(form):
    from torchkeras.saving import npz, safetensors_file

    return {"safetensors": safetensors_file, "npz": npz}[form]


def _require_weights(model, before):
    if not model.built:
        raise ValueError(f"Model {model.name!r} has no weights yet: build it, or call it on data, before {before}.")


@contextlib.contextmanager
def _reader(filepath, form):
    from torchkeras.saving import h5_file, keras_file, sharded

    openers = {"keras": keras_file.open_weights, "sharded": sharded.opened, "h5": h5_file.open_weights}
    if form not in openers:
        raise _no_format(filepath, "weights")
    with openers[form](filepath) as reader:
        yield reader


# -- which format -----------------------------------------------------------------------------------------------------


def _ending(path):
    """What a name ends in from its last dot on: of `.keras` too, which for `os.path.splitext` has no ending."""
    _, dot, ending = os.path.basename(path).rpartition(".")
    return dot + ending if dot else ""


def _form_to_write(path, word):
    form = _ENDINGS.get(_ending(path)) or _WORDS.get(word)
    if form is None:
        raise ValueError(
            f"{path!r} has no ending that means a format: use `.keras`, or `.h5` for the format of Keras 2. "
            "model.export(path) writes the computation without Keras."
        )
    return form


def _weights_form(path, max_shard_size, word):
    """The format in which weights are written to a path."""
    if max_shard_size is not None:
        if not path.endswith((".weights.json", ".weights.h5")):
            raise ValueError(f"With max_shard_size the path must end in `.weights.json`, got {path!r}.")
        return "sharded"
    if path.endswith(".weights.json"):
        raise ValueError(f"{path!r} is a table of several files: give max_shard_size, the GB that one may have.")
    if path.endswith(".weights.h5"):
        return "weights"
    ending = _ending(path)
    if ending in (".safetensors", ".npz"):
        return ending[1:]
    form = _ENDINGS.get(ending) or (_WORDS.get(word) if word != "keras" else None)
    if form == "keras" and _WORDS.get(word) == "h5":
        return "h5"
    if form == "keras":
        raise ValueError(f"{path!r} is for whole models: use model.save(), or `.weights.h5` for the weights.")
    if form is not None:
        return form
    warnings.warn(
        f"{path!r} has no ending that means a format of weights: written as what `.weights.h5` has, in one file. "
        "load_weights() finds it by this name.",
        stacklevel=4,
    )
    return "weights"


def _form_to_read(path):
    """`keras`, `h5`, `safetensors`, `npz`, `sharded` or None, by what is there and not by its name."""
    if not os.path.exists(path):
        if os.path.exists(f"{path}.index"):
            raise _of_tensorflow(path, "a checkpoint of TensorFlow")
        raise FileNotFoundError(f"There is no file {path!r}.")
    if os.path.isdir(path):
        return _form_of_folder(path)
    with guards.readable(path) as file:
        start = file.read(9)
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "npz" if path.endswith(".npz") else "keras"
    if start[:8] == _HDF5:
        return "h5"
    ending = _ending(path)
    if start[8:] == b"{" and ending != ".json":
        return "safetensors"
    if ending in _ENDINGS and not any(each.startswith(start[: len(each)]) for each in (b"PK\x03\x04", _HDF5)):
        raise guards.CorruptFileError(
            f"{path!r} is damaged, or no file of Keras's: it begins with {start!r}. A pointer of git-lfs, or a page "
            "that says why a download failed, looks so."
        )
    return {**_ENDINGS, ".safetensors": "safetensors", ".npz": "npz", ".json": "sharded"}.get(ending)  # damaged


def _form_of_folder(path):
    if os.path.exists(os.path.join(path, "config.json")):
        return "keras"
    if any(os.path.exists(os.path.join(path, name)) for name in ("saved_model.pb", "keras_metadata.pb")):
        raise _of_tensorflow(path, "a SavedModel of TensorFlow")
    if os.path.exists(os.path.join(path, "checkpoint")):
        raise _of_tensorflow(path, "a folder of TensorFlow's checkpoints")
    return None


def _of_tensorflow(path, kind):
    return ValueError(
        f"{path!r} is {kind}, which only TensorFlow can read. Convert it once where TensorFlow and tf_keras are "
        "installed: make or load the model there, load_weights(path) if these are weights, then "
        'model.save("model.keras") or model.save_weights("model.weights.h5"); those files load here.'
    )


def _no_format(filepath, wanted):
    return ValueError(
        f"{filepath!r} holds no {wanted.removeprefix('a ')} in a format that is read here: `.keras` or HDF5 "
        f"(`.h5`){', `.safetensors`, `.npz` or `.weights.json`' if wanted == 'weights' else ''}."
    )


def _may_write(filepath, overwrite):
    """Whether a file that is there may go."""
    if overwrite or not os.path.exists(filepath):
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise FileExistsError(f"{filepath} exists already: pass overwrite=True or choose another path.")
    answer = ""
    while answer not in ("y", "n"):
        answer = input(f"{filepath} exists already - overwrite it? [y/n] ").strip().lower()
    return answer == "y"
