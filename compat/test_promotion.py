"""Which dtype comes out: all pairs of dtypes, Python numbers, and the operations that promote, beside Keras.

Keras on torch narrows 64-bit types in its table; the rule without that step (Keras on TensorFlow) is followed here, a
line of deviations.md. `expected` says that rule by what numbers the types hold, not as a table.
"""

import itertools

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.test_op_sweep import ERRORS, wide_types  # noqa: F401  (a fixture)
from torchkeras.core.dtypes import FLOATS, INTS, NAMES, TORCH, result_type

FLOAT8 = ("float8_e4m3fn", "float8_e5m2")
TYPES = tuple(name for name in TORCH if name not in FLOAT8)
NARROWED = {"int64": "int32", "uint64": "uint32", "float64": "float32", "complex128": "complex64"}


def expected(first, second):
    """The smallest type of the richer kind that holds the numbers of both; a float meeting integers keeps its width."""
    if "bool" in (first, second):
        return second if first == "bool" else first
    if first.startswith("complex") or second.startswith("complex"):
        return "complex128" if {"float64", "complex128"} & {first, second} else "complex64"
    floats = {name for name in (first, second) if name in FLOATS}
    if floats:
        if len(floats) == 2 and floats <= {"float16", "bfloat16"}:
            return "float32"  # neither holds the other
        return max(floats, key=lambda name: torch.finfo(TORCH[name]).bits)
    ranges = {name: np.iinfo(name) for name in INTS}
    fitting = [
        name
        for name, room in ranges.items()
        if all(room.min <= ranges[one].min and room.max >= ranges[one].max for one in (first, second))
    ]
    return min(fitting, key=lambda name: ranges[name].bits) if fitting else keras.config.floatx()


@pytest.mark.parametrize("first", TYPES)
def test_all_pairs_of_dtypes(first):
    for second in TYPES:
        want = expected(first, second)
        assert result_type(first, second) == result_type(second, first) == want, second
        assert keras.backend.result_type(first, second) in (want, NARROWED.get(want)), second
        assert torchkeras.backend.result_type(TORCH[first], second) == want


@pytest.mark.parametrize("number", [int, float, complex, None, bool])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.usefixtures("wide_types")
def test_python_numbers_in_the_table(dtype, number):
    want = keras.backend.result_type(dtype, number)
    have = result_type(dtype, number)
    assert have == want or NARROWED.get(have) == want
    if number not in (complex, None) and dtype not in ("bool", *INTS):
        assert have == dtype  # weak


@pytest.mark.usefixtures("wide_types")
def test_several_dtypes_at_once():
    picks = np.random.default_rng(0)
    for _ in range(300):
        names = [str(name) for name in picks.choice(TYPES, size=picks.integers(1, 5))]
        names += [int] * int(picks.integers(2)) + [float] * int(picks.integers(2))
        have, want = result_type(*names), keras.backend.result_type(*names)
        assert have == want or NARROWED.get(have) == want, names
    assert result_type() == keras.backend.result_type() == "float32"


@pytest.mark.parametrize("other", [*FLOAT8, "float32", int])
def test_eight_bit_floats_are_never_converted(other):
    for library in (keras, torchkeras):
        with pytest.raises(ValueError, match="float8"):
            library.backend.result_type("float8_e4m3fn", other)


@pytest.mark.parametrize("wrong", ["int33", "flot32", object(), "float12"])
def test_unknown_dtypes(wrong):
    for library in (keras, torchkeras):
        with pytest.raises(ValueError, match=r"\w"):
            library.backend.standardize_dtype(wrong)
        with pytest.raises((ValueError, TypeError), match=r"\w"):
            library.ops.cast(np.ones(2), wrong)
        with pytest.raises((ValueError, TypeError), match=r"\w"):
            library.ops.zeros((2,), dtype=wrong)


# -- operations -------------------------------------------------------------------------------------------------------

TENSORS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
PROMOTING = (
    "add subtract multiply divide true_divide floor_divide mod power matmul dot inner outer maximum minimum fmax fmin "
    "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor arctan2 logaddexp hypot "
    "divide_no_nan where concatenate stack append kron isclose cross vdot tensordot einsum"
).split()


def _call(library, name, a, b):
    function = getattr(library.ops, name)
    if name == "where":
        return function(torch.tensor([True, False, True]), a, b)
    if name in ("concatenate", "stack"):
        return function([a, b])
    if name == "tensordot":
        return function(a, b, axes=1)
    if name == "einsum":
        return function("i,i->i", a, b)
    return function(a, b)


@pytest.mark.parametrize("name", PROMOTING)
@pytest.mark.usefixtures("wide_types")
def test_operations_on_all_pairs(name):
    answered = 0
    for first, second in itertools.product(TENSORS, TENSORS):
        a, b = torch.tensor([1, 2, 1]).to(TORCH[first]), torch.tensor([1, 1, 3]).to(TORCH[second])
        try:
            want = _call(keras, name, a, b)
        except ERRORS:  # Keras on torch has no answer for these
            continue
        have = _call(torchkeras, name, a, b)
        assert have.dtype == want.dtype, (first, second)
        torch.testing.assert_close(have, want, rtol=2e-2, atol=2e-2)
        static = _call(torchkeras, name, torchkeras.Input(batch_shape=(3,), dtype=first), b)
        assert static.dtype == NAMES[want.dtype], (first, second)
        answered += 1
    assert answered >= 25


@pytest.mark.parametrize("name", "add subtract multiply true_divide power maximum equal mod where".split())
@pytest.mark.usefixtures("wide_types")
def test_python_numbers_beside_tensors(name):
    for dtype, number in itertools.product(TENSORS, (2, 2.5, True, 3, -1)):
        x = torch.tensor([1, 2, 1]).to(TORCH[dtype])
        for pair in ((x, number), (number, x)):
            try:
                want = _call(keras, name, *pair)
            except ERRORS:
                continue
            have = _call(torchkeras, name, *pair)
            assert have.dtype == want.dtype, (dtype, number)
            torch.testing.assert_close(have, want, rtol=2e-2, atol=2e-2, equal_nan=True)


# -- floatx -----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["float16", "bfloat16", "float32", "float64"])
def floatx(request):
    def use(name):
        for library in (keras, torchkeras):
            library.config.set_floatx(name)
        # Keras keeps the first policy; a policy that another test has set would outrank floatx.
        keras.src.backend.common.global_state.set_global_attribute("dtype_policy", None)
        torchkeras.config.set_dtype_policy(None)

    use(request.param)
    yield request.param
    use("float32")


INTEGERS = np.array([[1, 2], [3, 5]], "int32")
BYTES = np.array([1, 2, 3], "uint8")

OF_FLOATX = {
    "zeros": lambda k: k.ops.zeros((2,)),
    "ones": lambda k: k.ops.ones((2,)),
    "full": lambda k: k.ops.full((2,), 1.5),
    "eye": lambda k: k.ops.eye(2),
    "identity": lambda k: k.ops.identity(2),
    "tri": lambda k: k.ops.tri(2),
    "empty": lambda k: k.ops.zeros_like(k.ops.empty((2,))),
    "linspace": lambda k: k.ops.linspace(0, 1, 5),
    "logspace": lambda k: k.ops.logspace(0, 1, 5),
    "arange": lambda k: k.ops.arange(0.0, 2.0, 0.5),
    "a number": lambda k: k.ops.convert_to_tensor(1.5),
    "a list": lambda k: k.ops.convert_to_tensor([1.5, 2]),
    "one_hot": lambda k: k.ops.one_hot(INTEGERS, 6),
    "sqrt": lambda k: k.ops.sqrt(INTEGERS),
    "exp": lambda k: k.ops.exp(BYTES),
    "log of bools": lambda k: k.ops.log(BYTES > 0),
    "mean": lambda k: k.ops.mean(INTEGERS, axis=0),
    "var": lambda k: k.ops.var(INTEGERS, axis=0),
    "average": lambda k: k.ops.average(INTEGERS, axis=0),
    "divide": lambda k: k.ops.divide(INTEGERS, INTEGERS),
    "divide by a number": lambda k: k.ops.divide(INTEGERS, 2),
    "times a float": lambda k: k.ops.multiply(INTEGERS, 1.5),
    "where": lambda k: k.ops.where(BYTES > 1, 1.5, 0.0),
    "two numbers": lambda k: k.ops.add(1.5, 2),
    "softmax": lambda k: k.ops.softmax(k.ops.ones((2, 2))),
    "uniform": lambda k: k.random.uniform((3,), seed=1),
    "glorot": lambda k: k.initializers.GlorotUniform(seed=1)((2, 3)),
    "zeros of an initializer": lambda k: k.initializers.Zeros()((2,)),
    "an input": lambda k: k.ops.zeros((1,), dtype=k.Input((2,)).dtype),
    "a weight": lambda k: k.layers.Dense(2, kernel_initializer="ones")(k.ops.ones((1, 2))),
}
# Keras on torch leaves these to torch, which makes float32 of integers; its static answer is floatx.
OF_TORCH = ("sqrt", "log of bools", "mean", "divide", "divide by a number")
KEPT = {
    "integers": lambda k: k.ops.add(INTEGERS, 1),
    "sum of bytes": lambda k: k.ops.sum(BYTES),
    "positions": lambda k: k.ops.argmax(INTEGERS, axis=1),
    "float32 arrays": lambda k: k.ops.add(np.ones(2, "float32"), 1.5),
    "float64 arrays": lambda k: k.ops.sqrt(np.ones(2, "float64")),
    "float16 and integers": lambda k: k.ops.add(np.ones(2, "float16"), np.ones(2, "int32")),
    "nan_to_num": lambda k: k.ops.nan_to_num(INTEGERS),
}


@pytest.mark.parametrize("name", [*OF_FLOATX, *KEPT])
@pytest.mark.usefixtures("wide_types")
def test_floatx_is_honoured(name, floatx):
    function = OF_FLOATX.get(name) or KEPT[name]
    have, want = function(torchkeras), function(keras)
    if name in OF_FLOATX:
        assert NAMES[have.dtype] == floatx
    if name in OF_TORCH or (floatx == "bfloat16" and want.dtype == torch.float16):  # lines of deviations.md
        want = want.to(have.dtype)
    assert have.dtype == want.dtype
    torch.testing.assert_close(have, want, rtol=1e-2 if floatx != "float64" else 1e-9, atol=1e-3)


def test_setting_floatx_to_nonsense():
    for library in (keras, torchkeras):
        with pytest.raises(ValueError, match=r"\w"):
            library.config.set_floatx("int32")
    assert keras.config.floatx() == torchkeras.config.floatx() == "float32"


deviation = pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)


def _with_floatx(name, function):
    """What both libraries give while `floatx` is another one."""
    try:
        for library in (keras, torchkeras):
            library.config.set_floatx(name)
        return [function(library) for library in (torchkeras, keras)]
    finally:
        for library in (keras, torchkeras):
            library.config.set_floatx("float32")


@deviation
def test_weak_integers_have_the_width_of_floatx():
    ours, theirs = _with_floatx("float16", lambda k: k.ops.arange(3).dtype)
    assert ours == theirs


@deviation
def test_numbers_are_float16_where_floatx_is_bfloat16():
    ours, theirs = _with_floatx("bfloat16", lambda k: k.ops.convert_to_tensor([1.5, 2]).dtype)
    assert ours == theirs


@deviation
@pytest.mark.parametrize("name", OF_TORCH)
def test_integers_become_float32_whatever_floatx_is(name):
    ours, theirs = _with_floatx("float16", lambda k: OF_FLOATX[name](k).dtype)
    assert ours == theirs
