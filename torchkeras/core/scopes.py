"""Every context variable and every process-wide setting of torchkeras.

May import torch only. Nothing else in the package keeps a state on which the result of a call depends: a reader who
wonders what that may be, besides the arguments, finds all of it here. Tables that are filled while the package is
imported (core/registry.py, core/fields.py) and values that are kept so as not to be computed again (dtype policies by
name, the layer around a torch module) stand with the code that fills them.
"""

import contextlib
import itertools
import os
import re
import threading
import weakref
from collections import defaultdict

import torch


class _ThreadState(threading.local):
    """Per-thread values, each with the default that a new thread starts from."""

    training = None  # the training argument of the innermost call that was given one
    learning_phase = None  # Keras 2's global default, ranks below an outer call's value
    probe = None  # the running shape probe (core/shape_probe.py)
    casting = None  # the mixed-precision layer whose weights are read cast
    inside = False  # whether a layer's call is running: the next one is not the outermost
    losses = None  # list that takes (layer, value) of every added loss in the layers' place
    names = ()  # open name scopes, outermost first
    scope_caller = None  # the object that opened the innermost one, where it said so
    device = None  # device set by `device(...)`
    custom_objects = ()  # dicts of the open custom_object_scope blocks, innermost last
    unsafe = None  # whether the running deserialization may make what holds code
    unsafe_unless_told = False  # the same, where a deserialization says nothing
    described = None  # what the running description of objects has met (core/sharing.py)
    builds = None  # list that takes (layer, build config) of layers whose wrapper builds them
    inner = False  # whether what is read next belongs to the layer around it, which builds it
    describes_training = True  # whether descriptions of models say how they are trained
    unfilled = None  # weights that wait for values of a file (core/unfilled.py)
    rebuilt = None  # shared number -> object that the running deserialization made of it
    remat = ()  # the open RematScope blocks, outermost first
    drawn = None  # seeds drawn so far in the first run of a rematerialized function
    redrawn = None  # iterator over them in its second run
    stateless = None  # the open StatelessScope
    symbolic = None  # the open SymbolicScope
    scores = None  # what takes the scores behind probabilities in a step of training (core/scores.py)
    slow_paths = None  # list that takes (layer, reason) of every kernel that could not serve
    workers_flush = False  # whether the kernels' threads flush denormals for this one (core/processor.py)
    property_error = None  # (layer, property, AttributeError) on its way to `__getattr__`

    def __init__(self):
        # On the thread's own dict from the start: torch.compile guards on which keys it has.
        self.__dict__.update({name: value for name, value in vars(type(self)).items() if not name.startswith("_")})


state = _ThreadState()


class Settings:
    """Process-wide settings with Keras's defaults."""

    floatx = "float32"
    epsilon = 1e-7
    image_data_format = "channels_last"
    policy = None  # global dtype policy; None means floatx
    max_epochs = None
    max_steps_per_epoch = None
    traceback_filtering = True
    interactive_logging = True
    flush_denormals = True  # whether denormal numbers are zeros in the steps of the loops
    thread_choice = True  # whether small steps keep to fewer threads
    flash_attention = None  # None: torch decides; False keeps attention away from its flash kernel
    random_seed = None  # what set_random_seed was given
    seed_generator = None  # the generator behind `seed=None`, made when first needed


settings = Settings()


class _Process:
    """Switches and counters of the whole process that nobody sets by hand."""

    loss_source_changes = 0  # a layer began to add losses, joined or left another: look for them anew
    trainable_changes = 0  # assignments to `trainable` anywhere: while it stands still, no flag need be compared
    tokens = itertools.count()  # one for each layer, to number what it holds
    keeps_freed_memory = False  # whether the C library was told to (core/processor.py)
    forked = False  # whether the threads of torch's kernels stayed behind in another process

    def __init__(self):
        self.renew_locks()

    def renew_after_fork(self):
        """A forked process has no thread but one: none of the kernels', none to give back a lock that it held."""
        self.forked = True
        self.renew_locks()

    def renew_locks(self):
        self.building = threading.RLock()  # held while a layer makes its weights: who needs them meanwhile waits
        self.naming = threading.Lock()
        self.thread_numbers = threading.Lock()  # held while a worker changes the number of torch's threads


process = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=process.renew_after_fork)
wrappers = weakref.WeakKeyDictionary()  # torch module -> weak reference to the layer around it
name_counters = defaultdict(int)
custom_objects = {}  # Keras's get_custom_objects(): global, user-filled


@contextlib.contextmanager
def override(**values):
    """Sets thread-state values for a block and puts the old ones back.

    Example: `with override(training=True): model(x)`.
    """
    old = {key: getattr(state, key) for key in values}
    for key, value in values.items():
        setattr(state, key, value)
    try:
        yield
    finally:
        for key, value in old.items():
            setattr(state, key, value)


# -- names ------------------------------------------------------------------------------------------------------------


def snake_case(name):
    """`MaxPooling2D` -> `max_pooling2d`, as Keras names layers."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(prefix):
    """`dense`, `dense_1`, `dense_2`… until `clear_session` starts again."""
    with process.naming:
        count = name_counters[prefix]
        name_counters[prefix] += 1
    return prefix if count == 0 else f"{prefix}_{count}"


def current_path():
    """The open name scopes joined by slashes; an empty string at top level."""
    return "/".join(state.names)


class name_scope(contextlib.ContextDecorator):
    """Prefixes the paths of variables made inside, as `keras.name_scope`.

    Args:
        name: a string without slashes, not empty; else `ValueError`.
        caller: object that opens the scope; with `deduplicate`, a scope that it has open already is not entered again.
        override_parent: a path that stands in place of the scopes open so far.
    """

    def __init__(self, name, caller=None, deduplicate=True, override_parent=None):
        if not isinstance(name, str) or not name or "/" in name:
            raise ValueError(f"name_scope needs a non-empty string without '/', got {name!r}.")
        self.name, self.caller, self.deduplicate, self.override_parent = name, caller, deduplicate, override_parent

    def __enter__(self):
        self._old = state.names, state.scope_caller
        opened, caller = self._old
        if self.override_parent is not None:
            opened = tuple(part for part in self.override_parent.split("/") if part)
        elif self.deduplicate and self.caller is not None and caller is self.caller and opened[-1:] == (self.name,):
            return self
        state.names, state.scope_caller = (*opened, self.name), self.caller
        return self

    def __exit__(self, *error):
        state.names, state.scope_caller = self._old


def clear_session(free_memory=True):
    """Starts automatic names again (`dense`, `input_layer`…). `free_memory` also returns cached GPU memory."""
    name_counters.clear()
    settings.random_seed = settings.seed_generator = None
    if free_memory and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


# -- devices ----------------------------------------------------------------------------------------------------------


def default_device():
    """Where new weights go: `device(...)` block, then torch's own default device, then CUDA if present, then CPU."""
    if state.device is not None:
        return state.device
    # get_default_device() cannot be traced by torch.compile; where an empty tensor goes can be.
    chosen = torch.empty(0).device if torch.compiler.is_compiling() else torch.get_default_device()
    if chosen.type != "cpu":
        return chosen
    return torch.device("cuda") if torch.cuda.is_available() else chosen


@contextlib.contextmanager
def device(device_name):
    """New weights and converted arrays go to this device inside the block. Accepts `"cpu"`, `"gpu:0"`,
    `torch.device`."""
    if isinstance(device_name, str):
        device_name = re.sub(r"^gpu", "cuda", device_name.lower())
    elif not isinstance(device_name, torch.device):
        raise ValueError(f"device needs a string such as 'cpu' or 'gpu:0', or a torch.device; got {device_name!r}.")
    with override(device=torch.device(device_name)):
        yield
