"""Rematerialization (gradient checkpointing): intermediate results are computed again in the backward pass.

May import torch and core. Knows no concrete layer.

The second run must see what the first one saw: the training value, the casting layer and the random numbers; and it
must not count twice: what it assigns to moving statistics and counters is thrown away.
"""

import contextlib
import functools
import types

import torch
from torch.utils.checkpoint import checkpoint

from torchkeras.core import scopes, tree
from torchkeras.core.dtypes import NAMES
from torchkeras.core.keras_tensor import KerasTensor, any_symbolic
from torchkeras.core.scopes import state
from torchkeras.core.stateless import StatelessScope

MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class RematScope:
    """Layers made inside compute their intermediate results again in the backward pass, to save memory.

    Args:
        mode: "full" for all layers; "activations" for the activation functions of layers only; "larger_than" for
            layers with more output numbers than `output_size_threshold`; "list_of_layers" for those in `layer_names`;
            None for none.

    Raises `ValueError` for another mode.

    Example:
        >>> with RematScope("list_of_layers", layer_names=["big"]):
        ...     layer = keras.layers.Dense(4096, activation="gelu", name="big")
    """

    def __init__(self, mode="full", output_size_threshold=1024, layer_names=None):
        if mode not in MODES:
            raise ValueError(f"Unknown mode {mode!r}: use one of {', '.join(map(repr, MODES))}.")
        self.mode, self.output_size_threshold, self.layer_names = mode, output_size_threshold, layer_names or []

    def __enter__(self):
        state.remat = (*state.remat, self)
        return self

    def __exit__(self, *error):
        state.remat = state.remat[:-1]


def remat(f):
    """A function or layer that keeps its inputs only, and runs again in the backward pass.

    Example:
        >>> block = remat(lambda x: torch.relu(x @ w1) @ w2)

    torch: `torch.utils.checkpoint.checkpoint(f, ..., use_reentrant=False)`.
    """

    def wrapped(*args, **kwargs):
        if state.probe is not None or not torch.is_grad_enabled() or any_symbolic(args, kwargs):
            return f(*args, **kwargs)
        if torch.compiler.is_compiling():
            return _in_graph(f, args, kwargs)
        return checkpoint(f, *args, use_reentrant=False, context_fn=_contexts, **kwargs)

    if isinstance(f, types.FunctionType):
        return functools.update_wrapper(wrapped, f)
    wrapped.__wrapped__ = f  # a layer or operation: it keeps its attributes for itself
    return wrapped


def _in_graph(f, args, kwargs):
    """A graph is recorded once, and the compiler says what is computed again. Nothing may be told to those outside."""
    before, state.scores = state.scores, None
    try:
        return checkpoint(f, *args, use_reentrant=False, **kwargs)
    finally:
        state.scores = before


def _contexts():
    """The contexts of the first and of the second run."""
    drawn = []
    seen = {name: getattr(state, name) for name in ("training", "learning_phase", "casting")}

    @contextlib.contextmanager
    def first():
        around = state.drawn
        with scopes.override(drawn=drawn):
            yield
        if around is not None:  # a layer in a layer: the outer one's second run draws these too
            around.extend(drawn)

    @contextlib.contextmanager
    def again():
        with scopes.override(**seen, inside=True, drawn=None, redrawn=iter(drawn)), StatelessScope():
            yield  # the scope takes the losses that are added a second time

    return first(), again()


def call_of(layer, scope, arguments):
    """The function to run in place of `layer.call`, for a layer made inside `scope`."""
    if scope.mode == "full" or (scope.mode == "list_of_layers" and layer.name in scope.layer_names):
        return remat(layer.call)
    if scope.mode == "activations" and getattr(layer, "activation", None) is not None:
        return functools.partial(_with_light_activation, layer)
    if scope.mode == "larger_than" and _output_size(layer, arguments) > scope.output_size_threshold:
        return remat(layer.call)
    return layer.call


def _with_light_activation(layer, *args, **kwargs):
    plain = layer.activation
    layer.activation = remat(plain)
    try:
        return layer.call(*args, **kwargs)
    finally:
        layer.activation = plain


def _output_size(layer, arguments):
    """How many numbers a call gives, found once for each input shape; 0 while shapes are inferred."""
    if state.probe is not None or not torch.is_grad_enabled():
        return 0
    known = layer.__dict__.setdefault("_output_sizes", {})
    key = tuple(tuple(leaf.shape) for leaf in tree.flatten(arguments) if isinstance(leaf, torch.Tensor))
    if key not in known:
        specs = tree.map_structure(
            lambda v: KerasTensor(tuple(v.shape), NAMES[v.dtype]) if isinstance(v, torch.Tensor) else v, arguments
        )
        outputs = tree.flatten(layer.compute_output_spec(*specs))
        known[key] = sum(out.shape.num_elements() for out in outputs if isinstance(out, KerasTensor))
    return known[key]
