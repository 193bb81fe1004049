"""`keras.config`: process-wide settings.

May import core. The values live in core/scopes.
"""

import torch

from torchkeras.core.dtype_policy import dtype_policy, set_dtype_policy
from torchkeras.core.dtypes import FLOATS
from torchkeras.core.scopes import settings

__all__ = [
    "backend",
    "disable_flash_attention",
    "disable_interactive_logging",
    "disable_traceback_filtering",
    "dtype_policy",
    "enable_flash_attention",
    "enable_interactive_logging",
    "enable_traceback_filtering",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_flash_attention_enabled",
    "is_interactive_logging_enabled",
    "is_nnx_enabled",
    "is_traceback_filtering_enabled",
    "max_epochs",
    "max_steps_per_epoch",
    "set_backend",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_max_epochs",
    "set_max_steps_per_epoch",
]


def backend():
    """The name of the engine: always "torch"."""
    return "torch"


def floatx():
    """The default float type, "float32" at first."""
    return settings.floatx


def set_floatx(value):
    """Sets the default float type: "float16", "bfloat16", "float32" or "float64"."""
    if value not in FLOATS or value.startswith("float8"):
        raise ValueError(f"Unknown floatx: {value!r}. Use 'float16', 'bfloat16', 'float32' or 'float64'.")
    settings.floatx = value


def epsilon():
    """The small number that keeps divisions and logarithms finite, 1e-7 at first."""
    return settings.epsilon


def set_epsilon(value):
    """Sets `epsilon()`."""
    settings.epsilon = float(value)


def image_data_format():
    """ "channels_last" or "channels_first"."""
    return settings.image_data_format


def set_image_data_format(data_format):
    """Sets where layers expect the channels of images by default."""
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}.")
    settings.image_data_format = data_format


def set_backend(backend):
    """Accepts "torch", the only engine. Raises `ValueError` for any other name."""
    if backend != "torch":
        raise ValueError(f"torchkeras runs on torch only, so the backend cannot be set to {backend!r}.")


def max_epochs():
    """The most epochs that any `fit` runs; None for no bound."""
    return settings.max_epochs


def set_max_epochs(max_epochs):
    """Bounds the epochs of every `fit`, for quick trials of long scripts; None lifts the bound."""
    settings.max_epochs = max_epochs


def max_steps_per_epoch():
    """The most steps that `fit`, `evaluate` and `predict` run in an epoch; None for no bound."""
    return settings.max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch):
    """Bounds the steps of every epoch; None lifts the bound."""
    settings.max_steps_per_epoch = max_steps_per_epoch


def is_interactive_logging_enabled():
    """Whether progress bars may redraw their line."""
    return settings.interactive_logging


def enable_interactive_logging():
    """Progress bars redraw their line, as in a terminal."""
    settings.interactive_logging = True


def disable_interactive_logging():
    """Progress is logged a line at a time, as for a file."""
    settings.interactive_logging = False


def is_traceback_filtering_enabled():
    """The switch that `enable_traceback_filtering` sets."""
    return settings.traceback_filtering


def enable_traceback_filtering():
    """Kept for programs that ask: torchkeras's tracebacks are short and always whole."""
    settings.traceback_filtering = True


def disable_traceback_filtering():
    """Kept for programs that ask: torchkeras's tracebacks are short and always whole."""
    settings.traceback_filtering = False


def is_flash_attention_enabled():
    """True or False as set; None where torch decides, as at first."""
    return settings.flash_attention


def enable_flash_attention():
    """Lets attention use torch's flash kernel where it can."""
    settings.flash_attention = True
    torch.backends.cuda.enable_flash_sdp(True)


def disable_flash_attention():
    """Keeps attention from using torch's flash kernel."""
    settings.flash_attention = False
    torch.backends.cuda.enable_flash_sdp(False)


def is_nnx_enabled():
    """Always False: NNX belongs to JAX."""
    return False
