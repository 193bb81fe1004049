"""`keras.ops` against the installed Keras on torch: values, dtypes, gradients, static shapes, configs, promotion."""

import inspect
import itertools

import keras
import numpy as np
import pytest
import torch

from compat.op_cases import CASES, NOT_TRACED
from torchkeras import ops
from torchkeras.core import scopes, tree
from torchkeras.core.dtypes import NAMES
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.serialization import serialize_keras_object
from torchkeras.layers import Input

OURS = sorted(name for name in ops.__all__ if callable(getattr(ops, name)))


def _arguments(case, make):
    return tree.map_structure(lambda v: make(v) if isinstance(v, np.ndarray) else v, (list(case.args), case.kwargs))


def _run(function, case, gradients):
    """Outputs as arrays, and the gradients of their weighted sum with respect to all float inputs."""
    inputs = []

    def tensor(array):
        value = torch.tensor(array)
        if value.is_floating_point() and gradients:
            inputs.append(value.requires_grad_())
        return value

    args, kwargs = _arguments(case, tensor)
    outputs = tree.flatten(function(*args, **kwargs))
    floats = [out for out in outputs if out.requires_grad]
    if floats:
        sum((out * torch.arange(1.0, out.numel() + 1).reshape(out.shape)).sum() for out in floats).backward()
    return outputs, [value.grad for value in inputs]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_values_and_gradients(case):
    want, want_gradients = _run(getattr(keras.ops, case.name), case, case.gradient)
    have, gradients = _run(getattr(ops, case.name), case, case.gradient)
    if case.name == "top_k":
        want[1] = want[1].int()  # as Keras's own static dtype says, and TensorFlow's tensors are
    assert [(out.dtype, tuple(out.shape)) for out in have] == [(out.dtype, tuple(out.shape)) for out in want]
    for ours, theirs in zip(have + gradients, want + want_gradients, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            tolerance = 1e-3 if ours.dtype == torch.float16 else 2e-5
            torch.testing.assert_close(
                ours.detach(), theirs.detach(), rtol=tolerance, atol=tolerance / 10, equal_nan=True
            )


def _symbolic(library_ops, make_input, case):
    """The operation that a call on inputs with unknown batch records, and its outputs."""
    batch = next(value for value in tree.flatten(list(case.args)) if isinstance(value, np.ndarray)).shape[0]
    args, kwargs = _arguments(case, lambda v: make_input(v) if v.shape[:1] == (batch,) else v)
    outputs = tree.flatten(getattr(library_ops, case.name)(*args, **kwargs))
    return outputs[0]._keras_history.operation, outputs


@pytest.mark.parametrize("case", [case for case in CASES if case.symbolic], ids=repr)
def test_static_shapes_and_configs(case):
    keras.utils.clear_session(free_memory=False)
    scopes.clear_session(free_memory=False)
    theirs, want = _symbolic(keras.ops, lambda v: keras.Input(v.shape[1:], dtype=v.dtype.name), case)
    ours, have = _symbolic(ops, lambda v: Input(v.shape[1:], dtype=v.dtype.name), case)
    assert [(tuple(out.shape), out.dtype) for out in have] == [(tuple(out.shape), out.dtype) for out in want]
    if case.config:
        assert serialize_keras_object(ours) == keras.saving.serialize_keras_object(theirs)


@pytest.mark.parametrize("case", {c.name: c for c in CASES if c.name not in NOT_TRACED}.values(), ids=repr)
def test_compiles_without_graph_breaks(case):
    function = getattr(ops, case.name)
    torch.compiler.reset()
    want, _ = _run(function, case, gradients=False)
    have, _ = _run(torch.compile(function, fullgraph=True, backend="eager"), case, gradients=False)
    for ours, eager in zip(have, want, strict=True):
        torch.testing.assert_close(ours, eager, equal_nan=True)


@pytest.mark.parametrize("name", OURS)
def test_signature(name):
    theirs = inspect.signature(getattr(keras.ops, name))
    assert str(inspect.signature(getattr(ops, name))) == str(theirs)


# -- promotion --------------------------------------------------------------------------------------------------------

_TYPES = ("bool", "uint8", "int8", "int16", "int32", "float16", "bfloat16", "float32")
_PROMOTING = (
    "add multiply divide true_divide maximum minimum mod power floor_divide equal less logical_and matmul dot "
    "arctan2 where concatenate stack"
).split()


def _call(library_ops, name, a, b):
    if name == "where":
        return library_ops.where(torch.ones(2, 2, dtype=torch.bool), a, b)
    function = getattr(library_ops, name)
    return function([a, b]) if name in ("concatenate", "stack") else function(a, b)


@pytest.mark.parametrize("name", _PROMOTING)
@pytest.mark.parametrize(("first", "second"), list(itertools.combinations_with_replacement(_TYPES, 2)))
def test_promotion_of_tensors(name, first, second):
    a, b = (torch.ones(2, 2).to(getattr(torch, dtype)) for dtype in (first, second))
    try:
        want = _call(keras.ops, name, a, b)
    except (NotImplementedError, RuntimeError):
        pytest.skip("Keras has no result for these dtypes")
    have = _call(ops, name, a, b)
    assert have.dtype == want.dtype
    torch.testing.assert_close(have, want)
    if name not in ("where", "concatenate", "stack"):
        symbolic = _call(ops, name, Input((2,), dtype=first), b)
        assert symbolic.dtype == NAMES[want.dtype]


@pytest.mark.parametrize("name", ["add", "multiply", "true_divide", "subtract", "power", "mod", "less", "maximum"])
@pytest.mark.parametrize("number", [2, 2.5, True])
@pytest.mark.parametrize("dtype", _TYPES)
def test_python_numbers_are_weak(name, number, dtype):
    x = torch.tensor([1, 1, 0]).to(getattr(torch, dtype))
    try:
        want = (getattr(keras.ops, name)(x, number), getattr(keras.ops, name)(number, x))
    except (NotImplementedError, RuntimeError):
        pytest.skip("Keras has no result for these dtypes")
    have = (getattr(ops, name)(x, number), getattr(ops, name)(number, x))
    for a, b in zip(have, want, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2, equal_nan=True)


@pytest.mark.parametrize(
    "name", ["sum", "mean", "prod", "max", "std", "var", "cumsum", "argmax", "any", "sqrt", "square"]
)
@pytest.mark.parametrize("dtype", _TYPES)
def test_dtype_of_one_operand(name, dtype):
    x = torch.tensor([[1, 2, 3], [1, 0, 1]]).to(getattr(torch, dtype))
    want, have = getattr(keras.ops, name)(x), getattr(ops, name)(x)
    assert have.dtype == want.dtype
    torch.testing.assert_close(have, want, rtol=1e-2, atol=1e-2)
    assert getattr(ops, name)(Input((3,), dtype=dtype)).dtype == NAMES[want.dtype]


def test_operators_of_symbolic_tensors_are_recorded_as_keras_does():
    def results(x):
        y = [
            x + 1,
            1 - x,
            x * 2,
            x / 2,
            2 / x,
            x // 2,
            x % 2,
            x**2,
            2**x,
            -x,
            abs(x),
            x[:, 1:],
            x[:, 0],
            x @ np.ones((4, 2), "float32"),
        ]
        return [*y, x < 1, x >= 1, (x > 0) & (x < 1), (x > 0) | (x < 1), (x > 0) ^ (x < 1), ~(x > 0), 1 + x, 2 * x]

    keras.utils.clear_session(free_memory=False)
    scopes.clear_session(free_memory=False)
    theirs, ours = results(keras.Input((4,))), results(Input((4,)))
    for want, have in zip(theirs, ours, strict=True):
        assert isinstance(have, KerasTensor)
        assert (tuple(have.shape), have.dtype) == (tuple(want.shape), want.dtype)
        operation = have._keras_history.operation
        assert serialize_keras_object(operation) == keras.saving.serialize_keras_object(want._keras_history.operation)


def test_values_that_are_no_tensors():
    np.testing.assert_array_equal(ops.add([1, 2], np.array([3, 4])), [4, 6])
    assert ops.convert_to_tensor([1, 2]).dtype == torch.int32
    assert ops.convert_to_tensor([1, 2.0]).dtype == torch.float32
    assert ops.convert_to_tensor([True]).dtype == torch.bool
    assert ops.convert_to_tensor(np.float64(2)).dtype == torch.float32
    assert ops.convert_to_tensor(2**40).dtype == torch.int64
    assert (ops.ones(2) * np.float64(2)).dtype == torch.float32
    assert ops.multiply(ops.ones(2), np.float64(2)).dtype == torch.float32
    with pytest.raises(ValueError, match="ragged"):
        ops.convert_to_tensor(np.array([[1], [1, 2]], dtype=object))
    with pytest.raises(ValueError, match="sparse"):
        ops.convert_to_tensor([1], sparse=True)


def test_average_pooling_with_same_padding_counts_only_the_input():
    """TensorFlow's and JAX's numbers, from which Keras on torch differs where the padding is uneven."""
    x = torch.arange(16.0).reshape(1, 4, 4, 1)
    assert ops.average_pool(x, 3, 2, "same")[0, 0, 0, 0] == 5.0
    assert ops.average_pool(x, 3, 2, "same")[0, 1, 1, 0].item() == pytest.approx(12.5)


def test_padding_is_numpys():
    x = np.arange(12.0).reshape(3, 4)
    for mode in ("reflect", "symmetric", "edge", "wrap"):
        np.testing.assert_array_equal(ops.pad(x, ((1, 1), (2, 1)), mode=mode), np.pad(x, ((1, 1), (2, 1)), mode=mode))
    np.testing.assert_array_equal(ops.pad(x, 1, constant_values=5), np.pad(x, 1, constant_values=5))


def test_layer_normalization_over_a_middle_axis():
    x, gamma, beta = torch.randn(3, 4, 2), torch.randn(4), torch.randn(4)
    want = torch.nn.functional.layer_norm(x.transpose(1, 2), (4,), gamma, beta, 1e-3).transpose(1, 2)
    torch.testing.assert_close(ops.layer_normalization(x, gamma, beta, axis=1, epsilon=1e-3), want)


def test_loops_and_branches():
    assert ops.while_loop(lambda i: i < 10, lambda i: (i + 3,), (0,)) == (12,)
    assert ops.while_loop(lambda i: i < 10, lambda i: i + 3, 0, maximum_iterations=2) == 6
    assert ops.fori_loop(0, 4, lambda i, value: value + i, 1) == 7
    assert ops.cond(ops.greater(2, 1), lambda: "yes", lambda: "no") == "yes"
    assert ops.switch(5, [lambda x: x, lambda x: -x], 2) == -2
    carry, sums = ops.scan(lambda c, x: (c + x, c + x), ops.zeros(()), ops.arange(4, dtype="float32"))
    assert carry == 6
    assert sums.tolist() == [0, 1, 3, 6]
    assert ops.map(lambda x: x * 2, ops.arange(3)).tolist() == [0, 2, 4]
    assert ops.vectorized_map(lambda x: x * 2, ops.arange(3)).tolist() == [0, 2, 4]
    assert ops.shape(Input((3,))) == (None, 3)


def test_errors_say_what_was_wrong():
    with pytest.raises(ValueError, match="out of bounds"):
        ops.sum(ops.ones((2, 3)), axis=2)
    with pytest.raises(ValueError, match="equal parts"):
        ops.split(ops.ones((2, 3)), 2, axis=1)
    with pytest.raises(ValueError, match="broadcast"):
        Input((3,)) + ops.ones((2, 4))
    with pytest.raises(ValueError, match="do not fit"):
        Input((3,)) @ ops.ones((4, 4))
    with pytest.raises(ValueError, match="same shape"):
        ops.binary_crossentropy(ops.ones((2,)), ops.ones((3,)))
    with pytest.raises(ValueError, match="'valid' or 'same'"):
        ops.max_pool(ops.ones((1, 4, 4, 1)), 2, padding="full")
