"""`keras.config`: process-wide settings.

May import core. The values live in core/scopes; what the environment (`KERAS_MAX_EPOCHS`, `KERAS_MAX_STEPS_PER_EPOCH`)
and Keras's own file (`~/.keras/keras.json`, or in the folder `KERAS_HOME`) say is read here, once.
"""

import json
import os
from pathlib import Path

from torchkeras.core.dtype_policy import dtype_policy, set_dtype_policy
from torchkeras.core.dtypes import FLOATS
from torchkeras.core.scopes import settings, state
from torchkeras.core.windows import standardize_data_format

__all__ = [
    "backend",
    "disable_flash_attention",
    "disable_flush_denormals",
    "disable_interactive_logging",
    "disable_thread_choice",
    "disable_traceback_filtering",
    "dtype_policy",
    "enable_flash_attention",
    "enable_flush_denormals",
    "enable_interactive_logging",
    "enable_thread_choice",
    "enable_traceback_filtering",
    "enable_unsafe_deserialization",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_flash_attention_enabled",
    "is_flush_denormals_enabled",
    "is_interactive_logging_enabled",
    "is_nnx_enabled",
    "is_thread_choice_enabled",
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


def set_backend(backend):
    """Accepts "torch" and changes nothing. Raises `ValueError` for another engine: there is none here."""
    if backend != "torch":
        raise ValueError(
            f"torchkeras runs on PyTorch only, got backend {backend!r}. For TensorFlow, JAX or OpenVINO install Keras "
            "itself and say `import keras`."
        )


def is_nnx_enabled():
    """Whether Flax's NNX modules are in use: never, they belong to JAX."""
    return False


# -- numbers and layouts ----------------------------------------------------------------------------------------------


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
    """Either "channels_last" or "channels_first"."""
    return settings.image_data_format


def set_image_data_format(data_format):
    """Sets where layers expect the channels of images by default."""
    settings.image_data_format = standardize_data_format(str(data_format))


# -- how much, and how it is told -------------------------------------------------------------------------------------


def max_epochs():
    """The most epochs that any `fit` runs, or None. The environment's `KERAS_MAX_EPOCHS` sets it at the start."""
    return settings.max_epochs


def set_max_epochs(max_epochs):
    """Lets every `fit` end after that many epochs (None: as many as asked), for a quick trial of a script."""
    settings.max_epochs = max_epochs


def max_steps_per_epoch():
    """The most batches of an epoch, evaluation or prediction, or None. `KERAS_MAX_STEPS_PER_EPOCH` sets it too."""
    return settings.max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch):
    """Lets every epoch, evaluation and prediction end after that many batches (None: no limit)."""
    settings.max_steps_per_epoch = max_steps_per_epoch


def enable_interactive_logging():
    """Progress goes to standard output, as it does at first."""
    settings.interactive_logging = True


def disable_interactive_logging():
    """Progress goes to Python's `logging` (logger "keras") instead of standard output: for servers."""
    settings.interactive_logging = False


def is_interactive_logging_enabled():
    """Whether progress goes to standard output."""
    return settings.interactive_logging


def enable_traceback_filtering():
    """Remembers that short tracebacks are wanted. torchkeras puts no wrapper around calls, so there is nothing of its
    own to filter out: tracebacks are whole, and short, either way."""
    settings.traceback_filtering = True


def disable_traceback_filtering():
    """Remembers that whole tracebacks are wanted, which they always are; see `enable_traceback_filtering`."""
    settings.traceback_filtering = False


def is_traceback_filtering_enabled():
    """What was asked for, True at first."""
    return settings.traceback_filtering


# -- the processor ----------------------------------------------------------------------------------------------------


def enable_flush_denormals():
    """Makes zeros of denormal numbers (below 1.2e-38 in float32) in the steps of `fit`, `evaluate`, `predict` and their
    forms for one batch, as it is at first, and as TensorFlow and JAX have it.

    A CPU takes some hundred cycles for each of them, and moments of units that get no gradient any more end there. What
    runs between the steps and outside of these methods computes as ever; a loop of your own is left alone.

    In torch: `torch.set_flush_denormal(True)`, which reaches the calling thread only.
    """
    settings.flush_denormals = True


def disable_flush_denormals():
    """Lets steps compute with denormal numbers, as torch does: bit for bit what a loop by hand gives, but slower."""
    settings.flush_denormals = False


def is_flush_denormals_enabled():
    """Whether steps make zeros of denormal numbers, True at first."""
    return settings.flush_denormals


def enable_thread_choice():
    """Lets small steps of `fit`, `evaluate`, `predict` and their forms for one batch keep to fewer of torch's threads,
    as it is at first.

    Threads wait for each other after every kernel: on a small model longer than they work, and for whole time slices
    where another program takes a core. The number follows from the shapes of the model and its batches alone, so runs
    are equal to the bit. It is never more than `torch.get_num_threads()`, which `torch.set_num_threads` and the
    environment's `OMP_NUM_THREADS` say. Models of code that only runs show (a `call`, `train_step` or layer of your
    own) keep all threads.
    """
    settings.thread_choice = True


def disable_thread_choice():
    """Lets every step have all of torch's threads."""
    settings.thread_choice = False


def is_thread_choice_enabled():
    """Whether small steps keep to fewer threads, True at first."""
    return settings.thread_choice


# -- attention --------------------------------------------------------------------------------------------------------


def enable_flash_attention():
    """Lets attention use torch's flash kernel where it can, as it does at first."""
    settings.flash_attention = None


def disable_flash_attention():
    """Keeps attention away from torch's flash kernel, where a call does not say `flash_attention` itself."""
    settings.flash_attention = False


def is_flash_attention_enabled():
    """False after `disable_flash_attention()`, else None, as Keras has it."""
    return settings.flash_attention


# -- files ------------------------------------------------------------------------------------------------------------


def enable_unsafe_deserialization():
    """Lets this thread rebuild what may hold code (lambdas) where nothing else is said.

    A call that says `safe_mode=True` stays safe all the same, and other threads do.
    """
    state.unsafe_unless_told = True


def keras_home():
    """Keras's folder for settings and downloads: what the environment's `KERAS_HOME` says, else `~/.keras`."""
    return os.path.expanduser(os.environ.get("KERAS_HOME") or os.path.join("~", ".keras"))


def _read_environment():
    for name, setting in (("KERAS_MAX_EPOCHS", set_max_epochs), ("KERAS_MAX_STEPS_PER_EPOCH", set_max_steps_per_epoch)):
        if os.environ.get(name):
            setting(int(os.environ[name]))


def _read_file():
    """Takes over what Keras's own settings file says. Its backend is not ours to follow."""
    path = Path(keras_home()) / "keras.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # there is none, or it is broken: Keras ignores it too
        return
    setters = {"floatx": set_floatx, "epsilon": set_epsilon, "image_data_format": set_image_data_format}
    for name, setter in setters.items():
        if name in values:
            setter(values[name])


_read_file()
_read_environment()
