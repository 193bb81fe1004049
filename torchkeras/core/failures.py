"""What an error from inside a layer is told about: which layer, on what.

May import core. The error itself stays as it is, type and text; the rest is a note (`__notes__`, shown below a
traceback from Python 3.11 on).
"""

import numpy as np
import torch

from torchkeras.core import tree
from torchkeras.core.dtypes import NAMES
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.scopes import state

_HEAD = "Raised in layer "
_MOST = 12  # arguments and leaves that a note lists


def note(error, layer, args, kwargs):
    """Adds to an error the layer in which it was raised, the innermost one, and the arguments of the call."""
    notes = getattr(error, "__notes__", [])
    if any(text.startswith(_HEAD) for text in notes):
        return
    name, path = layer.__dict__.get("_name"), layer.__dict__.get("_path")
    where = f"{name!r} ({type(layer).__name__})" + (f", path {path!r}" if path != name else "")
    names = layer._call_info.names
    lines = [f"{names[i] if i < len(names) else f'argument {i + 1}'}={_shown(value)}" for i, value in enumerate(args)]
    lines += [f"{key}={_shown(value)}" for key, value in kwargs.items()]
    text = "".join(f"\n  {line}" for line in lines[:_MOST])
    error.__notes__ = [*notes, f"{_HEAD}{where}, called with:{text or ' nothing'}"]


def _shown(value):
    if isinstance(value, (torch.Tensor, np.ndarray, KerasTensor)):
        return _described(value)
    if tree.is_nested(value):
        leaves = tree.flatten(value)
        more = f", … ({len(leaves)} in all)" if len(leaves) > _MOST else ""
        return f"{type(value).__name__} of {', '.join(map(_shown, leaves[:_MOST]))}{more}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _described(value):
    dtype = NAMES.get(value.dtype, value.dtype) if isinstance(value, torch.Tensor) else value.dtype
    shape = state.probe.unknown(value.shape) if state.probe is not None else value.shape
    return f"{type(value).__name__}(shape={tuple(shape)}, dtype={dtype})"
