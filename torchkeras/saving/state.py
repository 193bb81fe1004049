"""The values of everything that has state, to a file and back, whatever the format.

May import core and the rooms of files below. A writer gives `store(path, name)`, a mapping that takes arrays; a reader
gives `store(path)`, a mapping of arrays that tells shapes before it reads, and `paths()`, where there is anything. The
paths are those of `state_walk.walk`.
"""

import contextlib
import warnings

import torch

from torchkeras.core.layer_saving import LayerSaving
from torchkeras.errors import CorruptFileError, ResourceLimitError, UnsafeFileError
from torchkeras.saving import older_paths
from torchkeras.saving.state_walk import keeps_values, load_variables, save_variables, walk

_SHOWN = 50  # mismatches that an error lists


def save_state(root, writer, skip=()):
    """Writes the state of `root` and of all below it; not of the objects in `skip` and what they hold."""
    skipped = _below(skip)
    for path, obj in walk(root):
        if id(obj) not in skipped and keeps_values(obj):
            save_variables(obj, writer.store(path, getattr(obj, "name", None)))


def load_state(root, reader, what, skip_mismatch=False, skip=(), done=None, complete=False, making=None, advice=""):
    """Reads what `save_state` wrote, here or in Keras.

    Args:
        what: how errors call the file.
        skip_mismatch: whether what does not fit is left as it is, with a warning. Otherwise `ValueError` lists all of
            it, and nothing has changed.
        skip: objects that are left as they are, with what they hold.
        done: ids of objects that an earlier call has read; takes up those of this one.
        complete: whether something in the file that no object takes is a mismatch too.
        making: "begun" or "ended" where the model is being made from this very file, and more may be made of it
            between the two.
        advice: what the error says at its end.
    """
    done = set() if done is None else done
    done |= _below(skip)
    pairs = older_paths.walk(root, reader.paths())
    entries = [(path, obj, reader.store(path)) for path, obj in pairs if id(obj) not in done]
    done.update(id(obj) for _, obj, _ in entries)
    faults, plain, own = [], [], []
    for path, obj, store in entries:
        if not _is_plain(obj):
            own.append((path, obj, store))
            continue
        found = obj._faults_of(store)
        if found:
            faults.append((path, obj, found))
        else:
            plain.append((path, obj, store))
    left = sorted(path for path in reader.paths() - {path for path, _ in pairs} if _is_missed(path))
    surplus = complete and bool(left)
    if not (faults or surplus) or skip_mismatch:
        with _restored_on_error(own if not skip_mismatch else []) as ending:
            faults += _load_own(own)
            ending.failed = bool(faults)
    if faults or surplus:
        _tell(faults, left, what, skip_mismatch, making, advice)
    elif left and making != "begun":
        warnings.warn(f"{what}: nothing of the model takes what it has for {', '.join(left[:_SHOWN])}.", stacklevel=4)
    for _, obj, store in plain:
        obj._take(store)
    return len(plain) + len(own) - len(faults)


_NOT_MISSED = ("optimizer", "metrics", "seed_generator", "_seed_generators", "torchkeras_training")


def _is_missed(path):
    """Whether values of a file that nothing takes are told of: a model can do without states of training and seeds."""
    parts = path.split("/")
    return parts[0] != "loss" and not any(part.startswith(_NOT_MISSED) for part in parts)


def _is_plain(obj):
    """Whether it reads in the way of all layers, which can be judged beforehand."""
    return isinstance(obj, LayerSaving) and type(obj).load_own_variables is LayerSaving.load_own_variables


def _below(objects):
    return {id(obj) for each in objects for _, obj in walk(each)}


def _load_own(entries):
    """Objects that read by methods of their own; what these raise are the faults."""
    faults = []
    for path, obj, store in entries:
        if not store.keys() and not _keeps_anything(obj):
            continue
        try:
            load_variables(obj, store)
        except (CorruptFileError, ResourceLimitError, UnsafeFileError):
            raise
        except (ValueError, KeyError, RuntimeError, TypeError, IndexError) as error:
            faults.append((path, obj, [f"{type(error).__name__}: {error}"]))
    return faults


def _keeps_anything(obj):
    return not isinstance(obj, torch.nn.Module) or any(True for _ in _tensors(obj))


def _tensors(obj):
    """Parameters and buffers of an object's own; of a plain module, all below it."""
    if not isinstance(obj, torch.nn.Module):
        return
    recurse = not isinstance(obj, LayerSaving)
    yield from obj.parameters(recurse)
    yield from obj.buffers(recurse)


class _Ending:
    failed = False


@contextlib.contextmanager
def _restored_on_error(entries):
    """A method of a user's may fail half way: then its layer has the values that it had."""
    kept = [
        (tensor, tensor.detach().clone()) for _, obj, _ in entries for tensor in _tensors(obj) if not tensor.is_meta
    ]
    ending = _Ending()
    ending.failed = True
    try:
        yield ending
    finally:
        if ending.failed:
            with torch.no_grad():
                for tensor, value in kept:
                    tensor.copy_(value)


def _tell(faults, left, what, skip_mismatch, making, advice):
    lines = [
        f"  {path or 'the model itself'} ({type(obj).__name__} {getattr(obj, 'name', '')!r}): {'; '.join(found)}"
        for path, obj, found in faults[:_SHOWN]
    ]
    if len(faults) > _SHOWN:
        lines.append(f"  and {len(faults) - _SHOWN} more")
    if left:
        lines.append(f"  Nothing of the model took what the file has for {', '.join(left[:_SHOWN])}.")
    text = "\n".join(lines)
    if skip_mismatch:
        warnings.warn(f"{what} does not fit the model everywhere. Left as they are:\n{text}", stacklevel=4)
        return
    if making is not None:
        raise ValueError(f"The weights in {what} do not fit the config there:\n{text}")
    raise ValueError(
        f"{what} does not fit the model, which is unchanged:\n{text}\n"
        f"With skip_mismatch=True what fits is loaded and the rest left as it is.{advice}"
    )
