"""Every published layer as a torch module: compile, export, functional calls, copies, dtypes, a place in nn.Sequential.

The loop runs over what is published, so a new layer without a line in compat/layer_cases/ fails here.
"""

import copy
import inspect
import io
import pickle

import numpy as np
import pytest
import torch

from compat.layer_cases import CASES, ELSEWHERE, drawing_the_same, first_cases, published_layers, without_draws
from torchkeras import layers
from torchkeras.core import tree

PLAIN = first_cases()
SINGLE = [case for case in PLAIN if len(case.args) == 1 and isinstance(case.args[0], tuple)]
TRAINING = [
    case for case in CASES if case.training and not case.masks and "dtype" not in case.constructor_arguments(layers)
]
MIXED = [case for case in PLAIN if "dtype" not in case.constructor_arguments(layers)]
NO_HALF = {"AveragePooling3D": "torch has no kernel for it in half precision on the CPU"}


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()


def named(case):
    return case.title


def inputs_of(case, batch=None, dtype=torch.float32):
    """The call's arguments as tensors; `batch` overrides the batch size."""
    generator = torch.Generator().manual_seed(3)

    def fill(value):
        if isinstance(value, np.ndarray):
            return torch.tensor(value if batch is None else value[:batch])
        if isinstance(value, tuple):
            shape = value if batch is None else (batch, *value[1:])
            return torch.randn(shape, generator=generator).to(dtype)
        return [fill(item) for item in value]

    return tuple(fill(value) for value in case.args)


def layer_of(case):
    """A built layer with random weights."""
    layer = getattr(layers, case.layer)(**case.constructor_arguments(layers))
    layer(*inputs_of(case))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in layer.weights:
            weight.copy_(torch.rand(weight.shape, generator=generator) + 0.1)
    return drawing_the_same(layer)


def tensors(outputs):
    return [leaf for leaf in tree.flatten(outputs) if isinstance(leaf, torch.Tensor)]


def assert_same(first, second, **tolerance):
    first, second = tensors(first), tensors(second)
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


def total(outputs):
    return sum((out.float() ** 2).sum() for out in tensors(outputs))


def test_every_layer_has_a_case():
    assert not set(published_layers()) - {case.layer for case in PLAIN} - set(ELSEWHERE)


@pytest.mark.parametrize("case", PLAIN, ids=named)
def test_compiles_as_one_graph(case):
    layer, inputs = layer_of(case), inputs_of(case)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    assert_same(compiled(*inputs), layer(*inputs))


@pytest.mark.parametrize("case", TRAINING, ids=named)
def test_training_step_compiles(case):
    """Forward in training, backward and the update of moving statistics give eager's numbers."""
    layer = layer_of(case)
    twin = copy.deepcopy(layer)
    inputs = inputs_of(case)
    torch.manual_seed(0)
    expected = layer(*inputs, training=True)
    torch.manual_seed(0)
    found = torch.compile(twin, fullgraph=True, backend="aot_eager")(*inputs, training=True)
    if case.repeatable:
        assert_same(found, expected, rtol=1e-4, atol=1e-5)
    for outputs in (expected, found):
        if total(outputs).requires_grad:
            total(outputs).backward()
    for a, b in zip(layer.weights, twin.weights, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-5)
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None and case.repeatable:
            torch.testing.assert_close(b.grad, a.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", MIXED, ids=named)
def test_compiles_as_one_graph_in_mixed_precision(case):
    """Inference and a training step."""
    if case.layer in NO_HALF:
        with pytest.raises(RuntimeError, match="not implemented"):
            mixed_layer(case)
        return
    layer, inputs = mixed_layer(case), inputs_of(case)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    assert_same(compiled(*inputs), layer(*inputs), rtol=2e-2, atol=2e-2)
    outputs = compiled(*inputs, **({"training": True} if layer._call_info.training else {}))
    if total(outputs).requires_grad:
        total(outputs).backward()


def mixed_layer(case):
    layer = getattr(layers, case.layer)(**case.constructor_arguments(layers), dtype="mixed_bfloat16")
    layer(*inputs_of(case))
    return drawing_the_same(layer)


@pytest.mark.parametrize("case", PLAIN, ids=named)
def test_exports(case):
    layer, inputs = layer_of(case), inputs_of(case)
    program = torch.export.export(layer, inputs)
    assert_same(program.module()(*inputs), layer(*inputs))


@pytest.mark.parametrize("case", SINGLE, ids=named)
def test_exports_for_any_batch_size(case):
    layer = layer_of(case)
    program = torch.export.export(layer, inputs_of(case), dynamic_shapes=(({0: torch.export.Dim("batch", min=2)},),))
    other = inputs_of(case, batch=7)
    assert_same(program.module()(*other), layer(*other))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("case", PLAIN, ids=named)
def test_traces(case):
    """torch checks a trace by tracing again; a program may be saved."""
    layer, inputs = layer_of(case).eval(), inputs_of(case)
    if case.layer == "StackedRNNCells":
        with pytest.raises(RuntimeError, match="can be output"):  # torch.jit knows no lists in lists, as its states are
            torch.jit.trace(layer, inputs)
        return
    traced = torch.jit.trace(layer, inputs)
    torch.jit.save(traced, io.BytesIO())
    if without_draws(layer):  # the generator in the program goes on from draw to draw
        assert traced(*inputs).shape == layer(*inputs).shape
        return
    assert_same(traced(*inputs), layer(*inputs))


@pytest.mark.parametrize("case", PLAIN, ids=named)
def test_looking_at_any_attribute(case):
    """In any state, whatever is not there is an AttributeError."""
    unbuilt = getattr(layers, case.layer)(**case.constructor_arguments(layers))
    for layer in (unbuilt, layer_of(case)):
        inspect.getmembers(layer)
        assert not any(hasattr(layer, name) for name in ("_no_such_thing", "__no_such_thing__"))
    with pytest.raises(AttributeError):
        _ = type(unbuilt).__new__(type(unbuilt)).kernel


@pytest.mark.parametrize("case", PLAIN, ids=named)
def test_functional_call_and_gradient(case):
    layer, inputs = layer_of(case), inputs_of(case)
    parameters = {name: value.detach() * 2 for name, value in layer.named_parameters()}
    found = torch.func.functional_call(layer, parameters, inputs)
    learned = {name: parameters[name] for name, value in layer.named_parameters() if value.requires_grad}
    gradients = torch.func.grad(lambda p: total(torch.func.functional_call(layer, {**parameters, **p}, inputs)))(
        learned
    )
    with torch.no_grad():
        for name, value in layer.named_parameters():
            value.copy_(parameters[name])
    outputs = layer(*inputs)
    assert_same(found, outputs)
    if total(outputs).requires_grad:
        total(outputs).backward()
    for name, value in layer.named_parameters():
        if value.requires_grad:
            torch.testing.assert_close(gradients[name], value.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", PLAIN, ids=named)
def test_copies_are_equal_and_independent(case):
    layer, inputs = layer_of(case), inputs_of(case)
    expected = [out.clone() for out in tensors(layer(*inputs))]
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert_same(twin(*inputs), expected)
        assert twin.get_config() == layer.get_config()
        assert [w.path for w in twin.weights] == [w.path for w in layer.weights]
        assert [w.stride() for w in twin.weights] == [w.stride() for w in layer.weights]
        with torch.no_grad():
            for weight in twin.weights:
                weight.zero_()
        assert_same(layer(*inputs), expected)


@pytest.mark.parametrize("case", PLAIN, ids=named)
def test_state_dict_round_trip(case):
    layer, inputs = layer_of(case), inputs_of(case)
    stream = io.BytesIO()
    torch.save(layer.state_dict(), stream)
    stream.seek(0)
    fresh = getattr(layers, case.layer)(**case.constructor_arguments(layers))
    fresh(*inputs)
    drawing_the_same(fresh).load_state_dict(torch.load(stream, weights_only=True))
    assert_same(fresh(*inputs), layer(*inputs))


@pytest.mark.parametrize("case", PLAIN, ids=named)
def test_to_another_dtype(case):
    layer = layer_of(case)
    narrow = layer(*inputs_of(case))
    layer.to(torch.float64)
    assert all(weight.dtype == torch.float64 for weight in layer.weights if weight.is_floating_point())
    wide = layer(*inputs_of(case, dtype=torch.float64))
    assert layer.compute_dtype == "float64" or not layer.weights
    if hasattr(layer, "generator"):  # draws other numbers in another dtype
        narrow = wide
    assert_same(
        wide, [out.double() if out.is_floating_point() else out for out in tensors(narrow)], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("case", SINGLE, ids=named)
def test_inside_sequential_of_torch(case):
    layer, inputs = layer_of(case), inputs_of(case)
    model = torch.nn.Sequential(torch.nn.Identity(), layer)
    assert_same(model(*inputs), layer(*inputs))
    assert {id(p) for p in model.parameters()} == {id(w) for w in layer.weights}
    seen = []
    layer.register_forward_hook(lambda module, args, output: seen.append(module))
    model(*inputs)
    assert seen == [layer]


@pytest.mark.parametrize("case", PLAIN, ids=named)
def test_one_sample_and_none(case):
    layer = layer_of(case)
    for batch in (1, 0):
        inputs = inputs_of(case, batch=batch)
        full = tensors(layer(*inputs_of(case)))
        for found, whole in zip(tensors(layer(*inputs)), full, strict=True):
            assert found.shape == (batch, *whole.shape[1:])
            assert found.dtype == whole.dtype


@pytest.mark.parametrize("case", SINGLE, ids=named)
def test_memory_order_of_inputs_does_not_matter(case):
    layer, (x,) = layer_of(case), inputs_of(case)
    scattered = x.transpose(0, -1).contiguous().transpose(0, -1)
    assert scattered.stride() != x.stride() or 1 in x.shape or x.dim() < 2
    assert_same(layer(scattered), layer(x))
