"""The differential harness: one layer configuration in torchkeras and in the installed Keras, all that shows compared.

May import torchkeras and Keras (torch backend, same process). Knows no particular layer.

    differences = compare(case)       # a list of sentences; empty where both agree
"""

import contextlib
import copy

import keras
import numpy as np
import torch
from keras import tree

from torchkeras import layers as our_layers
from torchkeras.core import scopes

DEVICE = (
    "cuda" if torch.cuda.is_available() else "cpu"
)  # where both sides put their weights; compat/conftest.py decides
# Tolerance of outputs, and of gradients. Keras on torch passes float64 through float32 in places.
_TOLERANCES = {"float64": (1e-6, 1e-6), "float32": (2e-6, 2e-5), "float16": (3e-3, 1e-2), "bfloat16": (2e-2, 6e-2)}


class Side:
    """A layer in one of the two libraries, with its inputs."""

    def __init__(self, name, module, tensor_class, case):
        self.name, self.module, self.tensor_class, self.case = name, module, tensor_class, case
        self.layer = self.make()

    def make(self):
        """A fresh layer, with automatic names from the start."""
        keras.utils.clear_session(free_memory=False)
        scopes.clear_session(free_memory=False)
        return getattr(self.module, self.case.layer)(**self.case.constructor_arguments(self.module))

    def config_after(self, config):
        """What a layer made from `config` writes."""
        return type(self.layer).from_config(_copied(config)).get_config()  # Keras empties what it is given

    def call(self, arrays):
        """Calls on tensors of these arrays; returns `(inputs, outputs)`."""
        inputs = tree.map_structure(_tensor if self.case.learns else _constant, arrays)
        for tensor, mask in zip(tree.flatten(inputs), self.case.masks, strict=False):
            if mask is not None:
                tensor._keras_mask = torch.as_tensor(mask, device=DEVICE)
        kwargs = dict(self.case.kwargs)
        if self.case.training is not None:
            kwargs["training"] = self.case.training
        with exact_attention() if self.module is keras.layers else contextlib.nullcontext():
            return inputs, self.layer(*inputs, **kwargs)

    def symbolic(self, arrays):
        """A fresh layer called on Inputs with unknown batch size; returns `(layer, outputs)`."""
        layer = self.make()
        inputs = tree.map_structure(lambda a: self.module.Input(a.shape[1:], dtype=str(a.dtype)), arrays)
        return layer, layer(*inputs)

    def gradients(self, outputs, factors):
        """Backpropagates the weighted sum of all outputs and the losses; returns that sum."""
        total = sum(self.layer.losses, torch.zeros((), device=DEVICE))
        for output, factor in zip(_float_tensors(outputs), factors, strict=True):
            total = total + (output.to(factor.dtype) * factor).sum()
        if total.requires_grad:
            total.backward()
        return total.detach()


def exact_attention():
    """For Keras: torch's fused kernel for the CPU weighs each entry by 1 in the gradients of rows that may look
    nowhere (a line of compat/deviations.md)."""
    return torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)


def _tensor(array):
    tensor = torch.tensor(array, device=DEVICE)
    return tensor.requires_grad_() if tensor.is_floating_point() else tensor


def _constant(array):
    return torch.tensor(array, device=DEVICE)


def _float_tensors(structure):
    return [t for t in tree.flatten(structure) if isinstance(t, torch.Tensor) and t.is_floating_point()]


def arrays_of(case):
    """The call's arguments as arrays: shapes become random floats."""
    rng = np.random.default_rng(11)

    def fill(value):
        if isinstance(value, tuple) and all(isinstance(size, int) for size in value):
            return rng.standard_normal(value).astype("float32")
        if isinstance(value, (list, tuple)):
            return type(value)(fill(item) for item in value)
        return value

    return tuple(fill(value) for value in case.args)


def random_weights(layer):
    """Random values for all weights of a layer; what must be positive is."""
    rng = np.random.default_rng(13)
    values = []
    for weight in layer.weights:
        value = rng.standard_normal(tuple(weight.shape)) * 0.5
        if any(word in weight.name for word in ("variance", "stddev")):
            value = np.abs(value) + 0.5
        values.append(value.astype("float32"))
    return values


class Comparison:
    """Runs a case on both sides and collects what differs."""

    def __init__(self, case):
        self.case, self.found = case, []
        self.arrays = arrays_of(case)
        self.theirs = Side("Keras", keras.layers, keras.KerasTensor, case)
        self.ours = Side("torchkeras", our_layers, None, case)
        self.sides = (self.theirs, self.ours)

    def same(self, what, theirs, ours):
        """Notes a difference unless both are equal, types of containers included."""
        for place, a, b in _differences(theirs, ours):
            self.found.append(f"{what}{place}: Keras {a!r}, torchkeras {b!r}")

    def close(self, what, theirs, ours, gradient=False):
        """Notes a difference unless two tensors have the same dtype, shape and nearly the same numbers."""
        if theirs is None or ours is None:
            self.same(what, theirs is None, ours is None)
            return
        self.same(f"{what}: dtype", theirs.dtype, ours.dtype)
        self.same(f"{what}: shape", tuple(theirs.shape), tuple(ours.shape))
        if tuple(theirs.shape) != tuple(ours.shape):
            return
        tolerance = max(_TOLERANCES.get(str(t.dtype).removeprefix("torch."), (0, 0))[gradient] for t in (theirs, ours))
        if self.low_precision:
            tolerance = max(tolerance, _TOLERANCES[self.low_precision][gradient])
        tolerance *= self.case.loose * (3 if DEVICE == "cuda" else 1)  # where sums go in another order on each side
        a, b = theirs.detach().double(), ours.detach().double()
        gap = ((a - b).abs() / (1 + a.abs())).nan_to_num(nan=0.0)
        if a.isnan().ne(b.isnan()).any() or (gap > tolerance).any():
            self.found.append(f"{what}: numbers differ by up to {gap.max().item():.2g} (allowed {tolerance:.2g})")

    @property
    def seeded(self):
        return "seed" in self.case.constructor_arguments(our_layers)

    @property
    def low_precision(self):
        policy = self.ours.layer.compute_dtype
        return policy if policy in ("float16", "bfloat16") else None

    def run(self):
        self.compare_configs("before building")
        results = [side.call(self.arrays) for side in self.sides]
        self.compare_weights()
        weights = random_weights(self.theirs.layer)
        for side in self.sides:
            side.layer.set_weights(weights)
            rewind_seeds(side.layer)
        results = [side.call(self.arrays) for side in self.sides]
        self.compare_outputs(results)
        self.compare_gradients(results)
        self.compare_state()
        self.compare_configs("after building")
        self.compare_cross_configs()
        self.compare_shapes()
        self.compare_symbolic()
        return self.found

    def compare_configs(self, when):
        theirs, ours = (side.layer.get_config() for side in self.sides)
        self.same(f"get_config() {when}", theirs, ours)
        theirs, ours = (side.module.serialize(side.layer) for side in self.sides)
        self.same(f"serialize() {when}", theirs, ours)

    def compare_cross_configs(self):
        theirs, ours = (side.layer.get_config() for side in self.sides)
        self.same("Keras's config read by torchkeras", theirs, self.ours.config_after(theirs))
        self.same("torchkeras's config read by Keras", ours, self.theirs.config_after(ours))

    def compare_weights(self):
        facts = [
            [
                (w.name, w.path, tuple(w.shape), keras.backend.standardize_dtype(w.dtype), w.trainable)
                for w in side.layer.weights
            ]
            for side in self.sides
        ]
        self.same("weights (name, path, shape, dtype, trainable)", *facts)
        for kind in ("trainable_weights", "non_trainable_weights", "non_trainable_variables"):
            self.same(kind, *([w.name for w in getattr(side.layer, kind)] for side in self.sides))
        self.same("count_params()", *(side.layer.count_params() for side in self.sides))

    def compare_outputs(self, results):
        (_, theirs), (_, ours) = results
        leaves = [tree.flatten(theirs), tree.flatten(ours)]
        self.same("number of outputs", *map(len, leaves))
        for index, (a, b) in enumerate(zip(*leaves, strict=False)):
            if self.case.values and self.case.repeatable:
                self.close(f"output {index}", a, b)
            else:
                self.same(f"output {index}: dtype and shape", (a.dtype, tuple(a.shape)), (b.dtype, tuple(b.shape)))
            self.close(f"mask of output {index}", getattr(a, "_keras_mask", None), getattr(b, "_keras_mask", None))

    def compare_gradients(self, results):
        if not (self.case.values and self.case.repeatable):
            return
        factors = [
            torch.randn(t.shape, generator=torch.Generator().manual_seed(i), dtype=torch.float64).to(
                DEVICE, t.dtype if t.dtype == torch.float64 else torch.float32
            )
            for i, t in enumerate(_float_tensors(results[0][1]))
        ]
        totals = [side.gradients(outputs, factors) for side, (_, outputs) in zip(self.sides, results, strict=True)]
        self.same("number of losses", *(len(side.layer.losses) for side in self.sides))
        self.close("weighted sum of outputs plus losses", *totals, gradient=True)
        inputs = [tree.flatten(inputs) for inputs, _ in results]
        for index, (a, b) in enumerate(zip(*inputs, strict=True)):
            self.close(f"gradient of input {index}", _gradient(a), _gradient(b), gradient=True)
        for a, b in zip(self.theirs.layer.trainable_weights, self.ours.layer.trainable_weights, strict=False):
            self.close(f"gradient of {b.path}", _gradient(a.value), _gradient(b), gradient=True)

    def compare_state(self):
        variables = [side.layer.non_trainable_variables for side in self.sides]
        for a, b in zip(*variables, strict=False):
            if b.name != "seed_generator_state":
                self.close(f"{b.path} after the call", a.value, b)
            elif self.seeded:  # the words of the seed; Keras keeps them in 32 bits
                self.same(f"{b.path} after the call", a.value.tolist(), b.tolist())

    def compare_shapes(self):
        if self.case.shapes is None:
            return
        unknown = tree.map_structure(lambda a: (None, *a.shape[1:]), self.arrays)
        for shapes in (unknown, *((shape,) for shape in self.case.shapes)):
            found = [side.layer.compute_output_shape(*shapes) for side in self.sides]
            self.same(f"compute_output_shape{shapes}", *(_plain_shapes(shape) for shape in found))

    def compare_symbolic(self):
        facts = []
        for side in self.sides:
            layer, outputs = side.symbolic(self.arrays)
            weights = [(w.path, tuple(w.shape)) for w in layer.weights]
            facts.append(([(tuple(t.shape), t.dtype) for t in tree.flatten(outputs)], weights))
        self.same("outputs on an Input (shape, dtype) and weights", *facts)


def _copied(config):
    """A config with containers of its own. Keras's own lists hold the layer, which no copy can be made of."""
    if isinstance(config, dict):
        return {key: _copied(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return (list if isinstance(config, list) else tuple)(map(_copied, config))
    return copy.deepcopy(config)


def _gradient(tensor):
    """The gradient, zeros where none arrived."""
    if tensor.grad is None:
        return torch.zeros_like(tensor)
    return tensor.grad


def rewind_seeds(layer):
    """Puts the seed generators of a layer or model back to their first draw."""
    for variable in layer.non_trainable_variables:
        if variable.name == "seed_generator_state":
            value = np.array(variable.numpy())
            value[1] = 0
            variable.assign(value)


def _plain_shapes(shapes):
    if isinstance(shapes, (list, tuple)) and all(size is None or hasattr(size, "__index__") for size in shapes):
        return tuple(None if size is None else int(size) for size in shapes)
    if isinstance(shapes, dict):
        return {key: _plain_shapes(value) for key, value in shapes.items()}
    return [_plain_shapes(shape) for shape in shapes]


def _differences(a, b, place=""):
    """`(place, a, b)` for each place where two structures differ; a tuple is no list and True is no 1."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            yield from _differences(a[key], b[key], f"{place}[{key!r}]")
    elif isinstance(a, dict) and isinstance(b, dict):
        missing, extra = a.keys() - b.keys(), b.keys() - a.keys()
        yield place, {key: a[key] for key in missing}, {key: b[key] for key in extra}
    elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and isinstance(a, tuple) == isinstance(b, tuple):
        if len(a) != len(b):
            yield place, a, b
        else:
            for index, pair in enumerate(zip(a, b, strict=True)):
                yield from _differences(*pair, f"{place}[{index}]")
    elif isinstance(a, bool) != isinstance(b, bool) or a != b:
        yield place, a, b


def compare(case):
    """All differences between torchkeras and Keras for a case, as sentences."""
    return Comparison(case).run()
