"""Shape inference: a function runs on tensors without data, twice, with two sizes for what is unknown.

May import torch and core. The only room that knows of meta tensors.

What a run must not do is touch real things. A torch-function mode stands in front of every torch call: weights,
constants and buffers that live on a real device are replaced by meta copies as they go in, so that in-place updates
hit the copies, and tensors made inside are made on meta. This covers weights in lists, foreign modules and captured
constants alike, which swapping parameters of one module (`torch.func.functional_call`) does not. Layers that build
themselves meanwhile step out of the probe (`pause`) and see `None` where a probe size stood.
"""

import contextlib

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

from torchkeras.core import scopes, tree
from torchkeras.core.dtypes import NAMES, torch_dtype
from torchkeras.core.scopes import state
from torchkeras.core.symbolic import KerasTensor, Shape
from torchkeras.errors import ShapeInferenceError

# Highly divisible, one octave apart: strides, pools and reshapes keep them different and whole.
_FILLS = ((720, 1440), (5040, 10080), (840, 1680), (55440, 110880), (2520, 2880))
_SMALL_FILLS = ((12, 24), (60, 120), (36, 72), (84, 168))


class Probe(TorchFunctionMode):
    """The running probe. `fill` is the size that stands for unknown; `device` is "meta", or "cpu" for real small
    runs."""

    def __init__(self, fill, device):
        super().__init__()
        self.fill, self.device = fill, torch.device(device)
        self.copies, self.kept = {}, []
        self.built = []  # (layer, its raw input shapes) of the layers that this run built

    def note_build(self, layer, tensors):
        """A layer is about to be built for these tensors, in whose shapes probe sizes stand."""
        self.built.append((layer, [leaf.shape for leaf in tree.flatten(tensors) if leaf is not None]))

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if state.probe is not self:  # paused: a layer is being built
            return func(*args, **kwargs)
        if func in _device_constructors():
            kwargs = {**kwargs, "device": self.device}
        args, kwargs = tree.map_structure(self._harmless, (tuple(args), kwargs))
        return func(*args, **kwargs)

    def _harmless(self, value):
        if not isinstance(value, torch.Tensor):
            if isinstance(value, torch.device) and value.type != self.device.type:
                return self.device
            return value
        with torch._C.DisableTorchFunction():
            is_weight = isinstance(value, torch.nn.Parameter)
            if value.device.type == self.device.type and not (is_weight and self.device.type == "cpu"):
                return value
            if id(value) not in self.copies:
                self.kept.append(value)  # keeps the id taken
                self.copies[id(value)] = self._copy(value)
            return self.copies[id(value)]

    def _copy(self, value):
        if self.device.type == "cpu":
            return value.detach().to("cpu", copy=True)
        return torch.empty_strided(value.size(), value.stride(), dtype=value.dtype, device="meta")

    def unknown(self, shape):
        """A shape as seen inside the probe with None where a probe size stands."""
        return Shape(None if size == self.fill else int(size) for size in shape)


@contextlib.contextmanager
def pause():
    """Real work inside a probe: a layer makes its weights."""
    with scopes.override(probe=None):
        yield


def infer(function, args, kwargs):
    """The outputs of `function(*args, **kwargs)` as KerasTensors, where some arguments are KerasTensors.

    Raises what the function raises; `ShapeInferenceError` where shapes alone are not enough.
    """
    leaves = [leaf for leaf in tree.flatten((args, kwargs)) if isinstance(leaf, KerasTensor)]
    sizes = {size for leaf in leaves for size in leaf.shape}
    try:
        return _infer(function, args, kwargs, sizes, _FILLS, "meta")
    except (NotImplementedError, RuntimeError, TypeError) as error:
        if not _is_limit_of_meta(error):
            raise
        reason = error
    try:
        with torch.random.fork_rng(devices=[]):
            return _infer(function, args, kwargs, sizes, _SMALL_FILLS, "cpu")
    except Exception as error:
        name = getattr(function, "__qualname__", repr(function))
        raise ShapeInferenceError(
            f"The output shape of {name} cannot be found without data ({_first_line(reason)}), and a trial run on "
            "zeros failed "
            f"({_first_line(error)}). Define compute_output_shape(), or compute_output_spec(), on the layer."
        ) from error


def _infer(function, args, kwargs, sizes, fills, device):
    pairs = [pair for pair in fills if not sizes.intersection(pair)] or [fills[0]]
    probe = Probe(pairs[0][0], device)
    first = _run(function, args, kwargs, probe)
    if None not in sizes:
        return tree.map_structure(_spec, first, first)
    with _check_builds(probe.built):
        second = _run(function, args, kwargs, Probe(pairs[0][1], device))
    return tree.map_structure(_spec, first, second)


@contextlib.contextmanager
def _check_builds(built):
    """During the second run: a layer built in the first one must not have used a size that follows from an unknown one.

    Such a size (719 after `x[:, 1:]` of 720) looks like any other until the second run shows it to move.
    """
    seen, hooks = {}, []

    def note(layer, args, kwargs):
        leaves = tree.flatten((args, kwargs))
        seen.setdefault(id(layer), [leaf.shape for leaf in leaves if isinstance(leaf, torch.Tensor)])

    for layer, _ in built:
        hooks.append(layer.register_forward_pre_hook(note, with_kwargs=True))
    try:
        yield
    except RuntimeError as error:
        _forget_moving_sizes(built, seen, error)
        raise
    finally:
        for hook in hooks:
            hook.remove()
    _forget_moving_sizes(built, seen, None)


def _forget_moving_sizes(built, seen, cause):
    for layer, first in built:
        second = seen.get(id(layer), first)
        moving = {a for one, two in zip(first, second, strict=False) for a, b in zip(one, two, strict=False) if a != b}
        if moving:
            _forget_sizes(layer, moving, cause)


def _forget_sizes(layer, moving, cause):
    """Unknown sizes become None in what the layer remembers; a weight of such a size is an error."""
    for name, weight in layer.named_parameters():
        if moving.intersection(weight.shape):
            raise ShapeInferenceError(
                f"Weight {name!r} of layer {layer.name!r} depends on a size that is not known (None): it would be made "
                f"of shape {tuple(weight.shape)}. Give the input a known size on that axis."
            ) from cause

    def forget(shape):
        return Shape(None if size in moving else size for size in shape) if isinstance(shape, Shape) else shape

    shapes = layer.__dict__["_build_shapes"]
    if shapes:
        layer.__dict__["_build_shapes"] = {key: forget(shape) for key, shape in shapes.items()}


def _run(function, args, kwargs, probe):
    fill, device = probe.fill, probe.device

    def stand_in(value):
        if not isinstance(value, KerasTensor):
            return value
        shape = [fill if size is None else size for size in value.shape]
        return torch.zeros(shape, dtype=torch_dtype(value.dtype), device=device)

    call_args, call_kwargs = tree.map_structure(stand_in, (tuple(args), dict(kwargs)))
    with scopes.override(probe=probe, losses=[]), probe:
        return function(*call_args, **call_kwargs)


def _spec(first, second):
    if first is None and second is None:
        return None
    if not isinstance(first, torch.Tensor) or not isinstance(second, torch.Tensor):
        if isinstance(first, KerasTensor):
            return first
        raise ShapeInferenceError(f"An operation in a graph must give tensors, this one gave {type(first).__name__}.")
    if first.dim() != second.dim():
        raise ShapeInferenceError("The rank of the output depends on an unknown size: define compute_output_shape().")
    with torch._C.DisableTorchFunction():
        shape = [a if a == b else None for a, b in zip(first.shape, second.shape, strict=True)]
        if first.device.type == "cpu":  # a trial run on zeros: an empty result says that the size depends on the data
            shape = [size or None for size in shape]
        return KerasTensor(Shape(shape), dtype=NAMES[first.dtype])


def _is_limit_of_meta(error):
    text = str(error).lower()
    return "meta" in text and ("tensor" in text or "backend" in text or "device" in text)


def _first_line(error):
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
