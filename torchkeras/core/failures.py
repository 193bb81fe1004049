"""What an error from inside a layer is told about: which layer, on what.

May import core. The error itself stays as it is, type and text; the rest is a note (`__notes__`, shown below a
traceback from Python 3.11 on). Only where torch fails inside a layer of ours, and so on what it was called with, a
ValueError comes of it, as Keras raises for inputs that do not fit; it is of the first error's type too.
"""

import numpy as np
import torch

from torchkeras.core import registry, tree
from torchkeras.core.dtypes import NAMES
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.scopes import state
from torchkeras.errors import UnfitInputError, UnsupportedInputError

_RAW = (
    RuntimeError,
    IndexError,
    KeyError,
    AttributeError,
    TypeError,
    ValueError,
    NotImplementedError,
    ZeroDivisionError,
    UnsupportedInputError,
)
_OURS = ("torchkeras", "torch", "contextlib")  # whose code may run between a layer's call and the error
_HEAD = "Raised in layer "
_MOST = 12  # arguments and leaves that a note lists


def note(error, layer, args, kwargs):
    """Adds to an error the layer in which it was raised, the innermost one, and the arguments of the call."""
    notes = getattr(error, "__notes__", [])
    if any(text.startswith(_HEAD) for text in notes):
        return
    name, path = layer.__dict__.get("_name"), layer.__dict__.get("_path")
    where = f"{name!r} ({type(layer).__name__})" + (f", path {path!r}" if path != name else "")
    text = "".join(f"\n  {line}" for line in _named(layer, args, kwargs)[:_MOST])
    error.__notes__ = [*notes, f"{_HEAD}{where}, called with:{text or ' nothing'}"]


def unfit(error, layer, args, kwargs):
    """A ValueError in place of one that torch, or Python, raised inside a published layer; None for other errors.

    Code of users that a layer runs (an activation, a cell) raises what it likes. Inside a probe errors stay as they
    are: they say which sizes to try next.
    """
    if type(error) not in _RAW or state.probe is not None or not _is_published(layer):
        return None
    several = _several(layer, args, kwargs)
    if repr(layer.name) in str(error) and not several:  # said by the layer
        return None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in _OURS:
            return None
        trace = trace.tb_next
    owner = f"Layer {layer.name!r} ({type(layer).__name__})"
    if several:
        clearer = UnsupportedInputError(f"{owner} takes one tensor (or array), got {', '.join(several)}.")
    else:
        came = ", ".join(_named(layer, args, kwargs)[:_MOST]) or "nothing"
        clearer = UnfitInputError.like(error, f"{owner} cannot take {came}: {error}")
    clearer.__notes__ = getattr(error, "__notes__", [])
    return clearer


def _several(layer, args, kwargs):
    """The first argument as a text in a list, if it is a structure or None where a layer takes one tensor."""
    if layer._takes_several or not (args or kwargs):
        return []
    first = args[0] if args else next(iter(kwargs.values()))
    if isinstance(first, (list, tuple)) and (leaves := tree.flatten(first)):
        if all(isinstance(leaf, (bool, int, float)) for leaf in leaves):
            return []  # the numbers of one array
    return _named(layer, args, kwargs)[:1] if first is None or tree.is_nested(first) else []


def _is_published(layer):
    entry = registry.entry_of(type(layer))
    return entry is not None and entry.kind == "layer"


def _named(layer, args, kwargs):
    """The arguments of a call as texts `name=value`."""
    names = layer._call_info.names
    lines = [f"{names[i] if i < len(names) else f'argument {i + 1}'}={shown(value)}" for i, value in enumerate(args)]
    return lines + [f"{key}={shown(value)}" for key, value in kwargs.items()]


def shown(value):
    """A value in few words: shape and dtype of what has them."""
    if isinstance(value, (torch.Tensor, np.ndarray, KerasTensor)):
        return _described(value)
    if tree.is_nested(value):
        leaves = tree.flatten(value)
        more = f", … ({len(leaves)} in all)" if len(leaves) > _MOST else ""
        return f"{type(value).__name__} of {', '.join(map(shown, leaves[:_MOST]))}{more}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _described(value):
    dtype = NAMES.get(value.dtype, value.dtype) if isinstance(value, torch.Tensor) else value.dtype
    shape = state.probe.unknown(value.shape) if state.probe is not None else value.shape
    return f"{type(value).__name__}(shape={tuple(shape)}, dtype={dtype})"
