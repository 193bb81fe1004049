"""Shape inference: a function runs on tensors without data, several times, with other sizes for what is unknown.

May import torch and core. The only room that knows of meta tensors. Which sizes are tried is in `core/probe_sizes.py`.

A size of the output is known if it is the same in all runs that succeed; runs with a size of one and with thousands are
among them, so that `x[:, :5]` of an unknown axis has an unknown size. A run that fails says that the function does not
take such sizes: `x + ones(5)` goes for an unknown axis of five (or one), and has five then.

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
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.probe_sizes import Sizes
from torchkeras.core.scopes import state
from torchkeras.errors import ShapeInferenceError

# What code raises that does not take a size. Anything else is a mistake in the code, for every size.
_SIZE_ERRORS = (RuntimeError, ValueError, IndexError, AssertionError, ZeroDivisionError)


class Probe(TorchFunctionMode):
    """The running probe. `free` are the sizes that stand for unknown; `device` is "meta", or "cpu" for real runs."""

    def __init__(self, free, device):
        super().__init__()
        self.free, self.device = free, torch.device(device)
        self.copies, self.kept = {}, []
        self.built = []  # (layer, its raw input shapes) of the layers that this run built
        self.made = 0  # how many times a tensor was made: grows with the sizes where a loop runs over them
        self.stuck = None  # the arguments of the torch function that failed

    def note_build(self, layer, tensors):
        """A layer is about to be built for these tensors, in whose shapes probe sizes stand."""
        self.built.append((layer, [leaf.shape for leaf in tree.flatten(tensors) if leaf is not None]))

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if state.probe is not self:  # paused: a layer is being built
            return func(*args, **kwargs)
        if func in _device_constructors():
            kwargs = {**kwargs, "device": self.device}
        args = [self._harmless(value) for value in args]
        kwargs = {key: self._harmless(value) for key, value in kwargs.items()}
        try:
            result = func(*args, **kwargs)
        except _SIZE_ERRORS:
            self.stuck = args, kwargs
            raise
        self.made += isinstance(result, torch.Tensor)
        return result

    def _harmless(self, value):
        if not isinstance(value, torch.Tensor):
            if isinstance(value, torch.device) and value.type != self.device.type:
                return self.device
            return tree.map_structure(self._harmless, value) if tree.is_nested(value) else value
        with torch._C.DisableTorchFunction():
            if value.device.type == self.device.type and not isinstance(value, torch.nn.Parameter):
                return value  # a weight is exchanged even on meta: one that waits for its value may be in no graph
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
        return Shape(None if size in self.free else int(size) for size in shape)

    def sizes_met(self):
        """The sizes in the torch call that failed."""
        leaves = tree.flatten(self.stuck) if self.stuck else []
        with torch._C.DisableTorchFunction():
            return {int(size) for leaf in leaves if isinstance(leaf, torch.Tensor) for size in leaf.shape}


@contextlib.contextmanager
def pause():
    """Real work inside a probe: a layer makes its weights."""
    with scopes.override(probe=None):
        yield


def infer(function, args, kwargs):
    """The outputs of `function(*args, **kwargs)` as KerasTensors, where some arguments are KerasTensors.

    Raises what the function raises; `ShapeInferenceError` where shapes alone are not enough.
    """
    try:
        return _Inference(function, args, kwargs, "meta").outputs()
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        if not _is_limit_of_meta(error):
            raise
        reason = error
    try:
        with torch.random.fork_rng(devices=[]):
            return _Inference(function, args, kwargs, "cpu").outputs()
    except Exception as error:
        name = getattr(function, "__qualname__", repr(function))
        raise ShapeInferenceError(
            f"The output shape of {name} cannot be found without data ({_first_line(reason)}), and a trial run on "
            f"zeros failed ({_first_line(error)}). Define compute_output_shape(), or compute_output_spec(), on the "
            "layer."
        ) from error


class _Inference:
    """One inference on one device: the runs that are tried, and what they have in common.

    Attributes:
        first: the choice of sizes of the first run that succeeded; `pins` are the places in it that are not free.
        results: the outputs of all runs that succeeded, that of `first` in front.
    """

    def __init__(self, function, args, kwargs, device):
        self.function, self.args, self.kwargs, self.device = function, tuple(args), dict(kwargs), device
        leaves = tree.flatten((self.args, self.kwargs))
        specs = {id(leaf): leaf for leaf in leaves if isinstance(leaf, KerasTensor)}
        shapes = [leaf.shape for leaf in leaves if isinstance(leaf, (KerasTensor, torch.Tensor))]
        self.known = {size for shape in shapes for size in shape} - {None}
        places = [(key, axis) for key, leaf in specs.items() for axis, size in enumerate(leaf.shape) if size is None]
        self.sizes = Sizes(places, self.known, "large" if device == "meta" else "small")
        self.results, self.first, self.pins, self.built = [], {}, (), []

    def outputs(self):
        probe = self._run_first()
        if self.sizes.places:
            self._vary(probe.made)
        elif self.device == "cpu":  # do sizes depend on the data?
            self._try({}, data="random")
        return tree.map_structure(_spec, *self.results)

    # -- the first run ------------------------------------------------------------------------------------------------

    def _run_first(self):
        """The first choice that the function takes. Raises the first error if there is none."""
        reason, met = None, set(self.known)
        for choice in self.sizes.firsts() if self.sizes.places else ({},):
            probe = Probe(self._free(choice, ()), self.device)
            try:
                return self._accept(self._run(choice, probe), choice, (), probe)
            except _SIZE_ERRORS as error:
                if _is_limit_of_meta(error):
                    raise
                reason = reason or error
                met |= probe.sizes_met()
                if not all(layer.built for layer, _ in probe.built):
                    met = set()  # a layer refuses to be built for what is unknown: it shall not be built for a guess
                    break
        found = self._run_pinned(met)
        if found is None:
            raise reason
        return found

    def _run_pinned(self, met):
        """As the first run, with some unknown sizes taken from what they met. None if nothing goes."""
        if not self.sizes.places or not met:
            return None
        first = next(self.sizes.firsts())
        for group in self.sizes.pinned(first, met):
            accepted = None
            for choice, pins in group:  # all of them: what fits in several sizes has none of them for sure
                probe = Probe(self._free(choice, pins), self.device)
                try:
                    result = self._run(choice, probe)
                except _SIZE_ERRORS:
                    continue
                if accepted is None:
                    accepted = self._accept(result, choice, pins, probe)
                elif self._like_the_first(result, choice):
                    self.results.append(result)
            if accepted is not None:
                self._release_pins(first)
                return accepted
        return None

    def _release_pins(self, first):
        """Frees the places whose pins need not be."""
        for place in self.pins if len(self.pins) > 1 else ():
            choice, pins = {**self.first, place: first[place]}, tuple(pin for pin in self.pins if pin != place)
            probe = Probe(self._free(choice, pins), self.device)
            try:
                self.results[0] = self._run(choice, probe)
            except _SIZE_ERRORS:
                continue
            self.first, self.pins = choice, pins

    def _accept(self, result, choice, pins, probe):
        self.results.append(result)
        self.first, self.pins, self.built = choice, pins, probe.built
        return probe

    # -- the others ---------------------------------------------------------------------------------------------------

    def _vary(self, made):
        """Runs with other sizes, which tell what depends on them."""
        sizes = self.sizes
        if self.pins:
            self._try(sizes.pins_doubled(self.first, self.pins), strict=True)
        if len(self.pins) == len(sizes.places):
            return
        few = (self._try(choice, data="random") for choice in sizes.few(self.first, self.pins))
        probe = next(filter(None, few), None) or self._try(sizes.other(self.first, self.pins), strict=True)
        loops = probe is not None and abs(made - probe.made) > min(self._free(self.first, self.pins)) // 2
        if not loops:  # else thousands would cost minutes
            any(self._try(choice, strict=True) for choice in sizes.many(self.first, self.pins))
        for choice in sizes.alone(self.first, self.pins):
            self._try(choice)

    def _try(self, choice, strict=False, data="zeros"):
        """One more run; its probe if the function takes these sizes, else None.

        `strict`: the sizes are others, not unusually small ones, so that no weight may depend on them.
        """
        probe = Probe(self._free(choice, self.pins), self.device)
        with _watched(self.built) as seen:
            try:
                result, error = self._run(choice, probe, data), None
            except Exception as reason:  # noqa: BLE001 - the user's code may raise anything on sizes that it need not take
                result, error = None, reason
        if strict or error is None:
            _forget_moving_sizes(self.built, seen, strict, error)
        if error is None and self._like_the_first(result, choice):
            self.results.append(result)
            return probe
        return None

    def _like_the_first(self, result, choice):
        ours, others = (tree.flatten(each) for each in (self.results[0], result))
        if len(ours) == len(others) and all(map(_same_rank, ours, others)):
            return True
        if 1 in choice.values():  # sizes of one are special: a squeeze takes them away
            return False
        raise ShapeInferenceError(
            "The rank of the output, or how many outputs there are, depends on an unknown size: define "
            "compute_output_shape()."
        )

    @staticmethod
    def _free(choice, pins):
        return {size for place, size in choice.items() if place not in pins}

    def _run(self, choice, probe, data="zeros"):
        made = {}

        def stand_in(value):
            if not isinstance(value, KerasTensor):
                return value
            if id(value) not in made:
                shape = [choice[id(value), axis] if size is None else size for axis, size in enumerate(value.shape)]
                made[id(value)] = _stand_in(shape, torch_dtype(value.dtype), self.device, data)
            return made[id(value)]

        args, kwargs = tree.map_structure(stand_in, (self.args, self.kwargs))
        with scopes.override(probe=probe, losses=[]), probe:
            return self.function(*args, **kwargs)


def _stand_in(shape, dtype, device, data):
    if device == "meta" or data == "zeros":
        return torch.zeros(shape, dtype=dtype, device=device)
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(shape).to(dtype)
    return (torch.rand(shape) < 0.5).to(dtype)


# -- layers built on the way ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _watched(built):
    """Layer's id -> the shapes of its inputs in the run inside, for layers that the first run built."""
    seen, hooks = {}, []

    def note(layer, args, kwargs):
        leaves = tree.flatten((args, kwargs))
        seen.setdefault(id(layer), [leaf.shape for leaf in leaves if isinstance(leaf, torch.Tensor)])

    for layer, _ in built:
        hooks.append(layer.register_forward_pre_hook(note, with_kwargs=True))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _forget_moving_sizes(built, seen, strict, cause):
    """A layer built in the first run must not have used a size that follows from an unknown one.

    Such a size (82 after `x[:, 1:]` of 83) looks like any other until another run shows it to move.
    """
    for layer, first in built:
        other = seen.get(id(layer), first)
        moving = {a for one, two in zip(first, other, strict=False) for a, b in zip(one, two, strict=False) if a != b}
        if moving:
            _forget_sizes(layer, moving, strict, cause)


def _forget_sizes(layer, moving, strict, cause):
    """Unknown sizes become None in what the layer remembers; a weight of such a size is an error."""
    for name, weight in layer.named_parameters():
        if strict and moving.intersection(weight.shape):
            raise ShapeInferenceError(
                f"Weight {name!r} of layer {layer.name!r} depends on a size that is not known (None): it would be made "
                f"of shape {tuple(weight.shape)}. Give the input a known size on that axis."
            ) from cause

    def forget(shape):
        return Shape(None if size in moving else size for size in shape) if isinstance(shape, Shape) else shape

    shapes = layer.__dict__["_build_shapes"]
    if shapes:
        layer.__dict__["_build_shapes"] = {key: forget(shape) for key, shape in shapes.items()}


# -- outputs ----------------------------------------------------------------------------------------------------------


def _same_rank(first, other):
    tensors = isinstance(first, torch.Tensor), isinstance(other, torch.Tensor)
    return first.dim() == other.dim() if all(tensors) else tensors[0] == tensors[1]


def _spec(first, *others):
    """The KerasTensor for an output of the first run and those of the others."""
    if first is None or isinstance(first, KerasTensor):
        return first
    if not isinstance(first, torch.Tensor):
        raise ShapeInferenceError(f"An operation in a graph must give tensors, this one gave {type(first).__name__}.")
    with torch._C.DisableTorchFunction():
        shapes = [tuple(each.shape) for each in (first, *others)]
        shape = [sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=True)]
        if first.device.type == "cpu":  # on zeros: an empty result says that the size depends on the data
            shape = [size or None for size in shape]
        return KerasTensor(Shape(shape), dtype=NAMES[first.dtype])


def _is_limit_of_meta(error):
    text = str(error).lower()
    return "meta" in text and ("tensor" in text or "backend" in text or "device" in text)


def _first_line(error):
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
